//! Mount points, working directories and device nodes whose names lead out of
//! the root: by a link in the image, by `..`, or by the root's own path.

use super::common::host::{Mount, parse_mountinfo};
use super::common::{json, mount, sh, words};
use super::support::{HostTree, bed, lay, orderly, probing, push};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Every way a link in the image can point at the host's tree, after the
/// honest case in which there is no link.
fn ways_out(host: &HostTree) -> [Option<String>; 3] {
    let path = host.path("");
    let up = "../".repeat(20) + path.trim_start_matches('/');
    [None, Some(path), Some(up)]
}

#[test]
fn cve_2024_45310_a_mount_point_behind_a_link_is_made_inside() {
    let Some(bed) = bed() else { return };
    let host = HostTree::make(&bed);
    let payload = bed.file("payload", "inside\n");
    for way in ways_out(&host) {
        for (name, kind, source) in [
            ("/evil", "tmpfs", "tmpfs"),
            ("/evil/new/dir", "tmpfs", "tmpfs"),
            ("/evil/dir/new", "tmpfs", "tmpfs"),
            ("/evil/new/file", "bind", payload.as_str()),
            ("/evil/file", "bind", payload.as_str()),
        ] {
            let options = if kind == "bind" { &["bind"][..] } else { &[] };
            let container = bed.container(|spec| {
                spec["process"]["args"] = words("cat /proc/self/mountinfo");
                push(&mut spec["mounts"], mount(name, kind, source, options));
            });
            lay(&container.rootfs("evil"), way.as_deref());
            let out = orderly(container.run());
            host.assert_unchanged(&format!("a mount on {name}: {out}"));
            let below = |m: &Mount| m.point.contains("/host") || m.point == name;
            let landed = parse_mountinfo(&out.stdout).iter().any(below);
            let refused = !out.status.success() && way.is_some();
            assert!(landed || refused, "mounted nowhere: {out}");
        }
    }
}

#[test]
fn cve_2024_45310_a_mount_point_that_climbs_is_made_inside() {
    let Some(bed) = bed() else { return };
    let host = HostTree::make(&bed);
    let up = "/..".repeat(20);
    for name in [
        "/x",
        "/../../x",
        "/mnt/../../../x",
        &(up + &host.path("new/x")),
    ] {
        let container = bed.container(|spec| {
            spec["process"]["args"] = words("cat /proc/self/mountinfo");
            push(&mut spec["mounts"], mount(name, "tmpfs", "tmpfs", &[]));
        });
        let out = orderly(container.run());
        host.assert_unchanged(&format!("a mount on {name}: {out}"));
        let inside = |m: &Mount| m.fs == "tmpfs" && m.point.ends_with("/x");
        let landed = parse_mountinfo(&out.stdout).iter().any(inside);
        let refused = !out.status.success() && name != "/x";
        assert!(landed || refused, "mounted nowhere: {out}");
        let beside = container.bundle.join("x");
        assert!(!beside.exists(), "{name} made {}", beside.display());
    }
    assert!(!Path::new("/x").exists());
}

#[test]
fn cve_2026_55686_a_working_directory_is_made_inside() {
    let Some(bed) = bed() else { return };
    let host = HostTree::make(&bed);
    for way in ways_out(&host) {
        for cwd in ["/evil", "/evil/new", "/evil/dir/new/deep", "/mnt/to/new"] {
            let container = bed.container(|spec| {
                spec["process"]["args"] = sh("pwd -P; touch made-here");
                spec["process"]["cwd"] = json!(cwd);
            });
            lay(&container.rootfs("evil"), way.as_deref());
            symlink("../evil", container.rootfs("mnt/to")).unwrap();
            let out = orderly(container.run());
            host.assert_unchanged(&format!("the directory {cwd}: {out}"));
            assert!(out.status.success() || way.is_some(), "{out}");
            if out.status.success() {
                let made = container.rootfs(out.text()).join("made-here");
                assert!(made.exists(), "{} is not inside", made.display());
            }
        }
    }
}

/// Where anybody would put a device node.
const HONEST: &str = "/dev/node";

#[test]
fn a_device_node_behind_a_link_is_made_inside() {
    let Some(bed) = bed() else { return };
    let host = HostTree::make(&bed);
    let up = "/dev".to_owned() + &"/..".repeat(20) + &host.path("node");
    for path in [
        HONEST,
        "/evil/node",
        "/evil/new/node",
        "/evil/target",
        "/dev/../evil/node",
        &up,
    ] {
        let container = bed.container(|spec| {
            spec["process"]["args"] = words("stat -c %F /dev/node");
            let node =
                json!({ "path": path, "type": "c", "major": 1, "minor": 3, "fileMode": 438 });
            spec["linux"]["devices"] = json!([node]);
        });
        symlink(host.path(""), container.rootfs("evil")).unwrap();
        let out = orderly(container.run());
        host.assert_unchanged(&format!("a device node at {path}: {out}"));
        assert!(
            path != HONEST || out.text() == "character special file",
            "{out}"
        );
        assert!(!container.bundle.join("evil").exists());
    }
}

#[test]
fn a_bind_source_that_is_a_link_is_resolved_on_the_host() {
    let Some(bed) = bed() else { return };
    bed.directory("real");
    bed.file("real/which", "the host's\n");
    symlink(bed.path("real"), bed.path("link")).unwrap();
    let container = bed.container(|spec| {
        spec["process"]["args"] = words("cat /mnt/which");
        let bind = mount("/mnt", "bind", &bed.text_path("link"), &["rbind", "ro"]);
        push(&mut spec["mounts"], bind);
    });
    // The same path inside the image must not be what is mounted.
    for name in ["real", "link"] {
        let decoy = container.rootfs(&bed.text_path(name));
        fs::create_dir_all(&decoy).unwrap();
        fs::write(decoy.join("which"), "the image's\n").unwrap();
    }
    assert_eq!(container.run().ok().text(), "the host's");
}

#[test]
fn a_masked_or_read_only_path_that_is_a_link_stays_inside() {
    let Some(bed) = bed() else { return };
    let host = HostTree::make(&bed);
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    for (masked, read_only) in [
        ("etc/nothing", "nothing"),
        ("/etc/secret", "/opt"),
        (&*host.path("secret"), &*host.path("dir")),
    ] {
        let container = bed.container(|spec| {
            spec["process"]["args"] =
                sh("cat /masked; touch /opt/x; exec cat /proc/self/mountinfo");
            spec["linux"]["maskedPaths"] = json!(["/masked"]);
            spec["linux"]["readonlyPaths"] = json!(["/kept"]);
        });
        fs::create_dir(container.rootfs("opt")).unwrap();
        fs::write(container.rootfs("etc/secret"), "of the image\n").unwrap();
        symlink(masked, container.rootfs("masked")).unwrap();
        symlink(read_only, container.rootfs("kept")).unwrap();
        let out = orderly(container.run());
        let harmless = masked == "etc/nothing";
        assert!(!harmless || container.rootfs("opt/x").exists(), "{out}");
        assert!(!out.stdout.contains("of the image"), "not masked: {out}");
        assert!(!out.stdout.contains("only the host"), "the host's: {out}");
        let written = read_only == "/opt" && container.rootfs("opt/x").exists();
        assert!(!written, "not read-only: {out}");
        host.assert_unchanged("masking through links");
    }
    let ours = |text: &str| text.matches(&*host.path("")).count();
    assert_eq!(ours(&mounts()), ours(&before), "a mask reached the host");
}

#[test]
fn a_root_that_is_a_link_is_refused_or_followed_once() {
    let Some(bed) = bed() else { return };
    let container = bed.container(|spec| {
        spec["process"]["args"] = sh("cat /etc/which; readlink /proc/self/root");
        spec["root"]["path"] = json!("link");
    });
    fs::write(container.rootfs("etc/which"), "the root\n").unwrap();
    symlink("rootfs", container.bundle.join("link")).unwrap();
    let out = orderly(container.run());
    let followed = out.status.success() && out.text() == "the root\n/";
    assert!(
        followed || out.stdout.is_empty(),
        "something else ran: {out}"
    );
}

#[test]
fn a_read_only_bind_is_read_only_where_it_landed() {
    let Some(bed) = bed() else { return };
    let payload = bed.directory("payload");
    let probe = probing(&bed, &["try-write", "/link", "/real"], |spec| {
        let bind = mount("/link", "bind", &payload, &["bind", "ro"]);
        push(&mut spec["mounts"], bind);
    });
    fs::create_dir(probe.rootfs("real")).unwrap();
    let honest = probe.run().ok();
    assert_eq!(honest.stdout, "/link EROFS\n/real ok\n");
    fs::remove_dir(probe.rootfs("link")).unwrap();
    symlink("/real", probe.rootfs("link")).unwrap();
    let out = orderly(probe.run());
    let refused = out.stdout == "/link EROFS\n/real EROFS\n";
    assert!(refused || out.stdout.is_empty(), "writable: {out}");
}
