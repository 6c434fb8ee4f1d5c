//! What `spec` writes: an ordinary container, shut as tight as one can be that
//! still runs most programs.
//!
//! The types are the specification's, in the order a person would tell it;
//! `oci_spec` has an order of its own, and none for capabilities. The profile
//! of what stays hidden is Docker's of late.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::oci::bundle;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    oci_version: Word,
    process: Process,
    root: Root,
    hostname: Word,
    mounts: Vec<Mount>,
    linux: Linux,
}

type Word = &'static str;
type Words = &'static [Word];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    terminal: bool,
    user: User,
    args: Words,
    env: Words,
    cwd: Word,
    capabilities: Capabilities,
    rlimits: [Rlimit; 1],
    no_new_privileges: bool,
}

#[derive(Serialize)]
struct User {
    uid: u32,
    gid: u32,
}

#[derive(Serialize)]
struct Capabilities {
    bounding: Words,
    effective: Words,
    permitted: Words,
}

#[derive(Serialize)]
struct Rlimit {
    #[serde(rename = "type")]
    kind: Word,
    hard: u64,
    soft: u64,
}

#[derive(Serialize)]
struct Root {
    path: Word,
    readonly: bool,
}

#[derive(Serialize)]
struct Mount {
    destination: Word,
    #[serde(rename = "type")]
    kind: Word,
    source: Word,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    options: Vec<Word>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Resources>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid_mappings: Option<[Mapping; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gid_mappings: Option<[Mapping; 1]>,
    namespaces: Vec<Namespace>,
    masked_paths: Words,
    readonly_paths: Words,
}

#[derive(Serialize)]
struct Resources {
    devices: [DeviceRule; 1],
}

#[derive(Serialize)]
struct DeviceRule {
    allow: bool,
    access: Word,
}

#[derive(Serialize)]
struct Mapping {
    #[serde(rename = "containerID")]
    container: u32,
    #[serde(rename = "hostID")]
    host: u32,
    size: u32,
}

#[derive(Serialize)]
struct Namespace {
    #[serde(rename = "type")]
    kind: Word,
}

const CAPABILITIES: Words = &["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

const ENV: Words = &[
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "TERM=xterm",
];

const MASKED: Words = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

const READONLY: Words = &[
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// The text; `rootless` is the caller's user and group ids, if it is to run
/// with no more than those.
pub fn text(rootless: Option<(u32, u32)>) -> Result<String> {
    let config = Config {
        oci_version: bundle::VERSION,
        process: process(),
        root: Root {
            path: "rootfs",
            readonly: true,
        },
        hostname: "rcon",
        mounts: mounts(rootless.is_some()),
        linux: linux(rootless),
    };
    let mut text =
        serde_json::to_string_pretty(&config).map_err(|e| Error::internal(e.to_string()))?;
    text.push('\n');
    Ok(text)
}

fn process() -> Process {
    Process {
        terminal: true,
        user: User { uid: 0, gid: 0 },
        args: &["sh"],
        env: ENV,
        cwd: "/",
        capabilities: Capabilities {
            bounding: CAPABILITIES,
            effective: CAPABILITIES,
            permitted: CAPABILITIES,
        },
        rlimits: [Rlimit {
            kind: "RLIMIT_NOFILE",
            hard: 1024,
            soft: 1024,
        }],
        no_new_privileges: true,
    }
}

/// Without privileges no new sysfs can be mounted unless the network is new,
/// too, so the host's is shown; and the group tty has no id to give away.
fn mounts(rootless: bool) -> Vec<Mount> {
    let quiet = &["nosuid", "noexec", "nodev"][..];
    let mut pts = vec!["nosuid", "noexec", "newinstance", "ptmxmode=0666"];
    pts.push("mode=0620");
    if !rootless {
        pts.push("gid=5");
    }
    let sys = if rootless {
        mount(
            "/sys",
            "none",
            "/sys",
            &["rbind", "nosuid", "noexec", "nodev", "ro"],
        )
    } else {
        mount("/sys", "sysfs", "sysfs", &[quiet, &["ro"]].concat())
    };
    vec![
        mount("/proc", "proc", "proc", quiet),
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        mount("/dev/pts", "devpts", "devpts", &pts),
        mount(
            "/dev/shm",
            "tmpfs",
            "shm",
            &[quiet, &["mode=1777", "size=65536k"]].concat(),
        ),
        mount("/dev/mqueue", "mqueue", "mqueue", quiet),
        sys,
        mount(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            &[quiet, &["relatime", "ro"]].concat(),
        ),
    ]
}

fn mount(destination: Word, kind: Word, source: Word, options: &[Word]) -> Mount {
    Mount {
        destination,
        kind,
        source,
        options: options.to_vec(),
    }
}

/// A user who may make no cgroups can have no device rules either.
fn linux(rootless: Option<(u32, u32)>) -> Linux {
    let mapping = |host| {
        [Mapping {
            container: 0,
            host,
            size: 1,
        }]
    };
    let mut namespaces = vec!["pid", "ipc", "uts", "mount", "cgroup"];
    namespaces.push(if rootless.is_some() {
        "user"
    } else {
        "network"
    });
    let nothing = DeviceRule {
        allow: false,
        access: "rwm",
    };
    Linux {
        resources: rootless
            .is_none()
            .then_some(Resources { devices: [nothing] }),
        uid_mappings: rootless.map(|(uid, _)| mapping(uid)),
        gid_mappings: rootless.map(|(_, gid)| mapping(gid)),
        namespaces: namespaces
            .into_iter()
            .map(|kind| Namespace { kind })
            .collect(),
        masked_paths: MASKED,
        readonly_paths: READONLY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::Spec;
    use serde_json::Value;

    #[test]
    fn the_specification_knows_every_field() {
        for caller in [None, Some((1000, 100))] {
            let text = text(caller).unwrap();
            let spec: Spec = bundle::parse(text.as_bytes(), "config.json").unwrap();
            let (ours, theirs): (Value, Value) = (
                serde_json::from_str(&text).unwrap(),
                serde_json::to_value(&spec).unwrap(),
            );
            known(&ours, &theirs, "");
        }
    }

    /// Whatever the library does not know, it does not write back.
    fn known(ours: &Value, theirs: &Value, at: &str) {
        match (ours, theirs) {
            (Value::Object(ours), Value::Object(_)) => {
                for (key, value) in ours {
                    known(value, &theirs[key], &format!("{at}.{key}"));
                }
            }
            (Value::Array(ours), Value::Array(theirs)) => {
                assert_eq!(ours.len(), theirs.len(), "{at}");
            }
            _ => assert_eq!(ours, theirs, "{at}"),
        }
    }

    #[test]
    fn it_begins_with_the_process() {
        let text = text(None).unwrap();
        let at = |word: &str| text.find(word).unwrap();
        assert!(at("ociVersion") < at("\"process\""));
        assert!(at("\"process\"") < at("\"mounts\""));
        assert!(at("\"mounts\"") < at("\"linux\""));
    }

    #[test]
    fn a_rootless_one_maps_the_caller() {
        let value: Value = serde_json::from_str(&text(Some((1000, 100))).unwrap()).unwrap();
        assert_eq!(value["linux"]["uidMappings"][0]["hostID"], 1000);
        assert_eq!(value["linux"]["gidMappings"][0]["hostID"], 100);
        assert!(!value.to_string().contains("gid=5"));
    }
}
