//! Joining a running container.

use std::time::Duration;

use super::{DEFAULT_CAPABILITIES, Engine, STAY, status_field};
use crate::checks::{Check, checks};
use crate::room::wait_until;

pub(super) const CHECKS: &[Check<Engine>] = checks![
    exit_codes,
    a_program_that_cannot_run,
    options,
    same_namespaces,
    same_confinement,
    nothing_inherited,
    detached,
    privileges_on_request,
];

fn exit_codes(engine: &Engine) {
    engine.background("codes", "", STAY);
    engine.exec("codes", "exit 42").code(42);
    engine.exec("codes", "true").code(0);
    engine.exec("codes", "kill -9 $$").code(137);
    assert_eq!(engine.inspect("codes", ".State.Running"), "true");
}

/// Docker 20.10 prints the reason on standard output and ends with 126 for
/// both; others tell a missing program by 127.
fn a_program_that_cannot_run(engine: &Engine) {
    engine.background("unable", "", STAY);
    let missing = engine.cli("exec unable rcon-test-missing");
    assert!([126, 127].contains(&missing.code), "{missing}");
    let said = format!("{}{}", missing.stdout, missing.stderr);
    assert!(said.contains("executable file"), "{missing}");
    assert!(said.contains("rcon-test-missing"), "{missing}");
    engine.cli("exec unable /etc/passwd").code(126);
}

fn options(engine: &Engine) {
    engine.background("options", "-e KEPT=yes", STAY);
    engine
        .cli("exec -e ADDED=too -w /tmp -u worker options sh -c 'echo $KEPT:$ADDED; pwd; id -G'")
        .prints("yes:too\n/tmp\n1000 2000");
}

fn same_namespaces(engine: &Engine) {
    engine.background("joined", "", STAY);
    let kinds = "cgroup ipc mnt net pid user uts";
    let script = format!(
        "for n in {kinds}; do for p in 1 self; do readlink /proc/$p/ns/$n; done; done | uniq | wc -l"
    );
    engine.exec("joined", &script).prints("7");
}

fn same_confinement(engine: &Engine) {
    engine.background("confined", "--cap-drop CHOWN", STAY);
    let read = |file: &str| engine.exec("confined", &format!("cat /proc/{file}")).ok();
    assert_eq!(read("1/cgroup"), read("self/cgroup"));
    let (first, newcomer) = (read("1/status"), read("self/status"));
    for field in [
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "Seccomp",
        "NoNewPrivs",
    ] {
        assert_eq!(status_field(&first, field), status_field(&newcomer, field));
    }
    let expected = DEFAULT_CAPABILITIES & !1;
    assert_eq!(
        status_field(&newcomer, "CapEff"),
        format!("{expected:016x}")
    );
    assert_eq!(status_field(&newcomer, "CapInh"), "0000000000000000");
}

/// Three streams, and for the newcomer the folder that `ls` reads.
fn nothing_inherited(engine: &Engine) {
    engine.background("heir", "", STAY);
    engine.exec("heir", "ls /proc/self/fd | wc -l").prints("4");
    engine.exec("heir", "ls /proc/1/fd | wc -l").prints("3");
}

fn detached(engine: &Engine) {
    engine.background("detached", "", STAY);
    engine
        .cli("exec -d detached sh -c 'echo here >/tmp/sign'")
        .code(0);
    let there = || engine.exec("detached", "cat /tmp/sign").stdout == "here\n";
    assert!(wait_until(Duration::from_secs(20), there), "no sign of it");
}

/// A newcomer may be given another user, and then has no capabilities.
fn privileges_on_request(engine: &Engine) {
    engine.background("asked", "", STAY);
    let status = engine.cli("exec -u 1000 asked cat /proc/self/status").ok();
    assert_eq!(status_field(&status, "CapEff"), "0000000000000000");
    assert_eq!(status_field(&status, "CapPrm"), "0000000000000000");
}
