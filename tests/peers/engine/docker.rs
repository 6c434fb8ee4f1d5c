//! Docker: how a private dockerd is started, and what only Docker is asked.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Engine, LISTEN, STAY, containers, isolation, joining, limits, terminal};
use crate::checks::{self, Check, checks};
use crate::containerd;
use crate::image;
use crate::needs;
use crate::room::{self, Room, wait_until};

const NEEDS: &[&str] = &[
    "containerd",
    "docker",
    "docker-init",
    "dockerd",
    "iptables",
    "ps",
];

#[test]
fn docker_containers() {
    check("", &[containers::CHECKS, CONTAINERS]);
}

#[test]
fn docker_exec_and_terminals() {
    check("", &[joining::CHECKS, terminal::CHECKS, JOINING]);
}

#[test]
fn docker_limits_and_isolation() {
    check("", &[limits::CHECKS, LIMITS, isolation::CHECKS, ISOLATION]);
}

#[test]
fn docker_remapped() {
    check("--userns-remap daemon", &[REMAPPED]);
}

fn check(options_of_the_daemon: &str, lists: &[&[Check<Engine>]]) {
    if needs::met(&[room::NEEDS, NEEDS].concat()) {
        checks::run(&start(options_of_the_daemon), &lists.concat());
    }
}

/// Starts containerd and dockerd in a new room, and imports the image.
fn start(options: &str) -> Engine {
    let room = Room::open();
    containerd::start(&room);
    fs::write(room.path("daemon.json"), configuration(&room)).expect("write daemon.json");
    let docker = Engine {
        argv: ["docker", "--host", &address(&room)]
            .map(str::to_owned)
            .to_vec(),
        options: String::new(),
        cgroup_prefix: "",
        room,
    };
    let dockerd = format!(
        "dockerd --config-file {} {options}",
        docker.room.text("daemon.json")
    );
    docker.room.start_daemon(&dockerd, |room| {
        room.path("docker.sock").exists() && docker.cli("version").code == 0
    });
    let layer = image::layer(&docker.room).display().to_string();
    docker
        .cli(&format!(
            "import --change 'ENV PATH=/bin' {layer} {}",
            image::NAME
        ))
        .code(0);
    docker
}

fn address(room: &Room) -> String {
    format!("unix://{}", room.text("docker.sock"))
}

fn configuration(room: &Room) -> String {
    let configuration = json!({
        "data-root": room.text("docker"),
        "exec-root": room.text("docker-exec"),
        "pidfile": room.text("dockerd.pid"),
        "hosts": [address(room)],
        "containerd": containerd::address(room),
        "runtimes": {"rcon": {"path": room.runtime()}},
        "default-runtime": "rcon",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "cgroup-parent": format!("/{}", room.name()),
        // The default is a lower score, which asks for CAP_SYS_RESOURCE.
        "oom-score-adjust": 0,
    });
    configuration.to_string()
}

const CONTAINERS: &[Check<Engine>] = checks![
    error_of_a_missing_program,
    failure_of_the_runtime,
    init,
    bridge_network,
    restart_policy,
];

/// Docker tells 126 and 127 apart by the words of the runtime's error.
fn error_of_a_missing_program(docker: &Engine) {
    docker
        .run("", "rcon-test-missing")
        .fails_with("exec: \"rcon-test-missing\": executable file not found in $PATH");
    docker
        .run("", "/rcon-test-missing")
        .fails_with("no such file or directory");
    docker
        .run("", "/etc/passwd")
        .fails_with("permission denied");
    docker.run("", "/etc").code(126);
}

/// What cannot be set up is Docker's 125, and the error says what it was.
fn failure_of_the_runtime(docker: &Engine) {
    docker
        .run("--sysctl net.ipv4.ip_forward=many", "true")
        .code(125)
        .fails_with("ip_forward");
}

fn init(docker: &Engine) {
    docker.run("", "cat /proc/1/comm").prints("cat");
    docker
        .run("--init", "cat /proc/1/comm")
        .prints("docker-init");
    docker.sh("--init", "exit 3").code(3);
    docker.sh("--init", "kill -9 $$").code(137);
}

/// The daemon's own hook moves an interface into the runtime's namespace.
fn bridge_network(docker: &Engine) {
    let gateway = "ping -c1 -w5 $(ip route | awk '/^default/ {print $3}')";
    let args = ["run", "--rm", image::NAME, "sh", "-c", gateway].map(str::to_owned);
    docker.cli_with_input(args.to_vec(), "").code(0);
    docker
        .cli(&format!(
            "run --rm --network host {} ip link show docker0",
            image::NAME
        ))
        .code(0);
}

fn restart_policy(docker: &Engine) {
    docker.background("again", "--restart on-failure:2", "echo try; exit 1");
    let count = || docker.inspect("again", ".RestartCount}} {{.State.Status");
    let done = wait_until(Duration::from_secs(20), || count() == "2 exited");
    assert!(done, "restarts: {}", count());
    docker.cli("logs again").prints("try\ntry\ntry");
}

const JOINING: &[Check<Engine>] = checks![top, stats];

fn top(docker: &Engine) {
    docker.background("listed", "", "sleep 1001 & sleep 1002; wait");
    let there = || {
        let list = docker.cli("top listed -o pid,args").ok();
        list.contains("sleep 1001") && list.contains("sleep 1002") && list.lines().count() == 4
    };
    assert!(
        wait_until(Duration::from_secs(10), there),
        "not both sleeps"
    );
}

fn stats(docker: &Engine) {
    docker.background("measured", "--memory 64m", STAY);
    let line = docker
        .cli("stats --no-stream --format '{{json .}}' measured")
        .ok();
    let stats: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(stats["PIDs"], "2", "{stats}");
    let memory = stats["MemUsage"].as_str().expect("text");
    assert!(
        memory.ends_with(" / 64MiB") && !memory.starts_with("0B"),
        "{stats}"
    );
}

const LIMITS: &[Check<Engine>] = checks![update_pids];

fn update_pids(docker: &Engine) {
    docker.background("pids", "--pids-limit 50", STAY);
    docker.cli("update --pids-limit 20 pids").code(0);
    assert_eq!(docker.limits("pids").pids(), "20");
    docker.cli("update --pids-limit -1 pids").code(0);
    assert_eq!(docker.limits("pids").pids(), "max");
}

const ISOLATION: &[Check<Engine>] = checks![seccomp_of_docker, tmpfs_of_docker];

/// The kernel itself says EINVAL to whoever enters the user namespace where
/// it is already; where it says EPERM, the filter spoke first.
fn seccomp_of_docker(docker: &Engine) {
    let probe = "nsenter --user=/proc/self/ns/user true";
    let unconfined = "--security-opt seccomp=unconfined";
    docker.run("", probe).fails_with("operation not permitted");
    docker.run(unconfined, probe).fails_with("invalid argument");
    docker
        .run("", "unshare -U true")
        .fails_with("operation not permitted");
    docker.run(unconfined, "unshare -U true").code(0);
}

/// Docker's own defaults for a tmpfs.
fn tmpfs_of_docker(docker: &Engine) {
    docker
        .sh(
            "--tmpfs /scratch",
            "cp /bin/busybox /scratch; /scratch/busybox true",
        )
        .fails_with("permission denied");
}

const REMAPPED: &[Check<Engine>] = checks![
    ids_are_mapped,
    files_are_mapped,
    exec_is_mapped,
    signals_arrive,
    host_users
];

/// The first subordinate id of `daemon` in the room.
const BASE: u32 = 200_000;

fn ids_are_mapped(docker: &Engine) {
    docker.run("", "id -u").prints("0");
    let map = docker.run("", "cat /proc/self/uid_map").ok();
    let fields: Vec<&str> = map.split_whitespace().collect();
    assert_eq!(fields, ["0", "200000", "65536"]);
    docker.background("mapped", "-u worker", "sleep 1000");
    let pid = docker.inspect("mapped", ".State.Pid");
    docker
        .room
        .run(&format!("stat -c %u /proc/{pid}"))
        .prints(&(BASE + 1000).to_string());
}

fn files_are_mapped(docker: &Engine) {
    let folder = docker.folder("volume");
    docker
        .sh(&format!("-v {folder}:/v"), "touch /v/file /root/file")
        .code(0);
    let file = fs::metadata(format!("{folder}/file")).expect("stat");
    assert_eq!(file.uid(), BASE);
}

fn exec_is_mapped(docker: &Engine) {
    docker.background("joined", "", STAY);
    let script = "for p in 1 self; do readlink /proc/$p/ns/user; done | uniq | wc -l; id -u";
    docker.exec("joined", script).prints("1\n0");
}

fn signals_arrive(docker: &Engine) {
    docker.background("polite", "", &format!("trap 'exit 5' TERM; {LISTEN}"));
    docker.wait_for_log("polite", "up");
    docker.cli("stop polite").code(0);
    assert_eq!(docker.wait("polite"), "5");
}

fn host_users(docker: &Engine) {
    let map = docker.run("--userns host", "cat /proc/self/uid_map").ok();
    let fields: Vec<&str> = map.split_whitespace().collect();
    assert_eq!(fields, ["0", "0", "4294967295"]);
}
