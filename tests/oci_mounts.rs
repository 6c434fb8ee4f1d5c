//! What is mounted in a container: kinds, options, propagation, and where a
//! mount ends up when the image's links point somewhere else.

mod common;
use common::*;
use host::{HostMount, Mount, mount_at};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

/// Adds a mount to the default ones.
fn add(spec: &mut Value, entry: Value) {
    spec["mounts"].as_array_mut().unwrap().push(entry);
}

/// The mountinfo a container with one more mount sees.
#[track_caller]
fn mountinfo_with(bed: &Bed, entry: Value) -> String {
    let out = bed.run(|s| {
        s["process"]["args"] = words("cat /proc/self/mountinfo");
        add(s, entry);
    });
    out.ok().stdout
}

/// Mounts a tmpfs at /mnt with these options and returns what became of it.
#[track_caller]
fn tmpfs_with(bed: &Bed, options: &[&str]) -> Mount {
    let entry = mount("/mnt", "tmpfs", "tmpfs", options);
    mount_at(&mountinfo_with(bed, entry), "/mnt")
}

/// Binds a directory of the bed at /mnt with these options.
#[track_caller]
fn bind_with(bed: &Bed, source: &str, options: &[&str]) -> Mount {
    let entry = mount("/mnt", "bind", source, options);
    mount_at(&mountinfo_with(bed, entry), "/mnt")
}

#[test]
fn the_default_mounts_have_their_types() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| s["process"]["args"] = words("cat /proc/self/mountinfo"));
    let text = out.ok().stdout;
    let kinds = [
        ("/proc", "proc"),
        ("/dev", "tmpfs"),
        ("/dev/pts", "devpts"),
        ("/dev/shm", "tmpfs"),
        ("/dev/mqueue", "mqueue"),
        ("/sys", "sysfs"),
    ];
    for (point, kind) in kinds {
        assert_eq!(mount_at(&text, point).fs, kind, "{point}");
    }
}

#[test]
fn each_flag_option_sets_its_flag() {
    let Some(bed) = Bed::new() else { return };
    for option in ["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime"] {
        let m = tmpfs_with(&bed, &[option]);
        assert!(m.has(option), "{option} in {m:?}");
    }
}

#[test]
fn relatime_and_strictatime_are_told_apart() {
    let Some(bed) = Bed::new() else { return };
    assert!(tmpfs_with(&bed, &["relatime"]).has("relatime"));
    let strict = tmpfs_with(&bed, &["strictatime"]);
    assert!(
        !strict.has("relatime") && !strict.has("noatime"),
        "{strict:?}"
    );
}

#[test]
fn a_later_option_takes_an_earlier_one_back() {
    let Some(bed) = Bed::new() else { return };
    let m = tmpfs_with(&bed, &["ro", "nosuid", "noexec", "rw", "suid", "exec"]);
    assert!(m.has("rw"), "{m:?}");
    assert!(!m.has("nosuid") && !m.has("noexec"), "{m:?}");
}

#[test]
fn nosymfollow_is_a_flag() {
    let Some(bed) = Bed::needing(&[Need::Rcon("the mount option nosymfollow")]) else {
        return;
    };
    assert!(tmpfs_with(&bed, &["nosymfollow"]).has("nosymfollow"));
}

#[test]
fn a_tmpfs_has_its_size_and_mode() {
    let Some(bed) = Bed::new() else { return };
    let m = tmpfs_with(&bed, &["size=1m", "mode=1710"]);
    assert!(m.super_options.contains(&"size=1024k".to_owned()), "{m:?}");
    assert!(m.super_options.contains(&"mode=1710".to_owned()), "{m:?}");
}

#[test]
fn a_full_tmpfs_refuses_more() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = sh("dd if=/dev/zero of=/mnt/f bs=64k count=32");
        add(s, mount("/mnt", "tmpfs", "tmpfs", &["size=1m"]));
    });
    assert!(out.code(1).stderr.contains("No space left"));
}

#[test]
fn tmpcopyup_brings_the_images_files() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        s["process"]["args"] = sh("cat /data/sub/file; stat -c %a /data; echo new > /data/new");
        add(s, mount("/data", "tmpfs", "tmpfs", &["tmpcopyup"]));
    });
    fs::create_dir_all(c.rootfs("data/sub")).unwrap();
    fs::write(c.rootfs("data/sub/file"), "from the image\n").unwrap();
    fs::set_permissions(c.rootfs("data"), fs::Permissions::from_mode(0o751)).unwrap();
    assert_eq!(c.run().ok().stdout, "from the image\n751\n");
    assert!(!c.rootfs("data/new").exists());
}

#[test]
fn a_bind_shows_the_hosts_directory_both_ways() {
    let Some(bed) = Bed::new() else { return };
    let source = bed.directory("shared");
    bed.file("shared/in", "from the host\n");
    let out = bed.run(|s| {
        s["process"]["args"] = sh("cat /mnt/in; echo from inside > /mnt/out");
        add(s, mount("/mnt", "bind", &source, &["bind", "rw"]));
    });
    assert_eq!(out.ok().stdout, "from the host\n");
    assert_eq!(
        fs::read_to_string(bed.path("shared/out")).unwrap(),
        "from inside\n"
    );
}

#[test]
fn a_bind_needs_no_type() {
    let Some(bed) = Bed::new() else { return };
    let source = bed.directory("shared");
    bed.file("shared/in", "found\n");
    let out = bed.run(|s| {
        s["process"]["args"] = words("cat /mnt/in");
        let entry = json!({ "destination": "/mnt", "source": source, "options": ["rbind"] });
        add(s, entry);
    });
    assert_eq!(out.ok().stdout, "found\n");
}

#[test]
fn a_bind_source_may_be_relative_to_the_bundle() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        s["process"]["args"] = words("cat /mnt/in");
        add(s, mount("/mnt", "bind", "beside", &["bind"]));
    });
    fs::create_dir(c.bundle.join("beside")).unwrap();
    fs::write(c.bundle.join("beside/in"), "found\n").unwrap();
    assert_eq!(c.run().ok().stdout, "found\n");
}

#[test]
fn a_read_only_bind_cannot_be_written_and_its_source_still_can() {
    let Some(bed) = Bed::new() else { return };
    let source = bed.directory("shared");
    let out = bed.run(|s| {
        s["process"]["args"] = sh("echo x > /mnt/new");
        add(s, mount("/mnt", "bind", &source, &["bind", "ro"]));
    });
    assert!(out.code(1).stderr.contains("Read-only file system"));
    bed.file("shared/host", "x");
}

#[test]
fn bind_options_become_flags() {
    let Some(bed) = Bed::new() else { return };
    let source = bed.directory("shared");
    let m = bind_with(&bed, &source, &["rbind", "ro", "nosuid", "nodev", "noexec"]);
    for option in ["ro", "nosuid", "nodev", "noexec"] {
        assert!(m.has(option), "{option} in {m:?}");
    }
}

#[test]
fn a_bind_without_options_keeps_those_of_its_source() {
    let Some(bed) = Bed::needing(&[Need::Tool("mount")]) else {
        return;
    };
    let _source = HostMount::tmpfs(&bed, "shared", "nosuid,nodev,noexec,noatime");
    let m = bind_with(&bed, &bed.text_path("shared"), &["bind"]);
    for option in ["nosuid", "nodev", "noexec", "noatime"] {
        assert!(m.has(option), "{option} in {m:?}");
    }
}

/// The kernel forgets flags that a remount does not name again.
#[test]
fn a_read_only_bind_keeps_the_flags_of_its_source() {
    let needs = [
        Need::Tool("mount"),
        Need::Rcon("keeping flags across a remount"),
    ];
    let Some(bed) = Bed::needing(&needs) else {
        return;
    };
    let _source = HostMount::tmpfs(&bed, "shared", "nosuid,nodev,noexec");
    let m = bind_with(&bed, &bed.text_path("shared"), &["bind", "ro"]);
    for option in ["ro", "nosuid", "nodev", "noexec"] {
        assert!(m.has(option), "{option} in {m:?}");
    }
}

#[test]
fn rbind_brings_submounts_and_bind_does_not() {
    let Some(bed) = Bed::needing(&[Need::Tool("mount")]) else {
        return;
    };
    let source = bed.directory("shared");
    let _below = HostMount::tmpfs(&bed, "shared/below", "size=64k");
    for (option, expected) in [("rbind", 1), ("bind", 0)] {
        let text = mountinfo_with(&bed, mount("/mnt", "bind", &source, &[option]));
        let found = host::parse_mountinfo(&text);
        let count = found.iter().filter(|m| m.point == "/mnt/below").count();
        assert_eq!(count, expected, "{option}");
    }
}

#[test]
fn ro_leaves_submounts_writable_and_rro_does_not() {
    let needs = [Need::Tool("mount"), Need::Rcon("recursive mount options")];
    let Some(bed) = Bed::needing(&needs) else {
        return;
    };
    let source = bed.directory("shared");
    let _below = HostMount::tmpfs(&bed, "shared/below", "size=64k");
    for (option, below_is_ro) in [("ro", false), ("rro", true)] {
        let text = mountinfo_with(&bed, mount("/mnt", "bind", &source, &["rbind", option]));
        assert!(mount_at(&text, "/mnt").has("ro"), "{option}");
        assert_eq!(
            mount_at(&text, "/mnt/below").has("ro"),
            below_is_ro,
            "{option}"
        );
    }
}

#[test]
fn every_recursive_option_reaches_submounts() {
    let needs = [Need::Tool("mount"), Need::Rcon("recursive mount options")];
    let Some(bed) = Bed::needing(&needs) else {
        return;
    };
    let source = bed.directory("shared");
    let _below = HostMount::tmpfs(&bed, "shared/below", "size=64k");
    for option in ["rnosuid", "rnodev", "rnoexec", "rnoatime"] {
        let text = mountinfo_with(&bed, mount("/mnt", "bind", &source, &["rbind", option]));
        let below = mount_at(&text, "/mnt/below");
        assert!(below.has(&option[1..]), "{option} in {below:?}");
    }
}

#[test]
fn propagation_of_a_bind_is_what_was_asked_for() {
    let Some(bed) = Bed::needing(&[Need::Tool("mount")]) else {
        return;
    };
    let at = HostMount::tmpfs(&bed, "shared", "size=64k");
    let make = ["--make-shared".as_ref(), at.0.as_os_str()];
    assert!(
        std::process::Command::new("mount")
            .args(make)
            .status()
            .unwrap()
            .success()
    );
    let source = bed.text_path("shared");
    let found = |option| bind_with(&bed, &source, &["bind", option]);
    assert!(found("private").propagation.is_empty());
    let slave = found("slave");
    assert!(
        slave.propagates("master") && !slave.propagates("shared"),
        "{slave:?}"
    );
    assert!(found("rshared").propagates("shared"));
    assert_eq!(found("unbindable").propagation, ["unbindable"]);
}

#[test]
fn a_mount_made_by_the_host_appears_in_a_slave() {
    let Some(bed) = Bed::needing(&[Need::Tool("mount")]) else {
        return;
    };
    let at = HostMount::tmpfs(&bed, "shared", "size=64k");
    let make = ["--make-shared".as_ref(), at.0.as_os_str()];
    assert!(
        std::process::Command::new("mount")
            .args(make)
            .status()
            .unwrap()
            .success()
    );
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["linux"]["rootfsPropagation"] = json!("rslave");
        add(
            s,
            mount(
                "/mnt",
                "bind",
                &bed.text_path("shared"),
                &["rbind", "rslave"],
            ),
        );
    });
    c.run_detached();
    let later = HostMount::tmpfs(&bed, "shared/later", "size=64k");
    fs::write(later.0.join("file"), "seen").unwrap();
    assert_eq!(c.shell("cat /mnt/later/file"), "seen");
}

#[test]
fn by_default_nothing_propagates_in_either_direction() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| s["process"]["args"] = words("cat /proc/self/mountinfo"));
    let all = host::parse_mountinfo(&out.ok().stdout);
    assert!(!all.is_empty());
    for m in all {
        assert!(!m.propagates("shared"), "{m:?}");
    }
}

#[test]
fn a_file_can_be_bound_over_a_file_and_over_nothing() {
    let Some(bed) = Bed::new() else { return };
    let source = bed.file("one", "bound\n");
    let c = bed.container(|s| {
        s["process"]["args"] = words("cat /etc/passwd /new/dir/file");
        add(s, mount("/etc/passwd", "bind", &source, &["bind", "ro"]));
        add(s, mount("/new/dir/file", "bind", &source, &["bind", "ro"]));
    });
    assert_eq!(c.run().ok().stdout, "bound\nbound\n");
    assert!(c.rootfs("new/dir/file").is_file());
    assert!(
        fs::read_to_string(c.rootfs("etc/passwd"))
            .unwrap()
            .starts_with("root:")
    );
}

#[test]
fn missing_mount_points_are_made() {
    let Some(bed) = Bed::new() else { return };
    let text = mountinfo_with(&bed, mount("/a/b/c", "tmpfs", "tmpfs", &[]));
    assert_eq!(mount_at(&text, "/a/b/c").fs, "tmpfs");
}

#[test]
fn mounts_happen_in_the_order_they_are_listed() {
    let Some(bed) = Bed::new() else { return };
    let (one, two) = (bed.directory("one"), bed.directory("two"));
    bed.directory("one/inner");
    bed.file("two/file", "inner\n");
    let out = bed.run(|s| {
        s["process"]["args"] = sh("cat /mnt/inner/file");
        add(s, mount("/mnt", "bind", &one, &["bind"]));
        add(s, mount("/mnt/inner", "bind", &two, &["bind"]));
    });
    assert_eq!(out.ok().stdout, "inner\n");
}

/// A link of the image is followed inside the image, however it is written.
#[test]
fn a_mount_over_a_link_stays_in_the_root() {
    let Some(bed) = Bed::new() else { return };
    let outside = bed.directory("outside");
    for target in [
        outside.as_str(),
        "../../../../../../outside",
        "/outside/../outside",
    ] {
        let c = bed.container(|s| {
            s["process"]["args"] = words("cat /proc/self/mountinfo");
            add(s, mount("/link/deep", "tmpfs", "tmpfs", &[]));
        });
        symlink(target, c.rootfs("link")).unwrap();
        let text = c.run().ok().stdout;
        assert!(
            text.lines().any(|l| l.contains("outside/deep ")),
            "{target}: {text}"
        );
        assert!(!bed.path("outside/deep").exists(), "{target}: escaped");
    }
}

#[test]
fn a_bind_of_a_missing_source_is_an_error_that_names_it() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| add(s, mount("/mnt", "bind", "/no/such/source", &["bind"])));
    out.fails_naming(&["/no/such/source"]);
    bed.assert_nothing_left();
}

#[test]
fn an_unknown_file_system_is_an_error_that_names_it() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| add(s, mount("/mnt", "coffeefs", "none", &[])));
    out.fails_naming(&["coffeefs", "/mnt"]);
    bed.assert_nothing_left();
}

#[test]
fn an_option_the_file_system_does_not_know_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| add(s, mount("/mnt", "tmpfs", "tmpfs", &["coffee=strong"])));
    out.fails_naming(&["/mnt"]);
    bed.assert_nothing_left();
}

#[test]
fn the_cgroup_mount_shows_the_containers_own_part_read_only() {
    let Some(bed) = Bed::needing(&[Need::CgroupV1("pids")]) else {
        return;
    };
    let out = bed.run(|s| {
        s["process"]["args"] = sh("cat /sys/fs/cgroup/pids/cgroup.procs; \
            echo 1 > /sys/fs/cgroup/pids/pids.max; cat /proc/self/mountinfo");
    });
    let out = out.ok();
    assert!(out.stdout.starts_with("1\n"), "{out}");
    assert!(out.stderr.contains("Read-only file system"), "{out}");
    assert!(mount_at(&out.stdout, "/sys/fs/cgroup/pids").has("ro"));
}

#[test]
fn a_bind_can_map_ids() {
    let needs = [Need::MappedMounts, Need::Rcon("id-mapped mounts")];
    let Some(bed) = Bed::needing(&needs) else {
        return;
    };
    let source = bed.directory("shared");
    bed.file("shared/file", "x");
    let out = bed.run(|s| {
        s["process"]["args"] = words("stat -c %u:%g /mnt/file");
        let mut entry = mount("/mnt", "bind", &source, &["bind", "idmap"]);
        let mapping = json!([{ "containerID": 0, "hostID": 7000, "size": 1000 }]);
        entry["uidMappings"] = mapping.clone();
        entry["gidMappings"] = mapping;
        add(s, entry);
    });
    assert_eq!(out.ok().text(), "7000:7000");
}
