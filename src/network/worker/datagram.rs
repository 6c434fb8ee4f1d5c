//! Datagrams with both of their addresses.
//!
//! A socket that is bound to no address in particular would answer from
//! whichever the kernel likes best; a client takes an answer only from the
//! address it asked.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, getsockname, recvmsg, sendmsg,
    setsockopt, sockopt,
};

use crate::sys::{SysError, SysResult};

/// A datagram that is there.
pub struct Arrived {
    /// Who sent it.
    pub from: SocketAddr,
    /// To which of our addresses.
    pub to: Option<IpAddr>,
    /// Its length; what was longer than the buffer is lost.
    pub length: usize,
}

/// Has the kernel tell with each datagram to which address it was sent. That is
/// for those that come from here on: whoever binds a socket says it at once.
pub fn tell_destination(socket: impl AsFd) -> SysResult<()> {
    let socket = socket.as_fd();
    let local: SockaddrStorage =
        getsockname(socket.as_raw_fd()).map_err(|e| SysError::new(e, "getsockname()"))?;
    let set = if local.as_sockaddr_in6().is_some() {
        setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)
    } else {
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)
    };
    set.map_err(|e| SysError::new(e, "setsockopt(IP_PKTINFO)"))
}

/// Receives one, without waiting.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> nix::Result<Arrived> {
    let mut space = nix::cmsg_space!(libc::in_pktinfo, libc::in6_pktinfo);
    let mut iov = [IoSliceMut::new(buffer)];
    let raw = socket.as_fd().as_raw_fd();
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(raw, &mut iov, Some(&mut space), flags)?;
    let to = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()).into())
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into())
        }
        _ => None,
    });
    let from = message.address.as_ref().and_then(address);
    Ok(Arrived {
        from: from.ok_or(Errno::EAFNOSUPPORT)?,
        // One that came before this was asked for says "none".
        to: to.filter(|address: &IpAddr| !address.is_unspecified()),
        length: message.bytes,
    })
}

/// Sends one, without waiting, from `from` if that is one of ours.
pub fn send(
    socket: impl AsFd,
    bytes: &[u8],
    to: SocketAddr,
    from: Option<IpAddr>,
) -> nix::Result<()> {
    let (four, six);
    let control = match from {
        Some(IpAddr::V4(address)) => {
            four = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr {
                    s_addr: u32::from_ne_bytes(address.octets()),
                },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            Some(ControlMessage::Ipv4PacketInfo(&four))
        }
        Some(IpAddr::V6(address)) => {
            six = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr {
                    s6_addr: address.octets(),
                },
                ipi6_ifindex: 0,
            };
            Some(ControlMessage::Ipv6PacketInfo(&six))
        }
        None => None,
    };
    let to = SockaddrStorage::from(to);
    let flags = MsgFlags::MSG_DONTWAIT;
    let raw = socket.as_fd().as_raw_fd();
    sendmsg(
        raw,
        &[IoSlice::new(bytes)],
        control.as_slice(),
        flags,
        Some(&to),
    )
    .map(drop)
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(four) = storage.as_sockaddr_in() {
        return Some(SocketAddr::new(four.ip().into(), four.port()));
    }
    let six = storage.as_sockaddr_in6()?;
    Some(std::net::SocketAddrV6::from(*six).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::OwnedFd;

    #[test]
    fn an_answer_comes_from_the_address_that_was_asked() {
        for (any, asked) in [("0.0.0.0:0", "127.0.0.9"), ("[::]:0", "::1")] {
            let server = UdpSocket::bind(any).unwrap();
            let port = server.local_addr().unwrap().port();
            let server = OwnedFd::from(server);
            tell_destination(&server).unwrap();
            let asked: IpAddr = asked.parse().unwrap();
            let client = UdpSocket::bind((any.parse::<SocketAddr>().unwrap().ip(), 0)).unwrap();
            client.send_to(b"who?", (asked, port)).unwrap();
            let mut buffer = [0; 64];
            let got = receive(&server, &mut buffer).unwrap();
            assert_eq!((got.to, got.length), (Some(asked), 4));
            send(&server, b"I", got.from, got.to).unwrap();
            let (_, from) = client.recv_from(&mut buffer).unwrap();
            assert_eq!(from.ip(), asked);
        }
    }

    /// As a name server's is, which is told late what it is to do.
    #[test]
    fn one_that_came_too_early_is_answered_all_the_same() {
        let server = UdpSocket::bind("127.0.0.9:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        client.send(b"who?").unwrap();
        tell_destination(&server).unwrap();
        let mut buffer = [0; 64];
        let got = receive(&server, &mut buffer).unwrap();
        assert_eq!(got.to, None);
        send(&server, b"I", got.from, got.to).unwrap();
        let limit = Some(std::time::Duration::from_secs(5));
        client.set_read_timeout(limit).unwrap();
        assert_eq!(client.recv(&mut buffer).unwrap(), 1);
    }
}
