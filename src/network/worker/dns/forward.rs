//! Questions that others must answer, by datagrams.
//!
//! Each goes out from a port of its own with an id of its own, so that an
//! answer is hard to forge, and what comes back must fit the question.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Instant;

use super::super::datagram;
use super::super::reactor::{Key, Reactor};
use super::message::{Outcome, Question};
use super::{MOST_OUTSIDE, PATIENCE};
use crate::sys;

/// Our own socket among those that are watched.
pub const OURS: u32 = 0;

/// Who asked, and which address of ours.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    pub from: SocketAddr,
    pub to: Option<IpAddr>,
}

struct Asked {
    /// As it came, with the asker's id.
    message: Vec<u8>,
    asker: Asker,
    socket: UdpSocket,
    /// The id it went out with.
    id: [u8; 2],
    /// Who can still be asked.
    left: Vec<SocketAddr>,
    until: Instant,
}

/// Everything that waits for an answer.
#[derive(Default)]
pub struct Outside {
    asked: HashMap<u32, Asked>,
    last: u32,
}

impl Outside {
    /// Passes a question on; whether there was anybody to ask.
    pub fn ask(
        &mut self,
        message: &[u8],
        asker: Asker,
        resolvers: Vec<SocketAddr>,
        me: Key,
        reactor: &mut Reactor,
    ) -> bool {
        // Whoever asks more than that is told so, and may ask again.
        self.asked.len() < MOST_OUTSIDE
            && self.next(message.to_vec(), asker, resolvers, me, reactor)
    }

    /// Asks the first of `left` that can be spoken to.
    fn next(
        &mut self,
        message: Vec<u8>,
        asker: Asker,
        mut left: Vec<SocketAddr>,
        me: Key,
        reactor: &mut Reactor,
    ) -> bool {
        while !left.is_empty() {
            let resolver = left.remove(0);
            let mut which = self.last.wrapping_add(1);
            while which == OURS || self.asked.contains_key(&which) {
                which = which.wrapping_add(1);
            }
            self.last = which;
            let Some((socket, id)) = send(&message, resolver) else {
                continue;
            };
            if reactor.watch(&socket, me, which).is_err() {
                continue;
            }
            let until = Instant::now() + PATIENCE;
            reactor.wake(me, until);
            let outside = Asked {
                message,
                asker,
                socket,
                id,
                left,
                until,
            };
            self.asked.insert(which, outside);
            return true;
        }
        false
    }

    /// A resolver has said something.
    pub fn hear(
        &mut self,
        which: u32,
        ours: &OwnedFd,
        buffer: &mut [u8],
        me: Key,
        reactor: &mut Reactor,
    ) {
        loop {
            let Some(asked) = self.asked.get(&which) else {
                return;
            };
            match asked.socket.recv(buffer) {
                Ok(length) if fits(asked, &buffer[..length]) => {
                    buffer[..2].copy_from_slice(&asked.message[..2]);
                    let Asker { from, to } = asked.asker;
                    let _ = datagram::send(ours, &buffer[..length], from, to);
                    self.asked.remove(&which);
                    return;
                }
                // Somebody else's, or a forgery: the true one may still come.
                Ok(_) => {}
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return,
                // Nobody listens there.
                Err(_) => {
                    self.give_up(which, ours, me, reactor);
                    return;
                }
            }
        }
    }

    /// Asks the next resolver where one was silent for too long.
    pub fn lose_patience(&mut self, ours: &OwnedFd, me: Key, reactor: &mut Reactor) {
        let now = Instant::now();
        let over: Vec<u32> = (self.asked.iter())
            .filter(|(_, asked)| asked.until <= now)
            .map(|(which, _)| *which)
            .collect();
        for which in over {
            self.give_up(which, ours, me, reactor);
        }
    }

    fn give_up(&mut self, which: u32, ours: &OwnedFd, me: Key, reactor: &mut Reactor) {
        let Some(asked) = self.asked.remove(&which) else {
            return;
        };
        let Asked {
            message,
            asker,
            left,
            ..
        } = asked;
        let failed = Question::read(&message).map(|q| q.outcome(Outcome::Failed));
        if !self.next(message, asker, left, me, reactor)
            && let Ok(bytes) = failed
        {
            let _ = datagram::send(ours, &bytes, asker.from, asker.to);
        }
    }
}

/// Sends a question out under an id of its own.
fn send(message: &[u8], resolver: SocketAddr) -> Option<(UdpSocket, [u8; 2])> {
    let any: IpAddr = match resolver {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.set_nonblocking(true).ok()?;
    socket.connect(resolver).ok()?;
    let mut id = [0; 2];
    sys::random(&mut id).ok()?;
    let mut sent = message.to_vec();
    sent.get_mut(..2)?.copy_from_slice(&id);
    socket.send(&sent).ok()?;
    Some((socket, id))
}

/// Whether this answers what was asked.
fn fits(asked: &Asked, answer: &[u8]) -> bool {
    let is_answer = answer.get(2).is_some_and(|flags| flags & 0x80 != 0);
    if answer.get(..2) != Some(&asked.id[..]) || !is_answer {
        return false;
    }
    // A refusal may come without the question.
    let questions = answer.get(4..6);
    if questions == Some(&[0, 0]) {
        return answer.len() == 12;
    }
    same_question(&asked.message, answer)
}

fn same_question(asked: &[u8], answer: &[u8]) -> bool {
    // As a question: with the mark of an answer taken away.
    let mut copy = answer.to_vec();
    copy[2] &= !0xf8;
    match (Question::read(asked), Question::read(&copy)) {
        (Ok(a), Ok(b)) => a.name == b.name && a.kind == b.kind && a.internet == b.internet,
        _ => false,
    }
}
