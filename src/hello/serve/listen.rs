//! A port of every address, of both versions of the Internet protocol.

use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn6, bind, listen, setsockopt, socket,
    sockopt,
};

use crate::error::{Context, Error, Result};

/// Listens; without version 6 where the machine has none.
pub fn everywhere(port: u16) -> Result<Vec<TcpListener>> {
    let v4 = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
        .map_err(|e| explained(&e, port))
        .context(|| format!("cannot listen on port {port}"))?;
    // Zero means any: the other must be the same.
    let port = v4.local_addr()?.port();
    let mut all = vec![v4];
    match version_6(port) {
        Ok(v6) => all.push(v6),
        Err(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL) => {}
        Err(e) => {
            return Err(Error::from(std::io::Error::from(e)))
                .context(|| format!("cannot listen on port {port} of IPv6"));
        }
    }
    for listener in &all {
        // A caller that has gone again must not make us wait for the next.
        listener.set_nonblocking(true)?;
    }
    Ok(all)
}

fn explained(e: &std::io::Error, port: u16) -> Error {
    let kind = e.kind();
    let code = e.raw_os_error().unwrap_or_default();
    let error = Error::environment(Errno::from_raw(code).desc());
    match kind {
        std::io::ErrorKind::AddrInUse => error.hint("hello --serve PORT takes another"),
        std::io::ErrorKind::PermissionDenied if port < 1024 => {
            error.hint("ports below 1024 want the capability net_bind_service")
        }
        _ => error,
    }
}

/// For version 6 alone: whether one socket would take both is a setting of
/// the machine's.
fn version_6(port: u16) -> nix::Result<TcpListener> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Inet6, SockType::Stream, flags, None)?;
    setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    let any = std::net::SocketAddrV6::new(std::net::Ipv6Addr::UNSPECIFIED, port, 0, 0);
    bind(fd.as_raw_fd(), &SockaddrIn6::from(any))?;
    listen(&fd, Backlog::new(128)?)?;
    Ok(TcpListener::from(fd))
}

/// `0.0.0.0 and [::]`.
pub fn addresses(listeners: &[TcpListener]) -> String {
    if listeners.len() > 1 {
        "all addresses (0.0.0.0 and [::])".to_owned()
    } else {
        "all addresses (0.0.0.0)".to_owned()
    }
}
