//! Where the bytes of a published port go, and how a socket gets there.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket, sockopt,
};

use super::inside::{Inside, Make};
use crate::sys::socket::answer_with_data;
use crate::sys::{SysError, SysResult};

/// What a published port leads to.
#[derive(Clone)]
pub struct Target {
    /// The program's address.
    pub address: SocketAddr,
    /// How it is reached, if nothing speaks for another way.
    pub way: Way,
    /// The program is to see the client itself as its peer, where that can be.
    pub keeps: Option<Rc<Inside>>,
}

/// From where the program is spoken to.
#[derive(Clone)]
pub enum Way {
    /// From this machine, which the program sees as its peer.
    Outside,
    /// From inside the container's network: from itself, as it seems.
    Inside(Rc<Inside>),
    /// From there as well, with an address that is not the container's.
    InsideAs(Rc<Inside>, IpAddr),
}

/// A socket on its way to the program.
pub struct Dialed {
    /// Which does not wait.
    pub socket: OwnedFd,
    /// It is there already.
    pub connected: bool,
}

/// Where a socket is made, and the address it is given.
type From<'a> = (Option<&'a Inside>, Option<SocketAddr>);

impl Target {
    /// What is reached from this machine.
    pub fn outside(address: SocketAddr) -> Self {
        Self {
            address,
            way: Way::Outside,
            keeps: None,
        }
    }

    /// Who makes sockets inside the container for it, if anybody does.
    pub(super) fn inside(&self) -> Option<&Rc<Inside>> {
        match &self.way {
            Way::Outside => self.keeps.as_ref(),
            Way::Inside(inside) | Way::InsideAs(inside, _) => Some(inside),
        }
    }

    /// A socket on its way to the program, on behalf of `client`; `speaks` if
    /// something will be said at once.
    pub fn connect(
        &self,
        kind: SockType,
        client: Option<SocketAddr>,
        speaks: bool,
    ) -> SysResult<Dialed> {
        let mut failed = None;
        for (inside, from) in self.ways(client).into_iter().flatten() {
            match self.dial(kind, inside, from, speaks) {
                // Taken, or not for us: the next way is good enough.
                Err(e) if is_about_address(e.errno) => failed = Some(e),
                done => return done,
            }
        }
        Err(failed.unwrap_or_else(|| SysError::new(Errno::EADDRNOTAVAIL, "connect()")))
    }

    /// In the order in which they are tried.
    fn ways(&self, client: Option<SocketAddr>) -> [Option<From<'_>>; 3] {
        let any_port = |ip| Some(SocketAddr::new(ip, 0));
        let usual = match &self.way {
            Way::Outside => (None, None),
            Way::Inside(inside) => (Some(&**inside), None),
            Way::InsideAs(inside, ip) => (Some(&**inside), any_port(*ip)),
        };
        let seen = client.filter(|c| can_be_seen(*c, self.address));
        let kept = self.keeps.as_deref().zip(seen);
        let same_port = kept.map(|(inside, client)| (Some(inside), Some(client)));
        let other_port = kept.map(|(inside, client)| (Some(inside), any_port(client.ip())));
        [same_port, other_port, Some(usual)]
    }

    fn dial(
        &self,
        kind: SockType,
        inside: Option<&Inside>,
        from: Option<SocketAddr>,
        speaks: bool,
    ) -> SysResult<Dialed> {
        let v4 = self.address.is_ipv4();
        let make = Make {
            v4,
            stream: kind == SockType::Stream,
            foreign: from.is_some(),
        };
        let socket = match inside {
            Some(inside) => inside.socket(make)?,
            None => open(v4, kind)?,
        };
        if let Some(from) = from {
            take_address(&socket, from)?;
        }
        if speaks {
            answer_with_data(&socket);
        }
        let to = SockaddrStorage::from(self.address);
        match connect(socket.as_raw_fd(), &to) {
            Ok(()) => Ok(Dialed {
                socket,
                connected: true,
            }),
            Err(Errno::EINPROGRESS) => Ok(Dialed {
                socket,
                connected: false,
            }),
            Err(e) => Err(SysError::new(e, format!("connect({})", self.address))),
        }
    }
}

/// A program that trusts its own machine must not be told that a client from
/// elsewhere is that; and an address of the other kind means nothing to it.
fn can_be_seen(client: SocketAddr, program: SocketAddr) -> bool {
    let ip = client.ip();
    let here = ip.is_loopback() || ip.is_unspecified();
    let on_a_wire = matches!(ip, IpAddr::V6(six) if six.is_unicast_link_local());
    client.is_ipv4() == program.is_ipv4() && !here && !on_a_wire
}

fn is_about_address(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EADDRINUSE | Errno::EADDRNOTAVAIL | Errno::EACCES
    )
}

fn take_address(socket: &OwnedFd, from: SocketAddr) -> SysResult<()> {
    let failed = |e| SysError::new(e, format!("bind({from})"));
    if from.port() != 0 {
        // The same client may speak to several ports.
        setsockopt(socket, sockopt::ReuseAddr, &true).map_err(failed)?;
    }
    bind(socket.as_raw_fd(), &SockaddrStorage::from(from)).map_err(failed)
}

/// A socket of the calling thread's network.
pub(super) fn open(v4: bool, kind: SockType) -> SysResult<OwnedFd> {
    let family = if v4 {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let made = socket(family, kind, flags, None)
        .map_err(|e| SysError::new(e, format!("socket({family:?}, {kind:?})")))?;
    if kind == SockType::Stream {
        // Whoever sends a little at a time means it to arrive.
        let _ = setsockopt(&made, sockopt::TcpNoDelay, &true);
    }
    Ok(made)
}

/// Takes the error that waits at a socket; that of a connect, for example.
pub fn error_of(sock: impl AsFd) -> Option<Errno> {
    match nix::sys::socket::getsockopt(&sock.as_fd(), sockopt::SocketError) {
        Ok(0) => None,
        Ok(raw) => Some(Errno::from_raw(raw)),
        Err(e) => Some(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_comes_from_elsewhere_is_seen_as_such() {
        for (client, program, seen) in [
            ("192.0.2.1:5", "172.17.0.2:80", true),
            ("[2001:db8::1]:5", "[fd00::2]:80", true),
            ("127.0.0.1:5", "172.17.0.2:80", false),
            ("[::1]:5", "[fd00::2]:80", false),
            ("[fe80::1]:5", "[fd00::2]:80", false),
            ("[2001:db8::1]:5", "172.17.0.2:80", false),
        ] {
            let found = can_be_seen(client.parse().unwrap(), program.parse().unwrap());
            assert_eq!(found, seen, "{client} {program}");
        }
    }
}
