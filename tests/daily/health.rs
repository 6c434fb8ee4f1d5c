//! Health checks.

use crate::common::eventually;
use crate::common::host::becomes_true;
use crate::place::Place;
use std::fs;
use std::time::Duration;

fn health(place: &Place, name: &str) -> String {
    place.state(name)["health"]["status"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[track_caller]
fn becomes(place: &Place, name: &str, status: &str) {
    let there = becomes_true(Duration::from_secs(10), || health(place, name) == status);
    assert!(there, "never {status}: {}", place.state(name));
}

#[test]
fn from_starting_to_healthy_to_unhealthy() {
    let Some(place) = Place::new() else { return };
    let flags = [
        "--health-cmd",
        "echo looked; test -e /well",
        "--health-interval",
        "200ms",
        "--health-retries",
        "2",
    ];
    place.start("patient", &flags, "sleep 0.1; touch /well; sleep 600");
    assert_eq!(health(&place, "patient"), "starting");
    becomes(&place, "patient", "healthy");
    place.ok(&["exec", "patient", "rm", "/well"]);
    becomes(&place, "patient", "unhealthy");
    let state = place.state("patient");
    assert!(state["health"]["failing_streak"].as_i64() >= Some(2));
    let last = state["health"]["log"]
        .as_array()
        .and_then(|l| l.last().cloned())
        .unwrap();
    assert_eq!(
        (last["exit_code"].as_i64(), last["output"].as_str()),
        (Some(1), Some("looked\n"))
    );
    place.ok(&["exec", "patient", "touch", "/well"]);
    becomes(&place, "patient", "healthy");
}

#[test]
fn a_check_that_hangs_is_killed_with_its_children() {
    let Some(place) = Place::new() else { return };
    let flags = [
        "--health-cmd",
        "echo slow; sleep 4321 & sleep 4321",
        "--health-interval",
        "100ms",
        "--health-timeout",
        "300ms",
        "--health-retries",
        "1",
    ];
    place.start("stuck", &flags, "sleep 600");
    becomes(&place, "stuck", "unhealthy");
    let state = place.state("stuck");
    let last = state["health"]["log"][0].clone();
    assert_eq!(last["exit_code"], -1, "{last}");
    assert!(last["output"].to_string().contains("timeout"), "{last}");
    // A running one has two at most; those of earlier ones are gone.
    std::thread::sleep(Duration::from_millis(1500));
    let sleeping = place.ok(&["exec", "stuck", "sh", "-c", "ps | grep -c '[s]leep 4321'"]);
    let count: u32 = sleeping.text().parse().unwrap_or(99);
    assert!(count <= 4, "{count} are left");
}

#[test]
fn failures_in_the_start_period_do_not_count() {
    let Some(place) = Place::new() else { return };
    let flags = [
        "--health-cmd",
        "false",
        "--health-interval",
        "100ms",
        "--health-retries",
        "1",
        "--health-start-period",
        "1s",
        "--health-start-interval",
        "100ms",
    ];
    place.start("slow", &flags, "sleep 600");
    eventually("it was looked at", || {
        place.state("slow")["health"]["log"]
            .as_array()
            .is_some_and(|l| l.len() >= 2)
    });
    assert_eq!(health(&place, "slow"), "starting");
    becomes(&place, "slow", "unhealthy");
}

#[test]
fn a_long_story_is_cut_and_a_stop_ends_the_checks() {
    let Some(place) = Place::new() else { return };
    let flags = ["--health-cmd", "seq 1 100000", "--health-interval", "100ms"];
    place.start("chatty", &flags, "sleep 600");
    becomes(&place, "chatty", "healthy");
    let state = place.state("chatty");
    let said = state["health"]["log"][0]["output"]
        .as_str()
        .unwrap_or_default();
    assert!(
        said.starts_with("1\n2\n") && said.len() <= 4096,
        "{}",
        said.len()
    );
    place.ok(&["stop", "-t", "0", "chatty"]);
    let path = place.dir_of("chatty").join("state.json");
    let before = fs::read(&path).unwrap();
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_check_does_not_delay_the_end() {
    let Some(place) = Place::new() else { return };
    let flags = ["--health-cmd", "sleep 600", "--health-interval", "50ms"];
    place.start("ending", &flags, "sleep 0.5; exit 3");
    let start = std::time::Instant::now();
    assert_eq!(place.ok(&["wait", "ending"]).text(), "3");
    // A check may take half a minute.
    assert!(start.elapsed() < Duration::from_secs(20));
}

/// A program that stops everybody who is born beside it.
const STOPS_ALL: &str = "while :; do for p in /proc/[0-9]*; do p=${p#/proc/}; \
     [ $p = 1 ] || kill -STOP $p; done; done 2>/dev/null";

#[test]
fn a_program_that_stops_its_checks_does_not_stop_its_keeper() {
    let Some(place) = Place::new() else { return };
    let flags = [
        "--health-cmd",
        "true",
        "--health-interval",
        "50ms",
        "--health-timeout",
        "300ms",
        "--health-retries",
        "1",
    ];
    place.start("hostile", &flags, STOPS_ALL);
    becomes(&place, "hostile", "unhealthy");
    let start = std::time::Instant::now();
    place.ok(&["stop", "-t", "0", "hostile"]);
    assert!(start.elapsed() < Duration::from_secs(4));
    assert_eq!(place.status("hostile"), "exited");
}

#[test]
fn who_shares_processes_with_a_hostile_one_is_not_waited_for_for_ever() {
    let Some(place) = Place::new() else { return };
    place.start("hostile", &[], STOPS_ALL);
    // It may come through in time once or twice.
    let is_stopped = (0..10).any(|n| {
        let name = format!("guest{n}");
        let flags = ["-d", "--name", &name, "--pid", "container:hostile"];
        let out = place.run(&flags, &["sleep", "600"]).output();
        place.ok(&["rm", "-f", &name]);
        out.stderr.contains("does not answer")
    });
    assert!(is_stopped, "it was never slow enough");
    place.ok(&["rm", "-f", "hostile"]);
    place.assert_empty();
}

#[test]
fn what_a_check_leaves_in_a_session_of_its_own_is_ended() {
    let Some(place) = Place::new() else { return };
    let flags = [
        "--health-cmd",
        "test -e /hang && { setsid sleep 4322 & sleep 4322; }; setsid sleep 4321 & true",
        "--health-interval",
        "100ms",
        "--health-timeout",
        "500ms",
        "--health-retries",
        "1",
    ];
    place.start("littering", &flags, "sleep 4323 & sleep 600");
    becomes(&place, "littering", "healthy");
    place.ok(&["exec", "littering", "touch", "/hang"]);
    becomes(&place, "littering", "unhealthy");
    place.ok(&["exec", "littering", "rm", "/hang"]);
    becomes(&place, "littering", "healthy");
    std::thread::sleep(Duration::from_millis(600));
    let count = |which: &str| {
        // Not the shell of a check, which has it in its words.
        let line = format!("ps -o args | grep -c '^sleep {which}'");
        let out = place
            .rcon(&["exec", "littering", "sh", "-c", &line])
            .output();
        out.stdout.trim().parse::<u32>().unwrap_or(99)
    };
    assert_eq!(count("4322"), 0, "of one that took too long");
    assert!(count("4321") <= 1, "of those that ended in time");
    assert_eq!(count("4323"), 1, "the container's own");
}
