//! `features`: what this runtime can do, in the specification's words, so that
//! a caller need not try.
//!
//! It tells what rcon knows, not what this machine has; the exception is
//! `supportedFlags`, which by its definition is the kernel's answer.

use serde_json::{Value, json};

use super::bundle;
use crate::plan::{Namespace, options};
use crate::sys::seccomp as kernel;

/// In the order in which they run.
const HOOKS: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

const ACTIONS: [&str; 9] = [
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
];

const OPERATORS: [&str; 7] = [
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_LE",
    "SCMP_CMP_LT",
    "SCMP_CMP_MASKED_EQ",
    "SCMP_CMP_NE",
];

/// Those whose system calls rcon knows by name.
const ARCHES: [&str; 5] = [
    "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_ARM",
    "SCMP_ARCH_X32",
    "SCMP_ARCH_X86",
    "SCMP_ARCH_X86_64",
];

const FLAGS: [(&str, u32); 4] = [
    ("SECCOMP_FILTER_FLAG_LOG", kernel::FLAG_LOG),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", kernel::FLAG_SPEC_ALLOW),
    ("SECCOMP_FILTER_FLAG_TSYNC", kernel::FLAG_TSYNC),
    (
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
        kernel::FLAG_WAIT_KILLABLE_RECV,
    ),
];

/// `features`.
pub fn features() -> String {
    let features = json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": bundle::VERSION,
        "hooks": HOOKS,
        "mountOptions": options::known_words(),
        "linux": linux(),
        "annotations": { "io.rcon.version": env!("CARGO_PKG_VERSION") },
        // No annotation changes what rcon does.
        "potentiallyUnsafeConfigAnnotations": [],
    });
    format!("{features:#}")
}

fn linux() -> Value {
    let mut namespaces = Namespace::ALL.map(Namespace::spec_name);
    namespaces.sort_unstable();
    json!({
        "namespaces": namespaces,
        "capabilities": capabilities(),
        "cgroup": {
            "v1": true,
            "v2": true,
            "systemd": false,
            "systemdUser": false,
            "rdma": true,
        },
        "seccomp": seccomp(),
        "apparmor": { "enabled": true },
        "selinux": { "enabled": true },
        "intelRdt": { "enabled": false },
        "mountExtensions": { "idmap": { "enabled": true } },
        "netDevices": { "enabled": false },
    })
}

/// In the kernel's order.
fn capabilities() -> Vec<String> {
    let mut all: Vec<_> = caps::all().into_iter().collect();
    all.sort_by_key(caps::Capability::index);
    all.iter().map(ToString::to_string).collect()
}

fn seccomp() -> Value {
    let supported = FLAGS.iter().filter(|(_, bit)| kernel::flag_is_known(*bit));
    let supported: Vec<_> = supported.map(|(name, _)| name).collect();
    json!({
        "enabled": true,
        "actions": ACTIONS,
        "operators": OPERATORS,
        "archs": ARCHES,
        "knownFlags": FLAGS.map(|(name, _)| name),
        "supportedFlags": supported,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::{
        Arch, Features, LinuxSeccompAction, LinuxSeccompFilterFlag, LinuxSeccompOperator,
    };
    use serde::de::DeserializeOwned;

    fn all<T: DeserializeOwned>(names: &[&str]) -> Vec<T> {
        let parse = |name: &&str| serde_json::from_value(json!(name));
        names.iter().map(|n| parse(n).unwrap()).collect()
    }

    #[test]
    fn the_specification_reads_it() {
        let features: Features = serde_json::from_str(&features()).unwrap();
        assert_eq!(features.oci_version_max(), bundle::VERSION);
        let linux = features.linux().as_ref().unwrap();
        assert_eq!(linux.namespaces().as_ref().unwrap().len(), 8);
        let seccomp = linux.seccomp().as_ref().unwrap();
        assert_eq!(seccomp.archs().as_ref().unwrap().len(), ARCHES.len());
        assert_eq!(linux.cgroup().as_ref().unwrap().v1(), &Some(true));
        let idmap = linux.mount_extensions().as_ref().unwrap().idmap();
        assert_eq!(idmap.as_ref().unwrap().enabled(), &Some(true));
    }

    #[test]
    fn every_word_is_the_specifications() {
        all::<Arch>(&ARCHES);
        all::<LinuxSeccompAction>(&ACTIONS);
        all::<LinuxSeccompOperator>(&OPERATORS);
        all::<LinuxSeccompFilterFlag>(&FLAGS.map(|(name, _)| name));
    }

    #[test]
    fn capabilities_begin_with_number_0_and_miss_none() {
        let list = capabilities();
        assert_eq!(list[0], "CAP_CHOWN");
        assert_eq!(list[21], "CAP_SYS_ADMIN");
        assert_eq!(list[40], "CAP_CHECKPOINT_RESTORE");
    }
}
