//! `network create`, `ls`, `inspect`, `rm`, `prune`, `doctor`.

use crate::common::{Need, needs_met};
use crate::world::World;

#[test]
fn a_network_is_made_shown_and_removed() {
    let Some(world) = World::new() else { return };
    let args = [
        "network",
        "create",
        "--label",
        "a=1",
        "--subnet",
        "10.5.0.0/16",
        "--ip-range",
        "10.5.9.0/24",
        "web",
    ];
    let id = world.says(&args);
    assert_eq!(id.len(), 64);
    let shown = world.says(&["network", "ls"]);
    for part in ["NETWORK ID", "web", "bridge", "host", "none", &id[..12]] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert_eq!(
        world.says(&["network", "ls", "-q", "--filter", "label=a"]),
        &id[..12]
    );
    assert_eq!(
        world.says(&[
            "network",
            "ls",
            "--no-trunc",
            "--filter",
            "name=we",
            "--format",
            "{{.ID}}"
        ]),
        id
    );
    world.start("one", &["--network", &id[..8]]);
    let n = world.network("web");
    assert_eq!(n["Driver"], "bridge");
    assert_eq!(n["IPAM"]["Config"][0]["Subnet"], "10.5.0.0/16");
    assert_eq!(n["IPAM"]["Config"][0]["Gateway"], "10.5.0.1");
    let members: Vec<_> = n["Containers"].as_object().unwrap().values().collect();
    assert_eq!(members[0]["Name"], "one");
    assert_eq!(members[0]["IPv4Address"], "10.5.9.0/16");
    world
        .rcon(&["network", "rm", "web"])
        .fails_naming(&["in use by container one"]);
    world.rcon(&["rename", "one", "first"]).ok();
    assert_eq!(
        world.network("web")["Containers"]
            .as_object()
            .unwrap()
            .values()
            .next()
            .unwrap()["Name"],
        "first"
    );
    world.rcon(&["rm", "-f", "first"]).ok();
    assert_eq!(
        world.bridges(),
        [format!("rc-{}", &id[..12])],
        "it stays for the next"
    );
    assert_eq!(world.says(&["network", "rm", "web"]), "web");
    assert!(world.bridges().is_empty() && world.tables().is_empty());
    world
        .rcon(&["network", "inspect", "web"])
        .fails_naming(&["No such network: web"]);
    world.rcon(&["network", "rm", "-f", "web"]).ok();
}

#[test]
fn what_is_always_there_is_shown_and_stays() {
    let Some(world) = World::new() else { return };
    world.start("one", &["--network", "host"]);
    for (name, driver) in [("host", "host"), ("none", "null")] {
        let n = world.network(name);
        assert_eq!((&n["Name"], &n["Driver"]), (&name.into(), &driver.into()));
        let is_in = n["Containers"].as_object().unwrap().len();
        assert_eq!(is_in, usize::from(name == "host"), "{n}");
        for args in [&["network", "rm", name][..], &["network", "rm", "-f", name]] {
            let what = format!("{name} is a pre-defined network and cannot be removed");
            world.rcon(args).fails_naming(&[&what]);
        }
        for verb in ["connect", "disconnect"] {
            world
                .rcon(&["network", verb, name, "one"])
                .fails_naming(&["cannot be connected to host or none"]);
        }
        assert_eq!(world.says(&["inspect", "-f", "{{.Driver}}", name]), driver);
    }
    let ids = world.says(&["network", "ls", "-q"]);
    let all = [
        &["network", "inspect", "-f", "{{.Name}}"][..],
        &ids.lines().collect::<Vec<_>>(),
    ];
    let names = world.says(&all.concat());
    assert_eq!(names, "bridge\nhost\nnone");
    world.rcon(&["rm", "-f", "one"]).ok();
}

#[test]
fn inspect_finds_networks_and_filters_take_patterns() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "web"]);
    world.says(&["network", "create", "webs"]);
    world.says(&["volume", "create", "web"]);
    let shown = |args: &[&str]| {
        world.says(&[&["inspect", "-f", "{{.Name}} {{.Driver}}"][..], args].concat())
    };
    assert_eq!(
        shown(&["web"]),
        "web bridge",
        "as in Docker, before the volume"
    );
    assert_eq!(shown(&["--type", "volume", "web"]), "web local");
    assert_eq!(shown(&["--type", "network", "webs"]), "webs bridge");
    world
        .rcon(&["inspect", "--type", "network", "nope"])
        .fails_naming(&["No such network: nope"]);
    world
        .rcon(&["inspect", "nope"])
        .fails_naming(&["No such object: nope"]);
    world.says(&["volume", "rm", "web"]);
    let listed =
        |filter: &str| world.says(&["network", "ls", "--format", "{{.Name}}", "--filter", filter]);
    assert_eq!(listed("name=^web$"), "web");
    assert_eq!(listed("name=web"), "web\nwebs");
    assert_eq!(listed("name=^(none|webs)$"), "none\nwebs");
    world
        .rcon(&["network", "ls", "--filter", "name=("])
        .fails_naming(&["name=("]);
    world.start("one", &["--network", "webs"]);
    assert_eq!(listed("dangling=true"), "web");
    assert_eq!(listed("dangling=false"), "bridge\nhost\nnone\nwebs");
    world.rcon(&["rm", "-f", "one"]).ok();
}

#[test]
fn what_docker_can_say_of_a_network() {
    let Some(world) = World::new() else { return };
    let args = [
        "network",
        "create",
        "--subnet",
        "10.5.0.0/16",
        "--aux-address",
        "router=10.5.0.2",
        "--ipv4",
        "--attachable",
        "--ipam-driver",
        "default",
        "-o",
        "com.docker.network.bridge.name=br-own",
        "-o",
        "com.docker.network.bridge.enable_icc=true",
        "web",
    ];
    world.says(&args);
    let n = world.network("web");
    assert_eq!(
        n["IPAM"]["Config"][0]["AuxiliaryAddresses"]["router"],
        "10.5.0.2"
    );
    assert_eq!(n["Interface"], "br-own");
    world.start("one", &["--network", "web"]);
    assert_eq!(
        world.field("one", "{{.NetworkSettings.Networks.web.IPAddress}}"),
        "10.5.0.3"
    );
    assert!(world.ip(&["link"]).contains("br-own"));
    let out = world
        .run(&["--network", "web", "--ip", "10.5.0.2"], "true")
        .code(125);
    assert!(out.stderr.contains("is not for containers"), "{out}");
    for (args, why) in [
        (&["--ipv4=false"][..], "without IPv4"),
        (&["--ipam-driver", "dhcp"], "no IPAM driver"),
        (&["--aux-address", "x"], "invalid auxiliary address"),
        (
            &["-o", "com.docker.network.bridge.name=br-own"],
            "has the bridge br-own already",
        ),
        (
            &["-o", "com.docker.network.bridge.enable_icc=maybe"],
            "neither on nor off",
        ),
    ] {
        world
            .rcon(&[&["network", "create"], args, &["two"]].concat())
            .fails_naming(&[why]);
    }
    world.rcon(&["rm", "-f", "one"]).ok();
    world.says(&["network", "rm", "web"]);
    assert!(!world.ip(&["link"]).contains("br-own"));
    assert!(world.tables().is_empty());
}

#[test]
fn what_cannot_be_made_is_refused() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "web"]);
    for (args, why) in [
        (&["web"][..], "already exists"),
        (
            &["--subnet", "198.51.100.128/25", "two"],
            "overlaps 198.51.100.0/24",
        ),
        (
            &["--subnet", "172.17.0.0/24", "two"],
            "overlaps 172.17.0.0/16",
        ),
        (
            &["--subnet", "10.0.0.1/8", "two"],
            "its subnet is 10.0.0.0/8",
        ),
        (&["--driver", "overlay", "two"], "no network driver"),
        (&["--subnet", "ten", "two"], "is not a subnet"),
        (&["host"], "cannot be called host"),
    ] {
        world
            .rcon(&[&["network", "create"], args].concat())
            .fails_naming(&[why]);
    }
    let refused = [
        (&["--network", "mine"][..], "No such network: mine"),
        (
            &["--network", "web", "--ip", "10.9.9.9"],
            "no address of network web",
        ),
        (
            &["--network", "web", "--ip", "172.17.0.1"],
            "is not for containers",
        ),
    ];
    for (flags, why) in refused {
        let out = world.run(flags, "true").code(125);
        assert!(out.stderr.contains(why), "{out}");
    }
    world.start("one", &["--network", "web", "--ip", "172.17.0.9"]);
    let out = world
        .run(&["--network", "web", "--ip", "172.17.0.9"], "true")
        .code(125);
    assert!(
        out.stderr.contains("172.17.0.9 of network web is in use"),
        "{out}"
    );
    world.rcon(&["rm", "-f", "one"]).ok();
    assert_eq!(world.says(&["ps", "-aq"]), "");
}

#[test]
fn a_hundred_networks_share_no_address() {
    let Some(world) = World::new() else { return };
    for n in 0..100 {
        world.says(&["network", "create", &format!("net{n}")]);
    }
    let mut names = vec![
        "network".to_owned(),
        "inspect".to_owned(),
        "--format".to_owned(),
    ];
    names.push("{{range .IPAM.Config}}{{.Subnet}}{{end}}".to_owned());
    names.extend((0..100).map(|n| format!("net{n}")));
    let args: Vec<&str> = names.iter().map(String::as_str).collect();
    let shown = world.says(&args);
    let all: Vec<rcon::network::cidr::Cidr> = shown.lines().map(|l| l.parse().unwrap()).collect();
    assert_eq!(all.len(), 100);
    for (n, one) in all.iter().enumerate() {
        assert!(
            all[n + 1..].iter().all(|other| !other.overlaps(one)),
            "{one}"
        );
    }
}

#[test]
fn prune_takes_what_no_container_names() {
    let Some(world) = World::new() else { return };
    for name in ["used", "idle", "kept"] {
        let label = format!("name={name}");
        world.says(&["network", "create", "--label", &label, name]);
    }
    let root = world.bed.rootfs("").display().to_string();
    // One that does not run will want its network again.
    world.says(&[
        "create",
        "--name",
        "later",
        "--network",
        "used",
        "--rootfs",
        &root,
        "true",
    ]);
    world.run(&[], "true").ok();
    world.run(&["--network", "kept"], "true").ok();
    assert_eq!(world.bridges().len(), 2);
    let said = world.says(&["network", "prune", "-f", "--filter", "label!=name=kept"]);
    assert!(said.contains("Deleted Networks:\nidle\n"), "{said}");
    assert!(said.contains("Idle bridges taken down:\nbridge"), "{said}");
    assert_eq!(world.bridges().len(), 1);
    let said = world.says(&["system", "prune", "-f"]);
    assert!(said.contains("Deleted Networks:\n"), "{said}");
    assert!(world.bridges().is_empty() && world.tables().is_empty());
    let left = world.says(&["network", "ls", "--format", "{{.Name}}"]);
    assert_eq!(
        left, "bridge\nhost\nnone",
        "the last container went with the prune, and so all"
    );
}

#[test]
fn the_doctor_finds_what_stands_in_the_way() {
    let Some(world) = World::new() else { return };
    let well = world.rcon(&["network", "doctor"]);
    assert!(
        well.stdout.contains("Nothing stands in the way") || well.stdout.contains("name servers"),
        "{well}"
    );
    world.sh("nft 'add table ip filter; \
              add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }; \
              add chain ip filter DOCKER-USER; add rule ip filter FORWARD jump DOCKER-USER'");
    let first = world.run(&[], "true").ok();
    assert!(
        first.stderr.contains("Docker's chain ip filter FORWARD"),
        "{first}"
    );
    assert!(first.stderr.contains("rcon network doctor"), "{first}");
    let bridge = world.bridges().remove(0);
    let ill = world.rcon(&["network", "doctor"]).code(1);
    assert!(
        ill.stdout
            .contains(&format!("iptables -I DOCKER-USER -o {bridge} -j ACCEPT")),
        "{ill}"
    );
    // What it says helps.
    world
        .run(&[], "ping -c 1 -W 1 198.51.100.2 > /dev/null")
        .code(1);
    let rule = |way: &str| {
        world.sh(&format!(
            "nft add rule ip filter DOCKER-USER {way} {bridge} accept"
        ))
    };
    rule("iifname");
    rule("oifname");
    world
        .run(&[], "ping -c 1 -W 1 198.51.100.2 > /dev/null")
        .ok();
    let mended = world.rcon(&["network", "doctor"]);
    assert!(!mended.stdout.contains("Docker's"), "{mended}");
}

/// Not only policies: rules, and chains that are jumped to.
#[test]
fn the_doctor_finds_rules_that_drop() {
    let Some(world) = World::new() else { return };
    world.start("one", &[]);
    let bridge = world.bridges().remove(0);
    let ping = |fine: bool| {
        let out = world.exec("one", "ping -c 1 -W 1 198.51.100.2 > /dev/null");
        assert_eq!(out.status.success(), fine, "{out}");
    };
    let told = |code: i32| world.rcon(&["network", "doctor"]).code(code).stdout;
    // This machine's name servers are none of the test's.
    let code = world.rcon(&["network", "doctor"]).status.code().unwrap();
    world.sh("echo 0 > /proc/sys/net/ipv4/ip_forward");
    ping(false);
    let ill = told(1);
    assert!(ill.contains("sysctl -w net.ipv4.ip_forward=1"), "{ill}");
    world.sh("echo 1 > /proc/sys/net/ipv4/ip_forward");
    ping(true);
    let chain = "add table ip filter; \
        add chain ip filter FORWARD { type filter hook forward priority 0; policy accept; }; \
        add chain ip filter BLOCK";
    let layout = "add table inet firewalld; \
        add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; }; \
        add rule inet firewalld filter_FORWARD ct state { established, related } accept; \
        add rule inet firewalld filter_FORWARD iifname \"lo\" accept; \
        add rule inet firewalld filter_FORWARD ct state invalid drop; \
        add rule inet firewalld filter_FORWARD reject with icmpx type admin-prohibited";
    for (rules, words) in [
        (
            format!("{chain}; add rule ip filter FORWARD reject"),
            "iptables -I FORWARD -i",
        ),
        (
            format!("{chain}; add rule ip filter FORWARD counter drop"),
            "iptables -I FORWARD -i",
        ),
        (
            format!(
                "{chain}; add rule ip filter BLOCK drop; add rule ip filter FORWARD jump BLOCK"
            ),
            "(in its chain BLOCK)",
        ),
        (
            format!("{chain}; add rule ip filter FORWARD ip saddr 172.16.0.0/12 drop"),
            "iptables -I FORWARD -i",
        ),
        (
            // Answers are as needed as questions.
            format!("{chain}; add rule ip filter FORWARD oifname \"{bridge}\" drop"),
            "iptables -I FORWARD -o",
        ),
        (
            layout.to_owned(),
            "firewalld's chain inet firewalld filter_FORWARD",
        ),
    ] {
        world.sh(&format!("nft '{rules}'"));
        ping(false);
        let ill = told(1);
        assert!(ill.contains(words), "{rules}: {ill}");
        world.sh("nft delete table ip filter 2> /dev/null || nft delete table inet firewalld");
        ping(true);
    }
    for fine in [
        "add rule ip filter FORWARD iifname \"docker0\" drop",
        "add rule ip filter FORWARD ct state invalid drop",
        "add rule ip filter FORWARD ip saddr 10.0.0.0/8 drop",
        "add rule ip filter FORWARD oifname != { \"BRIDGE\", \"up0\" } drop",
        "add rule ip filter FORWARD ct state { established, related } accept; \
         add rule ip filter FORWARD iifname { \"lan0\", \"BRIDGE\" } accept; \
         add rule ip filter FORWARD drop",
    ] {
        let fine = fine.replace("BRIDGE", &bridge);
        world.sh(&format!("nft '{chain}; {fine}'"));
        ping(true);
        let well = told(code);
        assert!(!well.contains("FORWARD"), "{fine}: {well}");
        world.sh("nft delete table ip filter");
    }
    // What cannot be weighed is named, and no failure.
    world.sh(&format!(
        "nft '{chain}; add rule ip filter FORWARD tcp dport 25 drop'"
    ));
    let doubt = told(code);
    assert!(
        doubt.contains("nft list chain ip filter FORWARD"),
        "{doubt}"
    );
    world.rcon(&["rm", "-f", "one"]).ok();
}

/// The same rules as iptables writes them.
#[test]
fn the_doctor_reads_what_iptables_writes() {
    let Some(world) = World::new() else { return };
    if !needs_met(&[Need::Tool("iptables-nft")]) {
        return;
    }
    world.start("one", &[]);
    for rules in [
        "iptables-nft -I FORWARD -j REJECT",
        "iptables-nft -I FORWARD -j DROP",
        "iptables-nft -N X; iptables-nft -A X -j DROP; iptables-nft -I FORWARD -j X",
        "iptables-nft -P FORWARD DROP",
    ] {
        world.sh(rules);
        let ill = world.rcon(&["network", "doctor"]).code(1).stdout;
        let help = ill
            .lines()
            .map(str::trim)
            .filter(|l| l.starts_with("iptables"));
        let help: Vec<String> = help
            .map(|l| l.replace("iptables", "iptables-nft"))
            .collect();
        assert_eq!(help.len(), 2, "{rules}: {ill}");
        // What it says helps.
        world.sh(&help.join("; "));
        world
            .exec("one", "ping -c 1 -W 1 198.51.100.2 > /dev/null")
            .ok();
        let well = world.rcon(&["network", "doctor"]).stdout;
        assert!(!well.contains("FORWARD"), "{rules}: {well}");
        world.sh("iptables-nft -F; iptables-nft -X; iptables-nft -P FORWARD ACCEPT");
    }
    world.rcon(&["rm", "-f", "one"]).ok();
}

/// Two stores know nothing of each other before there are bridges.
#[test]
fn a_network_whose_place_was_taken_moves_before_its_first_container() {
    let Some(world) = World::new() else { return };
    let subnet = |name: &str| {
        let config = world.network(name)["IPAM"]["Config"][0].clone();
        config["Subnet"].as_str().unwrap().to_owned()
    };
    world.says(&["network", "create", "web"]);
    let chosen = ["network", "create", "--subnet", "10.6.0.0/24", "fixed"];
    world.says(&chosen);
    assert_eq!(subnet("web"), "172.17.0.0/16");
    world.sh(
        "ip link add up1 type bridge; ip address add 172.17.0.1/16 dev up1; \
         ip address add 10.6.0.1/24 dev up1; ip link set up1 up",
    );
    // Who wants an address of it is told why it cannot be had.
    let there = ["--network", "web", "--ip", "172.17.0.9"];
    let out = world.run(&there, "true").code(125);
    assert!(out.stderr.contains("has a route to 172.17.0.0/16"), "{out}");
    let out = world.run(&["--network", "fixed"], "true").code(125);
    assert!(out.stderr.contains("has a route to 10.6.0.0/24"), "{out}");
    let seen = world.run(&["--network", "web"], "ip -4 -o address show eth0");
    assert!(seen.ok().stdout.contains("inet 172.18.0.2/16"));
    assert_eq!(subnet("web"), "172.18.0.0/16");
    // From then on it stays.
    world.run(&["--network", "web"], "true").ok();
    assert_eq!(subnet("web"), "172.18.0.0/16");
}

#[test]
fn events_tell_of_networks() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "web"]);
    world.start("one", &[]);
    world.says(&["network", "connect", "web", "one"]);
    world.says(&["network", "disconnect", "web", "one"]);
    world.rcon(&["rm", "-f", "one"]).ok();
    world.says(&["network", "rm", "web"]);
    let format = "{{.Action}}";
    let told = world.says(&[
        "events",
        "--since",
        "1h",
        "--until",
        "0s",
        "--filter",
        "type=network",
        "--format",
        format,
    ]);
    assert_eq!(told, "create\nconnect\ndisconnect\ndestroy");
}

#[test]
fn each_step_is_told() {
    let Some(world) = World::new() else { return };
    let told = world.run(&["--explain"], "true").ok().stderr;
    for part in [
        "make sure that there is a bridge rc-",
        "tell the launcher that there is a network to connect",
        "make a pair of interfaces: rv",
        "switch on eth0 with 172.17.0.2/16, and send through it by 172.17.0.1",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    let none = world
        .run(&["--explain", "--network", "none"], "true")
        .ok()
        .stderr;
    assert!(!none.contains("bridge"), "{none}");
}
