//! The runtime killed at any moment: what it left must be visible as what it
//! is, and one `delete --force` must clear it away. Bounded in rounds, so that
//! the suite stays quick; the moments differ from run to run.

mod common;
use common::*;
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

/// How often each command is killed.
const ROUNDS: u32 = 25;

/// Spreads moments over `span` so that every round is at another place, moved
/// a little by the clock so that every run is too.
fn moment(round: u32, span: Duration) -> Duration {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let jitter = now.map_or(0, |d| d.subsec_nanos() % 1000);
    span * (round * 1000 + jitter) / (ROUNDS * 1000)
}

/// How long the command takes when nobody kills it.
#[track_caller]
fn usual_time(bed: &Bed, command: &str) -> Duration {
    let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
    let start = Instant::now();
    let running = c.call_with_bundle(command, &[]).spawn();
    eventually("the container is there", || {
        let out = c.call("state", &[], &[]).output();
        out.status.success()
            && ["created", "running"]
                .iter()
                .any(|s| out.json()["status"] == *s)
    });
    let took = start.elapsed();
    c.call("delete", &["--force"], &[]).output().ok();
    drop(running);
    took
}

/// Kills the command after a while and clears away what it left.
#[track_caller]
fn kill_and_clear(bed: &Bed, command: &str, after: Duration) {
    let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
    let running = c.call_with_bundle(command, &[]).spawn();
    std::thread::sleep(after);
    running.signal(Signal::SIGKILL);
    drop(running);
    c.call("delete", &["--force"], &[]).output().ok();
    bed.assert_nothing_left();
}

#[test]
fn a_create_killed_at_any_moment_can_be_cleared_away() {
    let needs = [Need::Rcon(
        "crash-only state: others leave processes behind",
    )];
    let Some(bed) = Bed::needing(&needs) else {
        return;
    };
    let span = usual_time(&bed, "create");
    for round in 0..ROUNDS {
        kill_and_clear(&bed, "create", moment(round, span));
    }
}

#[test]
fn a_run_killed_at_any_moment_can_be_cleared_away() {
    let needs = [Need::Rcon(
        "crash-only state: others leave processes behind",
    )];
    let Some(bed) = Bed::needing(&needs) else {
        return;
    };
    let span = usual_time(&bed, "run");
    for round in 0..ROUNDS {
        kill_and_clear(&bed, "run", moment(round, span));
    }
}

#[test]
fn a_delete_killed_at_any_moment_can_be_repeated() {
    let needs = [Need::Rcon(
        "crash-only state: others leave directories behind",
    )];
    let Some(bed) = Bed::needing(&needs) else {
        return;
    };
    for round in 0..ROUNDS {
        let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
        assert_eq!(c.create().status(), "created");
        let deleting = c.call("delete", &["--force"], &[]).spawn();
        std::thread::sleep(moment(round, Duration::from_millis(20)));
        deleting.signal(Signal::SIGKILL);
        drop(deleting);
        c.call("delete", &["--force"], &[]).output().ok();
        bed.assert_nothing_left();
    }
}

#[test]
fn a_container_outlives_its_killed_foreground_run() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = sh("echo ready; sleep 600"));
    let running = c.spawn_run();
    c.wait_for_output("ready");
    running.signal(Signal::SIGKILL);
    drop(running);
    assert_eq!(c.status(), "running");
    c.call("delete", &["--force"], &[]).output().ok();
    bed.assert_nothing_left();
}

#[test]
fn an_init_killed_before_start_is_a_stopped_container() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
    c.create();
    let pid = nix::unistd::Pid::from_raw(c.pid());
    nix::sys::signal::kill(pid, Signal::SIGKILL).unwrap();
    c.wait_for("stopped");
    c.call("start", &[], &[])
        .output()
        .fails_naming(&["stopped"]);
    c.delete();
    bed.assert_nothing_left();
}

#[test]
fn a_create_that_is_interrupted_by_a_key_leaves_nothing() {
    let Some(bed) = Bed::needing(&[Need::Rcon("clearing up on SIGINT and SIGTERM")]) else {
        return;
    };
    for (round, signal) in [Signal::SIGINT, Signal::SIGTERM]
        .iter()
        .cycle()
        .take(10)
        .enumerate()
    {
        let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
        let running = c.call_with_bundle("create", &[]).spawn();
        std::thread::sleep(Duration::from_millis(round as u64));
        running.signal(*signal);
        let out = running.wait();
        if out.status.success() {
            assert_eq!(c.status(), "created");
            c.delete();
        }
        c.call("delete", &["--force"], &[]).output().ok();
        bed.assert_nothing_left();
    }
}

#[test]
fn an_init_that_is_stuck_does_not_outlive_its_maker() {
    let needs = [Need::Rcon(
        "a delete that does not wait for a killed create",
    )];
    let Some(bed) = Bed::needing(&needs) else {
        return;
    };
    // Nothing would tell init that its maker is gone until its hook ends.
    let stuck = bed.file("stuck", "#!/bin/sh\nexec sleep 20 <&- >&- 2>&-\n");
    make_executable(&stuck);
    let c = bed.container(|s| s["hooks"] = json!({ "createContainer": [{ "path": stuck }] }));
    let creating = c.call_with_bundle("create", &[]).spawn();
    std::thread::sleep(Duration::from_millis(300));
    creating.signal(Signal::SIGKILL);
    drop(creating);
    let start = Instant::now();
    c.call("delete", &["--force"], &[]).output().ok();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(9), "took {took:?}");
    bed.assert_nothing_left();
}

#[test]
fn a_start_of_a_frozen_container_does_not_keep_delete_waiting() {
    let needs = [Need::Rcon("a lock that delete --force gets")];
    let Some(bed) = Bed::needing(&needs) else {
        return;
    };
    let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
    c.create();
    // Stopped, it neither starts nor hears that it should.
    let pid = nix::unistd::Pid::from_raw(c.pid());
    nix::sys::signal::kill(pid, Signal::SIGSTOP).unwrap();
    let starting = c.call("start", &[], &[]).spawn();
    std::thread::sleep(Duration::from_millis(200));
    let start = Instant::now();
    c.call("delete", &["--force"], &[]).output().ok();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(9), "took {took:?}");
    starting.wait();
    bed.assert_nothing_left();
}

fn make_executable(path: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
