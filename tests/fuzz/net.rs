//! The net itself: whatever goes wrong with an input is noticed, and the input
//! is known.

use std::time::Duration;

use super::mutate::{Chance, mutated};
use super::targets::{Target, target};
use super::worker::Note;
use super::{Need, PATIENCE, Watched, needs_met};

/// Targets that break what is promised.
pub const SPOILT: &[Target] = &[
    target("panics", |_| panic!("as it must"), &[]),
    target(
        "hangs",
        |_| std::thread::sleep(Duration::from_secs(600)),
        &[],
    ),
    target("overflows", |bytes| drop(deep(bytes, 1)), &[]),
    target("swallows", swallow, &[]),
];

#[allow(unconditional_recursion, reason = "that is what must be noticed")]
fn deep(bytes: &[u8], n: usize) -> Vec<usize> {
    let mut all = std::hint::black_box(deep(bytes, n + 1));
    all.push(n + bytes.len());
    all
}

/// Twice what it may have.
fn swallow(_: &[u8]) {
    let all = vec![1_u8; 192 << 20];
    drop(std::hint::black_box(all));
}

fn caught(name: &str, patience: Duration) -> String {
    let target = SPOILT.iter().find(|t| t.name == name).expect("a target");
    let mut worker = Watched::start(target);
    let what = worker.watch(patience).expect_err("it goes wrong");
    let (count, input) = Note::read(&worker.dir.join("note"));
    assert_eq!((count, &input[..]), (1, &b""[..]), "{what}");
    what
}

#[test]
fn whatever_goes_wrong_is_noticed() {
    if !needs_met(&[Need::Root]) {
        return;
    }
    assert_eq!(caught("panics", PATIENCE), "a panic");
    assert_eq!(caught("overflows", PATIENCE), "signal 6");
    assert_eq!(caught("swallows", PATIENCE), "signal 6");
    let short = Duration::from_secs(3);
    assert_eq!(caught("hangs", short), "no end within 3s");
}

#[test]
fn the_same_seed_makes_the_same_inputs() {
    let all = [b"FROM a\nRUN 12\n".to_vec(), vec![0; 600]];
    let make = |seed| {
        let mut chance = Chance::new(seed);
        let one = |_| mutated(&mut chance, &all[0], &all, &["word"], 1000);
        (0..200).map(one).collect::<Vec<_>>()
    };
    assert_eq!(make(1), make(1));
    assert_ne!(make(1), make(2));
    assert!(make(1).iter().all(|input| input.len() <= 1000));
    let different: std::collections::BTreeSet<_> = make(1).into_iter().collect();
    assert!(
        different.len() > 150,
        "only {} different ones",
        different.len()
    );
}
