//! An address with the length of its network: `10.0.0.1/24`. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// An address in its network, or a network by its first address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    /// The address.
    pub address: IpAddr,
    /// How many of its bits are the network's.
    pub prefix: u8,
}

/// How many bits addresses of this kind have.
pub fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// An address as a number.
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// The number as an address of the kind that `like` is of.
pub fn address(number: u128, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from(number as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from(number).into(),
    }
}

/// The bytes that go over the net.
pub fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

impl Cidr {
    /// The address in a network of that many bits, at most all.
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        let prefix = prefix.min(bits(address));
        Self { address, prefix }
    }

    /// The address alone.
    pub fn host(address: IpAddr) -> Self {
        Self::new(address, 128)
    }

    /// The bits of a number that are the network's.
    fn mask(&self) -> u128 {
        let bits = u32::from(bits(self.address));
        let all = u128::MAX >> (128 - bits);
        let hosts = bits - u32::from(self.prefix);
        // A shift by all 128 bits is none.
        all & u128::MAX.checked_shl(hosts).unwrap_or(0)
    }

    /// The same mask, as an address.
    pub fn mask_address(&self) -> IpAddr {
        address(self.mask(), self.address)
    }

    /// The network that the address is in.
    #[must_use]
    pub fn network(&self) -> Self {
        let first = address(self.first(), self.address);
        Self::new(first, self.prefix)
    }

    /// Its first address, as a number.
    pub fn first(&self) -> u128 {
        number(self.address) & self.mask()
    }

    /// Its last address, as a number.
    pub fn last(&self) -> u128 {
        let hosts = bits(self.address) - self.prefix;
        let below = u128::MAX
            .checked_shl(hosts.into())
            .map_or(u128::MAX, |m| !m);
        self.first() | below
    }

    /// The address so many behind the first; none: there are not so many.
    pub fn nth(&self, n: u128) -> Option<IpAddr> {
        let wanted = self.first().checked_add(n)?;
        (wanted <= self.last()).then(|| address(wanted, self.address))
    }

    /// Whether addresses are of the same kind.
    pub fn is_like(&self, other: IpAddr) -> bool {
        self.address.is_ipv4() == other.is_ipv4()
    }

    /// Whether the address is in the network.
    pub fn contains(&self, other: IpAddr) -> bool {
        self.is_like(other) && (self.first()..=self.last()).contains(&number(other))
    }

    /// Whether there is an address in both networks.
    pub fn overlaps(&self, other: &Cidr) -> bool {
        self.contains(other.network().address) || other.contains(self.network().address)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::user(format!("{text:?} is not a subnet"))
                .hint("as in 10.1.0.0/16 or fd00:1::/64")
        };
        let (address, prefix) = text.split_once('/').ok_or_else(bad)?;
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let digits = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
        let prefix: u8 = prefix.parse().map_err(|_| bad())?;
        if !digits || prefix > bits(address) {
            return Err(bad());
        }
        Ok(Self { address, prefix })
    }
}

impl TryFrom<String> for Cidr {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_has_a_first_and_a_last_address() {
        for (text, first, last) in [
            ("10.1.2.3/16", "10.1.0.0", "10.1.255.255"),
            ("10.1.2.3/32", "10.1.2.3", "10.1.2.3"),
            ("10.1.2.3/31", "10.1.2.2", "10.1.2.3"),
            ("1.2.3.4/0", "0.0.0.0", "255.255.255.255"),
            ("fd00::5/64", "fd00::", "fd00::ffff:ffff:ffff:ffff"),
            ("::1/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            let c = cidr(text);
            assert_eq!(address(c.first(), c.address).to_string(), first, "{text}");
            assert_eq!(address(c.last(), c.address).to_string(), last, "{text}");
        }
        assert_eq!(
            cidr("10.0.0.0/30").nth(3),
            Some("10.0.0.3".parse().unwrap())
        );
        assert_eq!(cidr("10.0.0.0/30").nth(4), None);
        assert_eq!(cidr("::/0").nth(u128::MAX).unwrap().to_string().len(), 39);
        assert_eq!(
            cidr("10.9.0.0/12").mask_address().to_string(),
            "255.240.0.0"
        );
    }

    #[test]
    fn what_is_no_subnet_is_refused() {
        for bad in [
            "",
            "/",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "a/8",
            "::/+8",
            "1.2.3.4/",
        ] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn kinds_do_not_mix() {
        assert!(!cidr("0.0.0.0/0").contains("::1".parse().unwrap()));
        assert!(!cidr("0.0.0.0/0").overlaps(&cidr("::/0")));
    }

    fn any_cidr() -> impl Strategy<Value = Cidr> {
        let v4 = (any::<u32>(), 0u8..=32).prop_map(|(n, p)| Cidr::new(Ipv4Addr::from(n).into(), p));
        let v6 =
            (any::<u128>(), 0u8..=128).prop_map(|(n, p)| Cidr::new(Ipv6Addr::from(n).into(), p));
        prop_oneof![v4, v6]
    }

    proptest! {
        #[test]
        fn it_is_read_as_it_was_written(c in any_cidr()) {
            prop_assert_eq!(cidr(&c.to_string()), c);
        }

        #[test]
        fn an_address_is_in_its_own_network(c in any_cidr()) {
            prop_assert!(c.contains(c.address));
            prop_assert!(c.network().overlaps(&c));
        }

        #[test]
        fn two_networks_overlap_or_lie_apart(a in any_cidr(), b in any_cidr()) {
            let apart = !a.is_like(b.address) || a.last() < b.first() || b.last() < a.first();
            prop_assert_eq!(a.overlaps(&b), !apart);
        }
    }
}
