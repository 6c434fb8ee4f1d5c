//! Whom a program sees as its peer.

use crate::common::{Need, eventually, needs_met};
use crate::world::{MACHINE, OUTSIDE, World};

/// Tells each client who it is. `$ARGV[0]` is tcp or udp.
const WHO: &str = "use IO::Socket::IP; use Socket qw(:addrinfo SOCK_DGRAM); \
    sub name { my ($e, $h, $p) = getnameinfo($_[0], NI_NUMERICHOST|NI_NUMERICSERV); \
        return \"$h $p\\n\" } \
    my $tcp = $ARGV[0] eq 'tcp'; \
    my $s = IO::Socket::IP->new(LocalHost => '::', LocalPort => 80, V6Only => 0, GetAddrInfoFlags => 0, \
        Proto => $ARGV[0], $tcp ? (Listen => 10) : (Type => SOCK_DGRAM)) or die $@; \
    while (1) { \
        if ($tcp) { my $c = $s->accept or next; print $c name(getpeername($c)); close $c } \
        else { my $from = $s->recv(my $d, 99) or next; $s->send(name($from), 0, $from) } }";

const ASK_UDP: &str = "use IO::Socket::IP; use Socket; \
    my $s = IO::Socket::IP->new(Proto => 'udp', PeerHost => $ARGV[0], PeerPort => 8000, \
        Type => SOCK_DGRAM) or die $@; \
    for (1..20) { $s->send('who'); my $r = ''; vec($r, fileno($s), 1) = 1; \
        if (select($r, undef, undef, 0.5)) { $s->recv(my $d, 99) // next; print $d; exit } }";

const PROGRAMS: [&str; 8] = [
    "-v",
    "/usr:/usr:ro",
    "-v",
    "/lib:/lib:ro",
    "-v",
    "/lib64:/lib64:ro",
    "--stop-signal",
    "KILL",
];

impl World {
    fn who(&self, name: &str, flags: &[&str], over: &str) {
        let root = format!("{}:O", self.bed.rootfs("").display());
        let own = ["--rootfs", &root, "/usr/bin/perl", "-e", WHO, over];
        self.says(&[&["run", "-d", "--name", name], &PROGRAMS[..], flags, &own].concat());
    }
}

/// What a client is told, without its port: that of a connection, and of a
/// datagram.
fn tcp(address: &str) -> String {
    format!("busybox nc {address} 8000 < /dev/null | cut -d ' ' -f 1")
}

fn udp(address: &str) -> String {
    format!(
        "perl -e \"{}\" {address} | cut -d ' ' -f 1",
        ASK_UDP.replace('$', "\\$")
    )
}

fn plain(told: &str) -> &str {
    told.trim().trim_start_matches("::ffff:")
}

fn world() -> Option<World> {
    needs_met(&[Need::Tool("perl")]).then(World::new).flatten()
}

#[test]
fn a_program_sees_its_bridge_and_not_the_client() {
    let Some(world) = world() else { return };
    world.says(&["network", "create", "--ipv6", "six"]);
    let subnets = world.network("six")["IPAM"]["Config"].clone();
    let gateway = |n: usize| subnets[n]["Gateway"].as_str().unwrap().to_owned();
    for (kind, ask) in [("tcp", tcp as fn(&str) -> String), ("udp", udp)] {
        let port = format!("8000:80/{kind}");
        world.who("web", &["--network", "six", "-p", &port], kind);
        for (place, n) in [(MACHINE, 0), ("2001:db8::1", 1)] {
            assert_eq!(plain(&world.outside(&ask(place))), gateway(n), "{kind}");
        }
        assert_eq!(plain(&world.sh(&ask("127.0.0.1"))), gateway(0), "{kind}");
        assert_eq!(plain(&world.sh(&ask("::1"))), gateway(1), "{kind}");
        world.rcon(&["rm", "-f", "web"]).ok();
    }
}

#[test]
fn a_program_that_wants_to_sees_the_client_itself() {
    let Some(world) = world() else { return };
    world.says(&["network", "create", "--ipv6", "six"]);
    let subnets = world.network("six")["IPAM"]["Config"].clone();
    let gateway = subnets[0]["Gateway"].as_str().unwrap();
    let before = world.sh("ip rule; ip -6 rule; ip route show table all; nft list ruleset");
    for (kind, ask) in [("tcp", tcp as fn(&str) -> String), ("udp", udp)] {
        let port = format!("8000:80/{kind}");
        let flags = ["--network", "six", "--publish-keep-source", "-p", &port];
        world.who("web", &flags, kind);
        assert_eq!(plain(&world.outside(&ask(MACHINE))), OUTSIDE, "{kind}");
        assert_eq!(
            plain(&world.outside(&ask("2001:db8::1"))),
            "2001:db8::2",
            "{kind}"
        );
        // This machine by an address of its own; but nobody from elsewhere is
        // the container's loopback.
        assert_eq!(plain(&world.sh(&ask(MACHINE))), MACHINE, "{kind}");
        assert_eq!(plain(&world.sh(&ask("127.0.0.1"))), gateway, "{kind}");
        // A neighbour that takes the way through the machine's port.
        let line = format!("/usr/bin/{}", ask(MACHINE).replace("busybox nc", "nc"));
        let line = if kind == "tcp" { tcp(MACHINE) } else { line };
        let flags = [&PROGRAMS[..], &["--network", "six", "--ip"]].concat();
        let own = gateway.rsplit_once('.').unwrap().0.to_owned() + ".77";
        let told = world
            .run(&[&flags[..], &[&own]].concat(), &line)
            .ok()
            .stdout;
        assert_eq!(plain(&told), own, "{kind}");
        world.rcon(&["rm", "-f", "web"]).ok();
    }
    // Nothing on this machine was changed for it but the network's own bridge.
    let after = world.sh("ip rule; ip -6 rule; nft list ruleset");
    assert!(
        !after.contains("fwmark") && !after.contains("rcon-source"),
        "{after}"
    );
    assert!(!before.contains("fwmark"), "{before}");
}

#[test]
fn it_sees_the_client_in_every_kind_of_network() {
    let Some(world) = world() else { return };
    world.says(&["network", "create", "--internal", "shut"]);
    for network in ["none", "shut", "bridge"] {
        let flags = [
            "--network",
            network,
            "--publish-keep-source",
            "-p",
            "8000:80",
        ];
        world.who("web", &flags, "tcp");
        assert_eq!(plain(&world.outside(&tcp(MACHINE))), OUTSIDE, "{network}");
        world.rcon(&["rm", "-f", "web"]).ok();
    }
}

#[test]
fn one_client_has_many_connections_to_many_ports() {
    let Some(world) = world() else { return };
    let flags = ["--publish-keep-source", "-p", "8000:80", "-p", "8001:80"];
    world.who("web", &flags, "tcp");
    // The same port of the client's each time, while the last connection is
    // still remembered; and to both ports at once.
    let same = "for n in 1 2 3 4 5; do for to in 8000 8001; do \
        curl -s --http0.9 --local-port 4000 http://198.51.100.1:$to/ || true; done; done";
    let told = world.outside(same);
    let from_same = format!("{OUTSIDE} 4000");
    assert!(told.contains(&from_same), "{told}");
    assert!(
        told.lines().all(|l| plain(l).starts_with(OUTSIDE)),
        "{told}"
    );
    let many = "for n in $(seq 200); do busybox nc 198.51.100.1 8000 < /dev/null & done; wait";
    let told = world.outside(many);
    assert_eq!(
        told.lines()
            .filter(|l| plain(l).starts_with(OUTSIDE))
            .count(),
        200
    );
    world.rcon(&["rm", "-f", "web"]).ok();
}

/// The power to give a socket somebody's address is all there is, and the
/// thread that answers strangers has none of it.
#[test]
fn the_worker_keeps_one_power_in_one_thread() {
    let Some(world) = world() else { return };
    for (flags, powers) in [
        (
            &["-p", "8000:80"][..],
            &["0000000000000000", "0000000000002000"][..],
        ),
        (
            &["--network", "none", "-p", "8000:80"],
            &["0000000000000000", "0000000000000000"],
        ),
    ] {
        world.who("web", flags, "tcp");
        world.sh(&tcp("127.0.0.1"));
        let mut found = Vec::new();
        eventually("there is a worker", || {
            found = powers_of_threads(&world, "web");
            !found.is_empty()
        });
        assert_eq!(found, powers, "{flags:?}");
        world.rcon(&["rm", "-f", "web"]).ok();
    }
}

fn powers_of_threads(world: &World, name: &str) -> Vec<String> {
    let keeper = world.keeper(name);
    let all = world.sh(&format!(
        "pid=$(ps -o pid=,comm= --ppid {keeper} | awk '/rcon:net/ {{ print $1 }}'); \
         grep -h CapPrm /proc/$pid/task/*/status | cut -f 2 | sort"
    ));
    all.lines().map(str::to_owned).collect()
}
