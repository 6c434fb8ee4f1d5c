//! What a container has used, in the JSON that `runc events --stats` prints.
//!
//! [`collect`] reads through a [`Source`], so the counters of a v2 machine
//! can be tested on any other. Field names and what is left out when zero are
//! runc's, since podman, containerd and dashboards parse them; so is the
//! meaning: on v2, `swap` counts memory and swap together as v1 always did,
//! and CPU times are nanoseconds.

pub mod parse;
mod report;

use std::collections::BTreeMap;

pub use report::{
    Blkio, Cpu, CpuSet, CpuUsage, Hugetlb, Memory, MemoryEntry, Pids, Stats, Throttling,
};

use self::parse::{BlkioEntry, Psi};
use super::layout::Version;
use crate::error::Result;

/// Where the counters come from.
pub trait Source {
    /// Which generation has `controller`, or `None`.
    fn version(&self, controller: &str) -> Option<Version>;
    /// The text of a file in `controller`'s cgroup; `None` if there is none.
    fn read(&self, controller: &str, file: &str) -> Result<Option<String>>;
}

/// Reads everything there is; `page_sizes` are the huge pages this machine
/// has, as cgroup files call them (`2MB`).
pub fn collect(source: &impl Source, page_sizes: &[String]) -> Result<Stats> {
    let reader = Reader(source);
    Ok(Stats {
        cpu: reader.cpu()?,
        cpuset: reader.cpuset()?,
        memory: reader.memory()?,
        pids: reader.pids()?,
        blkio: reader.blkio()?,
        hugetlb: reader.hugetlb(page_sizes)?,
        ..Stats::default()
    })
}

struct Reader<'a, S>(&'a S);

impl<S: Source> Reader<'_, S> {
    fn is_v2(&self, controller: &str) -> bool {
        self.0.version(controller) == Some(Version::V2)
    }

    fn text(&self, controller: &str, file: &str) -> Result<String> {
        Ok(self.0.read(controller, file)?.unwrap_or_default())
    }

    fn number(&self, controller: &str, file: &str) -> Result<u64> {
        Ok(parse::number(&self.text(controller, file)?).unwrap_or(0))
    }

    fn map(&self, controller: &str, file: &str) -> Result<BTreeMap<String, u64>> {
        Ok(parse::flat_keyed(&self.text(controller, file)?))
    }

    fn psi(&self, controller: &str, file: &str) -> Result<Option<Psi>> {
        let text = self.0.read(controller, file)?;
        Ok(text.as_deref().and_then(parse::psi))
    }

    fn cpu(&self) -> Result<Cpu> {
        if self.is_v2("cpu") {
            return self.cpu_v2();
        }
        let stat = self.map("cpu", "cpu.stat")?;
        let get = |key| stat.get(key).copied().unwrap_or(0);
        let (percpu_user, percpu_kernel) =
            parse::usage_all(&self.text("cpuacct", "cpuacct.usage_all")?);
        let ticks = self.map("cpuacct", "cpuacct.stat")?;
        let time = |key| ticks.get(key).map_or(0, |t| parse::ticks_to_ns(*t));
        Ok(Cpu {
            usage: CpuUsage {
                total: self.number("cpuacct", "cpuacct.usage")?,
                percpu: parse::numbers(&self.text("cpuacct", "cpuacct.usage_percpu")?),
                percpu_kernel,
                percpu_user,
                kernel: time("system"),
                user: time("user"),
            },
            throttling: Throttling {
                periods: get("nr_periods"),
                throttled_periods: get("nr_throttled"),
                throttled_time: get("throttled_time"),
            },
            psi: None,
        })
    }

    fn cpu_v2(&self) -> Result<Cpu> {
        let stat = self.map("cpu", "cpu.stat")?;
        let get = |key| stat.get(key).copied().unwrap_or(0);
        Ok(Cpu {
            usage: CpuUsage {
                total: get("usage_usec") * 1000,
                kernel: get("system_usec") * 1000,
                user: get("user_usec") * 1000,
                ..CpuUsage::default()
            },
            throttling: Throttling {
                periods: get("nr_periods"),
                throttled_periods: get("nr_throttled"),
                throttled_time: get("throttled_usec") * 1000,
            },
            psi: self.psi("cpu", "cpu.pressure")?,
        })
    }

    fn cpuset(&self) -> Result<CpuSet> {
        if self.is_v2("cpuset") {
            return Ok(CpuSet::default());
        }
        let number = |file: &str| self.number("cpuset", &format!("cpuset.{file}"));
        let level = self.text("cpuset", "cpuset.sched_relax_domain_level")?;
        Ok(CpuSet {
            cpus: parse::list(&self.text("cpuset", "cpuset.cpus")?),
            cpu_exclusive: number("cpu_exclusive")?,
            mems: parse::list(&self.text("cpuset", "cpuset.mems")?),
            mem_hardwall: number("mem_hardwall")?,
            mem_exclusive: number("mem_exclusive")?,
            memory_migrate: number("memory_migrate")?,
            memory_spread_page: number("memory_spread_page")?,
            memory_spread_slab: number("memory_spread_slab")?,
            memory_pressure: number("memory_pressure")?,
            sched_load_balance: number("sched_load_balance")?,
            sched_relax_domain_level: level.trim().parse().unwrap_or(0),
        })
    }

    fn memory(&self) -> Result<Memory> {
        let raw = self.map("memory", "memory.stat")?;
        if self.is_v2("memory") {
            return self.memory_v2(raw);
        }
        Ok(Memory {
            cache: raw.get("cache").copied().unwrap_or(0),
            usage: self.memory_entry_v1("memory")?,
            swap: self.memory_entry_v1("memory.memsw")?,
            kernel: self.memory_entry_v1("memory.kmem")?,
            kernel_tcp: self.memory_entry_v1("memory.kmem.tcp")?,
            raw,
            psi: None,
        })
    }

    fn memory_entry_v1(&self, prefix: &str) -> Result<MemoryEntry> {
        let number = |file: &str| self.number("memory", &format!("{prefix}.{file}"));
        Ok(MemoryEntry {
            limit: number("limit_in_bytes")?,
            usage: number("usage_in_bytes")?,
            max: number("max_usage_in_bytes")?,
            failcnt: number("failcnt")?,
        })
    }

    fn memory_v2(&self, raw: BTreeMap<String, u64>) -> Result<Memory> {
        let usage = self.memory_entry_v2("memory")?;
        let swap = self.memory_entry_v2("memory.swap")?;
        Ok(Memory {
            cache: raw.get("file").copied().unwrap_or(0),
            usage,
            swap: MemoryEntry {
                limit: swap.limit.saturating_add(usage.limit),
                usage: swap.usage + usage.usage,
                // The two peaks need not have been at the same time.
                max: 0,
                failcnt: 0,
            },
            raw,
            psi: self.psi("memory", "memory.pressure")?,
            ..Memory::default()
        })
    }

    fn memory_entry_v2(&self, prefix: &str) -> Result<MemoryEntry> {
        let number = |file: &str| self.number("memory", &format!("{prefix}.{file}"));
        Ok(MemoryEntry {
            limit: number("max")?,
            usage: number("current")?,
            max: number("peak")?,
            failcnt: 0,
        })
    }

    fn pids(&self) -> Result<Pids> {
        // Where the controller is off, the processes can still be counted.
        let current = match self.0.read("pids", "pids.current")? {
            Some(text) => parse::number(&text).unwrap_or(0),
            None if self.is_v2("pids") => self.text("pids", "cgroup.procs")?.lines().count() as u64,
            None => 0,
        };
        let limit = match self.number("pids", "pids.max")? {
            u64::MAX => 0,
            limit => limit,
        };
        Ok(Pids { current, limit })
    }

    fn blkio(&self) -> Result<Blkio> {
        if self.is_v2("io") {
            let mut blkio = parse::io_stat(&self.text("io", "io.stat")?);
            blkio.psi = self.psi("io", "io.pressure")?;
            return Ok(blkio);
        }
        let mut blkio = Blkio::default();
        for family in BLKIO_FAMILIES {
            for (file, field) in *family {
                *field(&mut blkio) = parse::blkio(&self.text("blkio", file)?);
            }
            let (_, first) = family[0];
            if !first(&mut blkio).is_empty() {
                break;
            }
        }
        Ok(blkio)
    }

    fn hugetlb(&self, page_sizes: &[String]) -> Result<BTreeMap<String, Hugetlb>> {
        let mut out = BTreeMap::new();
        for size in page_sizes {
            let one = if self.is_v2("hugetlb") {
                self.hugetlb_v2(size)?
            } else {
                self.hugetlb_v1(size)?
            };
            out.extend(one.map(|one| (size.clone(), one)));
        }
        Ok(out)
    }

    fn hugetlb_v1(&self, size: &str) -> Result<Option<Hugetlb>> {
        for prefix in [format!("hugetlb.{size}.rsvd"), format!("hugetlb.{size}")] {
            let number = |file: &str| self.number("hugetlb", &format!("{prefix}.{file}"));
            if let Some(usage) = self
                .0
                .read("hugetlb", &format!("{prefix}.usage_in_bytes"))?
            {
                return Ok(Some(Hugetlb {
                    usage: parse::number(&usage).unwrap_or(0),
                    max: number("max_usage_in_bytes")?,
                    failcnt: number("failcnt")?,
                }));
            }
        }
        Ok(None)
    }

    fn hugetlb_v2(&self, size: &str) -> Result<Option<Hugetlb>> {
        for middle in [".rsvd", ""] {
            if let Some(usage) = self
                .0
                .read("hugetlb", &format!("hugetlb.{size}{middle}.current"))?
            {
                let events = self.map("hugetlb", &format!("hugetlb.{size}.events"))?;
                return Ok(Some(Hugetlb {
                    usage: parse::number(&usage).unwrap_or(0),
                    max: 0,
                    failcnt: events.get("max").copied().unwrap_or(0),
                }));
            }
        }
        Ok(None)
    }
}

type BlkioField = fn(&mut Blkio) -> &mut Vec<BlkioEntry>;

/// Which files have the counters depends on the I/O scheduler and kernel
/// version; the first family whose first file has anything in it is used.
const BLKIO_FAMILIES: &[&[(&str, BlkioField)]] = &[
    &[
        ("blkio.bfq.sectors_recursive", |b| &mut b.sectors_recursive),
        ("blkio.bfq.io_service_time_recursive", |b| {
            &mut b.io_service_time_recursive
        }),
        ("blkio.bfq.io_wait_time_recursive", |b| {
            &mut b.io_wait_time_recursive
        }),
        ("blkio.bfq.io_merged_recursive", |b| {
            &mut b.io_merged_recursive
        }),
        ("blkio.bfq.io_queued_recursive", |b| {
            &mut b.io_queue_recursive
        }),
        ("blkio.bfq.time_recursive", |b| &mut b.io_time_recursive),
        ("blkio.bfq.io_serviced_recursive", |b| {
            &mut b.io_serviced_recursive
        }),
        ("blkio.bfq.io_service_bytes_recursive", |b| {
            &mut b.io_service_bytes_recursive
        }),
    ],
    &[
        ("blkio.bfq.io_serviced_recursive", |b| {
            &mut b.io_serviced_recursive
        }),
        ("blkio.bfq.io_service_bytes_recursive", |b| {
            &mut b.io_service_bytes_recursive
        }),
    ],
    &[
        ("blkio.sectors_recursive", |b| &mut b.sectors_recursive),
        ("blkio.io_service_time_recursive", |b| {
            &mut b.io_service_time_recursive
        }),
        ("blkio.io_wait_time_recursive", |b| {
            &mut b.io_wait_time_recursive
        }),
        ("blkio.io_merged_recursive", |b| &mut b.io_merged_recursive),
        ("blkio.io_queued_recursive", |b| &mut b.io_queue_recursive),
        ("blkio.time_recursive", |b| &mut b.io_time_recursive),
        ("blkio.io_serviced_recursive", |b| {
            &mut b.io_serviced_recursive
        }),
        ("blkio.io_service_bytes_recursive", |b| {
            &mut b.io_service_bytes_recursive
        }),
    ],
    &[
        ("blkio.throttle.io_serviced_recursive", |b| {
            &mut b.io_serviced_recursive
        }),
        ("blkio.throttle.io_service_bytes_recursive", |b| {
            &mut b.io_service_bytes_recursive
        }),
    ],
    &[
        ("blkio.throttle.io_serviced", |b| {
            &mut b.io_serviced_recursive
        }),
        ("blkio.throttle.io_service_bytes", |b| {
            &mut b.io_service_bytes_recursive
        }),
    ],
];

#[cfg(test)]
mod tests;
