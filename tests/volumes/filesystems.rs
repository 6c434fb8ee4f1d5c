//! Volumes with a file system of their own.

use crate::place::{PLAIN, Place};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;

fn tmpfs(place: &Place, name: &str) {
    let opts = [
        "-o",
        "type=tmpfs",
        "-o",
        "device=tmpfs",
        "-o",
        "o=size=2m,mode=700",
    ];
    place.says(&[&["volume", "create"], &opts[..], &[name]].concat());
}

#[test]
fn it_is_mounted_as_long_as_somebody_uses_it() {
    let Some(place) = Place::new() else { return };
    tmpfs(&place, "mem");
    assert_eq!(place.host_mounts(), [""; 0]);
    place.create("idle", &["-v", "mem:/x"], PLAIN, "true");
    assert_eq!(place.host_mounts(), [""; 0], "nobody runs");
    place.start("one", &["-v", "mem:/x"], PLAIN);
    place.start("two", &["-v", "mem:/x"], PLAIN);
    assert_eq!(
        place.exec("one", "df -k /x | tail -1 | awk '{print $1, $2}'"),
        "tmpfs 2048"
    );
    place.exec("one", "echo shared >/x/y");
    assert_eq!(place.exec("two", "cat /x/y"), "shared");
    let at = place.data("mem").to_string_lossy().into_owned();
    assert_eq!(place.host_mounts(), std::slice::from_ref(&at));
    place.says(&["stop", "one"]);
    assert_eq!(place.host_mounts(), [at]);
    assert_eq!(place.exec("two", "cat /x/y"), "shared");
    place.says(&["stop", "two"]);
    assert_eq!(place.host_mounts(), [""; 0]);
    let shown: Vec<_> = place.rcon(&["volume", "inspect", "mem"]).ok().json()[0]["Options"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(shown, ["device", "o", "type"]);
}

#[test]
fn it_starts_with_the_images_files() {
    let Some(place) = Place::new() else { return };
    let mount = "src=mem,dst=/data,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-label=a=b";
    for _ in 0..2 {
        let shown = place.prints(
            &["--mount", mount],
            PLAIN,
            "cat /data/file; ls -A /data; rm /data/file",
        );
        assert_eq!(shown, "image\nfile\nlink\npipe\nsub");
    }
    let bare = format!("{mount},volume-nocopy");
    assert_eq!(place.prints(&["--mount", &bare], PLAIN, "ls -A /data"), "");
    assert_eq!(
        place.says(&["volume", "inspect", "-f", "{{.Labels.a}}", "mem"]),
        "b"
    );
    // Options are what it is made of.
    let other = "src=mem,dst=/data,volume-opt=type=none,volume-opt=device=/,volume-opt=o=bind";
    let out = place.run(&["--mount", other], PLAIN, "true").code(125);
    out.fails_naming(&["mem", "other options"]);
}

#[test]
fn a_directory_of_the_host_as_a_volume() {
    let Some(place) = Place::new() else { return };
    let dir = place.host_dir("bound");
    let device = format!("device={dir}");
    let opts = ["-o", "type=none", "-o", &device, "-o", "o=bind"];
    place.says(&[&["volume", "create"], &opts[..], &["mine"]].concat());
    assert_eq!(
        place.prints(
            &["-v", "mine:/data"],
            PLAIN,
            "cat /data/theirs; echo x >/data/new"
        ),
        "host"
    );
    assert_eq!(place.host_mounts(), [""; 0]);
    place.says(&["volume", "rm", "mine"]);
    assert_eq!(
        fs::read_to_string(format!("{dir}/theirs")).unwrap(),
        "host\n"
    );
    assert_eq!(fs::read_to_string(format!("{dir}/new")).unwrap(), "x\n");
    // Read-only, and empty: there is nothing to be done about it.
    fs::create_dir(place.bed.path("empty")).unwrap();
    let device = format!("device={}", place.bed.path("empty").display());
    let opts = ["-o", "type=none", "-o", &device, "-o", "o=bind,ro"];
    place.says(&[&["volume", "create"], &opts[..], &["fixed"]].concat());
    let out = place.run(&["-v", "fixed:/data"], PLAIN, "ls /data; touch /data/x");
    assert!(out.stderr.contains("Read-only"), "{out}");
}

#[test]
fn what_cannot_be_mounted_is_told() {
    let Some(place) = Place::new() else { return };
    let opts = ["-o", "type=none", "-o", "device=/no/such", "-o", "o=bind"];
    place.says(&[&["volume", "create"], &opts[..], &["gone"]].concat());
    let out = place.run(&["-v", "gone:/data"], PLAIN, "true").code(125);
    let out = out.fails_naming(&["volume gone", "its device /no/such does not exist"]);
    assert!(!out.stderr.contains("Some("), "{out}");
    assert_eq!(place.says(&["ps", "-aq"]), "");
    for (opts, code, why) in [
        (&["-o", "type=tmpfs"][..], 1, "device"),
        // What the flag itself does not take is a wrong flag.
        (&["-o", "size=1m"], 125, "o=size="),
        (&["-o", "colour=red"], 125, "colour"),
        (&["-o", "type"], 125, "type"),
    ] {
        let out = place.rcon(&[&["volume", "create"], opts, &["bad"]].concat());
        out.code(code).fails_naming(&[why]);
    }
    assert_eq!(place.volumes(), ["gone"]);
}

#[test]
fn what_a_killed_keeper_had_mounted_is_unmounted() {
    let Some(place) = Place::new() else { return };
    tmpfs(&place, "mem");
    let id = place.start("one", &["-v", "mem:/x"], PLAIN);
    let state = place
        .bed
        .root()
        .join("containers")
        .join(&id)
        .join("state.json");
    let state: serde_json::Value = serde_json::from_slice(&fs::read(state).unwrap()).unwrap();
    let keeper = state["keeper"].as_i64().unwrap() as i32;
    kill(Pid::from_raw(keeper), Signal::SIGKILL).unwrap();
    let settled = || place.says(&["ps", "-a", "--format", "{{.State}}"]) == "exited";
    assert!(crate::common::host::becomes_true(
        std::time::Duration::from_secs(5),
        settled
    ));
    assert_eq!(place.host_mounts(), [""; 0]);
}

#[test]
fn a_file_system_nobody_uses_is_found() {
    let Some(place) = Place::new() else { return };
    tmpfs(&place, "mem");
    let at = place.data("mem");
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "tmpfs"])
        .arg(&at)
        .status();
    assert!(mounted.unwrap().success());
    let out = place.rcon(&["system", "check"]).code(1);
    assert!(out.stdout.contains("volume mem: mounted"), "{out}");
    place.rcon(&["system", "check", "--repair"]).ok();
    assert_eq!(place.host_mounts(), [""; 0]);
}

#[test]
fn what_is_mounted_in_a_volume_is_not_removed_with_it() {
    let Some(place) = Place::new() else { return };
    place.says(&["volume", "create", "data"]);
    let dir = place.host_dir("precious");
    let at = place.data("data").join("here");
    fs::create_dir(&at).unwrap();
    let bind = |args: &[&str]| {
        let done = std::process::Command::new(args[0])
            .args(&args[1..])
            .arg(&at)
            .status();
        assert!(done.unwrap().success());
    };
    bind(&["mount", "--bind", &dir]);
    let out = place.rcon(&["volume", "rm", "data"]).code(1);
    bind(&["umount"]);
    out.fails_naming(&["mounted at", "here"]);
    assert!(fs::exists(format!("{dir}/theirs")).unwrap());
    assert_eq!(place.volumes(), ["data"]);
}
