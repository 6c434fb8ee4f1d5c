//! Names that change while the runtime looks at them. A volume that two
//! containers share is the usual place: here a thread of the test exchanges a
//! directory and a link in it as fast as it can, which is what the other
//! container would do. Each race ends after a fixed time or number of starts.

use super::common::host::{Mount, parse_mountinfo};
use super::common::{Bed, Container, Output, Value, json, mount};
use super::support::{
    HostTree, Swapper, assert_same, bed, drop_mounts, orderly, plant, probe_args, push, race, tree,
};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A volume in which `dir` is, half of the time, a link to somewhere else.
struct Volume {
    dir: PathBuf,
}

impl Volume {
    fn make(bed: &Bed, link_to: &str) -> Self {
        let dir = PathBuf::from(bed.directory("volume"));
        bed.directory("volume/dir");
        symlink(link_to, dir.join("link")).unwrap();
        Self { dir }
    }

    fn swap(&self) -> Swapper {
        Swapper::start(self.dir.join("dir"), self.dir.join("link"))
    }

    /// The mount that gives it to a container.
    fn entry(&self) -> Value {
        mount("/vol", "bind", &self.dir.to_string_lossy(), &["rbind"])
    }
}

/// One container whose spec is written anew for each attempt.
struct Racer<'b> {
    bed: &'b Bed,
    container: Container<'b>,
    spec: Value,
}

impl<'b> Racer<'b> {
    fn new(bed: &'b Bed, patch: impl FnOnce(&mut Value)) -> Self {
        let mut spec = Value::Null;
        let container = bed.container(|default| {
            patch(default);
            spec = default.clone();
        });
        plant(&container, "probe");
        Self {
            bed,
            container,
            spec,
        }
    }

    fn attempt(&self, patch: impl FnOnce(&mut Value)) -> Output {
        let mut spec = self.spec.clone();
        patch(&mut spec);
        self.container.write_spec(&spec);
        let out = orderly(self.container.run());
        if !out.status.success() {
            let id = &self.container.id;
            self.bed.call(&["delete", "--force", id]).output();
        }
        out
    }
}

/// A start that succeeded must have the mount, once and as asked for, at the
/// place it was asked for or at the one the link means inside the root. One
/// that has it nowhere has mounted outside.
#[track_caller]
fn judge_landing(out: &Output, host: &HostTree) -> bool {
    if !out.status.success() {
        return false;
    }
    let all = parse_mountinfo(&out.stdout);
    let ours: Vec<&Mount> = all
        .iter()
        .filter(|m| m.root.ends_with("/payload"))
        .collect();
    let place =
        |m: &&Mount| m.point.starts_with("/vol/") || Path::new(&m.point).starts_with(&host.dir);
    let sound = ours.len() == 1 && ours.iter().all(|m| place(m) && m.has("ro"));
    assert!(sound, "mounted outside, or not as asked: {ours:?}\n{out}");
    true
}

fn race_for_a_mount_point(destination: impl Fn(u32) -> String) {
    let Some(bed) = bed() else { return };
    let host = HostTree::make(&bed);
    let payload = bed.directory("payload");
    let volume = Volume::make(&bed, &host.path(""));
    let racer = Racer::new(&bed, |spec| {
        spec["process"]["args"] = json!(["cat", "/proc/self/mountinfo"]);
        push(&mut spec["mounts"], volume.entry());
    });
    let swapping = volume.swap();
    let started = race(|n| {
        let at = destination(n);
        let entry = mount(&at, "bind", &payload, &["bind", "ro"]);
        let out = racer.attempt(|spec| push(&mut spec["mounts"], entry));
        host.assert_unchanged(&format!("a mount on {at}: {out}"));
        judge_landing(&out, &host)
    });
    drop(swapping);
    assert!(started > 0, "nothing ever started: the race was not run");
}

#[test]
fn cve_2021_30465_a_mount_target_is_swapped_for_a_link() {
    race_for_a_mount_point(|_| "/vol/dir".into());
}

#[test]
fn cve_2024_45310_a_mount_point_is_made_while_its_parent_is_swapped() {
    race_for_a_mount_point(|n| format!("/vol/dir/new-{n}/deep"));
}

/// The program tells which limit the kernel really has; the file system tells
/// where the runtime has written.
fn set_a_limit(spec: &mut Value) {
    spec["process"]["args"] = probe_args(&["msgmax"]);
    spec["process"]["oomScoreAdj"] = json!(500);
    spec["linux"]["sysctl"] = json!({ "kernel.msgmax": "12345" });
}

#[track_caller]
fn judge_limit(out: &Output) -> bool {
    let sound = !out.status.success() || out.text() == "msgmax 12345";
    assert!(sound, "the limit was written elsewhere: {out}");
    out.status.success()
}

#[test]
fn cve_2019_19921_proc_is_swapped_for_a_link() {
    let Some(bed) = bed() else { return };
    let racer = Racer::new(&bed, set_a_limit);
    let evil = racer.container.rootfs("evil");
    super::procfs::fake_proc(&evil);
    let link = racer.container.rootfs("proc-link");
    symlink("/evil", &link).unwrap();
    let before = tree(&evil);
    let swapping = Swapper::start(racer.container.rootfs("proc"), link);
    let started = race(|_| {
        let out = racer.attempt(|_| ());
        assert_same(&before, &tree(&evil), &format!("a start: {out}"));
        judge_limit(&out)
    });
    drop(swapping);
    assert!(started > 0, "nothing ever started: the race was not run");
}

#[test]
fn cve_2025_52881_writes_to_procfs_are_redirected_by_a_race() {
    let Some(bed) = bed() else { return };
    let volume = Volume::make(&bed, "/proc/sys/kernel");
    let fake = PathBuf::from(bed.directory("fake"));
    bed.file("fake/msgmax", "0\n");
    let racer = Racer::new(&bed, |spec| {
        set_a_limit(spec);
        push(&mut spec["mounts"], volume.entry());
        let over = mount("/vol/dir", "bind", &bed.text_path("fake"), &["rbind"]);
        push(&mut spec["mounts"], over);
    });
    let before = tree(&fake);
    let swapping = volume.swap();
    let started = race(|_| {
        let out = racer.attempt(|_| ());
        assert_same(&before, &tree(&fake), &format!("a start: {out}"));
        judge_limit(&out)
    });
    drop(swapping);
    assert!(started > 0, "nothing ever started: the race was not run");
}

#[test]
fn cve_2025_31133_the_null_device_is_swapped_while_masking() {
    let Some(bed) = bed() else { return };
    let racer = Racer::new(&bed, |spec| {
        spec["process"]["args"] = probe_args(&["describe", "/etc/secret"]);
        spec["linux"]["maskedPaths"] = json!(["/etc/secret"]);
        drop_mounts(spec, "/dev");
    });
    let container = &racer.container;
    super::dev::null_device(&container.rootfs("dev/null"));
    fs::write(container.rootfs("etc/secret"), "secret\n").unwrap();
    fs::write(container.rootfs("etc/decoy"), "decoy\n").unwrap();
    let link = container.rootfs("dev/link");
    symlink("/etc/decoy", &link).unwrap();
    let swapping = Swapper::start(container.rootfs("dev/null"), link);
    let started = race(|_| {
        let out = racer.attempt(|_| ());
        let masked = out.stdout.starts_with("/etc/secret char 1:3 ");
        assert!(masked || !out.status.success(), "not masked: {out}");
        out.status.success()
    });
    drop(swapping);
    assert!(started > 0, "nothing ever started: the race was not run");
}
