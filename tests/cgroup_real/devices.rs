//! Device rules, through v1 and through eBPF.

use oci_spec::runtime::LinuxDeviceCgroup;
use rcon::cgroup::devices::{DeviceList, add_default_rules};

use super::*;

fn device_list(json: &str) -> DeviceList {
    DeviceList::compile(&serde_json::from_str::<Vec<LinuxDeviceCgroup>>(json).unwrap()).unwrap()
}

const ONLY_NULL: &str = r#"[{"allow":false,"access":"rwm"},
    {"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"}]"#;

const ALSO_ZERO_READ: &str = r#"[{"allow":false,"access":"rwm"},
    {"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"},
    {"allow":true,"type":"c","major":1,"minor":5,"access":"r"}]"#;

const EVERYTHING_BUT_ZERO_WRITE: &str = r#"[{"allow":true,"access":"rwm"},
    {"allow":false,"type":"c","major":1,"minor":5,"access":"w"}]"#;

const PRIVILEGED: &str = r#"[{"allow":true,"access":"rwm"}]"#;

/// Tries null, and zero for reading, writing and both: `yes` or `no` each.
/// The shell starts with its own descriptors, and has no builtin that needs
/// a device.
const PROBE: &str = "t() { if (eval \"$1\") 2>/proc/self/fd/1 >/proc/self/fd/1; then echo yes; else echo no; fi; }
    t ': </dev/null' | tail -n1; t ': </dev/zero' | tail -n1; t ': >/dev/zero' | tail -n1; t ': <>/dev/zero' | tail -n1";

fn probes(mut guard: Guard, set: fn(&Cgroup, &DeviceList) -> rcon::error::Result<()>) {
    let mut seen = Vec::new();
    for rules in [
        ONLY_NULL,
        ALSO_ZERO_READ,
        EVERYTHING_BUT_ZERO_WRITE,
        PRIVILEGED,
        ONLY_NULL,
    ] {
        set(&guard.cgroup, &device_list(rules)).unwrap();
        seen.push(guard.output(PROBE).replace('\n', " "));
    }
    assert_eq!(
        seen,
        [
            "yes no no no",
            "yes yes no no",
            "yes yes no no",
            "yes yes yes yes",
            "yes no no no"
        ]
    );
}

/// What every container may use, and nothing else.
fn usual() -> DeviceList {
    let mut rules = Vec::new();
    add_default_rules(&mut rules, &[]);
    DeviceList::compile(&rules).unwrap()
}

#[test]
fn device_rules_hold_through_v1() {
    let Some(l) = hybrid() else { return };
    probes(Guard::new(&l, "devices-v1"), Cgroup::set_devices);
}

#[test]
fn device_rules_hold_through_ebpf() {
    let Some(l) = layout() else { return };
    let guard = Guard::on(&l, "devices-v2", |d| d.version == Version::V2);
    probes(guard, Cgroup::set_devices);
}

#[test]
fn v1_device_list_reads_back_as_asked() {
    let Some(l) = hybrid() else { return };
    let guard = Guard::new(&l, "devices-list");
    guard.cgroup.set_devices(&usual()).unwrap();
    let mut lines: Vec<_> = guard
        .read("devices", "devices.list")
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort();
    let expected = [
        "b *:* m",
        "c *:* m",
        "c 10:200 rwm",
        "c 136:* rwm",
        "c 1:3 rwm",
        "c 1:5 rwm",
        "c 1:7 rwm",
        "c 1:8 rwm",
        "c 1:9 rwm",
        "c 5:0 rwm",
        "c 5:2 rwm",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn default_devices_filter_loads_and_lets_null_be_used() {
    let Some(l) = layout() else { return };
    let mut guard = Guard::on(&l, "devices-default", |d| d.version == Version::V2);
    let list = usual();
    guard.cgroup.set_devices(&list).unwrap();
    let script = "echo x >/dev/null && head -c1 /dev/urandom | wc -c; (: </dev/kmsg) 2>&1 | grep -c 'not permitted'";
    assert_eq!(guard.output(script), "1\n1");
    let dir = std::fs::File::open(guard.cgroup.paths().dirs[0].full()).unwrap();
    let count = || rcon::sys::bpf::device_programs(&dir).unwrap().len();
    assert_eq!(count(), 1);
    guard.cgroup.set_devices(&list).unwrap();
    assert_eq!(count(), 1, "an update replaces");
    guard.cgroup.set_devices(&device_list(PRIVILEGED)).unwrap();
    assert_eq!(count(), 0);
}
