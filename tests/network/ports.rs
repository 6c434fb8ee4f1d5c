//! Published ports: held before the program starts, served while it is up,
//! and anybody's again afterwards.

use crate::common::host::is_alive;
use crate::common::{Need, eventually, needs_met};
use crate::servers::{connect, datagram, exchange, first_line};
use crate::world::World;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::Command;

const LOCAL: Ipv4Addr = Ipv4Addr::LOCALHOST;
const LOCAL6: Ipv6Addr = Ipv6Addr::LOCALHOST;

fn at(port: u16) -> SocketAddr {
    (LOCAL, port).into()
}

/// The processes of rcon's with that name that a keeper or its worker has.
fn named(name: &str, of: &str) -> Vec<i32> {
    let parent = of.to_owned();
    let out = Command::new("ps")
        .args(["-o", "pid=,comm=", "--ppid", &parent])
        .output()
        .expect("ps");
    String::from_utf8_lossy(&out.stdout)
        .lines()
        .filter(|l| l.ends_with(name))
        .filter_map(|l| l.split_whitespace().next()?.parse().ok())
        .collect()
}

impl World {
    pub fn keeper(&self, name: &str) -> String {
        let id = self.field(name, "{{.Id}}");
        let state = self
            .bed
            .root()
            .join("containers")
            .join(id)
            .join("state.json");
        let state: serde_json::Value =
            serde_json::from_slice(&std::fs::read(state).expect("its record")).unwrap();
        state["keeper"].to_string()
    }
}

#[test]
fn a_port_is_reached_by_both_kinds_of_address() {
    let Some(world) = World::new() else { return };
    world.serve("web", &["-p", "8000:80"], 80, "hello");
    assert_eq!(first_line((LOCAL, 8000)).unwrap(), "hello");
    assert_eq!(first_line((LOCAL6, 8000)).unwrap(), "hello");
    let shown = world.says(&["ps", "--format", "{{.Ports}}"]);
    assert_eq!(shown, "0.0.0.0:8000->80/tcp, [::]:8000->80/tcp");
    assert_eq!(
        world.says(&["port", "web"]),
        "80/tcp -> 0.0.0.0:8000\n80/tcp -> [::]:8000"
    );
    // From the world outside, too.
    assert_eq!(
        world
            .outside("busybox nc 198.51.100.1 8000 < /dev/null")
            .trim(),
        "hello"
    );
    world.rcon(&["rm", "-f", "web"]).ok();
    assert!(connect(at(8000)).is_err());
}

#[test]
fn the_end_of_one_direction_is_not_the_end_of_the_other() {
    let Some(world) = World::new() else { return };
    world.serve("web", &["-p", "127.0.0.1:8000:80"], 80, "hello");
    let sent: Vec<u8> = (0..2_000_000_u32).map(|n| (n / 251) as u8).collect();
    let back = exchange(at(8000), &sent);
    assert_eq!(&back[..6], b"hello\n");
    assert!(back[6..] == sent, "{} bytes came back", back.len());
    assert!(connect((LOCAL6, 8000).into()).is_err());
    world.rcon(&["rm", "-f", "web"]).ok();
}

#[test]
fn datagrams_are_published_by_both_kinds_of_address() {
    let Some(world) = World::new() else { return };
    if !needs_met(&[Need::Tool("perl")]) {
        return;
    }
    world.echo_datagrams("echo", &["-p", "5300:53/udp"], 53, "you said ");
    assert_eq!(datagram(at(5300), "this"), "you said this");
    assert_eq!(datagram((LOCAL6, 5300).into(), "that"), "you said that");
    assert_eq!(
        world.says(&["port", "echo", "53/udp"]),
        "0.0.0.0:5300\n[::]:5300"
    );
    world.rcon(&["rm", "-f", "echo"]).ok();
}

#[test]
fn one_port_of_a_range_is_free() {
    let Some(world) = World::new() else { return };
    world.serve("first", &["-p", "8000-8001:80"], 80, "hello");
    let spelled = "published=8000-8001,target=80,protocol=tcp";
    world.serve("second", &["-p", spelled], 80, "hi");
    assert_eq!(first_line((LOCAL, 8000)).unwrap(), "hello");
    assert_eq!(first_line((LOCAL, 8001)).unwrap(), "hi");
    let asked = "{{(index (index .HostConfig.PortBindings \"80/tcp\") 0).HostPort}}";
    assert_eq!(world.field("second", asked), "8000-8001");
    let root = format!("{}:O", world.bed.rootfs("").display());
    let args = ["run", "-p", "8000-8001:80", "--rootfs", &root, "true"];
    let out = world.rcon(&args).code(125);
    assert!(
        out.stderr
            .contains("all ports from 8000 to 8001/tcp of 0.0.0.0 are in use"),
        "{out}"
    );
    // The place of one that is just going is had, not another's.
    world.rcon(&["restart", "-t", "0", "first"]).ok();
    assert_eq!(world.host_port("first", "80"), 8000);
    world.rcon(&["rm", "-f", "first", "second"]).ok();
}

#[test]
fn a_port_that_is_taken_is_an_error_that_says_by_whom() {
    let Some(world) = World::new() else { return };
    world.serve("web", &["-p", "8000:80"], 80, "hello");
    let root = format!("{}:O", world.bed.rootfs("").display());
    let run = |name: &str, port: &str| {
        let args = [
            "run", "-d", "--name", name, "-p", port, "--rootfs", &root, "true",
        ];
        world.rcon(&args).code(125)
    };
    let out = run("second", "8000:80");
    assert!(
        out.stderr
            .contains("port 8000/tcp of 0.0.0.0 is already in use by container web"),
        "{out}"
    );
    let other = TcpListener::bind("127.0.0.1:9000").unwrap();
    let out = run("third", "9000:80");
    let me = format!("(process {})", std::process::id());
    assert!(
        out.stderr.contains("port 9000/tcp") && out.stderr.contains(&me),
        "{out}"
    );
    assert_eq!(out.stderr.lines().count(), 1, "{out}");
    let datagrams = UdpSocket::bind("127.0.0.1:9001").unwrap();
    let out = run("fourth", "127.0.0.1:9001:80/udp");
    assert!(
        out.stderr.contains("port 9001/udp") && out.stderr.contains(&me),
        "{out}"
    );
    let out = run("fifth", "192.0.2.99:9002:80");
    assert!(out.stderr.contains("no such address"), "{out}");
    drop((other, datagrams));
    // What could not be started can be, once the port is free.
    world.rcon(&["start", "third"]).ok();
    world
        .rcon(&["rm", "-f", "web", "second", "third", "fourth", "fifth"])
        .ok();
}

#[test]
fn any_free_port_will_do() {
    let Some(world) = World::new() else { return };
    let flags = [
        "-p",
        "80",
        "-p",
        "127.0.0.1::81/udp",
        "-P",
        "--expose",
        "90-91",
    ];
    world.serve("web", &flags, 80, "hello");
    let all = world.says(&["port", "web"]);
    for key in [
        "80/tcp -> 0.0.0.0:",
        "81/udp -> 127.0.0.1:",
        "90/tcp -> [::]:",
        "91/tcp -> ",
    ] {
        assert!(all.contains(key), "{key} is not in {all}");
    }
    let port = world.host_port("web", "80");
    assert_eq!(first_line((LOCAL, port)).unwrap(), "hello");
    // The newer kind of address has the same.
    assert_eq!(first_line((LOCAL6, port)).unwrap(), "hello");
    world.rcon(&["rm", "-f", "web"]).ok();
}

#[test]
fn a_connection_waits_for_the_program_to_listen() {
    let Some(world) = World::new() else { return };
    let line = "sleep 1; echo late | nc -l -p 80; sleep 600";
    world.start_line("web", &["-p", "127.0.0.1:8000:80"], line);
    assert_eq!(first_line((LOCAL, 8000)).unwrap(), "late");
    world.rcon(&["rm", "-f", "web"]).ok();
}

#[test]
fn ports_survive_the_program_that_is_started_again() {
    let Some(world) = World::new() else { return };
    // It ends with each connection.
    let line = "echo $$-$RANDOM | nc -l -p 80";
    world.start_line("web", &["-p", "80", "--restart", "always"], line);
    let port = world.host_port("web", "80");
    let mut seen = std::collections::BTreeSet::new();
    eventually("three programs have answered", || {
        seen.extend(first_line((LOCAL, port)).ok().filter(|l| l.contains('-')));
        seen.len() == 3
    });
    assert_eq!(world.host_port("web", "80"), port);
    world.rcon(&["rm", "-f", "web"]).ok();
}

#[test]
fn ports_lead_into_every_kind_of_network() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "--internal", "shut"]);
    world.says(&["network", "create", "--ipv6", "six"]);
    for (n, network) in ["none", "shut", "six"].iter().enumerate() {
        let port = 8000 + n as u16;
        let publish = format!("{port}:80");
        world.serve(
            network,
            &["--network", network, "-p", &publish],
            80,
            network,
        );
        assert_eq!(first_line((LOCAL, port)).unwrap(), *network);
        assert_eq!(first_line((LOCAL6, port)).unwrap(), *network);
    }
    // Two containers with one network between them.
    world.serve(
        "guest",
        &["--network", "container:none", "-p", "8100:81"],
        81,
        "guest",
    );
    assert_eq!(first_line((LOCAL, 8100)).unwrap(), "guest");
    world
        .rcon(&["rm", "-f", "guest", "none", "shut", "six"])
        .ok();
}

#[test]
fn ports_follow_a_container_through_its_networks() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "red"]);
    world.serve("web", &["--network", "none", "-p", "8000:80"], 80, "hello");
    assert_eq!(first_line((LOCAL, 8000)).unwrap(), "hello");
    world.says(&["network", "connect", "red", "web"]);
    assert_eq!(first_line((LOCAL, 8000)).unwrap(), "hello");
    let found = world.exec("web", "nslookup web.red 127.0.0.11").ok().stdout;
    assert!(found.contains("Name:\tweb.red"), "{found}");
    world.says(&["network", "disconnect", "red", "web"]);
    assert_eq!(first_line((LOCAL, 8000)).unwrap(), "hello");
    assert_eq!(
        world.says(&["port", "web", "80"]),
        "0.0.0.0:8000\n[::]:8000"
    );
    world.rcon(&["rm", "-f", "web"]).ok();
}

#[test]
fn a_worker_comes_when_somebody_knocks_and_again_when_it_was_killed() {
    let Some(world) = World::new() else { return };
    world.serve("web", &["-p", "8000:80"], 80, "hello");
    let keeper = world.keeper("web");
    assert!(named("rcon:net", &keeper).is_empty());
    // Also after so many that it rests for a while in between.
    for _ in 0..7 {
        assert_eq!(first_line((LOCAL, 8000)).unwrap(), "hello");
        let workers = named("rcon:net", &keeper);
        let [worker] = workers[..] else {
            panic!("{workers:?}")
        };
        // It speaks with strangers, and can do nothing else.
        let status = std::fs::read_to_string(format!("/proc/{worker}/status")).unwrap();
        assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
        // It is nobody, in no group, sees no other process, and no file at all.
        for line in [
            "Uid:\t65534\t65534\t65534\t65534",
            "Gid:\t65534\t65534\t65534\t65534",
            "Groups:\t \n",
        ] {
            assert!(status.contains(line), "{line:?}: {status}");
        }
        let pids = status.lines().find_map(|l| l.strip_prefix("NSpid:"));
        let pids = pids.expect("a line").split_whitespace();
        assert_eq!(pids.last(), Some("1"), "{status}");
        let root = std::fs::read_dir(format!("/proc/{worker}/root")).unwrap();
        assert_eq!(root.count(), 0, "it has files");
        let fresh = std::fs::write(format!("/proc/{worker}/root/x"), "");
        assert!(fresh.is_err(), "it can make files");
        world.sh(&format!("kill -9 {worker}"));
        eventually("the worker ends", || !is_alive(worker));
    }
    world.rcon(&["rm", "-f", "web"]).ok();
}

#[test]
fn nothing_is_held_after_the_keeper_was_killed() {
    let Some(world) = World::new() else { return };
    for _ in 0..3 {
        world.serve("web", &["-p", "8000:80", "-p", "8000:80/udp"], 80, "hello");
        assert_eq!(first_line((LOCAL, 8000)).unwrap(), "hello");
        let keeper = world.keeper("web");
        world.sh(&format!("kill -9 {keeper}"));
        let keeper = keeper.parse().expect("a pid");
        eventually("the keeper is gone", || !is_alive(keeper));
        // At once: whoever has the port still is on the way out.
        world.says(&["start", "web"]);
        assert_eq!(first_line((LOCAL, 8000)).unwrap(), "hello");
        world.rcon(&["rm", "-f", "web"]).ok();
    }
    let found = world.rcon(&["system", "check"]).ok();
    assert_eq!(found.stdout, "", "{found}");
}

#[test]
fn a_thousand_ports_in_a_range() {
    let Some(world) = World::new() else { return };
    let line = "ulimit -n > /limit; while :; do nc -l -p 8999 -e echo last; done";
    let own = world.sh("ulimit -n");
    world.start_line("web", &["-p", "8000-8999:8000-8999"], line);
    assert_eq!(first_line((LOCAL, 8999)).unwrap(), "last");
    assert_eq!(world.says(&["port", "web"]).lines().count(), 2000);
    let shown = world.says(&["ps", "--format", "{{.Ports}}"]);
    assert_eq!(
        shown,
        "0.0.0.0:8000-8999->8000-8999/tcp, [::]:8000-8999->8000-8999/tcp"
    );
    // What rcon needs of descriptors is not the program's.
    assert_eq!(world.exec("web", "cat /limit").ok().text(), own.trim());
    world.rcon(&["rm", "-f", "web"]).ok();
}

#[test]
fn the_host_s_network_has_the_host_s_ports() {
    let Some(world) = World::new() else { return };
    let out = world
        .run(&["--network", "host", "-p", "8000:80"], "true")
        .ok();
    assert!(out.stderr.contains("ports are discarded"), "{out}");
    // Nobody held it.
    drop(TcpListener::bind("0.0.0.0:8000").unwrap());
}

/// A client that ends first leaves a port between the worker and the program
/// that is remembered for a minute. It is to be had again long before.
#[test]
fn ports_between_the_worker_and_the_program_do_not_run_out() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "--ipv6", "six"]);
    let range = "net.ipv4.ip_local_port_range=40000 40063";
    for flags in [
        &["--network", "six"][..],
        &["--network", "six", "--publish-keep-source"],
        &["--network", "none"],
    ] {
        let own = ["--sysctl", range, "-p", "8000:80"];
        let line = "nc -ll -p 80 -e cat";
        world.start_line("web", &[&own, flags].concat(), line);
        // A neighbour is seen as such where that is wanted; all have one
        // address, so all of it is about ports.
        for to in [at(8000), (LOCAL6, 8000).into()] {
            for round in 0..3 {
                for n in 0..40 {
                    let back = exchange(to, b"hello");
                    assert_eq!(back, b"hello", "{flags:?} {to} round {round}, {n}");
                }
                // A second after its end a port is anybody's.
                std::thread::sleep(std::time::Duration::from_millis(1500));
            }
        }
        world.rcon(&["rm", "-f", "web"]).ok();
    }
}
