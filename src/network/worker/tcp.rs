//! Published TCP ports: a listener, and a connection for each that comes.
//!
//! The bytes move from socket to socket through a pipe (`splice`) and never
//! enter this process. What one side cannot take yet stays in the kernel's
//! buffers of the other, which then stops sending: that is all of the
//! back-pressure. An end of one direction is passed on as an end of that
//! direction alone.

use std::cell::Cell;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice};
use nix::sys::socket::{SockType, sockopt};

use super::pipes::{Pipe, Pipes};
use super::reactor::{Key, Life, Reactor, Ready, Service};
use super::target::{Target, error_of};

/// Connections taken before others have their turn.
const ACCEPTED_AT_ONCE: usize = 64;
/// How long nobody is accepted when descriptors have run out.
const BREATH: Duration = Duration::from_millis(100);
/// How long a connection waits for a program that does not listen yet.
const PATIENCE: Duration = Duration::from_secs(5);
/// The first pause between two attempts; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// Moved in one direction before others have their turn.
const AT_ONCE: usize = 1 << 20;

const NEAR: u32 = 0;
const FAR: u32 = 1;

/// A published port.
pub struct Port {
    listener: TcpListener,
    target: Target,
    pipes: Pipes,
    /// The program has listened before: if it does not now, it is over.
    answered: Rc<Cell<bool>>,
}

impl Port {
    /// Serves connections to `listener` as connections to `target`.
    pub fn serve(
        listener: TcpListener,
        target: Target,
        pipes: &Pipes,
        reactor: &mut Reactor,
    ) -> crate::sys::SysResult<()> {
        let key = reactor.key();
        reactor.watch(&listener, key, 0)?;
        let port = Self {
            listener,
            target,
            pipes: pipes.clone(),
            answered: Rc::default(),
        };
        reactor.adopt(key, Box::new(port));
        Ok(())
    }

    fn accept(&mut self, me: Key, reactor: &mut Reactor) -> Life {
        for _ in 0..ACCEPTED_AT_ONCE {
            match self.listener.accept() {
                Ok((client, _)) => self.take(client, reactor),
                Err(e) => match Errno::from_raw(e.raw_os_error().unwrap_or(0)) {
                    Errno::EAGAIN => return Life::Goes,
                    // The next one may be there already.
                    Errno::EINTR | Errno::ECONNABORTED => {}
                    // No more descriptors or memory: others must end first.
                    _ => {
                        reactor.wake(me, Instant::now() + BREATH);
                        return Life::Goes;
                    }
                },
            }
        }
        reactor.again(me, 0);
        Life::Goes
    }

    fn take(&self, client: TcpStream, reactor: &mut Reactor) {
        let key = reactor.key();
        let prepared = client.set_nonblocking(true).and(client.set_nodelay(true));
        // A client that vanished without a word would keep its place for ever.
        let _ = nix::sys::socket::setsockopt(&client, sockopt::KeepAlive, &true);
        if prepared.is_err() || reactor.watch(&client, key, NEAR).is_err() {
            return;
        }
        let mut connection = Connection {
            near: Side::new(client),
            far: None,
            target: self.target.clone(),
            pipes: self.pipes.clone(),
            answered: self.answered.clone(),
            up: Flow::default(),
            down: Flow::default(),
            pause: FIRST_PAUSE,
            give_up: Instant::now() + PATIENCE,
        };
        if connection.attempt(key, reactor) == Life::Goes {
            reactor.adopt(key, Box::new(connection));
        }
    }
}

impl Service for Port {
    fn ready(&mut self, me: Key, _: u32, _: Ready, reactor: &mut Reactor) -> Life {
        self.accept(me, reactor)
    }

    fn due(&mut self, me: Key, reactor: &mut Reactor) -> Life {
        self.accept(me, reactor)
    }
}

/// One end of a connection, and what is known about it until the kernel says
/// otherwise.
struct Side {
    socket: TcpStream,
    readable: bool,
    writable: bool,
}

impl Side {
    fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            readable: true,
            writable: true,
        }
    }

    fn learn(&mut self, ready: Ready) {
        self.readable |= ready.readable;
        self.writable |= ready.writable;
    }

    /// Has the peer see that the connection broke, rather than that it ended.
    fn break_off(&self) {
        let at_once = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        // If that fails, the peer sees an end: less true, and no harm.
        let _ = nix::sys::socket::setsockopt(&self.socket, sockopt::Linger, &at_once);
    }
}

/// One direction.
#[derive(Default)]
struct Flow {
    /// Holds bytes that were taken from one side and not given to the other.
    pipe: Option<Pipe>,
    held: usize,
    /// Nothing more will come.
    ended: bool,
    /// The other side knows.
    passed_on: bool,
}

/// What became of an attempt to move bytes.
enum Moved {
    /// All that can be for now.
    Enough,
    /// There may be more, but others have waited long.
    More,
    /// There is no pipe to be had.
    Starved,
    /// The connection is broken.
    Broken,
}

impl Flow {
    fn pump(&mut self, from: &mut Side, to: &mut Side, pipes: &Pipes) -> Moved {
        let mut moved = 0;
        while moved < AT_ONCE {
            if self.held > 0 {
                match self.give(to) {
                    Ok(Some(bytes)) => moved += bytes,
                    Ok(None) => return Moved::Enough,
                    Err(_) => return Moved::Broken,
                }
            } else if self.ended || !from.readable {
                self.rest(to, pipes);
                return Moved::Enough;
            } else {
                match self.take(from, pipes) {
                    Ok(()) => {}
                    Err(Errno::EMFILE | Errno::ENFILE) => return Moved::Starved,
                    Err(_) => return Moved::Broken,
                }
            }
        }
        Moved::More
    }

    /// From one side into the pipe. The pipe is empty, so "not now" can only
    /// mean the socket.
    fn take(&mut self, from: &mut Side, pipes: &Pipes) -> nix::Result<()> {
        let pipe = match self.pipe.take() {
            Some(pipe) => pipe,
            None => pipes.take()?,
        };
        let flags = SpliceFFlags::SPLICE_F_NONBLOCK | SpliceFFlags::SPLICE_F_MOVE;
        let end = &self.pipe.insert(pipe).write;
        match splice(&from.socket, None, end, None, super::pipes::SIZE, flags) {
            Ok(0) => self.ended = true,
            Ok(bytes) => self.held = bytes,
            Err(Errno::EAGAIN) => from.readable = false,
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// From the pipe to the other side; nothing when that has no room.
    fn give(&mut self, to: &mut Side) -> nix::Result<Option<usize>> {
        let Some(pipe) = &self.pipe else {
            return Ok(None);
        };
        if !to.writable {
            return Ok(None);
        }
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
            Err(e) => Err(e),
        }
    }

    /// Nothing is held: the pipe is free for others, and an end can be told.
    fn rest(&mut self, to: &Side, pipes: &Pipes) {
        if let Some(pipe) = self.pipe.take() {
            pipes.give_back(pipe);
        }
        if self.ended && !self.passed_on {
            // A side that is gone has no need to know.
            let _ = to.socket.shutdown(Shutdown::Write);
            self.passed_on = true;
        }
    }
}

/// A client, the program, and the bytes between them.
struct Connection {
    near: Side,
    far: Option<(Side, bool)>,
    target: Target,
    pipes: Pipes,
    answered: Rc<Cell<bool>>,
    up: Flow,
    down: Flow,
    pause: Duration,
    give_up: Instant,
}

impl Connection {
    /// Tries to reach the program.
    fn attempt(&mut self, me: Key, reactor: &mut Reactor) -> Life {
        match self.target.connect(SockType::Stream) {
            Ok(socket) => {
                let socket = TcpStream::from(socket);
                let _ = socket.set_nodelay(true);
                if reactor.watch(&socket, me, FAR).is_err() {
                    return self.refuse();
                }
                self.far = Some((Side::new(socket), false));
                Life::Goes
            }
            Err(e) => self.later(e.errno, me, reactor),
        }
    }

    /// A program that is just starting does not listen yet.
    fn later(&mut self, errno: Errno, me: Key, reactor: &mut Reactor) -> Life {
        self.far = None;
        let starting = !self.answered.get() && errno == Errno::ECONNREFUSED;
        // What is not yet there may come; what was refused for another reason
        // is tried again only where descriptors may become free.
        let busy = matches!(errno, Errno::EMFILE | Errno::ENFILE | Errno::EAGAIN);
        let time = Instant::now() + self.pause;
        if !(starting || busy) || time > self.give_up {
            return self.refuse();
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        reactor.wake(me, time);
        Life::Goes
    }

    fn refuse(&self) -> Life {
        self.near.break_off();
        Life::Ends
    }

    /// The kernel has answered the connect, or says something else about it.
    fn settle(&mut self, me: Key, ready: Ready, reactor: &mut Reactor) -> Option<Life> {
        let (far, connected) = self.far.as_mut()?;
        if *connected {
            return None;
        }
        if !ready.writable {
            return Some(Life::Goes);
        }
        if let Some(errno) = error_of(&far.socket) {
            return Some(self.later(errno, me, reactor));
        }
        if far.socket.peer_addr().is_err() {
            return Some(Life::Goes);
        }
        *connected = true;
        self.answered.set(true);
        None
    }

    fn pump(&mut self, me: Key, reactor: &mut Reactor) -> Life {
        let Some((far, true)) = &mut self.far else {
            return Life::Goes;
        };
        let up = self.up.pump(&mut self.near, far, &self.pipes);
        let down = self.down.pump(far, &mut self.near, &self.pipes);
        match (up, down) {
            (Moved::Broken, _) | (_, Moved::Broken) => {
                far.break_off();
                self.refuse()
            }
            _ if self.up.passed_on && self.down.passed_on => Life::Ends,
            (Moved::More, _) | (_, Moved::More) => {
                reactor.again(me, NEAR);
                Life::Goes
            }
            (Moved::Starved, _) | (_, Moved::Starved) => {
                reactor.wake(me, Instant::now() + BREATH);
                Life::Goes
            }
            (Moved::Enough, Moved::Enough) => Life::Goes,
        }
    }
}

impl Service for Connection {
    fn ready(&mut self, me: Key, which: u32, ready: Ready, reactor: &mut Reactor) -> Life {
        if which == NEAR {
            self.near.learn(ready);
        } else if let Some(settled) = self.settle(me, ready, reactor) {
            return settled;
        } else if let Some((far, _)) = &mut self.far {
            far.learn(ready);
        }
        self.pump(me, reactor)
    }

    fn due(&mut self, me: Key, reactor: &mut Reactor) -> Life {
        match self.far {
            Some(_) => self.pump(me, reactor),
            // A client that broke off meanwhile need not wait for the program.
            None if error_of(&self.near.socket).is_some() => Life::Ends,
            None => self.attempt(me, reactor),
        }
    }
}
