//! Sockets of the container's network.
//!
//! A socket stays for ever in the namespace that it was made in. So one thread
//! goes there, once, gives up the power that took it there, and makes sockets
//! for the other thread, which stays outside and never had to hold that power
//! while it spoke with strangers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};

use nix::errno::Errno;
use nix::sys::socket::{SockType, setsockopt, sockopt};

use super::target::open;
use crate::network::source::MARK;
use crate::sys::identity::{self, CapSet};
use crate::sys::{SysError, SysResult, namespace};

const STACK: usize = 64 << 10;
/// So many are made at a time for whoever needs that many: to wait for the
/// other thread takes longer than to make a socket.
const MOST_AT_ONCE: usize = 16;
/// So few are left when the next are asked for: who needs many does not wait.
const LOW: usize = 6;

/// What a socket is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Make {
    pub v4: bool,
    pub stream: bool,
    /// It is to have an address that is not the container's.
    pub foreign: bool,
}

/// Sockets that are there, and how many were made the last time.
#[derive(Default)]
struct Stock {
    ready: Vec<OwnedFd>,
    at_once: usize,
    /// More have been asked for.
    asked: bool,
}

impl Stock {
    fn ask(&mut self, make: Make, wishes: &Sender<(Make, usize)>) -> SysResult<()> {
        if self.asked {
            return Ok(());
        }
        self.at_once = (self.at_once * 2).clamp(1, MOST_AT_ONCE);
        self.asked = true;
        wishes.send((make, self.at_once)).map_err(|_| gone(None))
    }
}

/// The thread, as the others see it.
pub struct Inside {
    wishes: Sender<(Make, usize)>,
    made: Receiver<(Make, SysResult<Vec<OwnedFd>>)>,
    stock: RefCell<BTreeMap<Make, Stock>>,
}

impl Inside {
    /// Sends a thread to `namespace`. There it keeps nothing but what sockets
    /// with `foreign` addresses take, if there are to be any.
    pub fn enter(namespace: OwnedFd, foreign: bool) -> SysResult<Self> {
        let (wishes, to_make) = channel::<(Make, usize)>();
        let (making, made) = channel();
        let (arriving, arrived) = channel();
        let life = move || {
            let there = go(namespace, foreign);
            let failed = there.is_err();
            if arriving.send(there).is_err() || failed {
                return;
            }
            for (make, count) in to_make {
                if making.send((make, several(make, count))).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .stack_size(STACK)
            .spawn(life)
            .map_err(|e| gone(e.raw_os_error()))?;
        arrived.recv().map_err(|_| gone(None))??;
        Ok(Self {
            wishes,
            made,
            stock: RefCell::default(),
        })
    }

    /// A socket of the container's network, which does not wait.
    pub(super) fn socket(&self, make: Make) -> SysResult<OwnedFd> {
        let mut all = self.stock.borrow_mut();
        loop {
            let stock = all.entry(make).or_default();
            if let Some(ready) = stock.ready.pop() {
                if stock.at_once > LOW && stock.ready.len() < LOW {
                    // Whoever needs the next hears of a failure.
                    let _ = stock.ask(make, &self.wishes);
                }
                return Ok(ready);
            }
            let ahead = stock.asked;
            stock.ask(make, &self.wishes)?;
            let (of, made) = self.made.recv().map_err(|_| gone(None))?;
            let stock = all.entry(of).or_default();
            stock.asked = false;
            match made {
                Ok(made) => stock.ready.extend(made),
                Err(e) if of == make && !ahead => return Err(e),
                // What failed a while ago may do now.
                Err(_) => {}
            }
        }
    }

    /// Lets go of what nobody needs for now.
    pub fn clear(&self) {
        let mut all = self.stock.borrow_mut();
        while let Ok((of, _)) = self.made.try_recv() {
            all.entry(of).or_default().asked = false;
        }
        for stock in all.values_mut() {
            stock.ready = Vec::new();
            stock.at_once = 0;
        }
    }
}

fn gone(errno: Option<i32>) -> SysError {
    let errno = errno.map_or(Errno::ESRCH, Errno::from_raw);
    SysError::new(errno, "clone(CLONE_THREAD)")
}

fn go(namespace: OwnedFd, foreign: bool) -> SysResult<()> {
    namespace::setns(&namespace, libc::CLONE_NEWNET as u64)?;
    drop(namespace);
    let had = identity::effective();
    identity::become_nobody()?;
    let raw = CapSet::bit("CAP_NET_RAW").unwrap_or(0);
    let admin = CapSet::bit("CAP_NET_ADMIN").unwrap_or(0);
    let keep = |bits: u64| {
        let keep = CapSet(bits & had.0);
        identity::set_caps(keep, keep, CapSet::default())
    };
    if !foreign {
        return keep(0);
    }
    keep(raw | admin)?;
    let of_both = identity::effective();
    identity::set_caps(CapSet(of_both.0 & raw), of_both, CapSet::default())?;
    let foreign = Make {
        v4: true,
        stream: true,
        foreign,
    };
    match one(foreign) {
        // Before Linux 5.17 a mark was for administrators only.
        Err(e) if e.errno == Errno::EPERM => {
            identity::set_caps(of_both, of_both, CapSet::default())?;
            one(foreign).map(drop)
        }
        Ok(_) => keep(raw),
        Err(e) => Err(e),
    }
}

/// As many as there can be; an error, if that is none.
fn several(make: Make, count: usize) -> SysResult<Vec<OwnedFd>> {
    let mut all = vec![one(make)?];
    while all.len() < count
        && let Ok(next) = one(make)
    {
        all.push(next);
    }
    Ok(all)
}

fn one(make: Make) -> SysResult<OwnedFd> {
    let kind = if make.stream {
        SockType::Stream
    } else {
        SockType::Datagram
    };
    let socket = open(make.v4, kind)?;
    if make.foreign {
        let failed = |e| SysError::new(e, "setsockopt(IP_TRANSPARENT)");
        setsockopt(&socket, sockopt::IpTransparent, &true).map_err(failed)?;
        let failed = |e| SysError::new(e, "setsockopt(SO_MARK)");
        setsockopt(&socket, sockopt::Mark, &MARK).map_err(failed)?;
        let failed = |e| SysError::new(e, "setsockopt(IP_BIND_ADDRESS_NO_PORT)");
        setsockopt(&socket, sockopt::IpBindAddressNoPort, &true).map_err(failed)?;
        if make.stream {
            stay_on_loopback(&socket);
        }
    }
    Ok(socket)
}

/// Whichever address it has, its packets never leave the loopback device. Once
/// the kernel knows that, it gives a port away again a second after the
/// connection has ended (`tcp_tw_reuse` is 2 in every new network). Otherwise
/// a client that ends first, as most do, takes one of the 28,000 ports between
/// us and the program for a minute, and a few hundred of them a second are
/// enough for the rest to wait for each other.
fn stay_on_loopback(socket: &OwnedFd) {
    // Without it all goes on as well, only not so often.
    let _ = setsockopt(socket, sockopt::BindToDevice, &OsString::from("lo"));
}
