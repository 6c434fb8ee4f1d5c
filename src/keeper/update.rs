//! Other limits, and another restart policy, for a container that is there.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Keeper;
use crate::cgroup::ops::Cgroup;
use crate::cgroup::{Layout, limits};
use crate::container::{Config, Resources, Restart};
use crate::error::{Error, Result};
use crate::facts;
use crate::spec::{self, HostFacts};
use crate::store::Entry;

/// What can be changed of a container; the rest of its configuration may be
/// more than a message holds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Change {
    /// Its limits, all of them.
    pub resources: Resources,
    /// When it is started again.
    pub restart: Restart,
}

impl Keeper {
    /// Holds what is asked for from now on: all of it, or nothing.
    pub(super) fn update(&mut self, json: &[u8]) -> Result<()> {
        let wanted = serde_json::from_slice(json).map_err(|e| Error::internal(e.to_string()))?;
        let cgroup = self.cgroup();
        let new = changed(&self.config, wanted);
        apply(&new, cgroup.as_ref())?;
        self.entry.write_config(&new)?;
        self.config = new;
        self.note("update", &[]);
        Ok(())
    }
}

/// Changes the record of a container that is not up; the limits hold from its
/// next start on.
pub fn update_stopped(entry: &Entry, wanted: Change) -> Result<()> {
    let new = changed(&entry.config()?, wanted);
    check(&new)?;
    entry.write_config(&new)
}

/// Nothing but what may change is taken from `wanted`.
fn changed(old: &Config, wanted: Change) -> Config {
    Config {
        resources: wanted.resources,
        restart: wanted.restart,
        ..old.clone()
    }
}

/// What the limits are on this host.
fn check(config: &Config) -> Result<(oci_spec::runtime::LinuxResources, Layout)> {
    let facts = facts::observe()?;
    let host = HostFacts::observe(config, &facts, PathBuf::new())?;
    Ok((spec::limits(&config.resources, &host)?, facts.cgroups))
}

fn apply(config: &Config, cgroup: Option<&Cgroup>) -> Result<()> {
    let (resources, layout) = check(config)?;
    let writes = limits::limits(&resources, &layout)?;
    match cgroup {
        Some(cgroup) => cgroup.apply(&writes),
        None if writes.is_empty() => Ok(()),
        None => Err(Error::environment("the container has no cgroup")),
    }
}
