//! Memory, and swap, which v1 and v2 count differently.

use oci_spec::runtime::LinuxMemory;

use super::{Guard, Plan, Write, bad, only_v1, set};
use crate::cgroup::layout::Version;
use crate::error::Result;

const LIMIT: &str = "memory.limit";
const SWAP: &str = "memory.swap";
const RESERVATION: &str = "memory.reservation";

impl Plan<'_> {
    pub(super) fn memory(&mut self, memory: Option<&LinuxMemory>) -> Result<()> {
        let Some(memory) = memory else { return Ok(()) };
        let Some(field) = first_field(memory) else {
            return Ok(());
        };
        check(memory)?;
        match self.version_of("memory", field)? {
            Version::V1 => {
                self.memory_v1(memory);
                Ok(())
            }
            Version::V2 => self.memory_v2(memory),
        }
    }

    fn memory_v1(&mut self, memory: &LinuxMemory) {
        let mut add = |file: &str, value: i64, field| {
            self.writes.push(Write::new("memory", file, value, field));
        };
        let limit = set(memory.limit());
        // The kernel keeps limit ≤ limit+swap at every moment. Lowering works
        // in this order; raising needs the other, so the limit goes again.
        if let Some(limit) = limit {
            add("memory.limit_in_bytes", limit, LIMIT);
        }
        if let Some(swap) = swap_v1(memory) {
            add("memory.memsw.limit_in_bytes", swap, SWAP);
        }
        if let Some(reservation) = set(memory.reservation()) {
            add("memory.soft_limit_in_bytes", reservation, RESERVATION);
        }
        if let Some(kernel) = set(memory.kernel()) {
            add("memory.kmem.limit_in_bytes", kernel, "memory.kernel");
        }
        if let Some(tcp) = set(memory.kernel_tcp()) {
            add("memory.kmem.tcp.limit_in_bytes", tcp, "memory.kernelTCP");
        }
        if let Some(hierarchy) = memory.use_hierarchy() {
            add(
                "memory.use_hierarchy",
                i64::from(hierarchy),
                "memory.useHierarchy",
            );
        }
        if let Some(swappiness) = swappiness(memory) {
            add("memory.swappiness", swappiness as i64, "memory.swappiness");
        }
        if memory.disable_oom_killer() == Some(true) {
            add("memory.oom_control", 1, "memory.disableOOMKiller");
        }
        for write in &mut self.writes {
            soften_v1(write, limit);
        }
    }

    fn memory_v2(&mut self, memory: &LinuxMemory) -> Result<()> {
        refuse_v1_only(memory)?;
        if let Some(swap) = swap_v2(memory)? {
            // Without swap accounting, "any" and "none" are both a given.
            let write = Write::new("memory", "memory.swap.max", bytes_v2(swap), SWAP);
            self.push(if swap <= 0 { write.or_skip() } else { write });
        }
        if let Some(limit) = set(memory.limit()) {
            let mut write = Write::new("memory", "memory.max", bytes_v2(limit), LIMIT);
            write.guard = guard(memory);
            self.push(write);
        }
        if let Some(low) = set(memory.reservation()) {
            self.push(Write::new(
                "memory",
                "memory.low",
                bytes_v2(low),
                RESERVATION,
            ));
        }
        Ok(())
    }
}

/// The two v1 writes that are not simply "do it or fail".
fn soften_v1(write: &mut Write, limit: Option<i64>) {
    match write.file.as_str() {
        "memory.limit_in_bytes" => *write = write.clone().or_later(),
        // Without swap accounting there is no file, and for "no swap beyond
        // the limit" or "any amount" none is needed.
        "memory.memsw.limit_in_bytes"
            if write.value == "-1" || limit.is_some_and(|l| write.value == l.to_string()) =>
        {
            *write = write.clone().or_skip();
        }
        _ => {}
    }
}

/// Values no kernel could take, refused before anything is made.
fn check(memory: &LinuxMemory) -> Result<()> {
    let (limit, swap) = (memory.limit(), memory.swap());
    let all = [
        (limit, LIMIT),
        (swap, SWAP),
        (memory.reservation(), RESERVATION),
    ];
    for (value, field) in all {
        if let Some(v) = value.filter(|v| *v < -1) {
            return Err(bad(
                field,
                format!("is {v}; only -1 (unlimited) may be negative"),
            ));
        }
    }
    if let (Some(limit), Some(swap)) = (set(limit), set(swap))
        && swap != -1
        && limit > swap
    {
        let why = format!(
            "is {swap}, less than memory.limit {limit}; it counts memory and swap together"
        );
        return Err(bad(SWAP, why));
    }
    match swappiness(memory) {
        Some(s) if s > 100 => Err(bad(
            "memory.swappiness",
            format!("is {s}; the kernel takes 0 to 100"),
        )),
        _ => Ok(()),
    }
}

/// Docker writes "unset" as −1 in an unsigned field.
fn swappiness(memory: &LinuxMemory) -> Option<u64> {
    memory.swappiness().filter(|s| *s != u64::MAX)
}

/// An unlimited memory with an old memory+swap limit would be no such thing.
fn swap_v1(memory: &LinuxMemory) -> Option<i64> {
    match (memory.limit(), set(memory.swap())) {
        (Some(-1), None) => Some(-1),
        (_, swap) => swap,
    }
}

/// The spec counts memory and swap together, v2 swap alone.
fn swap_v2(memory: &LinuxMemory) -> Result<Option<i64>> {
    match (set(memory.limit()), set(memory.swap())) {
        (Some(-1), None) | (_, Some(-1)) => Ok(Some(-1)),
        (_, None) => Ok(None),
        (Some(-1), Some(swap)) => Ok(Some(swap)),
        (Some(limit), Some(swap)) => Ok(Some(swap - limit)),
        (None, Some(_)) => Err(bad(
            SWAP,
            "needs memory.limit beside it: it counts both together and cgroup v2 counts swap alone",
        )),
    }
}

fn bytes_v2(value: i64) -> String {
    match value {
        -1 => "max".to_owned(),
        v => v.to_string(),
    }
}

/// v1 refuses a limit below the usage by itself; v2 takes it and kills.
fn guard(memory: &LinuxMemory) -> Option<Guard> {
    let limit = memory.limit().and_then(|l| u64::try_from(l).ok())?;
    (memory.check_before_update() == Some(true)).then_some(Guard {
        usage_file: "memory.current",
        limit,
    })
}

fn refuse_v1_only(memory: &LinuxMemory) -> Result<()> {
    let asked = [
        (
            set(memory.kernel()).is_some_and(|k| k != -1),
            "memory.kernel",
        ),
        (
            set(memory.kernel_tcp()).is_some_and(|k| k != -1),
            "memory.kernelTCP",
        ),
        (swappiness(memory).is_some(), "memory.swappiness"),
        (
            memory.disable_oom_killer() == Some(true),
            "memory.disableOOMKiller",
        ),
        (memory.use_hierarchy() == Some(false), "memory.useHierarchy"),
    ];
    match asked.into_iter().find(|(there, _)| *there) {
        Some((_, field)) => Err(only_v1(field)),
        None => Ok(()),
    }
}

/// The field to name when there is no memory controller at all.
fn first_field(memory: &LinuxMemory) -> Option<&'static str> {
    let asked = [
        (set(memory.limit()).is_some(), LIMIT),
        (set(memory.swap()).is_some(), SWAP),
        (set(memory.reservation()).is_some(), RESERVATION),
        (set(memory.kernel()).is_some(), "memory.kernel"),
        (set(memory.kernel_tcp()).is_some(), "memory.kernelTCP"),
        (swappiness(memory).is_some(), "memory.swappiness"),
        (
            memory.disable_oom_killer() == Some(true),
            "memory.disableOOMKiller",
        ),
        (memory.use_hierarchy().is_some(), "memory.useHierarchy"),
    ];
    asked
        .into_iter()
        .find(|(there, _)| *there)
        .map(|(_, field)| field)
}
