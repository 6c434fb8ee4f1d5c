//! Nothing to work with: no descriptors, no processes, no `/proc`.

use crate::chance::is_long;
use crate::common::{Need, Output, cgroups, needs_met};
use crate::deeds::furnish;
use crate::place::{Place, leave_the_hosts_mounts};
use std::fs;
use std::path::PathBuf;

/// Commands of every kind, and what takes away what they make.
pub fn commands(place: &Place) -> Vec<(Vec<String>, &'static [&'static str])> {
    let root = place.text("image/rootfs");
    let (archive, context) = (place.text("archive.tar"), place.text("context"));
    let out = place.text("out.tar");
    let lines: [(&[&str], &'static [&'static str]); 19] = [
        (&["ps", "-a"], &[]),
        (&["images"], &[]),
        (&["system", "check"], &[]),
        (&["logs", "up"], &[]),
        (&["stats", "--no-stream", "up"], &[]),
        (&["inspect", "up"], &[]),
        (&["exec", "up", "true"], &[]),
        (&["run", "--rm", "base", "true"], &[]),
        (
            &[
                "run",
                "-d",
                "--name",
                "new",
                "-p",
                "127.0.0.1::80",
                "-v",
                "/x",
                "base",
                "sleep",
                "9",
            ],
            &["rm", "-fv", "new"],
        ),
        (&["create", "--name", "new", "base"], &["rm", "-f", "new"]),
        (&["stop", "-t", "0", "up"], &["start", "up"]),
        (&["restart", "-t", "0", "up"], &[]),
        (&["rename", "up", "new"], &["rename", "new", "up"]),
        (&["volume", "create", "new"], &["volume", "rm", "new"]),
        (&["network", "create", "new"], &["network", "rm", "new"]),
        (
            &["cp", &root, "up:/root/new"],
            &["exec", "up", "rm", "-rf", "/root/new"],
        ),
        (&["load", "-qi", &archive], &["rmi", "loaded"]),
        (&["save", "-o", &out, "base"], &[]),
        (
            &["build", "-q", "--no-cache", "-t", "new", &context],
            &["rmi", "new"],
        ),
    ];
    let owned = |line: &[&str]| line.iter().map(|w| (*w).to_owned()).collect();
    // Those that need least of all are not much of a trial.
    let first = if is_long() { 0 } else { 6 };
    let lines = lines.iter().skip(first);
    lines.map(|(line, undo)| (owned(line), *undo)).collect()
}

/// It is done; or it fails with a line of its own, and no crash.
#[track_caller]
fn done_or_told(out: &Output, what: &str) -> bool {
    if out.status.success() {
        return true;
    }
    let code = out.status.code();
    assert!(code.is_some(), "{what}: {out}");
    for bad in ["panicked", "internal error", "RUST_BACKTRACE"] {
        assert!(!out.stderr.contains(bad), "{what}: {out}");
    }
    assert!(!out.stderr.trim().is_empty(), "{what}: {out}");
    false
}

/// Each command under each measure of want; all is as it was afterwards, and
/// with enough it is done.
fn each_with(place: &Place, wants: &[u32], line: impl Fn(u32) -> String) {
    for (args, undo) in commands(place) {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut was_done = false;
        for want in wants {
            let what = format!("{args:?} with {want}");
            let out = place.by_shell(&line(*want), &args).output();
            was_done = done_or_told(&out, &what);
            if was_done && !undo.is_empty() {
                place.ok(undo);
            }
            as_before(place, &what);
        }
        assert!(was_done, "{args:?} was not done with all it could want");
        place.repair(&format!("{args:?}"));
    }
    place.assert_goes();
}

/// What was up is up, or can be started again.
#[track_caller]
pub fn as_before(place: &Place, what: &str) {
    // A container may be there that could not be started, or that was renamed
    // by a command whose last word was lost.
    let names = place.bed.root().join("names");
    if !names.join("up").exists() {
        place.ok(&["rename", "new", "up"]);
    }
    if names.join("new").exists() {
        place.ok(&["rm", "-fv", "new"]);
    }
    let greeting = || place.rcon(&["exec", "up", "echo", "well"]);
    let mut out = greeting();
    if !out.status.success() {
        place.ok(&["start", "up"]);
        out = greeting();
    }
    assert_eq!(out.text(), "well", "{what}: {out}");
}

pub fn furnished() -> Option<Place> {
    let place = Place::new()?;
    furnish(&place);
    place.sleeper("up", &["-v", "/unnamed"]);
    Some(place)
}

#[test]
fn without_descriptors() {
    let Some(place) = furnished() else { return };
    let few = 3..if is_long() { 64 } else { 13 };
    let wants: Vec<u32> = few.chain([16, 24, 64]).collect();
    each_with(&place, &wants, |want| {
        format!("ulimit -n {want}; exec \"$@\"")
    });
}

/// A cgroup that goes with the test.
pub struct Room(PathBuf);

impl Room {
    pub fn new(controller: &str, name: &str) -> Self {
        let name = format!("rcon-test-{}-{name}", std::process::id());
        let dir = cgroups::dir_of(controller, &name);
        fs::create_dir(&dir).expect("a cgroup");
        Self(dir)
    }

    /// Sets a limit under the name it has here.
    pub fn limit(&self, names: &[&str], to: &str) {
        let file = names.iter().map(|n| self.0.join(n)).find(|f| f.exists());
        fs::write(file.expect("a limit"), to).expect("a limit");
    }

    /// A line of shell that goes in there and becomes the command.
    pub fn enter(&self) -> String {
        let procs = self.0.join("cgroup.procs");
        format!("echo 0 > {}; exec \"$@\"", procs.display())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        for pid in cgroups::processes(&self.0) {
            crate::place::shoot(pid);
        }
        let emptied = || cgroups::processes(&self.0).is_empty();
        crate::common::host::becomes_true(std::time::Duration::from_secs(5), emptied);
        cgroups::remove(&self.0);
    }
}

#[test]
fn without_processes() {
    if !needs_met(&[Need::Root, Need::Controller("pids")]) {
        return;
    }
    let Some(place) = furnished() else { return };
    let room = Room::new("pids", "few");
    let set = |want: u32| {
        room.limit(&["pids.max"], &want.to_string());
        room.enter()
    };
    each_with(&place, &[1, 2, 3, 4, 5, 6, 8, 12, 100], set);
}

#[test]
fn without_proc() {
    if !needs_met(&[Need::Root]) {
        return;
    }
    leave_the_hosts_mounts();
    let Some(place) = furnished() else { return };
    let covered = [
        "/proc",
        "/proc/self/mountinfo",
        "/proc/self/cgroup",
        "/proc/filesystems",
        "/proc/sys/kernel",
    ];
    for path in covered {
        let real = fs::canonicalize(path).expect("the kernel shows it");
        for (args, undo) in commands(&place) {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let what = format!("{args:?} without {path}");
            let line = if real.is_dir() {
                format!("mount -t tmpfs none {path} && exec \"$@\"")
            } else {
                format!("mount --bind /dev/null {path} && exec \"$@\"")
            };
            let line = format!("exec unshare -m sh -c '{line}' sh \"$@\"");
            let out = place.by_shell(&line, &args).output();
            if done_or_told(&out, &what) && !undo.is_empty() {
                place.ok(undo);
            }
            as_before(&place, &what);
        }
        place.repair(path);
    }
    place.assert_goes();
}

/// Nobody sees another's processes; who is root sees all the same.
#[test]
fn with_processes_hidden() {
    if !needs_met(&[Need::Root]) {
        return;
    }
    leave_the_hosts_mounts();
    let Some(place) = furnished() else { return };
    let line =
        "exec unshare -m sh -c 'mount -t proc -o hidepid=2 none /proc && exec \"$@\"' sh \"$@\"";
    for (args, undo) in commands(&place) {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        place.by_shell(line, &args).output().ok();
        if !undo.is_empty() {
            place.ok(undo);
        }
    }
    place.assert_goes();
}
