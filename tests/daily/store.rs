//! The store: where it is, and what happens when it is not as it should be.

use crate::common::Value;
use crate::common::host::{PATIENCE, becomes_true, is_alive};
use crate::place::{Place, names_in};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
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
fn how_a_container_ended_is_told_where_it_cannot_be_noted() {
    let Some(place) = Place::new() else { return };
    let disk = OwnDisk::new(&place, "size=4m");
    let (root, run) = (place.text_path("disk/store"), place.text_path("sockets"));
    let global = ["--root", &root, "--run-root", &run];
    let rcon = |args: &[&str]| place.rcon(&global).args(args).output();
    // Of two, one goes with its program.
    for (name, flags) in [("kept", &[][..]), ("passing", &["--rm"])] {
        let flags = [&["-d", "--name", name], flags].concat();
        let line = place.line("run", &flags, &["sleep", "600"]);
        place.rcon(&global).args(line).output().ok();
        let state = fs::canonicalize(disk.0.join("store/names").join(name)).unwrap();
        let state = fs::read_to_string(state.join("state.json")).unwrap();
        let state: Value = serde_json::from_str(&state).unwrap();
        let keeper = state["keeper"].as_i64().unwrap() as i32;
        kill(Pid::from_raw(keeper), Signal::SIGKILL).unwrap();
        assert!(becomes_true(PATIENCE, || !is_alive(keeper)));
    }
    let remount = |how: &str| {
        let mut mount = Command::new("mount");
        let status = mount.args(["-o", how]).arg(&disk.0).status();
        assert!(status.is_ok_and(|s| s.success()));
    };
    remount("remount,ro");
    for _ in 0..2 {
        let out = rcon(&["ps", "-a", "--format", "{{.Names}} {{.Status}}"]).ok();
        let mut told: Vec<&str> = out.stdout.lines().collect();
        told.sort_unstable();
        assert!(told[0].starts_with("kept Exited (137)"), "{out}");
        assert!(told[1].starts_with("passing Exited (137)"), "{out}");
        assert_eq!(out.stderr, "", "{out}");
    }
    let inspected = rcon(&["inspect", "--format", "{{.State.ExitCode}}", "kept"]).ok();
    assert_eq!(inspected.text(), "137");
    remount("remount,rw");
    let out = rcon(&["ps", "-a", "--format", "{{.Names}}"]).ok();
    assert_eq!(out.text(), "kept");
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

/// A small disk for the whole store, for as long as it is held.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn under(place: &Place) -> Self {
        let at = place.store();
        fs::create_dir_all(&at).unwrap();
        let done = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m,mode=0700", "rcon-test"])
            .arg(&at)
            .status();
        assert!(done.is_ok_and(|s| s.success()), "cannot mount a tmpfs");
        Self(at)
    }

    fn fill(&self) {
        let mut ballast = fs::File::create(self.0.join("ballast")).unwrap();
        for size in [65536, 4096, 1] {
            while std::io::Write::write_all(&mut ballast, &vec![0; size]).is_ok() {}
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH);
    }
}

#[test]
fn how_a_container_ended_is_noted_on_a_full_disk() {
    let Some(place) = Place::new() else { return };
    let disk = SmallDisk::under(&place);
    let shared = place.path("shared");
    fs::create_dir(&shared).unwrap();
    let bind = format!("{}:/shared", shared.display());
    let script = "while ! test -e /shared/go; do sleep 0.05; done; exit 7";
    place.start("full", &["-v", &bind], script);
    disk.fill();
    fs::write(shared.join("go"), "").unwrap();
    assert_eq!(place.ok(&["wait", "full"]).text(), "7");
    assert_eq!(place.number_of("full", "exit_code"), 7);
    let shown = place.ok(&["ps", "-a", "--format", "{{.Status}}"]);
    assert!(shown.text().starts_with("Exited (7)"), "{}", shown.text());
    fs::remove_file(place.store().join("ballast")).unwrap();
    place.ok(&["rm", "full"]);
}

#[test]
fn the_limits_and_the_umask_of_a_shell_are_not_the_keepers() {
    let Some(place) = Place::new() else { return };
    let made = place.path("made");
    let bind = format!("{}:/made", made.display());
    let script = "ulimit -f; seq 1 20000; sleep 600";
    let line = place.line(
        "run",
        &["-d", "--name", "tight", "-v", &bind],
        &["sh", "-c", script],
    );
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "umask 077; ulimit -S -f 40; exec \"$0\" \"$@\""]);
    shell.arg(env!("CARGO_BIN_EXE_rcon"));
    place.call(shell).args(line).output().ok();
    place.says("tight", "\n20000\n");
    let said = place.ok(&["logs", "tight"]).stdout;
    assert!(
        !said.starts_with("unlimited"),
        "the program's own limit: {:?}",
        said.lines().next()
    );
    assert_eq!(said.lines().count(), 20001);
    let given = fs::metadata(&made).unwrap().permissions();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&given) & 0o777,
        0o755
    );
    place.ok(&["rm", "-f", "tight"]);
}

#[test]
fn who_only_looks_makes_no_store() {
    let Some(place) = Place::new() else { return };
    let typo = place.text_path("typo/store");
    for (command, code) in [
        (&["ps", "-a"][..], 0),
        (&["images"], 0),
        (&["network", "ls"], 0),
        (&["info"], 0),
        (&["system", "df"], 0),
        (&["system", "check"], 0),
        (&["events", "--until", "1s"], 0),
        (&["logs", "nobody"], 1),
        (&["inspect", "nobody"], 1),
        (&["rm", "-f", "nobody"], 0),
        (&["stop", "nobody"], 1),
        (&["rmi", "nothing"], 1),
        (&["container", "prune", "-f"], 0),
    ] {
        let out = place.rcon(&["--root", &typo]).args(command).output();
        out.code(code);
        assert!(!place.path("typo").exists(), "{command:?} made something");
    }
}

#[test]
fn one_whose_record_is_spoilt_is_shown_and_can_be_removed() {
    let Some(place) = Place::new() else { return };
    place.start("bad", &[], "sleep 600");
    place.ok(&["kill", "bad"]);
    fs::write(place.dir_of("bad").join("state.json"), "{").unwrap();
    let out = place.ok(&["ps", "-a", "--format", "{{.Names}} {{.State}} {{.Status}}"]);
    assert_eq!(out.text(), "bad dead Dead (the record is spoilt)");
    assert_eq!(place.ok(&["ps", "-q"]).text(), "");
    place
        .rcon(&["stop", "bad"])
        .output()
        .code(1)
        .fails_naming(&["spoilt", "rm --force"]);
    place.ok(&["rm", "-f", "bad"]);
    // As a power failure can leave it where contents come late.
    place.start("bad", &[], "true");
    place.start("other", &[], "true");
    place.ok(&["wait", "bad", "other"]);
    let record = |name: &str| place.dir_of(name).join("config.json");
    fs::copy(record("other"), record("bad")).unwrap();
    place
        .rcon(&["start", "bad"])
        .output()
        .code(1)
        .fails_naming(&["the record of container", "spoilt", "rm --force"]);
    place.ok(&["rm", "-f", "bad"]);
    assert!(place.exists("other"));
    place.ok(&["rm", "other"]);
    place.assert_empty();
}

#[test]
fn a_starter_that_was_killed_leaves_no_container_that_was_to_go() {
    let Some(place) = Place::new() else { return };
    // As it is after `run --rm` was killed between keeping and starting it.
    let orphan = |name: &str, flags: &[&str]| {
        let flags = [&["--name", name], flags].concat();
        let line = place.line("create", &flags, &["true"]);
        place.rcon(&[]).args(line).output().ok();
        let path = place.dir_of(name).join("state.json");
        let mut state = place.state(name);
        state["keeper"] = 4_000_000.into();
        fs::write(&path, state.to_string()).unwrap();
    };
    orphan("gone", &["--rm"]);
    orphan("stays", &[]);
    place.ok(&["ps"]);
    assert!(!place.exists("gone"));
    assert_eq!(place.status("stays"), "created");
    assert_eq!(place.number_of("stays", "exit_code"), 0);
    orphan("again", &["--rm"]);
    place.prints(&["--name", "again"], "true");
    place.ok(&["rm", "stays"]);
    // One that only waits to be started is nobody's orphan.
    let line = place.line("create", &["--rm", "--name", "waits"], &["true"]);
    place.rcon(&[]).args(line).output().ok();
    place.ok(&["ps"]);
    assert!(place.exists("waits"));
    place.ok(&["rm", "waits"]);
}
