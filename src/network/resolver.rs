//! Where a container's name server is: at port 53 of 127.0.0.11, inside.
//!
//! Whoever binds that port keeps programs from having it at all addresses of
//! the container, as a name server in a container wants to. So the sockets are
//! at ports that nobody asks for, and a filter in the container's own network
//! gives each packet on its way there, and each answer, the port it is to
//! have. No packet is remembered: nothing else in the container pays for it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::AsFd;

use super::cidr::Cidr;
use super::netlink::Socket;
use super::netlink::nftables::{Chain, Expr, Hook, Side, Table, Transport};
use crate::error::{Context, Result};
use crate::sys::{SysResult, namespace};

/// Its address, the same in every container.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
/// Where programs ask.
const PORT: u16 = 53;
const TABLE: &str = "rcon-names";

/// Makes the sockets of a name server in a network namespace.
pub fn make(namespace: impl AsFd) -> Result<(UdpSocket, TcpListener)> {
    let what = || format!("cannot make the container's name server at {ADDRESS}");
    namespace::inside_network(namespace, bind)?.context(what)
}

fn bind() -> io::Result<(UdpSocket, TcpListener)> {
    let datagrams = UdpSocket::bind((ADDRESS, 0))?;
    let streams = TcpListener::bind((ADDRESS, 0))?;
    let ports = (datagrams.local_addr()?.port(), streams.local_addr()?.port());
    if lead_there(ports).is_ok() {
        return Ok((datagrams, streams));
    }
    // A kernel without such filters: then the port is ours.
    Ok((
        UdpSocket::bind((ADDRESS, PORT))?,
        TcpListener::bind((ADDRESS, PORT))?,
    ))
}

fn lead_there((datagrams, streams): (u16, u16)) -> SysResult<()> {
    Socket::netfilter()?.replace_table(&table(datagrams, streams))
}

fn table(datagrams: u16, streams: u16) -> Table {
    let here = Cidr::host(IpAddr::V4(ADDRESS));
    let pair = |transport, own| {
        let there = vec![
            Expr::Destination(here),
            Expr::Port(transport, Side::Destination, PORT),
            Expr::SetPort(transport, Side::Destination, own),
        ];
        let back = vec![
            Expr::Source(here),
            Expr::Port(transport, Side::Source, own),
            Expr::SetPort(transport, Side::Source, PORT),
        ];
        [there, back]
    };
    let pairs = [
        pair(Transport::Udp, datagrams),
        pair(Transport::Tcp, streams),
    ];
    Table {
        name: TABLE.to_owned(),
        comment: format!("leads to the name server of rcon at {ADDRESS}"),
        chains: vec![Chain {
            name: "output",
            hook: Hook::Output,
            rules: pairs.into_iter().flatten().collect(),
        }],
    }
}
