//! The container's root: read-only or not, what is masked in it, how mounts
//! spread from it, and that nothing of the old one is left.

mod common;
use common::*;
use host::{Mount, mount_at};
use std::fs;

/// The root mount of a container with this `rootfsPropagation`.
#[track_caller]
fn root_with(bed: &Bed, propagation: &str) -> Mount {
    let out = bed.run(|s| {
        s["process"]["args"] = words("cat /proc/self/mountinfo");
        s["linux"]["rootfsPropagation"] = json!(propagation);
    });
    mount_at(&out.ok().stdout, "/")
}

#[test]
fn a_private_or_slave_root_sends_nothing_out() {
    let Some(bed) = Bed::new() else { return };
    assert!(root_with(&bed, "private").propagation.is_empty());
    assert!(!root_with(&bed, "rslave").propagates("shared"));
}

#[test]
fn a_root_can_be_shared_or_unbindable() {
    let Some(bed) = Bed::needing(&[Need::Rcon("propagation of the root itself")]) else {
        return;
    };
    assert!(root_with(&bed, "shared").propagates("shared"));
    assert_eq!(root_with(&bed, "unbindable").propagation, ["unbindable"]);
}

#[test]
fn a_readonly_root_cannot_be_written() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = sh("echo x > /file");
        s["root"]["readonly"] = json!(true);
    });
    assert!(out.code(1).stderr.contains("Read-only file system"));
}

#[test]
fn a_writable_root_keeps_what_is_written() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = sh("echo x > /file"));
    c.run().ok();
    assert_eq!(fs::read_to_string(c.rootfs("file")).unwrap(), "x\n");
}

#[test]
fn with_a_readonly_root_tmpfs_mounts_stay_writable() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = sh("echo x > /mnt/file && echo x > /dev/shm/file && echo done");
        s["root"]["readonly"] = json!(true);
        let entry = mount("/mnt", "tmpfs", "tmpfs", &[]);
        s["mounts"].as_array_mut().unwrap().push(entry);
    });
    assert_eq!(out.ok().text(), "done");
}

#[test]
fn a_masked_file_is_empty_and_a_masked_directory_too() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        s["process"]["args"] = sh("cat /secret; ls -A /secrets; stat -c '%F %t:%T' /secret");
        s["linux"]["maskedPaths"] = json!(["/secret", "/secrets", "/not/there"]);
    });
    fs::write(c.rootfs("secret"), "secret").unwrap();
    fs::create_dir(c.rootfs("secrets")).unwrap();
    fs::write(c.rootfs("secrets/file"), "secret").unwrap();
    // A masked file is the null device: major 1, minor 3.
    assert_eq!(c.run().ok().stdout, "character special file 1:3\n");
}

#[test]
fn a_masked_directory_cannot_be_written() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = sh("echo x > /mnt/file");
        s["linux"]["maskedPaths"] = json!(["/mnt"]);
    });
    assert!(out.code(1).stderr.contains("Read-only file system"));
}

/// A machine with many processors has a directory to hide for each.
#[test]
fn masked_directories_are_all_the_same_empty_one() {
    let needs = [Need::Rcon("one file system for all it hides")];
    let Some(bed) = Bed::needing(&needs) else {
        return;
    };
    let dirs = ["/one", "/two", "/two/below", "/three"];
    let c = bed.container(|s| {
        s["process"]["args"] = sh("stat -c '%d %a' /one /two /three; ls -A /one /two /three; \
             touch /three/x; cat /proc/self/mountinfo");
        s["linux"]["maskedPaths"] = json!(dirs);
    });
    for dir in dirs {
        fs::create_dir(c.rootfs(&dir[1..])).unwrap();
        fs::write(c.rootfs(&dir[1..]).join("secret"), "x").unwrap();
    }
    let out = c.run().ok();
    assert!(out.stderr.contains("Read-only file system"), "{out}");
    assert!(!out.stdout.contains("secret"), "{out}");
    let devices: Vec<&str> = out.stdout.lines().take(3).collect();
    assert!(devices.iter().all(|d| *d == devices[0]), "{out}");
    for dir in ["/one", "/two", "/three"] {
        assert!(mount_at(&out.stdout, dir).has("ro"), "{out}");
    }
}

#[test]
fn readonly_paths_are_read_only_with_all_below_them() {
    let Some(bed) = Bed::new() else { return };
    let script = "echo x > /mnt/file; echo x > /etc/passwd; echo 1 > /proc/sys/kernel/domainname; \
        cat /etc/passwd";
    let c = bed.container(|s| {
        s["process"]["args"] = sh(script);
        let paths = json!(["/mnt", "/etc/passwd", "/proc/sys", "/not/there"]);
        s["linux"]["readonlyPaths"] = paths;
    });
    let out = c.run().ok();
    assert_eq!(
        out.stderr.matches("Read-only file system").count(),
        3,
        "{out}"
    );
    assert!(out.stdout.starts_with("root:"), "{out}");
}

#[test]
fn the_old_root_cannot_be_seen() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("cat /proc/self/mountinfo"));
    let text = c.run().ok().stdout;
    let all = host::parse_mountinfo(&text);
    assert!(
        all[0].root.ends_with("/rootfs") && all[0].point == "/",
        "{text}"
    );
    assert_eq!(all.iter().filter(|m| m.point == "/").count(), 1, "{text}");
}

#[test]
fn no_pivot_moves_the_root_instead() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("ls /etc"));
    assert_eq!(c.run_with(&["--no-pivot"]).ok().stdout, "group\npasswd\n");
    bed.assert_nothing_left();
}
