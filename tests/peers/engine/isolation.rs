//! What a container may and may not do.

use std::fs;

use super::{DEFAULT_CAPABILITIES, Engine, STAY, status_field};
use crate::checks::{Check, checks};

pub(super) const CHECKS: &[Check<Engine>] = checks![
    capabilities,
    capabilities_of_users,
    seccomp,
    seccomp_of_ones_own,
    no_new_privileges,
    privileged,
    read_only,
    tmpfs,
    devices_denied,
    devices_given,
    sysctl,
    masked_paths,
    pid_namespaces,
    pid_namespace_of_another,
    ipc_namespaces,
    host_namespaces,
    cgroup_namespaces,
];

const NET_ADMIN: u64 = 1 << 12;
const CHOWN: u64 = 1;

fn status(engine: &Engine, options: &str, field: &str) -> String {
    let status = engine.run(options, "cat /proc/self/status").ok();
    status_field(&status, field)
}

fn mask(engine: &Engine, options: &str, field: &str) -> u64 {
    u64::from_str_radix(&status(engine, options, field), 16).expect("a mask")
}

fn capabilities(engine: &Engine) {
    for field in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(mask(engine, "", field), DEFAULT_CAPABILITIES, "{field}");
    }
    assert_eq!(mask(engine, "", "CapInh"), 0);
    let changed = "--cap-drop CHOWN --cap-add NET_ADMIN";
    let expected = DEFAULT_CAPABILITIES & !CHOWN | NET_ADMIN;
    assert_eq!(mask(engine, changed, "CapEff"), expected);
    assert_eq!(mask(engine, "--cap-drop ALL", "CapBnd"), 0);
}

fn capabilities_of_users(engine: &Engine) {
    assert_eq!(mask(engine, "-u 1000", "CapEff"), 0);
    assert_eq!(mask(engine, "-u 1000", "CapBnd"), DEFAULT_CAPABILITIES);
}

fn seccomp(engine: &Engine) {
    assert_eq!(status(engine, "", "Seccomp"), "2");
    let unconfined = "--security-opt seccomp=unconfined";
    assert_eq!(status(engine, unconfined, "Seccomp"), "0");
}

fn seccomp_of_ones_own(engine: &Engine) {
    let rule = r#"{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}"#;
    let text = format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rule}]}}"#);
    let profile = engine.file("profile.json", &text);
    engine
        .run(&format!("--security-opt seccomp={profile}"), "mkdir /tmp/x")
        .fails_with("no space left on device");
}

fn no_new_privileges(engine: &Engine) {
    assert_eq!(status(engine, "", "NoNewPrivs"), "0");
    let option = "--security-opt no-new-privileges";
    assert_eq!(status(engine, option, "NoNewPrivs"), "1");
}

/// `--privileged` asks for every capability there is. A machine that lacks
/// one itself cannot give it: then all that it has is given, or the error
/// says what the matter is.
fn privileged(engine: &Engine) {
    let own = fs::read_to_string("/proc/self/status").expect("our status");
    let own = status_field(&own, "CapBnd");
    let outcome = engine.run("--privileged", "cat /proc/self/status");
    if outcome.code != 0 {
        let every = (1_u64 << (last_capability() + 1)) - 1;
        assert_ne!(own, format!("{every:016x}"), "{outcome}");
        outcome.fails_with("cap");
        return;
    }
    // An engine older than the kernel names only the capabilities it knows:
    // those up to CAP_AUDIT_READ, at the least.
    let bits = |hex: &str| u64::from_str_radix(hex, 16).expect("a set in hex");
    let (given, own) = (bits(&status_field(&outcome.stdout, "CapBnd")), bits(&own));
    let oldest = (1_u64 << 38) - 1;
    assert_eq!(given & oldest, own & oldest);
    assert_eq!(given & !own, 0, "more than the host has");
    assert_eq!(status_field(&outcome.stdout, "Seccomp"), "0");
    engine
        .sh("--privileged", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        .code(0);
}

fn last_capability() -> u32 {
    let text = fs::read_to_string("/proc/sys/kernel/cap_last_cap").expect("cap_last_cap");
    text.trim().parse().expect("a number")
}

fn read_only(engine: &Engine) {
    engine
        .run("--read-only", "touch /file")
        .fails_with("read-only file system");
    engine.run("--read-only", "touch /dev/shm/file").code(0);
}

fn tmpfs(engine: &Engine) {
    let options = "--tmpfs /scratch:size=1m,mode=1770,noexec";
    engine
        .sh(options, "touch /scratch/file; stat -c %a /scratch")
        .prints("1770");
    engine
        .run(options, "dd if=/dev/zero of=/scratch/big bs=2M count=1")
        .fails_with("no space left on device");
    engine
        .sh(options, "cp /bin/busybox /scratch; /scratch/busybox true")
        .fails_with("permission denied");
}

/// No driver serves this device: where the rules allow to open it the kernel
/// says ENXIO, where they forbid it EPERM, and no hardware is involved.
const DEVICE: &str = "c 240 77";
const ALLOWED: &str = "No such device or address";
const DENIED: &str = "Operation not permitted";

fn devices_denied(engine: &Engine) {
    let make = format!("mknod /tmp/probe {DEVICE}; cat /tmp/probe");
    engine.sh("--cap-add MKNOD", &make).fails_with(DENIED);
    engine
        .sh("--cap-add MKNOD --device-cgroup-rule 'c 240:* rm'", &make)
        .fails_with(ALLOWED);
}

fn devices_given(engine: &Engine) {
    let node = engine.room.text("node");
    engine.room.run(&format!("mknod {node} {DEVICE}")).code(0);
    let option = format!("--device {node}:/dev/probe:r");
    engine.run(&option, "cat /dev/probe").fails_with(ALLOWED);
    engine.sh(&option, "echo >/dev/probe").fails_with(DENIED);
    let usual = "for d in null zero full random urandom tty; do test -c /dev/$d || echo $d; done";
    engine.sh("", usual).prints("");
    engine
        .sh("", "head -c 3 /dev/zero | wc -c; echo >/dev/null")
        .prints("3");
}

fn sysctl(engine: &Engine) {
    let name = "net.ipv4.ip_unprivileged_port_start";
    engine
        .run(&format!("--sysctl {name}=81"), &format!("sysctl -n {name}"))
        .prints("81");
    engine
        .run("--sysctl kernel.msgmax=4096", "sysctl -n kernel.msgmax")
        .prints("4096");
}

fn masked_paths(engine: &Engine) {
    engine
        .sh("", "cat /proc/kcore /proc/timer_list | wc -c")
        .prints("0");
    engine.sh("", "ls /sys/firmware | wc -l").prints("0");
    engine
        .sh("", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        .fails_with("read-only file system");
    engine
        .sh("", "cd /sys/fs/cgroup; cd pids 2>/dev/null; mkdir x")
        .fails_with("read-only file system");
}

/// Which namespace of a kind a container with these options is in.
fn namespace(engine: &Engine, options: &str, kind: &str) -> String {
    let command = format!("readlink /proc/self/ns/{kind}");
    engine.run(options, &command).ok()
}

fn of_the_room(engine: &Engine, kind: &str) -> String {
    let command = format!("readlink /proc/self/ns/{kind}");
    engine.room.run(&command).ok()
}

fn of_the_container(engine: &Engine, name: &str, kind: &str) -> String {
    let command = format!("readlink /proc/self/ns/{kind}");
    engine.exec(name, &command).ok()
}

fn pid_namespaces(engine: &Engine) {
    let room = of_the_room(engine, "pid");
    assert_ne!(namespace(engine, "", "pid"), room);
    assert_eq!(namespace(engine, "--pid host", "pid"), room);
    // A container without a pid namespace of its own ends as a whole, too.
    engine.background("spread", "--pid host", "sleep 1003 & sleep 1004");
    engine.cli("rm -f spread").code(0);
    engine
        .sh("--pid host", "ps | grep '[s]leep 100[34]'")
        .code(1);
}

fn pid_namespace_of_another(engine: &Engine) {
    engine.background("first", "", STAY);
    let shared = of_the_container(engine, "first", "pid");
    let joined = "--pid container:first";
    assert_eq!(namespace(engine, joined, "pid"), shared);
    engine.run(joined, "cat /proc/1/comm").prints("sh");
}

fn ipc_namespaces(engine: &Engine) {
    let script = format!("echo x >/dev/shm/file; {STAY}");
    engine.background("ipc", "--ipc shareable", &script);
    let shared = of_the_container(engine, "ipc", "ipc");
    let joined = "--ipc container:ipc";
    assert_eq!(namespace(engine, joined, "ipc"), shared);
    engine.run(joined, "cat /dev/shm/file").prints("x");
    assert_ne!(namespace(engine, "", "ipc"), shared);
}

fn host_namespaces(engine: &Engine) {
    for kind in ["ipc", "uts"] {
        let room = of_the_room(engine, kind);
        assert_ne!(namespace(engine, "", kind), room);
        assert_eq!(namespace(engine, &format!("--{kind} host"), kind), room);
    }
    assert_ne!(namespace(engine, "", "net"), of_the_room(engine, "net"));
}

fn cgroup_namespaces(engine: &Engine) {
    let read = "cat /proc/self/cgroup";
    let own = engine.run("--cgroupns private", read).ok();
    assert!(own.lines().all(|line| line.ends_with(":/")), "{own}");
    let host = engine.run("--cgroupns host", read).ok();
    assert!(host.contains(engine.room.name()), "{host}");
}
