//! Reading the counters of a real cgroup.

use super::Cgroup;
use super::dir::is_gone;
use crate::cgroup::layout::{Mode, Version};
use crate::cgroup::stats::{self, Source, Stats, parse};
use crate::error::Result;

const HUGE_PAGES: &str = "/sys/kernel/mm/hugepages";

impl Source for Cgroup {
    fn version(&self, controller: &str) -> Option<Version> {
        // v2 has some counters (cpu.stat) even where the controller is off.
        let unified = (self.paths.mode == Mode::Unified).then_some(Version::V2);
        self.find(controller).map(super::Dir::version).or(unified)
    }

    fn read(&self, controller: &str, file: &str) -> Result<Option<String>> {
        let unified = self.paths.mode == Mode::Unified;
        let dir = self
            .find(controller)
            .or_else(|| self.v2().filter(|_| unified));
        match dir.map(|d| d.read(file)) {
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(e)) if is_gone(&e) || e.errno == nix::errno::Errno::EOPNOTSUPP => Ok(None),
            Some(Err(e)) => Err(e.into()),
            None => Ok(None),
        }
    }
}

impl Cgroup {
    /// What the container has used so far.
    pub fn stats(&self) -> Result<Stats> {
        let pages = std::fs::read_dir(HUGE_PAGES)
            .into_iter()
            .flatten()
            .flatten();
        let sizes: Vec<_> = pages
            .filter_map(|e| parse::page_size(&e.file_name().to_string_lossy()))
            .collect();
        stats::collect(self, &sizes)
    }

    /// How many processes the OOM killer has ended.
    pub fn oom_kill_count(&self) -> Result<u64> {
        let file = match self.version("memory") {
            Some(Version::V1) => "memory.oom_control",
            _ => "memory.events",
        };
        let text = self.read("memory", file)?.unwrap_or_default();
        Ok(parse::flat_keyed(&text)
            .get("oom_kill")
            .copied()
            .unwrap_or(0))
    }
}
