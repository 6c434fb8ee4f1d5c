//! `system check`: what is left over is found, told and taken away; and what
//! happens is noted for those who follow events.

mod common;
use common::store::StoreBed;
use common::*;

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

fn keeper(bed: &StoreBed, id: &str) -> i32 {
    let path = bed.root().join("containers").join(id).join("state.json");
    let state: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    state["keeper"].as_i64().unwrap() as i32
}

fn kill(pid: i32) {
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[test]
fn a_sound_store_has_nothing_left_over() {
    let Some(bed) = StoreBed::new() else { return };
    bed.sleeper("web", &[]);
    bed.make_container(&["run", "--name", "done"], &["true"]);
    bed.make_container(&["create", "--name", "new"], &["true"]);
    assert_eq!(bed.says(&["system", "check"]), "");
}

#[test]
fn a_killed_keeper_is_found_and_settled() {
    let Some(bed) = StoreBed::new() else { return };
    let id = bed.sleeper("web", &[]);
    kill(keeper(&bed, &id));
    let held = || bed.rcon(&["system", "check"]).status.code() == Some(1);
    assert!(host::becomes_true(Duration::from_secs(5), held));
    let out = bed.rcon(&["system", "check"]).code(1);
    assert!(out.stdout.contains("its keeper was killed"), "{out}");
    bed.rcon(&["system", "check", "--repair"]).ok();
    assert_eq!(bed.says(&["system", "check"]), "");
    let state = bed.says(&[
        "inspect",
        "-f",
        "{{.State.Status}} {{.State.ExitCode}}",
        "web",
    ]);
    assert_eq!(state, "exited 137\n");
    bed.rcon(&["start", "web"]).ok();
}

#[test]
fn what_killed_commands_leave_is_found_and_taken_away() {
    let Some(bed) = StoreBed::new() else { return };
    bed.make_container(&["create", "--name", "web"], &["true"]);
    let old = SystemTime::now() - Duration::from_secs(60);
    let half = bed
        .root()
        .join("containers")
        .join(format!(".new-{}", "a".repeat(64)));
    let stale = bed.root().join("run").join("b".repeat(64));
    for dir in [&half, &stale] {
        fs::create_dir(dir).unwrap();
        fs::File::open(dir).unwrap().set_modified(old).unwrap();
    }
    let name = bed.root().join("names/gone");
    symlink(format!("../containers/{}", "c".repeat(64)), &name).unwrap();
    let out = bed.rcon(&["system", "check"]).code(1);
    for part in [".new-aaa", "bbb", "names that lead nowhere: gone"] {
        assert!(out.stdout.contains(part), "{part}: {out}");
    }
    bed.rcon(&["system", "check", "--repair"]).ok();
    assert!(!half.exists() && !stale.exists() && name.symlink_metadata().is_err());
    assert_eq!(bed.says(&["system", "check"]), "");
}

#[test]
fn a_spoilt_record_is_told_and_left_to_a_person() {
    let Some(bed) = StoreBed::new() else { return };
    let id = bed.make_container(&["create", "--name", "web"], &["true"]);
    fs::write(
        bed.root().join("containers").join(&id).join("state.json"),
        "{",
    )
    .unwrap();
    let out = bed.rcon(&["system", "check", "--repair"]).code(1);
    assert!(out.stdout.contains("state.json"), "{out}");
    bed.rcon(&["rm", "-f", "web"]).ok();
    assert_eq!(bed.says(&["system", "check"]), "");
}

#[test]
fn what_happens_is_noted() {
    let Some(bed) = StoreBed::new() else { return };
    bed.sleeper("web", &["--label", "who=me"]);
    bed.rcon(&["pause", "web"]).ok();
    bed.rcon(&["unpause", "web"]).ok();
    bed.rcon(&["exec", "web", "true"]).ok();
    bed.rcon(&["rename", "web", "site"]).ok();
    bed.rcon(&["stop", "-t", "0", "site"]).ok();
    bed.rcon(&["rm", "site"]).ok();
    let format = ["--format", "{{.Action}}"];
    let args = [&["events", "--since", "1h", "--until", "0s"], &format[..]].concat();
    let told = bed.says(&args);
    let told: Vec<&str> = told.lines().collect();
    let want = [
        "create",
        "start",
        "pause",
        "unpause",
        "exec_create: true",
        "exec_start: true",
        "exec_die",
        "rename",
        "kill",
        "die",
        "stop",
        "destroy",
    ];
    assert_eq!(told, want);
}
