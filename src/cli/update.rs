//! `update`.

use std::process::ExitCode;

use super::common;
use super::flags::parse;
use crate::container::{Config, Resources, Restart};
use crate::error::{Error, Result};
use crate::keeper::{self, Change, Request};
use crate::store::Store;

#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Update {
    /// Memory, as 512m or 1.5g
    #[arg(short, long, value_name = "SIZE", value_parser = parse::units::size)]
    memory: Option<i64>,
    /// Memory and swap together; -1 is as much as there is
    #[arg(long, value_name = "SIZE", value_parser = parse::units::size_or_unlimited)]
    memory_swap: Option<i64>,
    /// Memory it is pressed back to when memory is short
    #[arg(long, value_name = "SIZE", value_parser = parse::units::size)]
    memory_reservation: Option<i64>,
    /// Processors, as 1.5
    #[arg(long, value_name = "NUMBER", value_parser = parse::units::cpus)]
    cpus: Option<i64>,
    /// Weight of its processor time among others; 1024 is one share
    #[arg(short, long, value_name = "WEIGHT")]
    cpu_shares: Option<u64>,
    /// The period of a quota, in microseconds
    #[arg(long, value_name = "USECS")]
    cpu_period: Option<u64>,
    /// Processor time in each period, in microseconds; -1 is no limit
    #[arg(long, value_name = "USECS")]
    cpu_quota: Option<i64>,
    /// The same for realtime
    #[arg(long, value_name = "USECS")]
    cpu_rt_period: Option<u64>,
    /// The same for realtime
    #[arg(long, value_name = "USECS")]
    cpu_rt_runtime: Option<i64>,
    /// The processors it may run on, as 0-2,7
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// The memory nodes it may use, as 0,1
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// How many processes and threads; -1 is no limit
    #[arg(long, value_name = "NUMBER")]
    pids_limit: Option<i64>,
    /// Weight of its reads and writes, 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    blkio_weight: Option<u16>,
    /// When it is started again: no, on-failure[:TIMES], always or unless-stopped
    #[arg(long, value_name = "POLICY", value_parser = parse::restart::parse)]
    restart: Option<Restart>,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// `update`.
pub fn update(store: &Store, args: &Update) -> Result<ExitCode> {
    if args.is_empty() {
        return Err(Error::user("nothing to update").hint("give a limit, as --memory 512m"));
    }
    Ok(common::each(&args.containers, |name| {
        let found = common::find(store, name)?;
        let wanted = args.applied(&found.entry.config()?);
        if !found.state.status.is_up()
            && let Some(_lock) = common::lock(&found.entry)?
        {
            return keeper::update_stopped(&found.entry, wanted);
        }
        let json = serde_json::to_vec(&wanted).map_err(|e| Error::internal(e.to_string()))?;
        let found = common::find(store, name)?;
        common::ask(&found, &Request::Update(json))
    }))
}

/// Puts what was given in place of what was there.
fn put<T>(new: Option<T>, old: &mut Option<T>) {
    if new.is_some() {
        *old = new;
    }
}

impl Update {
    fn is_empty(&self) -> bool {
        self.limits(Resources::default()) == Resources::default() && self.restart.is_none()
    }

    fn applied(&self, config: &Config) -> Change {
        Change {
            resources: self.limits(config.resources.clone()),
            restart: self.restart.unwrap_or(config.restart),
        }
    }

    fn limits(&self, mut r: Resources) -> Resources {
        put(self.memory, &mut r.memory);
        put(self.memory_swap, &mut r.memory_swap);
        put(self.memory_reservation, &mut r.memory_reservation);
        put(self.cpus, &mut r.nano_cpus);
        put(self.cpu_shares, &mut r.cpu_shares);
        put(self.cpu_period, &mut r.cpu_period);
        put(self.cpu_quota, &mut r.cpu_quota);
        put(self.cpu_rt_period, &mut r.cpu_rt_period);
        put(self.cpu_rt_runtime, &mut r.cpu_rt_runtime);
        put(self.cpuset_cpus.clone(), &mut r.cpuset_cpus);
        put(self.cpuset_mems.clone(), &mut r.cpuset_mems);
        put(self.pids_limit, &mut r.pids_limit);
        put(self.blkio_weight, &mut r.blkio_weight);
        r
    }
}
