//! One direction of a connection: how its bytes get from one side to the other.

use std::io::{ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send, setsockopt, sockopt};

use super::pipes::{FEW, Pipe, Pipes};
use super::reactor::Ready;

/// Moved in one direction before others have their turn.
const AT_ONCE: usize = 1 << 20;
/// Half of what waits in a socket to be sent on, where the way ends on this
/// machine. The kernel's own choice grows to megabytes, which a way so short
/// does not need; what is read while it is still in the processor's cache costs
/// a third less.
const SHALLOW: usize = 128 << 10;

/// One end of a connection, and what is known about it until the kernel says
/// otherwise.
pub struct Side {
    pub socket: TcpStream,
    /// It leads to the program.
    far: bool,
    readable: bool,
    writable: bool,
    /// An end or an error waits behind what there is to read. The kernel says
    /// so once.
    ending: bool,
    /// It may be an error.
    failed: bool,
    /// Some of it is urgent: what is read may stop in between, and a pipe
    /// takes nothing from there on.
    urgent: bool,
    /// How much it holds has been seen to.
    measured: bool,
}

impl Side {
    /// The client's, which is watched: whether there is something to read the
    /// kernel says by itself.
    pub fn near(socket: TcpStream) -> Self {
        Self {
            socket,
            far: false,
            readable: false,
            writable: true,
            ending: false,
            failed: false,
            urgent: false,
            measured: false,
        }
    }

    /// The program's.
    pub fn far(socket: TcpStream) -> Self {
        let far = true;
        Self {
            far,
            ..Self::near(socket)
        }
    }

    pub fn learn(&mut self, ready: Ready) {
        self.readable |= ready.readable;
        self.writable |= ready.writable;
        self.ending |= ready.ending;
        self.failed |= ready.failed;
        self.urgent |= ready.urgent;
    }

    /// All that was there has been read, unless some of it is urgent. Whether
    /// nothing more will come, as far as is known: an end was told of before
    /// the last byte was read, and is nowhere but behind it.
    fn emptied(&mut self) -> bool {
        self.readable = self.ending || self.urgent;
        self.ending && !self.failed && !self.urgent
    }

    /// There is much to go there. Who is far away needs as much room as the
    /// kernel finds right.
    fn measure(&mut self) {
        if !std::mem::replace(&mut self.measured, true) && self.stays_here() {
            // Without it all goes on as well, only slower.
            let _ = setsockopt(&self.socket, sockopt::SndBuf, &SHALLOW);
        }
    }

    /// Both ends are on this machine, as far as can be seen from addresses.
    fn stays_here(&self) -> bool {
        let ends = || {
            Some((
                self.socket.peer_addr().ok()?,
                self.socket.local_addr().ok()?,
            ))
        };
        self.far || ends().is_some_and(|(peer, own)| peer.ip() == own.ip())
    }

    /// It has broken off. There may be something to read that nobody has told
    /// of yet, and behind it is no end but that.
    pub fn look_again(&mut self) {
        self.readable = true;
        self.failed = true;
    }

    /// Has the peer see that the connection broke, rather than that it ended.
    pub fn break_off(&self) {
        let at_once = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        // If that fails, the peer sees an end: less true, and no harm.
        let _ = setsockopt(&self.socket, sockopt::Linger, &at_once);
    }
}

/// One direction.
#[derive(Default)]
pub struct Flow {
    /// Holds bytes that were taken from one side and not given to the other.
    pipe: Option<Pipe>,
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

/// The side that sends has broken off.
pub struct Broken;

type Step = Result<Option<usize>, Trouble>;

impl Flow {
    /// Nobody takes what is sent: no more of it is asked for.
    pub fn abandon(&mut self, pipes: &Pipes) {
        self.put_away(pipes);
        self.rest = Vec::new();
        self.ended = true;
        self.passed_on = true;
    }

    /// All that came has gone, and there will be nothing more.
    pub fn is_over(&self) -> bool {
        self.ended && !self.holds()
    }

    /// Something has come and not gone.
    pub fn holds(&self) -> bool {
        !self.rest.is_empty() || self.pipe.as_ref().is_some_and(|pipe| pipe.held() > 0)
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
            let step = if self.holds() {
                self.give(to)
            } else if self.ended || !from.readable {
                self.put_away(pipes);
                return Moved::Enough;
            } else if self.much && !from.urgent {
                to.measure();
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

    /// What the client has said already, before there is anybody to hear it.
    /// Whether there is something.
    pub fn listen_ahead(&mut self, from: &mut Side, pipes: &Pipes) -> Result<bool, Broken> {
        let mut buffer = pipes.buffer();
        // Nobody has told of it: "not now" is no news.
        let length = self.read(from, &mut buffer).map_err(|_| Broken)?;
        self.rest = buffer[..length].to_vec();
        Ok(length > 0)
    }

    /// Says that to a side which may not be connected yet. Whether it is.
    pub fn speak_first(&mut self, to: &mut Side) -> nix::Result<bool> {
        match self.offer(&self.rest, to) {
            Ok(sent) => {
                self.rest.drain(..sent);
                Ok(true)
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// A few, from one side to the other.
    fn carry(&mut self, from: &mut Side, to: &mut Side, pipes: &Pipes) -> Step {
        if !to.writable {
            return Ok(None);
        }
        let mut buffer = pipes.buffer();
        match self.read(from, &mut buffer)? {
            0 => Ok(Some(0)),
            length => self.send(&buffer[..length], to),
        }
    }

    /// Nothing, if there is nothing now or for ever.
    fn read(&mut self, from: &mut Side, buffer: &mut [u8; FEW]) -> Result<usize, Trouble> {
        match (&from.socket).read(buffer) {
            Ok(0) => {
                self.ended = true;
                Ok(0)
            }
            Ok(length) => {
                self.much = length == FEW;
                if !self.much {
                    self.ended = from.emptied();
                }
                Ok(length)
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                from.readable = false;
                Ok(0)
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => Ok(0),
            Err(_) => Err(Trouble::From),
        }
    }

    /// Sends, and keeps what cannot be sent now.
    fn send(&mut self, bytes: &[u8], to: &mut Side) -> Step {
        let sent = match self.offer(bytes, to) {
            Ok(sent) => sent,
            Err(Errno::EAGAIN) => {
                to.writable = false;
                0
            }
            Err(Errno::EINTR) => 0,
            Err(_) => return Err(Trouble::To),
        };
        self.rest = bytes[sent..].to_vec();
        Ok(Some(sent))
    }

    /// The last bytes wait in the kernel for the end that follows at once, and
    /// are one packet with it.
    fn offer(&self, bytes: &[u8], to: &Side) -> nix::Result<usize> {
        let more = MsgFlags::from_bits_retain(libc::MSG_MORE);
        let flags = if self.ended {
            MsgFlags::MSG_NOSIGNAL | more
        } else {
            MsgFlags::MSG_NOSIGNAL
        };
        send(to.socket.as_raw_fd(), bytes, flags)
    }

    /// Many, from one side into the pipe. The pipe is empty, so "not now" can
    /// only mean the socket.
    fn take(&mut self, from: &mut Side, pipes: &Pipes) -> Step {
        let pipe = match self.pipe.take() {
            Some(pipe) => pipe,
            None => pipes.take().map_err(|_| Trouble::Starved)?,
        };
        match self.pipe.insert(pipe).fill(&from.socket) {
            // Or an urgent byte: whoever reads learns which.
            Ok(0) => self.much = false,
            Ok(bytes) => self.much = bytes >= FEW,
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
        let Some(pipe) = &mut self.pipe else {
            return Ok(None);
        };
        match pipe.drain(&to.socket) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Errno::EAGAIN) => {
                to.writable = false;
                Ok(None)
            }
            Err(Errno::EINTR) => Ok(Some(0)),
            Err(_) => Err(Trouble::To),
        }
    }

    /// Nothing that is held is wanted any more: the pipe may be had by others.
    fn put_away(&mut self, pipes: &Pipes) {
        if let Some(pipe) = self.pipe.take() {
            pipes.give_back(pipe);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{SockType, SockaddrIn, bind, connect, getsockopt};
    use std::net::TcpListener;

    use super::super::target::open;

    /// What is accepted from a client with this address.
    fn accepted(client: &str) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let socket = open(true, SockType::Stream).unwrap();
        let [a, b, c, d] = client.parse::<std::net::Ipv4Addr>().unwrap().octets();
        bind(socket.as_raw_fd(), &SockaddrIn::new(a, b, c, d, 0)).unwrap();
        let to = SockaddrIn::new(127, 0, 0, 1, port);
        let begun = connect(socket.as_raw_fd(), &to);
        assert!(matches!(begun, Ok(()) | Err(Errno::EINPROGRESS)));
        (listener.accept().unwrap().0, socket.into())
    }

    #[test]
    fn little_waits_where_the_way_is_short() {
        // The kernel counts what it needs itself, twice as much.
        let shallow = |side: &Side| getsockopt(&side.socket, sockopt::SndBuf) == Ok(2 * SHALLOW);
        for (client, near_is_shallow) in [("127.0.0.1", true), ("127.0.0.2", false)] {
            let (near, _client) = accepted(client);
            let (far, _program) = accepted("127.0.0.3");
            let (mut near, mut far) = (Side::near(near), Side::far(far));
            assert!(!shallow(&near) && !shallow(&far));
            near.measure();
            far.measure();
            assert_eq!(shallow(&near), near_is_shallow, "{client}");
            assert!(shallow(&far));
        }
    }
}
