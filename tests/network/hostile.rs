//! What a container could try against its neighbours and its machine.

use crate::world::World;

/// CVE-2020-10749: a neighbour announces itself as a router, and everything
/// goes through it. On a network without IPv6 nobody listens at all.
#[test]
fn cve_2020_10749_rogue_router_advertisements() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "--ipv6", "six"]);
    for (network, listens) in [("bridge", "0"), ("six", "1")] {
        let look =
            "cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6 /proc/sys/net/ipv6/conf/eth0/accept_ra";
        let seen = world.run(&["--network", network], look).ok().stdout;
        let want = if listens == "1" { "0\n0\n" } else { "1\n" };
        assert!(seen.starts_with(want), "{network}: {seen}");
    }
    world.start("keep", &["--network", "six"]);
    for bridge in world.bridges() {
        let conf = format!("/proc/sys/net/ipv6/conf/{bridge}");
        let seen = world.sh(&format!("cat {conf}/disable_ipv6 {conf}/accept_ra"));
        assert!(
            seen.starts_with("1\n") || seen == "0\n0\n",
            "{bridge}: {seen}"
        );
    }
    world.rcon(&["rm", "-f", "keep"]).ok();
}

/// CVE-2025-67499: a rule for one network catches what is none of its
/// business. Packets that only pass through this machine keep their source.
#[test]
fn cve_2025_67499_rules_catch_no_foreign_traffic() {
    let Some(world) = World::new() else { return };
    world.run(&[], "true").ok();
    let rules = world.sh("nft list ruleset");
    let bridge = world.bridges().remove(0);
    let of_rules = rules
        .lines()
        .map(str::trim)
        .filter(|l| l.contains("accept") || l.contains("drop") || l.contains("masquerade"));
    for rule in of_rules.filter(|l| !l.starts_with("type")) {
        let own = rule.contains(&format!("\"{bridge}\"")) || rule.contains("saddr 172.17.0.0/16");
        assert!(own, "{rule}");
    }
    assert!(
        !rules.contains("dnat") && !rules.contains("policy drop"),
        "{rules}"
    );
}

/// Without a power over its network it cannot change what it was given.
#[test]
fn a_container_has_no_power_over_its_network() {
    let Some(world) = World::new() else { return };
    for line in [
        "ip link set eth0 down",
        "ip address add 10.1.1.1/24 dev eth0",
        "ip route del default",
    ] {
        world.run(&[], &format!("! {line} 2> /dev/null")).ok();
    }
}
