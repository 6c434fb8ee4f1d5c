//! The profiles that the tests load: one like Docker's, and podman's own.

use serde_json::{Value, json};

/// A profile for all of x86 with these rules.
pub(super) fn x86(default: &str, rules: &Value) -> Value {
    json!({
        "defaultAction": format!("SCMP_ACT_{default}"),
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": rules,
    })
}

/// All socket families but 38 (`AF_ALG`) and 40 (`AF_VSOCK`), as Docker has it.
pub(super) fn socket_rules() -> Value {
    let family = |op: &str, value: u64| {
        json!({"names": ["socket"], "action": "SCMP_ACT_ALLOW",
               "args": [{"index": 0, "op": format!("SCMP_CMP_{op}"), "value": value}]})
    };
    json!([
        family("LT", 38),
        family("EQ", 39),
        family("GT", 40),
        {"names": ["exit_group", "bind", "clone3"], "action": "SCMP_ACT_ALLOW"},
    ])
}

/// A profile of the size and shape of Docker's: every call of both x86 ABIs
/// but a few dozen, and conditions where Docker has them.
pub(super) fn docker_sized() -> Value {
    const NOT: &str = "acct add_key bpf clock_adjtime clock_settime create_module delete_module \
        finit_module get_kernel_syms init_module ioperm iopl kcmp kexec_file_load kexec_load \
        keyctl lookup_dcookie mount move_mount nfsservctl open_by_handle_at open_tree \
        perf_event_open personality pivot_root quotactl reboot request_key setns \
        settimeofday socket socketcall stime swapoff swapon _sysctl sysfs umount umount2 \
        unshare uselib userfaultfd ustat vm86 vm86old clone clone3 fsopen fsmount fsconfig \
        fspick syslog vhangup mount_setattr set_mempolicy get_mempolicy mbind chroot";
    let mut names: Vec<&str> = syscalls::x86_64::Sysno::iter().map(|c| c.name()).collect();
    names.extend(syscalls::x86::Sysno::iter().map(|c| c.name()));
    names.sort_unstable();
    names.dedup();
    names.retain(|name| !NOT.split_whitespace().any(|not| not == *name));
    let mut rules = socket_rules();
    let list = rules.as_array_mut().unwrap();
    list.truncate(3);
    list.insert(0, json!({"names": names, "action": "SCMP_ACT_ALLOW"}));
    for value in [0u64, 8, 0x2_0000, 0x2_0008, 0xffff_ffff] {
        list.push(json!({"names": ["personality"], "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"}]}));
    }
    list.push(json!({"names": ["clone"], "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 0, "value": 0x7e02_0000u64, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]}));
    list.push(json!({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}));
    x86("ERRNO", &rules)
}

/// podman's profile as an engine would hand it to a runtime: what depends on
/// capabilities or on the machine is decided.
pub(super) fn podmans(text: &str) -> Value {
    const CAPS: &[&str] = &["CAP_AUDIT_WRITE", "CAP_SYS_CHROOT"];
    let profile: Value = serde_json::from_str(text).unwrap();
    let holds = |entry: &Value, key: &str, kind: &str, ours: &[&str], empty: bool| {
        let list = entry[key][kind].as_array();
        list.map_or(empty, |list| {
            list.iter().any(|v| ours.contains(&v.as_str().unwrap()))
        })
    };
    let rules: Vec<Value> = profile["syscalls"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|e| holds(e, "includes", "caps", CAPS, true))
        .filter(|e| holds(e, "includes", "arches", &["amd64"], true))
        .filter(|e| !holds(e, "excludes", "caps", CAPS, false))
        .map(|e| {
            json!({"names": e["names"], "action": e["action"], "args": e["args"],
                   "errnoRet": e["errnoRet"]})
        })
        .collect();
    let mut result = x86("ERRNO", &json!(rules));
    result["defaultErrnoRet"] = profile["defaultErrnoRet"].clone();
    result
}
