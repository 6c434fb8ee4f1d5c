//! The store: where it is, and what happens when it is not as it should be.

use crate::common::Need;
use crate::place::{Place, names_in};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

#[test]
fn it_is_where_one_says() {
    let Some(place) = Place::new() else { return };
    let (root, run) = (place.text_path("elsewhere"), place.text_path("sockets"));
    let line = place.line("run", &["-d", "--name", "box"], &["sleep", "600"]);
    let global = ["--root", &root, "--run-root", &run];
    place.rcon(&global).args(line).output().ok();
    assert_eq!(names_in(&place.path("elsewhere/names")), ["box"]);
    let sockets = names_in(&place.path("sockets"));
    assert_eq!(sockets.iter().filter(|n| n.len() == 64).count(), 1);
    assert!(
        !place.store().exists(),
        "the flag comes before the variable"
    );
    place.rcon(&["kill", "box"]).output().code(1);
    place
        .rcon(&["--root", &root, "--run-root", &run, "rm", "-f", "box"])
        .output()
        .ok();
    let mode = |p: &str| fs::metadata(place.path(p)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (
            mode("elsewhere"),
            mode("elsewhere/containers"),
            mode("sockets")
        ),
        (0o700, 0o700, 0o700)
    );
}

#[test]
fn one_of_another_version_is_left_alone() {
    let Some(place) = Place::new() else { return };
    place.run(&["--rm"], &["true"]).output().ok();
    let version = place.store().join("version");
    let ours = fs::read(&version).unwrap();
    fs::write(&version, "77\n").unwrap();
    let out = place.run(&["--rm"], &["true"]).output();
    out.fails_naming(&["version", "77"]);
    fs::write(&version, ours).unwrap();
    place.assert_empty();
}

#[test]
fn spoilt_records_are_told_and_can_be_removed() {
    let Some(place) = Place::new() else { return };
    for (file, content) in [
        ("state.json", "{"),
        ("config.json", "no json"),
        ("state.json", ""),
        ("config.json", "{\"version\": 99}"),
    ] {
        place.run(&["--name", "spoilt"], &["true"]).output().ok();
        place.sleeper("sound");
        let path = place.dir_of("spoilt").join(file);
        fs::write(&path, content).unwrap();
        let out = place.rcon(&["start", "spoilt"]).output();
        out.code(1).fails_naming(&[file]);
        place.ok(&["exec", "sound", "true"]);
        place.ok(&["rm", "-f", "spoilt"]);
        place.ok(&["rm", "-f", "sound"]);
        place.assert_empty();
    }
}

#[test]
fn a_missing_record_is_no_riddle() {
    let Some(place) = Place::new() else { return };
    for file in ["state.json", "config.json", "name", "lock"] {
        let id = place.start("hole", &[], "true");
        place.ok(&["wait", "hole"]);
        fs::remove_file(place.dir_of("hole").join(file)).unwrap();
        place.rcon(&["rm", "-f", &id]).output().ok();
        let left = place.kept();
        assert!(left.is_empty(), "without {file}: {left:?}");
    }
}

/// A store on a file system of its own.
struct OwnDisk(PathBuf);

impl OwnDisk {
    fn new(place: &Place, options: &str) -> Self {
        let at = place.path("disk");
        fs::create_dir_all(&at).unwrap();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "rcon-test"])
            .arg(&at)
            .status();
        assert!(done.is_ok_and(|s| s.success()));
        Self(at)
    }
}

impl Drop for OwnDisk {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH);
    }
}

#[test]
fn a_full_disk() {
    let Some(place) = Place::new() else { return };
    let disk = OwnDisk::new(&place, "size=1m");
    let root = place.text_path("disk/store");
    let line = place.line("run", &["--name", "before"], &["true"]);
    place.rcon(&["--root", &root]).args(line).output().ok();
    let _ = fs::write(disk.0.join("fill"), vec![0; 2 << 20]);
    let line = place.line("run", &["--rm"], &["true"]);
    let out = place.rcon(&["--root", &root]).args(line).output();
    out.code(125).fails_naming(&["No space left"]);
    assert_eq!(
        names_in(&disk.0.join("store/containers")).len(),
        1,
        "nothing half-made"
    );
    // Removing works on a full disk.
    place.rcon(&["--root", &root, "rm", "before"]).output().ok();
    fs::remove_file(disk.0.join("fill")).unwrap();
    let line = place.line("run", &["--rm"], &["true"]);
    place.rcon(&["--root", &root]).args(line).output().ok();
}

#[test]
fn a_disk_that_fills_does_not_stop_a_container() {
    let Some(place) = Place::new() else { return };
    let disk = OwnDisk::new(&place, "size=2m");
    let root = place.text_path("disk/store");
    // On its own disk so that the overlay is not what is full.
    let rootfs = place.text_path("rootfs");
    let script = "seq 1 400000; echo end > /tmp/end; exit 6";
    let args = [
        "--root",
        &root,
        "run",
        "--name",
        "loud",
        "--tmpfs",
        "/tmp",
        "--log-opt",
        "max-size=64m",
        "--rootfs",
        &rootfs,
        "sh",
        "-c",
        script,
    ];
    let out = place.rcon(&args).output().code(6);
    assert_eq!(out.stdout.lines().count(), 400_000);
    place
        .rcon(&["--root", &root, "rm", "-f", "loud"])
        .output()
        .ok();
    assert!(names_in(&disk.0.join("store/containers")).is_empty());
}

#[test]
fn a_read_only_store() {
    let Some(place) = Place::new() else { return };
    let disk = OwnDisk::new(&place, "size=4m");
    let root = place.text_path("disk/store");
    let line = place.line("create", &["--name", "old"], &["true"]);
    place.rcon(&["--root", &root]).args(line).output().ok();
    let remount = Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(&disk.0)
        .status();
    assert!(remount.is_ok_and(|s| s.success()));
    let line = place.line("run", &["--rm"], &["true"]);
    let out = place.rcon(&["--root", &root]).args(line).output();
    out.code(125).fails_naming(&["Read-only"]);
    for args in [
        &["start", "old"][..],
        &["rm", "old"],
        &["rename", "old", "new"],
    ] {
        let out = place.rcon(&["--root", &root]).args(args).output();
        out.code(1).fails_naming(&["Read-only"]);
    }
}

#[test]
fn without_privileges() {
    let Some(place) = Place::needing(&[Need::Tool("setpriv")]) else {
        return;
    };
    place.run(&["--rm"], &["true"]).output().ok();
    let binary = place.text_path("rcon");
    // By another process: a file that a fork of ours still has open for writing
    // cannot be executed.
    let copied = Command::new("cp")
        .args([env!("CARGO_BIN_EXE_rcon"), &binary])
        .status();
    assert!(copied.is_ok_and(|s| s.success()));
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid=1000",
        "--regid=1000",
        "--clear-groups",
        &binary,
        "rm",
        "nobody",
    ]);
    let out = place.call(command).output();
    out.code(1).fails_naming(&["ermission denied", "root"]);
}

#[test]
fn a_root_that_cannot_be_made() {
    let Some(place) = Place::new() else { return };
    place.file("file", "");
    for root in ["/proc/no/such", &place.text_path("file/below")] {
        let line = place.line("run", &["--rm"], &["true"]);
        let out = place.rcon(&["--root", root]).args(line).output();
        out.code(125).fails_naming(&[root]);
    }
}
