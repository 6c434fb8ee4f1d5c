//! A conversation with the kernel: a request, and the answers to it.
//!
//! The kernel deals with a request while it is sent, and all that it has to
//! say is there when `sendmsg` returns. So nothing here waits for long.

use std::os::fd::OwnedFd;

use nix::errno::Errno;

use super::Message;
use super::decode::{Meaning, answers};
use crate::sys::{SysError, SysResult, socket};

/// As large as the kernel makes a part of a long answer.
const LARGEST: usize = 64 * 1024;

/// One thing there is: its kind, and all but the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    /// Of what.
    pub kind: u16,
    /// The fixed part and the attributes.
    pub body: Vec<u8>,
}

/// A socket to one part of the kernel, for one network namespace: the one in
/// which it was made.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    last: u32,
    buf: Vec<u8>,
}

impl Socket {
    /// To links, addresses and routes.
    pub fn route() -> SysResult<Self> {
        Self::open(libc::NETLINK_ROUTE)
    }

    /// To packet filters.
    pub fn netfilter() -> SysResult<Self> {
        Self::open(libc::NETLINK_NETFILTER)
    }

    fn open(protocol: i32) -> SysResult<Self> {
        Ok(Self {
            fd: socket::netlink(protocol)?,
            last: 0,
            buf: vec![0; LARGEST],
        })
    }

    fn next(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.last
    }

    /// Has one thing done. `what` words it, should it fail.
    pub fn ask(&mut self, what: impl FnOnce() -> String, request: Message) -> SysResult<()> {
        let number = self.next();
        socket::send(&self.fd, &request.acknowledged().bytes(number), &[])?;
        self.outcome(number, what).map(drop)
    }

    /// Asks for things: one, or with [`super::message::DUMP`] all.
    pub fn get(
        &mut self,
        what: impl FnOnce() -> String,
        request: &Message,
    ) -> SysResult<Vec<Thing>> {
        let number = self.next();
        socket::send(&self.fd, &request.bytes(number), &[])?;
        self.outcome(number, what)
    }

    /// Has several things done as one: all of them, or none.
    pub fn batch(
        &mut self,
        what: impl FnOnce() -> String,
        requests: Vec<Message>,
    ) -> SysResult<()> {
        let mut bytes = Vec::new();
        let first = self.last.wrapping_add(1);
        // The last but the mark of the end speaks for all: where an earlier
        // one fails, that is told first.
        let speaker = requests.len().saturating_sub(2);
        let mut number = first;
        for (i, request) in requests.into_iter().enumerate() {
            let next = self.next();
            let request = if i == speaker {
                number = next;
                request.acknowledged()
            } else {
                request
            };
            bytes.extend(request.bytes(next));
        }
        socket::send(&self.fd, &bytes, &[])?;
        self.outcome_of(first..=self.last, number, what).map(drop)
    }

    fn outcome(&mut self, number: u32, what: impl FnOnce() -> String) -> SysResult<Vec<Thing>> {
        self.outcome_of(number..=number, number, what)
    }

    /// Reads until the request `number` is answered, or any of `all` failed.
    fn outcome_of(
        &mut self,
        all: std::ops::RangeInclusive<u32>,
        number: u32,
        what: impl FnOnce() -> String,
    ) -> SysResult<Vec<Thing>> {
        let mut things = Vec::new();
        loop {
            let (n, _) = socket::receive(&self.fd, &mut self.buf)?;
            let mut several = false;
            for answer in answers(&self.buf[..n]).filter(|a| all.contains(&a.sequence)) {
                several |= answer.is_part();
                match answer.meaning() {
                    Meaning::Done if answer.sequence == number => return Ok(things),
                    Meaning::Done => {}
                    Meaning::Failed(code, text) => return Err(failed(code, &text, &what())),
                    Meaning::Thing(thing) => things.push(Thing {
                        kind: thing.kind,
                        body: thing.body.to_vec(),
                    }),
                }
            }
            // One thing that was asked for comes without a word after it.
            if !things.is_empty() && !several {
                return Ok(things);
            }
        }
    }
}

fn failed(code: i32, text: &str, what: &str) -> SysError {
    let call = if text.is_empty() {
        format!("netlink({what})")
    } else {
        format!("netlink({what}: {text:?})")
    };
    SysError::new(Errno::from_raw(code), call)
}
