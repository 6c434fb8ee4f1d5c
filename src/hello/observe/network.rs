//! The network devices of this process's network namespace.

use std::net::IpAddr;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;
use serde::Serialize;

/// One device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Interface {
    /// `eth0`.
    pub name: String,
    /// Whether it is on.
    pub up: bool,
    /// `172.17.0.2/16`.
    pub addresses: Vec<String>,
}

/// All devices, in the kernel's order.
pub fn interfaces() -> Vec<Interface> {
    let mut all = Vec::new();
    for address in getifaddrs().into_iter().flatten() {
        add(
            &mut all,
            &address.interface_name,
            is_up(&address),
            text(&address),
        );
    }
    all
}

/// The kernel lists addresses, not devices.
fn add(all: &mut Vec<Interface>, name: &str, up: bool, address: Option<String>) {
    let place = all.iter().position(|i| i.name == name).unwrap_or_else(|| {
        all.push(Interface {
            name: name.to_owned(),
            up,
            addresses: Vec::new(),
        });
        all.len() - 1
    });
    all[place].addresses.extend(address);
}

fn is_up(address: &InterfaceAddress) -> bool {
    address.flags.contains(InterfaceFlags::IFF_UP)
}

fn text(address: &InterfaceAddress) -> Option<String> {
    let own = ip(address.address.as_ref()?)?;
    Some(match address.netmask.as_ref().and_then(ip) {
        Some(mask) => format!("{own}/{}", ones(mask)),
        None => own.to_string(),
    })
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
}

fn ones(mask: IpAddr) -> u32 {
    match mask {
        IpAddr::V4(mask) => mask.to_bits().count_ones(),
        IpAddr::V6(mask) => mask.to_bits().count_ones(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_gathered_by_device() {
        let mut all = Vec::new();
        add(&mut all, "lo", true, None);
        add(&mut all, "eth0", false, Some("10.0.0.2/8".to_owned()));
        add(&mut all, "lo", true, Some("127.0.0.1/8".to_owned()));
        add(&mut all, "lo", true, Some("::1/128".to_owned()));
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].addresses, ["127.0.0.1/8", "::1/128"]);
        assert_eq!((all[1].name.as_str(), all[1].up), ("eth0", false));
    }

    #[test]
    fn the_loopback_device_has_its_address() {
        let all = interfaces();
        let lo = all.iter().find(|i| i.name == "lo").unwrap();
        assert!(lo.addresses.contains(&"127.0.0.1/8".to_owned()), "{lo:?}");
    }

    #[test]
    fn masks_are_counted() {
        assert_eq!(ones("255.255.0.0".parse().unwrap()), 16);
        assert_eq!(ones("ffff:ffff::".parse().unwrap()), 32);
    }
}
