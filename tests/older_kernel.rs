//! What rcon does where the kernel lacks a call: another way that comes to the
//! same, or one line that says what is missing. The whole suite can be run so,
//! too: see `common/older.rs`.

mod common;
use common::host::{HostMount, Mount};
use common::*;

use nix::errno::Errno;

/// All that Linux 5.12 has more than 5.11 and that rcon has a use for.
const SETATTR: &str = "mount_setattr";

/// What is mounted in a container with these mounts, on a kernel without
/// `mount_setattr`.
#[track_caller]
fn mounts_without_setattr(bed: &Bed, mounts: &[Value]) -> Vec<Mount> {
    let c = bed.container(|s| {
        s["process"]["args"] = words("cat /proc/self/mountinfo");
        s["mounts"]
            .as_array_mut()
            .unwrap()
            .extend_from_slice(mounts);
    });
    let call = c.call_with_bundle("run", &[]).without(SETATTR);
    host::parse_mountinfo(&call.output().ok().stdout)
}

#[track_caller]
fn at<'m>(all: &'m [Mount], point: &str) -> &'m Mount {
    let found = all.iter().find(|m| m.point == point);
    found.unwrap_or_else(|| panic!("nothing at {point} in {all:?}"))
}

/// What a test asks for is what the kernel will answer for the whole process,
/// and for what it starts. The test runs itself again to see that.
#[test]
fn the_switch_hides_what_is_newer_and_nothing_else() {
    let list = "5.11,pidfd_getfd";
    if std::env::var("RCON_TEST_WITHOUT").as_deref() != Ok(list) {
        let own = std::env::current_exe().unwrap();
        let name = "the_switch_hides_what_is_newer_and_nothing_else";
        let out = std::process::Command::new(own)
            .args(["--exact", name])
            .env("RCON_TEST_WITHOUT", list)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let Some(bed) = Bed::new() else { return };
    // No arguments that any of them would take: what is there says EBADF,
    // EFAULT or EINVAL.
    let answer = |number| {
        // SAFETY: no pointer is given but null ones, which no call follows.
        let ret = unsafe { libc::syscall(number, -1, 0, 0, 0, 0) };
        (ret == -1).then(Errno::last)
    };
    for number in [
        libc::SYS_mount_setattr,
        libc::SYS_landlock_create_ruleset,
        libc::SYS_pidfd_getfd,
    ] {
        assert_eq!(answer(number), Some(Errno::ENOSYS));
    }
    assert_ne!(answer(libc::SYS_openat2), Some(Errno::ENOSYS));
    assert_ne!(answer(libc::SYS_epoll_pwait2), Some(Errno::ENOSYS));
    let filters = bed.run(|s| s["process"]["args"] = words("cat /proc/self/status"));
    let inside = host::field(&filters.ok().stdout, "Seccomp_filters");
    assert_eq!(inside, Some(host::own_filters()));
}

#[test]
fn flags_of_mounts_hold_all_the_same() {
    let Some(bed) = Bed::needing(&[Need::Tool("mount")]) else {
        return;
    };
    let _source = HostMount::tmpfs(&bed, "shared", "nosuid,nodev,noatime");
    let _below = HostMount::tmpfs(&bed, "shared/be low", "size=64k,noexec");
    bed.file("shared/file", "");
    let (dir, file) = (bed.text_path("shared"), bed.text_path("shared/file"));
    let all = mounts_without_setattr(
        &bed,
        &[
            mount("/plain", "bind", &dir, &["rbind"]),
            mount(
                "/ro",
                "bind",
                &dir,
                &["rbind", "ro", "noexec", "nosymfollow"],
            ),
            mount("/rro", "bind", &dir, &["rbind", "rro", "strictatime"]),
            mount("/file", "bind", &file, &["bind", "ro"]),
            mount("/new", "tmpfs", "tmpfs", &["ro", "noatime", "nodiratime"]),
        ],
    );
    for (point, has, lacks) in [
        ("/plain", "rw nosuid nodev noatime", "noexec"),
        ("/plain/be\\040low", "rw noexec", "nosuid"),
        ("/ro", "ro nosuid nodev noatime noexec nosymfollow", ""),
        ("/ro/be\\040low", "rw noexec", "nosymfollow"),
        ("/rro", "ro nosuid nodev", "noatime relatime"),
        ("/rro/be\\040low", "ro noexec relatime", "nosuid"),
        ("/file", "ro nosuid nodev noatime", ""),
        ("/new", "ro noatime nodiratime", "nosuid"),
    ] {
        let m = at(&all, point);
        let wrong = has.split_whitespace().find(|flag| !m.has(flag));
        assert_eq!(wrong, None, "missing at {point}: {m:?}");
        let wrong = lacks.split_whitespace().find(|flag| m.has(flag));
        assert_eq!(wrong, None, "not asked for at {point}: {m:?}");
    }
}

#[test]
fn events_travel_as_asked_all_the_same() {
    let Some(bed) = Bed::needing(&[Need::Tool("mount")]) else {
        return;
    };
    let at_host = HostMount::tmpfs(&bed, "shared", "size=64k");
    let done = std::process::Command::new("mount")
        .arg("--make-shared")
        .arg(&at_host.0)
        .status();
    assert!(done.unwrap().success());
    let dir = bed.text_path("shared");
    let kinds = ["private", "slave", "shared", "unbindable"];
    let points = kinds.map(|kind| format!("/{kind}"));
    let mounts: Vec<Value> = std::iter::zip(kinds, &points)
        .map(|(kind, point)| mount(point, "bind", &dir, &["bind", kind]))
        .collect();
    let all = mounts_without_setattr(&bed, &mounts);
    let of = |point: &str| at(&all, point);
    assert_eq!(of("/private").propagation, [""; 0]);
    assert!(of("/slave").propagates("master") && !of("/slave").propagates("shared"));
    assert!(of("/shared").propagates("shared"));
    assert_eq!(of("/unbindable").propagation, ["unbindable"]);
    assert!(of("/").propagation.is_empty(), "{:?}", of("/"));
}

#[test]
fn what_is_read_only_or_hidden_stays_so() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        s["process"]["args"] = sh("cat /proc/self/mountinfo; echo x >/data/sub/f; cat /file");
        s["linux"]["readonlyPaths"] = json!(["/data"]);
        s["linux"]["maskedPaths"] = json!(["/file", "/dir"]);
        let inner = mount("/data/sub", "tmpfs", "tmpfs", &["size=64k"]);
        s["mounts"].as_array_mut().unwrap().push(inner);
    });
    std::fs::create_dir_all(c.rootfs("data/sub")).unwrap();
    std::fs::create_dir(c.rootfs("dir")).unwrap();
    std::fs::write(c.rootfs("file"), "secret").unwrap();
    let call = c.call_with_bundle("run", &[]).without(SETATTR);
    let out = call.output().ok();
    assert!(out.stderr.contains("Read-only file system"), "{out}");
    assert!(!out.stdout.contains("secret"), "{out}");
    let lines = out.stdout.lines().filter(|l| l.contains(" - "));
    let all = host::parse_mountinfo(&lines.collect::<Vec<_>>().join("\n"));
    for point in ["/data", "/file", "/dir"] {
        assert!(at(&all, point).has("ro"), "{:?}", at(&all, point));
    }
    let mut inner = all.iter().filter(|m| m.point == "/data/sub");
    assert!(inner.next_back().unwrap().has("ro"), "{all:?}");
    assert!(at(&all, "/file").has("nosuid") && at(&all, "/file").has("noexec"));
}

#[test]
fn a_container_of_the_store_runs_and_its_binds_are_read_only() {
    let Some(bed) = store::StoreBed::new() else {
        return;
    };
    let (root, from) = (bed.rootfs(""), bed.path("io"));
    let (root, bind) = (
        root.to_string_lossy(),
        format!("{}:/mnt:ro", from.display()),
    );
    let script = "touch /mnt/x 2>/dev/null || echo refused";
    let args = [
        "run", "--rm", "-v", &bind, "--rootfs", &root, "sh", "-c", script,
    ];
    let out = bed.call(&args).without(SETATTR).output();
    assert_eq!(out.ok().text(), "refused");
}

#[test]
fn owners_cannot_be_mapped_and_that_is_said() {
    let Some(bed) = Bed::new() else { return };
    let source = bed.directory("shared");
    let c = bed.container(|s| {
        let mut mapped = mount("/mnt", "bind", &source, &["bind"]);
        mapped["uidMappings"] = json!([{ "containerID": 0, "hostID": 5000, "size": 1 }]);
        mapped["gidMappings"] = mapped["uidMappings"].clone();
        s["mounts"].as_array_mut().unwrap().push(mapped);
    });
    let out = c.call_with_bundle("run", &[]).without(SETATTR).output();
    out.fails_naming(&["Linux has mount_setattr since 5.12"]);
    bed.assert_nothing_left();
}

/// For these there is no other way, or none that is as safe.
#[test]
fn what_rcon_cannot_do_without_is_named_with_its_version() {
    let Some(bed) = Bed::needing(&[Need::Rcon("its own words")]) else {
        return;
    };
    for (call, since) in [
        ("clone3", "5.3"),
        ("close_range", "5.9"),
        ("fsopen", "5.2"),
        ("fsconfig", "5.2"),
        ("fsmount", "5.2"),
        ("move_mount", "5.2"),
        ("open_tree", "5.2"),
        ("openat2", "5.6"),
    ] {
        let c = bed.container(|s| s["process"]["args"] = words("true"));
        let out = c.call_with_bundle("run", &[]).without(call).output();
        out.fails_naming(&[&format!("Linux has {call} since {since}")]);
        bed.assert_nothing_left();
    }
}
