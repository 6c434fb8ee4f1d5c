//! Addresses of interfaces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::decode::{find, u32_at};
use super::message::{self, Message};
use super::socket::{Socket, Thing};
use crate::network::cidr::{self, Cidr};
use crate::sys::SysResult;

const NEWADDR: u16 = 20;
const GETADDR: u16 = 22;

const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const BROADCAST: u16 = 4;

/// `struct ifaddrmsg`.
const FIXED: usize = 8;
/// It is ours to give: nobody else on the wire needs to be asked for it.
const NO_DAD: u8 = 0x02;

/// `AF_INET` or `AF_INET6`.
pub(super) fn family(address: IpAddr) -> u8 {
    let family = if address.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    family as u8
}

/// An address from so many bytes.
pub(super) fn from_octets(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).into());
    }
    let v6 = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(v6).into())
}

/// Gives interface number `index` an address.
pub fn add(index: u32, address: Cidr) -> Message {
    let number = index.to_ne_bytes();
    let flags = if address.address.is_ipv6() { NO_DAD } else { 0 };
    let head = [family(address.address), address.prefix, flags, 0];
    let how = message::CREATE | message::EXCLUSIVE;
    let mut m = Message::new(NEWADDR, how, &[head, number].concat());
    let bytes = cidr::octets(address.address);
    m.attribute(LOCAL, &bytes).attribute(ADDRESS, &bytes);
    if address.address.is_ipv4() && address.prefix < 31 {
        let last = cidr::address(address.last(), address.address);
        m.attribute(BROADCAST, &cidr::octets(last));
    }
    m
}

/// An address that is there, and the number of its interface.
fn read(thing: &Thing) -> Option<(u32, Cidr)> {
    if thing.kind != NEWADDR {
        return None;
    }
    let attributes = thing.body.get(FIXED..)?;
    let bytes = find(attributes, LOCAL).or_else(|| find(attributes, ADDRESS))?;
    let address = Cidr::new(from_octets(bytes)?, thing.body[1]);
    Some((u32_at(&thing.body, 4)?, address))
}

impl Socket {
    /// All addresses, with the numbers of their interfaces.
    pub fn addresses(&mut self) -> SysResult<Vec<(u32, Cidr)>> {
        let request = Message::new(GETADDR, message::DUMP, &[0; FIXED]);
        let things = self.get(|| "RTM_GETADDR".to_owned(), &request)?;
        Ok(things.iter().filter_map(read).collect())
    }
}
