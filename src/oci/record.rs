//! What is kept of a container in its directory under the state root.
//!
//! What it says of a process is only believed together with the time that
//! process started: a pid alone may be somebody else by now.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};

use super::bundle;
use super::root::{Root, read_no_links};
use crate::cgroup::ops::Cgroup;
use crate::cgroup::paths::CgroupPaths;
use crate::error::{Error, Result};
use crate::process;
use crate::run::State;
use crate::sys::{SysResult, fd};

const VERSION: u32 = 1;

/// What is kept of a container.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    version: u32,
    /// Its name.
    pub id: String,
    /// Of the specification its bundle was written for.
    pub oci_version: String,
    /// Absolute.
    pub bundle: PathBuf,
    /// Absolute.
    pub rootfs: PathBuf,
    /// Its first process; 0 until there is one.
    pub pid: i32,
    /// When that process started, in the kernel's clock ticks since boot.
    pub pid_start: u64,
    /// In seconds since 1970.
    pub created: u64,
    /// As in `config.json`.
    pub annotations: HashMap<String, String>,
    /// Its cgroups.
    pub cgroups: CgroupPaths,
    /// Its program is started by somebody else than its maker.
    pub held: bool,
}

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Being made, or its maker died while making it.
    Creating,
    /// Its program waits to be started.
    Created,
    /// Its program runs.
    Running,
    /// It is frozen.
    Paused,
    /// Its program has ended.
    Stopped,
}

impl Status {
    /// The word of the specification.
    pub fn word(self) -> &'static str {
        match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        }
    }
}

impl Record {
    /// A record of a container that has no process yet.
    pub fn new(
        id: &str,
        spec: &Spec,
        facts: &crate::facts::BundleFacts,
        cgroups: CgroupPaths,
    ) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            version: VERSION,
            id: id.to_owned(),
            oci_version: spec.version().clone(),
            bundle: facts.bundle.clone(),
            rootfs: facts.rootfs.clone(),
            pid: 0,
            pid_start: 0,
            created: now.map_or(0, |d| d.as_secs()),
            annotations: spec.annotations().clone().unwrap_or_default(),
            cgroups,
            held: false,
        }
    }

    /// Reads it in its directory.
    pub(super) fn read(dir: &Path, id: &str) -> Result<Self> {
        let bytes = read_no_links(dir, "state.json")?;
        let named = || format!("the record of container {id} cannot be read");
        let record: Record = bundle::parse(&bytes, "state.json").map_err(|e| {
            e.context(named())
                .hint("delete --force removes what is left of it")
        })?;
        if record.version != VERSION {
            let found = format!(
                "its version is {}, this rcon writes {VERSION}",
                record.version
            );
            return Err(Error::environment(found).context(named()));
        }
        if record.id != id {
            let other = format!("it is that of {}", record.id);
            return Err(Error::environment(other).context(named()));
        }
        Ok(record)
    }

    /// A handle on the first process, if that very process is still there.
    pub fn process(&self) -> Option<OwnedFd> {
        if self.pid <= 0 {
            return None;
        }
        process::handle(self.pid, self.pid_start)
    }

    /// Where the container is in its life, seen now.
    pub fn status(&self, root: &Root) -> Status {
        if self.pid == 0 {
            return Status::Creating;
        }
        if self.process().is_none() {
            return Status::Stopped;
        }
        if self.is_frozen() {
            return Status::Paused;
        }
        let waiting = self.held && root.start_socket(&self.id).is_ok_and(|s| s.exists());
        if waiting {
            Status::Created
        } else {
            Status::Running
        }
    }

    fn is_frozen(&self) -> bool {
        Cgroup::open(&self.cgroups).is_ok_and(|c| c.is_frozen().unwrap_or(false))
    }

    /// The state as the specification shows it.
    pub fn state(&self, status: Status) -> State {
        State {
            oci_version: self.oci_version.clone(),
            id: self.id.clone(),
            status: status.word().to_owned(),
            pid: if status == Status::Stopped {
                0
            } else {
                self.pid
            },
            bundle: self.bundle.clone(),
            annotations: self.annotations.clone(),
        }
    }
}

/// Signals a process, which may have ended meanwhile.
pub fn signal(process: &OwnedFd, number: i32) -> SysResult<bool> {
    match fd::pidfd_send_signal(process, number) {
        Err(e) if e.errno == Errno::ESRCH => Ok(false),
        sent => sent.map(|()| true),
    }
}
