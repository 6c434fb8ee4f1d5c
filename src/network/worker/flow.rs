//! One direction of a connection: how its bytes get from one side to the other.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice};

use super::pipes::{FEW, Pipe, Pipes, SIZE};
use super::reactor::Ready;

/// Moved in one direction before others have their turn.
const AT_ONCE: usize = 1 << 20;

/// One end of a connection, and what is known about it until the kernel says
/// otherwise.
pub struct Side {
    pub socket: TcpStream,
    readable: bool,
    writable: bool,
    /// An end waits behind what there is to read. The kernel says so once.
    ending: bool,
}

impl Side {
    pub fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            readable: true,
            writable: true,
            ending: false,
        }
    }

    pub fn learn(&mut self, ready: Ready) {
        self.readable |= ready.readable;
        self.writable |= ready.writable;
        self.ending |= ready.ending;
    }

    /// There may be something to read that nobody has told of yet.
    pub fn look_again(&mut self) {
        self.readable = true;
    }

    /// Has the peer see that the connection broke, rather than that it ended.
    pub fn break_off(&self) {
        let at_once = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        // If that fails, the peer sees an end: less true, and no harm.
        let linger = nix::sys::socket::sockopt::Linger;
        let _ = nix::sys::socket::setsockopt(&self.socket, linger, &at_once);
    }
}

/// One direction.
#[derive(Default)]
pub struct Flow {
    /// Holds bytes that were taken from one side and not given to the other.
    pipe: Option<Pipe>,
    held: usize,
    /// The same, for a few.
    rest: Vec<u8>,
    /// There is much to move.
    much: bool,
    /// Nothing more will come.
    ended: bool,
    /// The other side knows.
    passed_on: bool,
}

/// What became of an attempt to move bytes.
pub enum Moved {
    /// All that can be for now.
    Enough,
    /// There may be more, but others have waited long.
    More,
    /// There is no pipe to be had.
    Starved,
    /// The side that sends has broken off.
    NoSender,
    /// The side that was to receive has: what it said before may still be
    /// there to be read.
    NoReceiver,
}

/// Why there was nothing to move.
enum Trouble {
    Starved,
    From,
    To,
}

type Step = Result<Option<usize>, Trouble>;

impl Flow {
    /// Nobody takes what is sent: no more of it is asked for.
    pub fn abandon(&mut self, pipes: &Pipes) {
        // A pipe that is not empty is nobody else's.
        if self.held > 0 {
            self.pipe = None;
        }
        self.put_away(pipes);
        self.held = 0;
        self.rest = Vec::new();
        self.ended = true;
        self.passed_on = true;
    }

    /// All that came has gone, and there will be nothing more.
    pub fn is_over(&self) -> bool {
        self.ended && self.held == 0 && self.rest.is_empty()
    }

    /// Tells the other side of the end, where it does not know.
    pub fn pass_end_on(&mut self, to: &Side) {
        if self.is_over() && !self.passed_on {
            // A side that is gone has no need to know.
            let _ = to.socket.shutdown(Shutdown::Write);
            self.passed_on = true;
        }
    }

    pub fn pump(&mut self, from: &mut Side, to: &mut Side, pipes: &Pipes) -> Moved {
        let mut moved = 0;
        while moved < AT_ONCE {
            let step = if self.held > 0 || !self.rest.is_empty() {
                self.give(to)
            } else if self.ended || !from.readable {
                self.put_away(pipes);
                return Moved::Enough;
            } else if self.much {
                self.take(from, pipes)
            } else {
                self.carry(from, to, pipes)
            };
            match step {
                Ok(Some(bytes)) => moved += bytes,
                Ok(None) => return Moved::Enough,
                Err(Trouble::Starved) => return Moved::Starved,
                Err(Trouble::From) => return Moved::NoSender,
                Err(Trouble::To) => return Moved::NoReceiver,
            }
        }
        Moved::More
    }

    /// A few, from one side to the other.
    fn carry(&mut self, from: &mut Side, to: &mut Side, pipes: &Pipes) -> Step {
        if !to.writable {
            return Ok(None);
        }
        let mut buffer = pipes.buffer();
        let length = match (&from.socket).read(&mut buffer[..]) {
            Ok(0) => {
                self.ended = true;
                return Ok(Some(0));
            }
            Ok(length) => length,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                from.readable = false;
                return Ok(Some(0));
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => return Ok(Some(0)),
            Err(_) => return Err(Trouble::From),
        };
        self.much = length == FEW;
        // That was all there was; only an end could be behind it.
        from.readable = self.much || from.ending;
        self.send(&buffer[..length], to)
    }

    /// Sends, and keeps what cannot be sent now.
    fn send(&mut self, bytes: &[u8], to: &mut Side) -> Step {
        let sent = match (&to.socket).write(bytes) {
            Ok(sent) => sent,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                to.writable = false;
                0
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => 0,
            Err(_) => return Err(Trouble::To),
        };
        self.rest = bytes[sent..].to_vec();
        Ok(Some(sent))
    }

    /// Many, from one side into the pipe. The pipe is empty, so "not now" can
    /// only mean the socket.
    fn take(&mut self, from: &mut Side, pipes: &Pipes) -> Step {
        let pipe = match self.pipe.take() {
            Some(pipe) => pipe,
            None => pipes.take().map_err(|_| Trouble::Starved)?,
        };
        let flags = SpliceFFlags::SPLICE_F_NONBLOCK | SpliceFFlags::SPLICE_F_MOVE;
        let end = &self.pipe.insert(pipe).write;
        match splice(&from.socket, None, end, None, SIZE, flags) {
            Ok(0) => self.ended = true,
            Ok(bytes) => {
                self.held = bytes;
                self.much = bytes >= FEW;
            }
            Err(Errno::EAGAIN) => from.readable = false,
            Err(Errno::EINTR) => {}
            Err(_) => return Err(Trouble::From),
        }
        Ok(Some(0))
    }

    /// What is held, to the other side; nothing when that has no room.
    fn give(&mut self, to: &mut Side) -> Step {
        if !to.writable {
            return Ok(None);
        }
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return self.send(&rest, to);
        }
        let Some(pipe) = &self.pipe else {
            return Ok(None);
        };
        let flags = SpliceFFlags::SPLICE_F_NONBLOCK | SpliceFFlags::SPLICE_F_MOVE;
        match splice(&pipe.read, None, &to.socket, None, self.held, flags) {
            Ok(bytes) => {
                self.held -= bytes;
                Ok(Some(bytes))
            }
            Err(Errno::EAGAIN) => {
                to.writable = false;
                Ok(None)
            }
            Err(Errno::EINTR) => Ok(Some(0)),
            Err(_) => Err(Trouble::To),
        }
    }

    /// Nothing is held: the pipe is free for others.
    fn put_away(&mut self, pipes: &Pipes) {
        if let Some(pipe) = self.pipe.take() {
            pipes.give_back(pipe);
        }
    }
}
