//! What a container may use. 0 is Docker's word for "not given".

use super::super::typed::Create;
use crate::container::Resources;

/// All limits.
pub fn build(typed: &Create) -> Resources {
    let limits = &typed.limits;
    let given = |value: Option<i64>| value.filter(|v| *v != 0);
    let positive = |value: Option<i64>| value.filter(|v| *v > 0).map(|v| v as u64);
    let list = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    // Here 0 says something, and -1 nothing.
    let swappiness = limits.memory_swappiness.filter(|s| *s >= 0);
    Resources {
        memory: given(limits.memory),
        memory_swap: given(limits.memory_swap),
        memory_reservation: given(limits.memory_reservation),
        memory_swappiness: swappiness.map(|s| s as u64),
        oom_kill_disable: limits.oom_kill_disable,
        nano_cpus: given(limits.cpus),
        cpu_shares: positive(limits.cpu_shares),
        cpu_period: positive(limits.cpu_period),
        cpu_quota: given(limits.cpu_quota),
        cpu_rt_period: positive(limits.cpu_rt_period),
        cpu_rt_runtime: given(limits.cpu_rt_runtime),
        cpuset_cpus: list(&limits.cpuset_cpus),
        cpuset_mems: list(&limits.cpuset_mems),
        pids_limit: given(limits.pids_limit),
        blkio_weight: limits.blkio_weight.filter(|w| *w != 0),
        blkio_weight_device: limits.blkio_weight_device.clone(),
        device_read_bps: limits.device_read_bps.clone(),
        device_write_bps: limits.device_write_bps.clone(),
        device_read_iops: limits.device_read_iops.clone(),
        device_write_iops: limits.device_write_iops.clone(),
        shm_size: positive(typed.files.shm_size),
    }
}
