//! Routes: where packets go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::address::{family, from_octets};
use super::decode::{find, number};
use super::message::{self, Message};
use super::socket::{Socket, Thing};
use crate::network::cidr::{self, Cidr};
use crate::sys::SysResult;

const NEWROUTE: u16 = 24;
const DELROUTE: u16 = 25;
const GETROUTE: u16 = 26;

const DST: u16 = 1;
const OIF: u16 = 4;
const GATEWAY: u16 = 5;
const TABLE: u16 = 15;

/// `struct rtmsg`.
const FIXED: usize = 12;
const TABLE_MAIN: u8 = 254;
const TABLE_LOCAL: u32 = 255;
const BY_BOOT: u8 = 3;
const UNICAST: u8 = 1;

/// A route that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub to: Cidr,
    /// Through whom.
    pub gateway: Option<IpAddr>,
    /// Through the interface of this number.
    pub through: u32,
}

fn everything(gateway: IpAddr) -> Message {
    // To everywhere: a destination of no bits.
    let fixed = [
        family(gateway),
        0,
        0,
        0,
        TABLE_MAIN,
        BY_BOOT,
        0,
        UNICAST,
        0,
        0,
        0,
        0,
    ];
    let how = message::CREATE | message::EXCLUSIVE;
    let mut m = Message::new(NEWROUTE, how, &fixed);
    m.attribute(GATEWAY, &cidr::octets(gateway));
    m
}

/// Sends everything without a way of its own through `gateway`.
pub fn add_default(gateway: IpAddr) -> Message {
    everything(gateway)
}

/// Takes that back.
pub fn delete_default(gateway: IpAddr) -> Message {
    let fixed = [family(gateway), 0, 0, 0, TABLE_MAIN, 0, 0, 0, 0, 0, 0, 0];
    let mut m = Message::new(DELROUTE, 0, &fixed);
    m.attribute(GATEWAY, &cidr::octets(gateway));
    m
}

fn read(thing: &Thing) -> Option<Route> {
    if thing.kind != NEWROUTE {
        return None;
    }
    let attributes = thing.body.get(FIXED..)?;
    let head = &thing.body[..FIXED];
    let table = find(attributes, TABLE).and_then(number);
    if table.unwrap_or(head[4].into()) == TABLE_LOCAL || head[7] != UNICAST {
        return None;
    }
    let any: IpAddr = match i32::from(head[0]) {
        libc::AF_INET => Ipv4Addr::UNSPECIFIED.into(),
        libc::AF_INET6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let to = find(attributes, DST).and_then(from_octets).unwrap_or(any);
    Some(Route {
        to: Cidr::new(to, head[1]),
        gateway: find(attributes, GATEWAY).and_then(from_octets),
        through: find(attributes, OIF).and_then(number).unwrap_or(0),
    })
}

impl Socket {
    /// All routes to other machines, whatever table they are in.
    pub fn routes(&mut self) -> SysResult<Vec<Route>> {
        let request = Message::new(GETROUTE, message::DUMP, &[0; FIXED]);
        let things = self.get(|| "RTM_GETROUTE".to_owned(), &request)?;
        Ok(things.iter().filter_map(read).collect())
    }
}
