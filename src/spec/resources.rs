//! How much of the machine a container may use.
//!
//! What is not asked for is not limited, and not written. What contradicts
//! itself is refused in Docker's words, before anything is made.

use std::path::Path;

use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxPids, LinuxResources, LinuxThrottleDevice,
    LinuxThrottleDeviceBuilder, LinuxWeightDevice, LinuxWeightDeviceBuilder,
};

use super::{HostFacts, Node, NodeKind};
use crate::container::{DeviceRate, Resources};
use crate::error::{Error, Result};
use crate::plan::cpu_list;

/// Less, and not even the first program starts.
const LEAST_MEMORY: i64 = 6 << 20;

/// How long the scheduler's accounts run, in microseconds; the kernel's own
/// default, and what `--cpus` is a part of.
const PERIOD: u64 = 100_000;

/// All limits but the device rules.
pub fn resources(r: &Resources, host: &HostFacts) -> Result<LinuxResources> {
    check_memory(r)?;
    check_cpu(r, host)?;
    let mut all = LinuxResources::default();
    all.set_memory(memory(r, host))
        .set_cpu(cpu(r))
        .set_pids(pids(r))
        .set_block_io(block_io(r, host)?);
    Ok(all)
}

/// Zero is how an option that was not given reads in Docker's own interface.
fn given(value: Option<i64>) -> Option<i64> {
    value.filter(|v| *v != 0)
}

fn refuse<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::user(text))
}

fn check_memory(r: &Resources) -> Result<()> {
    let (memory, swap) = (given(r.memory), given(r.memory_swap));
    let reservation = given(r.memory_reservation);
    if memory.is_some_and(|m| m < LEAST_MEMORY) {
        return refuse("Minimum memory limit allowed is 6MB");
    }
    if swap.is_some_and(|s| s < -1) {
        return refuse("Invalid value for memory-swap: -1 is no limit, and less cannot be");
    }
    match (memory, swap.filter(|s| *s > 0)) {
        (Some(m), Some(s)) if s < m => {
            return refuse(
                "Minimum memoryswap limit should be larger than memory limit, see usage",
            );
        }
        (None, Some(_)) => {
            return refuse(
                "You should always set the Memory limit when using Memoryswap limit, see usage",
            );
        }
        _ => {}
    }
    if reservation.is_some_and(|r| r < LEAST_MEMORY) {
        return refuse("Minimum memory reservation allowed is 6MB");
    }
    if memory.zip(reservation).is_some_and(|(m, r)| m < r) {
        return refuse(
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        );
    }
    match r.memory_swappiness.filter(|s| *s > 100) {
        Some(s) => refuse(format!(
            "Invalid value: {s}, valid memory swappiness range is 0-100"
        )),
        None => Ok(()),
    }
}

fn check_cpu(r: &Resources, host: &HostFacts) -> Result<()> {
    if let Some(nano) = given(r.nano_cpus) {
        if r.cpu_period.is_some_and(|p| p > 0) {
            return refuse("Conflicting options: Nano CPUs and CPU Period cannot both be set");
        }
        if r.cpu_quota.is_some_and(|q| q > 0) {
            return refuse("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
        }
        let cpus = host.cpus;
        // A hundredth of a processor is the kernel's least: 1 ms in 100 ms.
        if !(10_000_000..=i64::from(cpus) * 1_000_000_000).contains(&nano) {
            return refuse(format!(
                "range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available"
            ));
        }
    }
    if r.cpu_period
        .is_some_and(|p| p != 0 && !(1000..=1_000_000).contains(&p))
    {
        return refuse(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        );
    }
    if r.cpu_quota.is_some_and(|q| q > 0 && q < 1000) {
        return refuse("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    for (what, list) in [("cpus", &r.cpuset_cpus), ("mems", &r.cpuset_mems)] {
        let list = list.as_deref().unwrap_or_default();
        cpu_list(list).map_err(|e| e.context(format!("Invalid value {list} for cpuset {what}")))?;
    }
    Ok(())
}

/// With a limit on memory and none on swap, a container gets as much swap
/// again: enough to survive a peak, not enough to drag the machine down. That
/// nobody asked for, so a host that cannot do it is no error.
fn memory(r: &Resources, host: &HostFacts) -> Option<LinuxMemory> {
    let limit = given(r.memory);
    let implied = limit.filter(|_| host.swap_accounting);
    let swap = given(r.memory_swap).or(implied.map(|m| m.saturating_mul(2)));
    let mut memory = LinuxMemory::default();
    memory
        .set_limit(limit)
        // -1 with no limit below it is what holds anyway.
        .set_swap(swap.filter(|s| *s > 0 || limit.is_some()))
        .set_reservation(given(r.memory_reservation))
        .set_swappiness(r.memory_swappiness)
        .set_disable_oom_killer(r.oom_kill_disable.then_some(true));
    (memory != LinuxMemory::default()).then_some(memory)
}

fn cpu(r: &Resources) -> Option<LinuxCpu> {
    let text = |list: &Option<String>| list.clone().filter(|l| !l.is_empty());
    let part = given(r.nano_cpus).map(|nano| {
        // In the order that loses nothing: at most cpus × 10⁹ × 10⁵ < 2⁶³.
        nano.saturating_mul(PERIOD as i64) / 1_000_000_000
    });
    let period = r.cpu_period.filter(|p| *p != 0);
    let mut cpu = LinuxCpu::default();
    cpu.set_shares(r.cpu_shares.filter(|s| *s != 0))
        .set_quota(part.or(given(r.cpu_quota)))
        .set_period(part.map(|_| PERIOD).or(period))
        .set_realtime_period(r.cpu_rt_period.filter(|p| *p != 0))
        .set_realtime_runtime(given(r.cpu_rt_runtime))
        .set_cpus(text(&r.cpuset_cpus))
        .set_mems(text(&r.cpuset_mems));
    (cpu != LinuxCpu::default()).then_some(cpu)
}

fn pids(r: &Resources) -> Option<LinuxPids> {
    let limit = r.pids_limit?;
    let mut pids = LinuxPids::default();
    pids.set_limit(if limit <= 0 { -1 } else { limit });
    Some(pids)
}

fn block_io(r: &Resources, host: &HostFacts) -> Result<Option<LinuxBlockIo>> {
    let weight = r.blkio_weight.filter(|w| *w != 0);
    let per_device = r.blkio_weight_device.iter().map(|d| d.weight);
    if weight
        .into_iter()
        .chain(per_device)
        .any(|w| !(10..=1000).contains(&w))
    {
        return refuse("Range of blkio weight is from 10 to 1000");
    }
    let weights = r
        .blkio_weight_device
        .iter()
        .map(|d| weight_device(&d.path, d.weight, host));
    let weights = weights.collect::<Result<Vec<_>>>()?;
    let rates = |list: &[DeviceRate]| -> Result<Option<Vec<LinuxThrottleDevice>>> {
        let all = list.iter().map(|d| throttle_device(d, host));
        let all = all.collect::<Result<Vec<_>>>()?;
        Ok((!all.is_empty()).then_some(all))
    };
    let mut io = LinuxBlockIo::default();
    io.set_weight(weight)
        .set_weight_device((!weights.is_empty()).then_some(weights))
        .set_throttle_read_bps_device(rates(&r.device_read_bps)?)
        .set_throttle_write_bps_device(rates(&r.device_write_bps)?)
        .set_throttle_read_iops_device(rates(&r.device_read_iops)?)
        .set_throttle_write_iops_device(rates(&r.device_write_iops)?);
    Ok((io != LinuxBlockIo::default()).then_some(io))
}

fn weight_device(path: &Path, weight: u16, host: &HostFacts) -> Result<LinuxWeightDevice> {
    let node = block_device(path, host)?;
    let device = LinuxWeightDeviceBuilder::default()
        .major(node.major)
        .minor(node.minor)
        .weight(weight);
    Ok(super::built(device.build()))
}

fn throttle_device(rate: &DeviceRate, host: &HostFacts) -> Result<LinuxThrottleDevice> {
    let node = block_device(&rate.path, host)?;
    let device = LinuxThrottleDeviceBuilder::default()
        .major(node.major)
        .minor(node.minor)
        .rate(rate.rate);
    Ok(super::built(device.build()))
}

fn block_device<'h>(path: &Path, host: &'h HostFacts) -> Result<&'h Node> {
    let node = match host.nodes.get(path).map(Vec::as_slice) {
        Some([node]) if node.kind == NodeKind::Block => Some(node),
        _ => None,
    };
    node.ok_or_else(|| Error::user(format!("{} is not a block device", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::DeviceWeight;
    use crate::spec::tests::{host, node};

    const MB: i64 = 1 << 20;

    fn of(change: impl FnOnce(&mut Resources)) -> Result<LinuxResources> {
        let mut r = Resources::default();
        change(&mut r);
        let mut host = host();
        host.cpus = 4;
        let mut disk = node("/dev/sda", 8, 0);
        disk.kind = NodeKind::Block;
        host.nodes.insert("/dev/sda".into(), vec![disk]);
        host.nodes
            .insert("/dev/tty0".into(), vec![node("/dev/tty0", 4, 0)]);
        resources(&r, &host)
    }

    #[test]
    fn nothing_asked_is_nothing_written() {
        assert_eq!(of(|_| {}).unwrap(), LinuxResources::default());
    }

    #[test]
    fn swap_is_twice_the_memory_unless_said() {
        for (memory, swap, want) in [
            (64 * MB, None, Some(128 * MB)),
            (64 * MB, Some(0), Some(128 * MB)),
            (64 * MB, Some(64 * MB), Some(64 * MB)),
            (64 * MB, Some(-1), Some(-1)),
            (0, Some(-1), None),
        ] {
            let all = of(|r| (r.memory, r.memory_swap) = (Some(memory), swap)).unwrap();
            let got = all.memory().as_ref().and_then(LinuxMemory::swap);
            assert_eq!(got, want, "{memory} {swap:?}");
        }
        let mut host = host();
        host.swap_accounting = false;
        let mut r = Resources {
            memory: Some(64 * MB),
            ..Resources::default()
        };
        assert_eq!(memory(&r, &host).unwrap().swap(), None);
        r.memory_swap = Some(99 * MB);
        assert_eq!(memory(&r, &host).unwrap().swap(), Some(99 * MB));
    }

    #[test]
    fn cpus_are_a_part_of_a_period() {
        for (nano, quota) in [
            (1_500_000_000, 150_000),
            (10_000_000, 1000),
            (4_000_000_000, 400_000),
        ] {
            let all = of(|r| r.nano_cpus = Some(nano)).unwrap();
            let cpu = all.cpu().clone().unwrap();
            assert_eq!((cpu.quota(), cpu.period()), (Some(quota), Some(PERIOD)));
        }
    }

    #[test]
    fn pids_below_one_are_no_limit() {
        for (asked, want) in [(5, 5), (0, -1), (-1, -1), (-7, -1)] {
            let all = of(|r| r.pids_limit = Some(asked)).unwrap();
            assert_eq!(all.pids().unwrap().limit(), want);
        }
    }

    #[test]
    fn devices_go_by_their_numbers() {
        let rate = |rate| DeviceRate {
            path: "/dev/sda".into(),
            rate,
        };
        let all = of(|r| {
            r.blkio_weight = Some(300);
            r.blkio_weight_device = vec![DeviceWeight {
                path: "/dev/sda".into(),
                weight: 20,
            }];
            r.device_read_bps = vec![rate(1)];
            r.device_write_bps = vec![rate(2)];
            r.device_read_iops = vec![rate(3)];
            r.device_write_iops = vec![rate(4)];
        });
        let io = serde_json::to_value(all.unwrap().block_io()).unwrap();
        assert_eq!(io["weight"], 300);
        assert_eq!(io["weightDevice"][0]["weight"], 20);
        for (key, rate) in [
            ("throttleReadBpsDevice", 1),
            ("throttleWriteBpsDevice", 2),
            ("throttleReadIOPSDevice", 3),
            ("throttleWriteIOPSDevice", 4),
        ] {
            assert_eq!(io[key][0]["major"], 8, "{key}: {io}");
            assert_eq!(io[key][0]["rate"], rate, "{key}");
        }
    }

    type Change = fn(&mut Resources);

    #[test]
    fn what_contradicts_itself_is_refused() {
        let cases: &[(Change, &str)] = &[
            (
                |r| r.memory = Some(6 * MB - 1),
                "Minimum memory limit allowed is 6MB",
            ),
            (
                |r| r.memory = Some(-1),
                "Minimum memory limit allowed is 6MB",
            ),
            (
                |r| (r.memory, r.memory_swap) = (Some(9 * MB), Some(8 * MB)),
                "Minimum memoryswap limit should be larger than memory limit",
            ),
            (
                |r| r.memory_swap = Some(8 * MB),
                "always set the Memory limit",
            ),
            (|r| r.memory_swap = Some(-2), "memory-swap"),
            (
                |r| r.memory_reservation = Some(MB),
                "Minimum memory reservation allowed is 6MB",
            ),
            (
                |r| (r.memory, r.memory_reservation) = (Some(8 * MB), Some(9 * MB)),
                "can not be less than memory reservation",
            ),
            (|r| r.memory_swappiness = Some(101), "Invalid value: 101"),
            (
                |r| (r.nano_cpus, r.cpu_period) = (Some(1_000_000_000), Some(1000)),
                "Nano CPUs and CPU Period",
            ),
            (
                |r| (r.nano_cpus, r.cpu_quota) = (Some(1_000_000_000), Some(1000)),
                "Nano CPUs and CPU Quota",
            ),
            (
                |r| r.nano_cpus = Some(4_000_000_001),
                "range of CPUs is from 0.01 to 4.00",
            ),
            (|r| r.nano_cpus = Some(-1), "range of CPUs is from 0.01"),
            (|r| r.cpu_period = Some(999), "CPU cfs period"),
            (|r| r.cpu_quota = Some(999), "CPU cfs quota"),
            (
                |r| r.cpuset_cpus = Some("0-".to_owned()),
                "Invalid value 0- for cpuset cpus",
            ),
            (
                |r| r.cpuset_mems = Some("x".to_owned()),
                "Invalid value x for cpuset mems",
            ),
            (
                |r| r.blkio_weight = Some(9),
                "Range of blkio weight is from 10 to 1000",
            ),
            (
                |r| {
                    r.device_read_bps = vec![DeviceRate {
                        path: "/dev/tty0".into(),
                        rate: 1,
                    }];
                },
                "/dev/tty0 is not a block device",
            ),
        ];
        for (change, text) in cases {
            let e = of(change).unwrap_err().to_string();
            assert!(e.contains(text), "wanted {text:?}, got {e:?}");
        }
    }
}
