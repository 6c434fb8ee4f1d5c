//! From what is wanted and what is there to the steps in between. Pure.
//!
//! A [`Plan`] is a list of [`Step`]s in the order in which they happen. Each
//! names the process that takes it (its [`Actor`]), what it does (its
//! [`Action`]) and why. The same list is run by [`crate::run`] and told by
//! [`crate::render`], so what is told cannot differ from what is done.
//!
//! [`container()`] is the lesson: the whole of a container's start, from the
//! host to the program, reads from top to bottom in that one function.
//! [`exec()`] is its sibling for a further process in a running container.
//!
//! Nothing here makes a system call or reads a file.

mod action;
mod devices;
mod exec;
pub mod hooks;
mod joining;
mod mounts;
mod namespace;
mod network;
pub mod options;
mod overlay;
mod process;
mod root;
mod start;
mod steps;
mod sysctl;

#[cfg(test)]
mod tests;

pub use action::{
    Action, Actor, Device, EnterRoot, Filesystem, HookEnv, HookRun, IdRange, Label, MountFlags,
    Namespace, Propagation, PropagationKind, Signal, Slot, Target,
};
pub use exec::{ExecRequest, exec};
pub use namespace::Namespaces;
pub use overlay::{Changes, Overlay};
pub use process::{check_variable, cpu_list};
pub use start::container;

use std::path::PathBuf;

use oci_spec::runtime::{Linux, LinuxIdMapping, Spec};
use serde::Serialize;

use crate::cgroup::paths::CgroupPaths;
use crate::error::{Error, Result};
use crate::facts::{BundleFacts, Facts};
use crate::network::wanted::Wanted;

/// What happens when a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The start has failed; everything made so far is taken back.
    Stop,
    /// It is told, and the start goes on.
    Warn,
}

/// One thing one process does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// What for.
    pub why: &'static str,
    /// What if not.
    pub on_failure: OnFailure,
}

/// A start, as the list of its steps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// In the order in which they happen.
    pub steps: Vec<Step>,
    /// Where the container's processes are counted and limited.
    pub cgroups: CgroupPaths,
    /// What was asked for and will be left out.
    pub warnings: Vec<String>,
}

/// What the caller decides, beside the bundle.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The container's name.
    pub id: String,
    /// Do without `pivot_root`, for a root on an initramfs.
    pub no_pivot: bool,
    /// Keep the caller's session keyring.
    pub no_new_keyring: bool,
    /// The container does not outlive the process that keeps it.
    pub die_with_launcher: bool,
    /// The program is rcon's own first process, which takes signals from a
    /// descriptor when it has come that far.
    pub hands_signals_on: bool,
    /// What it is connected to. The OCI configuration has no place for it.
    pub network: Wanted,
}

/// Everything a container's plan is made of, checked and taken apart.
pub(crate) struct Container<'a> {
    spec: &'a Spec,
    facts: &'a Facts,
    bundle: &'a BundleFacts,
    options: &'a Options,
    namespaces: Namespaces,
    uids: Vec<IdRange>,
    gids: Vec<IdRange>,
    cgroups: CgroupPaths,
}

impl<'a> Container<'a> {
    fn new(
        spec: &'a Spec,
        facts: &'a Facts,
        bundle: &'a BundleFacts,
        options: &'a Options,
    ) -> Result<Self> {
        let linux = spec.linux().as_ref();
        let list = linux.and_then(|l| l.namespaces().as_deref());
        let path = linux.and_then(|l| l.cgroups_path().clone());
        let path: PathBuf = path.unwrap_or_default();
        let map = |m: Option<&Vec<LinuxIdMapping>>| m.map_or(Vec::new(), |m| id_ranges(m));
        let container = Self {
            namespaces: Namespaces::from_spec(list.unwrap_or_default())?,
            uids: map(linux.and_then(|l| l.uid_mappings().as_ref())),
            gids: map(linux.and_then(|l| l.gid_mappings().as_ref())),
            cgroups: CgroupPaths::plan(&facts.cgroups, &path.to_string_lossy(), &options.id)?,
            spec,
            facts,
            bundle,
            options,
        };
        container.check()?;
        Ok(container)
    }

    fn linux(&self) -> Option<&'a Linux> {
        self.spec.linux().as_ref()
    }

    /// Refuses what no kernel here can do, and what contradicts itself, with
    /// the name of the field: better now than half-way through.
    fn check(&self) -> Result<()> {
        let has = |kind| self.namespaces.has(kind);
        let mounts = self.spec.mounts().as_ref().is_some_and(|m| !m.is_empty());
        if mounts && !has(Namespace::Mount) {
            return Err(missing_namespace("mounts", Namespace::Mount));
        }
        if self.spec.hostname().is_some() && !has(Namespace::Uts) {
            return Err(missing_namespace("hostname", Namespace::Uts));
        }
        if self.spec.domainname().is_some() && !has(Namespace::Uts) {
            return Err(missing_namespace("domainname", Namespace::Uts));
        }
        self.check_user_namespace()?;
        self.linux().map_or(Ok(()), |l| self.check_linux(l))
    }

    fn check_user_namespace(&self) -> Result<()> {
        let mapped = !self.uids.is_empty() || !self.gids.is_empty();
        if mapped && !self.namespaces.has(Namespace::User) {
            return Err(missing_namespace("linux.uidMappings", Namespace::User));
        }
        if self.namespaces.makes(Namespace::User) && (self.uids.is_empty() || self.gids.is_empty())
        {
            return Err(Error::user(
                "config.json: linux.namespaces: a new user namespace has no ids without \
                 linux.uidMappings and linux.gidMappings",
            ));
        }
        Ok(())
    }

    fn check_linux(&self, linux: &Linux) -> Result<()> {
        let offsets = linux.time_offsets().as_ref();
        if offsets.is_some_and(|o| !o.is_empty()) && !self.namespaces.makes(Namespace::Time) {
            return Err(missing_namespace("linux.timeOffsets", Namespace::Time));
        }
        if linux.intel_rdt().is_some() {
            return Err(unsupported(
                "linux.intelRdt",
                "it needs resctrl, which rcon does not drive",
            ));
        }
        if linux.net_devices().as_ref().is_some_and(|d| !d.is_empty()) {
            let why = "moving host interfaces into a container is not done yet";
            return Err(unsupported("linux.netDevices", why));
        }
        let label = linux.mount_label().as_deref().unwrap_or_default();
        if !label.is_empty() && !self.facts.selinux {
            return Err(absent("linux.mountLabel", "SELinux"));
        }
        Ok(())
    }
}

fn missing_namespace(field: &str, kind: Namespace) -> Error {
    let name = kind.spec_name();
    Error::user(format!(
        "config.json: {field} needs a {name} namespace, or it would change the host"
    ))
    .hint(format!("add {{\"type\": \"{name}\"}} to linux.namespaces"))
}

fn unsupported(field: &str, why: &str) -> Error {
    Error::user(format!("config.json: {field} is not supported: {why}"))
}

/// A security module that was asked for and is not there must not be passed
/// over in silence.
fn absent(field: &str, module: &str) -> Error {
    Error::environment(format!(
        "config.json: {field}: {module} is not enabled on this host"
    ))
}

/// The ranges of an id map.
pub(crate) fn id_ranges(list: &[LinuxIdMapping]) -> Vec<IdRange> {
    list.iter()
        .map(|m| IdRange {
            inside: m.container_id(),
            outside: m.host_id(),
            count: m.size(),
        })
        .collect()
}
