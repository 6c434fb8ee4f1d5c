use serde_json::{Value, json};

use super::*;
use crate::seccomp::compile;

const DEFAULT: Conditions = Conditions {
    caps: CapSet(0),
    arch: Arch::X86_64,
    kernel: (6, 1),
};

fn with(cap: &str) -> Conditions {
    Conditions {
        caps: CapSet(CapSet::bit(cap).unwrap()),
        ..DEFAULT
    }
}

/// Names allowed whatever their arguments.
fn allowed(c: &Conditions) -> Vec<String> {
    let profile = default_profile(c);
    let calls = profile.syscalls().iter().flatten();
    let free =
        calls.filter(|s| s.args().is_none() && s.action() == LinuxSeccompAction::ScmpActAllow);
    free.flat_map(|s| s.names().clone()).collect()
}

fn allows(c: &Conditions, name: &str) -> bool {
    allowed(c).iter().any(|n| n == name)
}

#[test]
fn every_call_is_named_once_and_exists() {
    let mut unknown = Vec::new();
    for arch in [Arch::X86_64, Arch::Aarch64] {
        let c = Conditions { arch, ..DEFAULT };
        let mut names = allowed(&c);
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "a call is in two groups");
        let filter = compile(&default_profile(&c), arch).unwrap();
        // Names of other machines, and of older ABIs that this one lacks,
        // are all that may be unknown; a misspelt one would be unknown on both.
        unknown.push(filter.unknown);
    }
    let everywhere: Vec<_> = unknown[0]
        .iter()
        .filter(|n| unknown[1].contains(n))
        .collect();
    assert_eq!(everywhere, ["riscv_hwprobe"]);
}

#[test]
fn what_changes_the_machine_is_not_allowed() {
    for name in [
        "mount",
        "umount2",
        "unshare",
        "setns",
        "pivot_root",
        "bpf",
        "keyctl",
        "add_key",
        "request_key",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "userfaultfd",
        "init_module",
        "kexec_load",
        "reboot",
        "swapon",
        "perf_event_open",
        "open_by_handle_at",
        "socket",
        "socketcall",
        "clone",
        "clone3",
        "personality",
        "settimeofday",
        "acct",
        "iopl",
        "syslog",
        "quotactl",
        "fsopen",
        "move_mount",
        "kcmp",
        "nfsservctl",
        "vm86",
        "uselib",
    ] {
        assert!(!allows(&DEFAULT, name), "{name}");
    }
    for name in [
        "read",
        "execve",
        "ptrace",
        "accept4",
        "statx",
        "futex",
        "arch_prctl",
        "mseal",
    ] {
        assert!(allows(&DEFAULT, name), "{name}");
    }
}

#[test]
fn a_capability_brings_its_calls() {
    for (cap, name) in [
        ("CAP_SYS_ADMIN", "mount"),
        ("CAP_SYS_ADMIN", "clone3"),
        ("CAP_SYS_CHROOT", "chroot"),
        ("CAP_SYS_TIME", "clock_settime"),
        ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
        ("CAP_BPF", "bpf"),
        ("CAP_SYSLOG", "syslog"),
        ("CAP_SYS_PTRACE", "pidfd_getfd"),
    ] {
        assert!(allows(&with(cap), name), "{cap} {name}");
        assert!(!allows(&DEFAULT, name), "{name}");
    }
}

#[test]
fn machine_and_kernel_count() {
    let old = Conditions {
        kernel: (4, 7),
        ..DEFAULT
    };
    assert!(!allows(&old, "ptrace"));
    let arm = Conditions {
        arch: Arch::Aarch64,
        ..DEFAULT
    };
    assert!(allows(&arm, "cacheflush") && !allows(&arm, "arch_prctl"));
    let arches = |c| default_profile(c).architectures().clone().unwrap();
    assert_eq!(
        arches(&arm),
        [OciArch::ScmpArchAarch64, OciArch::ScmpArchArm]
    );
    assert_eq!(arches(&DEFAULT).len(), 3);
}

#[test]
fn clone3_is_as_if_it_did_not_exist() {
    let profile = default_profile(&DEFAULT);
    let mut calls = profile.syscalls().iter().flatten();
    let clone3 = calls.find(|s| s.names().iter().any(|n| n == "clone3"));
    let clone3 = clone3.unwrap();
    assert_eq!(clone3.action(), LinuxSeccompAction::ScmpActErrno);
    assert_eq!(clone3.errno_ret(), Some(38));
}

#[test]
fn the_second_way_to_sockets_is_shut() {
    let filter = compile(&default_profile(&DEFAULT), Arch::X86_64).unwrap();
    assert!(filter.bypassed.is_empty(), "{:?}", filter.bypassed);
}

fn convert(profile: &Value, c: &Conditions) -> LinuxSeccomp {
    profile_to_spec(profile, c).unwrap()
}

#[test]
fn rules_apply_under_their_conditions() {
    for (includes, excludes, c, want) in [
        (json!({}), json!(null), DEFAULT, true),
        (json!({"caps": ["CAP_KILL"]}), json!({}), DEFAULT, false),
        (
            json!({"caps": ["CAP_KILL"]}),
            json!({}),
            with("CAP_KILL"),
            true,
        ),
        (
            json!({"caps": ["CAP_KILL", "CAP_CHOWN"]}),
            json!({}),
            with("CAP_KILL"),
            false,
        ),
        (
            json!({"arches": ["arm64", "amd64"]}),
            json!({}),
            DEFAULT,
            true,
        ),
        (json!({"arches": ["arm64"]}), json!({}), DEFAULT, false),
        (json!({"minKernel": "4.8"}), json!({}), DEFAULT, true),
        (json!({"minKernel": "6.2"}), json!({}), DEFAULT, false),
        (json!({}), json!({"caps": ["CAP_KILL"]}), DEFAULT, true),
        (
            json!({}),
            json!({"caps": ["CAP_KILL"]}),
            with("CAP_KILL"),
            false,
        ),
        (json!({}), json!({"arches": ["amd64"]}), DEFAULT, false),
        (json!({}), json!({"minKernel": "6.1"}), DEFAULT, false),
        (json!({}), json!({"minKernel": "6.2"}), DEFAULT, true),
        (json!({"caps": ["CAP_UNKNOWN"]}), json!({}), DEFAULT, false),
    ] {
        let profile = json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": null, "comment": "",
             "includes": includes, "excludes": excludes}]});
        let spec = convert(&profile, &c);
        let count = spec.syscalls().iter().flatten().count();
        assert_eq!(count == 1, want, "{includes} {excludes}");
    }
}

#[test]
fn everything_of_a_rule_is_taken_over() {
    let profile = json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "ENOSYS",
        "archMap": [{"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
                    {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "syscalls": [{"name": "socket", "action": "SCMP_ACT_ERRNO", "errnoRet": 22,
            "errno": "EINVAL",
            "args": [{"index": 0, "value": 16, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}]}]});
    let got = serde_json::to_value(convert(&profile, &DEFAULT)).unwrap();
    let want = json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22,
            "args": [{"index": 0, "value": 16, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}]}]});
    assert_eq!(got, want);
}

#[test]
fn what_is_wrong_is_told_by_its_field() {
    let rule = |rule: Value| json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]});
    let allow = "SCMP_ACT_ALLOW";
    for (profile, text) in [
        (json!({}), "defaultAction"),
        (json!({"defaultAction": "SCMP_ACT_NONE"}), "defaultAction"),
        (
            json!({"defaultAction": "SCMP_ACT_NOTIFY"}),
            "defaultAction: SCMP_ACT_NOTIFY",
        ),
        (
            json!({"defaultAction": allow, "listenerPath": "/x"}),
            "listenerPath",
        ),
        (
            json!({"defaultAction": allow, "architectures": ["SCMP_ARCH_X86"],
                   "archMap": [{"architecture": "SCMP_ARCH_X86"}]}),
            "both 'architectures' and 'archMap'",
        ),
        (rule(json!({"names": ["a"]})), "syscalls[0]"),
        (rule(json!({"action": allow})), "syscalls[0]: names"),
        (
            rule(json!({"names": ["a"], "action": "SCMP_ACT_NOTIFY"})),
            "syscalls[0]: action",
        ),
        (
            rule(json!({"names": ["a"], "name": "b", "action": allow})),
            "both 'name' and 'names'",
        ),
        (
            rule(json!({"names": ["a"], "action": allow,
                        "args": [{"index": 0, "value": 1, "op": "X"}]})),
            "syscalls[0].args[0].op",
        ),
        (
            rule(json!({"names": ["a"], "action": allow,
                        "args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]})),
            "syscalls[0]: args: index",
        ),
        (
            rule(json!({"names": ["a"], "action": allow, "includes": {"minKernel": "4"}})),
            "syscalls[0]: includes: minKernel",
        ),
        (
            rule(json!({"names": ["a"], "action": allow, "errno": "EWHAT"})),
            "syscalls[0]: errno: \"EWHAT\"",
        ),
    ] {
        let e = profile_to_spec(&profile, &DEFAULT).unwrap_err().to_string();
        assert!(
            e.starts_with("seccomp profile: ") && e.contains(text),
            "wanted {text}: {e}"
        );
    }
}
