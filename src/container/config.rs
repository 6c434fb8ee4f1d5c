//! Everything that was asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    Device, Healthcheck, Id, LogConfig, Mount, MountKind, Network, Resources, Restart, Timestamp,
};

/// The version of the records this rcon writes, and the only one it reads.
pub const SCHEMA: u32 = 1;

/// A container as it was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Of this record's form; see [`SCHEMA`].
    pub version: u32,
    /// For ever.
    pub id: Id,
    /// When it was asked for.
    pub created: Timestamp,
    /// Where its files came from, if from an image.
    pub image: Option<Image>,
    /// Its files.
    pub root: Root,
    /// What runs in it.
    pub program: Program,
    /// What it shares with the host and may do to it.
    pub isolation: Isolation,
    /// What of the host's, or of other containers', it can see.
    pub mounts: Vec<Mount>,
    /// What it may use.
    pub resources: Resources,
    /// How it is reached.
    pub network: Network,
    /// What happens when its program ends.
    pub restart: Restart,
    /// How one knows that it is well.
    pub health: Option<Healthcheck>,
    /// What becomes of its output.
    pub log: LogConfig,
    /// Removed when its program ends.
    pub auto_remove: bool,
    /// For people to find it by.
    pub labels: BTreeMap<String, String>,
    /// For the OCI configuration. They never grant power.
    pub annotations: BTreeMap<String, String>,
    /// It is a step of a build: nobody's container, and gone with the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<BuildStep>,
}

impl Config {
    /// The ids of all images of which it needs something: the one it was made
    /// from, and those that are mounted in it.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        let mounted = self.mounts.iter().filter_map(|m| match &m.kind {
            MountKind::Image { id, .. } => Some(id.as_str()),
            _ => None,
        });
        let own = self.image.iter().map(|image| image.id.as_str());
        own.chain(mounted)
    }

    /// All layers that it needs, of its root and of what is mounted in it.
    pub fn layers(&self) -> impl Iterator<Item = &String> {
        let mounted = self.mounts.iter().flat_map(|m| match &m.kind {
            MountKind::Image { layers, .. } => layers.as_slice(),
            _ => &[],
        });
        let own = match &self.root {
            Root::Layers { layers } => layers.as_slice(),
            Root::Directory { .. } => &[],
        };
        own.iter().chain(mounted)
    }
}

/// What is special about a container that a build makes.
///
/// It lives no longer than the command that builds: its keeper ends it when
/// that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildStep {
    /// What it has changed becomes a directory of this name beside the other
    /// layers, if its program ends well.
    pub keep: String,
}

/// An image at the time a container was made from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// As it was asked for.
    pub reference: String,
    /// `sha256:…` of its configuration.
    pub id: String,
}

/// Where the root file system comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Root {
    /// An overlay over these unpacked layers, the uppermost first.
    Layers {
        /// Names of layers in the store.
        layers: Vec<String>,
    },
    /// A directory of the host, absolute.
    Directory {
        /// Where.
        path: PathBuf,
        /// Changes go to an overlay of the container's own, and not into it.
        overlay: bool,
    },
}

/// The first process, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Program {
    /// Comes before the command; from the image or `--entrypoint`.
    pub entrypoint: Vec<String>,
    /// The arguments, from the command line or the image.
    pub command: Vec<String>,
    /// `NAME=value`, without a name twice. A name alone takes away what the
    /// variable would be by itself (`HOME`, `HOSTNAME`, `TERM`, `PATH`).
    pub env: Vec<String>,
    /// Absolute; empty means `/`.
    pub workdir: String,
    /// `user[:group]`, by name or number; empty means root.
    pub user: String,
    /// Further groups, by name or number.
    pub groups: Vec<String>,
    /// It has a terminal.
    pub tty: bool,
    /// Its standard input stays open for whoever attaches.
    pub open_stdin: bool,
    /// Its standard input ends when the first who attached has left.
    pub stdin_once: bool,
    /// A tiny first process stands before it that reaps orphans.
    pub init: bool,
    /// Empty: the start of the id.
    pub hostname: String,
    /// Empty: none.
    pub domainname: String,
    /// What `stop` sends first; empty: `SIGTERM`.
    pub stop_signal: String,
    /// How many seconds `stop` waits before it kills; none: 10.
    pub stop_timeout: Option<i64>,
}

impl Program {
    /// The number of what `stop` sends first.
    pub fn stop_signal_number(&self) -> i32 {
        // It was checked when it was typed, and an image's is only a wish.
        crate::signal::parse(&self.stop_signal).unwrap_or(libc::SIGTERM)
    }

    /// What is executed: entrypoint and command in one list.
    pub fn argv(&self) -> Vec<String> {
        self.entrypoint
            .iter()
            .chain(&self.command)
            .cloned()
            .collect()
    }
}

/// With whom a namespace is shared.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// With nobody.
    #[default]
    Private,
    /// With the host.
    Host,
    /// With another container.
    Container(Id),
}

/// The border between container and host.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Isolation {
    /// Nothing is withheld: every capability, device and file of procfs.
    pub privileged: bool,
    /// The root file system cannot be written.
    pub read_only: bool,
    /// Which processes are seen.
    pub pid: Sharing,
    /// System V memory and queues, and `/dev/shm`.
    pub ipc: Sharing,
    /// The host's name.
    pub uts: Sharing,
    /// The view of cgroups.
    pub cgroup: Sharing,
    /// Runs as root's deputies: `START:COUNT` of host ids, if not as root itself.
    pub userns: Option<(u32, u32)>,
    /// `CAP_…`, or `ALL`.
    pub cap_add: Vec<String>,
    /// `CAP_…`, or `ALL`.
    pub cap_drop: Vec<String>,
    /// `--security-opt`.
    pub security: Security,
    /// Kernel parameters of its own namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// What a single process may use.
    pub ulimits: Vec<Ulimit>,
    /// Devices beside the usual ones.
    pub devices: Vec<Device>,
    /// Devices by the names their vendors gave them in CDI files, as in
    /// `nvidia.com/gpu=0`; what they are made of is looked up at the start.
    pub cdi: Vec<String>,
    /// `--device-cgroup-rule`: type, numbers, access, as in `c 1:3 rwm`.
    pub device_rules: Vec<String>,
    /// How readily it is killed when memory runs out.
    pub oom_score_adj: Option<i32>,
    /// Created below this cgroup instead of rcon's own.
    pub cgroup_parent: Option<String>,
}

/// Which system calls are let through.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seccomp {
    /// rcon's own list.
    #[default]
    Default,
    /// All.
    Unconfined,
    /// Those of this profile, in the form Docker and Podman use.
    Profile(serde_json::Value),
}

/// `--security-opt`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    /// System calls.
    pub seccomp: Seccomp,
    /// A set-user-id program gains nothing.
    pub no_new_privileges: bool,
    /// `AppArmor` profile.
    pub apparmor: Option<String>,
    /// `SELinux` label of the process.
    pub label: Option<String>,
    /// `/proc` and `/sys` without covers.
    pub unmask: bool,
}

/// One limit of `setrlimit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// As in `nofile`.
    pub name: String,
    /// What holds now; -1 is no limit.
    pub soft: i64,
    /// How far it may be raised; -1 is no limit.
    pub hard: i64,
}
