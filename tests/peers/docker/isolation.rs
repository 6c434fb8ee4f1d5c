//! What a container under Docker may and may not do.

use std::fs;

use super::{Docker, status_field};
use crate::checks::{Check, checks};

pub(super) const CHECKS: &[Check<Docker>] = checks![
    capabilities,
    seccomp,
    no_new_privileges,
    privileged,
    read_only,
    tmpfs,
    devices,
    sysctl,
    masked_paths,
    init,
    pid_namespaces,
    ipc_namespaces,
    host_namespaces,
    cgroup_namespaces,
];

/// The capabilities Docker gives by default, as a mask.
const DOCKERS_DEFAULT: u64 = 0xa804_25fb;
const NET_ADMIN: u64 = 1 << 12;
const NET_RAW: u64 = 1 << 13;

const SLEEP: &str = "while :; do sleep 1000; done";

fn status(docker: &Docker, options: &[&str], field: &str) -> String {
    let status = docker.run(options, &["cat", "/proc/self/status"]).ok();
    status_field(&status, field)
}

fn mask(docker: &Docker, options: &[&str], field: &str) -> u64 {
    u64::from_str_radix(&status(docker, options, field), 16).expect("a mask")
}

fn capabilities(docker: &Docker) {
    assert_eq!(mask(docker, &[], "CapEff"), DOCKERS_DEFAULT);
    assert_eq!(mask(docker, &[], "CapBnd"), DOCKERS_DEFAULT);
    assert_eq!(mask(docker, &[], "CapInh"), 0);
    let changed = ["--cap-drop", "NET_RAW", "--cap-add", "NET_ADMIN"];
    let expected = DOCKERS_DEFAULT & !NET_RAW | NET_ADMIN;
    assert_eq!(mask(docker, &changed, "CapEff"), expected);
    assert_eq!(mask(docker, &["--cap-drop", "ALL"], "CapBnd"), 0);
    assert_eq!(mask(docker, &["-u", "1000"], "CapEff"), 0);
    assert_eq!(mask(docker, &["-u", "1000"], "CapBnd"), DOCKERS_DEFAULT);
}

/// A new user namespace is what Docker's default profile refuses first.
fn seccomp(docker: &Docker) {
    let unconfined = ["--security-opt", "seccomp=unconfined"];
    assert_eq!(status(docker, &[], "Seccomp"), "2");
    assert_eq!(status(docker, &unconfined, "Seccomp"), "0");
    docker
        .run(&[], &["unshare", "-U", "true"])
        .fails_with("operation not permitted");
    docker.run(&unconfined, &["unshare", "-U", "true"]).code(0);
    own_profile(docker);
}

fn own_profile(docker: &Docker) {
    let profile = docker.room.text("profile.json");
    let rule = r#"{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}"#;
    let text = format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rule}]}}"#);
    fs::write(&profile, text).expect("write a profile");
    docker
        .run(
            &["--security-opt", &format!("seccomp={profile}")],
            &["mkdir", "/tmp/x"],
        )
        .fails_with("no space left on device");
}

fn no_new_privileges(docker: &Docker) {
    assert_eq!(status(docker, &[], "NoNewPrivs"), "0");
    let option = ["--security-opt", "no-new-privileges"];
    assert_eq!(status(docker, &option, "NoNewPrivs"), "1");
}

/// `--privileged` asks for every capability there is. A machine that lacks
/// one itself cannot give it: then all that it has is given, or the error
/// says what the matter is.
fn privileged(docker: &Docker) {
    let own = fs::read_to_string("/proc/self/status").expect("our status");
    let outcome = docker.run(&["--privileged"], &["cat", "/proc/self/status"]);
    if outcome.code == 0 {
        assert_eq!(
            status_field(&outcome.stdout, "CapBnd"),
            status_field(&own, "CapBnd")
        );
        assert_eq!(status_field(&outcome.stdout, "Seccomp"), "0");
        docker
            .sh(&["--privileged"], "echo 1 >/proc/sys/net/ipv4/ip_forward")
            .code(0);
    } else {
        let every = (1_u64 << (last_capability() + 1)) - 1;
        assert_ne!(
            status_field(&own, "CapBnd"),
            format!("{every:016x}"),
            "{outcome}"
        );
        outcome.fails_with("cap");
    }
}

fn last_capability() -> u32 {
    let text = fs::read_to_string("/proc/sys/kernel/cap_last_cap").expect("cap_last_cap");
    text.trim().parse().expect("a number")
}

fn read_only(docker: &Docker) {
    docker
        .run(&["--read-only"], &["touch", "/file"])
        .fails_with("read-only file system");
    docker
        .run(&["--read-only"], &["touch", "/dev/shm/file"])
        .code(0);
}

fn tmpfs(docker: &Docker) {
    let options = ["--read-only", "--tmpfs", "/scratch:size=1m,mode=1770"];
    docker
        .sh(&options, "touch /scratch/file; stat -c %a /scratch")
        .prints("1770");
    docker
        .run(
            &options,
            &["dd", "if=/dev/zero", "of=/scratch/big", "bs=2M", "count=1"],
        )
        .fails_with("no space left on device");
    docker
        .sh(&options, "cp /bin/busybox /scratch; /scratch/busybox true")
        .fails_with("permission denied");
}

/// A device that no driver serves: where opening is allowed it is ENXIO, and
/// EPERM where the device rules forbid it, and no hardware is involved.
fn devices(docker: &Docker) {
    let (allowed, denied) = ("No such device or address", "Operation not permitted");
    let make = "mknod /tmp/probe c 240 77; cat /tmp/probe";
    docker.sh(&[], make).fails_with(denied);
    docker
        .sh(&["--device-cgroup-rule", "c 240:* r"], make)
        .fails_with(allowed);

    let node = docker.room.text("node");
    docker.room.run(&["mknod", &node, "c", "240", "77"]).code(0);
    let option = format!("{node}:/dev/probe:r");
    docker
        .run(&["--device", &option], &["cat", "/dev/probe"])
        .fails_with(allowed);
    docker
        .sh(&["--device", &option], "echo >/dev/probe")
        .fails_with(denied);
    let usual = "for d in null zero full random urandom tty; do test -c /dev/$d || echo $d; done";
    docker.sh(&[], usual).prints("");
}

fn sysctl(docker: &Docker) {
    docker
        .run(
            &["--sysctl", "net.ipv4.ip_unprivileged_port_start=81"],
            &["cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"],
        )
        .prints("81");
    docker
        .run(
            &["--sysctl", "kernel.msgmax=4096"],
            &["cat", "/proc/sys/kernel/msgmax"],
        )
        .prints("4096");
}

fn masked_paths(docker: &Docker) {
    docker
        .sh(&[], "cat /proc/kcore /proc/timer_list | wc -c")
        .prints("0");
    docker.sh(&[], "ls /sys/firmware | wc -l").prints("0");
    docker
        .sh(&[], "echo 1 >/proc/sys/net/ipv4/ip_forward")
        .fails_with("read-only file system");
    docker
        .sh(&[], "mkdir /sys/fs/cgroup/x /sys/fs/cgroup/pids/x")
        .fails_with("read-only file system");
}

fn init(docker: &Docker) {
    docker.run(&[], &["cat", "/proc/1/comm"]).prints("cat");
    docker
        .run(&["--init"], &["cat", "/proc/1/comm"])
        .prints("docker-init");
    docker.sh(&["--init"], "exit 3").code(3);
}

/// Which namespace of a kind a container with these options is in.
fn namespace(docker: &Docker, options: &[&str], kind: &str) -> String {
    let link = format!("/proc/self/ns/{kind}");
    docker.run(options, &["readlink", &link]).ok()
}

fn of_the_room(docker: &Docker, kind: &str) -> String {
    docker
        .room
        .run(&["readlink", &format!("/proc/self/ns/{kind}")])
        .ok()
}

fn of_the_container(docker: &Docker, name: &str, kind: &str) -> String {
    let link = format!("/proc/1/ns/{kind}");
    docker.cli(&["exec", name, "readlink", &link]).ok()
}

fn pid_namespaces(docker: &Docker) {
    docker.background("pids-1", &[], SLEEP);
    let room = of_the_room(docker, "pid");
    let shared = of_the_container(docker, "pids-1", "pid");
    assert_ne!(room, shared);
    assert_eq!(namespace(docker, &["--pid", "host"], "pid"), room);
    assert_eq!(
        namespace(docker, &["--pid", "container:pids-1"], "pid"),
        shared
    );
    // A container without a pid namespace of its own ends as a whole, too.
    docker.background("pids-2", &["--pid", "host"], "sleep 1003 & sleep 1004");
    docker.cli(&["rm", "-f", "pids-2"]).code(0);
    docker
        .sh(&["--pid", "host"], "ps | grep '[s]leep 100[34]'")
        .code(1);
}

fn ipc_namespaces(docker: &Docker) {
    docker.background(
        "ipc-1",
        &["--ipc", "shareable"],
        "echo x >/dev/shm/file; sleep 1000",
    );
    let shared = of_the_container(docker, "ipc-1", "ipc");
    let joined = ["--ipc", "container:ipc-1"];
    assert_eq!(namespace(docker, &joined, "ipc"), shared);
    docker.run(&joined, &["cat", "/dev/shm/file"]).prints("x");
    assert_ne!(namespace(docker, &[], "ipc"), shared);
}

fn host_namespaces(docker: &Docker) {
    let room = |kind| of_the_room(docker, kind);
    assert_eq!(namespace(docker, &["--ipc", "host"], "ipc"), room("ipc"));
    assert_eq!(namespace(docker, &["--uts", "host"], "uts"), room("uts"));
    let net = namespace(docker, &[], "net");
    assert_ne!(net, room("net"));
    docker.background("net-1", &[], SLEEP);
    let joined = docker
        .cli(&[
            "run",
            "--rm",
            "--network",
            "container:net-1",
            crate::image::NAME,
        ])
        .code;
    assert_eq!(joined, 0);
}

fn cgroup_namespaces(docker: &Docker) {
    let own = docker
        .run(&["--cgroupns", "private"], &["cat", "/proc/self/cgroup"])
        .ok();
    assert!(own.lines().all(|line| line.ends_with(":/")), "{own}");
    let host = docker
        .run(&["--cgroupns", "host"], &["cat", "/proc/self/cgroup"])
        .ok();
    assert!(host.contains(docker.room.name()), "{host}");
}
