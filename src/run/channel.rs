//! What the processes of a start say to each other.
//!
//! ```text
//!   launcher                       joiner (if any)              init
//!      |---- Told(mapped) ------------->|                         |
//!      |                                |------ clone3 ---------->|
//!      |<--- Child(pid) + pidfd --------|                         |
//!      |---- Told(prepared) ------------------------------------->|
//!      |<--- Told(network-made) ----------------------------------|
//!      |---- Told(connected) (if init needs to know) ------------>|
//!      |<--- Told(root-assembled) --------------------------------|
//!      |---- Told(hooks-done) ----------------------------------->|
//!      |<--- Listener(fd number) ---------------------------------|
//!      |<--- Told(ready) -----------------------------------------|
//!      |---- Told(recorded) (if another process will start it) ---->|
//!      |---- Told(start) ---------------------------------------->|
//!      |<--- (closed: the program runs)   or   Failed(…) ---------|
//! ```
//!
//! Each message is one packet of a `SOCK_SEQPACKET` socket: a tag, then fields
//! of fixed size, then text to the end. There is no length to get wrong
//! (CVE-2021-43784 was one that overflowed), and whatever arrives is bounded by
//! the buffer it is read into.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::MsgFlags;

use crate::plan::Signal;
use crate::sys::{SysResult, fd, socket};

/// The longest message; a longer text is cut.
const LONGEST: usize = 4096;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Something has happened that the other side waits for.
    Told(Signal),
    /// A process was made; a handle on it comes along.
    Child(i32),
    /// The number of the descriptor at which a seccomp listener will appear.
    Listener(i32),
    /// A step failed, and with it the start.
    Failed(Failure),
    /// A step failed that the start can do without.
    Warned(String),
}

/// A message, with the descriptor that came along.
pub(super) type Heard = (Message, Option<OwnedFd>);

/// What went wrong, and where, in a form that crosses between processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which step of the plan.
    pub step: u32,
    /// What the kernel answered, if it was asked.
    pub errno: i32,
    /// What the failure means to the caller.
    pub kind: FailureKind,
    /// The step in words, the call with its arguments, and advice.
    pub text: String,
}

/// The difference a caller can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// A step could not be taken.
    Step,
    /// There is no such program.
    NotFound,
    /// The program cannot be executed.
    NotExecutable,
}

const SIGNALS: [Signal; 9] = [
    Signal::Mapped,
    Signal::Prepared,
    Signal::RootAssembled,
    Signal::HooksDone,
    Signal::Ready,
    Signal::Recorded,
    Signal::Start,
    Signal::NetworkMade,
    Signal::Connected,
];

const KINDS: [FailureKind; 3] = [
    FailureKind::Step,
    FailureKind::NotFound,
    FailureKind::NotExecutable,
];

impl Message {
    /// As a packet.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Message::Told(signal) => {
                let code = SIGNALS.iter().position(|s| s == signal).unwrap_or(255);
                vec![1, code as u8]
            }
            Message::Child(pid) => [&[2], &pid.to_le_bytes()[..]].concat(),
            Message::Listener(fd) => [&[3], &fd.to_le_bytes()[..]].concat(),
            Message::Warned(text) => [5]
                .into_iter()
                .chain(text.bytes().take(LONGEST - 1))
                .collect(),
            Message::Failed(f) => {
                let kind = KINDS.iter().position(|k| *k == f.kind).unwrap_or(0);
                let mut bytes = vec![4, kind as u8];
                bytes.extend(f.step.to_le_bytes());
                bytes.extend(f.errno.to_le_bytes());
                bytes.extend(f.text.bytes().take(LONGEST - bytes.len()));
                bytes
            }
        }
    }

    /// Reads a packet; nonsense is nothing.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        match tag {
            1 if rest.len() == 1 => Some(Message::Told(*SIGNALS.get(rest[0] as usize)?)),
            2 => Some(Message::Child(i32::from_le_bytes(rest.try_into().ok()?))),
            3 => Some(Message::Listener(i32::from_le_bytes(rest.try_into().ok()?))),
            4 if rest.len() >= 9 => Some(Message::Failed(Failure {
                kind: *KINDS.get(rest[0] as usize)?,
                step: u32::from_le_bytes(rest[1..5].try_into().ok()?),
                errno: i32::from_le_bytes(rest[5..9].try_into().ok()?),
                text: String::from_utf8_lossy(&rest[9..]).into_owned(),
            })),
            5 => Some(Message::Warned(String::from_utf8_lossy(rest).into_owned())),
            _ => None,
        }
    }
}

/// One end of the conversation.
#[derive(Debug)]
pub(super) struct Channel(pub OwnedFd);

impl Channel {
    pub(super) fn pair() -> SysResult<(Self, Self)> {
        let (a, b) = socket::message_pair()?;
        Ok((Self(a), Self(b)))
    }

    pub(super) fn send(&self, message: &Message) -> SysResult<()> {
        socket::send(&self.0, &message.encode(), &[])
    }

    /// What a process says at its end. A seccomp filter may forbid the usual
    /// way by now; a packet can also be written.
    pub(super) fn last_word(&self, message: &Message) -> SysResult<()> {
        self.send(message)
            .or_else(|_| socket::write(&self.0, &message.encode()))
    }

    pub(super) fn send_with(&self, message: &Message, fd: impl AsFd) -> SysResult<()> {
        socket::send(&self.0, &message.encode(), &[fd.as_fd().as_raw_fd()])
    }

    /// Whether there is something to receive, be it the end, before the
    /// patience is over.
    pub(super) fn speaks_within(&self, patience: Option<Duration>) -> SysResult<bool> {
        fd::ready_within(&self.0, patience)
    }

    /// The next message; `None` when the other side is gone. Nonsense counts
    /// as that: nobody who speaks it is one of ours.
    pub(super) fn receive(&self) -> SysResult<Option<Heard>> {
        let mut buf = [0; LONGEST];
        let (n, fd) = match socket::receive(&self.0, &mut buf) {
            Err(e) if e.errno == Errno::ECONNRESET => return Ok(None),
            other => other?,
        };
        Ok(Message::decode(&buf[..n]).map(|m| (m, fd)))
    }

    /// A failure among what the other side has said already.
    pub(super) fn failure_now(&self) -> Option<Failure> {
        loop {
            let now = MsgFlags::MSG_DONTWAIT;
            let said = socket::receive_whole(&self.0, LONGEST, now).ok()?;
            if let Message::Failed(failure) = Message::decode(&said)? {
                return Some(failure);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_failure_survives_the_crossing(step: u32, errno: i32, text in ".{0,200}") {
            let m = Message::Failed(Failure { step, errno, kind: FailureKind::NotFound, text });
            prop_assert_eq!(Message::decode(&m.encode()), Some(m));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Message::decode(&bytes);
        }
    }

    #[test]
    fn every_signal_survives_the_crossing() {
        for signal in SIGNALS {
            let m = Message::Told(signal);
            assert_eq!(Message::decode(&m.encode()), Some(m));
        }
    }

    #[test]
    fn a_text_too_long_is_cut_to_the_buffer() {
        let text = "x".repeat(10_000);
        let f = Failure {
            step: 1,
            errno: 2,
            kind: FailureKind::Step,
            text,
        };
        assert_eq!(Message::Failed(f).encode().len(), LONGEST);
    }

    #[test]
    fn the_end_of_the_other_side_is_no_message() {
        let (a, b) = Channel::pair().unwrap();
        drop(b);
        assert!(a.receive().unwrap().is_none());
    }
}
