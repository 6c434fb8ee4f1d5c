//! Whom a program sees as its peer.
//!
//! What comes to a published port is handed on by a socket inside the
//! container's own network, where the way is short. That socket has an address
//! that is not the container's: the bridge's, or the client's own. So answers
//! would leave for the world; here the container's network learns to keep them.
//!
//! ```text
//!   worker's socket, marked --> program     its answers carry the same mark,
//!        ^-------- table 29283 <---+        and what is marked stays inside
//! ```
//!
//! All of it is in the container's own network and goes with it. Nothing on
//! this machine's side is changed.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;

use super::netlink::nftables::{Chain, Expr, Hook, Table};
use super::netlink::rule::{self, Family};
use super::netlink::{Message, Socket};
use crate::error::{Context, Result};
use crate::sys::{SysResult, namespace};

/// What a worker's sockets are marked with.
pub const MARK: u32 = 0x7263_6f6e;
const ROUTES: u32 = 29_283;
/// Behind the rule that knows the container's own addresses, before all others.
const PRIORITY: u32 = 100;
const FILTERS: &str = "rcon-source";

/// What a connection inherits its mark by, from the packet that began it; and
/// what gives it to an answer that belongs to no connection, as a refusal.
const SWITCHES: [&str; 3] = [
    "ipv4/tcp_fwmark_accept",
    "ipv4/fwmark_reflect",
    "ipv6/fwmark_reflect",
];

/// Makes a container's network keep the answers to what comes from outside by
/// a socket of ours; those to datagrams only where that is said.
pub fn prepare(namespace: impl AsFd, datagrams: bool) -> Result<()> {
    let what = || "cannot have answers stay in the container's network".to_owned();
    namespace::inside_network(namespace, || inside(datagrams))?.context(what)
}

fn inside(datagrams: bool) -> Result<()> {
    for switch in SWITCHES {
        let path = Path::new("/proc/sys/net").join(switch);
        match fs::write(&path, "1") {
            // A kernel without IPv6.
            Err(e) if e.kind() == io::ErrorKind::NotFound && switch.starts_with("ipv6") => {}
            done => done.context(|| format!("cannot write {}", path.display()))?,
        }
    }
    let mut socket = Socket::route()?;
    for family in [Family::Four, Family::Six] {
        let rule = rule::by_mark(family, MARK, ROUTES, PRIORITY);
        let route = rule::all_is_local(family, ROUTES);
        let added = add(&mut socket, "RTM_NEWRULE fwmark", rule)
            .and_then(|()| add(&mut socket, "RTM_NEWROUTE local default", route));
        match added {
            Err(e) if family == Family::Six && is_absent(e.errno) => {}
            done => done?,
        }
    }
    if datagrams {
        Socket::netfilter()?.replace_table(&table())?;
    }
    Ok(())
}

fn is_absent(errno: Errno) -> bool {
    matches!(errno, Errno::EAFNOSUPPORT | Errno::EOPNOTSUPP)
}

fn add(socket: &mut Socket, what: &str, request: Message) -> SysResult<()> {
    match socket.ask(|| what.to_owned(), request) {
        // From an earlier worker of this container.
        Err(e) if e.errno == Errno::EEXIST => Ok(()),
        done => done,
    }
}

/// A socket for datagrams inherits nothing: the kernel has to remember which
/// conversations are ours.
fn table() -> Table {
    let remember = vec![Expr::Marked(MARK), Expr::RememberMark];
    let recall = vec![Expr::Remembered(MARK), Expr::SetMark(MARK)];
    Table {
        name: FILTERS.to_owned(),
        comment: "keeps answers to published ports of rcon".to_owned(),
        chains: vec![Chain {
            name: "output",
            hook: Hook::Reroute,
            rules: vec![remember, recall],
        }],
    }
}
