//! What is said over netlink, judged by `ip` and `nft`.

use crate::common::host::Helper;
use crate::world::World;
use rcon::network::cidr::Cidr;
use rcon::network::interface::{arrange, make, remove};
use rcon::network::netlink::{Socket, address, link, route};
use rcon::network::wanted::{Bridge, Interface, Wire};
use rcon::network::{bridge, wanted};
use std::fs::File;
use std::os::fd::AsFd;

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

fn new_bridge(name: &str, subnet: &str) -> Bridge {
    let net = cidr(subnet);
    Bridge {
        name: name.to_owned(),
        mark: format!("rcon test of {name}"),
        mtu: 1400,
        mac: "02:42:0a:09:00:01".to_owned(),
        addresses: vec![Cidr::new(net.nth(1).unwrap(), net.prefix)],
        table: format!("rcon-{name}"),
        subnets: vec![net],
        internal: false,
        apart: false,
    }
}

#[test]
fn links_addresses_and_routes_are_read_as_ip_shows_them() {
    let Some(world) = World::new() else { return };
    let mut socket = Socket::route().unwrap();
    let up = socket.link("up0").unwrap().unwrap();
    assert_eq!((up.kind.as_str(), up.up, up.mtu), ("veth", true, 1500));
    assert!(socket.link("nothing").unwrap().is_none());
    assert!(socket.links().unwrap().contains(&up));
    let own = (up.index, cidr("198.51.100.1/24"));
    assert!(socket.addresses().unwrap().contains(&own));
    let routes = socket.routes().unwrap();
    let default = routes.iter().find(|r| r.to == cidr("0.0.0.0/0")).unwrap();
    assert_eq!(default.gateway.unwrap().to_string(), "198.51.100.2");
    assert!(
        routes
            .iter()
            .any(|r| r.to == cidr("198.51.100.0/24") && r.through == up.index)
    );
    assert!(
        routes
            .iter()
            .all(|r| r.to.address.to_string() != "198.51.100.1"),
        "{routes:?}"
    );
    drop(world);
}

#[test]
fn a_request_that_fails_says_why_in_the_kernels_words() {
    let Some(_world) = World::new() else { return };
    let mut socket = Socket::route().unwrap();
    let e = socket.ask(
        || "RTM_NEWADDR".to_owned(),
        address::add(999, cidr("10.0.0.1/8")),
    );
    let e = e.unwrap_err().to_string();
    assert!(e.contains("RTM_NEWADDR") && e.contains("ENODEV"), "{e}");
    let gateway = "203.0.113.9".parse().unwrap();
    let e = socket.ask(|| "RTM_NEWROUTE".to_owned(), route::add_default(gateway));
    let e = e.unwrap_err().to_string();
    assert!(e.contains("Nexthop has invalid gateway"), "{e}");
    let e = socket.ask(|| "RTM_SETLINK".to_owned(), link::switch(999, true));
    assert!(e.is_err());
}

#[test]
fn a_bridge_is_made_once_and_mended() {
    let Some(world) = World::new() else { return };
    let wanted = new_bridge("rc-test", "10.9.0.0/24");
    bridge::ensure(&wanted).unwrap();
    let first = world.sh("ip -details address show rc-test; nft list ruleset");
    for part in [
        "mtu 1400",
        "02:42:0a:09:00:01",
        "alias rcon test of rc-test",
        "inet 10.9.0.1/24 brd 10.9.0.255",
        "oifname \"rc-test\" ct state established,related accept",
        "iifname \"rc-test\" oifname \"rc-*\" drop",
        "ip saddr 10.9.0.0/24 oifname != \"rc-test\" masquerade",
        "comment \"rcon test of rc-test\"",
    ] {
        assert!(first.contains(part), "{part} is not in {first}");
    }
    assert!(!first.contains("inet6"), "nobody gave it IPv6: {first}");
    bridge::ensure(&wanted).unwrap();
    let again = world.sh("ip -details address show rc-test; nft list ruleset");
    assert_eq!(again.matches("masquerade").count(), 1);
    // Somebody has thrown all rules away, and the address.
    world.sh("nft flush ruleset; ip address flush dev rc-test; ip link set rc-test down");
    bridge::ensure(&wanted).unwrap();
    let mended = world.sh("ip address show rc-test; nft list ruleset");
    assert!(
        mended.contains("10.9.0.1/24") && mended.contains("masquerade"),
        "{mended}"
    );
    assert!(bridge::remove("rc-test", &wanted.table, &wanted.mark).unwrap());
    assert!(!bridge::remove("rc-test", &wanted.table, &wanted.mark).unwrap());
    assert!(world.bridges().is_empty() && world.tables().is_empty());
}

#[test]
fn what_is_somebody_elses_is_left_alone() {
    let Some(world) = World::new() else { return };
    world.sh("ip link add rc-test type bridge; ip link set rc-test alias theirs up");
    let wanted = new_bridge("rc-test", "10.9.0.0/24");
    let e = bridge::ensure(&wanted).unwrap_err().to_string();
    assert!(e.contains("theirs"), "{e}");
    bridge::remove("rc-test", &wanted.table, &wanted.mark).unwrap();
    assert_eq!(world.bridges(), ["rc-test"]);
    let clash = new_bridge("rc-other", "198.51.0.0/16");
    let e = bridge::ensure(&clash).unwrap_err().to_string();
    assert!(e.contains("has a route to 198.51.100.0/24"), "{e}");
    assert_eq!(world.bridges(), ["rc-test"]);
}

#[test]
fn many_at_once_make_one_bridge() {
    let Some(world) = World::new() else { return };
    let wanted = new_bridge("rc-test", "10.9.0.0/24");
    std::thread::scope(|s| {
        let all: Vec<_> = (0..8)
            .map(|_| s.spawn(|| bridge::ensure(&wanted)))
            .collect();
        for one in all {
            one.join().unwrap().unwrap();
        }
    });
    assert_eq!(world.bridges(), ["rc-test"]);
    assert_eq!(
        world.sh("nft list ruleset").matches("masquerade").count(),
        1
    );
}

#[test]
fn interfaces_are_made_in_a_namespace_and_nowhere_else() {
    let Some(world) = World::new() else { return };
    bridge::ensure(&new_bridge("rc-test", "10.9.0.0/24")).unwrap();
    let inside = Helper::in_new_namespace("net");
    let namespace = File::open(inside.namespace("net")).unwrap();
    let look = format!("nsenter --net={} ", inside.namespace("net"));
    let pair = Interface {
        name: "eth0".to_owned(),
        wire: Wire::Bridge {
            bridge: "rc-test".to_owned(),
            port: "rvtest".to_owned(),
            apart: false,
        },
        mac: "02:42:0a:09:00:02".to_owned(),
        mtu: 1400,
        addresses: vec![cidr("10.9.0.2/24"), cidr("fd00:9::2/64")],
        gateways: vec!["10.9.0.1".parse().unwrap()],
    };
    make(namespace.as_fd(), &pair).unwrap();
    arrange(namespace.as_fd(), &pair).unwrap();
    let seen = world.sh(&format!("{look} ip address show eth0; {look} ip route"));
    for part in [
        "02:42:0a:09:00:02",
        "mtu 1400",
        "inet 10.9.0.2/24 brd 10.9.0.255",
        "inet6 fd00:9::2/64",
        "default via 10.9.0.1 dev eth0",
    ] {
        assert!(seen.contains(part), "{part} is not in {seen}");
    }
    let port = world.sh("bridge link show dev rvtest");
    assert!(
        port.contains("state forwarding"),
        "packets pass at once: {port}"
    );
    let wire = Interface {
        name: "eth1".to_owned(),
        wire: Wire::Macvlan {
            parent: "up0".to_owned(),
            mode: "bridge".to_owned(),
        },
        addresses: vec![cidr("198.51.100.7/24")],
        gateways: Vec::new(),
        mac: wanted::mac_of("198.51.100.7".parse().unwrap()),
        mtu: 0,
    };
    make(namespace.as_fd(), &wire).unwrap();
    arrange(namespace.as_fd(), &wire).unwrap();
    let seen = world.sh(&format!("{look} ip -details address show eth1"));
    assert!(
        seen.contains("macvlan mode bridge") && seen.contains("198.51.100.7/24"),
        "{seen}"
    );
    assert!(!seen.contains("inet6"), "{seen}");
    assert!(!world.ip(&["link"]).contains("eth1"));
    remove(&namespace, "eth0").unwrap();
    remove(&namespace, "eth0").unwrap();
    assert!(!world.ip(&["link"]).contains("rvtest"));
}
