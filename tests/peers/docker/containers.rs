//! A container's life under Docker: start, streams, signals, end.

use std::time::Duration;

use super::Docker;
use crate::checks::{Check, checks};
use crate::image;
use crate::room::wait_until;

pub(super) const CHECKS: &[Check<Docker>] = checks![
    exit_codes,
    a_program_that_cannot_run,
    a_failure_of_the_runtime,
    a_killed_program,
    streams,
    environment,
    user_and_groups,
    volumes,
    bridge_network,
    detached_and_logs,
    stop_is_graceful,
    kill_with_a_signal,
    pause_and_unpause,
    restart_policy,
    restart,
    removal_by_force,
    copy_in_and_out,
];

fn exit_codes(docker: &Docker) {
    for code in [0, 1, 42, 255] {
        docker.sh(&[], &format!("exit {code}")).code(code);
    }
}

/// Docker tells 126 and 127 apart by the words of the runtime's error.
fn a_program_that_cannot_run(docker: &Docker) {
    let missing = docker.run(&[], &["rcon-test-missing"]).code(127);
    missing.fails_with("executable file not found in $PATH");
    let missing = docker.run(&[], &["/rcon-test-missing"]).code(127);
    missing.fails_with("no such file or directory");
    let no_program = docker.run(&[], &["/etc/passwd"]).code(126);
    no_program.fails_with("permission denied");
    docker.run(&[], &["/etc"]).code(126);
}

/// What cannot be set up is the daemon's 125, and the error says which.
fn a_failure_of_the_runtime(docker: &Docker) {
    let failed = docker.run(&["--sysctl", "net.ipv4.ip_forward=many"], &["true"]);
    failed.code(125).fails_with("ip_forward");
}

fn a_killed_program(docker: &Docker) {
    docker.sh(&["--init"], "kill -9 $$").code(137);
    docker.background("killed", &[], "sleep 1000");
    docker.cli(&["kill", "killed"]).code(0);
    assert_eq!(docker.wait("killed"), "137");
}

fn streams(docker: &Docker) {
    let both = docker.sh(&[], "echo out; echo err >&2");
    assert_eq!((&*both.stdout, &*both.stderr), ("out\n", "err\n"));
    let address = docker.address();
    let argv = [
        "run",
        "--rm",
        "-i",
        "--network",
        "none",
        image::NAME,
        "wc",
        "-c",
    ];
    let input = "x".repeat(200_000);
    let argv = Docker::argv(&address, &argv);
    docker.room.run_with_input(&argv, &input).prints("200000");
}

fn environment(docker: &Docker) {
    docker
        .sh(&["-e", "GREETING=a b"], "echo $GREETING:$PATH:$HOME")
        .prints("a b:/bin:/root");
    docker
        .run(&["-w", "/made/for/it"], &["pwd"])
        .prints("/made/for/it");
    docker
        .run(&["--hostname", "box"], &["hostname"])
        .prints("box");
}

fn user_and_groups(docker: &Docker) {
    docker
        .run(&["-u", "worker"], &["id"])
        .prints("uid=1000(worker) gid=1000(worker) groups=1000(worker),2000(extra)");
    docker
        .sh(&["-u", "7:8", "--group-add", "9"], "id -u; id -g; id -G")
        .prints("7\n8\n8 9");
}

fn volumes(docker: &Docker) {
    let folder = docker.room.path("volume");
    std::fs::create_dir_all(&folder).expect("make a folder");
    let writable = format!("{}:/v", folder.display());
    docker.sh(&["-v", &writable], "echo kept >/v/file").code(0);
    let read_only = format!("{writable}:ro");
    docker.sh(&["-v", &read_only], "cat /v/file").prints("kept");
    docker
        .sh(&["-v", &read_only], "echo lost >/v/file")
        .fails_with("read-only file system");
    docker.sh(&["-v", "named:/v"], "echo kept >/v/file").code(0);
    docker.sh(&["-v", "named:/v"], "cat /v/file").prints("kept");
}

/// The daemon's own hook moves the network into the runtime's namespace.
fn bridge_network(docker: &Docker) {
    let gateway = "ping -c1 -w5 $(ip route | sed -n 's/^default via \\([^ ]*\\).*/\\1/p')";
    docker
        .cli(&["run", "--rm", image::NAME, "sh", "-c", gateway])
        .code(0);
    docker
        .cli(&[
            "run",
            "--rm",
            "--network",
            "host",
            image::NAME,
            "ip",
            "link",
            "show",
            "docker0",
        ])
        .code(0);
}

fn detached_and_logs(docker: &Docker) {
    docker.background("noted", &[], "echo one; echo two >&2; exit 3");
    assert_eq!(docker.wait("noted"), "3");
    let logs = docker.cli(&["logs", "noted"]);
    assert_eq!((&*logs.stdout, &*logs.stderr), ("one\n", "two\n"));
    assert_eq!(docker.inspect("noted", ".State.Status"), "exited");
}

fn stop_is_graceful(docker: &Docker) {
    let script = "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.1; done";
    docker.background("polite", &[], script);
    docker.wait_for_log("polite", "up");
    docker.cli(&["stop", "polite"]).code(0);
    docker.wait_for_log("polite", "bye");
    assert_eq!(docker.inspect("polite", ".State.ExitCode"), "5");

    let deaf = "trap '' TERM; echo up; while :; do sleep 0.1; done";
    docker.background("deaf", &[], deaf);
    docker.wait_for_log("deaf", "up");
    docker.cli(&["stop", "--time", "1", "deaf"]).code(0);
    assert_eq!(docker.inspect("deaf", ".State.ExitCode"), "137");
}

fn kill_with_a_signal(docker: &Docker) {
    let script = "trap 'echo heard' USR1; echo up; while :; do sleep 0.1; done";
    docker.background("listener", &[], script);
    docker.wait_for_log("listener", "up");
    docker.cli(&["kill", "-s", "USR1", "listener"]).code(0);
    docker.wait_for_log("listener", "heard");
    assert_eq!(docker.inspect("listener", ".State.Running"), "true");
}

fn pause_and_unpause(docker: &Docker) {
    docker.background("pausing", &[], "while :; do sleep 0.1; done");
    let limits = docker.limits("pausing");
    assert!(!limits.frozen());
    docker.cli(&["pause", "pausing"]).code(0);
    assert!(limits.frozen());
    assert_eq!(docker.inspect("pausing", ".State.Status"), "paused");
    docker.cli(&["unpause", "pausing"]).code(0);
    assert!(!limits.frozen());
    assert_eq!(docker.inspect("pausing", ".State.Status"), "running");
}

fn restart_policy(docker: &Docker) {
    docker.background("again", &["--restart", "on-failure:2"], "echo try; exit 1");
    let count = || docker.inspect("again", ".RestartCount}} {{.State.Status");
    let done = wait_until(Duration::from_secs(20), || count() == "2 exited");
    assert!(done, "restarts: {}", count());
    let logs = docker.cli(&["logs", "again"]).ok();
    assert_eq!(logs, "try\ntry\ntry");
}

fn restart(docker: &Docker) {
    docker.background("twice", &["--stop-signal", "KILL"], "echo up; sleep 1000");
    let before = docker.inspect("twice", ".State.Pid");
    docker.cli(&["restart", "twice"]).code(0);
    docker.wait_for_log("twice", "up\nup");
    assert_ne!(docker.inspect("twice", ".State.Pid"), before);
}

/// Nothing is left of it: no container, no cgroup, no process.
fn removal_by_force(docker: &Docker) {
    docker.background("unwanted", &[], "sleep 1000");
    let limits = docker.limits("unwanted");
    let pid = docker.inspect("unwanted", ".State.Pid");
    assert!(limits.exist());
    docker.cli(&["rm", "-f", "unwanted"]).code(0);
    docker
        .cli(&["inspect", "unwanted"])
        .fails_with("no such object");
    assert!(!limits.exist(), "its cgroup is still there");
    docker
        .room
        .run(&["kill", "-0", &pid])
        .fails_with("no such process");
}

fn copy_in_and_out(docker: &Docker) {
    docker.background("copied", &[], "sleep 1000");
    let file = docker.room.text("letter");
    std::fs::write(&file, "dear container").expect("write a file");
    docker.cli(&["cp", &file, "copied:/tmp/letter"]).code(0);
    docker
        .cli(&["exec", "copied", "cat", "/tmp/letter"])
        .prints("dear container");
    docker
        .cli(&["exec", "copied", "sh", "-c", "echo reply >/tmp/reply"])
        .code(0);
    let reply = docker.room.text("reply");
    docker.cli(&["cp", "copied:/tmp/reply", &reply]).code(0);
    assert_eq!(
        std::fs::read_to_string(&reply).expect("the reply"),
        "reply\n"
    );
}
