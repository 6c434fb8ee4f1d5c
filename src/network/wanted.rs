//! What is wanted of the kernel: bridges and interfaces, as data. What makes
//! them come true is in [`super::bridge`] and [`super::interface`].

use std::net::IpAddr;

use serde::Serialize;

use super::cidr::Cidr;
use super::netlink::link::{Mac, MacvlanMode};

/// A bridge with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bridge {
    /// Its interface's name.
    pub name: String,
    /// What is written on it and on its table: whose it is.
    pub mark: String,
    /// The largest packet; 0: what is usual.
    pub mtu: u32,
    /// Its hardware address, so that it does not change with each port.
    pub mac: String,
    /// This machine's addresses there.
    pub addresses: Vec<Cidr>,
    /// Its table of packet filters.
    pub table: String,
    /// The networks behind it.
    pub subnets: Vec<Cidr>,
    /// Nothing goes in or out.
    pub internal: bool,
    /// Those on it do not reach each other.
    pub apart: bool,
}

/// To what an interface is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// To a bridge, through the far end of a pair.
    Bridge {
        /// Its name.
        bridge: String,
        /// What the far end is called on the host.
        port: String,
        /// It does not reach others who are so connected.
        apart: bool,
    },
    /// Straight to the wire of one of the host's interfaces.
    Macvlan {
        /// Which.
        parent: String,
        /// How it is shared: `bridge`, `private`, `vepa` or `passthru`.
        mode: String,
    },
}

/// A container's interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// Its name inside.
    pub name: String,
    /// To what it is connected.
    pub wire: Wire,
    /// Its hardware address.
    pub mac: String,
    /// The largest packet; 0: what is usual.
    pub mtu: u32,
    /// Its addresses.
    pub addresses: Vec<Cidr>,
    /// Where everything without a way of its own goes.
    pub gateways: Vec<IpAddr>,
}

impl Interface {
    /// Whether it has an IPv6 address.
    pub fn has_ipv6(&self) -> bool {
        self.addresses.iter().any(|a| a.address.is_ipv6())
    }
}

/// All that a container is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Wanted {
    /// Bridges that must be there.
    pub bridges: Vec<Bridge>,
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
}

/// The mode that a word names.
pub fn macvlan_mode(word: &str) -> Option<MacvlanMode> {
    match word {
        "bridge" => Some(MacvlanMode::Bridge),
        "private" => Some(MacvlanMode::Private),
        "vepa" => Some(MacvlanMode::Vepa),
        "passthru" => Some(MacvlanMode::Passthru),
        _ => None,
    }
}

/// A hardware address from its six pairs of digits.
pub fn parse_mac(text: &str) -> Option<Mac> {
    let mut bytes = [0; 6];
    let mut pairs = text.split(':');
    for byte in &mut bytes {
        let pair = pairs.next().filter(|p| p.len() == 2)?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    pairs.next().is_none().then_some(bytes)
}

/// The hardware address that goes with an address: two containers never have
/// the same, and one that comes back with its address is known to its
/// neighbours.
pub fn mac_of(address: IpAddr) -> String {
    let bytes = super::cidr::octets(address);
    let last = &bytes[bytes.len() - 4..];
    format!(
        "02:42:{:02x}:{:02x}:{:02x}:{:02x}",
        last[0], last[1], last[2], last[3]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses() {
        let text = mac_of("172.17.0.2".parse().unwrap());
        assert_eq!(text, "02:42:ac:11:00:02");
        assert_eq!(parse_mac(&text), Some([2, 0x42, 0xac, 0x11, 0, 2]));
        for bad in [
            "",
            "02:42",
            "02:42:ac:11:00:02:03",
            "2:42:ac:11:00:02",
            "zz:42:ac:11:00:02",
        ] {
            assert_eq!(parse_mac(bad), None, "{bad}");
        }
        assert_eq!(mac_of("fd00::1:2".parse().unwrap()), "02:42:00:01:00:02");
    }
}
