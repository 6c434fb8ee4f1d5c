//! What a keeper and its clients say to each other.
//!
//! ```text
//!   client                                keeper
//!     |---- Attach(streams, size) --------->|
//!     |<--- Started(pid) or Failed(…) ------|   only to whoever has it start
//!     |<--- Output(stream, bytes) … --------|
//!     |---- Input(bytes) … InputEnd ------->|
//!     |---- Resize(rows, columns) --------->|
//!     |---- Signal / Stop / Pause … ------->|
//!     |<--- Done or Refused(why) -----------|
//!     |---- Wait -------------------------->|
//!     |<--- Exit(code) ---------------------|   the last word
//! ```
//!
//! Each message is one packet of a `SOCK_SEQPACKET` socket: a tag, then fields
//! of fixed size, then bytes to the end. There is no length to get wrong.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::socket::MsgFlags;

use crate::sys::{SysResult, socket};

/// The most bytes of output or input in one message.
pub(super) const CHUNK: usize = 32 * 1024;

/// Which of a program's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output; of a terminal, everything.
    Out,
    /// Standard error.
    Err,
}

/// What a client wants to see and say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Streams {
    /// Speaks to the program.
    pub input: bool,
    /// Hears its output.
    pub output: bool,
    /// Hears its errors.
    pub errors: bool,
}

/// Rows and columns of a terminal; none is 0, 0.
pub type Size = (u16, u16);

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Wants to see and speak.
    Attach(Streams, Size),
    /// For the program.
    Input(Vec<u8>),
    /// There is no more.
    InputEnd,
    /// The terminal it is shown on has changed.
    Resize(Size),
    /// For the first process; answered.
    Signal(i32),
    /// As `Signal`, from a terminal or a shell to whoever is attached: it
    /// decides nothing about restarting and is not answered.
    Pass(i32),
    /// This signal, and after so many milliseconds the end; -1 is never.
    Stop(i32, i64),
    /// Freeze.
    Pause,
    /// Thaw.
    Unpause,
    /// Hold other limits from now on: a [`super::Change`] as JSON.
    Update(Vec<u8>),
    /// Connect it to a network: a [`super::Wish`].
    Connect(Vec<u8>),
    /// Take it out of a network, by its name or id.
    Disconnect(String),
    /// Wants to know how it ends.
    Wait,
    /// Whoever this client shows that stream to does not look any more.
    Close(Stream),
}

/// What a keeper says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The program runs.
    Started(i32),
    /// It could not be started: exit code, hint or nothing, and why.
    Failed(Failure),
    /// It runs, but not quite as it was wanted.
    Warned(String),
    /// What the program said.
    Output(Stream, Vec<u8>),
    /// What was asked for is done.
    Done,
    /// It cannot be done.
    Refused(String),
    /// The program has ended, for good.
    Exit(i32),
}

/// Why a container could not be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the command that started it ends with.
    pub code: u8,
    /// One line.
    pub text: String,
}

impl Request {
    /// As a packet.
    pub fn encode(&self) -> Vec<u8> {
        let with = |tag: u8, rest: &[u8]| [&[tag], rest].concat();
        match self {
            Request::Attach(s, size) => {
                let bits = u8::from(s.input) | u8::from(s.output) << 1 | u8::from(s.errors) << 2;
                with(1, &[&[bits], &size_bytes(*size)[..]].concat())
            }
            Request::Input(bytes) => with(2, bytes),
            Request::InputEnd => vec![3],
            Request::Resize(size) => with(4, &size_bytes(*size)),
            Request::Signal(n) => with(5, &n.to_le_bytes()),
            Request::Pass(n) => with(6, &n.to_le_bytes()),
            Request::Stop(n, ms) => with(7, &[&n.to_le_bytes()[..], &ms.to_le_bytes()].concat()),
            Request::Pause => vec![8],
            Request::Unpause => vec![9],
            Request::Update(json) => with(10, json),
            Request::Wait => vec![11],
            Request::Connect(json) => with(14, json),
            Request::Disconnect(name) => with(15, name.as_bytes()),
            Request::Close(Stream::Out) => vec![12],
            Request::Close(Stream::Err) => vec![13],
        }
    }

    /// Reads a packet; nonsense is nothing.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        Some(match tag {
            1 => {
                let (bits, size) = rest.split_first()?;
                let streams = Streams {
                    input: bits & 1 != 0,
                    output: bits & 2 != 0,
                    errors: bits & 4 != 0,
                };
                Request::Attach(streams, size_from(size)?)
            }
            2 => Request::Input(rest.to_vec()),
            3 => Request::InputEnd,
            4 => Request::Resize(size_from(rest)?),
            5 => Request::Signal(number(rest)?),
            6 => Request::Pass(number(rest)?),
            7 => {
                let (signal, ms) = rest.split_at_checked(4)?;
                let ms = i64::from_le_bytes(ms.try_into().ok()?);
                Request::Stop(number(signal)?, ms)
            }
            8 => Request::Pause,
            9 => Request::Unpause,
            10 => Request::Update(rest.to_vec()),
            11 => Request::Wait,
            12 => Request::Close(Stream::Out),
            13 => Request::Close(Stream::Err),
            14 => Request::Connect(rest.to_vec()),
            15 => Request::Disconnect(String::from_utf8(rest.to_vec()).ok()?),
            _ => return None,
        })
    }

    /// Sends it if there is room; whether there was.
    pub fn send_now(&self, socket: impl AsFd) -> SysResult<bool> {
        match socket::send_now(socket, &self.encode()) {
            Err(e) if e.errno == Errno::EAGAIN => Ok(false),
            done => done.map(|()| true),
        }
    }

    /// Sends it, waiting until there is room.
    pub fn send(&self, socket: impl AsFd) -> SysResult<()> {
        socket::send(socket, &self.encode(), &[])
    }
}

impl Reply {
    /// As a packet.
    pub fn encode(&self) -> Vec<u8> {
        let with = |tag: u8, rest: &[u8]| [&[tag], rest].concat();
        match self {
            Reply::Started(pid) => with(1, &pid.to_le_bytes()),
            Reply::Failed(f) => with(2, &[&[f.code], f.text.as_bytes()].concat()),
            Reply::Output(Stream::Out, bytes) => with(3, bytes),
            Reply::Output(Stream::Err, bytes) => with(4, bytes),
            Reply::Done => vec![5],
            Reply::Refused(why) => with(6, why.as_bytes()),
            Reply::Exit(code) => with(7, &code.to_le_bytes()),
            Reply::Warned(text) => with(8, text.as_bytes()),
        }
    }

    /// Reads a packet; nonsense is nothing.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(match tag {
            1 => Reply::Started(number(rest)?),
            2 => {
                let (code, why) = rest.split_first()?;
                Reply::Failed(Failure {
                    code: *code,
                    text: text(why),
                })
            }
            3 => Reply::Output(Stream::Out, rest.to_vec()),
            4 => Reply::Output(Stream::Err, rest.to_vec()),
            5 => Reply::Done,
            6 => Reply::Refused(text(rest)),
            7 => Reply::Exit(number(rest)?),
            8 => Reply::Warned(text(rest)),
            _ => return None,
        })
    }

    /// The next one; `None` when the keeper is gone.
    pub fn receive(socket: impl AsFd) -> SysResult<Option<Self>> {
        loop {
            match socket::receive_whole(&socket, CHUNK + 1, MsgFlags::empty()) {
                // It closed without having heard our last request. The kernel
                // says so once, and before what was sent ahead of it.
                Err(e) if e.errno == Errno::ECONNRESET => {}
                Err(e) => return Err(e),
                Ok(message) => return Ok(Self::decode(&message)),
            }
        }
    }
}

fn size_bytes((rows, columns): Size) -> [u8; 4] {
    let (r, c) = (rows.to_le_bytes(), columns.to_le_bytes());
    [r[0], r[1], c[0], c[1]]
}

fn size_from(bytes: &[u8]) -> Option<Size> {
    let b: [u8; 4] = bytes.try_into().ok()?;
    Some((
        u16::from_le_bytes([b[0], b[1]]),
        u16::from_le_bytes([b[2], b[3]]),
    ))
}

fn number(bytes: &[u8]) -> Option<i32> {
    Some(i32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_request_survives_the_crossing() {
        let streams = Streams {
            input: true,
            output: false,
            errors: true,
        };
        for r in [
            Request::Attach(streams, (24, 80)),
            Request::Input(b"\0\xff".to_vec()),
            Request::InputEnd,
            Request::Resize((u16::MAX, 1)),
            Request::Signal(9),
            Request::Pass(28),
            Request::Stop(15, -1),
            Request::Pause,
            Request::Unpause,
            Request::Update(b"{}".to_vec()),
            Request::Connect(b"{}".to_vec()),
            Request::Disconnect("net".to_owned()),
            Request::Wait,
            Request::Close(Stream::Out),
            Request::Close(Stream::Err),
        ] {
            assert_eq!(Request::decode(&r.encode()), Some(r));
        }
    }

    #[test]
    fn every_reply_survives_the_crossing() {
        let failure = Failure {
            code: 127,
            text: "no such program".to_owned(),
        };
        for r in [
            Reply::Started(7),
            Reply::Failed(failure),
            Reply::Output(Stream::Out, b"\0\xff".to_vec()),
            Reply::Output(Stream::Err, Vec::new()),
            Reply::Done,
            Reply::Refused("no".to_owned()),
            Reply::Exit(-1),
            Reply::Warned("but".to_owned()),
        ] {
            assert_eq!(Reply::decode(&r.encode()), Some(r));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = (Request::decode(&bytes), Reply::decode(&bytes));
        }
    }
}
