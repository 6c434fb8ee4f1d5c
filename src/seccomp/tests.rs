//! What profiles come to, told by running their programs.

mod against_the_rules;

use oci_spec::runtime::LinuxSeccomp;
use serde_json::{Value, json};

use super::interpreter::{Data, run, trace};
use super::{Arch, Filter, MAX_INSTRUCTIONS, compile, names};
use crate::sys::seccomp as kernel;

const ALLOW: u32 = 0x7fff_0000;
const LOG: u32 = 0x7ffc_0000;
const NOTIFY: u32 = 0x7fc0_0000;
const TRAP: u32 = 0x0003_0000;
const KILL_THREAD: u32 = 0;
const KILL_PROCESS: u32 = 0x8000_0000;
const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;

fn errno(errno: u32) -> u32 {
    0x0005_0000 | errno
}

fn try_compile(profile: &Value) -> crate::error::Result<Filter> {
    let profile: LinuxSeccomp = serde_json::from_value(profile.clone()).unwrap();
    compile(&profile, Arch::X86_64)
}

fn filter(profile: &Value) -> Filter {
    try_compile(profile).unwrap()
}

/// A profile for all of x86 with these rules.
fn x86(default: &str, rules: &Value) -> Value {
    json!({
        "defaultAction": default,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "listenerPath": "/run/listener",
        "syscalls": rules,
    })
}

fn allow(names: &[&str]) -> Value {
    json!({"names": names, "action": "SCMP_ACT_ALLOW"})
}

fn arg(index: usize, op: &str, value: u64) -> Value {
    json!({"index": index, "value": value, "op": format!("SCMP_CMP_{op}")})
}

/// What happens when `name` is called with `args`.
fn ask(filter: &Filter, arch: Arch, name: &str, args: &[u64]) -> u32 {
    let number = names::lookup(name).unwrap().number(arch).unwrap();
    ask_number(filter, arch, number, args)
}

fn ask_number(filter: &Filter, arch: Arch, number: u32, args: &[u64]) -> u32 {
    let mut all = [0; 6];
    all[..args.len()].copy_from_slice(args);
    let data = Data {
        number,
        arch: arch.audit(),
        args: all,
    };
    run(&filter.program, &data)
}

#[test]
fn every_action_reaches_the_kernel_as_its_value() {
    let cases = [
        ("KILL", None, KILL_THREAD),
        ("KILL_THREAD", None, KILL_THREAD),
        ("KILL_PROCESS", None, KILL_PROCESS),
        ("TRAP", None, TRAP),
        ("ERRNO", None, EPERM),
        ("ERRNO", Some(12), errno(12)),
        ("NOTIFY", None, NOTIFY),
        ("TRACE", None, 0x7ff0_0001),
        ("TRACE", Some(0x1234), 0x7ff0_1234),
        ("LOG", None, LOG),
    ];
    for (action, errno, value) in cases {
        let action = format!("SCMP_ACT_{action}");
        let rule = json!([{"names": ["getpid"], "action": action, "errnoRet": errno}]);
        let f = filter(&x86("SCMP_ACT_ALLOW", &rule));
        assert_eq!(ask(&f, Arch::X86_64, "getpid", &[]), value, "{action}");
        assert_eq!(ask(&f, Arch::X86_64, "getppid", &[]), ALLOW, "{action}");
        assert_eq!(f.notify, value == NOTIFY);
    }
}

#[test]
fn an_abi_that_is_not_listed_ends_the_caller() {
    let f = filter(&json!({"defaultAction": "SCMP_ACT_ALLOW"}));
    assert_eq!(ask(&f, Arch::X86_64, "read", &[]), ALLOW);
    assert_eq!(ask(&f, Arch::X86, "read", &[]), KILL_THREAD);
    assert_eq!(ask(&f, Arch::X32, "read", &[]), KILL_THREAD);
    assert_eq!(ask(&f, Arch::Aarch64, "read", &[]), KILL_THREAD);
    assert_eq!(ask_number(&f, Arch::X86_64, u32::MAX, &[]), ALLOW);
}

#[test]
fn the_machines_own_abi_is_always_listed() {
    let f = filter(&json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_AARCH64", "SCMP_ARCH_S390X"],
    }));
    assert_eq!(ask(&f, Arch::X86_64, "read", &[]), ALLOW);
    assert_eq!(ask(&f, Arch::X86, "read", &[]), ALLOW);
    assert_eq!(ask(&f, Arch::Aarch64, "read", &[]), KILL_THREAD);
}

#[test]
fn on_arm_both_abis_are_told_apart() {
    let profile = json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_NATIVE", "SCMP_ARCH_ARM", "SCMP_ARCH_X86"],
        "syscalls": [allow(&["openat", "newfstatat", "cacheflush"])],
    });
    let profile: LinuxSeccomp = serde_json::from_value(profile).unwrap();
    let f = compile(&profile, Arch::Aarch64).unwrap();
    assert_eq!(ask_number(&f, Arch::Aarch64, 56, &[]), ALLOW);
    assert_eq!(ask_number(&f, Arch::Aarch64, 79, &[]), ALLOW);
    assert_eq!(ask_number(&f, Arch::Arm, 56, &[]), EPERM);
    assert_eq!(ask_number(&f, Arch::Arm, 322, &[]), ALLOW);
    assert_eq!(ask_number(&f, Arch::Arm, 0xf0002, &[]), ALLOW);
    assert_eq!(ask_number(&f, Arch::X86, 295, &[]), KILL_THREAD);
}

#[test]
fn calls_newer_than_the_profile_do_not_exist() {
    let rules = json!([allow(&["read", "openat2"])]);
    let f = filter(&x86("SCMP_ACT_ERRNO", &rules));
    for arch in [Arch::X86_64, Arch::X86, Arch::X32] {
        assert_eq!(ask(&f, arch, "clone3", &[]), EPERM, "{arch:?}");
        assert_eq!(ask(&f, arch, "openat2", &[]), ALLOW, "{arch:?}");
        assert_eq!(ask(&f, arch, "pidfd_getfd", &[]), ENOSYS, "{arch:?}");
    }
    // The largest number that x32 has is its own.
    let f = filter(&x86("SCMP_ACT_KILL", &json!([allow(&["execve"])])));
    assert_eq!(ask(&f, Arch::X32, "clone3", &[]), KILL_THREAD);
    assert_eq!(ask(&f, Arch::X86_64, "clone3", &[]), ENOSYS);
    // A tracer's -1 is not an x32 call.
    assert_eq!(ask_number(&f, Arch::X86_64, u32::MAX, &[]), ENOSYS);
}

#[test]
fn where_unknown_calls_pass_new_ones_pass_too() {
    for (default, value) in [("ALLOW", ALLOW), ("LOG", LOG), ("TRACE", 0x7ff0_0001)] {
        let rules = json!([{"names": ["read"], "action": "SCMP_ACT_TRAP"}]);
        let f = filter(&x86(&format!("SCMP_ACT_{default}"), &rules));
        assert_eq!(ask(&f, Arch::X86_64, "clone3", &[]), value);
    }
    // A profile that names nothing, or number 0 alone, has no age to go by.
    for rules in [json!([]), json!([allow(&["read"])])] {
        let f = filter(&x86("SCMP_ACT_ERRNO", &rules));
        assert_eq!(ask(&f, Arch::X86_64, "clone3", &[]), EPERM);
    }
}

#[test]
fn a_default_errno_is_what_the_rest_gets() {
    let profile = json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 6,
        "syscalls": [allow(&["read", "clone3"])],
    });
    let f = filter(&profile);
    assert_eq!(ask(&f, Arch::X86_64, "chdir", &[]), errno(6));
    assert_eq!(ask(&f, Arch::X86_64, "futex_waitv", &[]), ENOSYS);
}

#[test]
fn a_rules_conditions_must_all_hold() {
    let rules = json!([{
        "names": ["ftruncate"], "action": "SCMP_ACT_ALLOW",
        "args": [arg(1, "EQ", 1337), arg(0, "EQ", 9)],
    }]);
    let f = filter(&x86("SCMP_ACT_ERRNO", &rules));
    let ask = |args: &[u64]| ask(&f, Arch::X86_64, "ftruncate", args);
    assert_eq!(ask(&[9, 1337]), ALLOW);
    assert_eq!(ask(&[9, 1]), EPERM);
    assert_eq!(ask(&[1, 1337]), EPERM);
}

#[test]
fn an_argument_that_is_compared_twice_makes_alternatives() {
    let rules = json!([{
        "names": ["lseek"], "action": "SCMP_ACT_ALLOW",
        "args": [arg(0, "EQ", 1), arg(0, "EQ", 2), arg(1, "EQ", 3)],
    }]);
    let f = filter(&x86("SCMP_ACT_ERRNO", &rules));
    let ask = |args: &[u64]| ask(&f, Arch::X86_64, "lseek", args);
    assert_eq!(ask(&[1, 0]), ALLOW);
    assert_eq!(ask(&[2, 0]), ALLOW);
    assert_eq!(ask(&[0, 3]), ALLOW);
    assert_eq!(ask(&[0, 0]), EPERM);
}

#[test]
fn the_first_rule_without_conditions_decides() {
    let args = json!([arg(0, "EQ", 1)]);
    let rules = json!([
        {"names": ["lseek"], "action": "SCMP_ACT_TRAP", "args": args},
        {"names": ["lseek"], "action": "SCMP_ACT_ERRNO"},
        {"names": ["lseek"], "action": "SCMP_ACT_LOG"},
        {"names": ["lseek"], "action": "SCMP_ACT_ALLOW"},
    ]);
    // The second wants what happens anyway, and does not count.
    let f = filter(&x86("SCMP_ACT_ERRNO", &rules));
    assert_eq!(ask(&f, Arch::X86_64, "lseek", &[1]), LOG);
    let f = filter(&x86("SCMP_ACT_KILL", &rules));
    assert_eq!(ask(&f, Arch::X86_64, "lseek", &[1]), EPERM);
}

#[test]
fn overlapping_conditions_are_asked_in_libseccomps_order() {
    let rule = |action: &str, args: Value| json!({"names": ["lseek"], "action": format!("SCMP_ACT_{action}"), "args": args});
    let f = filter(&x86(
        "SCMP_ACT_ALLOW",
        &json!([
            rule("KILL", json!([arg(0, "GE", 10)])),
            rule("TRAP", json!([arg(0, "LT", 20)])),
            rule("LOG", json!([arg(0, "EQ", 15)])),
            rule("ERRNO", json!([arg(1, "EQ", 7)])),
            rule("TRAP", json!([arg(0, "GE", 100)])),
        ]),
    ));
    let ask = |args: &[u64]| ask(&f, Arch::X86_64, "lseek", args);
    assert_eq!(ask(&[15, 7]), EPERM, "a later argument first");
    assert_eq!(ask(&[15, 0]), LOG, "equality before order");
    assert_eq!(ask(&[16, 0]), TRAP, "less before greater");
    assert_eq!(ask(&[20, 0]), KILL_THREAD);
    assert_eq!(ask(&[100, 0]), TRAP, "the larger bound first");
}

#[test]
fn rules_that_contradict_each_other_are_refused() {
    let rule = |action: &str, args: Value| json!({"names": ["lseek"], "action": format!("SCMP_ACT_{action}"), "args": args});
    let one = json!([arg(0, "EQ", 1)]);
    let two = json!([arg(0, "EQ", 1), arg(1, "EQ", 2)]);
    let compile =
        |first: Value, second: Value| try_compile(&x86("SCMP_ACT_ERRNO", &json!([first, second])));
    assert!(compile(rule("LOG", one.clone()), rule("ALLOW", one.clone())).is_err());
    // The block asks more than the leave given after it: neither may win.
    assert!(compile(rule("TRAP", two.clone()), rule("ALLOW", one.clone())).is_err());
    let f = compile(rule("ALLOW", two.clone()), rule("ALLOW", one.clone())).unwrap();
    assert_eq!(ask(&f, Arch::X86_64, "lseek", &[1, 0]), ALLOW);
    let f = compile(rule("ALLOW", one), rule("TRAP", two)).unwrap();
    assert_eq!(ask(&f, Arch::X86_64, "lseek", &[1, 2]), ALLOW);
}

/// CVE-2026-31431 and its like: the kernel reads `int` families, and a filter
/// that compares 64 bits takes `AF_ALG` with a bit above them for another one.
#[test]
fn bits_that_the_kernel_ignores_do_not_pass_a_filter() {
    let f = filter(&x86("SCMP_ACT_ERRNO", &socket_rules()));
    for family in [38, 40] {
        for high in [0, 1, 0x8000_0000, 0xffff_ffff] {
            let arg = family + (high << 32);
            assert_eq!(ask(&f, Arch::X86_64, "socket", &[arg]), EPERM, "{arg:#x}");
            assert_eq!(ask(&f, Arch::X32, "socket", &[arg]), EPERM, "{arg:#x}");
        }
    }
    assert_eq!(ask(&f, Arch::X86_64, "socket", &[2]), ALLOW);
    assert_eq!(ask(&f, Arch::X86_64, "socket", &[39]), ALLOW);
    assert_eq!(ask(&f, Arch::X86_64, "socket", &[41]), ALLOW);
    // What the kernel reads whole is compared whole.
    let rules =
        json!([{"names": ["lseek"], "action": "SCMP_ACT_ALLOW", "args": [arg(1, "NE", 38)]}]);
    let f = filter(&x86("SCMP_ACT_ERRNO", &rules));
    assert_eq!(ask(&f, Arch::X86_64, "lseek", &[0, 38 + (1 << 32)]), ALLOW);
}

/// All families but 38 (`AF_ALG`) and 40 (`AF_VSOCK`), as Docker's profile has it.
fn socket_rules() -> Value {
    json!([
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [arg(0, "LT", 38)]},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [arg(0, "EQ", 39)]},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [arg(0, "GT", 40)]},
        allow(&["bind", "accept", "semop", "clone3"]),
    ])
}

#[test]
fn the_second_way_to_a_socket_opens_no_more_than_the_first() {
    let f = filter(&x86("SCMP_ACT_ERRNO", &socket_rules()));
    assert_eq!(ask(&f, Arch::X86, "socket", &[2]), ALLOW);
    assert_eq!(ask(&f, Arch::X86, "socket", &[38]), EPERM);
    let by_way = |sub| ask(&f, Arch::X86, "socketcall", &[sub]);
    assert_eq!(by_way(1), EPERM, "socket: its family cannot be seen");
    assert_eq!(by_way(2), ALLOW, "bind: allowed without conditions");
    assert_eq!(by_way(5), ALLOW, "accept: has no number of its own");
    assert_eq!(by_way(3), EPERM, "connect: not in the profile");
    assert!(f.bypassed.is_empty());
}

#[test]
fn a_block_with_conditions_closes_the_second_way() {
    let rules = json!([
        {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 97,
         "args": [arg(0, "EQ", 38)]},
        {"names": ["socket"], "action": "SCMP_ACT_LOG", "args": [arg(0, "EQ", 40)]},
    ]);
    let f = filter(&x86("SCMP_ACT_ALLOW", &rules));
    assert_eq!(ask(&f, Arch::X86, "socketcall", &[1]), errno(97));
    assert_eq!(ask(&f, Arch::X86, "socketcall", &[2]), ALLOW);
}

#[test]
fn a_profile_that_names_the_second_way_is_obeyed() {
    let mut rules = socket_rules();
    let list = rules.as_array_mut().unwrap();
    list.push(allow(&["socketcall"]));
    let f = filter(&x86("SCMP_ACT_ERRNO", &rules));
    assert_eq!(ask(&f, Arch::X86, "socketcall", &[1]), ALLOW);
    assert_eq!(f.bypassed, ["socket"]);
}

/// The deny that CVE-2026-31431's first fix tried and libseccomp dropped.
#[test]
fn a_second_way_that_is_denied_by_the_default_action_stays_denied() {
    let rules = json!([
        {"names": ["socketcall"], "action": "SCMP_ACT_ERRNO"},
        allow(&["socket", "bind"]),
    ]);
    let f = filter(&x86("SCMP_ACT_ERRNO", &rules));
    assert_eq!(ask(&f, Arch::X86, "socket", &[38]), ALLOW);
    for sub in [1, 2] {
        assert_eq!(ask(&f, Arch::X86, "socketcall", &[sub]), EPERM);
    }
}

#[test]
fn what_the_profile_says_of_a_carrier_comes_before_what_follows() {
    let rules = json!([
        allow(&["socket", "bind"]),
        {"names": ["socketcall"], "action": "SCMP_ACT_TRAP", "args": [arg(0, "LE", 1)]},
    ]);
    let f = filter(&x86("SCMP_ACT_ERRNO", &rules));
    assert_eq!(ask(&f, Arch::X86, "socketcall", &[1]), TRAP);
    assert_eq!(ask(&f, Arch::X86, "socketcall", &[2]), ALLOW);
    assert_eq!(ask(&f, Arch::X86, "socketcall", &[3]), EPERM);
}

#[test]
fn ipc_is_recognised_in_every_version() {
    let rules = json!([{"names": ["shmget"], "action": "SCMP_ACT_ERRNO"}]);
    let f = filter(&x86("SCMP_ACT_ALLOW", &rules));
    for version in [0, 1, 0xffff] {
        let call = 23 + (version << 16);
        assert_eq!(ask(&f, Arch::X86, "ipc", &[call]), EPERM, "{call:#x}");
    }
    assert_eq!(ask(&f, Arch::X86, "ipc", &[24]), ALLOW);
}

#[test]
fn names_that_no_abi_has_are_told() {
    let rules = json!([
        allow(&["read", "no_such_call", "s390_pci_mmio_read", "send"]),
        allow(&["no_such_call"]),
    ]);
    let f = filter(&x86("SCMP_ACT_ERRNO", &rules));
    assert_eq!(f.unknown, ["no_such_call", "s390_pci_mmio_read"]);
    assert_eq!(ask(&f, Arch::X86_64, "read", &[]), ALLOW);
    // `send` exists behind socketcall only, which needs 32-bit x86.
    let f = filter(&json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules}));
    assert_eq!(f.unknown, ["no_such_call", "s390_pci_mmio_read", "send"]);
}

#[test]
fn flags_are_the_kernels() {
    let with = |flags: Value, action: &str| {
        try_compile(&json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "flags": flags,
            "listenerPath": "/run/l",
            "listenerMetadata": "m",
            "syscalls": [{"names": ["mkdir"], "action": action}],
        }))
    };
    let flags = |flags, action| with(flags, action).unwrap().flags;
    let (trap, notify) = ("SCMP_ACT_TRAP", "SCMP_ACT_NOTIFY");
    assert_eq!(flags(Value::Null, trap), kernel::FLAG_SPEC_ALLOW);
    assert_eq!(flags(json!([]), trap), 0);
    let both = json!(["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"]);
    assert_eq!(flags(both, trap), kernel::FLAG_LOG | kernel::FLAG_TSYNC);
    let tsync = json!(["SECCOMP_FILTER_FLAG_TSYNC"]);
    assert_eq!(
        flags(tsync, notify),
        kernel::FLAG_TSYNC | kernel::FLAG_TSYNC_ESRCH | kernel::FLAG_NEW_LISTENER
    );
    let wait = json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]);
    assert_eq!(flags(wait.clone(), notify), 40);
    assert!(with(wait, trap).is_err());
}

#[test]
fn a_listener_is_needed_and_kept_only_with_notify() {
    let profile = |action: &str, name: &str, path: Value| {
        try_compile(&json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "listenerPath": path,
            "listenerMetadata": "m",
            "syscalls": [{"names": [name], "action": action}],
        }))
    };
    let f = profile("SCMP_ACT_NOTIFY", "mkdir", json!("/run/l")).unwrap();
    assert!(f.notify);
    assert_eq!(f.listener_path.unwrap().to_str(), Some("/run/l"));
    assert_eq!(f.listener_metadata.as_deref(), Some("m"));
    let f = profile("SCMP_ACT_TRAP", "mkdir", json!("/run/l")).unwrap();
    assert!(!f.notify && f.listener_path.is_none() && f.listener_metadata.is_none());
    for path in [Value::Null, json!("")] {
        let e = profile("SCMP_ACT_NOTIFY", "mkdir", path).unwrap_err();
        assert!(e.to_string().contains("listenerPath"), "{e}");
    }
    let e = profile("SCMP_ACT_NOTIFY", "write", json!("/run/l")).unwrap_err();
    assert!(e.to_string().contains("write"), "{e}");
    let e = try_compile(&json!({"defaultAction": "SCMP_ACT_NOTIFY"})).unwrap_err();
    assert!(e.to_string().contains("default"), "{e}");
}

#[test]
fn nonsense_is_refused_by_name() {
    let rule = |rule: Value| try_compile(&x86("SCMP_ACT_ALLOW", &json!([rule])));
    let e = rule(json!({"names": ["read"], "action": "SCMP_ACT_TRAP", "args": [arg(6, "EQ", 1)]}));
    assert!(e.unwrap_err().to_string().contains("argument 6"));
    assert!(rule(json!({"names": [""], "action": "SCMP_ACT_TRAP"})).is_err());
    assert!(rule(json!({"names": ["read"], "action": "SCMP_ACT_ALLOW", "errnoRet": 1})).is_err());
    let default = json!({"defaultAction": "SCMP_ACT_LOG", "defaultErrnoRet": 1});
    assert!(try_compile(&default).is_err());
}

#[test]
fn a_program_that_the_kernel_would_not_take_is_refused() {
    let rules = |n: u64| {
        let rules: Vec<Value> = (0..n)
            .map(|i| json!({"names": ["lseek"], "action": "SCMP_ACT_ALLOW", "args": [arg(1, "EQ", (i << 32) + i)]}))
            .collect();
        try_compile(&json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules}))
    };
    let e = rules(1100).unwrap_err();
    assert!(e.to_string().contains("4096"), "{e}");
    // Long, but not too long: every jump is beyond the reach of a plain one.
    let f = rules(900).unwrap();
    assert!(f.program.len() <= MAX_INSTRUCTIONS && f.program.len() > 2000);
    for i in 0..900 {
        assert_eq!(ask(&f, Arch::X86_64, "lseek", &[0, (i << 32) + i]), ALLOW);
    }
    assert_eq!(
        ask(&f, Arch::X86_64, "lseek", &[0, (900 << 32) + 900]),
        EPERM
    );
    assert_eq!(ask(&f, Arch::X86_64, "lseek", &[0, 1]), EPERM);
}

/// Every second call: the worst there is for a search among ranges.
#[test]
fn a_number_is_found_in_few_steps() {
    let names: Vec<&str> = syscalls::x86_64::Sysno::iter()
        .filter(|call| call.id() % 2 == 0)
        .map(|call| call.name())
        .collect();
    let f = filter(&json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [allow(&names)]}));
    for number in 0..600 {
        let data = Data {
            number,
            arch: Arch::X86_64.audit(),
            args: [0; 6],
        };
        let (answer, steps) = trace(&f.program, &data);
        let known = syscalls::x86_64::Sysno::new(number as usize).is_some();
        assert_eq!(answer == ALLOW, known && number % 2 == 0, "{number}");
        assert!(steps <= 16, "{number} takes {steps}");
    }
}
