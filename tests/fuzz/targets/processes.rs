//! What rcon's processes say to each other. One of them stands beside a
//! container, so no word of it is believed either.

use rcon::keeper::{Change, Reply, Request, Wish};
use rcon::network::inquiry::Question;
use rcon::run::Message;

/// The JSON that some messages carry.
pub const WORDS: &[&str] = &[
    "\"resources\":{}",
    "\"restart\":\"no\"",
    "\"network\":\"bridge\"",
    "\"endpoint\":{}",
    "null",
    "{",
    "}",
    "1e999",
    "[[[[[[[[",
];

/// What can be read is the same when it is sent on.
pub fn keeper(bytes: &[u8]) {
    if let Some(request) = Request::decode(bytes) {
        let sent = request.encode();
        assert!(sent.len() <= bytes.len());
        match &request {
            Request::Update(json) => {
                let _ = serde_json::from_slice::<Change>(json);
            }
            Request::Connect(json) => {
                let _ = serde_json::from_slice::<Wish>(json);
            }
            _ => {}
        }
        assert_eq!(Request::decode(&sent), Some(request));
    }
    if let Some(reply) = Reply::decode(bytes) {
        assert_eq!(Reply::decode(&reply.encode()), Some(reply));
    }
}

/// As above, but what is too long for a packet is cut.
pub fn start(bytes: &[u8]) {
    const LONGEST: usize = 4096;
    let Some(message) = Message::decode(bytes) else {
        return;
    };
    let sent = message.encode();
    assert!(sent.len() <= LONGEST);
    if sent.len() < LONGEST {
        assert_eq!(Message::decode(&sent), Some(message));
    } else {
        assert!(Message::decode(&sent).is_some());
    }
}

/// What the worker of published ports asks.
pub const QUESTIONS: &[&str] = &[
    "{\"Addresses\":\"",
    "{\"Names\":\"",
    "\"Resolvers\"",
    "10.0.0.1\"}",
    "::ffff:127.0.0.1\"}",
    "\\u0000",
    "null",
    "[",
];

/// As of the keeper's.
pub fn names(bytes: &[u8]) {
    if let Some(question) = Question::decode(bytes) {
        assert_eq!(Question::decode(&question.encode()), Some(question));
    }
}
