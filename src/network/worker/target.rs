//! Where the bytes of a published port go, and how a socket gets there.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket, sockopt,
};

use crate::sys::{SysError, SysResult, namespace};

/// The network namespace of the container, and that of this process to come
/// back to.
#[derive(Debug)]
pub struct Namespaces {
    /// The container's.
    pub inside: OwnedFd,
    /// The one this process lives in.
    pub outside: OwnedFd,
}

impl Namespaces {
    /// Calls `make` while this thread is in the container's namespace. A
    /// socket stays for ever in the namespace that it was made in, so this is
    /// all it takes to speak there.
    pub fn inside<T>(&self, make: impl FnOnce() -> SysResult<T>) -> SysResult<T> {
        let kind = libc::CLONE_NEWNET as u64;
        namespace::setns(&self.inside, kind)?;
        let socket = make();
        // Not to come back would be to serve from the wrong side of the border.
        namespace::setns(&self.outside, kind)?;
        socket
    }
}

/// What a published port leads to.
#[derive(Debug, Clone)]
pub struct Target {
    /// The program's address.
    pub address: SocketAddr,
    /// Through which namespace, if not through the host's.
    pub through: Option<Rc<Namespaces>>,
}

impl Target {
    /// A socket on its way to the program, which does not wait.
    pub fn connect(&self, kind: SockType) -> SysResult<OwnedFd> {
        let make = || open(self.address, kind);
        let sock = match &self.through {
            Some(namespaces) => namespaces.inside(make)?,
            None => make()?,
        };
        let to = SockaddrStorage::from(self.address);
        match connect(std::os::fd::AsRawFd::as_raw_fd(&sock), &to) {
            Ok(()) | Err(Errno::EINPROGRESS) => Ok(sock),
            Err(e) => Err(SysError::new(e, format!("connect({})", self.address))),
        }
    }
}

fn open(address: SocketAddr, kind: SockType) -> SysResult<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(family, kind, flags, None)
        .map_err(|e| SysError::new(e, format!("socket({family:?}, {kind:?})")))
}

/// Takes the error that waits at a socket; that of a connect, for example.
pub fn error_of(sock: impl AsFd) -> Option<Errno> {
    match nix::sys::socket::getsockopt(&sock.as_fd(), sockopt::SocketError) {
        Ok(0) => None,
        Ok(raw) => Some(Errno::from_raw(raw)),
        Err(e) => Some(e),
    }
}
