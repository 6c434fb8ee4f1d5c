//! A container's interfaces: made from outside, in its network namespace.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::netlink::link::{self, New, Peer};
use super::netlink::{Socket, address, route};
use super::wanted::{Interface, Wire, macvlan_mode, parse_mac};
use crate::error::{Context, Error, Result};
use crate::sys::{SysResult, fd, namespace};

/// What the host's end of a pair begins with.
pub const PORT: &str = "rv";

/// How long the kernel may take to see that both ends of a pair are there.
const PATIENCE: Duration = Duration::from_secs(2);

/// The network namespace of a process.
pub fn namespace_of(pid: i32) -> SysResult<OwnedFd> {
    fd::open(
        &PathBuf::from(format!("/proc/{pid}/ns/net")),
        libc::O_RDONLY,
    )
}

/// Makes an interface in a namespace. It is down and without an address.
pub fn make(namespace: BorrowedFd<'_>, wanted: &Interface) -> Result<()> {
    let v6 = wanted.has_ipv6();
    namespace::inside_network(namespace, || prepare_inside(v6))??;
    let far = Peer {
        namespace,
        new: New {
            name: &wanted.name,
            mac: parse_mac(&wanted.mac),
            mtu: wanted.mtu,
            up: false,
        },
    };
    let mut socket = Socket::route()?;
    let (what, request) = match &wanted.wire {
        Wire::Bridge { bridge, port, .. } => {
            let near = New {
                name: port,
                mac: None,
                mtu: wanted.mtu,
                up: true,
            };
            let master = socket.needed_link(bridge)?.index;
            let what = format!("RTM_NEWLINK veth {port:?} {:?}", wanted.name);
            (what, link::veth(&near, master, &far))
        }
        Wire::Macvlan { parent, mode } => {
            let index = parent_index(&mut socket, parent)?;
            let mode = macvlan_mode(mode)
                .ok_or_else(|| Error::internal(format!("macvlan mode {mode:?}")))?;
            let what = format!("RTM_NEWLINK macvlan {:?} on {parent:?}", wanted.name);
            (what, link::macvlan(index, mode, &far))
        }
    };
    socket.ask(|| what, request)?;
    if let Wire::Bridge { port, apart, .. } = &wanted.wire
        && *apart
    {
        // Before its other end is switched on, so that nothing came through.
        let index = socket.needed_link(port)?.index;
        let what = || format!("RTM_SETLINK {port:?} isolated");
        socket.ask(what, link::set_apart(index))?;
    }
    Ok(())
}

fn parent_index(socket: &mut Socket, parent: &str) -> Result<u32> {
    let missing = || {
        Error::environment(format!("there is no interface {parent}"))
            .hint("a macvlan network needs the interface of its option parent")
    };
    let link = socket.link(parent)?.ok_or_else(missing)?;
    Ok(link.index)
}

/// What is written below `/proc/sys/net` before an interface is made, which
/// takes over what holds for those to come. One that came before may have
/// switched IPv6 off for all after it. Nobody on the same wire may arrange it
/// for us (CVE-2020-10749); and neighbours that knew the address learn at once
/// where it is now.
pub fn switches(v6: bool) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![("ipv6/conf/default/disable_ipv6", if v6 { "0" } else { "1" })];
    if v6 {
        all.push(("ipv6/conf/default/accept_ra", "0"));
    }
    all.push(("ipv4/conf/default/arp_notify", "1"));
    all
}

fn prepare_inside(v6: bool) -> Result<()> {
    for (file, value) in switches(v6) {
        let path = Path::new("/proc/sys/net").join(file);
        match fs::write(&path, value) {
            // A kernel without IPv6.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            done => done.context(|| format!("cannot write {}", path.display()))?,
        }
    }
    Ok(())
}

/// Gives an interface its addresses, switches it on, and sends through it what
/// has no way of its own.
pub fn arrange(namespace: BorrowedFd<'_>, wanted: &Interface) -> Result<()> {
    let mut socket = socket_in(namespace)?;
    let name = &wanted.name;
    let index = socket.needed_link(name)?.index;
    for own in &wanted.addresses {
        socket.ask(
            || format!("RTM_NEWADDR {own} {name:?}"),
            address::add(index, *own),
        )?;
    }
    socket.ask(
        || format!("RTM_SETLINK {name:?} up"),
        link::switch(index, true),
    )?;
    for gateway in &wanted.gateways {
        socket.ask(
            || format!("RTM_NEWROUTE default via {gateway}"),
            route::add_default(*gateway),
        )?;
    }
    match &wanted.wire {
        Wire::Bridge { port, .. } => await_port(port),
        Wire::Macvlan { .. } => Ok(()),
    }
}

fn socket_in(namespace: BorrowedFd<'_>) -> SysResult<Socket> {
    namespace::inside_network(namespace, Socket::route)?
}

/// A bridge lets packets through a port from the moment that a thread of the
/// kernel has seen both its ends. A program that sends sooner would wait a
/// second for an answer.
fn await_port(port: &str) -> Result<()> {
    let mut socket = Socket::route()?;
    let until = Instant::now() + PATIENCE;
    loop {
        // One that is gone went with the container.
        let done = socket.link(port)?.is_none_or(|link| link.forwards);
        if done || Instant::now() > until {
            return Ok(());
        }
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// Takes an interface out of a namespace again.
pub fn remove(namespace: impl AsFd, name: &str) -> Result<()> {
    let mut socket = socket_in(namespace.as_fd())?;
    let Some(link) = socket.link(name)? else {
        return Ok(());
    };
    match socket.ask(|| format!("RTM_DELLINK {name:?}"), link::delete(link.index)) {
        Err(e) if e.errno == Errno::ENODEV => Ok(()),
        done => Ok(done?),
    }
}

/// Sends through `gateways` what has no way of its own.
pub fn set_way_out(namespace: impl AsFd, gateways: &[std::net::IpAddr]) -> Result<()> {
    let mut socket = socket_in(namespace.as_fd())?;
    for gateway in gateways {
        let request = route::add_default(*gateway);
        let what = || format!("RTM_NEWROUTE default via {gateway}");
        match socket.ask(what, request) {
            Err(e) if e.errno == Errno::EEXIST => {}
            done => done?,
        }
    }
    Ok(())
}
