//! Those who are connected to a keeper.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::MsgFlags;

use super::outbox::Outbox;
use super::protocol::{Reply, Request, Stream, Streams};
use crate::sys::socket;

/// The longest message of a client.
const LONGEST: usize = 128 * 1024;
/// The number of whoever had the keeper made.
pub(super) const STARTER: u64 = 1;
/// More than this at once is an accident or an attack.
const MOST: usize = 512;
/// What a keeper needs beside its clients.
const OWN_DESCRIPTORS: u64 = 48;
/// Of the places, so many are never given to those who are attached: whoever
/// wants to stop a container gets through.
const FOR_ERRANDS: usize = 8;

/// One connection.
#[derive(Debug)]
struct Client {
    socket: OwnedFd,
    outbox: Outbox,
    streams: Streams,
    errand: Errand,
}

/// What a client is there for; the first of these goes first when there is no
/// place left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Errand {
    /// It has said nothing, and maybe never will.
    Nothing,
    /// Wants to know the end.
    Waits,
    /// Wants something done.
    Asks,
    /// Sees or speaks.
    Attached,
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
    /// So many there can be.
    most: usize,
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
            most: places(descriptors()),
        }
    }

    /// Takes in a connection. Where there are too many, one goes for it that
    /// is there for less; `None` if there is none.
    pub(super) fn add(&mut self, socket: OwnedFd) -> Option<u64> {
        if self.all.len() >= self.most && !self.make_place() {
            return None;
        }
        let number = self.next;
        self.next += 1;
        let client = Client {
            socket,
            outbox: Outbox::new(&self.dir),
            streams: Streams::default(),
            errand: Errand::Nothing,
        };
        self.all.insert(number, client);
        Some(number)
    }

    /// Whether whoever had the keeper made is still there.
    pub(super) fn has_starter(&self) -> bool {
        self.all.contains_key(&STARTER)
    }

    /// Sends away who is there for the least, and of those the one who came
    /// first; whether there was one. Those who are attached stay.
    pub(super) fn make_place(&mut self) -> bool {
        let idle = self.all.iter().filter(|(_, c)| c.errand < Errand::Attached);
        let least = idle.min_by_key(|(number, c)| (c.errand, **number));
        let Some(number) = least.map(|(number, _)| *number) else {
            return false;
        };
        self.remove(number);
        true
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
                Some(request) => {
                    let errand = match request {
                        Request::Wait => Errand::Waits,
                        _ => Errand::Asks,
                    };
                    self.has_errand(number, errand);
                    Heard::Said(request)
                }
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

    fn has_errand(&mut self, number: u64, errand: Errand) {
        if let Some(client) = self.all.get_mut(&number) {
            client.errand = client.errand.max(errand);
        }
    }

    /// From now on it sees and speaks; whether there was a place for that.
    pub(super) fn attach(&mut self, number: u64, streams: Streams) -> bool {
        let attached = |c: &&Client| c.errand == Errand::Attached;
        let is_one = self.all.get(&number).is_some_and(|c| attached(&c));
        let count = self.all.values().filter(attached).count();
        if !is_one && count + FOR_ERRANDS >= self.most {
            return false;
        }
        if let Some(client) = self.all.get_mut(&number) {
            client.streams = streams;
            client.errand = Errand::Attached;
            self.spoken |= streams.input;
        }
        true
    }

    /// Tells one why it cannot stay.
    pub(super) fn refuse(&mut self, number: u64, why: &str) {
        self.reply(number, &Reply::Refused(why.to_owned()));
        self.remove(number);
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

fn descriptors() -> u64 {
    use nix::sys::resource::{Resource, getrlimit};
    getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft)
}

/// How many clients there can be: each needs its connection, and a file where
/// it is slow.
fn places(descriptors: u64) -> usize {
    let most = descriptors.saturating_sub(OWN_DESCRIPTORS) / 2;
    usize::try_from(most).map_or(MOST, |most| most.clamp(2 * FOR_ERRANDS, MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_wants_something_gets_a_place() {
        let mut clients = Clients::new(Path::new("/"), 1);
        clients.most = 20;
        let mut others = Vec::new();
        let mut come = |clients: &mut Clients| {
            let (ours, theirs) = socket::message_pair().unwrap();
            others.push(theirs);
            clients.add(ours).unwrap()
        };
        let looks = Streams {
            output: true,
            ..Streams::default()
        };
        let attached = |clients: &mut Clients, n: u64| clients.attach(n, looks);
        let first: Vec<u64> = (0..12).map(|_| come(&mut clients)).collect();
        assert!(first.iter().all(|n| attached(&mut clients, *n)));
        let late = come(&mut clients);
        assert!(!attached(&mut clients, late), "places are kept for others");
        let waits = come(&mut clients);
        clients.has_errand(waits, Errand::Waits);
        let stops = come(&mut clients);
        clients.has_errand(stops, Errand::Asks);
        for _ in 0..100 {
            come(&mut clients);
        }
        assert_eq!(clients.all.len(), 20);
        for one in first.iter().chain([&waits, &stops]) {
            assert!(clients.all.contains_key(one), "{one} had to go");
        }
        assert!(
            !clients.all.contains_key(&late),
            "it was the first idle one"
        );
    }

    #[test]
    fn places_follow_from_descriptors() {
        assert_eq!(places(1024), 488);
        assert_eq!(places(100), 26);
        assert_eq!((places(10), places(u64::MAX)), (16, MOST));
    }
}
