//! Killed at any instant: the next command sees the truth and repairs.

use crate::common::eventually;
use crate::common::host::{becomes_true, is_alive};
use crate::place::{Place, names_in, shoot};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

/// Without luck: the same instants in each run.
struct Instants(u64);

impl Instants {
    fn next(&mut self, below_micros: u64) -> Duration {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Duration::from_micros((self.0 >> 33) % below_micros)
    }
}

#[test]
fn a_killed_keeper_takes_its_container_along() {
    let Some(place) = Place::new() else { return };
    place.start("box", &["--restart", "always"], "sleep 600 & sleep 600");
    let (pid, keeper) = (
        place.number_of("box", "pid"),
        place.number_of("box", "keeper"),
    );
    shoot(keeper);
    eventually("the program is gone", || !is_alive(pid));
    assert_eq!(place.ok(&["wait", "box"]).text(), "137");
    assert_eq!(place.status("box"), "exited");
    assert!(place.state("box")["error"].to_string().contains("keeper"));
    assert!(place.processes().is_empty());
    place.ok(&["start", "box"]);
    assert_eq!(place.status("box"), "running");
}

#[test]
fn with_a_killed_keeper_every_command_tells_the_truth() {
    let Some(place) = Place::new() else { return };
    let cases: [(&[&str], i32); 7] = [
        (&["kill", "box"], 1),
        (&["stop", "box"], 0),
        (&["pause", "box"], 1),
        (&["exec", "box", "true"], 1),
        (&["attach", "box"], 1),
        (&["start", "box"], 0),
        (&["rm", "box"], 0),
    ];
    for (command, code) in cases {
        place.start("box", &[], "sleep 600");
        shoot(place.number_of("box", "keeper"));
        eventually("it is dead", || place.processes().is_empty());
        place.rcon(command).output().code(code);
        place.ok(&["rm", "-f", "box"]);
        place.assert_empty();
    }
}

#[test]
fn who_waits_for_a_killed_keeper_is_told() {
    let Some(place) = Place::new() else { return };
    place.start("box", &[], "sleep 600");
    let waiting = place.rcon(&["wait", "box"]).spawn();
    let following = place.rcon(&["logs", "-f", "box"]).spawn();
    std::thread::sleep(Duration::from_millis(200));
    shoot(place.number_of("box", "keeper"));
    assert_eq!(waiting.wait().ok().text(), "137");
    following.wait().ok();
}

#[test]
fn a_killed_command_leaves_the_container_running() {
    let Some(place) = Place::new() else { return };
    let line = place.line(
        "run",
        &["--name", "box"],
        &["sh", "-c", "echo ready; sleep 600"],
    );
    let running = place.rcon(&[]).args(line).spawn();
    eventually("it is ready", || running.stdout().contains("ready"));
    running.signal(Signal::SIGKILL);
    running.wait();
    std::thread::sleep(Duration::from_millis(100));
    place.ok(&["exec", "box", "true"]);
    place.ok(&["stop", "-t", "0", "box"]);
}

/// Whatever was shot when: the name is free after a removal, and a new
/// container runs.
#[test]
fn killed_at_random_instants() {
    let Some(place) = Place::new() else { return };
    let mut instants = Instants(42);
    let start = Instant::now();
    for round in 0..200 {
        if start.elapsed() > Duration::from_secs(60) {
            break;
        }
        let line = place.line(
            "run",
            &["--name", "box"],
            &["sh", "-c", "sleep 0.02; exit 3"],
        );
        let running = place.rcon(&[]).args(line).spawn();
        std::thread::sleep(instants.next(60_000));
        match round % 3 {
            0 => running.signal(Signal::SIGKILL),
            1 => shoot_keepers(&place, running.pid()),
            _ => {
                running.signal(Signal::SIGKILL);
                shoot_keepers(&place, running.pid());
            }
        }
        running.wait();
        settled(&place, round);
    }
    place
        .run(&["--rm", "--name", "box"], &["true"])
        .output()
        .ok();
    std::thread::sleep(Duration::from_secs(2));
    // What has no name yet is swept away by a later command.
    place.rcon(&["wait", "nobody"]).output();
    place.assert_empty();
}

/// Every process of this place but the command.
fn shoot_keepers(place: &Place, command: i32) {
    let all = place.processes();
    all.into_iter()
        .filter(|pid| *pid != command)
        .for_each(shoot);
}

/// After the next command nothing is said to run that does not.
#[track_caller]
fn settled(place: &Place, round: u32) {
    let there = place.rcon(&["wait", "box"]).output();
    match there.status.code() {
        Some(0) => {
            // A keeper that was left alive may still be at its first start.
            let starts = || place.rcon(&["start", "-a", "box"]).output();
            let mut last = starts();
            let good = becomes_true(Duration::from_secs(5), || {
                let good = last.status.code() == Some(3);
                if !good {
                    last = starts();
                }
                good
            });
            assert!(good, "round {round}: {last}");
            assert_eq!(place.status("box"), "exited");
        }
        // It had not come to be yet.
        _ => drop(there.fails_naming(&["No such container"])),
    }
    place.ok(&["rm", "-f", "box"]);
    let left = || {
        let mut left = place.left();
        // A name that leads nowhere is free for whoever wants it.
        left.retain(|l| !l.contains("/.new-") && !l.contains("/.gone-") && l != "names/box");
        left
    };
    let clean = becomes_true(Duration::from_secs(5), || left().is_empty());
    assert!(clean, "round {round}: {:#?}", left());
}

#[test]
fn killed_while_removing() {
    let Some(place) = Place::new() else { return };
    let mut instants = Instants(7);
    for round in 0..25 {
        place.start("box", &[], "sleep 600");
        let removing = place.rcon(&["rm", "-f", "box"]).spawn();
        std::thread::sleep(instants.next(40_000));
        removing.signal(Signal::SIGKILL);
        removing.wait();
        // Either it is there as a whole or not at all.
        let again = place.rcon(&["rm", "-f", "box"]).output();
        again.ok();
        let kept: Vec<String> = place
            .kept()
            .into_iter()
            .filter(|n| !n.starts_with('.'))
            .collect();
        assert!(kept.is_empty(), "round {round}: {kept:?}");
        place
            .run(&["--rm", "--name", "box"], &["true"])
            .output()
            .ok();
    }
    std::thread::sleep(Duration::from_secs(2));
    place.rcon(&["wait", "nobody"]).output();
    place.assert_empty();
}

#[test]
fn two_hundred_at_once() {
    let Some(place) = Place::new() else { return };
    let foreground: Vec<_> = (0..100)
        .map(|n| {
            (
                n,
                place.sh(&[], &format!("echo {n}; exit {}", n % 7)).spawn(),
            )
        })
        .collect();
    let background: Vec<_> = (0..100)
        .map(|n| {
            place
                .run(&["-d", "--name", &format!("many{n}")], &["sleep", "600"])
                .spawn()
        })
        .collect();
    for (n, running) in foreground {
        assert_eq!(running.wait().code(n % 7).text(), n.to_string());
    }
    for running in background {
        running.wait().ok();
    }
    assert_eq!(place.kept().len(), 100);
    assert_eq!(names_in(&place.store().join("names")).len(), 100);
    let names: Vec<String> = (0..100).map(|n| format!("many{n}")).collect();
    place.rcon(&["rm", "-f"]).args(&names).output().ok();
    place.assert_empty();
}

#[test]
fn one_name_for_many() {
    let Some(place) = Place::new() else { return };
    let all: Vec<_> = (0..20)
        .map(|_| {
            place
                .run(&["-d", "--name", "only"], &["sleep", "600"])
                .spawn()
        })
        .collect();
    let good = all
        .into_iter()
        .map(|r| r.wait())
        .filter(|o| o.status.success())
        .count();
    assert_eq!((good, place.kept().len()), (1, 1));
}

#[test]
fn many_start_one() {
    let Some(place) = Place::new() else { return };
    let line = place.line("create", &["--name", "one"], &["sleep", "600"]);
    place.rcon(&[]).args(line).output().ok();
    let all: Vec<_> = (0..20)
        .map(|_| place.rcon(&["start", "one"]).spawn())
        .collect();
    let good = all
        .into_iter()
        .map(|r| r.wait())
        .filter(|o| o.status.success())
        .count();
    assert!(good >= 1);
    assert_eq!(place.status("one"), "running");
    assert_eq!(
        place
            .ok(&["exec", "one", "sh", "-c", "ps | grep -c '[s]leep 600'"])
            .text(),
        "1"
    );
}
