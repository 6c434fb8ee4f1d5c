//! Every command that changes something is killed, again and again, several at
//! a time, with keepers or without.

use crate::chance::{Chance, asked};
use crate::common::eventually;
use crate::deeds::{DEEDS, Deed, furnish};
use crate::place::{Place, shoot};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::time::Duration;

/// How many are done at a time.
const LANES: u32 = 2;
/// No command is at its work for much longer.
const LONGEST: Duration = Duration::from_millis(150);

/// What nobody touches, and what must be there whatever is killed.
fn bystanders(place: &Place) {
    place.ok(&["network", "create", "keepers"]);
    place.ok(&["volume", "create", "kept"]);
    place.sleeper("keep", &["--network", "keepers", "-v", "kept:/data"]);
    place.ok(&["exec", "keep", "sh", "-c", "echo word > /data/word"]);
    place.ok(&["tag", "base", "keep:image"]);
    let line = [
        "create",
        "--name",
        "waits",
        "-v",
        "kept:/data",
        "keep:image",
    ];
    place.ok(&[&line[..], &["cat", "/data/word"]].concat());
}

/// Nothing that was there before is lost.
#[track_caller]
fn assert_kept(place: &Place, when: &str) {
    for (args, said) in [
        (&["exec", "keep", "cat", "/data/word"][..], "word"),
        (&["start", "-a", "waits"], "word"),
        (&["run", "--rm", "keep:image", "echo", "whole"], "whole"),
        (
            &["network", "inspect", "-f", "{{.Name}}", "keepers"],
            "keepers",
        ),
    ] {
        let out = place.rcon(args);
        assert_eq!(out.text(), said, "{when}: {out}");
    }
}

/// Lets deeds begin and ends each at an instant of its own.
fn kill_some(place: &Place, chance: &mut Chance, deeds: &[(u32, &'static Deed)]) {
    let mut running: Vec<_> = deeds
        .iter()
        .map(|(lane, deed)| (chance.instant(LONGEST), lane, deed))
        .map(|(after, lane, deed)| {
            let words = deed.words(place, *lane);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            (after, place.bed.call(&words).spawn())
        })
        .collect();
    running.sort_by_key(|(after, _)| *after);
    let mut slept = Duration::ZERO;
    for (after, command) in running {
        std::thread::sleep(after.saturating_sub(slept));
        slept = slept.max(after);
        command.signal(Signal::SIGKILL);
        command.wait();
    }
}

/// The keepers of the lanes' containers.
fn shoot_keepers(place: &Place, but: i64) {
    eventually("they are dead", || {
        let mut all = place.processes();
        all.retain(|pid| i64::from(*pid) != but);
        for pid in &all {
            shoot(*pid);
        }
        all.is_empty()
    });
}

#[test]
fn every_command_killed_at_random_instants() {
    let Some(place) = Place::new() else { return };
    furnish(&place);
    bystanders(&place);
    let keeper = place.state("keep")["keeper"].as_i64().unwrap_or_default();
    let mut chance = Chance::new(8);
    let mut known = BTreeSet::new();
    for round in 0..asked("RCON_TEST_ROUNDS", 150) {
        let deeds: Vec<(u32, &Deed)> = (0..LANES).map(|l| (l, chance.of(DEEDS))).collect();
        let when = format!("round {round}, after {deeds:?}");
        for (lane, deed) in &deeds {
            deed.prepare(&place, *lane);
        }
        kill_some(&place, &mut chance, &deeds);
        known.extend(place.ids());
        if chance.below(4) == 0 {
            shoot_keepers(&place, keeper);
        }
        place.repair(&when);
        place.assert_lists(&when);
        assert_kept(&place, &when);
        if round % 10 == 9 {
            place.assert_runs(&when);
        }
    }
    assert_goes_with(&place, &known);
}

/// The same as [`Place::assert_goes`], with what earlier rounds have had.
fn assert_goes_with(place: &Place, known: &BTreeSet<String>) {
    place.assert_goes();
    let groups = Place::cgroups(known);
    assert!(groups.is_empty(), "{groups:?}");
}

/// Each deed can do what it is there for, or killing it would prove little.
#[test]
fn every_deed_is_one() {
    let Some(place) = Place::new() else { return };
    furnish(&place);
    bystanders(&place);
    for deed in DEEDS {
        deed.prepare(&place, 0);
        let words = deed.words(&place, 0);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if words[..2] == ["start", "-a"] {
            // It ends when its container does.
            let running = place.bed.call(&words).spawn();
            eventually("it runs", || place.state("t0")["status"] == "running");
            place.ok(&["stop", "-t", "0", "t0"]);
            running.wait().code(137);
            continue;
        }
        let out = place.rcon(&words);
        assert!(out.status.success(), "{deed:?}: {out}");
        place.repair(&format!("after {deed:?}"));
    }
    place.assert_goes();
}
