//! System call filters, tried with real calls.

mod common;
use common::*;
use pty::DescriptorSocket;

/// A filter with one rule over everything else allowed.
fn filter(names: &[&str], action: &str) -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64"],
        "syscalls": [{ "names": names, "action": action }],
    })
}

/// The calls behind mkdir(1) on the architectures we know.
const MKDIR: [&str; 2] = ["mkdir", "mkdirat"];

const NEEDS: [Need; 1] = [Need::Kernel("/proc/sys/kernel/seccomp/actions_avail")];

#[track_caller]
fn mkdir_under(bed: &Bed, seccomp: Value) -> Output {
    bed.run(|s| {
        s["process"]["args"] = words("mkdir /new");
        s["linux"]["seccomp"] = seccomp;
    })
}

#[test]
fn a_filter_is_installed() {
    let Some(bed) = Bed::needing(&NEEDS) else {
        return;
    };
    let status = |seccomp: Value, name: &str| {
        let out = bed.run(|s| {
            s["process"]["args"] = words("cat /proc/self/status");
            s["linux"]["seccomp"] = seccomp;
        });
        host::field(&out.ok().stdout, name).unwrap()
    };
    let errno = filter(&MKDIR, "SCMP_ACT_ERRNO");
    assert_eq!(status(errno, "Seccomp"), "2");
    assert_eq!(status(json!(null), "Seccomp_filters"), host::own_filters());
}

#[test]
fn a_filtered_call_fails_with_eperm() {
    let Some(bed) = Bed::needing(&NEEDS) else {
        return;
    };
    let out = mkdir_under(&bed, filter(&MKDIR, "SCMP_ACT_ERRNO"));
    assert!(out.code(1).stderr.contains("Operation not permitted"));
}

#[test]
fn a_filtered_call_fails_with_the_errno_asked_for() {
    let Some(bed) = Bed::needing(&NEEDS) else {
        return;
    };
    let mut seccomp = filter(&MKDIR, "SCMP_ACT_ERRNO");
    seccomp["syscalls"][0]["errnoRet"] = json!(28);
    let out = mkdir_under(&bed, seccomp);
    assert!(out.stderr.contains("No space left on device"), "{out}");
}

#[test]
fn the_default_action_has_an_errno_too() {
    let Some(bed) = Bed::needing(&NEEDS) else {
        return;
    };
    // An allow list that a small program can live with.
    let allowed = [
        "execve",
        "exit",
        "exit_group",
        "write",
        "read",
        "brk",
        "arch_prctl",
        "prctl",
        "mmap",
        "munmap",
        "mprotect",
        "getuid",
        "setuid",
        "getgid",
        "setgid",
        "geteuid",
        "getrandom",
        "set_tid_address",
        "set_robust_list",
        "rseq",
        "prlimit64",
        "readlink",
        "readlinkat",
        "ioctl",
        "umask",
        "newfstatat",
        "futex",
        "close",
        "openat",
        "rt_sigaction",
        "dup2",
        "rt_sigprocmask",
        "fstat",
        "getpid",
        "getppid",
        "fcntl",
        "poll",
        "lseek",
        "setgroups",
        "capset",
        "capget",
        "chdir",
        "getdents64",
        "statfs",
        "fstatfs",
        "tgkill",
        "gettid",
        "sched_yield",
        "nanosleep",
        "epoll_pwait",
        "epoll_ctl",
        "clone",
        "clone3",
        "wait4",
        "sigaltstack",
        "rt_sigreturn",
        "stat",
        "lstat",
        "access",
        "faccessat2",
        "faccessat",
        "seccomp",
        "close_range",
        "dup3",
        "sendmsg",
        "recvmsg",
        "keyctl",
        "getcwd",
    ];
    let out = mkdir_under(
        &bed,
        json!({
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 28,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
            "syscalls": [{ "names": allowed.to_vec(), "action": "SCMP_ACT_ALLOW" }],
        }),
    );
    assert!(out.stderr.contains("No space left on device"), "{out}");
}

#[test]
fn a_kill_filter_kills() {
    let Some(bed) = Bed::needing(&NEEDS) else {
        return;
    };
    for action in ["SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS"] {
        // SIGSYS is 31.
        mkdir_under(&bed, filter(&MKDIR, action)).code(128 + 31);
    }
}

#[test]
fn a_logging_filter_lets_the_call_through() {
    let Some(bed) = Bed::needing(&NEEDS) else {
        return;
    };
    let c = bed.container(|s| {
        s["process"]["args"] = words("mkdir /new");
        s["linux"]["seccomp"] = filter(&MKDIR, "SCMP_ACT_LOG");
    });
    c.run().ok();
    assert!(c.rootfs("new").is_dir());
}

#[test]
fn arguments_are_compared() {
    let Some(bed) = Bed::needing(&NEEDS) else {
        return;
    };
    let kill_with = |signal: u32| {
        let out = bed.run(|s| {
            s["process"]["args"] = sh(&format!("sleep 5 & kill -{signal} $!"));
            let mut seccomp = filter(&["kill"], "SCMP_ACT_ERRNO");
            seccomp["syscalls"][0]["args"] =
                json!([{ "index": 1, "value": 9, "op": "SCMP_CMP_EQ" }]);
            s["linux"]["seccomp"] = seccomp;
        });
        out.status.code()
    };
    assert_eq!(kill_with(9), Some(1));
    assert_eq!(kill_with(15), Some(0));
}

#[test]
fn every_comparison_compares() {
    let Some(bed) = Bed::needing(&NEEDS) else {
        return;
    };
    // Signal 9 is sent; each line: operation, value, second value, refused?
    let cases = [
        ("SCMP_CMP_NE", 9, 0, false),
        ("SCMP_CMP_NE", 8, 0, true),
        ("SCMP_CMP_LT", 9, 0, false),
        ("SCMP_CMP_LT", 10, 0, true),
        ("SCMP_CMP_LE", 8, 0, false),
        ("SCMP_CMP_LE", 9, 0, true),
        ("SCMP_CMP_GE", 10, 0, false),
        ("SCMP_CMP_GE", 9, 0, true),
        ("SCMP_CMP_GT", 9, 0, false),
        ("SCMP_CMP_GT", 8, 0, true),
        ("SCMP_CMP_MASKED_EQ", 8, 8, true),
        ("SCMP_CMP_MASKED_EQ", 8, 0, false),
    ];
    for (op, value, second, refused) in cases {
        let out = bed.run(|s| {
            s["process"]["args"] = sh("sleep 5 & kill -9 $!");
            let mut seccomp = filter(&["kill"], "SCMP_ACT_ERRNO");
            seccomp["syscalls"][0]["args"] =
                json!([{ "index": 1, "value": value, "valueTwo": second, "op": op }]);
            s["linux"]["seccomp"] = seccomp;
        });
        assert_eq!(
            out.status.code(),
            Some(i32::from(refused)),
            "{op} {value} {second}: {out}"
        );
    }
}

#[test]
fn a_call_this_kernel_does_not_know_is_skipped() {
    let Some(bed) = Bed::needing(&NEEDS) else {
        return;
    };
    let mut names = MKDIR.to_vec();
    names.push("no_such_system_call");
    let out = mkdir_under(&bed, filter(&names, "SCMP_ACT_ERRNO"));
    assert!(out.code(1).stderr.contains("Operation not permitted"));
}

#[test]
fn an_unknown_action_is_named() {
    let Some(bed) = Bed::needing(&NEEDS) else {
        return;
    };
    let out = mkdir_under(&bed, filter(&MKDIR, "SCMP_ACT_COFFEE"));
    out.fails_naming(&["SCMP_ACT_COFFEE"]);
    bed.assert_nothing_left();
}

#[test]
fn exec_is_filtered_too() {
    let Some(bed) = Bed::needing(&NEEDS) else {
        return;
    };
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["linux"]["seccomp"] = filter(&MKDIR, "SCMP_ACT_ERRNO");
    });
    c.run_detached();
    let out = c.exec(&["mkdir", "/new"]);
    assert!(out.code(1).stderr.contains("Operation not permitted"));
}

#[test]
fn a_filter_holds_together_with_no_new_privileges_and_an_ordinary_user() {
    let Some(bed) = Bed::needing(&NEEDS) else {
        return;
    };
    for no_new_privileges in [false, true] {
        let out = bed.run(|s| {
            s["process"]["args"] = words("mkdir /tmp/new");
            s["process"]["user"] = json!({ "uid": 1000, "gid": 1000 });
            s["process"]["noNewPrivileges"] = json!(no_new_privileges);
            s["linux"]["seccomp"] = filter(&MKDIR, "SCMP_ACT_ERRNO");
        });
        assert!(out.code(1).stderr.contains("Operation not permitted"));
    }
}

#[test]
fn a_notify_filter_hands_its_descriptor_to_the_listener() {
    let Some(bed) = Bed::needing(&NEEDS) else {
        return;
    };
    let socket = DescriptorSocket::listen(&bed, "seccomp.sock");
    let c = bed.container(|s| {
        s["process"]["args"] = words("mkdir /new");
        let mut seccomp = filter(&MKDIR, "SCMP_ACT_NOTIFY");
        seccomp["listenerPath"] = json!(socket.path());
        seccomp["listenerMetadata"] = json!("for the listener");
        s["linux"]["seccomp"] = seccomp;
    });
    let running = c.spawn_run();
    let (told, fds) = socket.receive();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["metadata"], "for the listener");
    assert_eq!(told["fds"], json!(["seccompFd"]));
    assert_eq!(told["state"]["id"], c.id.as_str());
    assert!(told["pid"].as_i64().unwrap() > 0);
    assert_eq!(fds.len(), 1);
    let number = std::os::fd::AsRawFd::as_raw_fd(&fds[0]);
    let link = std::fs::read_link(format!("/proc/self/fd/{number}")).unwrap();
    assert_eq!(link.to_str().unwrap(), "anon_inode:seccomp notify");
    // With nobody left to answer, the kernel says that there is no such call.
    drop(fds);
    assert!(
        running
            .wait()
            .code(1)
            .stderr
            .contains("Function not implemented")
    );
}

#[test]
fn a_notify_filter_without_a_listener_is_an_error() {
    let Some(bed) = Bed::needing(&NEEDS) else {
        return;
    };
    let out = mkdir_under(&bed, filter(&MKDIR, "SCMP_ACT_NOTIFY"));
    out.fails_naming(&["listenerPath"]);
    bed.assert_nothing_left();
}
