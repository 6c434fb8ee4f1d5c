//! How much this process may use: what its cgroups say for all of the
//! container together, and `/proc/self/limits` for each process.

use std::fs;

use serde::Serialize;

use crate::cgroup::layout::{Hierarchy, Layout, Version};

/// What the cgroups allow; nothing: as much as there is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processors, in parts: 0.5 is half of the time of one.
    pub cpus: Option<f64>,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// Which generation of cgroups says so.
    pub cgroups: Option<Generation>,
}

/// See [`Version`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Generation {
    /// A tree for each controller.
    #[serde(rename = "v1")]
    V1,
    /// One tree for all.
    #[serde(rename = "v2")]
    V2,
}

/// One line of `/proc/self/limits`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ulimit {
    /// `open files`.
    pub name: String,
    /// What holds now.
    pub soft: Option<u64>,
    /// How far the program may raise it by itself.
    pub hard: Option<u64>,
}

/// What the kernel writes for "no limit" in a v1 memory cgroup is the largest
/// number of whole pages, which depends on the page's size.
const BEYOND: u64 = 1 << 60;

/// What this process's cgroups allow, as far as it can see them.
pub fn of_cgroups(mountinfo: &str, own: &str) -> Limits {
    let layout = Layout::parse(mountinfo, own);
    let controllers = layout.v2().and_then(|v2| file(v2, "cgroup.controllers"));
    let layout = layout.with_v2_controllers(&controllers.unwrap_or_default());
    let memory = layout.find("memory");
    let cpu = layout.find("cpu");
    let pids = layout.find("pids");
    Limits {
        memory: memory.and_then(|h| match h.version {
            Version::V1 => number(&file(h, "memory.limit_in_bytes")?),
            Version::V2 => number(&file(h, "memory.max")?),
        }),
        cpus: cpu.and_then(|h| match h.version {
            Version::V1 => {
                let period = file(h, "cpu.cfs_period_us")?;
                share(&file(h, "cpu.cfs_quota_us")?, &period)
            }
            Version::V2 => {
                let text = file(h, "cpu.max")?;
                let (quota, period) = text.split_once(' ')?;
                share(quota, period)
            }
        }),
        processes: pids.and_then(|h| number(&file(h, "pids.max")?)),
        cgroups: memory.or(cpu).or(pids).map(|h| match h.version {
            Version::V1 => Generation::V1,
            Version::V2 => Generation::V2,
        }),
    }
}

fn file(hierarchy: &Hierarchy, name: &str) -> Option<String> {
    let own = hierarchy.own_below_mount().ok()?;
    fs::read_to_string(hierarchy.mount.join(own).join(name)).ok()
}

/// A limit; `max`, and what amounts to it, is none.
fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|n| *n < BEYOND)
}

/// Processors' worth of time: `quota` of every `period`.
#[allow(
    clippy::cast_precision_loss,
    reason = "microseconds of a period are few"
)]
fn share(quota: &str, period: &str) -> Option<f64> {
    let quota: u64 = quota.trim().parse().ok()?;
    let period: u64 = period.trim().parse().ok().filter(|p| *p > 0)?;
    Some(quota as f64 / period as f64)
}

/// The table in `/proc/self/limits`. Its columns are as wide as its header.
pub fn ulimits(text: &str) -> Vec<Ulimit> {
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let columns = ["Soft Limit", "Hard Limit", "Units"].map(|c| header.find(c));
    let [Some(soft), Some(hard), Some(units)] = columns else {
        return Vec::new();
    };
    let limit = |text: &str| text.trim().parse().ok();
    lines
        .filter_map(|line| {
            let name = line.get(..soft)?.trim();
            Some(Ulimit {
                name: name.strip_prefix("Max ").unwrap_or(name).to_owned(),
                soft: limit(line.get(soft..hard)?),
                hard: limit(line.get(hard..units.min(line.len()))?),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_or_none() {
        assert_eq!(number("67108864\n"), Some(67_108_864));
        for text in ["max\n", "9223372036854771712\n", "", "-1"] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }

    #[test]
    fn parts_of_a_processor() {
        assert_eq!(share("50000", "100000\n"), Some(0.5));
        assert_eq!(share("250000", "100000"), Some(2.5));
        for (quota, period) in [("-1", "100000"), ("max", "100000"), ("1", "0"), ("1", "")] {
            assert_eq!(share(quota, period), None, "{quota:?} {period:?}");
        }
    }

    #[test]
    fn both_generations_of_cgroups() {
        let dir = std::env::temp_dir().join(format!("rcon-test-hello-{}", std::process::id()));
        let at = dir.display();
        let put = |name: &str, text: &str| {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("v1/memory/memory.limit_in_bytes", "1048576\n");
        put("v1/cpu/cpu.cfs_quota_us", "150000\n");
        put("v1/cpu/cpu.cfs_period_us", "100000\n");
        let old = of_cgroups(
            &format!(
                "1 1 0:1 / {at}/v1/memory ro - cgroup cgroup rw,memory\n\
                 2 1 0:2 / {at}/v1/cpu ro - cgroup cgroup rw,cpu,cpuacct\n"
            ),
            "2:memory:/\n1:cpu,cpuacct:/\n",
        );
        put("v2/box/cgroup.controllers", "memory cpu pids\n");
        put("v2/box/memory.max", "max\n");
        put("v2/box/cpu.max", "50000 100000\n");
        put("v2/box/pids.max", "100\n");
        let new = of_cgroups(
            &format!("1 1 0:1 / {at}/v2 ro - cgroup2 cgroup rw\n"),
            "0::/box\n",
        );
        fs::remove_dir_all(&dir).unwrap();
        let want = Limits {
            memory: Some(1_048_576),
            cpus: Some(1.5),
            processes: None,
            cgroups: Some(Generation::V1),
        };
        assert_eq!(old, want);
        let want = Limits {
            memory: None,
            cpus: Some(0.5),
            processes: Some(100),
            cgroups: Some(Generation::V2),
        };
        assert_eq!(new, want);
        assert_eq!(of_cgroups("", ""), Limits::default());
    }

    #[test]
    fn the_table_of_limits() {
        let text = "\
Limit                     Soft Limit           Hard Limit           Units     \n\
Max cpu time              unlimited            unlimited            seconds   \n\
Max open files            1024                 1048576              files     \n\
Max nice priority         0                    0                    \n\
short\n";
        let limits = ulimits(text);
        assert_eq!(limits.len(), 3);
        assert_eq!(limits[0].name, "cpu time");
        assert_eq!((limits[0].soft, limits[0].hard), (None, None));
        assert_eq!(limits[1].name, "open files");
        assert_eq!(
            (limits[1].soft, limits[1].hard),
            (Some(1024), Some(1_048_576))
        );
        assert_eq!((limits[2].soft, limits[2].hard), (Some(0), Some(0)));
        assert_eq!(ulimits(""), []);
        assert_eq!(ulimits("something\nelse\n"), []);
    }
}
