//! Joining a running container under Docker, and looking at one.

use super::{Docker, parsed, status_field};
use crate::checks::{Check, checks};
use crate::room::wait_until;
use std::time::Duration;

pub(super) const CHECKS: &[Check<Docker>] = checks![
    exec_exit_codes,
    exec_options,
    exec_joins_everything,
    exec_detached,
    exec_in_a_paused_container,
    top,
    stats,
];

const SLEEP: &str = "while :; do sleep 1000; done";

fn exec_exit_codes(docker: &Docker) {
    docker.background("codes", &[], SLEEP);
    docker
        .cli(&["exec", "codes", "sh", "-c", "exit 42"])
        .code(42);
    docker.cli(&["exec", "codes", "true"]).code(0);
    docker
        .cli(&["exec", "codes", "sh", "-c", "kill -9 $$"])
        .code(137);
    docker
        .cli(&["exec", "codes", "rcon-test-missing"])
        .code(126 + 1);
    docker.cli(&["exec", "codes", "/etc/passwd"]).code(126);
}

fn exec_options(docker: &Docker) {
    docker.background("options", &["-e", "KEPT=yes"], SLEEP);
    let script = "echo $KEPT:$ADDED; pwd; id -u; id -G";
    let options = ["-e", "ADDED=too", "-w", "/tmp", "-u", "worker"];
    let argv = [&["exec"], &options[..], &["options", "sh", "-c", script]].concat();
    docker.cli(&argv).prints("yes:too\n/tmp\n1000\n1000 2000");
}

/// The newcomer is in the same namespaces and cgroups, as confined as the
/// first process, and inherits nothing it could keep.
fn exec_joins_everything(docker: &Docker) {
    docker.background("joined", &["--cap-drop", "NET_RAW"], SLEEP);
    let exec = |script: &str| docker.cli(&["exec", "joined", "sh", "-c", script]).ok();
    for namespace in ["cgroup", "ipc", "mnt", "net", "pid", "uts"] {
        let both = format!("readlink /proc/1/ns/{namespace} /proc/self/ns/{namespace}");
        let both = exec(&both);
        let (first, newcomer) = both.split_once('\n').expect("two lines");
        assert_eq!(first, newcomer);
    }
    assert_eq!(exec("cat /proc/1/cgroup"), exec("cat /proc/self/cgroup"));
    let (first, newcomer) = (exec("cat /proc/1/status"), exec("cat /proc/self/status"));
    for field in ["CapInh", "CapPrm", "CapEff", "CapBnd", "Seccomp"] {
        assert_eq!(status_field(&first, field), status_field(&newcomer, field));
    }
    assert_eq!(status_field(&newcomer, "CapInh"), "0000000000000000");
    assert_eq!(
        exec("ls /proc/self/fd | wc -l"),
        "4",
        "0, 1, 2 and ls's own"
    );
}

fn exec_detached(docker: &Docker) {
    docker.background("detached", &[], SLEEP);
    docker
        .cli(&["exec", "-d", "detached", "sh", "-c", "echo here >/tmp/sign"])
        .code(0);
    let there = || docker.cli(&["exec", "detached", "cat", "/tmp/sign"]).stdout == "here\n";
    assert!(wait_until(Duration::from_secs(20), there), "no sign of it");
}

fn exec_in_a_paused_container(docker: &Docker) {
    docker.background("still", &[], SLEEP);
    docker.cli(&["pause", "still"]).code(0);
    docker.cli(&["exec", "still", "true"]).fails_with("paused");
    docker.cli(&["unpause", "still"]).code(0);
    docker.cli(&["exec", "still", "true"]).code(0);
}

fn top(docker: &Docker) {
    docker.background("listed", &[], "sleep 1001 & sleep 1002; wait");
    let there = || {
        let list = docker.cli(&["top", "listed", "-o", "pid,args"]).ok();
        list.contains("sleep 1001") && list.contains("sleep 1002") && list.lines().count() == 4
    };
    assert!(
        wait_until(Duration::from_secs(10), there),
        "top does not show both sleeps"
    );
}

fn stats(docker: &Docker) {
    docker.background("measured", &["--memory", "64m"], SLEEP);
    let line = docker
        .cli(&["stats", "--no-stream", "--format", "{{json .}}", "measured"])
        .ok();
    let stats = parsed(&line);
    assert_eq!(stats["PIDs"], "2", "{stats}");
    let memory = stats["MemUsage"].as_str().expect("text");
    assert!(
        memory.ends_with(" / 64MiB") && !memory.starts_with("0B"),
        "{stats}"
    );
}
