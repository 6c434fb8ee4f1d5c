//! Processes that come into a container from outside, and what comes along.

use super::{Daily, HONEST};
use crate::common::host::{PATIENCE, becomes_true};
use crate::common::{Call, Need};
use crate::joining::judge_spy;
use crate::support::{assert_same, by_copy, plant_at, script, tree, with_leaked};
use std::fs;
use std::path::{Path, PathBuf};

/// The first process looks into everybody who comes by `exec`.
#[test]
fn cve_2016_9962_a_process_that_joins_cannot_be_traced() {
    let Some(daily) = Daily::new() else { return };
    daily.start("spy", &[], &["/probe", "spy"]);
    let seen = || daily.bed.says(&["logs", "spy"]);
    becomes_true(PATIENCE, || seen().contains("haunting"));
    let visit = || {
        let call = daily.bed.call(&["exec", "spy", "/probe", "idle", "3"]);
        call.env("RCON_TEST_SECRET", "1").output().ok();
    };
    (0..30).for_each(|_| visit());
    becomes_true(PATIENCE, || {
        visit();
        seen().contains("traced")
    });
    judge_spy(&seen());
}

/// A copy of rcon to attack, since a success would destroy it.
fn sacrifice(daily: &Daily, args: &[&str]) -> (PathBuf, Call) {
    let copy = daily.bed.path("rcon");
    if !copy.exists() {
        // By another process: a fork of ours that has it open for writing
        // would keep it from being executed.
        let copied = std::process::Command::new("cp")
            .args([Path::new(env!("CARGO_BIN_EXE_rcon")), &copy])
            .status();
        assert!(copied.is_ok_and(|s| s.success()));
    }
    let call = by_copy(daily.bed.call(args), &copy);
    (copy, call)
}

/// Its keeper stays, and it comes again with each `exec`.
#[test]
fn cve_2019_5736_rcon_cannot_be_overwritten() {
    let Some(daily) = Daily::new() else { return };
    script(&daily.bed.rootfs("entry"), "#!/proc/self/exe\n");
    plant_at(&daily.bed.rootfs("victim"));
    daily.import(&[], "evil").ok();
    let run = ["run", "-d", "--network", "none", "--name", "box"];
    let start = [&run[..], &["evil", "/probe", "overwrite"]].concat();
    let (copy, call) = sacrifice(&daily, &start);
    let before = tree(&copy);
    call.output().ok();
    // The attack itself must work, on a program nobody protects.
    let works = becomes_true(PATIENCE, || {
        daily.bed.rcon(&["exec", "box", "/victim", "idle", "50"]);
        daily.bed.says(&["logs", "box"]).contains("overwrote ok")
    });
    assert!(works, "{}", daily.bed.says(&["logs", "box"]));
    for program in [&["/entry"][..], &["/probe", "hello"], &["/proc/self/exe"]] {
        for _ in 0..5 {
            let args = [&["exec", "box"], program].concat();
            sacrifice(&daily, &args).1.output();
        }
    }
    for program in ["/entry", "/proc/self/exe"] {
        let run = ["run", "--rm", "--network", "none", "--pid", "container:box"];
        for _ in 0..3 {
            let args = [&run[..], &["evil", program]].concat();
            sacrifice(&daily, &args).1.output();
        }
    }
    assert_same(&before, &tree(&copy), "attacks through /proc/self/exe");
    daily.bed.rcon(&["rm", "-f", "box"]).ok();
    becomes_true(std::time::Duration::from_millis(300), || {
        tree(&copy) != before
    });
    assert_same(&before, &tree(&copy), "the end of its keeper");
}

/// Whoever calls rcon has forgotten to close the host's root; the container
/// wants one of its own descriptors for a working directory.
#[test]
fn cve_2024_21626_a_leaked_descriptor_is_no_working_directory() {
    let Some(daily) = Daily::needing(&[Need::Tool("bash")]) else {
        return;
    };
    let secret = daily.host().join("secret").to_string_lossy().into_owned();
    daily.idle("box", &[]);
    let climb = ["/probe", "climb", &secret];
    for number in 3..=14 {
        let dir = format!("/proc/self/fd/{number}");
        let run = daily.run_call(&["-w", &dir], HONEST, &climb);
        let exec = [&["exec", "-w", &dir, "box"], &climb[..]].concat();
        for call in [run, daily.bed.call(&exec)] {
            let out = with_leaked(call, &[3, 7, 12]).output();
            assert!(!out.stdout.contains("escaped"), "{out}");
            assert!(!out.stdout.contains("cwd (unreachable)"), "{out}");
        }
    }
    daily.import(&["WORKDIR /proc/self/fd/7"], "odd").ok();
    let out = with_leaked(daily.run_call(&[], "odd", &climb), &[3, 7, 12]).output();
    assert!(!out.stdout.contains("escaped"), "{out}");
}

#[test]
fn cve_2024_21626_the_program_starts_with_three_descriptors() {
    let Some(daily) = Daily::needing(&[Need::Tool("bash")]) else {
        return;
    };
    let leaked = [3, 4, 7, 42, 200];
    let program = ["/probe", "fds"];
    daily.idle("box", &[]);
    let exec = [&["exec", "box"], &program[..]].concat();
    for call in [daily.run_call(&[], HONEST, &program), daily.bed.call(&exec)] {
        let out = with_leaked(call, &leaked).output().ok();
        let numbers: Vec<&str> = out.stdout.lines().map(|l| &l[..4]).collect();
        assert_eq!(numbers, ["fd 0", "fd 1", "fd 2"], "{out}");
    }
    // One that is started in the background is started by its keeper.
    let start = ["run", "-d", "--network", "none", "--name", "later", HONEST];
    let call = daily.bed.call(&[&start[..], &program].concat());
    with_leaked(call, &leaked).output().ok();
    daily.bed.rcon(&["wait", "later"]).ok();
    assert_eq!(daily.bed.says(&["logs", "later"]).lines().count(), 3);
}

/// What the caller has in his environment is not the program's.
#[test]
fn the_environment_of_the_caller_stays_outside() {
    let Some(daily) = Daily::new() else { return };
    let secret = "hunter2-of-the-host";
    daily.idle("box", &[]);
    let run = daily.run_call(&[], HONEST, &["env"]);
    for call in [run, daily.bed.call(&["exec", "box", "env"])] {
        let out = call.env("HOST_TOKEN", secret).output().ok();
        assert!(!out.stdout.contains(secret), "{out}");
        assert!(out.stdout.contains("PATH="), "{out}");
    }
    let environ = fs::read(format!("/proc/{}/environ", daily.pid("box"))).unwrap();
    assert!(!String::from_utf8_lossy(&environ).contains(secret));
}
