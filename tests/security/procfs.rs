//! The runtime writes to procfs on the container's behalf and hides parts of it
//! from the container. Both only count if what it wrote to, and what it hid
//! things with, is what the kernel calls procfs and the null device.

use super::common::{Container, Output, json, mount, words};
use super::support::{
    Tree, assert_same, bed, drop_mounts, lines, orderly, plant, probe_args, probing, push, tree,
};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A directory that looks like procfs to a runtime that does not look twice.
#[track_caller]
pub(crate) fn fake_proc(dir: &Path) {
    for name in [
        "sys/kernel",
        "self/attr/apparmor",
        "self/fd",
        "1",
        "thread-self/attr",
    ] {
        fs::create_dir_all(dir.join(name)).unwrap();
    }
    for name in [
        "sys/kernel/msgmax",
        "self/attr/exec",
        "self/attr/apparmor/exec",
        "self/attr/keycreate",
        "thread-self/attr/exec",
        "self/oom_score_adj",
        "self/setgroups",
        "self/uid_map",
        "self/loginuid",
        "sysrq-trigger",
    ] {
        fs::write(dir.join(name), "0\n").unwrap();
    }
}

/// A container in which everything is asked for that a runtime writes to
/// procfs for, with a fake one in the image at `/evil`.
struct Trap<'b> {
    container: Container<'b>,
    fakes: Vec<(PathBuf, Tree)>,
}

impl<'b> Trap<'b> {
    fn set(bed: &'b super::common::Bed, patch: impl FnOnce(&mut super::common::Value)) -> Self {
        let container = probing(bed, &["msgmax"], |spec| {
            spec["process"]["oomScoreAdj"] = json!(500);
            spec["linux"]["sysctl"] = json!({ "kernel.msgmax": "12345" });
            patch(spec);
        });
        fake_proc(&container.rootfs("evil"));
        let mut trap = Self {
            container,
            fakes: vec![],
        };
        let evil = trap.container.rootfs("evil");
        trap.watch(evil);
        trap
    }

    fn watch(&mut self, dir: PathBuf) {
        let before = tree(&dir);
        self.fakes.push((dir, before));
    }

    /// It fails, or the kernel's own limit was set; no fake was written to.
    #[track_caller]
    fn spring(&self) -> Output {
        let out = orderly(self.container.run());
        for (dir, before) in &self.fakes {
            assert_same(before, &tree(dir), &format!("a start: {out}"));
        }
        let sound = !out.status.success() || out.text() == "msgmax 12345";
        assert!(sound, "started without its limit: {out}");
        out
    }
}

#[test]
fn the_limit_is_set_when_nobody_is_in_the_way() {
    let Some(bed) = bed() else { return };
    Trap::set(&bed, |_| ()).spring().ok();
}

#[test]
fn cve_2019_19921_proc_is_a_link() {
    let Some(bed) = bed() else { return };
    for target in ["/evil", "evil", "../../../../evil", "/proc2"] {
        let trap = Trap::set(&bed, |_| ());
        let proc = trap.container.rootfs("proc");
        fs::remove_dir(&proc).unwrap();
        symlink(target, &proc).unwrap();
        trap.spring();
    }
}

#[test]
fn cve_2023_27561_proc_and_sys_are_links_to_a_volume() {
    let Some(bed) = bed() else { return };
    let volume = PathBuf::from(bed.directory("volume"));
    fake_proc(&volume);
    for name in ["proc", "sys"] {
        let mut trap = Trap::set(&bed, |spec| {
            let entry = mount("/vol", "bind", &bed.text_path("volume"), &["rbind"]);
            spec["mounts"].as_array_mut().unwrap().insert(0, entry);
        });
        trap.watch(volume.clone());
        let at = trap.container.rootfs(name);
        fs::remove_dir(&at).unwrap();
        symlink("/vol", &at).unwrap();
        trap.spring();
    }
}

#[test]
fn cve_2019_16884_proc_is_a_volume() {
    let Some(bed) = bed() else { return };
    let volume = PathBuf::from(bed.directory("volume"));
    fake_proc(&volume);
    for at in [
        "/proc",
        "/proc/",
        "/mnt/../proc",
        "/proc/self/attr",
        "/proc/sys",
        "/proc/sys/kernel",
    ] {
        for instead in [false, true] {
            let mut trap = Trap::set(&bed, |spec| {
                if instead {
                    drop_mounts(spec, "/proc");
                }
                let entry = mount(at, "bind", &bed.text_path("volume"), &["rbind"]);
                push(&mut spec["mounts"], entry);
            });
            trap.watch(volume.clone());
            trap.spring();
        }
    }
}

#[test]
fn cve_2019_16884_a_link_of_the_image_leads_a_volume_into_procfs() {
    let Some(bed) = bed() else { return };
    bed.directory("volume");
    for target in ["/proc", "/proc/sys", "/proc/self/attr", "proc/1"] {
        for kind in ["bind", "tmpfs"] {
            let container = bed.container(|spec| {
                let source = match kind {
                    "bind" => bed.text_path("volume"),
                    other => other.to_owned(),
                };
                let options: &[&str] = if kind == "bind" { &["rbind"] } else { &[] };
                push(&mut spec["mounts"], mount("/leads", kind, &source, options));
            });
            symlink(target, container.rootfs("leads")).unwrap();
            let out = orderly(container.run());
            assert!(!out.status.success(), "{target}: {out}");
            assert!(out.stderr.contains("procfs"), "{target}: {out}");
        }
    }
}

#[test]
fn cve_2019_16884_a_security_label_is_not_written_to_a_volume() {
    let Some(bed) = bed() else { return };
    let volume = PathBuf::from(bed.directory("volume"));
    fake_proc(&volume);
    for (key, label) in [
        ("apparmorProfile", "rcon-test"),
        ("selinuxLabel", "system_u:system_r:container_t:s0"),
    ] {
        for at in ["/proc", "/proc/self/attr"] {
            let mut trap = Trap::set(&bed, |spec| {
                spec["process"][key] = json!(label);
                drop_mounts(spec, at);
                let entry = mount(at, "bind", &bed.text_path("volume"), &["rbind"]);
                push(&mut spec["mounts"], entry);
            });
            trap.watch(volume.clone());
            trap.spring();
        }
    }
}

#[test]
fn cve_2025_52881_a_mount_that_leads_into_procfs() {
    let Some(bed) = bed() else { return };
    let fake = PathBuf::from(bed.directory("fake"));
    bed.file("fake/msgmax", "0\n");
    for target in ["/proc/sys/kernel", "/proc/self/attr", "/proc/sys", "/proc"] {
        for kind in ["bind", "tmpfs"] {
            let mut trap = Trap::set(&bed, |spec| {
                let source = bed.text_path("fake");
                let options = if kind == "bind" { &["rbind"][..] } else { &[] };
                push(
                    &mut spec["mounts"],
                    mount("/mnt/to", kind, &source, options),
                );
            });
            trap.watch(fake.clone());
            symlink(target, trap.container.rootfs("mnt/to")).unwrap();
            trap.spring();
        }
    }
}

/// Paths of the image that are masked, so that there is something to mask
/// whatever this kernel offers in `/proc`.
const OWN: [&str; 2] = ["/etc/secret-file", "/secret-dir"];

fn masking(bed: &super::common::Bed) -> (Container<'_>, Vec<String>) {
    let mut masked = Vec::new();
    let container = bed.container(|spec| {
        spec["process"]["args"] = words("sleep 600");
        for path in OWN {
            push(&mut spec["linux"]["maskedPaths"], json!(path));
        }
        let list = spec["linux"]["maskedPaths"].as_array().unwrap();
        masked = list
            .iter()
            .filter_map(|p| p.as_str().map(str::to_owned))
            .collect();
    });
    fs::write(container.rootfs(OWN[0]), "secret\n").unwrap();
    fs::create_dir(container.rootfs(OWN[1])).unwrap();
    fs::write(container.rootfs("secret-dir/file"), "secret\n").unwrap();
    plant(&container, "probe");
    (container, masked)
}

/// The same file by other names, in case a mask covers only the name.
const OTHER_WAYS: [&str; 4] = ["", "/proc/self/root", "/proc/1/root", "/proc/self/cwd"];

#[test]
fn cve_2017_16539_masked_paths_show_nothing() {
    let Some(bed) = bed() else { return };
    let (container, masked) = masking(&bed);
    container.run_detached();
    for way in OTHER_WAYS {
        let paths: Vec<String> = masked.iter().map(|p| format!("{way}{p}")).collect();
        let args: Vec<&str> = ["/probe", "describe"]
            .into_iter()
            .chain(paths.iter().map(String::as_str))
            .collect();
        let out = container.exec(&args).ok();
        assert!(out.stdout.contains("secret-file char"), "{out}");
        for line in out.stdout.lines() {
            let hidden = line.contains(" char 1:3 ") && line.ends_with("read=0");
            let sound = hidden || line.ends_with(" ENOENT") || line.contains(" dir ");
            assert!(sound, "not masked: {line}");
        }
        for path in paths {
            let script = format!("if test -d {path}; then ls -A {path}; fi");
            assert_eq!(container.shell(&script), "", "{path} is not empty");
        }
    }
}

#[test]
fn cve_2018_10892_read_only_paths_refuse_writes() {
    let Some(bed) = bed() else { return };
    let (container, _) = masking(&bed);
    container.run_detached();
    let paths = [
        "/secret-dir",
        "/sys",
        "/sys/kernel",
        "/sys/power/state",
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/msgmax",
        "/proc/sysrq-trigger",
        "/proc/irq/default_smp_affinity",
        "/proc/acpi/wakeup",
        "/proc/scsi/scsi",
    ];
    for way in OTHER_WAYS {
        let names: Vec<String> = paths.iter().map(|p| format!("{way}{p}")).collect();
        let args: Vec<&str> = ["/probe", "try-write"]
            .into_iter()
            .chain(names.iter().map(String::as_str))
            .collect();
        let out = container.exec(&args).ok();
        assert!(!out.stdout.contains(" ok"), "writable: {out}");
        let core = format!("{way}/proc/sys/kernel/core_pattern");
        assert_eq!(
            lines(&out.stdout, &core),
            [format!("{core} EROFS")],
            "{out}"
        );
    }
}

#[test]
fn cve_2017_16539_masks_cannot_be_taken_off_in_a_user_namespace() {
    let Some(bed) = bed() else { return };
    for path in OWN.into_iter().chain(["/proc/sys"]) {
        let (container, _) = masking(&bed);
        let text = fs::read_to_string(container.bundle.join("config.json")).unwrap();
        let mut spec: super::common::Value = serde_json::from_str(&text).unwrap();
        spec["process"]["args"] = probe_args(&["unmask", path]);
        container.write_spec(&spec);
        let out = container.run().ok();
        // The namespace itself is to be had, or the rest would show nothing.
        assert_eq!(lines(&out.stdout, "unshare"), ["unshare ok"], "{out}");
        assert_eq!(out.stdout.matches(" ok").count(), 1, "unmasked: {out}");
    }
}
