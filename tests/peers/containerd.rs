//! containerd: a private daemon, driven by its own `ctr`.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::cgroups::Limits;
use crate::checks::{self, Check, checks};
use crate::image;
use crate::needs;
use crate::outcome::Outcome;
use crate::pty::Terminal;
use crate::room::{self, Room, wait_until};
use crate::words::words;

/// Where the room's containerd listens.
pub(crate) fn address(room: &Room) -> String {
    room.text("containerd.sock")
}

/// Starts a containerd in the room; it ends with the room.
pub(crate) fn start(room: &Room) {
    let config = room.text("containerd.toml");
    fs::write(&config, configuration(room)).expect("write containerd.toml");
    room.start_daemon(&format!("containerd --config {config}"), |room| {
        let version = format!("ctr --address {} version", address(room));
        room.run(&version).code == 0
    });
}

fn configuration(room: &Room) -> String {
    format!(
        "version = 2\nroot = {:?}\nstate = {:?}\noom_score = 0\n\
         disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {:?}\n",
        room.text("containerd"),
        room.text("containerd-state"),
        address(room),
    )
}

struct Ctr {
    room: Room,
}

impl Ctr {
    fn start() -> Self {
        let ctr = Ctr { room: Room::open() };
        start(&ctr.room);
        let archive = image::oci_archive(&ctr.room).display().to_string();
        ctr.cli(&format!("image import {archive}")).code(0);
        ctr
    }

    /// The namespace is the room's name: containerd makes it the cgroups' too.
    fn argv(&self, args: Vec<String>) -> Vec<String> {
        let (address, name) = (address(&self.room), self.room.name());
        let start = words(&format!("ctr --address {address} --namespace {name}"));
        [start, args].concat()
    }

    fn cli(&self, line: &str) -> Outcome {
        self.room.run_with_input(&self.argv(words(line)), "")
    }

    fn command(&self, args: Vec<String>) -> Command {
        self.room.enter(&self.argv(args))
    }

    /// The arguments of `run` with the runtime under test.
    fn arguments(&self, options: &str, name: &str, script: &str) -> Vec<String> {
        let runtime = self.room.runtime();
        let run = format!(
            "run --runc-binary {runtime} {options} {} {name} sh -c",
            image::NAME
        );
        [words(&run), vec![script.to_owned()]].concat()
    }

    /// `run --rm` of a shell script.
    fn run(&self, options: &str, name: &str, script: &str) -> Outcome {
        let args = self.arguments(&format!("--rm {options}"), name, script);
        self.room.run_with_input(&self.argv(args), "")
    }

    #[track_caller]
    fn background(&self, name: &str, options: &str, script: &str) {
        let args = self.arguments(&format!("--detach {options}"), name, script);
        self.room.run_with_input(&self.argv(args), "").code(0);
    }

    fn limits(&self, name: &str) -> Limits {
        self.room.cgroups().limits(name)
    }

    /// Waits until `ctr task ls` has the container in this state.
    #[track_caller]
    fn wait_for_state(&self, name: &str, state: &str) {
        let mut list = String::new();
        let there = wait_until(Duration::from_secs(20), || {
            list = self.cli("task ls").ok();
            list.lines()
                .any(|line| line.starts_with(name) && line.ends_with(state))
        });
        assert!(there, "{name} is not {state}: {list}");
    }
}

#[test]
fn containerd_tasks() {
    if needs::met(&[room::NEEDS, &["containerd", "ctr"]].concat()) {
        checks::run(&Ctr::start(), CHECKS);
    }
}

const CHECKS: &[Check<Ctr>] = checks![
    exit_codes,
    a_program_that_cannot_run,
    rootfs_without_an_image,
    options_of_run,
    limits,
    default_profile,
    user_namespace,
    exec,
    exec_in_a_paused_container,
    terminal_of_run,
    terminal_of_exec,
    pause_and_resume,
    kill,
    ps,
    metrics,
    checkpoint_is_refused,
    deletion_leaves_nothing,
];

const STAY: &str = "while :; do sleep 1000; done";

fn exit_codes(ctr: &Ctr) {
    ctr.run("", "code-0", "echo out; echo err >&2")
        .prints("out");
    ctr.run("", "code-42", "exit 42").code(42);
}

fn a_program_that_cannot_run(ctr: &Ctr) {
    let runtime = ctr.room.runtime();
    let run = format!("run --rm --runc-binary {runtime} {}", image::NAME);
    ctr.cli(&format!("{run} missing rcon-test-missing"))
        .fails_with("executable file not found in $PATH");
}

fn rootfs_without_an_image(ctr: &Ctr) {
    let root = image::root_filesystem(&ctr.room).display().to_string();
    let runtime = ctr.room.runtime();
    let run = format!("run --rm --runc-binary {runtime} --rootfs {root}");
    ctr.cli(&format!("{run} folder /bin/echo 'from a folder'"))
        .prints("from a folder");
}

fn options_of_run(ctr: &Ctr) {
    let home = ctr.room.text("home");
    let mount = format!("--mount type=bind,src={home},dst=/in,options=rbind:ro");
    let options = format!("--env 'A=b c' --cwd /tmp --read-only {mount}");
    ctr.run(&options, "options", "echo $A; pwd")
        .prints("b c\n/tmp");
    let refused = "read-only file system";
    ctr.run(&options, "root", "touch /file").fails_with(refused);
    ctr.run(&options, "in", "touch /in/file")
        .fails_with(refused);
    let net = ctr.room.run("readlink /proc/self/ns/net").ok();
    ctr.run("--net-host", "net", "readlink /proc/self/ns/net")
        .prints(&net);
}

fn limits(ctr: &Ctr) {
    let options = "--memory-limit 67108864 --cpus 0.5";
    ctr.background("limited", options, STAY);
    assert_eq!(ctr.limits("limited").memory(), "67108864");
    assert_eq!(ctr.limits("limited").cpu_percent(), 50);
}

fn default_profile(ctr: &Ctr) {
    let probe = "unshare -U true";
    ctr.run("--seccomp", "profile", probe)
        .fails_with("operation not permitted");
    ctr.run("", "no-profile", probe).code(0);
}

fn user_namespace(ctr: &Ctr) {
    let options = "--uidmap 0:200000:65536 --gidmap 0:200000:65536";
    let script = "id -u; cat /proc/self/uid_map";
    let out = ctr.run(options, "mapped", script).ok();
    let fields: Vec<&str> = out.split_whitespace().collect();
    assert_eq!(fields, ["0", "0", "200000", "65536"]);
}

fn exec(ctr: &Ctr) {
    ctr.background("joined", "", STAY);
    let same = "for p in 1 self; do readlink /proc/$p/ns/mnt; done | uniq | wc -l";
    let exec = |id: &str, script: &str| {
        let args = words(&format!("task exec --exec-id {id} joined sh -c"));
        let line = ctr.argv([args, vec![script.to_owned()]].concat());
        ctr.room.run_with_input(&line, "")
    };
    exec("plain", same).prints("1");
    exec("code", "exit 42").code(42);
    ctr.cli(
        "task exec --exec-id user --user 1000:2000 --cwd /tmp joined sh -c 'id -u; id -g; pwd'",
    )
    .prints("1000\n2000\n/tmp");
    ctr.cli("task exec --exec-id none joined rcon-test-missing")
        .fails_with("executable file not found in $PATH");
}

/// containerd leaves it to the runtime to refuse this.
fn exec_in_a_paused_container(ctr: &Ctr) {
    ctr.background("still", "", STAY);
    ctr.cli("task pause still").code(0);
    ctr.cli("task exec --exec-id early still true")
        .fails_with("paused");
    ctr.cli("task resume still").code(0);
    ctr.cli("task exec --exec-id late still true").code(0);
}

const SIZE: &str =
    "tty; until test \"$(stty size)\" = \"33 99\"; do sleep 0.1; done; echo sized; read _; exit 9";

fn terminal_of_run(ctr: &Ctr) {
    let args = ctr.arguments("--rm --tty", "seated", SIZE);
    size_follows(&ctr.command(args));
}

fn terminal_of_exec(ctr: &Ctr) {
    ctr.background("house", "", STAY);
    let args = words(&format!(
        "task exec --exec-id seat --tty house sh -c '{SIZE}'"
    ));
    size_follows(&ctr.command(args));
}

fn size_follows(command: &Command) {
    let mut terminal = Terminal::start(command);
    terminal.expect("/dev/pts/0");
    terminal.resize_until("sized");
    terminal.type_in("\n");
    terminal.exits(9);
}

fn pause_and_resume(ctr: &Ctr) {
    ctr.background("pausing", "", STAY);
    ctr.cli("task pause pausing").code(0);
    ctr.wait_for_state("pausing", "PAUSED");
    assert!(ctr.limits("pausing").frozen());
    ctr.cli("task resume pausing").code(0);
    ctr.wait_for_state("pausing", "RUNNING");
    assert!(!ctr.limits("pausing").frozen());
}

fn kill(ctr: &Ctr) {
    ctr.background("killed", "", "sleep 1001 & sleep 1002; wait");
    ctr.cli("task kill --signal SIGKILL --all killed").code(0);
    ctr.wait_for_state("killed", "STOPPED");
    let removed = ctr.cli("task rm killed");
    assert!(removed.stderr.contains("exit code 137"), "{removed}");
}

fn ps(ctr: &Ctr) {
    ctr.background("listed", "", "sleep 1001 & sleep 1002; wait");
    // A header, the shell and its two children.
    let all = || ctr.cli("task ps listed").ok().lines().count() == 4;
    assert!(wait_until(Duration::from_secs(10), all), "not all three");
}

fn metrics(ctr: &Ctr) {
    ctr.background("measured", "--memory-limit 67108864", "sleep 1000");
    let metrics = ctr.cli("task metrics measured").ok();
    let value = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_whitespace().nth(1));
        value.unwrap_or_else(|| panic!("no {name}: {metrics}"))
    };
    assert_eq!(value("memory.limit"), "67108864");
    assert_eq!(value("pids.current"), "1");
    assert_ne!(value("memory.usage"), "0");
}

/// Nothing here can checkpoint. What matters is that the user is told why,
/// and that the task is still there afterwards.
fn checkpoint_is_refused(ctr: &Ctr) {
    ctr.background("kept", "", STAY);
    ctr.cli("task checkpoint kept").fails_with("criu");
    ctr.wait_for_state("kept", "RUNNING");
}

fn deletion_leaves_nothing(ctr: &Ctr) {
    ctr.background("gone", "", STAY);
    assert!(ctr.limits("gone").exist());
    ctr.cli("task rm --force gone").code(0);
    assert!(!ctr.limits("gone").exist(), "its cgroup is still there");
    ctr.cli("container rm gone").code(0);
    ctr.run("", "gone", "echo the name is free")
        .prints("the name is free");
}
