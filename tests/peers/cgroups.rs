//! A room's cgroups as the host sees them: on v1, v2 and hybrid hosts.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::room::wait_until;

const ROOT: &str = "/sys/fs/cgroup";

/// Every cgroup below one name, in every hierarchy; removed when dropped.
pub(crate) struct Tree {
    name: String,
}

impl Tree {
    pub(crate) fn new(name: &OsStr) -> Self {
        Tree {
            name: name.to_string_lossy().into_owned(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What the kernel enforces for the cgroup at `below` this tree.
    pub(crate) fn limits(&self, below: &str) -> Limits {
        Limits(format!("{}/{below}", self.name))
    }

    /// The tree's top in each hierarchy where it is.
    fn tops(&self) -> Vec<PathBuf> {
        let mut tops: Vec<PathBuf> = folders(Path::new(ROOT))
            .into_iter()
            .chain([PathBuf::from(ROOT)])
            .map(|hierarchy| hierarchy.join(&self.name))
            .filter(|top| top.is_dir())
            .collect();
        // cpu and cpuacct may be two names of one hierarchy.
        tops.dedup_by_key(|top| fs::canonicalize(top).unwrap_or_default());
        tops
    }
}

impl Drop for Tree {
    /// The processes are gone by now, but the kernel may need a moment more
    /// until it lets go of their cgroups.
    fn drop(&mut self) {
        let tops = self.tops();
        let all_gone = wait_until(Duration::from_secs(5), || {
            tops.iter().all(|top| removed(top))
        });
        if !all_gone {
            eprintln!("cgroups left behind: {tops:?}");
        }
    }
}

/// Thaws what a line of /proc/PID/cgroup names, if it is of the v1 freezer.
pub(crate) fn thaw(line: &str) {
    if let Some((_, cgroup)) = line.split_once(":freezer:/")
        && !cgroup.is_empty()
    {
        let state = Path::new(ROOT).join("freezer").join(cgroup);
        fs::write(state.join("freezer.state"), "THAWED").ok();
    }
}

fn removed(top: &Path) -> bool {
    for_each_below(top, &|cgroup| {
        fs::remove_dir(cgroup).ok();
    });
    !top.exists()
}

/// Children before parents.
fn for_each_below(top: &Path, act: &dyn Fn(&Path)) {
    for folder in folders(top) {
        for_each_below(&folder, act);
    }
    if top.is_dir() {
        act(top);
    }
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// The limits of one cgroup, read where the controller is.
pub(crate) struct Limits(String);

impl Limits {
    pub(crate) fn memory(&self) -> String {
        self.read("memory", "memory.limit_in_bytes", "memory.max")
    }

    pub(crate) fn memory_reservation(&self) -> String {
        self.read("memory", "memory.soft_limit_in_bytes", "memory.low")
    }

    pub(crate) fn pids(&self) -> String {
        self.read("pids", "pids.max", "pids.max")
    }

    pub(crate) fn cpus(&self) -> String {
        self.read("cpuset", "cpuset.cpus", "cpuset.cpus")
    }

    /// CPU time as a share of its period, in percent of one CPU.
    pub(crate) fn cpu_percent(&self) -> u64 {
        let quota = self.read("cpu", "cpu.cfs_quota_us", "cpu.max");
        let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("{text:?}"));
        match quota.split_once(' ') {
            Some((quota, period)) => number(quota) * 100 / number(period),
            None => number(&quota) * 100 / number(&self.read("cpu", "cpu.cfs_period_us", "")),
        }
    }

    /// The share of a CPU: v1's own scale, or v2's weight.
    pub(crate) fn cpu_shares(&self) -> String {
        self.read("cpu", "cpu.shares", "cpu.weight")
    }

    /// True while the freezer holds the cgroup's processes.
    pub(crate) fn frozen(&self) -> bool {
        ["FROZEN", "1"].contains(&&*self.read("freezer", "freezer.state", "cgroup.freeze"))
    }

    /// True while some hierarchy has the cgroup.
    pub(crate) fn exist(&self) -> bool {
        folders(Path::new(ROOT))
            .into_iter()
            .chain([PathBuf::from(ROOT)])
            .any(|hierarchy| hierarchy.join(&self.0).is_dir())
    }

    fn read(&self, controller: &str, v1: &str, v2: &str) -> String {
        let v1 = Path::new(ROOT).join(controller).join(&self.0).join(v1);
        let v2 = Path::new(ROOT).join(&self.0).join(v2);
        let text = fs::read_to_string(&v1).or_else(|_| fs::read_to_string(&v2));
        text.unwrap_or_else(|why| panic!("neither {} nor {}: {why}", v1.display(), v2.display()))
            .trim()
            .to_owned()
    }
}
