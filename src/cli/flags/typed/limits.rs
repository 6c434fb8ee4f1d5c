//! What a container may use.

use clap::Args;

use super::super::parse::{device, ulimit, units};
use crate::container::{DeviceRate, DeviceWeight, Ulimit};
use crate::error::Result;

/// What it may use.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// How much memory it may use, at least 6m [default: no limit]
    #[arg(short, long, value_name = "SIZE", value_parser = units::size)]
    pub memory: Option<i64>,
    /// Memory and swap together, -1 for as much swap as there is [default: twice --memory]
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true, value_parser = units::size_or_unlimited)]
    pub memory_swap: Option<i64>,
    /// What it is pressed back to when the machine is short of memory [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub memory_reservation: Option<i64>,
    /// How readily its memory is swapped out, 0 to 100, or -1 as the host [default: -1]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = swappiness)]
    pub memory_swappiness: Option<i64>,
    /// How many processors it may keep busy, as 1.5 [default: no limit]
    #[arg(long, value_name = "N", value_parser = units::cpus)]
    pub cpus: Option<i64>,
    /// Its share when processors are short, 2 to 262144 [default: 1024]
    #[arg(short, long, value_name = "SHARES", value_parser = shares)]
    pub cpu_shares: Option<i64>,
    /// The processors it may run on, as 0-2,7 [default: all]
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,
    /// The memory nodes it may use, as 0,1 [default: all]
    #[arg(long, value_name = "LIST")]
    pub cpuset_mems: Option<String>,
    /// The period a quota is for, in microseconds [default: 100000]
    #[arg(long, value_name = "USECS", value_parser = positive)]
    pub cpu_period: Option<i64>,
    /// Processor time in each period, in microseconds, -1 for no limit [default: no limit]
    #[arg(long, value_name = "USECS", allow_negative_numbers = true, value_parser = quota)]
    pub cpu_quota: Option<i64>,
    /// The period a realtime runtime is for, in microseconds [default: the host's]
    #[arg(long, value_name = "USECS", value_parser = positive)]
    pub cpu_rt_period: Option<i64>,
    /// Realtime processor time in each period, in microseconds [default: none]
    #[arg(long, value_name = "USECS", allow_negative_numbers = true, value_parser = quota)]
    pub cpu_rt_runtime: Option<i64>,
    /// How many processes and threads it may have, -1 for no limit [default: no limit]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = quota)]
    pub pids_limit: Option<i64>,
    /// Its share when disks are busy, 10 to 1000, or 0 for none [default: 0]
    #[arg(long, value_name = "WEIGHT", value_parser = device::block_weight)]
    pub blkio_weight: Option<u16>,
    /// The same for one disk [default: none]
    #[arg(long, value_name = "DEVICE:WEIGHT", value_parser = device::weight)]
    pub blkio_weight_device: Vec<DeviceWeight>,
    /// How many bytes a second it may read from a disk [default: no limit]
    #[arg(long, value_name = "DEVICE:SIZE", value_parser = device::rate)]
    pub device_read_bps: Vec<DeviceRate>,
    /// How many bytes a second it may write to a disk [default: no limit]
    #[arg(long, value_name = "DEVICE:SIZE", value_parser = device::rate)]
    pub device_write_bps: Vec<DeviceRate>,
    /// How often a second it may read from a disk [default: no limit]
    #[arg(long, value_name = "DEVICE:N", value_parser = device::operations)]
    pub device_read_iops: Vec<DeviceRate>,
    /// How often a second it may write to a disk [default: no limit]
    #[arg(long, value_name = "DEVICE:N", value_parser = device::operations)]
    pub device_write_iops: Vec<DeviceRate>,
    /// How readily it is killed when memory runs out, -1000 to 1000 [default: as rcon itself]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = oom_score)]
    pub oom_score_adj: Option<i32>,
    /// Let it wait instead of being killed when its memory is used up (cgroup v1 only) [default: killed]
    #[arg(long)]
    pub oom_kill_disable: bool,
    /// What each of its processes may use, as nofile=1024:2048 [default: as rcon itself]
    #[arg(long, value_name = "NAME=SOFT[:HARD]", value_parser = ulimit::parse)]
    pub ulimit: Vec<Ulimit>,
    /// Make its cgroup below this one [default: rcon's own]
    #[arg(long, value_name = "CGROUP")]
    pub cgroup_parent: Option<String>,
}

fn swappiness(text: &str) -> Result<i64> {
    units::number(text, -1, 100)
}

fn shares(text: &str) -> Result<i64> {
    if text == "0" {
        return Ok(0);
    }
    units::number(text, 2, 262_144)
}

fn positive(text: &str) -> Result<i64> {
    units::number(text, 0, i64::MAX)
}

fn quota(text: &str) -> Result<i64> {
    units::number(text, -1, i64::MAX)
}

fn oom_score(text: &str) -> Result<i32> {
    units::number(text, -1000, 1000).map(|n| n as i32)
}
