//! The closed set of things a container start can consist of.
//!
//! An [`Action`] is an intent ("mount this there"), not a system call; running
//! it may take several. Whatever is added here must be performed
//! ([`crate::run`]), put into words and into shell ([`crate::render`]): those
//! matches have no catch-all arm, so an unexplained action does not compile.

use std::path::PathBuf;

use oci_spec::runtime::LinuxDeviceCgroup;
use serde::Serialize;

use super::overlay::Overlay;
use crate::cgroup::limits::Write;
use crate::cgroup::paths::CgroupPaths;
use crate::network::wanted::{Bridge, Interface};
use crate::seccomp::Filter;
use crate::sys::identity::CapSet;
use crate::sys::process::SchedAttr;

/// The processes that take part in a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    /// The process the user started. It stays outside the container.
    Launcher,
    /// A short-lived child that enters existing namespaces first, where a
    /// process must be born inside them. Most containers need none.
    Joiner,
    /// The process that becomes the container's program.
    Init,
}

/// What one process tells another, to keep the order of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// The id maps are written: there is a root user in the new namespace.
    Mapped,
    /// What only the launcher may do to init is done.
    Prepared,
    /// The root is assembled but not entered: hooks of the runtime may look.
    RootAssembled,
    /// Those hooks have run.
    HooksDone,
    /// Everything is done but starting the program.
    Ready,
    /// The container can be found by its name, so init may wait alone.
    Recorded,
    /// The program may start.
    Start,
    /// There is a network namespace to put interfaces into.
    NetworkMade,
    /// The interfaces are there.
    Connected,
}

/// The kinds of namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Namespace {
    /// User and group ids, and who holds which capability over what.
    User,
    /// What is mounted where.
    Mount,
    /// Process ids.
    Pid,
    /// Interfaces, addresses, routes, ports, firewall.
    Network,
    /// System V IPC and POSIX message queues.
    Ipc,
    /// Host name and domain name.
    Uts,
    /// The root of the cgroup tree as seen from inside.
    Cgroup,
    /// Offsets of the monotonic and boot clocks.
    Time,
}

/// Where a new root is entered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EnterRoot {
    /// `pivot_root`: the old root leaves the namespace altogether.
    Pivot,
    /// Move the mount over `/`: for an initramfs, which cannot be pivoted.
    Move,
    /// `chroot` alone: where there is no mount namespace of our own.
    Chroot,
}

/// One line of a user namespace's map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct IdRange {
    /// First id inside.
    pub inside: u32,
    /// First id outside.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// A descriptor that one step makes and a later one uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slot {
    /// The tree that becomes the container's root.
    Root,
    /// The host's procfs, to write through whatever the container mounts.
    HostProc,
    /// The source of mount number n.
    Source(usize),
    /// A namespace to be entered.
    Namespace(Namespace),
    /// The process whose namespaces are entered.
    Container,
    /// The empty directory that hides others, once one is hidden.
    Empty,
}

/// Changes to a mount's flags: what to set, what to clear, for this mount or
/// for every mount below it too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct MountFlags {
    /// `MOUNT_ATTR_*` to set.
    pub set: u64,
    /// `MOUNT_ATTR_*` to clear.
    pub clear: u64,
    /// The same for the whole tree.
    pub set_below: u64,
    /// The same for the whole tree.
    pub clear_below: u64,
}

impl MountFlags {
    /// Only sets flags, only of this mount.
    pub fn set(set: u64) -> Self {
        Self {
            set,
            ..Self::default()
        }
    }
}

/// How mount events travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Propagation {
    /// `private`, `slave`, …
    pub kind: PropagationKind,
    /// For all mounts below, too.
    pub recursive: bool,
}

/// The four ways mount events travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PropagationKind {
    /// Neither in nor out.
    Private,
    /// In, not out.
    Slave,
    /// Both ways.
    Shared,
    /// Neither, and it cannot be bound elsewhere.
    Unbindable,
}

/// Where a mount goes and what the mount point must be like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Absolute, inside the container.
    pub path: PathBuf,
    /// A file or a directory: what to make where nothing is there.
    pub file: bool,
    /// Refuse a path that has a symbolic link in it.
    pub no_links: bool,
}

/// A new file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Filesystem {
    /// As in `/proc/filesystems`.
    pub fstype: String,
    /// What `mountinfo` shows as the source.
    pub source: String,
    /// Options of the file system itself, in order.
    pub options: Vec<(String, Option<String>)>,
    /// Whether it starts as a copy of what it covers.
    pub copy_up: bool,
}

/// A device node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Absolute, inside the container.
    pub path: PathBuf,
    /// `S_IFCHR`, `S_IFBLK` or `S_IFIFO`.
    pub kind: u32,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// A program of the user's that runs at a fixed point of the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HookRun {
    /// `createRuntime`, …: the field of `config.json`.
    pub field: &'static str,
    /// Which one of them.
    pub index: usize,
    /// Absolute path.
    pub path: PathBuf,
    /// As given: `argv[0]` first.
    pub args: Vec<String>,
    /// What it finds in its environment.
    pub env: HookEnv,
    /// In seconds.
    pub timeout: Option<u64>,
    /// The status told to it on its standard input.
    pub status: &'static str,
}

/// The environment of a hook. The specification leaves open what an absent
/// `env` means; this is what runc and crun make of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HookEnv {
    /// As given.
    Own(Vec<String>),
    /// That of whoever runs it.
    Runtime,
    /// The program's, with a home.
    Program(Vec<String>),
}

/// A label of a security module, applied at the exec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// An `AppArmor` profile.
    AppArmor(String),
    /// A `SELinux` context.
    Selinux(String),
}

/// One intent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    /// Tells another process something.
    Tell {
        /// Whom.
        to: Actor,
        /// What.
        signal: Signal,
    },
    /// Waits to be told.
    Wait {
        /// By whom.
        from: Actor,
        /// What.
        signal: Signal,
    },
    /// Makes the next process; the steps after this one that are its own are
    /// what it does.
    StartProcess {
        /// Who it will be.
        child: Actor,
        /// Namespaces it is born into.
        namespaces: Vec<Namespace>,
        /// Born straight into its (version 2) cgroup.
        into_cgroup: bool,
    },
    /// Leaves namespaces for new ones.
    CreateNamespaces {
        /// Which.
        kinds: Vec<Namespace>,
    },
    /// Opens a namespace that exists, while its path can still be reached.
    OpenNamespace {
        /// Which kind it must be.
        kind: Namespace,
        /// Where it is.
        path: PathBuf,
    },
    /// Enters a namespace that was opened.
    EnterNamespace {
        /// Which.
        kind: Namespace,
    },
    /// Enters the namespaces of a running container, all at once.
    EnterContainer {
        /// Which of them.
        kinds: Vec<Namespace>,
    },
    /// Switches the loopback interface on.
    RaiseLoopback,
    /// Makes sure that a network's bridge is there, with its rules.
    EnsureBridge {
        /// What it is like.
        bridge: Bridge,
    },
    /// Makes an interface in init's network namespace.
    MakeInterface {
        /// Which.
        interface: Interface,
    },
    /// Gives that interface its addresses and switches it on.
    ArrangeInterface {
        /// Which.
        interface: Interface,
    },
    /// Offsets a clock of the new time namespace.
    SetClockOffset {
        /// `monotonic` or `boottime`.
        clock: String,
        /// Seconds.
        seconds: i64,
        /// Nanoseconds.
        nanoseconds: u32,
    },
    /// Says which ids inside are which outside.
    WriteIdMap {
        /// For groups; else for users.
        groups: bool,
        /// The ranges.
        ranges: Vec<IdRange>,
        /// A setuid program that may do what we may not.
        helper: Option<PathBuf>,
    },
    /// Gives up changing groups, the price for mapping one's own group.
    DenySetgroups,
    /// Becomes root of the new user namespace.
    BecomeRoot,
    /// Keeps other processes from looking into this one.
    HideFromOthers,

    /// Makes the container's cgroups.
    CreateCgroup {
        /// One directory per hierarchy.
        paths: CgroupPaths,
        /// Do without those that this user may not make.
        optional: bool,
    },
    /// Sets limits.
    SetLimits {
        /// In order.
        writes: Vec<Write>,
    },
    /// Decides which devices may be used (version 2: a program in the kernel).
    FilterDevices {
        /// The rules, last match wins.
        rules: Vec<LinuxDeviceCgroup>,
    },
    /// Moves into the container's cgroups.
    JoinCgroup {
        /// One directory per hierarchy.
        paths: CgroupPaths,
        /// Some of them may not have been made.
        optional: bool,
    },

    /// Changes how mount events travel between this namespace and the host's.
    SetPropagation {
        /// How.
        propagation: Propagation,
    },
    /// Keeps a handle on the host's procfs.
    OpenHostProc,
    /// Copies the tree that becomes the root, as a mount without a place.
    OpenRoot {
        /// On the host.
        path: PathBuf,
        /// Of the copy.
        propagation: Option<Propagation>,
    },
    /// Lays layers over each other as the root, as a mount without a place.
    OverlayRoot {
        /// Which.
        overlay: Overlay,
    },
    /// Gives that mount a place, so that it can be entered.
    AttachRoot {
        /// On the host.
        path: PathBuf,
    },
    /// Copies a mount of the host, or a part of one, as a mount without a place.
    OpenSource {
        /// For which mount.
        slot: Slot,
        /// On the host.
        path: PathBuf,
        /// With all the mounts below.
        recursive: bool,
        /// How mounts below it travel to and from the host.
        propagation: Option<Propagation>,
    },
    /// Shows the files of such a copy under other owners.
    MapOwners {
        /// Which copy.
        slot: Slot,
        /// Users.
        uids: Vec<IdRange>,
        /// Groups.
        gids: Vec<IdRange>,
        /// With all the mounts below.
        recursive: bool,
    },
    /// Puts a copied mount in its place.
    MountCopy {
        /// Which copy.
        slot: Slot,
        /// What it is a copy of, to be shown.
        source: PathBuf,
        /// Where.
        target: Target,
        /// How its flags differ from the source's.
        flags: MountFlags,
        /// How it travels, in this order.
        propagation: Vec<Propagation>,
    },
    /// Mounts a new file system.
    MountNew {
        /// What.
        filesystem: Filesystem,
        /// Where.
        target: Target,
        /// With which flags.
        flags: MountFlags,
        /// How it travels, in this order.
        propagation: Vec<Propagation>,
    },
    /// Changes what is already mounted.
    Remount {
        /// Where.
        target: Target,
        /// To which flags.
        flags: MountFlags,
        /// How it travels, in this order.
        propagation: Vec<Propagation>,
    },
    /// Makes a device node.
    MakeDevice {
        /// Which.
        device: Device,
        /// Nodes cannot be made there, so that the host's is bound instead.
        from_host: bool,
    },
    /// Makes a directory, if there is none.
    MakeDirectory {
        /// Inside the container.
        path: PathBuf,
    },
    /// Makes a symbolic link.
    MakeLink {
        /// Where, inside the container.
        path: PathBuf,
        /// Where to.
        target: PathBuf,
    },
    /// Makes a terminal and hands its other side to whoever asked for it.
    MakeTerminal {
        /// Rows and columns, if they were given.
        size: Option<(u16, u16)>,
        /// Whose it is.
        owner: u32,
    },
    /// Runs a hook.
    RunHook {
        /// Which.
        hook: HookRun,
    },
    /// Makes the assembled root the root.
    EnterRoot {
        /// How.
        how: EnterRoot,
    },
    /// Makes the root mount read-only.
    ProtectRoot,
    /// Hides a file or directory behind an empty one.
    MaskPath {
        /// Inside the container.
        path: PathBuf,
    },
    /// Makes a path read-only.
    ProtectPath {
        /// Inside the container.
        path: PathBuf,
    },

    /// The host name.
    SetHostname {
        /// As `uname -n` will tell it.
        name: String,
    },
    /// The NIS domain name.
    SetDomainname {
        /// As `domainname` will tell it.
        name: String,
    },
    /// A kernel parameter that belongs to one of the namespaces.
    SetSysctl {
        /// With dots.
        key: String,
        /// As written to its file.
        value: String,
    },
    /// A keyring of our own.
    NewKeyring {
        /// Its name.
        name: String,
    },
    /// A session of our own.
    NewSession,
    /// How willingly the kernel kills this process when memory runs out.
    SetOomScore {
        /// From -1000 to 1000.
        adjustment: i32,
    },
    /// A limit on what the process may use.
    SetRlimit {
        /// `RLIMIT_*`.
        name: String,
        /// Its number.
        resource: u32,
        /// What holds.
        soft: u64,
        /// How far it may be raised.
        hard: u64,
    },
    /// How the process is scheduled.
    SetScheduler {
        /// Policy and parameters.
        attr: SchedAttr,
    },
    /// The priority of the process's I/O.
    SetIoPriority {
        /// 1 real-time, 2 best effort, 3 idle.
        class: u32,
        /// 0 is first.
        level: u32,
    },
    /// The processors the process may run on.
    SetAffinity {
        /// Their numbers; none: all of them.
        cpus: Vec<u32>,
    },
    /// Which memory nodes are used.
    SetMemoryPolicy {
        /// Mode with flags.
        mode: u32,
        /// Their numbers.
        nodes: Vec<u32>,
    },
    /// The execution domain.
    SetPersonality {
        /// As `personality(2)` takes it.
        persona: u64,
    },
    /// The label the program will run under.
    SetLabel {
        /// Which.
        label: Label,
    },
    /// Hands the standard streams to the user the program runs as.
    GiveStdio {
        /// Who.
        uid: u32,
    },
    /// The working directory.
    EnterDirectory {
        /// Inside the container.
        path: PathBuf,
        /// A missing one is made: for the first process, as every runtime
        /// does, and not for a further one.
        make: bool,
    },
    /// Drops what no later exec shall ever give.
    LimitBounding {
        /// What stays.
        keep: CapSet,
        /// The highest capability the kernel has.
        last: u32,
    },
    /// Becomes the user the program runs as.
    SetUser {
        /// User.
        uid: u32,
        /// Group.
        gid: u32,
        /// Supplementary groups; `None` where the namespace forbids to set them.
        groups: Option<Vec<u32>>,
        /// The file creation mask.
        umask: Option<u32>,
    },
    /// Drops all capabilities but these.
    SetCapabilities {
        /// In force.
        effective: CapSet,
        /// Within reach.
        permitted: CapSet,
        /// Handed on.
        inheritable: CapSet,
        /// Kept by programs that know nothing of capabilities.
        ambient: CapSet,
        /// The highest capability the kernel has.
        last: u32,
    },
    /// Nothing that is executed from here on gains privileges.
    NoNewPrivileges,
    /// Is killed when the process that made it ends.
    DieWithLauncher,
    /// Keeps signals back until the program asks for them.
    HoldSignals,
    /// Looks whether the program can be executed, while someone can be told.
    FindProgram {
        /// As given.
        program: String,
        /// The `PATH` to look in.
        search: String,
    },
    /// Restricts the system calls from here on.
    LoadSeccomp {
        /// The compiled filter.
        filter: Filter,
    },
    /// Becomes the program.
    Exec {
        /// Its arguments.
        args: Vec<String>,
        /// Its environment.
        env: Vec<String>,
    },
}
