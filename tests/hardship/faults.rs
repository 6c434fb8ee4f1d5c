//! A disk that fails for an instant, or a kernel that has no descriptor left
//! at the wrong moment: one call of a command does not do what it always does.
//! What the command was not about stays as it is, whatever it was that failed.
//!
//! What was taken for unused because it could not be read would be lost.

use crate::chance::{Chance, asked, is_long};
use crate::common::{Need, Output, needs_met};
use crate::deeds::furnish;
use crate::place::{AGE, Place};

/// What is there before, and the command one of whose calls fails.
const COMMANDS: &[(&[&str], &[&str])] = &[
    (&["build", "-qt", "built", "CONTEXT"], &["rmi", "built"]),
    (
        &["build", "-qt", "built", "CONTEXT"],
        &["image", "prune", "-af"],
    ),
    (
        &["build", "-qt", "built", "CONTEXT"],
        &["builder", "prune", "-af"],
    ),
    (&["rmi", "-f", "loaded"], &["load", "-qi", "ARCHIVE"]),
    (&["load", "-qi", "ARCHIVE"], &["rmi", "loaded"]),
    (
        &["rm", "-fv", "made"],
        &["create", "--name", "made", "-v", "/x", "base"],
    ),
    (
        &["create", "--name", "made", "-v", "/x", "base"],
        &["rm", "-v", "made"],
    ),
    (
        &["create", "--name", "made", "-v", "/x", "base"],
        &["container", "prune", "-f", "--filter", "label!=stays"],
    ),
    (&["volume", "create", "data"], &["volume", "rm", "data"]),
    (&["volume", "create", "data"], &["volume", "prune", "-af"]),
    (&["network", "create", "net"], &["network", "rm", "net"]),
    (&["network", "rm", "net"], &["network", "create", "net"]),
    (&["tag", "base", "more"], &["rmi", "more"]),
    (
        &["build", "-qt", "built", "CONTEXT"],
        &[
            "system",
            "prune",
            "-af",
            "--volumes",
            "--filter",
            "label!=stays",
        ],
    ),
];

/// Calls, how they fail, and which of them is the last that is worth it.
const FAULTS: &[(&str, &str, u64)] = &[
    ("openat", "EIO", 70),
    ("openat", "EMFILE", 70),
    ("openat2", "ENOMEM", 10),
    ("read", "EIO", 40),
    ("write", "EIO", 10),
    ("rename,renameat,renameat2", "EIO", 8),
    ("unlink,unlinkat,rmdir", "EIO", 20),
    ("mkdir,mkdirat", "ENOSPC", 8),
    ("getdents64", "EIO", 20),
    ("statx,newfstatat", "EIO", 60),
    ("fcntl", "ENOLCK", 20),
];

fn words(place: &Place, line: &[&str]) -> Vec<String> {
    let fill = |word: &&str| {
        let word = word.replace("ARCHIVE", &place.text("archive.tar"));
        word.replace("CONTEXT", &place.text("context"))
    };
    line.iter().map(fill).collect()
}

/// Runs a command whose call fails once.
fn with_fault(place: &Place, line: &[&str], (calls, error, nth): (&str, &str, u64)) -> Output {
    let inject = format!("inject={calls}:error={error}:when={nth}");
    let trace = format!("exec strace -qqq -o /dev/null -e trace={calls} -e {inject} \"$@\"");
    let words = words(place, line);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    place.by_shell(&trace, &words).output()
}

/// What no command here is about.
#[track_caller]
fn assert_kept(place: &Place, when: &str) {
    let out = place.rcon(&["start", "-a", "stays"]);
    assert_eq!(out.text(), "word", "{when}: {out}");
    let out = place.rcon(&["run", "--rm", "--pull", "never", "base", "echo", "well"]);
    assert_eq!(out.text(), "well", "{when}: {out}");
}

#[test]
fn a_call_that_fails_takes_nothing_away() {
    if !needs_met(&[Need::Root, Need::Tool("strace")]) {
        return;
    }
    let Some(place) = Place::new() else { return };
    furnish(&place);
    let line = [
        "create",
        "--name",
        "stays",
        "--label",
        "stays",
        "-v",
        "kept:/data",
        "base",
    ];
    place.ok(&[&line[..], &["sh", "-c", "echo word > /data/w; cat /data/w"]].concat());
    let mut chance = Chance::new(12);
    let rounds = if is_long() {
        asked("RCON_TEST_ROUNDS", 0) / 10
    } else {
        4
    };
    for (before, command) in COMMANDS {
        for round in 0..rounds {
            let prepare = words(&place, before);
            let prepare: Vec<&str> = prepare.iter().map(String::as_str).collect();
            place.rcon(&prepare);
            let (calls, error, last) = *chance.of(FAULTS);
            let fault = (calls, error, 1 + chance.below(last));
            let when = format!("round {round}, {command:?} with {fault:?}");
            let out = with_fault(&place, command, fault);
            assert!(out.status.code().is_some(), "{when}: {out}");
            for bad in ["panicked", "internal error"] {
                assert!(!out.stderr.contains(bad), "{when}: {out}");
            }
            assert_kept(&place, &when);
        }
        std::thread::sleep(AGE);
        place.repair(&format!("{command:?}"));
        place.assert_lists(&format!("{command:?}"));
    }
    place.assert_goes();
}

/// Another image has the same layer: whichever of the calls fails by which
/// that would be seen, the layer stays.
#[test]
fn what_two_images_share_outlives_a_read_that_fails() {
    if !needs_met(&[Need::Root, Need::Tool("strace")]) {
        return;
    }
    let Some(place) = Place::new() else { return };
    place.ok(&["create", "--name", "more", "base"]);
    place.ok(&["cp", &place.text("image/rootfs/etc/passwd"), "more:/added"]);
    place.ok(&["commit", "more", "derived"]);
    let archive = place.text("derived.tar");
    place.ok(&["save", "-o", &archive, "derived"]);
    place.ok(&["rm", "more"]);
    let mut removed = 0;
    for nth in 8..40 {
        if place.rcon(&["image", "inspect", "derived"]).status.code() != Some(0) {
            removed += 1;
            place.ok(&["load", "-qi", &archive]);
        }
        with_fault(&place, &["rmi", "derived"], ("openat", "EIO", nth));
        let out = place.rcon(&["save", "-o", "/dev/null", "base"]);
        assert!(out.status.success(), "the {nth}th call: {out}");
        let out = place.rcon(&["run", "--rm", "--pull", "never", "base", "true"]);
        assert!(out.status.success(), "the {nth}th call: {out}");
    }
    assert!(removed > 1, "it was never removed");
    place.assert_goes();
}
