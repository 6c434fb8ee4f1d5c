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

/// Where the room's containerd listens.
pub(crate) fn address(room: &Room) -> String {
    room.text("containerd.sock")
}

/// Starts a containerd in the room; it ends with the room.
pub(crate) fn start(room: &Room) {
    let config = room.text("containerd.toml");
    fs::write(&config, configuration(room)).expect("write containerd.toml");
    let argv = ["containerd", "--config", &config].map(str::to_owned);
    room.start_daemon(&argv, |room| {
        room.run(&["ctr", "--address", &address(room), "version"])
            .code
            == 0
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
    fn start() -> Option<Self> {
        if !needs::met(&[room::NEEDS, &["containerd", "ctr"]].concat()) {
            return None;
        }
        let ctr = Ctr { room: Room::open() };
        start(&ctr.room);
        let archive = image::oci_archive(&ctr.room).display().to_string();
        ctr.cli(&["image", "import", &archive]).code(0);
        Some(ctr)
    }

    /// The namespace is the room's name: containerd makes it the cgroups' too.
    fn argv(&self, args: &[&str]) -> Vec<String> {
        let address = address(&self.room);
        [
            &[
                "ctr",
                "--address",
                &address,
                "--namespace",
                self.room.name(),
            ],
            args,
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
    }

    fn cli(&self, args: &[&str]) -> Outcome {
        self.room.run(&self.argv(args))
    }

    fn command(&self, args: &[&str]) -> Command {
        self.room.enter(&self.argv(args))
    }

    /// `ctr run OPTIONS IMAGE NAME sh -c SCRIPT` with the runtime under test.
    fn run(&self, options: &[&str], name: &str, script: &str) -> Outcome {
        let runtime = self.room.runtime();
        self.cli(&Self::arguments(&runtime, options, name, script))
    }

    fn arguments<'a>(
        runtime: &'a str,
        options: &[&'a str],
        name: &'a str,
        script: &'a str,
    ) -> Vec<&'a str> {
        let start = &["run", "--runc-binary", runtime];
        [start, options, &[image::NAME, name, "sh", "-c", script]].concat()
    }

    fn background(&self, name: &str, options: &[&str], script: &str) {
        let options = [&["--detach"], options].concat();
        self.run(&options, name, script).code(0);
    }

    fn task(&self, command: &str, args: &[&str]) -> Outcome {
        self.cli(&[&["task", command], args].concat())
    }

    fn limits(&self, name: &str) -> Limits {
        self.room.cgroups().limits(name)
    }

    /// Waits until `ctr task ls` has the container in this state.
    fn wait_for_state(&self, name: &str, state: &str) {
        let mut list = String::new();
        let there = wait_until(Duration::from_secs(20), || {
            list = self.task("ls", &[]).ok();
            list.lines()
                .any(|line| line.starts_with(name) && line.ends_with(state))
        });
        assert!(there, "{name} is not {state}: {list}");
    }
}

#[test]
fn containerd_tasks() {
    if let Some(ctr) = Ctr::start() {
        checks::run(&ctr, CHECKS);
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
    terminals,
    pause_and_resume,
    kill,
    metrics_and_ps,
    checkpoint_is_refused,
    deletion_leaves_nothing,
];

fn exit_codes(ctr: &Ctr) {
    ctr.run(&["--rm"], "code-0", "echo out; echo err >&2")
        .prints("out");
    ctr.run(&["--rm"], "code-42", "exit 42").code(42);
    ctr.run(&["--rm"], "code-137", "sh -c 'kill -9 $$'; exit $?")
        .code(137);
}

fn a_program_that_cannot_run(ctr: &Ctr) {
    let runtime = ctr.room.runtime();
    let run = [
        "run",
        "--rm",
        "--runc-binary",
        &runtime,
        image::NAME,
        "missing",
    ];
    ctr.cli(&[&run[..], &["rcon-test-missing"]].concat())
        .fails_with("executable file not found in $PATH");
}

fn rootfs_without_an_image(ctr: &Ctr) {
    let root = image::root_filesystem(&ctr.room).display().to_string();
    let runtime = ctr.room.runtime();
    let run = [
        "run",
        "--rm",
        "--runc-binary",
        &runtime,
        "--rootfs",
        &root,
        "folder",
    ];
    ctr.cli(&[&run[..], &["/bin/echo", "from a folder"]].concat())
        .prints("from a folder");
}

fn options_of_run(ctr: &Ctr) {
    let mount = format!(
        "type=bind,src={},dst=/in,options=rbind:ro",
        ctr.room.text("home")
    );
    let options = [
        "--rm",
        "--env",
        "A=b c",
        "--cwd",
        "/tmp",
        "--read-only",
        "--mount",
        &mount,
    ];
    ctr.run(&options, "options", "echo $A; pwd; touch /file /in/file")
        .fails_with("/in/file: Read-only file system");
    ctr.run(&options, "options", "echo $A; pwd")
        .prints("b c\n/tmp");
    let net = ctr.room.run(&["readlink", "/proc/self/ns/net"]).ok();
    ctr.run(&["--rm", "--net-host"], "net", "readlink /proc/self/ns/net")
        .prints(&net);
}

fn limits(ctr: &Ctr) {
    let options = ["--memory-limit", "67108864", "--cpus", "0.5"];
    ctr.background("limited", &options, "sleep 1000");
    assert_eq!(ctr.limits("limited").memory(), "67108864");
    assert_eq!(ctr.limits("limited").cpu_percent(), 50);
}

fn default_profile(ctr: &Ctr) {
    ctr.run(&["--rm", "--seccomp"], "profile", "unshare -U true")
        .fails_with("operation not permitted");
    ctr.run(&["--rm"], "no-profile", "unshare -U true").code(0);
}

fn user_namespace(ctr: &Ctr) {
    // The snapshot's files keep their owners: others' rights must do.
    let map = ["--uidmap", "0:200000:65536", "--gidmap", "0:200000:65536"];
    let options = [&["--rm"], &map[..]].concat();
    let out = ctr
        .run(&options, "mapped", "id -u; cat /proc/self/uid_map")
        .ok();
    let fields: Vec<&str> = out.split_whitespace().collect();
    assert_eq!(fields, ["0", "0", "200000", "65536"]);
}

fn exec(ctr: &Ctr) {
    ctr.background("joined", &[], "sleep 1000");
    let exec =
        |id: &str, script: &str| ctr.task("exec", &["--exec-id", id, "joined", "sh", "-c", script]);
    exec(
        "plain",
        "readlink /proc/self/ns/mnt /proc/1/ns/mnt | uniq | wc -l",
    )
    .prints("1");
    exec("code", "exit 42").code(42);
    let user = ["--exec-id", "user", "--user", "1000:2000", "--cwd", "/tmp"];
    let argv = [&user[..], &["joined", "sh", "-c", "id -u; id -g; pwd"]].concat();
    ctr.task("exec", &argv).prints("1000\n2000\n/tmp");
    ctr.task(
        "exec",
        &["--exec-id", "none", "joined", "rcon-test-missing"],
    )
    .fails_with("executable file not found in $PATH");
}

const SIZE_TWICE: &str = "tty; read _; stty size; exit 9";

fn terminals(ctr: &Ctr) {
    let runtime = ctr.room.runtime();
    let run = Ctr::arguments(&runtime, &["--rm", "--tty"], "seated", SIZE_TWICE);
    size_follows(&ctr.command(&run));
    ctr.background("host", &[], "sleep 1000");
    let exec = [
        "task",
        "exec",
        "--exec-id",
        "seat",
        "--tty",
        "host",
        "sh",
        "-c",
        SIZE_TWICE,
    ];
    size_follows(&ctr.command(&exec));
}

fn size_follows(command: &Command) {
    let mut terminal = Terminal::start(command);
    terminal.expect("/dev/pts/0\r\n");
    terminal.resize(33, 99);
    std::thread::sleep(Duration::from_millis(300));
    terminal.type_in("\n");
    terminal.expect("33 99\r\n");
    terminal.exits(9);
}

fn pause_and_resume(ctr: &Ctr) {
    ctr.background("pausing", &[], "while :; do sleep 0.1; done");
    ctr.task("pause", &["pausing"]).code(0);
    ctr.wait_for_state("pausing", "PAUSED");
    assert!(ctr.limits("pausing").frozen());
    ctr.task("resume", &["pausing"]).code(0);
    ctr.wait_for_state("pausing", "RUNNING");
    assert!(!ctr.limits("pausing").frozen());
}

fn kill(ctr: &Ctr) {
    ctr.background("killed", &[], "sleep 1001 & sleep 1002; wait");
    ctr.task("kill", &["--signal", "SIGKILL", "--all", "killed"])
        .code(0);
    ctr.wait_for_state("killed", "STOPPED");
    ctr.task("rm", &["killed"]).code(137);
}

fn metrics_and_ps(ctr: &Ctr) {
    ctr.background(
        "measured",
        &["--memory-limit", "67108864"],
        "sleep 1001 & sleep 1002; wait",
    );
    let both = || ctr.task("ps", &["measured"]).ok().lines().count() == 4;
    assert!(
        wait_until(Duration::from_secs(10), both),
        "a header and three processes"
    );
    let metrics = ctr.task("metrics", &["measured"]).ok();
    assert!(metrics.contains("67108864"), "{metrics}");
    let pids = metrics
        .lines()
        .find(|line| line.starts_with("pids.current"));
    assert!(pids.is_some_and(|line| line.ends_with('3')), "{metrics}");
}

/// Nothing here can checkpoint. What matters is that the task is told why,
/// and that it is still there afterwards.
fn checkpoint_is_refused(ctr: &Ctr) {
    ctr.background("kept", &[], "sleep 1000");
    ctr.task("checkpoint", &["kept"]).fails_with("criu");
    ctr.wait_for_state("kept", "RUNNING");
}

fn deletion_leaves_nothing(ctr: &Ctr) {
    ctr.background("gone", &[], "sleep 1000");
    assert!(ctr.limits("gone").exist());
    ctr.task("rm", &["--force", "gone"]).code(137);
    assert!(!ctr.limits("gone").exist(), "its cgroup is still there");
    ctr.cli(&["container", "rm", "gone"]).code(0);
    ctr.run(&["--rm"], "gone", "echo the name is free")
        .prints("the name is free");
}
