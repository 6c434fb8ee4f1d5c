//! `network connect` and `disconnect`: of containers that run, and of others.

use crate::world::{OUTSIDE, World};

#[test]
fn a_running_container_joins_and_leaves() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "--subnet", "10.6.0.0/24", "web"]);
    world.start("one", &[]);
    world.says(&[
        "network", "connect", "--ip", "10.6.0.7", "--alias", "www", "web", "one",
    ]);
    let seen = world
        .exec("one", "ip address show eth1; cat /etc/hosts; ip route")
        .ok()
        .stdout;
    assert!(
        seen.contains("inet 10.6.0.7/24") && seen.contains("10.6.0.7\t"),
        "{seen}"
    );
    assert!(seen.contains("default via 172.17.0.1 dev eth0"), "{seen}");
    let networks =
        "{{range $name, $n := .NetworkSettings.Networks}}{{$name}} {{$n.IPAddress}} {{end}}";
    assert_eq!(
        world.field("one", networks),
        "bridge 172.17.0.2 web 10.6.0.7"
    );
    assert_eq!(
        world.says(&["ps", "--filter", "network=web", "--format", "{{.Names}}"]),
        "one"
    );
    world
        .rcon(&["network", "connect", "web", "one"])
        .fails_naming(&["in network web already"]);
    // The way out goes with the first network, and comes with the next.
    world.says(&["network", "disconnect", "bridge", "one"]);
    let seen = world.exec("one", "ip route; ls /sys/class/net").ok().stdout;
    assert!(
        seen.contains("default via 10.6.0.1 dev eth1") && !seen.contains("eth0"),
        "{seen}"
    );
    world
        .exec("one", &format!("ping -c 1 -W 2 {OUTSIDE} > /dev/null"))
        .ok();
    world
        .rcon(&["network", "disconnect", "bridge", "one"])
        .fails_naming(&["not in network bridge"]);
    world
        .rcon(&["network", "disconnect", "-f", "bridge", "one"])
        .ok();
    // What it was connected to is what it comes back to.
    world.says(&["restart", "-t", "0", "one"]);
    let seen = world
        .exec("one", "ip -4 -o address; ls /sys/class/net")
        .ok()
        .stdout;
    assert!(
        seen.contains("10.6.0.7/24") && !seen.contains("172.17"),
        "{seen}"
    );
    world.says(&["network", "disconnect", "web", "one"]);
    assert_eq!(world.exec("one", "ls /sys/class/net").ok().text(), "lo");
    world.says(&["network", "connect", "web", "one"]);
    assert!(
        world
            .exec("one", "ip route")
            .ok()
            .stdout
            .contains("default via 10.6.0.1 dev eth0")
    );
    world.rcon(&["rm", "-f", "one"]).ok();
}

#[test]
fn one_that_does_not_run_joins_with_its_next_start() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "--subnet", "10.6.0.0/24", "web"]);
    let root = world.bed.rootfs("").display().to_string();
    let line = ["create", "--name", "one", "--rootfs", &root, "sleep", "600"];
    world.says(&line);
    world.says(&["network", "connect", "--ip", "10.6.0.7", "web", "one"]);
    world.says(&["network", "disconnect", "bridge", "one"]);
    world
        .rcon(&["network", "disconnect", "bridge", "one"])
        .fails_naming(&["not in network bridge"]);
    world.says(&["start", "one"]);
    let seen = world.exec("one", "ip -4 -o address show eth0").ok().stdout;
    assert!(seen.contains("10.6.0.7/24"), "{seen}");
    world.rcon(&["rm", "-f", "one"]).ok();
}

#[test]
fn who_shares_a_network_cannot_change_it() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "web"]);
    world.start("hosts", &["--network", "host"]);
    world
        .rcon(&["network", "connect", "web", "hosts"])
        .fails_naming(&["shares this machine's network"]);
    world.start("alone", &["--network", "none"]);
    world.start("guest", &["--network", "container:alone"]);
    world
        .rcon(&["network", "connect", "web", "guest"])
        .fails_naming(&["shares another container's"]);
    // Whoever has none of its own makes do, until it is given one.
    world.says(&["network", "connect", "web", "alone"]);
    assert!(
        world
            .exec("guest", "ip route")
            .ok()
            .stdout
            .contains("default")
    );
    world.rcon(&["rm", "-f", "hosts", "alone", "guest"]).ok();
}

#[test]
fn one_that_fails_changes_nothing() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "--subnet", "10.6.0.0/24", "web"]);
    world.start("one", &[]);
    let before = world.field("one", "{{json .NetworkSettings.Networks}}");
    world.sh("ip link add up1 type bridge; ip address add 10.6.0.9/24 dev up1; ip link set up1 up");
    world
        .rcon(&["network", "connect", "web", "one"])
        .fails_naming(&["has a route to 10.6.0.0/24"]);
    assert_eq!(
        world.field("one", "{{json .NetworkSettings.Networks}}"),
        before
    );
    assert_eq!(
        world.exec("one", "ls /sys/class/net").ok().text(),
        "eth0\nlo"
    );
    assert!(
        world.network("web")["Containers"]
            .as_object()
            .unwrap()
            .is_empty()
    );
    world.rcon(&["rm", "-f", "one"]).ok();
}

/// The first network has IPv6 switched off for what comes after it.
#[test]
fn a_network_with_ipv6_may_come_second() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "four"]);
    world.says(&["network", "create", "--ipv6", "six"]);
    world.start("other", &["--network", "six"]);
    let six = "{{.NetworkSettings.Networks.six.GlobalIPv6Address}}";
    let other = world.field("other", six);
    let ping = format!("ping -6 -c 1 -W 2 {other} > /dev/null");
    let both = ["--network", "four", "--network", "six"];
    world.run(&both, &ping).ok();
    world.start("one", &["--network", "four"]);
    world.says(&["network", "connect", "six", "one"]);
    world.exec("one", &ping).ok();
    // Nobody on the wire arranges it, and the first has none as before.
    let conf = "/proc/sys/net/ipv6/conf";
    let look = format!("cat {conf}/eth0/disable_ipv6 {conf}/eth1/accept_ra");
    assert_eq!(world.exec("one", &look).ok().text(), "1\n0");
    world.says(&["restart", "-t", "0", "one"]);
    world.exec("one", &ping).ok();
    // One that comes after it is without again.
    world.says(&["network", "create", "last"]);
    world.says(&["network", "connect", "last", "one"]);
    let look = format!("cat {conf}/eth2/disable_ipv6");
    assert_eq!(world.exec("one", &look).ok().text(), "1");
    world.rcon(&["rm", "-f", "one", "other"]).ok();
}
