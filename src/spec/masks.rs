//! What of `/proc` and `/sys` is covered.
//!
//! Both file systems show more than the namespaces divide. A container's root
//! is uid 0 to them, so what only root may read, it may; these lists take
//! away what is dangerous to write and what tells about others. Where an entry
//! came from a particular hole, its name stands beside it.

use std::path::Path;

use super::HostFacts;
use crate::container::Isolation;

/// Covered with an empty directory or `/dev/null`.
const MASKED: &[&str] = &[
    // Power states of the machine: CVE-2018-10892.
    "/proc/acpi",
    "/proc/asound",
    // Timing of keystrokes and of other containers: GHSA-6fw5-f8r9-fgfm.
    "/proc/interrupts",
    // The machine's whole memory.
    "/proc/kcore",
    // Keys of all users; the keyring has no namespace.
    "/proc/keys",
    "/proc/latency_stats",
    // Names of every process on the host.
    "/proc/sched_debug",
    // Could remove disks: CVE-2017-16539.
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    // What the processor draws betrays what it computes: GHSA-jq35-85cj-fj4p.
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Readable, but not writable: they steer the whole machine.
const READONLY: &[&str] = &[
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

fn open(isolation: &Isolation) -> bool {
    isolation.privileged || isolation.security.unmask
}

fn words(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|p| (*p).to_owned()).collect()
}

/// What is hidden.
pub(super) fn masked(isolation: &Isolation, host: &HostFacts) -> Option<Vec<String>> {
    if open(isolation) {
        return None;
    }
    // How often each processor was too hot: the same leak as interrupts. The
    // list holds those that exist, since there is one for each processor.
    let throttle = host.thermal_throttle.iter().map(path_text);
    Some(words(MASKED).into_iter().chain(throttle).collect())
}

fn path_text(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}

/// What cannot be written.
pub(super) fn readonly(isolation: &Isolation) -> Option<Vec<String>> {
    (!open(isolation)).then(|| words(READONLY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::tests::host;

    #[test]
    fn covered_unless_asked_otherwise() {
        let mut isolation = Isolation::default();
        let mut host = host();
        host.thermal_throttle = vec!["/sys/devices/system/cpu/cpu0/thermal_throttle".into()];
        let masked_now = masked(&isolation, &host).unwrap();
        for path in ["/proc/kcore", "/proc/interrupts", "/sys/firmware"] {
            assert!(masked_now.iter().any(|p| p == path), "{path}");
        }
        assert_eq!(
            masked_now.last().map(String::as_str),
            Some("/sys/devices/system/cpu/cpu0/thermal_throttle")
        );
        assert!(
            readonly(&isolation)
                .unwrap()
                .contains(&"/proc/sys".to_owned())
        );
        isolation.security.unmask = true;
        assert_eq!(
            (masked(&isolation, &host), readonly(&isolation)),
            (None, None)
        );
        isolation.security.unmask = false;
        isolation.privileged = true;
        assert_eq!(
            (masked(&isolation, &host), readonly(&isolation)),
            (None, None)
        );
    }
}
