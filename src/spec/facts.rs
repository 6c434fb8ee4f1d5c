//! What must be known about the host before a specification can be written.
//!
//! These are plain values: whoever calls has looked, and looks again on the
//! descriptor when it comes to acting. Nothing here reads anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::seccomp::Arch;
use crate::sys::identity::CapSet;

/// The host as far as a specification depends on it.
#[derive(Debug, Clone)]
pub struct HostFacts {
    /// Version of the kernel: 6.1 is `(6, 1)`.
    pub kernel: (u32, u32),
    /// The ABI of its own programs.
    pub arch: Arch,
    /// What rcon could give away: its bounding set, or all in a user namespace.
    pub grantable: CapSet,
    /// Its name, for containers that share it.
    pub hostname: String,
    /// How many processors there are, where a part of them is asked for.
    pub cpus: u32,
    /// Whether a limit can be set on swap.
    pub swap_accounting: bool,
    /// Whether `AppArmor` is on.
    pub apparmor: bool,
    /// Whether `SELinux` is on.
    pub selinux: bool,
    /// Every device node below `/dev`, for `--privileged`.
    pub devices: Vec<Node>,
    /// The nodes at, or below if it is a directory, each path that
    /// `isolation.devices` and the limits on block devices name.
    pub nodes: BTreeMap<PathBuf, Vec<Node>>,
    /// Whether the host shows its message queues, for containers that share
    /// its IPC namespace.
    pub mqueue: bool,
    /// The directories `/sys/devices/system/cpu/cpu*/thermal_throttle` there are.
    pub thermal_throttle: Vec<PathBuf>,
    /// Who owns the source of each mount whose files are to be shown under
    /// other owners, by its target.
    pub owners: BTreeMap<PathBuf, (u32, u32)>,
    /// What vendors say of the devices that are named after them.
    pub cdi: Vec<super::cdi::Edits>,
    /// The targets of volumes whose files are shown as the user namespace's
    /// own, without being told so.
    pub mapped: BTreeSet<PathBuf>,
    /// This very binary, which is also the tiny first process of `--init`.
    pub init: PathBuf,
}

/// A device of the host's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub kind: NodeKind,
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Kinds of device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// A stream of bytes.
    Character,
    /// A disk and its like.
    Block,
}

/// Files made for this container, shown over those of its image. What is
/// absent is left to the image.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// Shown as `/etc/hostname`.
    pub hostname: Option<PathBuf>,
    /// Shown as `/etc/hosts`.
    pub hosts: Option<PathBuf>,
    /// Shown as `/etc/resolv.conf`.
    pub resolv_conf: Option<PathBuf>,
}

/// Paths of namespaces that exist already: another container's
/// (`/proc/PID/ns/…`), or one that was made beforehand. None: a new one, or
/// the host's, as the configuration says.
#[derive(Debug, Clone, Default)]
pub struct Joined {
    /// Network devices, addresses, ports.
    pub network: Option<PathBuf>,
    /// Process ids.
    pub pid: Option<PathBuf>,
    /// System V IPC and POSIX queues.
    pub ipc: Option<PathBuf>,
    /// Host name.
    pub uts: Option<PathBuf>,
    /// View of cgroups.
    pub cgroup: Option<PathBuf>,
    /// User and group ids.
    pub user: Option<PathBuf>,
    /// `/dev/shm` of the container whose IPC namespace is joined; shared
    /// memory is half in the namespace and half in that file system.
    pub shm: Option<PathBuf>,
}

/// Under which key [`super::Inputs::volumes`] has a volume.
///
/// A volume's own files can be symbolic links to anywhere, so the place of a
/// subpath is not put together here: whoever fills the map resolves it inside
/// the volume (`openat2` with `RESOLVE_IN_ROOT`) and puts the result.
pub fn volume_key(name: &str, subpath: Option<&Path>) -> String {
    match subpath {
        Some(path) => format!("{name}/{}", path.display()),
        None => name.to_owned(),
    }
}
