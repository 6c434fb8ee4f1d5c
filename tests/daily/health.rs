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
    assert!(start.elapsed() < Duration::from_secs(4));
}
