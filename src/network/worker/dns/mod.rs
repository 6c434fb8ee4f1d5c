//! The name server of one container, on 127.0.0.11 inside of it.
//!
//! What a network knows (the containers on it, by name and by address) is
//! answered from [`Names`]; everything else is asked of the host's resolvers,
//! from the host's side, with the question and the answer passed on to the
//! byte. A network that is shut off from the outside asks nobody: a question
//! is a way out, too (CVE-2024-29018).

mod forward;
pub mod message;
mod stream;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;

use super::datagram::{self, Arrived};
use super::reactor::{Key, Life, Reactor, Ready, Service};
use crate::sys::SysResult;
use message::{Kind, Outcome, Question, Unread};

/// How long an answer of ours holds: containers come and go.
const LASTS: u32 = 5;
/// Questions before others have their turn.
const AT_ONCE: usize = 64;
/// Questions that wait for an answer from outside, at a time.
const MOST_OUTSIDE: usize = 256;
/// Connections at a time.
const MOST_STREAMS: usize = 64;
/// How long a resolver is waited for before the next one is asked.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a container's networks know.
pub trait Names {
    /// The addresses of a name, if it is known at all.
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>>;
    /// The names of an address, if it is one of the networks'; perhaps none.
    fn names(&self, address: IpAddr) -> Option<Vec<String>>;
    /// Who is asked about everything else; nobody, where the networks are shut
    /// off.
    fn resolvers(&self) -> Vec<SocketAddr>;
    /// Nobody can be asked for now: what was found is no answer.
    fn is_silent(&self) -> bool {
        false
    }
}

/// What becomes of a question.
enum Answer {
    /// It is answered.
    Ready(Vec<u8>),
    /// One of these knows.
    Ask(Vec<SocketAddr>),
    /// There is nobody to be answered.
    Nothing,
}

/// `room` is how much the way back takes at least.
fn answer(message: &[u8], names: &dyn Names, room: usize) -> Answer {
    let mut question = match Question::read(message) {
        Ok(question) => question,
        Err(Unread::Hopeless) => return Answer::Nothing,
        Err(Unread::Refused(id, outcome)) => return Answer::Ready(message::refusal(id, outcome)),
    };
    question.room = question.room.max(room);
    if question.edns.is_some_and(|edns| edns.version > 0) {
        return Answer::Ready(question.outcome(Outcome::BadVersion));
    }
    if let Some(known) = known(&question, names) {
        return Answer::Ready(known);
    }
    let resolvers = names.resolvers();
    if names.is_silent() {
        return Answer::Ready(question.outcome(Outcome::Failed));
    }
    match resolvers {
        // A network without an outside knows all the names there are.
        none if none.is_empty() => Answer::Ready(question.outcome(Outcome::NoSuchName)),
        some => Answer::Ask(some),
    }
}

fn known(question: &Question, names: &dyn Names) -> Option<Vec<u8>> {
    if !question.internet {
        return None;
    }
    if let Some(address) = question.address() {
        let found = names.names(address)?;
        let outcome = match found.as_slice() {
            [] => Outcome::NoSuchName,
            _ => Outcome::Found,
        };
        return Some(question.answer(outcome, &[], &found, LASTS));
    }
    let mut addresses = names.addresses(&question.name)?;
    addresses.retain(|address| match question.kind {
        Kind::A => address.is_ipv4(),
        Kind::Aaaa => address.is_ipv6(),
        Kind::Any => true,
        Kind::Ptr | Kind::Other(_) => false,
    });
    Some(question.answer(Outcome::Found, &addresses, &[], LASTS))
}

/// The server: its socket for datagrams, and questions that are outside.
pub struct Server {
    socket: OwnedFd,
    names: Rc<dyn Names>,
    outside: forward::Outside,
    buffer: Vec<u8>,
}

impl Server {
    /// Serves on these two, which were made inside the container.
    pub fn serve(
        datagrams: UdpSocket,
        streams: TcpListener,
        names: Rc<dyn Names>,
        reactor: &mut Reactor,
    ) -> SysResult<()> {
        let key = reactor.key();
        let socket = OwnedFd::from(datagrams);
        reactor.watch(&socket, key, forward::OURS)?;
        let server = Self {
            socket,
            names: names.clone(),
            outside: forward::Outside::default(),
            buffer: vec![0; 64 << 10],
        };
        reactor.adopt(key, Box::new(server));
        stream::Door::serve(streams, names, reactor)
    }

    fn take(&mut self, me: Key, reactor: &mut Reactor) {
        for _ in 0..AT_ONCE {
            let arrived = match datagram::receive(&self.socket, &mut self.buffer) {
                Ok(arrived) => arrived,
                Err(Errno::EAGAIN) => return,
                Err(_) => continue,
            };
            let Arrived { from, to, length } = arrived;
            let message = &self.buffer[..length];
            match answer(message, &*self.names, message::SMALL) {
                Answer::Ready(bytes) => {
                    let _ = datagram::send(&self.socket, &bytes, from, to);
                }
                Answer::Ask(resolvers) => {
                    let asker = forward::Asker { from, to };
                    let passed_on = self.outside.ask(message, asker, resolvers, me, reactor);
                    if !passed_on && let Ok(question) = Question::read(message) {
                        let bytes = question.outcome(Outcome::Failed);
                        let _ = datagram::send(&self.socket, &bytes, from, to);
                    }
                }
                Answer::Nothing => {}
            }
        }
        reactor.again(me, forward::OURS);
    }
}

impl Service for Server {
    fn ready(&mut self, me: Key, which: u32, ready: Ready, reactor: &mut Reactor) -> Life {
        if ready.readable && which == forward::OURS {
            self.take(me, reactor);
        } else if ready.readable {
            self.outside
                .hear(which, &self.socket, &mut self.buffer, me, reactor);
        }
        Life::Goes
    }

    fn due(&mut self, me: Key, reactor: &mut Reactor) -> Life {
        self.outside.lose_patience(&self.socket, me, reactor);
        Life::Goes
    }
}
