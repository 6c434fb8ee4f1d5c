//! `top` and `stats`: what runs in a container, and what it uses.

mod common;
use common::store::StoreBed;
use common::*;

use nix::sys::signal::Signal;
use std::os::unix::fs::PermissionsExt;

fn in_shell(bed: &StoreBed, name: &str, script: &str) {
    bed.make_container(&["run", "-d", "--name", name], &["sh", "-c", script]);
}

#[test]
fn top_shows_the_processes_of_this_container() {
    let Some(bed) = StoreBed::new() else { return };
    in_shell(&bed, "web", "sleep 601 & sleep 602");
    in_shell(&bed, "other", "sleep 603");
    eventually("both sleep", || {
        let text = bed.says(&["top", "web", "-o", "args"]);
        text.contains("sleep 601") && text.contains("sleep 602")
    });
    let text = bed.says(&["top", "web"]);
    let titles: Vec<&str> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(titles.join(" "), "UID PID PPID C STIME TTY TIME CMD");
    assert!(!text.contains("603"), "{text}");
    let pid = bed.says(&["inspect", "-f", "{{.State.Pid}}", "web"]);
    let pids = bed.says(&["top", "web", "-eo", "pid"]);
    assert!(pids.lines().any(|line| line.trim() == pid.trim()), "{pids}");
    assert!(bed.says(&["top", "web", "aux"]).starts_with("USER "));
    bed.rcon(&["top", "web", "--forest"])
        .fails_naming(&["--forest", "aux"]);
    bed.rcon(&["top", "web", "-o", "pid,nope"])
        .fails_naming(&["nope", "pid, ppid"]);
    bed.rcon(&["kill", "other"]).ok();
    eventually("it ends", || {
        bed.says(&["inspect", "-f", "{{.State.Running}}", "other"]) == "false\n"
    });
    bed.rcon(&["top", "other"])
        .fails_naming(&["other is not running"]);
}

/// CVE-2022-1227: podman ran the container's own ps.
#[test]
fn top_runs_nothing_of_the_container() {
    let Some(bed) = StoreBed::new() else { return };
    let ps = bed.rootfs("bin/ps");
    let _ = std::fs::remove_file(&ps);
    std::fs::write(&ps, "#!/bin/sh\n/bin/busybox touch /tmp/trapped\n").expect("our root");
    std::fs::set_permissions(&ps, std::fs::Permissions::from_mode(0o755)).expect("our root");
    // Its own accounts are not believed, either.
    std::fs::write(bed.rootfs("etc/passwd"), "evil:x:0:0::/:\n").expect("our root");
    bed.sleeper("web", &[]);
    let text = bed.says(&["top", "web"]);
    assert!(
        text.contains("sleep 600") && !text.contains("evil"),
        "{text}"
    );
    assert!(!bed.rootfs("tmp/trapped").exists());
}

#[test]
fn a_command_line_cannot_speak_to_the_terminal() {
    let Some(bed) = StoreBed::new() else { return };
    in_shell(&bed, "web", "exec sleep 600 # \x1b[2J");
    bed.make_container(
        &["run", "-d", "--name", "odd"],
        &["sh", "-c", "sleep 600;:", "\x1b[2J\n"],
    );
    let text = bed.says(&["top", "odd"]);
    assert!(
        !text.contains('\x1b') && text.contains("\\u{1b}[2J\\n"),
        "{text}"
    );
    assert!(!bed.says(&["ps", "--no-trunc"]).contains('\x1b'));
}

#[test]
fn stats_once() {
    let Some(bed) = StoreBed::new() else { return };
    in_shell(&bed, "busy", "while :; do :; done");
    bed.make_container(&["create", "--name", "new"], &["true"]);
    let text = bed.says(&["stats", "--no-stream"]);
    let titles = "CONTAINER ID   NAME      CPU %";
    assert!(
        text.starts_with(titles) && text.lines().count() == 2,
        "{text}"
    );
    let row = bed
        .rcon(&["stats", "--no-stream", "--format", "json", "busy"])
        .ok()
        .json();
    let cpu = row["CPUPerc"]
        .as_str()
        .and_then(|p| p.trim_end_matches('%').parse().ok());
    assert!(cpu.is_some_and(|cpu: f64| cpu > 1.0), "{row}");
    assert_eq!(row["PIDs"], "1");
    assert!(
        !row["MemUsage"].as_str().expect("text").starts_with("0B"),
        "{row}"
    );
    let format = "{{.Name}} {{.MemUsage}}";
    let idle = bed.says(&["stats", "--no-stream", "-a", "--format", format]);
    assert!(idle.contains("new 0B / 0B\n"), "{idle}");
    bed.rcon(&["stats", "--no-stream", "nobody"])
        .fails_naming(&["nobody"]);
}

#[test]
fn ctrl_c_ends_the_live_table_and_brings_the_cursor_back() {
    let Some(bed) = StoreBed::new() else { return };
    bed.sleeper("web", &[]);
    let mut under = pty::under_pty(bed.call(&["stats"]), 24, 120);
    under.terminal.wait_for("web");
    under.terminal.forget();
    // Drawn once more, from the upper left corner.
    under.terminal.wait_for("\x1b[H");
    under.running.signal(Signal::SIGINT);
    under.terminal.wait_for("\x1b[?25h");
    under.running.wait().ok();
}
