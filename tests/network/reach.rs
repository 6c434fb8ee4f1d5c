//! Who reaches whom.

use crate::common::eventually;
use crate::world::{MACHINE, OUTSIDE, World};

/// A line that ends well if the address answers.
fn ping(address: &str) -> String {
    format!("ping -c 1 -W 2 {address} > /dev/null")
}

#[test]
fn a_container_has_an_address_names_and_a_way_out() {
    let Some(world) = World::new() else { return };
    let seen = world.run(
        &["--name", "web"],
        "ip address show eth0; ip route; cat /etc/hosts",
    );
    let seen = seen.ok().stdout;
    for part in [
        "inet 172.17.0.2/16 brd 172.17.255.255",
        "02:42:ac:11:00:02",
        "default via 172.17.0.1 dev eth0",
        "127.0.0.1\tlocalhost",
        "172.17.0.2\t",
    ] {
        assert!(seen.contains(part), "{part} is not in {seen}");
    }
    assert!(!seen.contains("inet6"), "{seen}");
    // The world sees the machine's address and knows no other.
    world.run(&[], &ping(OUTSIDE)).ok();
    world.run(&[], &ping("172.17.0.1")).ok();
    world.run(&[], &ping(MACHINE)).ok();
}

#[test]
fn the_first_packet_is_not_lost() {
    let Some(world) = World::new() else { return };
    for _ in 0..10 {
        // One attempt, well below the second after which it is repeated.
        let line = "ping -c 1 -W 1 172.17.0.1 | sed -n 's/.*time=\\([0-9]*\\).*/\\1/p'";
        let ms: u32 = world.run(&[], line).ok().text().parse().expect("an answer");
        assert!(ms < 500, "{ms} ms");
    }
}

#[test]
fn containers_of_one_network_meet_and_those_of_two_do_not() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "red"]);
    world.says(&["network", "create", "blue"]);
    world.start("one", &["--network", "red"]);
    world.start("two", &["--network", "red"]);
    world.start("three", &["--network", "blue"]);
    let address = |name: &str, net: &str| {
        world.field(
            name,
            &format!("{{{{.NetworkSettings.Networks.{net}.IPAddress}}}}"),
        )
    };
    let (two, three) = (address("two", "red"), address("three", "blue"));
    world.exec("one", &ping(&two)).ok();
    world.exec("one", &ping(&three)).code(1);
    world.exec("three", &ping(&two)).code(1);
    world.exec("three", &ping(OUTSIDE)).ok();
    // Nor with a route that leads there.
    world.outside(&format!("ip route add {three} via {MACHINE}"));
    world.outside(&format!("! {}", ping(&three)));
    world.rcon(&["rm", "-f", "one", "two", "three"]).ok();
}

#[test]
fn containers_of_a_network_without_icc_reach_all_but_each_other() {
    let Some(world) = World::new() else { return };
    let icc = ["-o", "com.docker.network.bridge.enable_icc=false"];
    let create = ["network", "create", "--ipv6"];
    world.says(&[&create[..], &icc, &["apart"]].concat());
    world.says(&[&create[..], &["--internal"], &icc, &["shut"]].concat());
    world.says(&["network", "create", "open"]);
    for net in ["apart", "shut"] {
        let flags = ["--network", net, "--cap-add", "NET_ADMIN"];
        let (one, two) = (format!("{net}-one"), format!("{net}-two"));
        world.start(&one, &flags);
        world.start(&two, &[&flags[..], &["-p", "8000"]].concat());
        let of = |field: &str| {
            let networks = "{{.NetworkSettings.Networks";
            world.field(&two, &format!("{networks}.{net}.{field}}}}}"))
        };
        let (theirs, gateway) = (of("IPAddress"), of("Gateway"));
        let gateway = if gateway.is_empty() {
            theirs.rsplit_once('.').unwrap().0.to_owned() + ".1"
        } else {
            gateway
        };
        // Neither straight on nor by way of this machine.
        world.sh("echo 1 > /proc/sys/net/ipv4/ip_forward");
        world.exec(&one, &ping(&theirs)).code(1);
        let six = of("GlobalIPv6Address");
        world.exec(&one, &ping(&six)).code(1);
        let route = format!("ip route add {theirs}/32 via {gateway}");
        world.exec(&one, &route).ok();
        world.exec(&one, &ping(&theirs)).code(1);
        // This machine is there, and finds both.
        world.exec(&one, &ping(&gateway)).ok();
        world.sh(&format!("busybox {}", ping(&theirs)));
    }
    world.exec("apart-one", &ping(OUTSIDE)).ok();
    let serve = "exec 3<> /dev/null; nc -l -p 8000 -e echo heard";
    world
        .rcon(&["exec", "-d", "apart-two", "sh", "-c", serve])
        .ok();
    let port = world.says(&["port", "apart-two", "8000"]);
    let port = port.lines().next().unwrap().rsplit_once(':').unwrap().1;
    let knock = format!("nc -w 5 {MACHINE} {port} < /dev/null");
    eventually("it listens", || {
        let listens = world.exec("apart-two", "netstat -ltn | grep -q :8000");
        listens.status.success()
    });
    let heard = world.exec("apart-one", &knock).ok();
    assert_eq!(heard.text(), "heard");
    // One that is connected later is as far apart.
    world.start("late", &["--network", "open"]);
    world.says(&["network", "connect", "apart", "late"]);
    let late = world.field("late", "{{.NetworkSettings.Networks.apart.IPAddress}}");
    world.exec("apart-one", &ping(&late)).code(1);
    let all = ["apart-one", "apart-two", "shut-one", "shut-two", "late"];
    world.rcon(&[&["rm", "-f"][..], &all].concat()).ok();
}

#[test]
fn an_internal_network_lets_nothing_in_or_out() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "--internal", "shut"]);
    world.start("one", &["--network", "shut"]);
    world.start("two", &["--network", "shut"]);
    let two = world.field("two", "{{.NetworkSettings.Networks.shut.IPAddress}}");
    world.exec("one", &ping(&two)).ok();
    world.exec("one", &ping(OUTSIDE)).code(1);
    assert!(
        !world
            .exec("one", "ip route")
            .ok()
            .stdout
            .contains("default")
    );
    // Nor for one that makes itself a route: the filter stands in its way.
    let gateway = two.rsplit_once('.').unwrap().0.to_owned() + ".1";
    world.start("three", &["--network", "shut", "--cap-add", "NET_ADMIN"]);
    world.sh("echo 1 > /proc/sys/net/ipv4/ip_forward");
    world
        .exec("three", &format!("ip route add default via {gateway}"))
        .ok();
    world.outside(&format!(
        "ip route add {two}/16 via {MACHINE} 2> /dev/null || ip route add default via {MACHINE}"
    ));
    world.exec("three", &ping(OUTSIDE)).code(1);
    // This machine is there at the bridge, and not by what is outside of it:
    // its other addresses, those of other networks, their published ports.
    world.exec("three", &ping(&gateway)).ok();
    world.says(&["network", "create", "--ipv6", "--internal", "six"]);
    world.says(&["network", "create", "--ipv6", "open"]);
    world.start("four", &["--network", "open", "-p", "8000:80"]);
    let subnets = world.network("open")["IPAM"]["Config"].clone();
    let theirs = |n: usize| subnets[n]["Gateway"].as_str().unwrap().to_owned();
    world.exec("three", &ping(MACHINE)).code(1);
    world.exec("three", &ping(&theirs(0))).code(1);
    let knock = |at: &str| format!("nc -w 2 {at} 8000 < /dev/null");
    world.exec("three", &knock(&theirs(0))).code(1);
    // And the machine is heard when it is the one that asks.
    let three = world.field("three", "{{.NetworkSettings.Networks.shut.IPAddress}}");
    world.sh(&format!(
        "busybox {}",
        ping(&format!("-I {MACHINE} {three}"))
    ));
    let subnets = world.network("six")["IPAM"]["Config"].clone();
    let own = subnets[1]["Gateway"].as_str().unwrap();
    let flags = ["--network", "six", "--cap-add", "NET_ADMIN"];
    world.start("five", &flags);
    let route = format!("ip -6 route add default via {own}");
    world.exec("five", &route).ok();
    let ping6 = |to: &str| format!("ping -6 -c 1 -W 2 {to} > /dev/null");
    world.exec("five", &ping6(own)).ok();
    for to in ["2001:db8::1", &theirs(1)] {
        world.exec("five", &ping6(to)).code(1);
    }
    let all = ["one", "two", "three", "four", "five"];
    world.rcon(&[&["rm", "-f"][..], &all].concat()).ok();
}

/// Whose address a container gives itself does not matter to anybody: it is
/// heard only with one of its network's.
#[test]
fn a_forged_source_does_not_leave_the_bridge() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "--ipv6", "six"]);
    world.sh("nft 'add table inet seen; \
         add chain inet seen in { type filter hook input priority 10; }; \
         add chain inet seen through { type filter hook forward priority 10; }; \
         add chain inet seen both; \
         add rule inet seen in jump both; add rule inet seen through jump both; \
         add counter inet seen forged; add counter inet seen own; \
         add rule inet seen both ip saddr 203.0.113.9 counter name forged; \
         add rule inet seen both ip6 saddr 2001:db8:9::9 counter name forged; \
         add rule inet seen both ip saddr 172.16.0.0/12 counter name own; \
         add rule inet seen both ip6 saddr fd00::/8 counter name own'");
    let flags = ["--network", "six", "--cap-add", "NET_ADMIN"];
    let line = format!(
        "ip address add 203.0.113.9/32 dev eth0; ip -6 address add 2001:db8:9::9/128 dev eth0; \
         ping -c 1 -W 1 -I 203.0.113.9 {OUTSIDE}; ping -c 1 -W 1 -I 203.0.113.9 {MACHINE}; \
         ping -6 -c 1 -W 1 -I 2001:db8:9::9 2001:db8::2; \
         ping -6 -c 1 -W 1 -I 2001:db8:9::9 2001:db8::1; \
         ip -6 address del 2001:db8:9::9/128 dev eth0; \
         ping -c 1 -W 2 {OUTSIDE} && ping -6 -c 1 -W 2 2001:db8::2 && \
         ping -c 1 -W 2 {MACHINE} && ping -6 -c 1 -W 2 2001:db8::1"
    );
    world.run(&flags, &line).ok();
    let counted = |name: &str| world.sh(&format!("nft list counter inet seen {name}"));
    let none = "packets 0 ";
    assert!(counted("forged").contains(none), "{}", counted("forged"));
    assert!(!counted("own").contains(none), "{}", counted("own"));
}

#[test]
fn both_kinds_of_address() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "--ipv6", "six"]);
    world.start("one", &["--network", "six"]);
    world.start("two", &["--network", "six"]);
    let two = world.field("two", "{{.NetworkSettings.Networks.six.GlobalIPv6Address}}");
    assert!(two.starts_with("fd"), "{two}");
    world
        .exec("one", &format!("ping -6 -c 1 -W 2 {two} > /dev/null"))
        .ok();
    world
        .exec("one", "ping -6 -c 1 -W 2 2001:db8::2 > /dev/null")
        .ok();
    assert_eq!(
        world
            .sh("cat /proc/sys/net/ipv6/conf/all/forwarding")
            .trim(),
        "1"
    );
    world.rcon(&["rm", "-f", "one", "two"]).ok();
}

#[test]
fn forwarding_is_switched_on_and_that_is_said() {
    let Some(world) = World::new() else { return };
    world.sh("echo 0 > /proc/sys/net/ipv4/ip_forward");
    let first = world.run(&[], "true").ok();
    assert!(
        first.stderr.contains("net.ipv4.ip_forward is 1 now"),
        "{}",
        first.stderr
    );
    assert_eq!(world.sh("cat /proc/sys/net/ipv4/ip_forward").trim(), "1");
    assert_eq!(world.run(&[], "true").ok().stderr, "");
}

#[test]
fn several_networks_and_everything_chosen() {
    let Some(world) = World::new() else { return };
    world.says(&[
        "network",
        "create",
        "--subnet",
        "10.77.0.0/24",
        "--gateway",
        "10.77.0.254",
        "red",
    ]);
    world.says(&[
        "network",
        "create",
        "--subnet",
        "10.78.0.0/24",
        "-o",
        "mtu=1300",
        "blue",
    ]);
    let flags = [
        "--network",
        "name=red,ip=10.77.0.9,mac-address=02:00:00:00:00:09,alias=www",
        "--network",
        "name=blue,ip=10.78.0.9",
        "--sysctl",
        "net.ipv4.conf.eth1.rp_filter=2",
    ];
    let look = "ip address; ip route; cat /proc/sys/net/ipv4/conf/eth1/rp_filter; cat /etc/hosts";
    let seen = world.run(&flags, look).ok().stdout;
    for part in [
        "inet 10.77.0.9/24",
        "02:00:00:00:00:09",
        "inet 10.78.0.9/24",
        "mtu 1300",
        "default via 10.77.0.254 dev eth0",
        "\n2\n",
        "10.78.0.9\t",
    ] {
        assert!(seen.contains(part), "{part} is not in {seen}");
    }
}

#[test]
fn one_restarts_with_its_address() {
    let Some(world) = World::new() else { return };
    let root = format!("{}:O", world.bed.rootfs("").display());
    let line = "ip -4 -o address show eth0 | awk '{print $4}'; sleep 0.2; exit 1";
    world.says(&[
        "run",
        "-d",
        "--name",
        "again",
        "--restart",
        "on-failure:2",
        "--rootfs",
        &root,
        "sh",
        "-c",
        line,
    ]);
    let said = || world.says(&["logs", "again"]);
    eventually("it ran three times", || said().lines().count() == 3);
    assert_eq!(said(), "172.17.0.2/16\n172.17.0.2/16\n172.17.0.2/16");
}

#[test]
fn a_wire_is_shared() {
    let Some(world) = World::new() else { return };
    world.says(&[
        "network",
        "create",
        "-d",
        "macvlan",
        "-o",
        "parent=up0",
        "--subnet",
        "198.51.100.0/24",
        "--gateway",
        OUTSIDE,
        "--ip-range",
        "198.51.100.128/25",
        "wire",
    ]);
    let seen = world.run(
        &["--network", "wire"],
        &format!("{} && ip -4 -o address", ping(OUTSIDE)),
    );
    assert!(seen.ok().stdout.contains("198.51.100.128/24"));
    assert!(world.bridges().is_empty());
}

#[test]
fn a_network_of_nothing_is_a_loopback() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "--driver", "none", "alone"]);
    let seen = world
        .run(&["--network", "alone"], "ls /sys/class/net")
        .ok()
        .stdout;
    assert_eq!(seen.trim(), "lo");
}

#[test]
fn a_user_namespace_has_a_network_too() {
    let Some(world) = World::new() else { return };
    let root = world.bed.rootfs("").display().to_string();
    world.sh(&format!(
        "chown -hR 200000:200000 {root}; chmod 711 {}",
        world.bed.path("").display()
    ));
    world
        .run(
            &["--userns", "200000:65536", "--cap-add", "NET_RAW"],
            &ping("172.17.0.1"),
        )
        .ok();
}

#[test]
fn host_gateway_is_this_machine() {
    let Some(world) = World::new() else { return };
    let flags = ["--add-host", "machine:host-gateway"];
    let seen = world.run(
        &flags,
        &format!("grep machine /etc/hosts; {}", ping("machine")),
    );
    assert_eq!(seen.ok().text(), "172.17.0.1\tmachine");
}
