//! `update`: other limits for a container that exists.
//!
//! Only what was asked for is written to the kernel. Two values that one
//! kernel file holds together (v2's quota and period, swap and limit) are the
//! exception: the one that was not given comes from the container's record,
//! and what comes out is saved there, so that the next update builds on it.

mod flags;
mod merge;

use std::io::Read;
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxResources;
use serde_json::{Value, json};

use super::log::Log;
use super::record::{Record, Status};
use super::root::{Locked, Root};
use super::{bundle, manage};
use crate::cgroup::devices::{DeviceList, add_default_rules};
use crate::cgroup::ops::{self, Cgroup};
use crate::cgroup::{Layout, Write, limits};
use crate::error::{Context, Error, Result};
use crate::format::units::size;

/// Longer than any resources could be.
const LONGEST: u64 = 1 << 20;

// Flags of `update`. What is not given stays as it is.
#[derive(Debug, Default, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Update {
    /// A file with a linux.resources object, or - for standard input; other flags are then ignored
    #[arg(short, long, value_name = "FILE")]
    pub resources: Option<PathBuf>,
    /// Weight of its block I/O, 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    pub blkio_weight: Option<u16>,
    /// The period a CPU quota is for, in microseconds
    #[arg(long, value_name = "USECS")]
    pub cpu_period: Option<u64>,
    /// CPU time in each period, in microseconds; -1 for no limit
    #[arg(long, value_name = "USECS")]
    pub cpu_quota: Option<i64>,
    /// Unused CPU time that may be used later, in microseconds
    #[arg(long, value_name = "USECS")]
    pub cpu_burst: Option<u64>,
    /// Weight of its CPU time, 2 to 262144
    #[arg(long, value_name = "SHARES")]
    pub cpu_share: Option<u64>,
    /// The period a realtime runtime is for, in microseconds
    #[arg(long, value_name = "USECS")]
    pub cpu_rt_period: Option<u64>,
    /// Realtime CPU time in each period, in microseconds
    #[arg(long, value_name = "USECS")]
    pub cpu_rt_runtime: Option<i64>,
    /// The CPUs it may use: 0-2,5
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,
    /// The memory nodes it may use
    #[arg(long, value_name = "LIST")]
    pub cpuset_mems: Option<String>,
    /// Memory, in bytes or as 32M; -1 for no limit
    #[arg(long, value_name = "SIZE", value_parser = size::parse_limit)]
    pub memory: Option<i64>,
    /// Memory that is left to it when memory is short
    #[arg(long, value_name = "SIZE", value_parser = size::parse_limit)]
    pub memory_reservation: Option<i64>,
    /// Memory and swap together; -1 for no limit
    #[arg(long, value_name = "SIZE", value_parser = size::parse_limit)]
    pub memory_swap: Option<i64>,
    /// How many tasks; -1 for no limit, and 0 is taken as 1
    #[arg(long, value_name = "N")]
    pub pids_limit: Option<i64>,
    /// Run only when no one else wants the CPU: 1, or 0 for as usual
    #[arg(long, value_name = "0|1")]
    pub cpu_idle: Option<i64>,
    /// Ignored with a warning: kernels no longer limit it apart
    #[arg(long, value_name = "SIZE", hide = true)]
    pub kernel_memory: Option<String>,
    /// Ignored with a warning: kernels no longer limit it apart
    #[arg(long, value_name = "SIZE", hide = true)]
    pub kernel_memory_tcp: Option<String>,
    /// Not supported
    #[arg(long, value_name = "SCHEMA", hide = true)]
    pub l3_cache_schema: Option<String>,
    /// Not supported
    #[arg(long, value_name = "SCHEMA", hide = true)]
    pub mem_bw_schema: Option<String>,
    /// The container
    #[arg(value_name = "CONTAINER")]
    pub id: String,
}

/// `update`.
pub fn update(root: &Root, args: &Update, log: &Log) -> Result<()> {
    root.require(&args.id)?;
    let asked = asked(args, log)?;
    let locked = root.lock(&args.id)?;
    let record = manage::record_of(&locked, &args.id)?;
    let status = record.status(root);
    if matches!(status, Status::Stopped | Status::Creating) {
        return Err(Error::user(format!(
            "container {} cannot be updated: it is {}",
            args.id,
            status.word()
        )));
    }
    let result = change(&locked, &record, asked);
    match args.resources {
        None => result.map_err(flags::name_in),
        Some(_) => result,
    }
}

/// What the flags, or the file they name, ask for.
fn asked(args: &Update, log: &Log) -> Result<Value> {
    flags::refuse_unsupported(args)?;
    for warning in flags::ignored(args) {
        log.warn(&warning);
    }
    let Some(file) = &args.resources else {
        return flags::asked_of(args);
    };
    let (bytes, name) = if file == Path::new("-") {
        (read_standard_input()?, "standard input".to_owned())
    } else {
        (bundle::read_bounded(file)?, file.display().to_string())
    };
    let value: Value = bundle::parse(&bytes, &name)?;
    // The same text again, for an error that names the field in it.
    let (_, warnings) = bundle::parse_noting::<LinuxResources>(&bytes, &name)?;
    for warning in &warnings {
        log.warn(warning);
    }
    Ok(value)
}

fn read_standard_input() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let named = || "cannot read the resources from standard input";
    let input = std::io::stdin().lock();
    input
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .context(named)?;
    if bytes.len() as u64 > LONGEST {
        let long = format!("longer than {} MiB", LONGEST >> 20);
        return Err(Error::user(long).context(named()));
    }
    Ok(bytes)
}

fn change(locked: &Locked, record: &Record, mut asked: Value) -> Result<()> {
    let mut config = locked.config()?;
    let recorded = config["linux"]["resources"].clone();
    let layout = ops::observe()?;
    merge::forget_unset(&mut asked);
    merge::complete(&mut asked, &recorded, &layout);
    let cgroup = Cgroup::open(&record.cgroups)?;
    let writes = limits(&typed(&asked)?, &layout)?;
    let rules = device_rules(&asked, &config)?;
    if let Err(e) = apply(&cgroup, &writes, rules.as_ref()) {
        take_back(&cgroup, &recorded, &layout);
        return Err(e);
    }
    let mut merged = recorded;
    merge::merge(&mut merged, asked);
    if !config["linux"].is_object() {
        config["linux"] = json!({});
    }
    config["linux"]["resources"] = merged;
    let bytes = serde_json::to_vec(&config).map_err(|e| Error::internal(e.to_string()))?;
    locked.write_config(&bytes)
}

fn apply(cgroup: &Cgroup, writes: &[Write], rules: Option<&DeviceList>) -> Result<()> {
    cgroup.apply(writes)?;
    rules.map_or(Ok(()), |rules| cgroup.set_devices(rules))
}

/// Half an update is none: what the record knows is put back. If that fails,
/// too, the first failure is still the one to tell.
fn take_back(cgroup: &Cgroup, recorded: &Value, layout: &Layout) {
    let old = typed(recorded).and_then(|r| limits(&r, layout));
    let _ = old.and_then(|writes| cgroup.apply(&writes));
}

fn typed(resources: &Value) -> Result<LinuxResources> {
    if resources.is_null() {
        return Ok(LinuxResources::default());
    }
    bundle::parse(resources.to_string().as_bytes(), "linux.resources")
}

/// The rules that were given, with those every container has after them, as
/// at its start.
fn device_rules(asked: &Value, config: &Value) -> Result<Option<DeviceList>> {
    let mut rules = typed(asked)?.devices().clone().unwrap_or_default();
    if rules.is_empty() {
        return Ok(None);
    }
    let (spec, _) = bundle::parse_spec(config.to_string().as_bytes())?;
    let linux = spec.linux().as_ref();
    let nodes = linux.and_then(|l| l.devices().as_deref());
    let paths: Vec<&Path> = nodes
        .unwrap_or_default()
        .iter()
        .map(|d| d.path().as_path())
        .collect();
    add_default_rules(&mut rules, &paths);
    DeviceList::compile(&rules).map(Some)
}
