//! The bundles that are run: what a runtime is asked for, as JSON.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::image;
use crate::room::Room;

/// A runtime specification without the parts that differ from leg to leg.
#[derive(Clone)]
pub(crate) struct Bundle(Value);

impl Bundle {
    /// Without limits and rules for devices.
    pub(crate) fn without_resources(mut self) -> Self {
        if let Some(linux) = self.0["linux"].as_object_mut() {
            linux.remove("resources");
        }
        self
    }

    /// Writes the bundle into a folder of its own: this program, this cgroup.
    pub(crate) fn write(&self, folder: &Path, cgroup: &str, program: &[&str]) {
        let mut spec = self.0.clone();
        spec["process"]["args"] = json!(program);
        spec["linux"]["cgroupsPath"] = json!(cgroup);
        fs::create_dir_all(folder).expect("make a bundle");
        fs::write(folder.join("config.json"), spec.to_string()).expect("write config.json");
    }
}

/// What a careful user would ask for by hand.
pub(crate) fn plain(room: &Room) -> Bundle {
    Bundle(json!({
        "ociVersion": "1.0.2",
        "process": process(),
        "root": {"path": image::root_filesystem(room), "readonly": true},
        "hostname": "bench",
        "mounts": mounts(),
        "linux": {
            "namespaces": namespaces(),
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
        },
    }))
}

/// What dockerd asked for, on our root file system, and without what ties it
/// to that daemon: its hook and the files it keeps for a container.
pub(crate) fn docker(room: &Room, settings: &Value) -> Bundle {
    let mut spec = settings.clone();
    spec["root"] = json!({"path": image::root_filesystem(room)});
    let fields = spec.as_object_mut().expect("a specification");
    fields.remove("hooks");
    let mounts = spec["mounts"].as_array_mut().expect("mounts");
    mounts.retain(|mount| mount["type"] != "bind");
    Bundle(spec)
}

fn process() -> Value {
    let capabilities = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
    json!({
        "terminal": false,
        "user": {"uid": 0, "gid": 0},
        "env": ["PATH=/bin", "TERM=xterm"],
        "cwd": "/",
        "capabilities": {
            "bounding": capabilities,
            "effective": capabilities,
            "permitted": capabilities,
        },
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        "noNewPrivileges": true,
    })
}

fn namespaces() -> Value {
    ["pid", "network", "ipc", "uts", "mount", "cgroup"]
        .map(|kind| json!({"type": kind}))
        .into_iter()
        .collect()
}

fn mounts() -> Value {
    json!([
        mount("proc", "/proc", &[]),
        mount(
            "tmpfs",
            "/dev",
            &["nosuid", "strictatime", "mode=755", "size=65536k"]
        ),
        mount(
            "devpts",
            "/dev/pts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5"
            ]
        ),
        mount(
            "tmpfs",
            "/dev/shm",
            &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]
        ),
        mount("mqueue", "/dev/mqueue", &["nosuid", "noexec", "nodev"]),
        mount("sysfs", "/sys", &["nosuid", "noexec", "nodev", "ro"]),
        mount(
            "cgroup",
            "/sys/fs/cgroup",
            &["nosuid", "noexec", "nodev", "relatime", "ro"]
        ),
    ])
}

fn mount(kind: &str, destination: &str, options: &[&str]) -> Value {
    json!({"type": kind, "source": kind, "destination": destination, "options": options})
}

const MASKED: [&str; 8] = [
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];

const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];
