//! Device nodes: those every container has, those the spec adds, and the
//! device cgroup that decides which of them open.

mod common;
use common::*;
use std::fs;

/// `stat` in a format of type, major:minor, mode, owner for these paths.
fn stat_nodes(paths: &str) -> Value {
    sh(&format!("stat -c '%n %F %t:%T %a %u:%g' {paths}"))
}

#[test]
fn the_customary_devices_are_there() {
    let Some(bed) = Bed::new() else { return };
    let paths = "/dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty";
    let out = bed.run(|s| s["process"]["args"] = stat_nodes(paths));
    // stat prints the numbers in hexadecimal.
    let expected = "/dev/null character special file 1:3 666 0:0\n\
        /dev/zero character special file 1:5 666 0:0\n\
        /dev/full character special file 1:7 666 0:0\n\
        /dev/random character special file 1:8 666 0:0\n\
        /dev/urandom character special file 1:9 666 0:0\n\
        /dev/tty character special file 5:0 666 0:0\n";
    assert_eq!(out.ok().stdout, expected);
}

#[test]
fn the_customary_links_are_there() {
    let Some(bed) = Bed::new() else { return };
    let script = "for l in fd stdin stdout stderr ptmx core; do readlink /dev/$l; done";
    let out = bed.run(|s| s["process"]["args"] = sh(script));
    let expected = "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n";
    // /dev/core is a link where the kernel has a /proc/kcore to point to.
    assert!(out.stdout.starts_with(expected), "{out}");
}

#[test]
fn nothing_else_of_the_hosts_dev_is_there() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| s["process"]["args"] = words("ls /dev"));
    let names: Vec<&str> = out.stdout.lines().filter(|n| *n != "core").collect();
    let expected = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
    assert_eq!(names.join(" "), expected);
}

#[test]
fn the_null_device_works() {
    let Some(bed) = Bed::new() else { return };
    let script = "echo x > /dev/null && cat /dev/null && head -c 3 /dev/zero | od -An -tx1";
    let out = bed.run(|s| s["process"]["args"] = sh(script));
    assert_eq!(out.ok().text(), "00 00 00");
}

#[test]
fn a_device_of_the_spec_has_its_type_numbers_mode_and_owner() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = stat_nodes("/dev/my/char /dev/block /dev/pipe");
        s["linux"]["devices"] = json!([
            { "path": "/dev/my/char", "type": "c", "major": 10, "minor": 229,
              "fileMode": 0o640, "uid": 1000, "gid": 50 },
            { "path": "/dev/block", "type": "b", "major": 7, "minor": 200, "fileMode": 0o600 },
            { "path": "/dev/pipe", "type": "p", "fileMode": 0o622 },
        ]);
    });
    let expected = "/dev/my/char character special file a:e5 640 1000:50\n\
        /dev/block block special file 7:c8 600 0:0\n\
        /dev/pipe fifo 0:0 622 0:0\n";
    assert_eq!(out.ok().stdout, expected);
}

#[test]
fn a_device_of_the_spec_replaces_a_customary_one() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = stat_nodes("/dev/full");
        s["linux"]["devices"] = json!([
            { "path": "/dev/full", "type": "c", "major": 1, "minor": 7, "fileMode": 0o600 },
        ]);
    });
    assert_eq!(
        out.ok().text(),
        "/dev/full character special file 1:7 600 0:0"
    );
}

/// A device that anybody with its node may open, so that only the cgroup can
/// be what refuses; not among those every container may use.
const FUSE: Need = Need::Kernel("/dev/fuse");

/// Makes a node in the container and opens it in both directions.
fn open_node(major: u32, minor: u32) -> Value {
    let open = "(: < /node) && echo readable; (: > /node) && echo writable";
    sh(&format!(
        "mknod /node c {major} {minor} || exit 9; {open}; true"
    ))
}

/// What a container with these device rules can do with /dev/fuse.
#[track_caller]
fn fuse_with(bed: &Bed, rules: Value) -> Output {
    let out = bed.run(|s| {
        s["process"]["args"] = open_node(10, 229);
        s["linux"]["resources"]["devices"] = rules;
    });
    out.ok()
}

#[test]
fn a_device_that_is_not_allowed_does_not_open() {
    let Some(bed) = Bed::needing(&[Need::Controller("devices"), FUSE]) else {
        return;
    };
    let out = fuse_with(&bed, json!([{ "allow": false, "access": "rwm" }]));
    assert_eq!(out.stdout, "");
    assert!(out.stderr.contains("Operation not permitted"), "{out}");
}

#[test]
fn an_allowed_device_opens_for_what_is_allowed() {
    let Some(bed) = Bed::needing(&[Need::Controller("devices"), FUSE]) else {
        return;
    };
    for (access, expected) in [("rm", "readable\n"), ("rwm", "readable\nwritable\n")] {
        let rule = json!({
            "allow": true, "type": "c", "major": 10, "minor": 229, "access": access,
        });
        let out = fuse_with(&bed, json!([{ "allow": false, "access": "rwm" }, rule]));
        assert_eq!(out.stdout, expected, "{access}: {out}");
    }
}

#[test]
fn a_later_device_rule_overrides_an_earlier_one() {
    let Some(bed) = Bed::needing(&[Need::Controller("devices"), FUSE]) else {
        return;
    };
    let all = json!({ "allow": true, "access": "rwm" });
    let not_this = json!({
        "allow": false, "type": "c", "major": 10, "minor": 229, "access": "rw",
    });
    let out = fuse_with(&bed, json!([all, not_this]));
    assert_eq!(out.stdout, "", "{out}");
    let out = fuse_with(&bed, json!([all]));
    assert_eq!(out.stdout, "readable\nwritable\n", "{out}");
}

#[test]
fn making_a_node_can_be_denied() {
    let Some(bed) = Bed::needing(&[Need::Controller("devices"), FUSE]) else {
        return;
    };
    let out = bed.run(|s| {
        s["process"]["args"] = open_node(10, 229);
        let rule = json!({
            "allow": false, "type": "c", "major": 10, "minor": 229, "access": "m",
        });
        s["linux"]["resources"]["devices"] = json!([{ "allow": true, "access": "rwm" }, rule]);
    });
    assert!(out.code(9).stderr.contains("Operation not permitted"));
}

#[test]
fn the_customary_devices_open_although_all_others_are_denied() {
    let Some(bed) = Bed::needing(&[Need::Controller("devices")]) else {
        return;
    };
    for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9)] {
        let out = bed.run(|s| s["process"]["args"] = open_node(major, minor));
        assert_eq!(out.stdout, "readable\nwritable\n", "{major}:{minor}: {out}");
    }
}

#[test]
fn the_device_list_of_version_one_is_what_was_asked_for() {
    let Some(bed) = Bed::needing(&[Need::CgroupV1("devices")]) else {
        return;
    };
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["linux"]["resources"]["devices"] = json!([
            { "allow": false, "access": "rwm" },
            { "allow": true, "type": "b", "major": 7, "access": "r" },
        ]);
    });
    c.run_detached();
    let list = cgroups::read("devices", &c.id, "devices.list", "");
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines.contains(&"b 7:* r"), "{list}");
    assert!(lines.contains(&"c 1:3 rwm"), "{list}");
    assert!(!lines.contains(&"a *:* rwm"), "{list}");
}

#[test]
fn without_a_mount_at_dev_no_nodes_are_made_in_the_image() {
    let Some(bed) = Bed::needing(&[Need::Tool("mount")]) else {
        return;
    };
    let c = bed.container(|s| {
        s["mounts"] = json!([
            { "destination": "/proc", "type": "proc", "source": "proc" },
            mount("/dev", "bind", "/dev", &["rbind", "rslave"]),
        ]);
    });
    let before = fs::read_dir("/dev").unwrap().count();
    c.run().ok();
    assert_eq!(fs::read_dir("/dev").unwrap().count(), before);
    assert_eq!(fs::read_dir(c.rootfs("dev")).unwrap().count(), 0);
}

#[test]
fn a_device_with_an_unknown_type_is_refused() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["linux"]["devices"] = json!([{ "path": "/dev/x", "type": "z", "major": 1, "minor": 1 }]);
    });
    out.fails_naming(&["linux.devices[0]"]);
    bed.assert_nothing_left();
}
