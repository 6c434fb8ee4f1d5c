//! What an errno means where its meaning is known, and what to do about it.

use nix::errno::Errno;

use crate::plan::{Action, Namespace};

/// A remedy for a step that failed with `errno`, if there is one to give.
pub(super) fn advice(action: &Action, errno: Errno) -> Option<&'static str> {
    match (action, errno) {
        (Action::StartProcess { namespaces, .. }, Errno::EPERM)
            if namespaces.contains(&Namespace::User) =>
        {
            Some(
                "user namespaces may be switched off: look at the sysctls \
                 kernel.unprivileged_userns_clone and user.max_user_namespaces",
            )
        }
        (Action::StartProcess { .. } | Action::CreateNamespaces { .. }, Errno::ENOSPC) => {
            Some("too many namespaces: look at the sysctls user.max_*_namespaces")
        }
        (Action::StartProcess { .. }, Errno::EAGAIN) => {
            Some("too many processes: look at ulimit -u and the pids cgroup")
        }
        (Action::StartProcess { .. } | Action::CreateNamespaces { .. }, Errno::EPERM) => {
            Some("new namespaces need root, or a user namespace in the bundle")
        }
        (Action::CreateNamespaces { .. } | Action::StartProcess { .. }, Errno::EINVAL) => {
            Some("this kernel was built without one of these namespaces")
        }
        (Action::MountNew { .. }, Errno::ENODEV) => {
            Some("this kernel does not know that file system: see /proc/filesystems")
        }
        (Action::MountNew { filesystem, .. }, Errno::EPERM)
            if matches!(filesystem.fstype.as_str(), "proc" | "sysfs") =>
        {
            Some(
                "in a user namespace it can only be mounted new where the host's is fully visible, \
                 and with a pid or network namespace of its own",
            )
        }
        (Action::MountNew { .. }, Errno::EINVAL) => Some("one of its options is not known to it"),
        (Action::MountNew { target, .. } | Action::MountCopy { target, .. }, Errno::ELOOP)
            if target.no_links =>
        {
            Some(
                "it must be mounted on ordinary directory, and the image has a symbolic link there",
            )
        }
        (Action::MountCopy { target, .. }, Errno::ENOTDIR | Errno::EEXIST) if !target.file => {
            Some("the source is a folder, and the image has a file there")
        }
        // What move_mount says of a file over a folder.
        (Action::MountCopy { target, .. }, Errno::EINVAL | Errno::EISDIR) if target.file => {
            Some("the source is a file, and a file cannot be bound over a folder")
        }
        (Action::EnterDirectory { .. }, Errno::EROFS) => {
            Some("there is no such directory, and in a read-only root none can be made")
        }
        (Action::EnterDirectory { .. } | Action::MakeDirectory { .. }, Errno::ENOTDIR) => {
            Some("it can only be a directory, and the image has a file there")
        }
        (Action::EnterRoot { .. }, Errno::EINVAL) => {
            Some("a root on an initramfs cannot be pivoted: try --no-pivot")
        }
        (Action::SetOomScore { .. }, Errno::EACCES) => Some("lowering it takes CAP_SYS_RESOURCE"),
        (Action::SetRlimit { .. }, Errno::EPERM) => {
            Some("raising it above the caller's own hard limit takes CAP_SYS_RESOURCE")
        }
        (Action::MapOwners { .. }, Errno::EINVAL) => {
            Some("the file system of the source cannot show its files under other owners")
        }
        (Action::WriteIdMap { .. }, Errno::EPERM) => Some(
            "ids other than one's own need an entry in /etc/subuid and /etc/subgid, and newuidmap",
        ),
        (Action::MakeTerminal { .. }, Errno::ENOENT) => {
            Some("a terminal needs devpts mounted at /dev/pts in the bundle")
        }
        (Action::SetSysctl { .. }, Errno::ENOENT) => Some("this kernel has no such parameter"),
        _ => None,
    }
}
