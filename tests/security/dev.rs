//! `/dev` as the image would like it: links where the runtime makes nodes,
//! binds a terminal or takes the null device from.

use super::common::pty::under_pty;
use super::common::{Bed, Container, Output, Value, json, mount};
use super::support::{
    HostTree, assert_same, bed, drop_mounts, lay, lines, orderly, probing, push, tree,
};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Makes a real null device.
#[track_caller]
pub(crate) fn null_device(path: &Path) {
    mknod(
        path,
        SFlag::S_IFCHR,
        Mode::from_bits_truncate(0o666),
        makedev(1, 3),
    )
    .unwrap();
}

fn without_dev(spec: &mut Value) {
    drop_mounts(spec, "/dev");
}

/// The image's own `/dev`, with the one mount a terminal cannot do without.
fn own_dev(spec: &mut Value) {
    without_dev(spec);
    let entry = mount("/dev/pts", "devpts", "devpts", &["newinstance"]);
    push(&mut spec["mounts"], entry);
}

#[test]
fn cve_2025_31133_the_null_device_of_the_image_is_not_trusted() {
    let Some(bed) = bed() else { return };
    for fake in [
        "the real one",
        "a link",
        "a dangling link",
        "a file",
        "another device",
        "a directory",
    ] {
        let container = probing(&bed, &["describe", "/etc/secret"], |spec| {
            without_dev(spec);
            spec["linux"]["maskedPaths"] = json!(["/etc/secret"]);
        });
        fs::write(container.rootfs("etc/secret"), "secret\n").unwrap();
        fs::write(container.rootfs("etc/decoy"), "decoy\n").unwrap();
        let null = container.rootfs("dev/null");
        match fake {
            "the real one" => null_device(&null),
            "a link" => symlink("/etc/decoy", null).unwrap(),
            "a dangling link" => symlink("/etc/made", null).unwrap(),
            "a file" => fs::write(null, "decoy\n").unwrap(),
            "a directory" => fs::create_dir(null).unwrap(),
            _ => {
                let zero = makedev(1, 5);
                mknod(&null, SFlag::S_IFCHR, Mode::S_IRWXU, zero).unwrap();
            }
        }
        let out = orderly(container.run());
        let masked = out.stdout.starts_with("/etc/secret char 1:3 ");
        let refused = !out.status.success() && fake != "the real one";
        assert!(masked || refused, "masked with {fake}: {out}");
    }
}

/// The names a runtime may touch in `/dev`, and one that harms nobody.
const NAMES: [&str; 12] = [
    HARMLESS, "null", "zero", "full", "random", "tty", "console", "ptmx", "fd", "stdin", "core",
    "pts",
];

const HARMLESS: &str = "unrelated";

fn run(container: &Container<'_>, terminal: bool) -> (Output, String) {
    let call = container.call_with_bundle("run", &[]);
    if !terminal {
        let out = call.output();
        let text = out.stdout.clone();
        return (out, text);
    }
    let mut shown = under_pty(call, 24, 80);
    drop(shown.slave);
    let text = shown.terminal.read_to_end().to_owned();
    (shown.running.wait(), text)
}

/// A link at one name in an image whose `/dev` is what the container gets.
fn link_in_dev<'b>(bed: &'b Bed, name: &str, target: &str, terminal: bool) -> Container<'b> {
    let paths = ["describe", "/dev/null", "/dev/console", "/traps/target"];
    let container = probing(bed, &paths, |spec| {
        own_dev(spec);
        spec["process"]["terminal"] = json!(terminal);
    });
    fs::create_dir_all(container.rootfs("traps/dir")).unwrap();
    fs::write(container.rootfs("traps/target"), "trap\n").unwrap();
    symlink(target, container.rootfs("dev").join(name)).unwrap();
    container
}

fn links_in_dev(terminal: bool) {
    let Some(bed) = bed() else { return };
    let host = HostTree::make(&bed);
    for name in NAMES {
        for target in [
            "/traps/target",
            "/traps/dir",
            &host.path("target"),
            &host.path("new"),
        ] {
            let container = link_in_dev(&bed, name, target, terminal);
            let traps = container.rootfs("traps");
            let before = tree(&traps);
            let (out, text) = run(&container, terminal);
            let how = format!("/dev/{name} -> {target}: {text}{out}");
            host.assert_unchanged(&how);
            assert_same(&before, &tree(&traps), &how);
            assert!(out.status.success() || name != HARMLESS, "{how}");
            judge_devices(&orderly(out), &text, terminal, &how);
        }
    }
}

/// In a container that did start the devices are devices, and the terminal
/// was not put over what the link names.
#[track_caller]
fn judge_devices(out: &Output, text: &str, terminal: bool, how: &str) {
    if !out.status.success() {
        return;
    }
    let text = text.replace('\r', "");
    let line = |path: &str| lines(&text, path).join(" ");
    assert!(line("/dev/null").contains(" char 1:3 "), "{how}");
    assert!(line("/traps/target").contains(" file "), "{how}");
    let console = line("/dev/console").contains(" char 136:");
    assert!(console || !terminal, "{how}");
}

#[test]
fn cve_2025_52565_links_in_dev_without_a_terminal() {
    links_in_dev(false);
}

#[test]
fn cve_2025_52565_links_in_dev_with_a_terminal() {
    links_in_dev(true);
}

#[test]
fn cve_2026_41579_dev_itself_is_a_link_to_the_host() {
    let Some(bed) = bed() else { return };
    let host = HostTree::make(&bed);
    let up = "../".repeat(20) + host.path("dir").trim_start_matches('/');
    for target in [None, Some(host.path("dir")), Some(up)] {
        for mounted in [false, true] {
            for terminal in [false, true] {
                let container = probing(&bed, &["hello"], |spec| {
                    spec["process"]["terminal"] = json!(terminal);
                    if !mounted {
                        own_dev(spec);
                    }
                });
                let dev = container.rootfs("dev");
                fs::remove_dir(&dev).unwrap();
                lay(&dev, target.as_deref());
                let (out, text) = run(&container, terminal);
                let how = format!("/dev -> {target:?}, mounted: {mounted}: {text}{out}");
                host.assert_unchanged(&how);
                assert!(target.is_some() || text.contains("hello"), "{how}");
                orderly(out);
            }
        }
    }
}
