//! Published UDP ports. There are no connections, so each client is given a
//! socket of its own towards the program for as long as it is heard of: what
//! comes back through that one goes to this client.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::SockType;

use super::datagram::{self, Arrived};
use super::reactor::{Key, Life, Reactor, Ready, Service};
use super::target::Target;

/// A client that is silent this long is forgotten.
pub const SILENCE: Duration = Duration::from_secs(90);
/// Clients at a time; the one that was silent longest makes room.
const MOST: usize = 2048;
/// Datagrams before others have their turn.
const AT_ONCE: usize = 128;
/// No datagram is longer.
const LARGEST: usize = 64 << 10;

const LISTENER: u32 = 0;

/// Who speaks, and which of our addresses was spoken to: answers come from
/// that one.
type Client = (SocketAddr, Option<IpAddr>);

struct Session {
    client: Client,
    socket: UdpSocket,
    heard: Instant,
}

/// A published port.
pub struct Port {
    listener: OwnedFd,
    target: Target,
    sessions: HashMap<u32, Session>,
    clients: HashMap<Client, u32>,
    last: u32,
    buffer: Vec<u8>,
    silence: Duration,
}

impl Port {
    /// Serves datagrams to `listener` as datagrams to `target`.
    pub fn serve(
        listener: UdpSocket,
        target: Target,
        silence: Duration,
        reactor: &mut Reactor,
    ) -> crate::sys::SysResult<()> {
        let key = reactor.key();
        let listener = OwnedFd::from(listener);
        reactor.watch(&listener, key, LISTENER)?;
        let port = Self {
            listener,
            target,
            sessions: HashMap::new(),
            clients: HashMap::new(),
            last: LISTENER,
            buffer: vec![0; LARGEST],
            silence,
        };
        reactor.adopt(key, Box::new(port));
        Ok(())
    }

    /// From clients to the program.
    fn forth(&mut self, me: Key, reactor: &mut Reactor) {
        for _ in 0..AT_ONCE {
            match datagram::receive(&self.listener, &mut self.buffer) {
                Ok(Arrived { from, to, length }) => {
                    let which = self.session((from, to), me, reactor);
                    if let Some(session) = which.and_then(|w| self.sessions.get_mut(&w)) {
                        session.heard = Instant::now();
                        // What cannot be sent is lost, as datagrams are.
                        let _ = session.socket.send(&self.buffer[..length]);
                    }
                }
                Err(Errno::EAGAIN) => return,
                // An error that waited at the socket is fetched with the call.
                Err(_) => {}
            }
        }
        reactor.again(me, LISTENER);
    }

    fn session(&mut self, client: Client, me: Key, reactor: &mut Reactor) -> Option<u32> {
        match self.clients.get(&client) {
            Some(which) => Some(*which),
            None => self.begin(client, me, reactor),
        }
    }

    fn begin(&mut self, client: Client, me: Key, reactor: &mut Reactor) -> Option<u32> {
        if self.sessions.len() >= MOST {
            let oldest = self.sessions.iter().min_by_key(|(_, s)| s.heard);
            let oldest = oldest.map(|(which, _)| *which);
            if let Some(which) = oldest {
                self.forget(which);
            }
        }
        let dialed = self
            .target
            .connect(SockType::Datagram, Some(client.0), false);
        let socket = UdpSocket::from(dialed.ok()?.socket);
        loop {
            self.last = self.last.wrapping_add(1);
            if self.last != LISTENER && !self.sessions.contains_key(&self.last) {
                break;
            }
        }
        let which = self.last;
        reactor.watch(&socket, me, which).ok()?;
        if self.sessions.is_empty() {
            reactor.wake(me, Instant::now() + self.silence);
        }
        let heard = Instant::now();
        let session = Session {
            client,
            socket,
            heard,
        };
        self.sessions.insert(which, session);
        self.clients.insert(client, which);
        Some(which)
    }

    /// From the program to one client.
    fn back(&mut self, which: u32, me: Key, reactor: &mut Reactor) {
        let Some(session) = self.sessions.get_mut(&which) else {
            return;
        };
        for _ in 0..AT_ONCE {
            match session.socket.recv(&mut self.buffer) {
                Ok(length) => {
                    session.heard = Instant::now();
                    let (to, from) = session.client;
                    let _ = datagram::send(&self.listener, &self.buffer[..length], to, from);
                }
                Err(e) if e.raw_os_error() == Some(libc::EAGAIN) => return,
                // The program does not listen (yet): what was sent is lost.
                Err(_) => {}
            }
        }
        reactor.again(me, which);
    }

    fn forget(&mut self, which: u32) {
        if let Some(session) = self.sessions.remove(&which) {
            self.clients.remove(&session.client);
        }
    }
}

impl Service for Port {
    fn ready(&mut self, me: Key, which: u32, ready: Ready, reactor: &mut Reactor) -> Life {
        if ready.readable && which == LISTENER {
            self.forth(me, reactor);
        } else if ready.readable {
            self.back(which, me, reactor);
        }
        Life::Goes
    }

    fn due(&mut self, me: Key, reactor: &mut Reactor) -> Life {
        let now = Instant::now();
        let silent = |s: &Session| now.duration_since(s.heard) >= self.silence;
        let over: Vec<u32> = (self.sessions.iter())
            .filter(|(_, s)| silent(s))
            .map(|(which, _)| *which)
            .collect();
        for which in over {
            self.forget(which);
        }
        let next = self.sessions.values().map(|s| s.heard).min();
        if let Some(heard) = next {
            reactor.wake(me, heard + self.silence);
        }
        Life::Goes
    }
}
