//! What can be said of a directory of the host, and that it holds.

use crate::common::host;
use crate::place::{PLAIN, Place};
use std::fs;
use std::process::Command;

#[test]
fn a_path_of_the_host_may_be_relative_or_missing_or_a_file() {
    let Some(place) = Place::new() else { return };
    let dir = place.host_dir("here");
    assert_eq!(
        place.prints(&["-v", "./here:/x"], PLAIN, "cat /x/theirs"),
        "host"
    );
    let up = place.bed.call(&[
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        "../here:/x",
        PLAIN,
        "cat",
        "/x/theirs",
    ]);
    let inside = place.bed.path("io");
    assert_eq!(up.cwd(&inside).output().ok().text(), "host");
    let mount = "type=bind,src=./here,dst=/x";
    assert_eq!(
        place.prints(&["--mount", mount], PLAIN, "cat /x/theirs"),
        "host"
    );
    let file = format!("{dir}/theirs");
    let shown = place.prints(
        &["-v", &format!("{file}:/etc/mine")],
        PLAIN,
        "cat /etc/mine; echo new >/etc/mine",
    );
    assert_eq!(shown, "host");
    assert_eq!(fs::read_to_string(&file).unwrap(), "new\n");
    // Made for -v, and refused by --mount, as in Docker.
    place
        .run(&["-v", "./made/deep:/x"], PLAIN, "touch /x/y")
        .ok();
    assert!(place.bed.path("made/deep/y").exists());
    let out = place
        .run(&["--mount", "type=bind,src=./none,dst=/x"], PLAIN, "true")
        .code(125);
    out.fails_naming(&["bind source path does not exist", "none"]);
    assert!(!place.bed.path("none").exists());
    place
        .run(
            &["--mount", "type=bind,src=./told,dst=/x,bind-create-src"],
            PLAIN,
            "true",
        )
        .ok();
    assert!(place.bed.path("told").is_dir());
}

#[test]
fn words_about_a_mount_hold() {
    let Some(place) = Place::new() else { return };
    place.host_dir("here");
    let options = |flags: &str| {
        let bind = format!("./here:/x:{flags}");
        place.prints(&["-v", &bind], PLAIN, "grep ' /x ' /proc/self/mountinfo")
    };
    for (flags, want) in [
        ("ro", "ro,"),
        ("noexec", "noexec"),
        ("nosuid,nodev", "nosuid,nodev"),
    ] {
        let shown = options(flags);
        let shown = shown.split(' ').nth(5).unwrap();
        assert!(shown.contains(want), "{flags}: {shown}");
    }
    for word in ["z", "Z", "cached", "rw"] {
        assert!(options(word).contains(" /x rw"), "{word}");
    }
    let out = place
        .run(&["-v", "./here:/x:nocopy"], PLAIN, "true")
        .code(125);
    out.fails_naming(&["invalid mode: nocopy"]);
    let out = place.run(
        &["--mount", "type=bind,src=./here,dst=/x,colour=red"],
        PLAIN,
        "true",
    );
    out.code(125).fails_naming(&["unexpected key 'colour'"]);
    let out = place
        .run(&["--volume-driver", "nfs", "-v", "data:/x"], PLAIN, "true")
        .code(125);
    out.fails_naming(&["nfs"]);
    place
        .run(
            &["--volume-driver", "local", "-v", "data:/x"],
            PLAIN,
            "true",
        )
        .ok();
}

/// A directory with another file system mounted in it, until dropped.
struct Nested(String);

impl Nested {
    fn new(place: &Place) -> Self {
        let dir = place.host_dir("nested");
        // Shared, as the root of most machines is.
        run("mount", &["--bind", &dir, &dir]);
        run("mount", &["--make-shared", &dir]);
        fs::create_dir(format!("{dir}/below")).unwrap();
        run("mount", &["-t", "tmpfs", "tmpfs", &format!("{dir}/below")]);
        fs::write(format!("{dir}/below/deep"), "deep\n").unwrap();
        Self(dir)
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-R", "-l", &self.0]).status();
    }
}

#[track_caller]
fn run(program: &str, args: &[&str]) {
    let done = Command::new(program).args(args).status();
    assert!(done.expect("a command").success(), "{program} {args:?}");
}

#[test]
fn what_is_mounted_below_comes_along_as_it_is_told() {
    let Some(place) = Place::new() else { return };
    let nested = Nested::new(&place);
    let with = |more: &str| {
        let mount = format!("type=bind,src={},dst=/x{more}", nested.0);
        let script =
            "cat /x/below/deep; touch /x/y && echo top; touch /x/below/y && echo below; true";
        let out = place.run(&["--mount", &mount], PLAIN, script).ok();
        out.text().replace('\n', " ")
    };
    assert_eq!(with(""), "deep top below");
    assert_eq!(
        with(",bind-recursive=disabled"),
        "top below",
        "an empty directory"
    );
    let _ = fs::remove_file(format!("{}/below/y", nested.0));
    assert_eq!(with(",bind-nonrecursive"), "top below");
    assert_eq!(with(",readonly"), "deep");
    assert_eq!(with(",readonly,bind-recursive=writable"), "deep below");
    assert_eq!(
        with(",readonly,bind-recursive=readonly,bind-propagation=rprivate"),
        "deep"
    );
    let v = place.prints(
        &["-v", &format!("{}:/x:ro", nested.0)],
        PLAIN,
        "touch /x/below/z || echo no",
    );
    assert_eq!(v, "no");
}

#[test]
fn mounts_travel_as_they_are_told() {
    let Some(place) = Place::new() else { return };
    let nested = Nested::new(&place);
    let bind = |mode: &str| format!("{}:/x:{mode}", nested.0);
    for (mode, seen) in [("rprivate", "0"), ("rslave", "1"), ("rshared", "1")] {
        let name = format!("c-{mode}");
        place.start(&name, &["-v", &bind(mode)], PLAIN);
        let late = format!("{}/late-{mode}", nested.0);
        fs::create_dir(&late).unwrap();
        run("mount", &["-t", "tmpfs", "tmpfs", &late]);
        let count = format!("grep -c ' /x/late-{mode} ' /proc/self/mountinfo; true");
        assert_eq!(place.exec(&name, &count), seen, "{mode}");
        let propagation = place.mounts(&name)[0]["Propagation"].clone();
        assert_eq!(propagation, mode);
    }
    // And back out: only from a shared one, and only with the power to mount.
    let out = |mode: &str| {
        let flags = [
            "--cap-add",
            "SYS_ADMIN",
            "--security-opt",
            "seccomp=unconfined",
            "-v",
            &bind(mode),
        ];
        let made =
            format!("mkdir -p /x/out-{mode} && mount -t tmpfs tmpfs /x/out-{mode} && sleep 0.1");
        place.run(&flags, PLAIN, &made).ok();
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let all = host::parse_mountinfo(&table);
        all.iter()
            .any(|m| m.point.ends_with(&format!("/out-{mode}")))
    };
    assert!(!out("rslave"));
    assert!(out("rshared"));
}

#[test]
fn memory_as_it_is_told() {
    let Some(place) = Place::new() else { return };
    let shown = |flags: &[&str], script: &str| place.prints(flags, PLAIN, script);
    let size = "df -k /t | tail -1 | awk '{print $2}'; stat -c %a /t";
    assert_eq!(
        shown(&["--tmpfs", "/t:size=3m,mode=1755"], size),
        "3072\n1755"
    );
    let mount = "type=tmpfs,dst=/t,tmpfs-size=3m,tmpfs-mode=700";
    assert_eq!(shown(&["--mount", mount], size), "3072\n700");
    let options = "grep ' /t ' /proc/self/mountinfo | cut -d' ' -f6";
    assert_eq!(
        shown(&["--tmpfs", "/t"], options),
        "rw,nosuid,nodev,noexec,relatime"
    );
    assert!(!shown(&["--tmpfs", "/t:exec"], options).contains("noexec"));
    let out = place
        .run(
            &["--mount", "type=tmpfs,dst=/t,readonly"],
            PLAIN,
            "touch /t/x",
        )
        .code(1);
    assert!(out.stderr.contains("Read-only"), "{out}");
    assert_eq!(shown(&["--tmpfs", "/t:uid=7"], "stat -c %u /t"), "7");
}

#[test]
fn a_source_that_leads_nowhere_is_named() {
    let Some(place) = Place::new() else { return };
    let link = place.bed.path("link");
    std::os::unix::fs::symlink("/nowhere/at/all", &link).unwrap();
    let out = place
        .run(&["-v", &format!("{}:/x", link.display())], PLAIN, "true")
        .code(125);
    assert!(
        out.stderr.contains("is a link to nowhere: /nowhere/at/all"),
        "{out}"
    );
    assert!(!out.stderr.contains("config.json"), "{out}");
    // Later, too: what is gone is named, and nothing is made in its place.
    let dir = place.host_dir("given");
    let mount = format!("type=bind,src={dir},dst=/x");
    place.create("later", &["--mount", &mount], PLAIN, "true");
    fs::remove_dir_all(&dir).unwrap();
    let out = place.rcon(&["start", "later"]).code(1);
    assert!(
        out.stderr.contains("bind source path does not exist"),
        "{out}"
    );
    assert!(
        out.stderr.contains(&dir) && !out.stderr.contains("config.json"),
        "{out}"
    );
}
