//! Restart policies.

use crate::common::eventually;
use crate::common::host::becomes_true;
use crate::place::Place;
use std::time::{Duration, Instant};

#[test]
fn on_failure_counts() {
    let Some(place) = Place::new() else { return };
    place.start("thrice", &["--restart", "on-failure:2"], "echo ran; exit 3");
    assert_eq!(place.ok(&["wait", "thrice"]).text(), "3");
    assert_eq!(place.ok(&["logs", "thrice"]).stdout, "ran\nran\nran\n");
    assert_eq!(place.number_of("thrice", "restarts"), 2);
    assert_eq!(place.status("thrice"), "exited");
    // Started by hand, it may fail as often again.
    place.ok(&["start", "thrice"]);
    place.ok(&["wait", "thrice"]);
    assert_eq!(place.ok(&["logs", "thrice"]).stdout.lines().count(), 6);
}

#[test]
fn on_failure_is_content_with_success() {
    let Some(place) = Place::new() else { return };
    let script = "test -e /once && exit 0; touch /once; exit 1";
    place.start("second", &["--restart", "on-failure"], script);
    assert_eq!(place.ok(&["wait", "second"]).text(), "0");
    assert_eq!(place.number_of("second", "restarts"), 1);
}

#[test]
fn always_means_until_it_is_stopped() {
    let Some(place) = Place::new() else { return };
    for policy in ["always", "unless-stopped"] {
        place.start(policy, &["--restart", policy], "echo ran; sleep 0.05");
        eventually("it was restarted", || {
            place.number_of(policy, "restarts") >= 2
        });
        place.ok(&["stop", policy]);
        assert_eq!(place.status(policy), "exited");
        let count = place.ok(&["logs", policy]).stdout.len();
        std::thread::sleep(Duration::from_millis(700));
        assert_eq!(place.ok(&["logs", policy]).stdout.len(), count);
        assert_eq!(place.state(policy)["stopped_by_hand"], true);
    }
}

#[test]
fn the_pauses_grow() {
    let Some(place) = Place::new() else { return };
    place.start(
        "slower",
        &["--restart", "on-failure:4"],
        "date +%s%N 2>/dev/null; exit 1",
    );
    let start = Instant::now();
    place.ok(&["wait", "slower"]);
    // 100, 200, 400 and 800 milliseconds.
    let took = start.elapsed();
    assert!(
        took > Duration::from_millis(1300) && took < Duration::from_secs(30),
        "{took:?}"
    );
}

#[test]
fn in_the_pause_it_can_be_stopped_and_removed() {
    let Some(place) = Place::new() else { return };
    for (name, command) in [
        ("one", &["stop"][..]),
        ("two", &["rm", "-f"]),
        ("three", &["kill"]),
    ] {
        place.start(name, &["--restart", "always"], "exit 1");
        eventually("the pause is long", || {
            place.number_of(name, "restarts") >= 5
        });
        place.becomes(name, "restarting");
        if name == "three" {
            // There is nobody to be told, and it changes nothing.
            let out = place.rcon(&["kill", "-s", "HUP", name]).output();
            out.code(1).fails_naming(&["not running"]);
        }
        let start = Instant::now();
        let out = place.rcon(command).args([name]).output();
        assert!(
            start.elapsed() < Duration::from_millis(2500),
            "{command:?}: {:?}",
            start.elapsed()
        );
        out.ok();
        if name == "two" {
            assert!(!place.store().join("names/two").exists());
        } else {
            place.becomes(name, "exited");
            let count = place.number_of(name, "restarts");
            std::thread::sleep(Duration::from_millis(1500));
            assert_eq!(place.number_of(name, "restarts"), count, "{command:?}");
            assert_eq!(place.status(name), "exited");
        }
    }
}

#[test]
fn a_kill_by_hand_is_the_end() {
    let Some(place) = Place::new() else { return };
    place.start("shot", &["--restart", "always"], "sleep 600");
    place.ok(&["kill", "shot"]);
    place.becomes("shot", "exited");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(place.status("shot"), "exited");
}

#[test]
fn rm_and_restart_contradict() {
    let Some(place) = Place::new() else { return };
    let out = place
        .run(&["--rm", "--restart", "always"], &["true"])
        .output();
    out.code(125).fails_naming(&["--rm", "--restart"]);
    place
        .run(&["--restart", "sometimes"], &["true"])
        .output()
        .code(125)
        .fails_naming(&["sometimes"]);
    place.assert_empty();
}

#[test]
fn who_is_attached_sees_each_life() {
    let Some(place) = Place::new() else { return };
    let out = place
        .run(
            &["--restart", "on-failure:1"],
            &["sh", "-c", "echo ran; exit 5"],
        )
        .output();
    let out = out.code(5);
    assert_eq!(out.stdout, "ran\nran\n");
}

#[test]
fn one_that_cannot_start_again_says_why() {
    let Some(place) = Place::new() else { return };
    place.start("lost", &["--restart", "always"], "rm /bin/sh; exit 1");
    let ended = becomes_true(Duration::from_secs(5), || place.status("lost") == "exited");
    assert!(ended, "{}", place.state("lost"));
    let error = place.state("lost")["error"].to_string();
    assert!(error.contains("sh"), "{error}");
    assert_eq!(place.number_of("lost", "exit_code"), 127);
}
