//! Published TCP ports: a listener, and a connection for each that comes.
//!
//! Where there is much to move, the bytes go from socket to socket through a
//! pipe (`splice`) and never enter this process; a few are read and written,
//! which takes half the calls. What one side cannot take yet stays in the
//! kernel's buffers of the other, which then stops sending: that is all of the
//! back-pressure. An end of one direction is passed on as an end of that
//! direction alone.

use std::cell::Cell;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{SockType, sockopt};

use super::flow::{Flow, Moved, Side};
use super::pipes::Pipes;
use super::reactor::{Key, Life, Reactor, Ready, Service};
use super::target::{Target, error_of};
use crate::sys::socket::accept_ready;

/// Connections taken before others have their turn.
const ACCEPTED_AT_ONCE: usize = 64;
/// How long nobody is accepted when descriptors have run out.
const BREATH: Duration = Duration::from_millis(100);
/// How long a connection waits for a program that does not listen yet.
const PATIENCE: Duration = Duration::from_secs(5);
/// The first pause between two attempts; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
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
        prepare(&listener);
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
            match accept_ready(&self.listener) {
                Ok(client) => self.take(client.into(), reactor),
                Err(Errno::EAGAIN) => return Life::Goes,
                // The next one may be there already.
                Err(Errno::EINTR | Errno::ECONNABORTED) => {}
                // No more descriptors or memory: others must end first.
                Err(_) => {
                    reactor.wake(me, Instant::now() + BREATH);
                    return Life::Goes;
                }
            }
        }
        reactor.again(me, 0);
        Life::Goes
    }

    fn take(&self, client: TcpStream, reactor: &mut Reactor) {
        let from = if self.target.keeps.is_some() {
            // One that has gone already is nobody the program could be shown.
            let Ok(from) = client.peer_addr() else { return };
            Some(from)
        } else {
            None
        };
        let key = reactor.key();
        if reactor.watch(&client, key, NEAR).is_err() {
            return;
        }
        let mut connection = Connection {
            near: Side::near(client),
            from,
            far: None,
            target: self.target.clone(),
            pipes: self.pipes.clone(),
            answered: self.answered.clone(),
            up: Flow::default(),
            down: Flow::default(),
            broken: false,
            pause: FIRST_PAUSE,
            give_up: Instant::now() + PATIENCE,
        };
        // Many speak first, and have by now. One that has gone meanwhile need
        // not be announced to the program.
        let ahead = connection
            .up
            .listen_ahead(&mut connection.near, &self.pipes);
        if ahead.is_ok() && connection.attempt(key, reactor) == Life::Goes {
            reactor.adopt(key, Box::new(connection));
        }
    }
}

/// What every connection of a listener inherits.
fn prepare(listener: &TcpListener) {
    use nix::sys::socket::setsockopt;
    // Whoever sends a little at a time means it to arrive.
    let _ = setsockopt(listener, sockopt::TcpNoDelay, &true);
    // A client that vanished without a word would keep its place for ever.
    let _ = setsockopt(listener, sockopt::KeepAlive, &true);
}

impl Service for Port {
    fn ready(&mut self, me: Key, _: u32, _: Ready, reactor: &mut Reactor) -> Life {
        self.accept(me, reactor)
    }

    fn due(&mut self, me: Key, reactor: &mut Reactor) -> Life {
        self.accept(me, reactor)
    }
}

/// A client, the program, and the bytes between them.
struct Connection {
    near: Side,
    /// Who the client is, where the program is to see that.
    from: Option<SocketAddr>,
    /// And whether it is connected.
    far: Option<(Side, bool)>,
    target: Target,
    pipes: Pipes,
    answered: Rc<Cell<bool>>,
    up: Flow,
    down: Flow,
    /// The program has gone without reading all that was sent to it.
    broken: bool,
    pause: Duration,
    give_up: Instant,
}

impl Connection {
    /// Tries to reach the program.
    fn attempt(&mut self, me: Key, reactor: &mut Reactor) -> Life {
        let speaks = self.up.holds();
        let dialed = match self.target.connect(SockType::Stream, self.from, speaks) {
            Ok(dialed) => dialed,
            Err(e) => return self.later(e.errno, me, reactor),
        };
        let mut far = Side::far(TcpStream::from(dialed.socket));
        let mut connected = dialed.connected;
        if speaks {
            match self.up.speak_first(&mut far) {
                Ok(sent) => connected |= sent,
                Err(errno) => return self.later(errno, me, reactor),
            }
        }
        if reactor.watch(&far.socket, me, FAR).is_err() {
            return self.refuse();
        }
        self.answered.set(self.answered.get() || connected);
        self.far = Some((far, connected));
        self.pump(me, reactor)
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
        if ready.failed {
            if let Some(errno) = error_of(&far.socket) {
                return Some(self.later(errno, me, reactor));
            }
            if far.socket.peer_addr().is_err() {
                return Some(Life::Goes);
            }
        }
        *connected = true;
        self.answered.set(true);
        None
    }

    fn pump(&mut self, me: Key, reactor: &mut Reactor) -> Life {
        let Some((far, true)) = &mut self.far else {
            return Life::Goes;
        };
        let mut up = self.up.pump(&mut self.near, far, &self.pipes);
        if matches!(up, Moved::NoReceiver) {
            // A program that answers before it has read everything, and goes,
            // is still heard.
            self.up.abandon(&self.pipes);
            far.look_again();
            self.broken = true;
            up = Moved::Enough;
        }
        // What was said to the program is with it, whatever the client does
        // next. Where the other direction is over, both sides are closed.
        if !self.down.is_over() {
            self.up.pass_end_on(far);
        }
        let down = self.down.pump(far, &mut self.near, &self.pipes);
        let over = self.up.is_over() && self.down.is_over();
        if !over {
            self.down.pass_end_on(&self.near);
        }
        match (up, down) {
            (Moved::NoSender, _) | (_, Moved::NoSender | Moved::NoReceiver) => {
                far.break_off();
                self.refuse()
            }
            _ if over && self.broken => self.refuse(),
            // To close a socket tells its peer as well.
            _ if over => Life::Ends,
            (Moved::More, _) | (_, Moved::More) => {
                reactor.again(me, NEAR);
                Life::Goes
            }
            (Moved::Starved, _) | (_, Moved::Starved) => {
                reactor.wake(me, Instant::now() + BREATH);
                Life::Goes
            }
            (Moved::Enough | Moved::NoReceiver, Moved::Enough) => Life::Goes,
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
