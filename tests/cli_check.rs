//! `system check`: what is left over is found, told and taken away; and what
//! happens is noted for those who follow events.

mod common;
use common::store::StoreBed;
use common::*;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
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
fn a_person_is_told_that_all_is_well() {
    let Some(bed) = StoreBed::new() else { return };
    let mut p = pty::under_pty(bed.call(&["system", "check"]), 24, 80);
    p.terminal.wait_for("Nothing is left over");
    p.running.wait().code(0);
}

#[test]
fn a_damaged_image_is_told_and_left_to_a_person() {
    let Some(bed) = StoreBed::new() else { return };
    bed.rcon(&["run", "--rm", "--network", "none", "hello"])
        .ok();
    let id = bed.says(&["image", "inspect", "-f", "{{.Id}}", "hello"]);
    let hex = id.trim().trim_start_matches("sha256:");
    fs::write(bed.root().join("images/blobs/sha256").join(hex), "{}").unwrap();
    for args in [
        &["system", "check"][..],
        &["system", "check", "--repair"],
        &["system", "check"],
    ] {
        let out = bed.rcon(args).code(1);
        let told = [hex, "is damaged", "`rcon rmi hello:latest`"];
        for part in told {
            assert!(out.stdout.contains(part), "{part}: {out}");
        }
    }
    bed.rcon(&["rmi", "hello:latest"]).ok();
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

/// What could lie in a lock's place.
fn put(kind: &str, lock: &std::path::Path) {
    fs::remove_file(lock).unwrap();
    match kind {
        "pipe" => nix::unistd::mkfifo(lock, nix::sys::stat::Mode::S_IRWXU).unwrap(),
        "directory" => fs::create_dir(lock).unwrap(),
        _ => symlink("/etc/passwd", lock).unwrap(),
    }
}

#[test]
fn what_lies_in_a_locks_place_holds_nobody_and_can_be_removed() {
    let Some(bed) = StoreBed::new() else { return };
    for kind in ["pipe", "directory", "link"] {
        let id = bed.sleeper("up", &[]);
        let down = bed.make_container(&["create", "--name", "down"], &["true"]);
        for id in [&id, &down] {
            put(kind, &bed.root().join("containers").join(id).join("lock"));
        }
        bed.rcon(&["ps", "-a"]);
        bed.rcon(&["inspect", "down"]).ok();
        bed.rcon(&["start", "down"])
            .fails_naming(&["lock", "--repair"]);
        let out = bed.rcon(&["system", "check"]).code(1);
        assert_eq!(
            out.stdout.matches("its lock is no file").count(),
            2,
            "{out}"
        );
        // Only one whose keeper is gone can have a new one.
        let out = bed.rcon(&["system", "check", "--repair"]).code(1);
        assert_eq!(out.stdout.matches("file: mended").count(), 1, "{out}");
        bed.rcon(&["start", "down"]).ok();
        put(
            kind,
            &bed.root().join("containers").join(&down).join("lock"),
        );
        bed.rcon(&["rm", "-f", "up", "down"]).ok();
        assert_eq!(bed.says(&["ps", "-aq"]), "", "{kind}");
        assert_eq!(bed.says(&["system", "check"]), "", "{kind}");
    }
}

/// Repairs until it is told to stop; what it said.
fn repairing(bed: &StoreBed, stop: Arc<AtomicBool>) -> JoinHandle<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rcon"));
    command.args(["system", "check", "--repair"]);
    command.env("RCON_ROOT", bed.root());
    std::thread::spawn(move || {
        let mut said = String::new();
        while !stop.load(Ordering::Relaxed) {
            let out = command.output().expect("rcon");
            said += &String::from_utf8_lossy(&out.stdout);
            said += &String::from_utf8_lossy(&out.stderr);
        }
        said
    })
}

#[test]
fn what_others_are_just_making_is_not_taken_away() {
    let Some(bed) = StoreBed::new() else { return };
    let stop = Arc::new(AtomicBool::new(false));
    let repairing = repairing(&bed, stop.clone());
    let root = bed.rootfs("").to_string_lossy().into_owned();
    let mut failed = Vec::new();
    for round in 0..30 {
        let name = format!("n{round}");
        for args in [
            &["network", "create", &name][..],
            &[
                "run",
                "-d",
                "--name",
                &name,
                "--network",
                &name,
                "--rootfs",
                &root,
                "sleep",
                "600",
            ],
            &["exec", &name, "true"],
            &["rm", "-f", &name],
            &[
                "run",
                "--rm",
                "--network",
                "none",
                "--rootfs",
                &root,
                "true",
            ],
            &["network", "rm", &name],
        ] {
            let out = bed.rcon(args);
            if !out.status.success() {
                failed.push(out.to_string());
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let said = repairing.join().expect("the repairing thread");
    assert!(
        failed.is_empty(),
        "{}\nand the repairer:\n{said}",
        failed.join("\n")
    );
    for what in [
        "was killed",
        "sockets",
        "lead nowhere",
        "No such container",
        "half made",
    ] {
        assert!(!said.contains(what), "{what}: {said}");
    }
    assert_eq!(bed.says(&["system", "check"]), "");
}

#[test]
fn a_store_whose_parts_were_taken_away_is_whole_again() {
    let Some(bed) = StoreBed::new() else { return };
    let id = bed.sleeper("web", &["--network", "none"]);
    let keeper = keeper(&bed, &id);
    for part in ["containers", "names"] {
        fs::remove_dir_all(bed.root().join(part)).unwrap();
    }
    // Who is up is not passed over, and keeps the way to be reached.
    let out = bed.rcon(&["system", "check", "--repair"]).code(1);
    let told = format!("kill -9 {keeper}");
    assert!(out.stdout.contains(&told), "{out}");
    assert!(
        bed.root()
            .join("run")
            .join(&id)
            .join("keeper.sock")
            .exists()
    );
    kill(keeper);
    bed.make_container(&["run", "--rm"], &["true"]);
    // Its cgroups may be somebody's until they are old.
    let clean = || {
        let repaired = bed.rcon(&["system", "check", "--repair"]).status.success();
        repaired && cgroups::named(&format!("rcon-{id}")).is_empty()
    };
    assert!(host::becomes_true(Duration::from_secs(10), clean));
}

#[test]
fn what_happens_is_noted() {
    let Some(bed) = StoreBed::new() else { return };
    bed.sleeper("web", &["--label", "who=me"]);
    bed.rcon(&["pause", "web"]).ok();
    bed.rcon(&["unpause", "web"]).ok();
    bed.rcon(&["exec", "web", "true"]).ok();
    bed.rcon(&["exec", "-d", "web", "sh", "-c", "exit 3"]).ok();
    let ended = [
        "events",
        "--since",
        "1h",
        "--until",
        "0s",
        "-f",
        "event=exec_die",
    ];
    let seen = || bed.says(&ended).contains("exitCode=3");
    assert!(host::becomes_true(Duration::from_secs(5), seen));
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
        "exec_create: sh -c exit 3",
        "exec_start: sh -c exit 3",
        "exec_die",
        "rename",
        "kill",
        "die",
        "stop",
        "destroy",
    ];
    assert_eq!(told, want);
}

/// A container may have put its processes into cgroups of its own.
#[test]
fn a_cgroup_with_processes_further_down_is_somebodys() {
    let Some(bed) = StoreBed::new() else { return };
    let hierarchies = cgroups::hierarchies();
    let any = hierarchies.iter().find(|h| h.v2).or(hierarchies.first());
    let any = any.expect("a cgroup hierarchy");
    let id = format!("{:0>64x}", std::process::id());
    let top = any.at.join(format!("rcon-{id}"));
    fs::create_dir_all(top.join("inner")).unwrap();
    let mut sleeper = Command::new("sleep").arg("60").spawn().unwrap();
    fs::write(top.join("inner/cgroup.procs"), sleeper.id().to_string()).unwrap();
    let dated = |at| fs::File::open(&top).unwrap().set_modified(at).unwrap();
    dated(SystemTime::now() - Duration::from_secs(60));
    let said = bed.rcon(&["system", "check"]).stdout;
    // Others are not to take it for a leftover meanwhile.
    dated(SystemTime::now());
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    let gone = || {
        let _ = fs::remove_dir(top.join("inner"));
        fs::remove_dir(&top).is_ok()
    };
    assert!(host::becomes_true(Duration::from_secs(5), gone));
    assert!(!said.contains(&id), "{said}");
}
