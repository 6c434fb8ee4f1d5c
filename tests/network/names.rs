//! Look-ups: containers find each other, this machine, and the world.

use crate::common::eventually;
use crate::world::{MACHINE, World};
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

/// Asks the container's name server; what it prints.
fn look_up(name: &str) -> String {
    format!("nslookup {name} 127.0.0.11 2>&1 | sed 1,3d")
}

impl World {
    /// All addresses of a name, as a container finds them.
    #[track_caller]
    fn found(&self, container: &str, name: &str) -> Vec<String> {
        let all = self.exec(container, &look_up(name)).stdout;
        let lines = all.lines().filter_map(|l| l.strip_prefix("Address: "));
        let mut all: Vec<String> = lines.map(str::to_owned).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// Answers every question for an address with 192.0.2.53, on the machine.
fn resolver() -> thread::JoinHandle<Vec<String>> {
    let socket = UdpSocket::bind((MACHINE, 53)).expect("port 53 of a network of our own");
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    thread::spawn(move || {
        let mut asked = Vec::new();
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let question = &buffer[12..length];
            let end = question.iter().position(|b| *b == 0).unwrap_or(0);
            let name = String::from_utf8_lossy(&question[1..end]).replace(|c: char| c < ' ', ".");
            let last = name.starts_with("last");
            asked.push(name);
            let mut answer = buffer[..2].to_vec();
            answer.extend([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
            answer.extend(&question[..end + 5]);
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 192, 0, 2, 53]);
            let _ = socket.send_to(&answer, from);
            if last {
                break;
            }
        }
        asked
    })
}

#[test]
fn containers_find_each_other_while_others_come_and_go() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "red"]);
    world.says(&["network", "create", "blue"]);
    let service = ["--network", "red", "--network-alias", "db"];
    world.start("asks", &["--network", "red", "-h", "asker"]);
    world.start("one", &service);
    world.start("far", &["--network", "blue", "--network-alias", "db"]);
    let one = world.field("one", "{{.NetworkSettings.Networks.red.IPAddress}}");
    for name in ["one", "ONE", "db", "one.red", "db.red"] {
        assert_eq!(world.found("asks", name), [one.as_str()], "{name}");
    }
    assert_eq!(world.found("asks", "asker").len(), 1);
    assert!(world.found("asks", "far").is_empty());
    world.start("two", &service);
    let two = world.field("two", "{{.NetworkSettings.Networks.red.IPAddress}}");
    assert_eq!(world.found("asks", "db"), [one.as_str(), two.as_str()]);
    let reverse = world.exec("asks", &look_up(&two)).ok().stdout;
    assert!(reverse.contains("name = two.red"), "{reverse}");
    world.rcon(&["rename", "two", "zwei"]).ok();
    assert_eq!(world.found("asks", "zwei"), [two.as_str()]);
    assert!(world.found("asks", "two").is_empty());
    world.rcon(&["rm", "-f", "one"]).ok();
    assert_eq!(world.found("asks", "db"), [two.as_str()]);
    // One whose keeper was killed had nobody to take its names back.
    let id = world.field("zwei", "{{.Id}}");
    let state = world
        .bed
        .root()
        .join("containers")
        .join(id)
        .join("state.json");
    let state: serde_json::Value = serde_json::from_slice(&std::fs::read(state).unwrap()).unwrap();
    world.sh(&format!("kill -9 {}", state["keeper"]));
    eventually("it is not found any more", || {
        world.found("asks", "db").is_empty()
    });
    world.rcon(&["rm", "-f", "asks", "zwei", "far"]).ok();
}

/// Asks once, and does not ask again.
fn ask_once(name: &str) -> String {
    format!("nslookup -retry=1 -timeout=4 {name} 127.0.0.11 2>&1 | sed 1,3d")
}

#[test]
fn the_first_question_is_answered_at_once() {
    let Some(world) = World::new() else { return };
    world.start("web", &[]);
    let address = world.field("web", "{{.NetworkSettings.IPAddress}}");
    // Nobody has asked before: the answer comes from a process that is made
    // for it while the question waits.
    for _ in 0..5 {
        let told = world.run(&[], &ask_once("web")).ok().stdout;
        assert!(told.contains(&format!("Address: {address}\n")), "{told}");
    }
    world.rcon(&["rm", "-f", "web"]).ok();
}

#[test]
fn who_has_just_started_is_found_and_who_has_ended_is_not() {
    let Some(world) = World::new() else { return };
    // Nobody outside is asked about names that are not there.
    let net = [
        "network",
        "create",
        "--internal",
        "--subnet",
        "10.6.0.0/24",
        "red",
    ];
    world.says(&net);
    world.start("asks", &["--network", "red"]);
    for round in 0..20 {
        let address = format!("10.6.0.{}", 10 + round % 3);
        let flags = [
            "--network",
            "red",
            "--network-alias",
            "db",
            "--ip",
            &address,
        ];
        world.start("comes", &flags);
        let told = world.exec("asks", &ask_once("db")).ok().stdout;
        let found: Vec<_> = told
            .lines()
            .filter(|l| l.starts_with("Address: "))
            .collect();
        assert_eq!(found, [format!("Address: {address}")], "{round}: {told}");
        world.rcon(&["rm", "-f", "comes"]).ok();
        let told = world.exec("asks", &ask_once("db")).stdout;
        assert!(!told.contains("Address: "), "{round}: {told}");
    }
    world.rcon(&["rm", "-f", "asks"]).ok();
}

#[test]
fn the_default_network_has_names_too() {
    let Some(world) = World::new() else { return };
    world.start("web", &[]);
    let seen = world.run(
        &[],
        "cat /etc/resolv.conf; ping -c 1 -W 2 web > /dev/null && echo there",
    );
    let seen = seen.ok().stdout;
    assert!(
        seen.contains("nameserver 127.0.0.11\n") && seen.contains("ndots:0"),
        "{seen}"
    );
    assert!(seen.ends_with("there\n"), "{seen}");
    world.rcon(&["rm", "-f", "web"]).ok();
}

#[test]
fn what_the_networks_do_not_know_is_asked_of_others() {
    let Some(world) = World::new() else { return };
    let resolver = resolver();
    world.says(&["network", "create", "--internal", "shut"]);
    world.start("free", &["--dns", MACHINE]);
    world.start("shut-in", &["--network", "shut", "--dns", MACHINE]);
    assert_eq!(world.found("free", "www.example.org"), ["192.0.2.53"]);
    assert!(world.found("shut-in", "secret.example.org").is_empty());
    let refused = world.exec("shut-in", &look_up("secret.example.org")).stdout;
    assert!(refused.contains("NXDOMAIN"), "{refused}");
    assert_eq!(world.found("free", "last.example.org"), ["192.0.2.53"]);
    let asked = resolver.join().unwrap();
    assert!(
        !asked.iter().any(|name| name.contains("secret")),
        "{asked:?}"
    );
    // Names without a dot are those of the networks.
    world.rcon(&["rm", "-f", "free", "shut-in"]).ok();
}

#[test]
fn long_answers_come_by_a_stream() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "red"]);
    let libraries = ["/usr", "/lib", "/lib64"].map(|d| format!("{d}:{d}:ro"));
    let flags = [
        "--network",
        "red",
        "-v",
        &libraries[0],
        "-v",
        &libraries[1],
        "-v",
        &libraries[2],
    ];
    world.start("asks", &flags);
    for n in 0..40 {
        let name = format!("member-{n}");
        world.start(&name, &["--network", "red", "--network-alias", "all"]);
    }
    // More than fits into 512 bytes.
    let mut count = 0;
    eventually("all of them are found", || {
        let found = world.rcon(&["exec", "asks", "/usr/bin/getent", "ahostsv4", "all"]);
        count = found
            .stdout
            .lines()
            .filter(|l| l.contains("STREAM"))
            .count();
        count == 40
    });
    let names: Vec<String> = (0..40).map(|n| format!("member-{n}")).collect();
    let mut args = vec!["rm", "-f", "asks"];
    args.extend(names.iter().map(String::as_str));
    world.rcon(&args).ok();
}

#[test]
fn the_machine_itself_has_a_name() {
    let Some(world) = World::new() else { return };
    let server = std::net::TcpListener::bind("0.0.0.0:7000").unwrap();
    let serving = thread::spawn(move || {
        use std::io::Write;
        for _ in 0..3 {
            let (mut client, _) = server.accept().expect("a client");
            let _ = client.write_all(b"this machine\n");
        }
    });
    let seen = world.run(
        &["--add-host", "mine:host-gateway"],
        "for h in host.docker.internal host.rcon.internal mine; do nc $h 7000 < /dev/null; done",
    );
    assert_eq!(seen.ok().stdout, "this machine\n".repeat(3));
    serving.join().unwrap();
}

#[test]
fn a_program_may_have_the_port_of_names_for_itself() {
    let Some(world) = World::new() else { return };
    world.serve("own", &["-p", "5353:53"], 53, "mine");
    let seen = crate::servers::first_line((std::net::Ipv4Addr::LOCALHOST, 5353));
    assert_eq!(seen.unwrap(), "mine");
    assert_eq!(world.found("own", "own.bridge").len(), 1);
    world.rcon(&["rm", "-f", "own"]).ok();
}
