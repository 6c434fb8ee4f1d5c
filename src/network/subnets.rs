//! Which addresses a network gets, and which of them a container. Pure.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cidr::{self, Cidr};
use super::record::Subnet;
use crate::container::Id;

/// Where networks nobody chose addresses for are found room, in this order:
/// a pool, and the size of the pieces it is cut into.
const POOLS: [(Ipv4Addr, u8, u8); 3] = [
    (Ipv4Addr::new(172, 17, 0, 0), 12, 16),
    (Ipv4Addr::new(192, 168, 0, 0), 16, 20),
    (Ipv4Addr::new(10, 0, 0, 0), 8, 24),
];

/// All there are to choose from. The first pool begins behind 172.16.0.0/16,
/// as Docker's does.
fn candidates() -> impl Iterator<Item = Cidr> {
    POOLS.into_iter().flat_map(|(from, pool, piece)| {
        let last = Cidr::new(from.into(), pool).last();
        let step = 1u128 << (32 - piece);
        let mut next = cidr::number(from.into());
        std::iter::from_fn(move || {
            let here = (next <= last).then(|| cidr::address(next, from.into()))?;
            next += step;
            Some(Cidr::new(here, piece))
        })
    })
}

/// The first that has no address in common with what is taken.
pub fn choose(taken: &[Cidr]) -> Option<Cidr> {
    candidates().find(|c| !taken.iter().any(|t| t.overlaps(c)))
}

/// The range of the newer kind that belongs to a network: it comes from the
/// id, which nobody else has.
pub fn of_id(id: &Id) -> Cidr {
    let digits = u128::from_str_radix(&id.as_str()[..10], 16).unwrap_or(0);
    let address = Ipv6Addr::from(0xfd << 120 | digits << 80);
    Cidr::new(address.into(), 64)
}

/// The first address that can be given to a machine.
pub fn first_host(subnet: Cidr) -> Option<IpAddr> {
    subnet.nth(u128::from(!is_tiny(subnet)))
}

/// With two addresses or one there is none to spare for the net itself.
fn is_tiny(subnet: Cidr) -> bool {
    cidr::bits(subnet.address) - subnet.prefix < 2
}

/// Whether an address may be given to a container.
pub fn is_usable(subnet: &Subnet, address: IpAddr) -> bool {
    let net = subnet.subnet;
    let number = cidr::number(address);
    let edge =
        !is_tiny(net) && (number == net.first() || (address.is_ipv4() && number == net.last()));
    let reserved = subnet.aux.values().any(|a| *a == address);
    net.contains(address) && !edge && !reserved && subnet.gateway != Some(address)
}

/// The first address that nobody has.
pub fn free(subnet: &Subnet, used: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    let range = subnet.range.unwrap_or(subnet.subnet);
    // Behind all that is in use there is one, or none at all.
    let most = (used.len() + subnet.aux.len()) as u128 + 4;
    (0..most)
        .map_while(|n| range.nth(n))
        .find(|a| is_usable(subnet, *a) && !used.contains(a))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    fn subnet(text: &str, gateway: &str) -> Subnet {
        Subnet {
            subnet: cidr(text),
            gateway: gateway.parse().ok(),
            range: None,
            aux: BTreeMap::new(),
        }
    }

    #[test]
    fn pools_come_in_their_order() {
        assert_eq!(choose(&[]), Some(cidr("172.17.0.0/16")));
        assert_eq!(
            choose(&[cidr("172.17.3.0/24")]),
            Some(cidr("172.18.0.0/16"))
        );
        assert_eq!(
            choose(&[cidr("172.16.0.0/12")]),
            Some(cidr("192.168.0.0/20"))
        );
        let two = [cidr("172.16.0.0/12"), cidr("192.168.0.0/16")];
        assert_eq!(choose(&two), Some(cidr("10.0.0.0/24")));
        assert_eq!(choose(&[cidr("0.0.0.0/0")]), None);
    }

    #[test]
    fn there_is_room_for_hundreds_of_networks() {
        let mut taken = Vec::new();
        for _ in 0..500 {
            taken.push(choose(&taken).unwrap());
        }
        assert!(taken.contains(&cidr("172.31.0.0/16")));
        assert!(!taken.contains(&cidr("172.32.0.0/16")));
        assert!(taken.contains(&cidr("192.168.240.0/20")));
    }

    #[test]
    fn a_container_gets_the_first_address_nobody_has() {
        let s = subnet("10.1.0.0/29", "10.1.0.1");
        let mut used = BTreeSet::new();
        let mut given = Vec::new();
        while let Some(next) = free(&s, &used) {
            given.push(next.to_string());
            used.insert(next);
        }
        assert_eq!(
            given,
            ["10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"]
        );
        used.remove(&"10.1.0.4".parse().unwrap());
        assert_eq!(free(&s, &used).unwrap().to_string(), "10.1.0.4");
    }

    #[test]
    fn only_a_part_of_the_subnet_may_be_given() {
        let mut s = subnet("10.1.0.0/16", "10.1.0.1");
        s.range = Some(cidr("10.1.4.0/31"));
        let mut used = BTreeSet::new();
        for want in ["10.1.4.0", "10.1.4.1"] {
            let next = free(&s, &used).unwrap();
            assert_eq!(next.to_string(), want);
            used.insert(next);
        }
        assert_eq!(free(&s, &used), None);
    }

    #[test]
    fn what_something_else_has_is_not_given() {
        let mut s = subnet("10.1.0.0/29", "10.1.0.1");
        for n in 2..=4 {
            let address = format!("10.1.0.{n}").parse().unwrap();
            s.aux.insert(format!("router{n}"), address);
            assert!(!is_usable(&s, address));
        }
        let first = free(&s, &BTreeSet::new()).unwrap();
        assert_eq!(first.to_string(), "10.1.0.5");
    }

    #[test]
    fn the_newer_kind_comes_from_the_id() {
        let id = Id::try_from("0123456789".repeat(6) + "abcd").unwrap();
        let net = of_id(&id);
        assert_eq!(net.to_string(), "fd01:2345:6789::/64");
        assert_eq!(first_host(net).unwrap().to_string(), "fd01:2345:6789::1");
    }

    fn any_v4() -> impl Strategy<Value = Cidr> {
        (any::<u32>(), 8u8..=32).prop_map(|(n, p)| Cidr::new(Ipv4Addr::from(n).into(), p))
    }

    proptest! {
        #[test]
        fn what_is_chosen_lies_apart_from_all_that_is_taken(
            taken in proptest::collection::vec(any_v4(), 0..40)
        ) {
            if let Some(chosen) = choose(&taken) {
                prop_assert!(taken.iter().all(|t| !t.overlaps(&chosen)));
            }
        }

        #[test]
        fn what_is_given_is_usable_and_new(
            net in any_v4(),
            used in proptest::collection::btree_set(0u128..20, 0..20)
        ) {
            let s = Subnet { subnet: net.network(), gateway: first_host(net), range: None, aux: BTreeMap::new() };
            let used: BTreeSet<IpAddr> = used.iter().filter_map(|n| net.nth(*n)).collect();
            if let Some(a) = free(&s, &used) {
                prop_assert!(is_usable(&s, a) && !used.contains(&a));
            } else {
                let all = (0..=net.last() - net.first()).take(64);
                let left = all.filter_map(|n| net.nth(n));
                let left = left.filter(|a| is_usable(&s, *a) && !used.contains(a));
                prop_assert_eq!(left.count(), 0);
            }
        }
    }
}
