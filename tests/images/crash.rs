//! Killed at any instant, and several at the same.

use nix::sys::signal::Signal;
use std::time::Duration;

use crate::place::Place;

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

/// Old enough that nobody can be between two calls there.
fn let_age() {
    std::thread::sleep(Duration::from_millis(2300));
}

fn noise(length: usize) -> Vec<u8> {
    let mut instants = Instants(length as u64);
    (0..length)
        .map(|_| instants.next(256).as_micros() as u8)
        .collect()
}

#[test]
fn a_pull_or_a_removal_may_be_killed_at_any_instant() {
    let Some(place) = Place::new() else { return };
    let bed = &place.bed;
    let (one, two) = (noise(900_000), noise(1_100_000));
    let name = place.publish("app:1", &[("/one", &one), ("/two", &two)]);
    // Somewhere between too early and too late on any machine.
    let start = std::time::Instant::now();
    bed.rcon(&["pull", "-q", &name]).ok();
    let long = start.elapsed().as_micros() as u64 * 8 / 5;
    bed.rcon(&["rmi", &name]).ok();
    let mut instants = Instants(4);
    let mut seen = [0, 0];
    for round in 0..40 {
        let pull = bed.call(&["pull", "-q", &name]).spawn();
        std::thread::sleep(instants.next(long));
        pull.signal(Signal::SIGKILL);
        let _ = pull.wait();
        let listed = bed.says(&["images", "-q"]);
        seen[usize::from(listed.is_empty())] += 1;
        if listed.is_empty() {
            continue;
        }
        // What is listed is whole.
        let sums = [
            "run", "--rm", "--pull", "never", &name, "wc", "-c", "/one", "/two",
        ];
        assert!(bed.says(&sums).contains("2000000 total"), "round {round}");
        let rmi = bed.call(&["rmi", &name]).spawn();
        std::thread::sleep(instants.next(20_000));
        rmi.signal(Signal::SIGKILL);
        let _ = rmi.wait();
        if bed.says(&["images", "-q"]).is_empty() {
            continue;
        }
        assert!(bed.says(&sums).contains("2000000 total"), "round {round}");
        bed.rcon(&["rmi", &name]).ok();
    }
    let_age();
    bed.rcon(&["rmi", "-f", &name]).ok();
    place.assert_empty();
    assert!(
        seen[0] > 0 && seen[1] > 0,
        "too early or too late: {seen:?}"
    );
}

#[test]
fn several_pull_the_same_at_once() {
    let Some(place) = Place::new() else { return };
    let bed = &place.bed;
    let noise = noise(500_000);
    let name = place.publish("app:1", &[("/one", &noise), ("/two", b"2")]);
    let other = place.publish("other:1", &[("/one", &noise), ("/three", b"3")]);
    for _ in 0..4 {
        let pulls =
            [&name, &other, &name, &name, &other].map(|n| bed.call(&["pull", "-q", n]).spawn());
        for pull in pulls {
            pull.wait().ok();
        }
        place.assert_whole();
        assert_eq!(bed.says(&["run", "--rm", &name, "cat", "/two"]), "2");
        // One is removed while the other comes once more.
        let removal = bed.call(&["rmi", "-f", &name]).spawn();
        let pull = bed.call(&["pull", "-q", &name]).spawn();
        removal.wait();
        pull.wait().ok();
        assert_eq!(bed.says(&["run", "--rm", &other, "cat", "/three"]), "3");
        assert_eq!(bed.says(&["run", "--rm", &name, "cat", "/two"]), "2");
        bed.rcon(&["rmi", &name, &other]).ok();
        place.assert_empty();
    }
}
