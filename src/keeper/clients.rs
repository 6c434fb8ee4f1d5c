//! Those who are connected to a keeper.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::MsgFlags;

use super::outbox::Outbox;
use super::protocol::{Reply, Request, Stream, Streams};
use crate::sys::socket;

/// The longest message of a client: its configuration, at most.
const LONGEST: usize = 128 * 1024;
/// The number of whoever had the keeper made.
pub(super) const STARTER: u64 = 1;
/// More than this at once is an accident or an attack.
const MOST: usize = 256;

/// One connection.
#[derive(Debug)]
struct Client {
    socket: OwnedFd,
    outbox: Outbox,
    streams: Streams,
}

impl Client {
    fn looks_at(&self, stream: Stream) -> bool {
        match stream {
            Stream::Out => self.streams.output,
            Stream::Err => self.streams.errors,
        }
    }
}

/// All connections, by a number that is never used twice.
#[derive(Debug)]
pub(super) struct Clients {
    all: BTreeMap<u64, Client>,
    next: u64,
    /// Somebody was attached to the program's input.
    spoken: bool,
    dir: PathBuf,
}

/// What came from a client.
#[derive(Debug)]
pub(super) enum Heard {
    /// This.
    Said(Request),
    /// Nothing now.
    Nothing,
    /// It is gone.
    Gone,
}

impl Clients {
    /// `dir` is where what they do not take in time is kept; `first` is the
    /// first number to give.
    pub(super) fn new(dir: &Path, first: u64) -> Self {
        Self {
            all: BTreeMap::new(),
            next: first,
            spoken: false,
            dir: dir.to_owned(),
        }
    }

    /// Takes in a connection; `None` where there are too many.
    pub(super) fn add(&mut self, socket: OwnedFd) -> Option<u64> {
        if self.all.len() >= MOST {
            return None;
        }
        let number = self.next;
        self.next += 1;
        let client = Client {
            socket,
            outbox: Outbox::new(&self.dir),
            streams: Streams::default(),
        };
        self.all.insert(number, client);
        Some(number)
    }

    /// Whether whoever had the keeper made is still there.
    pub(super) fn has_starter(&self) -> bool {
        self.all.contains_key(&STARTER)
    }

    /// Its connection.
    pub(super) fn socket(&self, number: u64) -> Option<BorrowedFd<'_>> {
        self.all.get(&number).map(|c| c.socket.as_fd())
    }

    /// Every number, with whether something waits for room there, and whether
    /// input comes from there.
    pub(super) fn interests(&self) -> Vec<(u64, bool, bool)> {
        let interest = |(n, c): (&u64, &Client)| (*n, !c.outbox.is_empty(), c.streams.input);
        self.all.iter().map(interest).collect()
    }

    /// The next thing a client says.
    pub(super) fn hear(&mut self, number: u64) -> Heard {
        let Some(client) = self.all.get(&number) else {
            return Heard::Nothing;
        };
        match socket::receive_whole(&client.socket, LONGEST, MsgFlags::MSG_DONTWAIT) {
            Err(e) if e.errno == Errno::EAGAIN => Heard::Nothing,
            Ok(message) if !message.is_empty() => match Request::decode(&message) {
                Some(request) => Heard::Said(request),
                // Nobody who speaks nonsense is one of ours.
                None => self.remove(number),
            },
            Ok(_) | Err(_) => self.remove(number),
        }
    }

    /// Lets a connection go.
    fn remove(&mut self, number: u64) -> Heard {
        self.all.remove(&number);
        Heard::Gone
    }

    /// From now on it sees and speaks.
    pub(super) fn attach(&mut self, number: u64, streams: Streams) {
        if let Some(client) = self.all.get_mut(&number) {
            client.streams = streams;
            self.spoken |= streams.input;
        }
    }

    /// It does not look at that stream any more; whether nobody else does.
    pub(super) fn turn_away(&mut self, number: u64, stream: Stream) -> bool {
        let Some(client) = self.all.get_mut(&number) else {
            return false;
        };
        match stream {
            Stream::Out => client.streams.output = false,
            Stream::Err => client.streams.errors = false,
        }
        !self.all.values().any(|c| c.looks_at(stream))
    }

    /// Whether all who spoke to the program are gone, however they went.
    pub(super) fn have_spoken(&self) -> bool {
        self.spoken && !self.all.values().any(|c| c.streams.input)
    }

    /// Tells one.
    pub(super) fn reply(&mut self, number: u64, reply: &Reply) {
        let told = match self.all.get_mut(&number) {
            Some(client) => client.outbox.push(&client.socket, &reply.encode()),
            None => Ok(()),
        };
        if told.is_err() {
            self.remove(number);
        }
    }

    /// Shows everybody who looks what the program said.
    pub(super) fn show(&mut self, stream: Stream, bytes: &[u8]) {
        if !self.all.values().any(|c| c.looks_at(stream)) {
            return;
        }
        let message = Reply::Output(stream, bytes.to_vec()).encode();
        self.all
            .retain(|_, c| !c.looks_at(stream) || c.outbox.push(&c.socket, &message).is_ok());
    }

    /// Tells everybody how it ended. Who has just come may not have been heard
    /// yet; but whatever they want, there is nothing else to say to it.
    pub(super) fn tell_exit(&mut self, code: i32) {
        let message = Reply::Exit(code).encode();
        self.all
            .retain(|_, c| c.outbox.push(&c.socket, &message).is_ok());
    }

    /// Sends on what one has room for now.
    pub(super) fn flush(&mut self, number: u64) {
        let flushed = match self.all.get_mut(&number) {
            Some(client) => client.outbox.flush(&client.socket),
            None => Ok(()),
        };
        if flushed.is_err() {
            self.remove(number);
        }
    }

    /// Those who have everything are let go; whether some have not.
    pub(super) fn part(&mut self) -> bool {
        self.all.retain(|_, c| !c.outbox.is_empty());
        !self.all.is_empty()
    }
}
