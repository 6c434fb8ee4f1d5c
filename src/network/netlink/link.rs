//! Interfaces.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::decode::{find, number, text, u32_at};
use super::message::{self, Message};
use super::socket::{Socket, Thing};
use crate::sys::{SysError, SysResult};

const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
const GETLINK: u16 = 18;
const SETLINK: u16 = 19;
const GETNSID: u16 = 90;

const ADDRESS: u16 = 1;
const IFNAME: u16 = 3;
const MTU: u16 = 4;
const LINK: u16 = 5;
const MASTER: u16 = 10;
const PROTINFO: u16 = 12;
const LINKINFO: u16 = 18;
const IFALIAS: u16 = 20;
const NET_NS_FD: u16 = 28;
const LINK_NETNSID: u16 = 37;

const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const INFO_SLAVE_DATA: u16 = 5;
const VETH_PEER: u16 = 1;
const MACVLAN_MODE: u16 = 1;
const PORT_STATE: u16 = 1;
/// `IFLA_BRPORT_ISOLATED`, since Linux 4.18.
const PORT_ISOLATED: u16 = 33;
const NSID: u16 = 1;
const NSID_FD: u16 = 3;

/// `struct ifinfomsg`.
const FIXED: usize = 16;
const UP: u32 = libc::IFF_UP as u32;
/// `BR_STATE_FORWARDING`.
const FORWARDING: u8 = 3;

/// A hardware address.
pub type Mac = [u8; 6];

/// An interface that is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `bridge`, `veth`, …; empty: hardware, or loopback.
    pub kind: String,
    /// What somebody wrote on it.
    pub alias: String,
    /// The number of the bridge it is in, or 0.
    pub master: u32,
    /// Whether it is switched on.
    pub up: bool,
    /// The largest packet.
    pub mtu: u32,
    /// As a port of a bridge, whether it lets packets through.
    pub forwards: bool,
    /// The number of the interface at its other end, or 0.
    pub peer: u32,
    /// Where that is, if it is in another network namespace.
    pub peer_namespace: Option<i32>,
}

/// An interface to be made.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its hardware address; none: made up by the kernel.
    pub mac: Option<Mac>,
    /// The largest packet; 0: what is usual.
    pub mtu: u32,
    /// Switched on from the start.
    pub up: bool,
}

/// The far end of a pair.
#[derive(Debug, Clone, Copy)]
pub struct Peer<'a> {
    /// In this network namespace.
    pub namespace: BorrowedFd<'a>,
    /// What it is like.
    pub new: New<'a>,
}

/// How an interface shares another one's wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacvlanMode {
    /// Those on one wire hear each other.
    Bridge,
    /// They do not.
    Private,
    /// A switch outside decides.
    Vepa,
    /// The only one.
    Passthru,
}

fn fixed(index: u32, flags: u32, change: u32) -> [u8; FIXED] {
    let mut bytes = [0; FIXED];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..16].copy_from_slice(&change.to_ne_bytes());
    bytes
}

fn new_fixed(new: &New<'_>) -> [u8; FIXED] {
    let flags = if new.up { UP } else { 0 };
    fixed(0, flags, flags)
}

fn describe(m: &mut Message, new: &New<'_>) {
    m.text(IFNAME, new.name);
    if let Some(mac) = new.mac {
        m.attribute(ADDRESS, &mac);
    }
    if new.mtu != 0 {
        m.number(MTU, new.mtu);
    }
}

fn create(new: &New<'_>) -> Message {
    let flags = message::CREATE | message::EXCLUSIVE;
    let mut m = Message::new(NEWLINK, flags, &new_fixed(new));
    describe(&mut m, new);
    m
}

/// A new bridge.
pub fn bridge(new: &New<'_>) -> Message {
    let mut m = create(new);
    m.nest(LINKINFO, |m| {
        m.text(INFO_KIND, "bridge");
    });
    m
}

/// A new pair: one end here, as a port of the bridge `master`, the other end
/// in another network namespace.
pub fn veth(new: &New<'_>, master: u32, peer: &Peer<'_>) -> Message {
    let mut m = create(new);
    m.number(MASTER, master);
    m.nest(LINKINFO, |m| {
        m.text(INFO_KIND, "veth");
        m.nest(INFO_DATA, |m| {
            m.nest(VETH_PEER, |m| {
                m.raw(&new_fixed(&peer.new));
                describe(m, &peer.new);
                m.number(NET_NS_FD, peer.namespace.as_raw_fd().cast_unsigned());
            });
        });
    });
    m
}

/// A new interface on the wire of `parent`, in another network namespace.
pub fn macvlan(parent: u32, mode: MacvlanMode, far: &Peer<'_>) -> Message {
    let mode = match mode {
        MacvlanMode::Private => 1,
        MacvlanMode::Vepa => 2,
        MacvlanMode::Bridge => 4,
        MacvlanMode::Passthru => 8,
    };
    let mut m = create(&far.new);
    m.number(LINK, parent);
    m.number(NET_NS_FD, far.namespace.as_raw_fd().cast_unsigned());
    m.nest(LINKINFO, |m| {
        m.text(INFO_KIND, "macvlan");
        m.nest(INFO_DATA, |m| {
            m.number(MACVLAN_MODE, mode);
        });
    });
    m
}

/// Switches an interface on or off.
pub fn switch(index: u32, on: bool) -> Message {
    Message::new(SETLINK, 0, &fixed(index, if on { UP } else { 0 }, UP))
}

/// Makes an interface a port of the bridge `master`.
pub fn join(index: u32, master: u32) -> Message {
    let mut m = Message::new(SETLINK, 0, &fixed(index, 0, 0));
    m.number(MASTER, master);
    m
}

/// Has a port of a bridge reach the bridge alone, and not those of its other
/// ports that are set apart as well.
pub fn set_apart(index: u32) -> Message {
    let mut fixed = fixed(index, 0, 0);
    // It is the bridge that is spoken to about its port.
    fixed[0] = libc::AF_BRIDGE as u8;
    let mut m = Message::new(SETLINK, 0, &fixed);
    m.nest(PROTINFO, |m| {
        m.attribute(PORT_ISOLATED, &[1]);
    });
    m
}

/// Writes on an interface whose it is.
pub fn mark(index: u32, alias: &str) -> Message {
    let mut m = Message::new(SETLINK, 0, &fixed(index, 0, 0));
    m.attribute(IFALIAS, alias.as_bytes());
    m
}

/// Takes an interface away.
pub fn delete(index: u32) -> Message {
    Message::new(DELLINK, 0, &fixed(index, 0, 0))
}

impl Link {
    fn read(thing: &Thing) -> Option<Self> {
        if thing.kind != NEWLINK {
            return None;
        }
        let attributes = thing.body.get(FIXED..)?;
        let words = |kind| find(attributes, kind).and_then(text).unwrap_or_default();
        let count = |kind| find(attributes, kind).and_then(number).unwrap_or_default();
        let info = find(attributes, LINKINFO).unwrap_or_default();
        let kind = find(info, INFO_KIND).and_then(text).unwrap_or_default();
        let port = find(info, INFO_SLAVE_DATA).unwrap_or_default();
        let state = find(port, PORT_STATE).and_then(|s| s.first().copied());
        Some(Self {
            index: u32_at(&thing.body, 4)?,
            name: words(IFNAME),
            kind,
            alias: words(IFALIAS),
            master: count(MASTER),
            up: u32_at(&thing.body, 8)? & UP != 0,
            mtu: count(MTU),
            forwards: state == Some(FORWARDING),
            peer: count(LINK),
            peer_namespace: find(attributes, LINK_NETNSID)
                .and_then(number)
                .map(u32::cast_signed),
        })
    }
}

impl Socket {
    /// All interfaces.
    pub fn links(&mut self) -> SysResult<Vec<Link>> {
        let request = Message::new(GETLINK, message::DUMP, &fixed(0, 0, 0));
        let things = self.get(|| "RTM_GETLINK".to_owned(), &request)?;
        Ok(things.iter().filter_map(Link::read).collect())
    }

    /// The interface of this name.
    pub fn link(&mut self, name: &str) -> SysResult<Option<Link>> {
        let mut request = Message::new(GETLINK, 0, &fixed(0, 0, 0));
        request.text(IFNAME, name);
        match self.get(|| format!("RTM_GETLINK {name:?}"), &request) {
            Ok(things) => Ok(things.iter().find_map(Link::read)),
            Err(e) if e.errno == Errno::ENODEV => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The number by which this namespace knows another one, if it has one.
    pub fn number_of(&mut self, namespace: BorrowedFd<'_>) -> SysResult<Option<i32>> {
        // `struct rtgenmsg`, padded.
        let mut request = Message::new(GETNSID, 0, &[0; 4]);
        request.number(NSID_FD, namespace.as_raw_fd().cast_unsigned());
        let things = self.get(|| "RTM_GETNSID".to_owned(), &request)?;
        let number = |thing: &Thing| find(thing.body.get(4..)?, NSID).and_then(number);
        let number = things.iter().find_map(number).map(u32::cast_signed);
        Ok(number.filter(|n| *n >= 0))
    }

    /// The interface of this name, which must be there.
    pub fn needed_link(&mut self, name: &str) -> SysResult<Link> {
        let gone = || SysError::new(Errno::ENODEV, format!("netlink(RTM_GETLINK {name:?})"));
        self.link(name)?.ok_or_else(gone)
    }
}
