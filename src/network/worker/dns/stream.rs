//! Questions by TCP: for answers that do not fit a datagram.
//!
//! A connection asks one question after the other; each is answered here or
//! passed on to a resolver by a connection of its own.

use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::sys::socket::SockType;

use super::super::reactor::{Key, Life, Reactor, Ready, Service};
use super::super::target::{Target, error_of};
use super::message::{Outcome, Question};
use super::{Answer, MOST_STREAMS, Names, PATIENCE, answer};
use crate::sys::SysResult;

/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(10);
/// How long nobody is let in when there is no room.
const BREATH: Duration = Duration::from_millis(100);

/// Bytes of answers that wait to be taken.
const MOST_WAITING: usize = 64 << 10;

const ASKER: u32 = 0;
const RESOLVER: u32 = 1;

/// Lets connections in.
pub struct Door {
    listener: TcpListener,
    names: Rc<dyn Names>,
    inside: Rc<Cell<usize>>,
}

impl Door {
    /// Serves connections to `listener`.
    pub fn serve(
        listener: TcpListener,
        names: Rc<dyn Names>,
        reactor: &mut Reactor,
    ) -> SysResult<()> {
        let key = reactor.key();
        reactor.watch(&listener, key, 0)?;
        let door = Self {
            listener,
            names,
            inside: Rc::default(),
        };
        reactor.adopt(key, Box::new(door));
        Ok(())
    }

    fn accept(&self, me: Key, reactor: &mut Reactor) -> Life {
        loop {
            if self.inside.get() >= MOST_STREAMS {
                reactor.wake(me, Instant::now() + BREATH);
                return Life::Goes;
            }
            match self.listener.accept() {
                Ok((socket, _)) => self.let_in(socket, reactor),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Life::Goes,
                Err(_) => {
                    reactor.wake(me, Instant::now() + BREATH);
                    return Life::Goes;
                }
            }
        }
    }

    fn let_in(&self, socket: TcpStream, reactor: &mut Reactor) {
        let key = reactor.key();
        if socket.set_nonblocking(true).is_err() || reactor.watch(&socket, key, ASKER).is_err() {
            return;
        }
        self.inside.set(self.inside.get() + 1);
        let mut stream = Stream {
            asker: Framed::new(socket),
            names: self.names.clone(),
            outside: None,
            silent_from: Instant::now(),
            called_at: None,
            inside: self.inside.clone(),
        };
        stream.be_called(key, reactor);
        reactor.adopt(key, Box::new(stream));
    }
}

impl Service for Door {
    fn ready(&mut self, me: Key, _: u32, _: Ready, reactor: &mut Reactor) -> Life {
        self.accept(me, reactor)
    }

    fn due(&mut self, me: Key, reactor: &mut Reactor) -> Life {
        self.accept(me, reactor)
    }
}

/// A socket that carries messages, each behind its length.
struct Framed {
    socket: TcpStream,
    coming: Vec<u8>,
    going: Vec<u8>,
}

impl Framed {
    fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            coming: Vec::new(),
            going: Vec::new(),
        }
    }

    /// Takes what is there, up to one message and a bit; false at an end.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        while self.coming.len() < 2 + usize::from(u16::MAX) {
            match self.socket.read(&mut buffer) {
                Ok(0) => return false,
                Ok(length) => self.coming.extend_from_slice(&buffer[..length]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return true,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// The next whole message.
    fn next(&mut self) -> Option<Vec<u8>> {
        let length = self.coming.get(..2)?;
        let end = 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
        let message = self.coming.get(2..end)?.to_vec();
        self.coming.drain(..end);
        Some(message)
    }

    fn put(&mut self, message: &[u8]) {
        let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
        self.going.extend_from_slice(&length.to_be_bytes());
        self.going
            .extend_from_slice(&message[..usize::from(length)]);
    }

    /// Sends what can be sent; false when the other side is gone.
    fn write(&mut self) -> bool {
        while !self.going.is_empty() {
            match self.socket.write(&self.going) {
                Ok(length) => drop(self.going.drain(..length)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return true,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// A question that a resolver is asked.
struct Outside {
    message: Vec<u8>,
    left: Vec<SocketAddr>,
    /// Nothing between two attempts.
    framed: Option<Framed>,
    until: Instant,
}

/// One connection.
struct Stream {
    asker: Framed,
    names: Rc<dyn Names>,
    outside: Option<Outside>,
    silent_from: Instant,
    /// When we are called next, at the latest.
    called_at: Option<Instant>,
    inside: Rc<Cell<usize>>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.inside.set(self.inside.get() - 1);
    }
}

impl Stream {
    /// Asks to be called when patience ends, unless that is arranged: what is
    /// asked for is never taken back, and one question after the other would
    /// have more and more of it pile up.
    fn be_called(&mut self, me: Key, reactor: &mut Reactor) {
        let waits = self.outside.as_ref().filter(|o| o.framed.is_some());
        let time = waits.map_or(self.silent_from + SILENCE, |o| o.until);
        if self.called_at.is_none_or(|at| time < at) {
            self.called_at = Some(time);
            reactor.wake(me, time);
        }
    }

    /// Answers what is there, one question at a time.
    fn work(&mut self, me: Key, reactor: &mut Reactor) -> Life {
        // Who does not take answers is not heard: nothing piles up here.
        let open = self.asker.going.len() > MOST_WAITING || self.asker.read();
        while self.outside.is_none() && self.asker.going.len() <= MOST_WAITING {
            let Some(message) = self.asker.next() else {
                break;
            };
            self.silent_from = Instant::now();
            match answer(&message, &*self.names, usize::from(u16::MAX)) {
                Answer::Ready(bytes) => self.asker.put(&bytes),
                Answer::Ask(left) => {
                    let until = Instant::now();
                    self.outside = Some(Outside {
                        message,
                        left,
                        framed: None,
                        until,
                    });
                    self.ask(me, reactor);
                }
                Answer::Nothing => return Life::Ends,
            }
        }
        // An asker that only shut its own direction still gets its answers.
        let idle = self.outside.is_none() && self.asker.going.is_empty();
        if !self.asker.write() || (!open && idle) {
            return Life::Ends;
        }
        Life::Goes
    }

    /// Asks the next resolver that can be reached, or says that none could.
    fn ask(&mut self, me: Key, reactor: &mut Reactor) {
        let Some(outside) = &mut self.outside else {
            return;
        };
        while !outside.left.is_empty() {
            let target = Target::outside(outside.left.remove(0));
            let Ok(dialed) = target.connect(SockType::Stream, None, false) else {
                continue;
            };
            let mut framed = Framed::new(dialed.socket.into());
            if reactor.watch(&framed.socket, me, RESOLVER).is_err() {
                continue;
            }
            framed.put(&outside.message);
            outside.framed = Some(framed);
            outside.until = Instant::now() + PATIENCE;
            self.be_called(me, reactor);
            return;
        }
        if let Ok(question) = Question::read(&outside.message) {
            self.asker.put(&question.outcome(Outcome::Failed));
        }
        self.outside = None;
    }

    /// The resolver can be written to, or has said something.
    fn hear(&mut self, me: Key, ready: Ready, reactor: &mut Reactor) {
        let Some(outside) = &mut self.outside else {
            return;
        };
        let Some(framed) = &mut outside.framed else {
            return;
        };
        let reached = !ready.writable || error_of(&framed.socket).is_none();
        let reached = reached && (!ready.writable || framed.write());
        let open = reached && framed.read();
        let fits = |m: &Vec<u8>| m.get(..2) == outside.message.get(..2);
        if let Some(message) = framed.next().filter(fits) {
            self.asker.put(&message);
            self.outside = None;
        } else if !open {
            outside.framed = None;
            self.ask(me, reactor);
        }
    }
}

impl Service for Stream {
    fn ready(&mut self, me: Key, which: u32, ready: Ready, reactor: &mut Reactor) -> Life {
        if which == RESOLVER {
            self.hear(me, ready, reactor);
        }
        self.work(me, reactor)
    }

    fn due(&mut self, me: Key, reactor: &mut Reactor) -> Life {
        let now = Instant::now();
        // One that was asked for before an earlier one was.
        if self.called_at.is_some_and(|at| now < at) {
            return Life::Goes;
        }
        self.called_at = None;
        match &mut self.outside {
            Some(outside) if outside.framed.is_some() && outside.until <= now => {
                outside.framed = None;
                self.ask(me, reactor);
            }
            None if now.duration_since(self.silent_from) >= SILENCE => return Life::Ends,
            _ => {}
        }
        let life = self.work(me, reactor);
        self.be_called(me, reactor);
        life
    }
}
