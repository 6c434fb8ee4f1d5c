//! podman: how a private one is set up, and what only podman is asked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Engine, STAY, containers, isolation, joining, limits, shell, terminal};
use crate::checks::{self, Check, checks};
use crate::image;
use crate::needs;
use crate::podman_limits;
use crate::room::{self, Room, wait_until};
use crate::words::words;

const NEEDS: &[&str] = &["conmon", "iptables", "podman", "/usr/lib/podman/netavark"];

#[test]
fn podman_containers() {
    check(&[containers::CHECKS, CONTAINERS]);
}

#[test]
fn podman_exec_and_terminals() {
    check(&[joining::CHECKS, terminal::CHECKS, JOINING]);
}

#[test]
fn podman_limits_and_isolation() {
    check(&[limits::CHECKS, isolation::CHECKS, ISOLATION]);
}

fn check(lists: &[&[Check<Engine>]]) {
    if needs::met(&[room::NEEDS, NEEDS].concat()) {
        checks::run(&start(), &lists.concat());
    }
}

/// Writes podman's configuration into a new room, and imports the image.
fn start() -> Engine {
    let room = Room::open();
    fs::write(room.path("containers.conf"), configuration(&room)).expect("write a file");
    fs::write(room.path("storage.conf"), storage(&room)).expect("write a file");
    let podman = Engine {
        argv: vec![wrapper(&room)],
        options: format!("--cgroup-parent /{}", room.name()),
        cgroup_prefix: "libpod-",
        room,
    };
    let layer = image::layer(&podman.room).display().to_string();
    podman
        .cli(&format!(
            "import --change 'ENV PATH=/bin' {layer} {}",
            image::NAME
        ))
        .code(0);
    podman
}

/// A script that is podman, run from the room, with all of its places in the room; one word on a
/// command line that a failed check shows.
fn wrapper(room: &Room) -> String {
    let file = room.path("podman-here");
    fs::write(&file, script(room)).expect("write the script");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("chmod");
    file.display().to_string()
}

fn script(room: &Room) -> String {
    format!(
        "#!/bin/sh\n\
         cd {}\n\
         export CONTAINERS_CONF={} CONTAINERS_STORAGE_CONF={}\n\
         exec podman --root {} --runroot {} --tmpdir {} --volumepath {} \
         --network-config-dir {} --runtime {} \
         --cgroup-manager cgroupfs --events-backend file \"$@\"\n",
        room.text("home"),
        room.text("containers.conf"),
        room.text("storage.conf"),
        room.text("podman"),
        room.text("podman-run"),
        room.text("podman-tmp"),
        room.text("podman-volumes"),
        room.text("podman-networks"),
        room.runtime(),
    )
}

/// podman reads a runtime's errors as JSON only from those it knows by name.
fn configuration(room: &Room) -> String {
    let runtime = room.runtime();
    let name = runtime.rsplit('/').next().expect("a name");
    let limits = podman_limits::containers();
    format!("{limits}[engine]\nruntime_supports_json = [\"{name}\"]\n")
}

fn storage(room: &Room) -> String {
    format!(
        "[storage]\ndriver = \"overlay\"\ngraphroot = {:?}\nrunroot = {:?}\n",
        room.text("podman"),
        room.text("podman-run")
    )
}

const CONTAINERS: &[Check<Engine>] = checks![
    errors_reach_the_user,
    bridge_network,
    restart_policy,
    healthcheck,
    a_pod_shares_namespaces,
    a_pod_is_removed,
    prepared_and_started,
];

/// podman takes the runtime's error from its JSON log.
fn errors_reach_the_user(podman: &Engine) {
    podman
        .run("", "rcon-test-missing")
        .fails_with("executable file not found in $PATH");
    podman
        .run("--sysctl net.ipv4.ip_forward=many", "true")
        .fails_with("ip_forward");
}

/// podman makes the network namespace itself, and the runtime joins it.
fn bridge_network(podman: &Engine) {
    let gateway = "ping -c1 -w5 $(ip route | awk '/^default/ {print $3}')";
    let options = format!("run --rm {} {}", podman.options, image::NAME);
    let args = [words(&options), shell(gateway)].concat();
    podman.cli_with_input(args, "").code(0);
    podman
        .cli(&format!(
            "{} {}",
            options.replace("--rm", "--rm --network host"),
            "ip link show lo"
        ))
        .code(0);
}

fn restart_policy(podman: &Engine) {
    podman.background("again", "--restart on-failure:2", "echo try; exit 1");
    let log = || podman.cli("logs again").ok();
    let done = wait_until(Duration::from_secs(20), || log() == "try\ntry\ntry");
    assert!(done, "log: {:?}", log());
}

fn healthcheck(podman: &Engine) {
    let options = "--health-cmd 'test -e /tmp/fit' --health-interval disable --health-retries 1";
    podman.background("patient", options, STAY);
    podman.cli("healthcheck run patient").code(1);
    podman.exec("patient", "touch /tmp/fit").code(0);
    podman.cli("healthcheck run patient").code(0);
}

fn make_pod(podman: &Engine, name: &str) {
    let infra = format!(
        "--infra-image {} --infra-command '/bin/sleep 1000'",
        image::NAME
    );
    let share = "--share pid,net,ipc,uts --network none";
    podman
        .cli(&format!(
            "pod create {} {share} {infra} --name {name}",
            podman.options
        ))
        .code(0);
}

fn a_pod_shares_namespaces(podman: &Engine) {
    make_pod(podman, "pod");
    for name in ["pod-a", "pod-b"] {
        let args = format!("run -d --pod pod --name {name} {} sleep 1000", image::NAME);
        podman.cli(&args).code(0);
    }
    let namespaces = |name, kind: &str| {
        let command = format!("readlink /proc/self/ns/{kind}");
        podman.exec(name, &command).ok()
    };
    for kind in ["pid", "net", "ipc", "uts"] {
        assert_eq!(namespaces("pod-a", kind), namespaces("pod-b", kind));
    }
    assert_ne!(namespaces("pod-a", "mnt"), namespaces("pod-b", "mnt"));
    let seen = podman.exec("pod-a", "ps | grep -c '[s]leep 1000'");
    seen.prints("3");
}

fn a_pod_is_removed(podman: &Engine) {
    make_pod(podman, "short");
    let args = format!(
        "run -d --pod short --name short-a {} sleep 1000",
        image::NAME
    );
    podman.cli(&args).code(0);
    podman.cli("pod pause short").code(0);
    assert_eq!(podman.inspect("short-a", ".State.Status"), "paused");
    podman.cli("pod unpause short").code(0);
    podman.cli("pod rm -f -t 0 short").code(0);
    podman.cli("inspect short-a").fails_with("no such object");
}

/// `init` is the runtime's create without its start.
fn prepared_and_started(podman: &Engine) {
    let create = words("create --name ready --network none");
    let create = [
        create,
        words(&podman.options),
        words(image::NAME),
        shell("echo began"),
    ]
    .concat();
    podman.cli_with_input(create, "").code(0);
    podman.cli("init ready").code(0);
    assert_eq!(podman.inspect("ready", ".State.Status"), "initialized");
    podman.cli("logs ready").prints("");
    podman.cli("start ready").code(0);
    podman.wait_for_log("ready", "began");
}

const JOINING: &[Check<Engine>] = checks![top, stats];

fn top(podman: &Engine) {
    podman.background("listed", "", "sleep 1001 & sleep 1002; wait");
    let there = || {
        let list = podman.cli("top listed pid args").ok();
        list.contains("sleep 1001") && list.contains("sleep 1002") && list.lines().count() == 4
    };
    assert!(
        wait_until(Duration::from_secs(10), there),
        "not both sleeps"
    );
}

fn stats(podman: &Engine) {
    podman.background("measured", "--memory 64m", STAY);
    let read = || -> Value {
        let text = podman.cli("stats --no-stream --format json measured").ok();
        serde_json::from_str(&text).expect("JSON")
    };
    // The shell is there at once, the program it starts a moment later.
    let both = || read()[0]["pids"] == json!("2");
    assert!(wait_until(Duration::from_secs(10), both), "{}", read());
    let stats = read();
    let memory = stats[0]["mem_usage"].as_str().expect("text");
    assert!(
        memory.ends_with(" / 67.11MB") && !memory.starts_with("0B"),
        "{stats}"
    );
}

const ISOLATION: &[Check<Engine>] = checks![mapped_users, users_mapped_automatically];

fn mapped_users(podman: &Engine) {
    let map = "--uidmap 0:300000:2000 --gidmap 0:300000:2000";
    let out = podman.sh(map, "id -u; cat /proc/self/uid_map").ok();
    let fields: Vec<&str> = out.split_whitespace().collect();
    assert_eq!(fields, ["0", "0", "300000", "2000"]);
    podman
        .sh(map, "touch /root/file; stat -c %u /root/file /root")
        .prints("0\n0");
}

fn users_mapped_automatically(podman: &Engine) {
    podman.background("auto", "--userns auto", STAY);
    let map = podman.exec("auto", "cat /proc/self/uid_map").ok();
    let fields: Vec<&str> = map.split_whitespace().collect();
    assert_eq!(fields[0], "0", "{map}");
    let first: u32 = fields[1].parse().expect("a number");
    assert!((300_000..955_360).contains(&first), "{map}");
}
