//! What a container may use.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Limits; what is absent has none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Bytes of memory.
    pub memory: Option<i64>,
    /// Bytes of memory and swap together; -1 is as much as there is.
    pub memory_swap: Option<i64>,
    /// Bytes it is pressed back to when memory is short.
    pub memory_reservation: Option<i64>,
    /// 0 to 100.
    pub memory_swappiness: Option<u64>,
    /// It waits instead of being killed. Version 1 only.
    pub oom_kill_disable: bool,
    /// Billionths of a processor.
    pub nano_cpus: Option<i64>,
    /// Its weight among others; 1024 is one share.
    pub cpu_shares: Option<u64>,
    /// Microseconds.
    pub cpu_period: Option<u64>,
    /// Microseconds in each period.
    pub cpu_quota: Option<i64>,
    /// The same for realtime.
    pub cpu_rt_period: Option<u64>,
    /// The same for realtime.
    pub cpu_rt_runtime: Option<i64>,
    /// As in `0-2,7`.
    pub cpuset_cpus: Option<String>,
    /// As in `0,1`.
    pub cpuset_mems: Option<String>,
    /// How many processes and threads; -1 is no limit.
    pub pids_limit: Option<i64>,
    /// 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// The same for one device.
    pub blkio_weight_device: Vec<DeviceWeight>,
    /// Bytes a second.
    pub device_read_bps: Vec<DeviceRate>,
    /// Bytes a second.
    pub device_write_bps: Vec<DeviceRate>,
    /// Operations a second.
    pub device_read_iops: Vec<DeviceRate>,
    /// Operations a second.
    pub device_write_iops: Vec<DeviceRate>,
    /// Bytes of `/dev/shm`.
    pub shm_size: Option<u64>,
}

/// A limit on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRate {
    /// On the host.
    pub path: PathBuf,
    /// A second.
    pub rate: u64,
}

/// A weight on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceWeight {
    /// On the host.
    pub path: PathBuf,
    /// 10 to 1000.
    pub weight: u16,
}
