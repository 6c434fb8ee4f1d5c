//! `update`.

use crate::common::{Need, cgroups, eventually};
use crate::place::Place;
use std::fs;

fn memory(id: &str) -> String {
    let path = format!("/rcon-{id}");
    cgroups::read("memory", &path, "memory.limit_in_bytes", "memory.max")
}

#[test]
fn memory_of_one_that_runs_and_of_one_that_does_not() {
    let Some(place) = Place::needing(&[Need::Controller("memory")]) else {
        return;
    };
    let id = place.start(
        "box",
        &["--memory", "64m", "--memory-swap", "64m"],
        "sleep 600",
    );
    assert_eq!(memory(&id), (64 << 20).to_string());
    place.ok(&["update", "--memory", "80m", "--memory-swap", "80m", "box"]);
    assert_eq!(memory(&id), (80 << 20).to_string());
    place.ok(&["stop", "-t", "0", "box"]);
    place.ok(&["update", "--memory", "96m", "--memory-swap", "96m", "box"]);
    place.ok(&["start", "box"]);
    assert_eq!(memory(&id), (96 << 20).to_string());
}

#[test]
fn the_restart_policy() {
    let Some(place) = Place::new() else { return };
    place.start("box", &["--restart", "always"], "sleep 600");
    place.ok(&["update", "--restart", "no", "box"]);
    place.ok(&["exec", "box", "sh", "-c", "kill -9 -1; kill -9 1"]);
    place.ok(&["exec", "box", "true"]);
    place.start("brief", &["--restart", "always"], "sleep 0.2; exit 3");
    eventually("it was restarted", || {
        place.number_of("brief", "restarts") >= 1
    });
    place.ok(&["update", "--restart", "no", "brief"]);
    place.becomes("brief", "exited");
    place.ok(&["update", "--restart", "on-failure:1", "brief"]);
    place.ok(&["start", "brief"]);
    assert_eq!(place.ok(&["wait", "brief"]).text(), "3");
    assert_eq!(place.number_of("brief", "restarts"), 1);
}

#[test]
fn a_refusal_changes_nothing() {
    let Some(place) = Place::needing(&[Need::Controller("memory")]) else {
        return;
    };
    let id = place.start(
        "box",
        &["--memory", "64m", "--memory-swap", "64m"],
        "sleep 600",
    );
    let record = || fs::read_to_string(place.dir_of("box").join("config.json")).unwrap();
    let before = record();
    let wrong: [&[&str]; 5] = [
        &["--memory", "80m"],
        &["--memory", "nonsense"],
        &["--cpuset-cpus", "999"],
        &["--restart", "sometimes"],
        &[],
    ];
    for running in [true, false] {
        for flags in wrong {
            if !running && flags.contains(&"999") {
                continue;
            }
            let args = [&["update"], flags, &["box"]].concat();
            let out = place.rcon(&args).output();
            let code = out.status.code();
            out.fails_naming(&[]);
            assert!(matches!(code, Some(1 | 125)), "{args:?}: {code:?}");
            assert_eq!(record(), before, "{args:?}");
        }
        if running {
            assert_eq!(memory(&id), (64 << 20).to_string());
            place.ok(&["stop", "-t", "0", "box"]);
        }
    }
}

#[test]
fn a_long_configuration_does_not_keep_a_container_from_being_updated() {
    let Some(place) = Place::new() else { return };
    let long = "x".repeat(100_000);
    let (one, two) = (format!("ONE={long}"), format!("TWO={long}"));
    place.start("wordy", &["-e", &one, "-e", &two], "sleep 600");
    place.ok(&["update", "--restart", "on-failure:2", "wordy"]);
    let config = fs::read_to_string(place.dir_of("wordy").join("config.json")).unwrap();
    assert!(config.contains("on-failure") && config.contains(&two));
}
