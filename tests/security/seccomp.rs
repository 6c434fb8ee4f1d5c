//! A profile of the shape Docker made customary, written out of what its
//! documentation says is blocked, and the ways round such a profile: other
//! system call tables, and socket families nobody thought of.

use super::common::{Value, json};
use super::support::{bed, lines, orderly, probing};
use syscalls::SysnoSet;

/// Families through which a container reached what no namespace contains.
const AF_ALG: u64 = 38;
const AF_VSOCK: u64 = 40;

/// The flags of clone(2) that make a namespace.
const NAMESPACES: u64 = 0x7E02_0000;

/// What Docker's documentation lists as blocked without a capability.
const BLOCKED: [&str; 50] = [
    "acct",
    "add_key",
    "bpf",
    "clock_adjtime",
    "clock_settime",
    "clone",
    "clone3",
    "create_module",
    "delete_module",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "get_kernel_syms",
    "get_mempolicy",
    "init_module",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "lookup_dcookie",
    "mbind",
    "mount",
    "mount_setattr",
    "move_mount",
    "move_pages",
    "nfsservctl",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pivot_root",
    "query_module",
    "quotactl",
    "reboot",
    "request_key",
    "set_mempolicy",
    "setns",
    "settimeofday",
    "socket",
    "socketcall",
    "swapoff",
    "swapon",
    "umount2",
    "unshare",
    "uselib",
    "userfaultfd",
    "vhangup",
];

fn rule(names: &[&str], arguments: &Value) -> Value {
    json!({ "names": names, "action": "SCMP_ACT_ALLOW", "args": arguments })
}

/// Everything this machine's own table has, less the blocked, plus sockets of
/// every family but two.
pub(crate) fn docker_like() -> Value {
    let all = SysnoSet::all();
    let names: Vec<&str> = all.iter().map(|call| call.name()).collect();
    let names: Vec<&str> = names.into_iter().filter(|n| !BLOCKED.contains(n)).collect();
    let argument = |value: u64, op: &str| json!([{ "index": 0, "value": value, "op": op }]);
    let clone = json!([{
        "index": 0, "value": NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"
    }]);
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [
            rule(&names, &json!([])),
            rule(&["clone"], &clone),
            rule(&["socket"], &argument(AF_ALG, "SCMP_CMP_LT")),
            rule(&["socket"], &argument(39, "SCMP_CMP_EQ")),
            rule(&["socket"], &argument(AF_VSOCK, "SCMP_CMP_GT")),
        ],
    })
}

const FAMILIES: [&str; 5] = [
    "vsock",
    "alg",
    "vsock-int80",
    "vsock-socketcall",
    "vsock-x32",
];

#[test]
#[cfg(target_arch = "x86_64")]
fn cve_2026_31431_socket_families_by_every_table() {
    let Some(bed) = bed() else { return };
    let free = probing(&bed, &["sockets"], |_| ()).run().ok();
    let works = |name: &&&str| lines(&free.stdout, name) == [format!("{name} ok")];
    let offered = FAMILIES.iter().filter(works).count();
    assert!(offered > 0, "this kernel offers none of them: {free}");

    let out = probing(&bed, &["sockets"], |spec| {
        spec["linux"]["seccomp"] = docker_like();
    });
    let out = out.run().ok();
    assert_eq!(lines(&out.stdout, "unix"), ["unix ok"], "{out}");
    for name in FAMILIES {
        assert_ne!(lines(&out.stdout, name), [format!("{name} ok")], "{out}");
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn cve_2026_31431_tables_the_profile_does_not_name_are_closed() {
    let Some(bed) = bed() else { return };
    let container = probing(&bed, &["sockets"], |spec| {
        let mut profile = docker_like();
        profile["architectures"] = json!(["SCMP_ARCH_X86_64"]);
        spec["linux"]["seccomp"] = profile;
    });
    let out = orderly(container.run()).ok();
    assert_eq!(lines(&out.stdout, "unix"), ["unix ok"], "{out}");
    for name in FAMILIES {
        assert_ne!(lines(&out.stdout, name), [format!("{name} ok")], "{out}");
    }
}
