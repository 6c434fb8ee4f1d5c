//! `linux.resources` of `config.json` to the files that say it to the kernel.
//!
//! [`limits`] is pure: it answers with the [`Write`]s in the order they must
//! be made, each with the field it comes from and what to do when the file is
//! not there or the kernel objects. The same list serves create and update,
//! as no value depends on what was set before: where the kernel checks two
//! files against each other, the first is marked [`OnRefusal::Later`] and goes
//! again after its sibling. For an update pass the merged resources or only
//! what changes; on v2 quota with period, and swap with limit, go together.
//!
//! A zero means "not set", as it does in runc. Device rules are not here but
//! in [`super::devices`]: an update leaves them alone.

mod cpu;
mod io;
mod memory;
mod other;

use std::borrow::Cow;

use oci_spec::runtime::LinuxResources;
use serde::Serialize;

use super::layout::{Layout, Version};
use crate::error::{Error, Result};

/// What to do when the file does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnMissing {
    /// What was asked for cannot be had.
    Fail,
    /// The value changes nothing where the file is missing.
    Skip,
    /// Another kernel configuration has another file for it.
    Instead(Box<Write>),
}

/// What to do when the kernel answers EINVAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnRefusal {
    /// The value is wrong.
    Fail,
    /// It may only clash with the old value of a file that is written soon:
    /// go on, and try again after the last write to this controller.
    Later,
}

/// Look before writing: refuse when the cgroup already uses as much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Guard {
    /// The file with the usage.
    pub usage_file: &'static str,
    /// The limit that is about to be set.
    pub limit: u64,
}

/// One value for one file of one controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Write {
    /// Which controller, hence which hierarchy. `cgroup` is the v2 core.
    pub controller: Cow<'static, str>,
    /// The file's plain name.
    pub file: String,
    /// What to write.
    pub value: String,
    /// Where it was asked for: `linux.resources.memory.limit`.
    pub field: String,
    /// When the file does not exist.
    pub on_missing: OnMissing,
    /// When the kernel answers EINVAL.
    pub on_refusal: OnRefusal,
    /// A check to make first.
    pub guard: Option<Guard>,
}

impl Write {
    #[allow(
        clippy::needless_pass_by_value,
        reason = "numbers and strings alike; a & at every call would be noise"
    )]
    pub(super) fn new(
        controller: impl Into<Cow<'static, str>>,
        file: impl Into<String>,
        value: impl ToString,
        field: impl AsRef<str>,
    ) -> Self {
        Self {
            controller: controller.into(),
            file: file.into(),
            value: value.to_string(),
            field: format!("linux.resources.{}", field.as_ref()),
            on_missing: OnMissing::Fail,
            on_refusal: OnRefusal::Fail,
            guard: None,
        }
    }

    fn or_skip(mut self) -> Self {
        self.on_missing = OnMissing::Skip;
        self
    }

    fn or_instead(mut self, other: Write) -> Self {
        self.on_missing = OnMissing::Instead(Box::new(other));
        self
    }

    fn or_later(mut self) -> Self {
        self.on_refusal = OnRefusal::Later;
        self
    }
}

/// Everything `resources` asks for, but for device rules.
pub fn limits(resources: &LinuxResources, layout: &Layout) -> Result<Vec<Write>> {
    let mut plan = Plan {
        layout,
        writes: Vec::new(),
    };
    plan.cpu(resources.cpu().as_ref())?;
    plan.cpuset(resources.cpu().as_ref())?;
    plan.memory(resources.memory().as_ref())?;
    plan.pids(resources.pids().as_ref())?;
    plan.io(resources.block_io().as_ref())?;
    plan.hugetlb(resources.hugepage_limits().as_deref())?;
    plan.network(resources.network().as_ref())?;
    plan.rdma(resources.rdma().as_ref())?;
    plan.unified(resources.unified().as_ref())?;
    Ok(plan.writes)
}

/// The list while it is being made; each concern adds its part in a file of
/// its own.
struct Plan<'a> {
    layout: &'a Layout,
    writes: Vec<Write>,
}

impl Plan<'_> {
    /// v1 or v2, by where `controller` is; it is `field` that needs it.
    fn version_of(&self, controller: &str, field: &str) -> Result<Version> {
        match self.layout.find(controller) {
            Some(h) => Ok(h.version),
            None => Err(Error::environment(format!(
                "linux.resources.{field} needs the {controller} cgroup controller, which this machine does not have"
            ))),
        }
    }

    fn push(&mut self, write: Write) {
        self.writes.push(write);
    }
}

/// A value that config.json may not have.
fn bad(field: &str, why: impl std::fmt::Display) -> Error {
    Error::user(format!("linux.resources.{field} {why}"))
}

/// Something v1 has and v2 has nothing for.
fn only_v1(field: &str) -> Error {
    Error::environment(format!(
        "linux.resources.{field} cannot be had: cgroup v2 has nothing like it"
    ))
}

/// A field that is there and not zero.
fn set<T: Copy + Default + PartialEq>(value: Option<T>) -> Option<T> {
    value.filter(|v| *v != T::default())
}

#[cfg(test)]
mod tests;
