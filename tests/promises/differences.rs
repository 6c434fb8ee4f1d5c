//! What is rcon's alone, and why it is.

use crate::compare::Difference;

/// A difference that is meant. `*` stands for anything.
struct Known {
    /// In these ways of starting; none are all.
    ways: &'static [&'static str],
    topic: &'static str,
    names: &'static [&'static str],
    rcon: &'static str,
    /// Shown with `RCON_TEST_KEEP`.
    why: &'static str,
}

const fn always(
    topic: &'static str,
    names: &'static [&'static str],
    rcon: &'static str,
    why: &'static str,
) -> Known {
    Known {
        ways: &[],
        topic,
        names,
        rcon,
        why,
    }
}

/// Where Docker cannot, and podman has a default of its own, rcon does as
/// Docker does elsewhere.
const fn privileged(
    topic: &'static str,
    names: &'static [&'static str],
    rcon: &'static str,
) -> Known {
    Known {
        ways: &["privileged"],
        topic,
        names,
        rcon,
        why: "podman's own default; rcon does as Docker",
    }
}

const KNOWN: &[Known] = &[
    always(
        "call",
        &[
            "* cachestat",
            "* fchmodat2",
            "* futex_requeue",
            "* futex_wait",
            "* futex_wake",
            "* getxattrat",
            "* listmount",
            "* listxattrat",
            "* map_shadow_stack",
            "* mseal",
            "* name_to_handle_at",
            "* pkey_alloc",
            "* pkey_free",
            "* pkey_mprotect",
            "* process_vm_readv",
            "* process_vm_writev",
            // The same two by numbers of x32's own.
            "x32 539",
            "x32 540",
            "* removexattrat",
            "* setxattrat",
            "* statmount",
            "* uretprobe",
        ],
        "yes",
        "younger than the lists of Debian 12's Docker and podman and than its libseccomp; \
         Docker's list of 2026 has them",
    ),
    Known {
        ways: &["capable"],
        topic: "call",
        names: &["i386 clock_settime64"],
        rcon: "yes",
        why: "with CAP_SYS_TIME, as its older form; Docker's list of 2026 has it",
    },
    always(
        "call",
        &[
            "* io_uring_enter",
            "* io_uring_register",
            "* io_uring_setup",
        ],
        "EPERM",
        "withheld since 2023 by Docker's list, too: past every filter",
    ),
    always(
        "call",
        &[
            "* lsm_*_self_attr",
            "* lsm_list_modules",
            "* set_mempolicy_home_node",
        ],
        "EPERM",
        "refused by all; the others do not know them at all",
    ),
    Known {
        ways: &["capable"],
        topic: "call",
        names: &[
            "* lsm_*_self_attr",
            "* lsm_list_modules",
            "* set_mempolicy_home_node",
        ],
        rcon: "yes",
        why: "with the capability they are for, as in Docker's list of 2026",
    },
    always(
        "call",
        &["* socket 38", "* socket 40"],
        "EPERM",
        "CVE-2026-31431: AF_ALG, and AF_VSOCK, which has no namespace, by every table",
    ),
    always(
        "call",
        &["i386 socketcall*"],
        "EPERM",
        "a new socket by the way on which no filter sees its family, and numbers that mean nothing",
    ),
    always(
        "cgroup",
        &["*:/"],
        "is there",
        "a cgroup namespace of its own also with version 1, where the others show the host's paths",
    ),
    always("namespace", &["cgroup"], "own", "the same"),
    Known {
        ways: &["capable", "privileged"],
        topic: "attempt",
        names: &["mount cgroups"],
        rcon: "EPERM",
        why: "the same: version 1 can be mounted anew only in the host's cgroup namespace",
    },
    always(
        "mount",
        &["/sys/fs/cgroup", "/sys/fs/cgroup/*"],
        "* / nodev,noexec,nosuid,ro *",
        "the same, and the tmpfs around them is read-only, too",
    ),
    Known {
        ways: &["privileged"],
        topic: "mount",
        names: &["/sys/fs/cgroup", "/sys/fs/cgroup/*"],
        rcon: "* / nodev,noexec,nosuid,rw *",
        why: "the same, where the container may write",
    },
    always("path", &["/sys/fs/cgroup"], "dir no", "the same"),
    always(
        "mount",
        &["/proc/*", "/sys/firmware", "/sys/devices/*"],
        "tmpfs / ro nr_inodes=2,rw,size=0k",
        "a cover that can hold nothing",
    ),
    always(
        "mount",
        &["/proc/*", "/sys/devices/*"],
        "noexec,nosuid,ro",
        "a cover: the host's null device; of the others it is the container's own",
    ),
    always(
        "mount",
        &["/sys"],
        "sysfs / nodev,noexec,nosuid,ro rw",
        "read-only as a mount; the others' file system is, too, and nobody can write either",
    ),
    always(
        "path",
        &[
            "/proc/interrupts",
            "/sys/devices/system/cpu/*/thermal_throttle*",
        ],
        "char read yes write yes",
        "GHSA-6fw5-f8r9-fgfm: covered, as by Docker since 2024",
    ),
    always(
        "path",
        &[
            "/sys/devices/virtual/powercap*",
            "/sys/devices/system/cpu/*/thermal_throttle*",
        ],
        "absent",
        "GHSA-jq35-85cj-fj4p: covered",
    ),
    always(
        "process",
        &["death signal"],
        "9",
        "a container ends with its keeper",
    ),
    always(
        "sysctl",
        &["/proc/sys/net/ipv4/conf/*/arp_notify"],
        "1",
        "who gets an address tells the neighbours",
    ),
    always(
        "sysctl",
        &[
            "/proc/sys/fs/aio-nr",
            "/proc/sys/fs/dentry-state",
            "/proc/sys/fs/file-nr",
            "/proc/sys/fs/inode-*",
            "/proc/sys/fs/quota/*",
            "/proc/sys/kernel/ns_last_pid",
            "/proc/sys/kernel/pty/nr",
            "/proc/sys/kernel/random/*",
            "/proc/sys/net/netfilter/nf_conntrack_*",
        ],
        "*",
        "what the machine counts",
    ),
    privileged("attempt", &["a ping socket"], "yes"),
    privileged("cgroup", &["*:/ROOM/libpod-ID"], "absent"),
    privileged("env", &["TERM=xterm", "container=podman"], "absent"),
    privileged("limit", &["nofile", "pids/pids.max", "pids.max"], "*"),
    privileged(
        "mount",
        &["/dev"],
        "tmpfs / nosuid,rw mode=755,rw,size=65536k",
    ),
    privileged(
        "mount",
        &["/dev/shm"],
        "tmpfs / nodev,noexec,nosuid,rw rw,size=65536k",
    ),
    privileged("mount", &["/run/.containerenv"], "absent"),
    privileged("root", &["/run"], "absent"),
    privileged("status", &["Groups"], "0 "),
    privileged(
        "sysctl",
        &["/proc/sys/net/ipv4/ip_unprivileged_port_start"],
        "0",
    ),
    privileged(
        "sysctl",
        &["/proc/sys/net/ipv4/ping_group_range"],
        "0 2147483647",
    ),
    privileged("sysctl", &["/proc/sys/net/ipv6/conf/*"], "1"),
];

/// Why it is meant, if it is.
pub(crate) fn reason(d: &Difference<'_>) -> Option<&'static str> {
    let known = KNOWN.iter().find(|k| {
        (k.ways.is_empty() || k.ways.contains(&d.way))
            && k.topic == d.topic
            && k.names.iter().any(|name| matches(name, d.name))
            && matches(k.rcon, d.rcon)
    });
    known.map(|k| k.why)
}

/// Whether the text is what the pattern says.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        last = Some(part);
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || last.is_some_and(|last| last.is_empty() || text.ends_with(last))
}

#[test]
fn a_pattern_is_the_whole_text() {
    for (pattern, text, is) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "ab", true),
        ("* b", "a b", true),
        ("* b", "a bc", false),
        ("a*b*", "a1b2", true),
        ("*a", "aa", true),
        ("a*a", "a", false),
    ] {
        assert_eq!(matches(pattern, text), is, "{pattern} {text}");
    }
}
