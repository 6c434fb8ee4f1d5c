//! Rules: which table of routes a packet is looked up in; and routes that keep
//! a packet here, whatever its destination.

use super::message::{self, Message};

const NEWRULE: u16 = 32;
const PRIORITY: u16 = 6;
const MARK: u16 = 10;
const TABLE: u16 = 15;
const TO_TABLE: u8 = 1;

const NEWROUTE: u16 = 24;
const ROUTE_DEVICE: u16 = 4;
const ROUTE_TABLE: u16 = 15;
const BY_BOOT: u8 = 3;
const SCOPE_HOST: u8 = 254;
const LOCAL: u8 = 2;

/// The loopback device is the first there is, in every namespace.
const LOOPBACK: u32 = 1;

/// A kind of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Four,
    /// IPv6.
    Six,
}

impl Family {
    fn number(self) -> u8 {
        match self {
            Family::Four => libc::AF_INET as u8,
            Family::Six => libc::AF_INET6 as u8,
        }
    }
}

/// Looks packets with this mark up in `table`.
pub fn by_mark(family: Family, mark: u32, table: u32, priority: u32) -> Message {
    let fixed = [family.number(), 0, 0, 0, 0, 0, 0, TO_TABLE, 0, 0, 0, 0];
    let how = message::CREATE | message::EXCLUSIVE;
    let mut m = Message::new(NEWRULE, how, &fixed);
    m.number(PRIORITY, priority).number(MARK, mark);
    m.number(TABLE, table);
    m
}

/// Everything that is looked up in `table` is for this machine.
pub fn all_is_local(family: Family, table: u32) -> Message {
    let kind = [0, BY_BOOT, SCOPE_HOST, LOCAL];
    let fixed = [&[family.number(), 0, 0, 0][..], &kind, &[0; 4]].concat();
    let how = message::CREATE | message::EXCLUSIVE;
    let mut m = Message::new(NEWROUTE, how, &fixed);
    m.number(ROUTE_TABLE, table);
    m.number(ROUTE_DEVICE, LOOPBACK);
    m
}
