//! A container's life: start, streams, signals, end.

use std::fs;

use super::{Engine, LISTEN, STAY};
use crate::checks::{Check, checks};
use crate::words::words;

pub(super) const CHECKS: &[Check<Engine>] = checks![
    exit_codes,
    a_killed_program,
    output,
    input,
    environment,
    user_and_groups,
    bind_mounts,
    named_volumes,
    detached_and_logs,
    stop_is_graceful,
    stop_ends_with_force,
    kill_with_a_signal,
    pause_and_unpause,
    restart,
    removal_by_force,
    copy_in_and_out,
];

fn exit_codes(engine: &Engine) {
    for code in [0, 1, 42, 255] {
        engine.sh("", &format!("exit {code}")).code(code);
    }
    engine.run("", "rcon-test-missing").code(127);
    engine.run("", "/etc/passwd").code(126);
    engine.run("--no-such-option", "true").code(125);
}

fn a_killed_program(engine: &Engine) {
    engine.background("killed", "", STAY);
    engine.cli("kill killed").code(0);
    assert_eq!(engine.wait("killed"), "137");
}

fn output(engine: &Engine) {
    let both = engine.sh("", "echo out; echo err >&2");
    assert_eq!((&*both.stdout, &*both.stderr), ("out\n", "err\n"), "{both}");
    let much = engine.sh("", "yes | head -c 300000");
    assert_eq!(much.stdout.len(), 300_000);
}

fn input(engine: &Engine) {
    let args = engine.arguments("--rm -i", words("wc -c"));
    let text = "x".repeat(200_000);
    engine.cli_with_input(args, &text).prints("200000");
}

fn environment(engine: &Engine) {
    engine
        .sh("-e 'GREETING=a b'", "echo $GREETING:$PATH:$HOME")
        .prints("a b:/bin:/root");
    engine.run("-w /tmp", "pwd").prints("/tmp");
    engine.run("--hostname box", "hostname").prints("box");
}

fn user_and_groups(engine: &Engine) {
    engine
        .run("-u worker", "id")
        .prints("uid=1000(worker) gid=1000(worker) groups=1000(worker),2000(extra)");
    engine
        .sh("-u 7:8 --group-add 9", "id -u; id -g; id -G")
        .prints("7\n8\n8 9");
}

fn bind_mounts(engine: &Engine) {
    let volume = format!("-v {}:/v", engine.folder("volume"));
    engine.sh(&volume, "echo kept >/v/file").code(0);
    let read_only = format!("{volume}:ro");
    engine.run(&read_only, "cat /v/file").prints("kept");
    engine
        .run(&read_only, "touch /v/other")
        .fails_with("read-only file system");
    let file = format!("-v {}:/made/for/it", engine.file("single", "one file"));
    engine.run(&file, "cat /made/for/it").prints("one file");
}

fn named_volumes(engine: &Engine) {
    engine.sh("-v named:/v", "echo kept >/v/file").code(0);
    engine.run("-v named:/v", "cat /v/file").prints("kept");
}

fn detached_and_logs(engine: &Engine) {
    engine.background("noted", "", "echo one; echo two >&2; exit 3");
    assert_eq!(engine.wait("noted"), "3");
    let logs = engine.cli("logs noted");
    assert_eq!((&*logs.stdout, &*logs.stderr), ("one\n", "two\n"), "{logs}");
    assert_eq!(engine.inspect("noted", ".State.Status"), "exited");
}

fn stop_is_graceful(engine: &Engine) {
    engine.background(
        "polite",
        "",
        &format!("trap 'echo bye; exit 5' TERM; {LISTEN}"),
    );
    engine.wait_for_log("polite", "up");
    engine.cli("stop polite").code(0);
    engine.wait_for_log("polite", "bye");
    assert_eq!(engine.inspect("polite", ".State.ExitCode"), "5");
}

fn stop_ends_with_force(engine: &Engine) {
    engine.background("deaf", "", &format!("trap '' TERM; {LISTEN}"));
    engine.wait_for_log("deaf", "up");
    engine.cli("stop --time 1 deaf").code(0);
    assert_eq!(engine.inspect("deaf", ".State.ExitCode"), "137");
}

fn kill_with_a_signal(engine: &Engine) {
    engine.background("listener", "", &format!("trap 'echo heard' USR1; {LISTEN}"));
    engine.wait_for_log("listener", "up");
    engine.cli("kill -s USR1 listener").code(0);
    engine.wait_for_log("listener", "heard");
    assert_eq!(engine.inspect("listener", ".State.Running"), "true");
}

fn pause_and_unpause(engine: &Engine) {
    engine.background("pausing", "", LISTEN);
    let limits = engine.limits("pausing");
    assert!(!limits.frozen());
    engine.cli("pause pausing").code(0);
    assert!(limits.frozen());
    assert_eq!(engine.inspect("pausing", ".State.Status"), "paused");
    engine.cli("unpause pausing").code(0);
    assert!(!limits.frozen());
    assert_eq!(engine.inspect("pausing", ".State.Status"), "running");
}

fn restart(engine: &Engine) {
    engine.background("twice", "--stop-signal KILL", &format!("echo up; {STAY}"));
    let before = engine.inspect("twice", ".State.Pid");
    engine.cli("restart twice").code(0);
    engine.wait_for_log("twice", "up\nup");
    assert_ne!(engine.inspect("twice", ".State.Pid"), before);
}

/// Nothing is left of it: no container, no cgroup, no process.
fn removal_by_force(engine: &Engine) {
    engine.background("unwanted", "", STAY);
    let limits = engine.limits("unwanted");
    let pid = engine.inspect("unwanted", ".State.Pid");
    assert!(limits.exist());
    engine.cli("rm -f unwanted").code(0);
    engine.cli("inspect unwanted").fails_with("no such object");
    assert!(!limits.exist(), "its cgroup is still there");
    let alive = engine.room.run(&format!("test -e /proc/{pid}"));
    alive.code(1);
}

fn copy_in_and_out(engine: &Engine) {
    engine.background("copied", "", STAY);
    let letter = engine.file("letter", "dear container");
    engine
        .cli(&format!("cp {letter} copied:/tmp/letter"))
        .code(0);
    engine
        .exec("copied", "cat /tmp/letter; echo reply >/tmp/reply")
        .prints("dear container");
    let reply = engine.room.text("reply");
    engine.cli(&format!("cp copied:/tmp/reply {reply}")).code(0);
    assert_eq!(fs::read_to_string(&reply).expect("the reply"), "reply\n");
}
