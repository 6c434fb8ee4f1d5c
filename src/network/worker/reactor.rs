//! One thread that waits for many descriptors and calls whoever asked for
//! them: ten thousand connections cost ten thousand small structures, and no
//! thread and no process each.
//!
//! Descriptors are watched edge by edge: a service is told once that something
//! can be read or written and goes on until the kernel says "not now"
//! (`EAGAIN`). Nothing has to be registered anew on the way of the bytes.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::sys::{SysError, SysResult, memory};

/// Descriptors that are told about in one call of the kernel's.
const BATCH: usize = 256;

/// What became ready about a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// There is something to read, an end, or an error to fetch.
    pub readable: bool,
    /// There is room to write, or an error to fetch.
    pub writable: bool,
    /// Behind what is to be read there is an end, or an error.
    pub ending: bool,
    /// There is an error to fetch, or the connection is over both ways.
    pub failed: bool,
    /// What is read stops in front of a byte that was sent as urgent, though
    /// there may be more behind it.
    pub urgent: bool,
}

impl Ready {
    /// For whoever asked to be called again.
    const BOTH: Self = Self {
        readable: true,
        writable: true,
        ending: false,
        failed: false,
        urgent: false,
    };

    fn of(flags: EpollFlags) -> Self {
        let over = EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP;
        let read = over | EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP;
        Self {
            readable: flags.intersects(read),
            writable: flags.intersects(over | EpollFlags::EPOLLOUT),
            ending: flags.intersects(over | EpollFlags::EPOLLRDHUP),
            failed: flags.intersects(over),
            urgent: flags.contains(EpollFlags::EPOLLPRI),
        }
    }
}

/// Whether a service is still wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It waits for more.
    Goes,
    /// It is dropped, and its descriptors with it.
    Ends,
}

/// Something that is called when its descriptors are ready or its time has
/// come.
pub trait Service {
    /// The descriptor it registered under `which` is ready.
    fn ready(&mut self, me: Key, which: u32, ready: Ready, reactor: &mut Reactor) -> Life;

    /// A time it asked for has come; or one that it does not care for any
    /// more: times are never taken back.
    fn due(&mut self, me: Key, reactor: &mut Reactor) -> Life;
}

/// Names a service; never given out twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u32);

/// Waits for everything and calls everybody.
pub struct Reactor {
    epoll: Epoll,
    services: HashMap<Key, Box<dyn Service>>,
    times: BTreeSet<(Instant, Key)>,
    /// Who has more to do, and let others go first.
    again: VecDeque<(Key, u32)>,
    last: u32,
}

impl Reactor {
    /// One that has nobody to serve yet.
    pub fn new() -> SysResult<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(|e| SysError::new(e, "epoll_create1(EPOLL_CLOEXEC)"))?;
        Ok(Self {
            epoll,
            services: HashMap::new(),
            times: BTreeSet::new(),
            again: VecDeque::new(),
            last: 0,
        })
    }

    /// A name for a service that will be handed over with [`Self::adopt`].
    pub fn key(&mut self) -> Key {
        // Four thousand million connections of one container are many years.
        self.last = self.last.wrapping_add(1);
        Key(self.last)
    }

    /// Serves `service` from now on.
    pub fn adopt(&mut self, key: Key, service: Box<dyn Service>) {
        self.services.insert(key, service);
    }

    /// Watches a descriptor for the service `key`. It is forgotten when its
    /// last copy is closed.
    pub fn watch(&self, fd: impl AsFd, key: Key, which: u32) -> SysResult<()> {
        let flags = EpollFlags::EPOLLIN
            | EpollFlags::EPOLLOUT
            | EpollFlags::EPOLLRDHUP
            | EpollFlags::EPOLLPRI
            | EpollFlags::EPOLLET;
        let data = u64::from(key.0) << 32 | u64::from(which);
        self.epoll
            .add(fd, EpollEvent::new(flags, data))
            .map_err(|e| SysError::new(e, "epoll_ctl(EPOLL_CTL_ADD)"))
    }

    /// Calls [`Service::due`] of `key` at `time`, or a little later.
    pub fn wake(&mut self, key: Key, time: Instant) {
        self.times.insert((time, key));
    }

    /// Calls `key` for `which` again when everybody else has had a turn.
    pub fn again(&mut self, key: Key, which: u32) {
        self.again.push_back((key, which));
    }

    /// How many times were asked for that are still to come.
    #[cfg(test)]
    pub fn times(&self) -> usize {
        self.times.len()
    }

    /// How many are served.
    pub fn len(&self) -> usize {
        self.services.len()
    }

    /// Whether nobody is served.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// One round: waits at most `limit` for something to do, and does it.
    /// Whether there was something.
    pub fn turn(&mut self, limit: Option<Duration>) -> SysResult<bool> {
        let mut events = [EpollEvent::empty(); BATCH];
        let count = match self.epoll.wait(&mut events, self.patience(limit)) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(e) => return Err(SysError::new(e, "epoll_wait()")),
        };
        let mut busy = count > 0 || !self.again.is_empty();
        // Only those who are waiting now: who asks once more waits for the
        // next round.
        for _ in 0..self.again.len() {
            if let Some((key, which)) = self.again.pop_front() {
                self.call(key, |service, reactor| {
                    service.ready(key, which, Ready::BOTH, reactor)
                });
            }
        }
        for event in &events[..count] {
            let ready = Ready::of(event.events());
            let (key, which) = (Key((event.data() >> 32) as u32), event.data() as u32);
            self.call(key, |service, reactor| {
                service.ready(key, which, ready, reactor)
            });
        }
        let now = Instant::now();
        while let Some(&(time, key)) = self.times.first() {
            if time > now {
                break;
            }
            busy = true;
            self.times.pop_first();
            self.call(key, |service, reactor| service.due(key, reactor));
        }
        Ok(busy)
    }

    /// Waits with as little memory as can be until there is something to do,
    /// and leaves that to the next [`Self::turn`].
    pub fn rest(&self) {
        let mut fds = [PollFd::new(self.epoll.0.as_fd(), PollFlags::POLLIN)];
        memory::rest(&mut fds, self.until_next());
    }

    /// A service is taken out while it is called, so that it can have the
    /// reactor for itself. One that has ended may still have something coming.
    fn call(&mut self, key: Key, act: impl FnOnce(&mut dyn Service, &mut Self) -> Life) {
        let Some(mut service) = self.services.remove(&key) else {
            return;
        };
        if act(&mut *service, self) == Life::Goes {
            self.services.insert(key, service);
        }
    }

    fn patience(&self, limit: Option<Duration>) -> EpollTimeout {
        if !self.again.is_empty() {
            return EpollTimeout::ZERO;
        }
        let until = self.until_next();
        let Some(wait) = until.into_iter().chain(limit).min() else {
            return EpollTimeout::NONE;
        };
        // Rounded up: a wait that ends too early would only be taken again.
        let millis = wait.as_micros().div_ceil(1000);
        EpollTimeout::try_from(millis.min(60_000) as i32).unwrap_or(EpollTimeout::ZERO)
    }

    /// Until somebody's time comes.
    fn until_next(&self) -> Option<Duration> {
        let (time, _) = self.times.first()?;
        Some(time.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::rc::Rc;

    type Seen = Rc<RefCell<Vec<String>>>;

    /// Writes down how it is called, and ends as told.
    struct Noting {
        seen: Seen,
        ends: bool,
        _held: Option<UnixStream>,
    }

    impl Service for Noting {
        fn ready(&mut self, _: Key, which: u32, ready: Ready, _: &mut Reactor) -> Life {
            let what = if ready.readable { "read" } else { "write" };
            self.seen.borrow_mut().push(format!("{which} {what}"));
            if self.ends { Life::Ends } else { Life::Goes }
        }

        fn due(&mut self, _: Key, _: &mut Reactor) -> Life {
            self.seen.borrow_mut().push("due".to_owned());
            Life::Goes
        }
    }

    fn noting(seen: &Seen, ends: bool, held: Option<UnixStream>) -> Noting {
        Noting {
            seen: seen.clone(),
            ends,
            _held: held,
        }
    }

    #[test]
    fn a_service_is_told_once_per_change() {
        let mut reactor = Reactor::new().unwrap();
        let (mut far, near) = UnixStream::pair().unwrap();
        let seen = Seen::default();
        let key = reactor.key();
        reactor.watch(&near, key, 7).unwrap();
        reactor.adopt(key, Box::new(noting(&seen, false, Some(near))));
        reactor.turn(Some(Duration::ZERO)).unwrap();
        assert_eq!(seen.borrow_mut().split_off(0), ["7 write"]);
        far.write_all(b"x").unwrap();
        reactor.turn(Some(Duration::ZERO)).unwrap();
        reactor.turn(Some(Duration::ZERO)).unwrap();
        assert_eq!(seen.borrow_mut().split_off(0), ["7 read"]);
    }

    #[test]
    fn who_ends_is_not_called_again() {
        let mut reactor = Reactor::new().unwrap();
        let (_far, near) = UnixStream::pair().unwrap();
        let seen = Seen::default();
        let key = reactor.key();
        reactor.watch(&near, key, 0).unwrap();
        reactor.adopt(key, Box::new(noting(&seen, true, Some(near))));
        reactor.again(key, 1);
        reactor.wake(key, Instant::now());
        reactor.turn(Some(Duration::ZERO)).unwrap();
        assert_eq!(seen.borrow().len(), 1);
        assert!(reactor.is_empty());
    }

    /// Or memory would be given back in the middle of a long stream.
    #[test]
    fn whoever_asked_to_be_called_again_keeps_it_busy() {
        let mut reactor = Reactor::new().unwrap();
        let seen = Seen::default();
        let key = reactor.key();
        reactor.adopt(key, Box::new(noting(&seen, false, None)));
        reactor.again(key, 1);
        assert!(reactor.turn(None).unwrap());
        assert_eq!(seen.borrow().len(), 1);
        assert!(!reactor.turn(Some(Duration::ZERO)).unwrap());
    }

    #[test]
    fn times_come_in_their_order_and_end_the_waiting() {
        let mut reactor = Reactor::new().unwrap();
        let seen = Seen::default();
        let key = reactor.key();
        reactor.adopt(key, Box::new(noting(&seen, false, None)));
        let start = Instant::now();
        reactor.wake(key, start + Duration::from_millis(30));
        reactor.wake(key, start + Duration::from_millis(5));
        reactor.turn(None).unwrap();
        assert_eq!(seen.borrow().len(), 1);
        assert!(start.elapsed() < Duration::from_millis(30) || seen.borrow().len() == 2);
        reactor.turn(None).unwrap();
        assert_eq!(seen.borrow().len(), 2);
    }
}
