//! What a container uses, from two looks at its counters. Pure.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cgroup::stats::Stats;
use crate::format::units::size;

/// One look.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Look {
    /// Nanoseconds of processor time.
    pub cpu: u64,
    /// Bytes in use that could not be given back at once.
    pub memory: u64,
    /// Bytes at most.
    pub limit: u64,
    /// Bytes received and sent.
    pub net: (u64, u64),
    /// Bytes read and written.
    pub block: (u64, u64),
    /// Processes and threads.
    pub pids: u64,
}

impl Look {
    /// Takes what counts from a cgroup's counters. `machine` is the memory
    /// there is: more than that is no limit.
    pub fn new(stats: &Stats, net: (u64, u64), machine: u64) -> Self {
        let memory = &stats.memory;
        // The cache that nobody has looked at for long is as good as free.
        // v1 counts that of the cgroups below only under this name.
        let idle = ["total_inactive_file", "inactive_file"];
        let idle = idle.iter().find_map(|name| memory.raw.get(*name));
        let idle = idle.copied().unwrap_or(0);
        let of = |op: &str| {
            let entries = stats.blkio.io_service_bytes_recursive.iter();
            let same = entries.filter(|e| e.op.eq_ignore_ascii_case(op));
            same.map(|e| e.value).sum()
        };
        let limit = match memory.usage.limit {
            0 => machine,
            limit => limit.min(machine),
        };
        Self {
            cpu: stats.cpu.usage.total,
            memory: memory.usage.usage.saturating_sub(idle),
            limit,
            net,
            block: (of("read"), of("write")),
            pids: stats.pids.current,
        }
    }

    /// The row of a container. `before` is an earlier look and how long ago
    /// that was.
    pub fn row(&self, id: &str, name: &str, before: Option<(&Self, Duration)>) -> Value {
        json!({
            "Container": id,
            "ID": id,
            "Name": name,
            "CPUPerc": percent(before.map_or(0.0, |(old, passed)| self.cpu_since(old, passed))),
            "MemUsage": format!("{} / {}", size::binary(self.memory), size::binary(self.limit)),
            "MemPerc": percent(share(self.memory, self.limit)),
            "NetIO": traffic(self.net),
            "BlockIO": traffic(self.block),
            "PIDs": self.pids.to_string(),
        })
    }

    /// In percent of one processor.
    #[allow(clippy::cast_precision_loss, reason = "two decimals are shown")]
    fn cpu_since(&self, old: &Self, passed: Duration) -> f64 {
        let used = self.cpu.saturating_sub(old.cpu) as f64;
        let passed = passed.as_nanos() as f64;
        if passed > 0.0 {
            used / passed * 100.0
        } else {
            0.0
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64 * 100.0
}

fn percent(value: f64) -> String {
    format!("{value:.2}%")
}

fn traffic((one, other): (u64, u64)) -> String {
    let [one, other] = [one, other].map(size::decimal_short);
    format!("{one} / {other}")
}

/// Bytes received and sent by all devices but the loopback, from
/// `/proc/<pid>/net/dev`.
pub fn net_dev(text: &str) -> (u64, u64) {
    let mut sum = (0, 0);
    for line in text.lines() {
        let Some((device, counters)) = line.split_once(':') else {
            continue;
        };
        if device.trim() == "lo" {
            continue;
        }
        let mut counters = counters.split_whitespace().map(str::parse::<u64>);
        if let (Some(Ok(received)), Some(Ok(sent))) = (counters.next(), counters.nth(7)) {
            sum = (sum.0 + received, sum.1 + sent);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::stats::parse::BlkioEntry;

    #[test]
    fn a_row_says_what_was_used() {
        let mut stats = Stats::default();
        stats.cpu.usage.total = 750_000_000;
        stats.memory.usage.usage = 3 << 20;
        stats.memory.usage.limit = u64::MAX;
        stats.memory.raw.insert("inactive_file".to_owned(), 1 << 20);
        stats.pids.current = 3;
        let entry = |op: &str, value| BlkioEntry {
            op: op.to_owned(),
            value,
            ..BlkioEntry::default()
        };
        stats.blkio.io_service_bytes_recursive =
            vec![entry("Read", 1500), entry("write", 7), entry("Total", 99)];
        let old = Look {
            cpu: 250_000_000,
            ..Look::default()
        };
        let look = Look::new(&stats, (2_000_000, 0), 1 << 30);
        let row = look.row("0123", "web", Some((&old, Duration::from_secs(1))));
        for (field, want) in [
            ("CPUPerc", "50.00%"),
            ("MemUsage", "2MiB / 1GiB"),
            ("MemPerc", "0.20%"),
            ("NetIO", "2MB / 0B"),
            ("BlockIO", "1.5kB / 7B"),
            ("PIDs", "3"),
            ("Name", "web"),
            ("ID", "0123"),
        ] {
            assert_eq!(row[field], want, "{field}");
        }
    }

    #[test]
    fn one_that_does_not_run_uses_nothing() {
        let row = Look::default().row("0123", "web", None);
        assert_eq!(row["MemUsage"], "0B / 0B");
        assert_eq!(row["CPUPerc"], "0.00%");
        assert_eq!(row["PIDs"], "0");
    }

    #[test]
    fn the_loopback_does_not_count() {
        let text = "Inter-|   Receive\n face |bytes\n    lo: 99 1 0 0 0 0 0 0 99 1\n\
             \x20 eth0: 10 1 0 0 0 0 0 0 20 1 0\neth1:5 1 0 0 0 0 0 0 7 1 0\nbroken: x\n";
        assert_eq!(net_dev(text), (15, 27));
    }
}
