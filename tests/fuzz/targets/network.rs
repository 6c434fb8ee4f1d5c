//! What comes in by the network, and who is asked there.

use std::net::IpAddr;

use rcon::container::Network;
use rcon::network::names::{self, Servers};
use rcon::network::worker::dns::message::{self, Outcome, Question, SMALL, Unread};
use rcon::registry::challenges;

use super::text;

/// Lines of `resolv.conf`.
pub const RESOLV: &[&str] = &[
    "nameserver ",
    "search ",
    "domain ",
    "options ",
    "ndots:5",
    "127.0.0.53",
    "192.0.2.1",
    "fe80::1%lo",
    "::1%4294967296",
    "#",
    ";",
    "\n",
];

/// Pieces of `WWW-Authenticate`.
pub const CHALLENGES: &[&str] = &[
    "Bearer ",
    "Basic ",
    "realm=",
    "\"https://example.org/token\"",
    "service=",
    "scope=",
    "\\\"",
    ",",
    "=",
    "Negotiate",
];

/// The longest answer there is over UDP, and the longest question.
const LONG: usize = 4096;

/// What we write is read as we mean it, and names no server of the host's own.
pub fn resolv_conf(bytes: &[u8]) {
    let host = text(bytes);
    for asked in [Servers::Hosts, Servers::Reachable, Servers::Own] {
        let ours = names::resolv_conf(&host, &Network::default(), asked);
        let again = names::resolv_conf(&ours, &Network::default(), asked);
        assert_eq!(again, ours);
        let outside = names::resolvers(&ours);
        if asked == Servers::Reachable {
            assert!(!outside.iter().any(|a| a.ip().is_loopback()), "{ours}");
        }
    }
    let servers = names::resolvers(&host);
    assert!(servers.len() <= host.lines().count());
}

/// An answer fits, has the question's name, and is well formed.
pub fn question(bytes: &[u8]) {
    let question = match Question::read(bytes) {
        Ok(question) => question,
        Err(Unread::Hopeless) => return,
        Err(Unread::Refused(id, outcome)) => {
            let refusal = message::refusal(id, outcome);
            assert_eq!((refusal.len(), &refusal[..2]), (12, &bytes[..2]));
            return;
        }
    };
    assert!(question.name.len() <= 255 && (SMALL..=LONG).contains(&question.room));
    let four: Vec<IpAddr> = (0..200).map(|n| IpAddr::from([10, 0, 0, n])).collect();
    let six: Vec<IpAddr> = (0..200)
        .map(|n| IpAddr::from([n, 0, 0, 0, 0, 0, 0, 1]))
        .collect();
    let names: Vec<String> = question.address().iter().map(ToString::to_string).collect();
    let long = ["x".repeat(63), "y".repeat(64), question.name.clone()];
    for answer in [
        question.outcome(Outcome::NoSuchName),
        question.outcome(Outcome::Failed),
        question.outcome(Outcome::BadVersion),
        question.answer(Outcome::Found, &four[..1], &[], 5),
        question.answer(Outcome::Found, &four, &names, 5),
        question.answer(Outcome::Found, &six, &long, u32::MAX),
    ] {
        assert!(answer.len() <= question.room, "{} bytes", answer.len());
        assert!(answer[..2] == bytes[..2] && answer[2] & 0x80 != 0);
        check_form(&answer, &question);
    }
}

/// Walks through an answer as a resolver would.
fn check_form(answer: &[u8], question: &Question) {
    let word = |at: usize| usize::from(u16::from_be_bytes([answer[at], answer[at + 1]]));
    let mut at = 12;
    while answer[at] != 0 {
        at += 1 + usize::from(answer[at]);
    }
    at += 5;
    assert_eq!(word(4), 1);
    for _ in 0..word(6) {
        assert_eq!(word(at), 0xc00c, "a record of another name");
        at += 12 + word(at + 10);
    }
    for _ in 0..word(10) {
        assert_eq!(answer[at], 0, "EDNS is about the root");
        at += 11 + word(at + 9);
    }
    assert_eq!(at, answer.len(), "something behind the end");
    assert_eq!(word(10) == 1, question.edns.is_some());
}

/// Challenges come out of the text, and nothing else.
pub fn challenge(bytes: &[u8]) {
    let text = text(bytes);
    let found = challenges(&text);
    assert!(found.len() <= text.len());
    for challenge in found {
        assert!(!challenge.scheme.is_empty());
        assert_eq!(challenge.scheme, challenge.scheme.to_ascii_lowercase());
        for name in ["realm", "service", "scope", "error"] {
            let value = challenge.get(name).unwrap_or_default();
            assert!(value.len() <= text.len());
        }
    }
}
