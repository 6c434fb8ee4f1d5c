//! The `config.json` every test starts from, and small words to change it.

use serde_json::{Value, json};

/// The capabilities the default spec grants: the set Docker made customary.
pub const CAPS: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// A complete, ordinary container: all namespaces but user, the usual mounts
/// and masks, no limits.
pub fn default_spec(cgroups_path: &str) -> Value {
    json!({
        "ociVersion": "1.0.2",
        "process": process(),
        "root": { "path": "rootfs", "readonly": false },
        "hostname": "rcon-test",
        "mounts": mounts(),
        "linux": linux(cgroups_path),
    })
}

fn process() -> Value {
    json!({
        "terminal": false,
        "user": { "uid": 0, "gid": 0 },
        "args": ["true"],
        "env": ["PATH=/bin"],
        "cwd": "/",
        "capabilities": { "bounding": CAPS, "effective": CAPS, "permitted": CAPS },
    })
}

fn mounts() -> Value {
    json!([
        { "destination": "/proc", "type": "proc", "source": "proc" },
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        mount("/dev/shm", "tmpfs", "shm",
            &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/sys/fs/cgroup", "cgroup", "cgroup",
            &["nosuid", "noexec", "nodev", "relatime", "ro"]),
    ])
}

fn linux(cgroups_path: &str) -> Value {
    json!({
        "cgroupsPath": cgroups_path,
        "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
        "namespaces": [
            { "type": "pid" }, { "type": "network" }, { "type": "ipc" },
            { "type": "uts" }, { "type": "mount" }, { "type": "cgroup" },
        ],
        "maskedPaths": [
            "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys",
            "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
            "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
        ],
        "readonlyPaths": [
            "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
        ],
    })
}

/// One entry of `mounts`.
pub fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Value {
    json!({ "destination": destination, "type": kind, "source": source, "options": options })
}

/// `process.args` that run a line of shell.
pub fn sh(script: &str) -> Value {
    json!(["sh", "-c", script])
}

/// `process.args` from words separated by spaces.
pub fn words(line: &str) -> Value {
    json!(line.split(' ').collect::<Vec<_>>())
}

/// Adds a namespace or, where the type is there already, replaces it.
pub fn namespace(spec: &mut Value, entry: Value) {
    let kind = entry["type"].as_str().unwrap_or_default().to_owned();
    drop_namespace(spec, &kind);
    let list = spec["linux"]["namespaces"].as_array_mut();
    list.expect("the default spec lists namespaces").push(entry);
}

/// Removes a namespace, so that the container shares the host's.
pub fn drop_namespace(spec: &mut Value, kind: &str) {
    if let Some(list) = spec["linux"]["namespaces"].as_array_mut() {
        list.retain(|n| n["type"] != kind);
    }
}
