//! What a worker asks its keeper.
//!
//! The worker speaks with strangers, and so has no files of the host's, not
//! even the records of who is in its networks (see [`super::knowledge`]). It
//! asks the keeper, which answers questions about names and nothing else, and
//! takes them from it as from a stranger.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::MsgFlags;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::knowledge::Knowledge;
use super::worker::dns::Names;
use crate::sys::{SysError, SysResult, socket};

/// A name has no more than 255 bytes.
const LONGEST_QUESTION: usize = 1024;
/// So many containers are not in one network.
const LONGEST_ANSWER: usize = 1 << 20;
/// Questions answered before others have their turn.
const AT_ONCE: usize = 64;
/// How long an answer is waited for. The ports stand still as long, so a keeper
/// that was silent, because somebody has stopped it perhaps, is asked nothing
/// for a while.
const PATIENCE: Duration = Duration::from_millis(500);
const REST: Duration = Duration::from_secs(5);

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// The addresses of a name.
    Addresses(String),
    /// The names of an address.
    Names(IpAddr),
    /// Who knows the rest.
    Resolvers,
}

impl Question {
    /// As it is sent.
    pub fn encode(&self) -> Vec<u8> {
        // Nothing in it is without a form in JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What that says, if it is a question.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// What comes after the number of a question, in one message or the other.
fn numbered(number: u32, what: &[u8]) -> Vec<u8> {
    [&number.to_ne_bytes(), what].concat()
}

fn number_of(message: &[u8]) -> Option<(u32, &[u8])> {
    let (number, what) = message.split_first_chunk()?;
    Some((u32::from_ne_bytes(*number), what))
}

/// The worker's side.
pub struct Asking {
    keeper: OwnedFd,
    /// That of the last question: an answer to an earlier one comes too late.
    number: Cell<u32>,
    silent_until: Cell<Option<Instant>>,
}

impl Asking {
    /// Asks over `keeper`.
    pub fn new(keeper: OwnedFd) -> Self {
        Self {
            keeper,
            number: Cell::new(0),
            silent_until: Cell::new(None),
        }
    }

    /// Whether the keeper is there.
    pub fn is_heard(&self) -> bool {
        let mut fds = [PollFd::new(self.keeper.as_fd(), PollFlags::empty())];
        poll(&mut fds, PollTimeout::ZERO) == Ok(0)
    }

    /// Nothing, where there is no answer.
    fn ask<T: DeserializeOwned>(&self, question: &Question) -> Option<T> {
        if self.is_silent() {
            return None;
        }
        let answer = self.answer_to(question);
        if answer.is_none() {
            self.silent_until.set(Some(Instant::now() + REST));
        }
        serde_json::from_slice(&answer?).ok()
    }

    fn answer_to(&self, question: &Question) -> Option<Vec<u8>> {
        let number = self.number.get().wrapping_add(1);
        self.number.set(number);
        let until = Instant::now() + PATIENCE;
        socket::send_now(&self.keeper, &numbered(number, &question.encode())).ok()?;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            let mut fds = [PollFd::new(self.keeper.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, left).ok().filter(|ready| *ready > 0)?;
            let message = receive_now(self.keeper.as_fd(), LONGEST_ANSWER).ok()??;
            match number_of(&message) {
                Some((of, answer)) if of == number => return Some(answer.to_vec()),
                _ => {}
            }
        }
    }
}

impl Names for Asking {
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        self.ask(&Question::Addresses(name.to_owned())).flatten()
    }

    fn names(&self, address: IpAddr) -> Option<Vec<String>> {
        self.ask(&Question::Names(address)).flatten()
    }

    fn resolvers(&self) -> Vec<SocketAddr> {
        self.ask(&Question::Resolvers).unwrap_or_default()
    }

    fn is_silent(&self) -> bool {
        self.silent_until
            .get()
            .is_some_and(|until| Instant::now() < until)
    }
}

impl AsFd for Asking {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.keeper.as_fd()
    }
}

/// The keeper's side.
pub struct Answering {
    worker: OwnedFd,
    knowledge: Knowledge,
}

impl Answering {
    /// Answers what is asked over `worker`.
    pub fn new(worker: OwnedFd, knowledge: Knowledge) -> Self {
        Self { worker, knowledge }
    }

    /// Answers those who wait, but not for ever.
    pub fn answer(&self) -> SysResult<()> {
        for _ in 0..AT_ONCE {
            let Some(question) = receive_now(self.worker.as_fd(), LONGEST_QUESTION)? else {
                break;
            };
            // What is no question has no answer.
            if let Some(answer) = self.answer_to(&question) {
                // Who asks and does not listen is not waited for.
                let _ = socket::send_now(&self.worker, &answer);
            }
        }
        Ok(())
    }

    fn answer_to(&self, message: &[u8]) -> Option<Vec<u8>> {
        let (number, question) = number_of(message)?;
        let answer = match Question::decode(question)? {
            Question::Addresses(name) => serde_json::to_vec(&self.knowledge.addresses(&name)),
            Question::Names(address) => serde_json::to_vec(&self.knowledge.names(address)),
            Question::Resolvers => serde_json::to_vec(&self.knowledge.resolvers()),
        };
        Some(numbered(number, &answer.ok()?))
    }
}

impl AsFd for Answering {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.worker.as_fd()
    }
}

/// One message, or nothing if none is waiting; an error, if none will come.
fn receive_now(socket: BorrowedFd<'_>, most: usize) -> SysResult<Option<Vec<u8>>> {
    match socket::receive_whole(socket, most, MsgFlags::MSG_DONTWAIT) {
        Ok(message) if message.is_empty() => Err(SysError::new(Errno::EPIPE, "recv()")),
        Ok(message) => Ok(Some(message)),
        Err(e) if e.errno == Errno::EAGAIN => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Id;
    use crate::store::Store;

    /// Both sides, in a store where there is nothing.
    fn both() -> (Asking, Answering) {
        let (worker, keeper) = socket::message_pair().unwrap();
        let id = Id::random().unwrap();
        let dir = std::env::temp_dir().join(format!("rcon-test-{}", id.short()));
        let store = Store::open(Some(dir), None).unwrap();
        let knowledge = Knowledge::of(&store, &id, &[]);
        (Asking::new(worker), Answering::new(keeper, knowledge))
    }

    #[test]
    fn what_is_no_question_has_no_answer_and_harms_nobody() {
        let (asking, answering) = both();
        for odd in [&b"x"[..], b"....{}", b"....\"Everything\"", &[b'['; 900]] {
            socket::send_now(&asking, odd).unwrap();
        }
        socket::send_now(&asking, &vec![b' '; 100_000]).unwrap();
        let question = Question::Addresses("db".to_owned());
        socket::send_now(&asking, &numbered(7, &question.encode())).unwrap();
        answering.answer().unwrap();
        let first = receive_now(asking.as_fd(), 100).unwrap().unwrap();
        assert_eq!(first, numbered(7, b"null"), "nobody has that name");
        assert!(receive_now(asking.as_fd(), 100).unwrap().is_none());
    }

    #[test]
    fn who_asks_without_end_is_answered_some_at_a_time() {
        let (asking, answering) = both();
        let question = numbered(0, &Question::Resolvers.encode());
        let mut asked = 0;
        while socket::send_now(&asking, &question).is_ok() {
            asked += 1;
        }
        assert!(asked > AT_ONCE, "{asked}");
        answering.answer().unwrap();
        let answers = std::iter::from_fn(|| receive_now(asking.as_fd(), 100).ok().flatten());
        assert_eq!(answers.count(), AT_ONCE);
    }

    #[test]
    fn an_answer_that_comes_late_is_none_to_what_is_asked_next() {
        let (asking, answering) = both();
        let one = Some(vec![IpAddr::from([10, 0, 0, 1])]);
        let answer = |number| numbered(number, &serde_json::to_vec(&one).unwrap());
        // Nobody answers, and is asked nothing for a while.
        assert_eq!(asking.addresses("slow"), None);
        assert!(asking.is_silent());
        let begun = Instant::now();
        assert_eq!(asking.addresses("again"), None);
        assert!(begun.elapsed() < PATIENCE / 2);
        asking.silent_until.set(None);
        // Then two answers come: the first is to the first question.
        socket::send_now(&answering, &answer(1)).unwrap();
        socket::send_now(&answering, &numbered(2, b"null")).unwrap();
        assert_eq!(asking.addresses("next"), None);
        assert!(!asking.is_silent(), "it was an answer");
        socket::send_now(&answering, &answer(3)).unwrap();
        assert_eq!(asking.addresses("last"), one);
    }

    #[test]
    fn who_is_gone_is_not_waited_for() {
        let (asking, answering) = both();
        assert!(asking.is_heard());
        drop(answering);
        assert!(!asking.is_heard());
        assert_eq!(asking.addresses("db"), None);
        let (asking, answering) = both();
        drop(asking);
        assert!(answering.answer().is_err());
    }
}
