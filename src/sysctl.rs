//! Kernel parameters that belong to a namespace: whose each is, and how its
//! key is written. Nothing here sets one.

use oci_spec::runtime::LinuxNamespaceType as Namespace;

/// Parameters of the IPC namespace beside those below `fs.mqueue.`. Docker and
/// runc know the first eight; the others are each namespace's own just as well.
const IPC: &[&str] = &[
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
    "kernel.auto_msgmni",
    "kernel.msg_next_id",
    "kernel.sem_next_id",
    "kernel.shm_next_id",
];

/// The kind of namespace that a parameter belongs to. Any other would change
/// the whole machine.
pub fn owner(key: &str) -> Option<Namespace> {
    if IPC.contains(&key) || key.starts_with("fs.mqueue.") {
        Some(Namespace::Ipc)
    } else if key.starts_with("net.") {
        Some(Namespace::Network)
    } else if key == "kernel.domainname" {
        Some(Namespace::Uts)
    } else {
        None
    }
}

/// The key with dots between its parts. With slashes, a dot is part of a name,
/// as in `net/ipv4/conf/eth0.1/forwarding`.
pub fn dotted(key: &str) -> String {
    if !key.contains('/') {
        return key.to_owned();
    }
    let other = |c| match c {
        '/' => '.',
        '.' => '/',
        other => other,
    };
    key.chars().map(other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_has_one_owner() {
        for (key, want) in [
            ("net.ipv4.ip_forward", Some(Namespace::Network)),
            ("kernel.sem", Some(Namespace::Ipc)),
            ("kernel.shm_next_id", Some(Namespace::Ipc)),
            ("fs.mqueue.msg_max", Some(Namespace::Ipc)),
            ("kernel.domainname", Some(Namespace::Uts)),
            ("kernel.hostname", None),
            ("kernel.core_pattern", None),
            ("kernel.sem2", None),
            ("fs.mqueue", None),
            ("netx.y", None),
            ("net", None),
            ("", None),
        ] {
            assert_eq!(owner(key), want, "{key}");
        }
    }

    #[test]
    fn dots_and_slashes_change_places() {
        for (key, want) in [
            ("net.ipv4.a", "net.ipv4.a"),
            ("net/ipv4/a", "net.ipv4.a"),
            ("net/ipv4/eth0.1/a", "net.ipv4.eth0/1.a"),
        ] {
            assert_eq!(dotted(key), want);
        }
    }
}
