//! CPU time and the set of CPUs.

use oci_spec::runtime::LinuxCpu;

use super::{Plan, Write, bad, only_v1, set};
use crate::cgroup::layout::Version;
use crate::error::Result;

impl Plan<'_> {
    pub(super) fn cpu(&mut self, cpu: Option<&LinuxCpu>) -> Result<()> {
        let Some(cpu) = cpu else { return Ok(()) };
        let Some(field) = first_field(cpu) else {
            return Ok(());
        };
        match self.version_of("cpu", field)? {
            Version::V1 => self.cpu_v1(cpu),
            Version::V2 => self.cpu_v2(cpu),
        }
    }

    fn cpu_v1(&mut self, cpu: &LinuxCpu) -> Result<()> {
        let shares = match set(cpu.shares()) {
            // The kernel would clamp it without a word.
            Some(s) if !(2..=262_144).contains(&s) => {
                return Err(bad(
                    "cpu.shares",
                    format!("is {s}; the kernel takes 2 to 262144"),
                ));
            }
            s => s.map(|s| Write::new("cpu", "cpu.shares", s, "cpu.shares")),
        };
        self.idle_and_weight(cpu, shares);
        if let Some(period) = set(cpu.period()) {
            self.push(Write::new("cpu", "cpu.cfs_period_us", period, "cpu.period").or_later());
        }
        self.burst(cpu, "cpu.cfs_burst_us");
        if let Some(quota) = set(cpu.quota()) {
            self.push(Write::new(
                "cpu",
                "cpu.cfs_quota_us",
                quota.max(-1),
                "cpu.quota",
            ));
        }
        if let Some(period) = set(cpu.realtime_period()) {
            self.push(
                Write::new("cpu", "cpu.rt_period_us", period, "cpu.realtimePeriod").or_later(),
            );
        }
        if let Some(runtime) = set(cpu.realtime_runtime()) {
            self.push(Write::new(
                "cpu",
                "cpu.rt_runtime_us",
                runtime,
                "cpu.realtimeRuntime",
            ));
        }
        Ok(())
    }

    fn cpu_v2(&mut self, cpu: &LinuxCpu) -> Result<()> {
        if set(cpu.realtime_period()).is_some() {
            return Err(only_v1("cpu.realtimePeriod"));
        }
        if set(cpu.realtime_runtime()).is_some() {
            return Err(only_v1("cpu.realtimeRuntime"));
        }
        let weight = set(cpu.shares()).map(shares_to_weight);
        let weight = weight.map(|w| Write::new("cpu", "cpu.weight", w, "cpu.shares"));
        self.idle_and_weight(cpu, weight);
        self.burst(cpu, "cpu.max.burst");
        if let Some((value, field)) = cpu_max(cpu) {
            self.push(Write::new("cpu", "cpu.max", value, field));
        }
        Ok(())
    }

    /// An idle cgroup has no weight: the kernel refuses to set one, and
    /// leaving idleness resets it. So idleness goes first, and a weight only
    /// to what is not idle.
    fn idle_and_weight(&mut self, cpu: &LinuxCpu, weight: Option<Write>) {
        let idle = cpu.idle();
        if let Some(idle) = idle {
            let write = Write::new("cpu", "cpu.idle", idle, "cpu.idle");
            self.push(if idle == 0 { write.or_skip() } else { write });
        }
        if idle.is_none_or(|i| i == 0) {
            self.writes.extend(weight);
        }
    }

    /// The kernel wants burst ≤ quota, and one of them is still the old one.
    fn burst(&mut self, cpu: &LinuxCpu, file: &str) {
        if let Some(burst) = cpu.burst() {
            let write = Write::new("cpu", file, burst, "cpu.burst").or_later();
            self.push(if burst == 0 { write.or_skip() } else { write });
        }
    }

    pub(super) fn cpuset(&mut self, cpu: Option<&LinuxCpu>) -> Result<()> {
        let Some(cpu) = cpu else { return Ok(()) };
        let sets = [
            (cpu.cpus(), "cpuset.cpus", "cpu.cpus"),
            (cpu.mems(), "cpuset.mems", "cpu.mems"),
        ];
        for (list, file, field) in sets {
            if let Some(list) = list.as_deref().filter(|l| !l.is_empty()) {
                self.version_of("cpuset", field)?;
                self.push(Write::new("cpuset", file, list, field));
            }
        }
        Ok(())
    }
}

/// The field to name when there is no cpu controller at all.
fn first_field(cpu: &LinuxCpu) -> Option<&'static str> {
    let asked = [
        (set(cpu.shares()).is_some(), "cpu.shares"),
        (set(cpu.quota()).is_some(), "cpu.quota"),
        (set(cpu.period()).is_some(), "cpu.period"),
        (cpu.idle().is_some(), "cpu.idle"),
        (cpu.burst().is_some(), "cpu.burst"),
        (set(cpu.realtime_runtime()).is_some(), "cpu.realtimeRuntime"),
        (set(cpu.realtime_period()).is_some(), "cpu.realtimePeriod"),
    ];
    asked
        .into_iter()
        .find(|(there, _)| *there)
        .map(|(_, field)| field)
}

/// `quota period`; a quota alone leaves the period as it is, and a period
/// alone comes with no quota.
fn cpu_max(cpu: &LinuxCpu) -> Option<(String, &'static str)> {
    let quota = set(cpu.quota()).map(|q| match q {
        q if q < 0 => "max".to_owned(),
        q => q.to_string(),
    });
    match (quota, set(cpu.period())) {
        (None, None) => None,
        (Some(quota), None) => Some((quota, "cpu.quota")),
        (None, Some(period)) => Some((format!("max {period}"), "cpu.period")),
        (Some(quota), Some(period)) => Some((format!("{quota} {period}"), "cpu.quota")),
    }
}

/// v1 shares (2 to 262144, 1024 by default) to v2 weight (1 to 10000, 100 by
/// default). The first conversion everyone used was a straight line, which
/// sends the default of one to 39 of the other and leaves small values no
/// steps; since 2025 runc and crun use this curve, which meets all three
/// points: 10^((l² + 125·l)/612 − 7/34) with l = log₂ shares.
fn shares_to_weight(shares: u64) -> u64 {
    if shares <= 2 {
        return 1;
    }
    if shares >= 262_144 {
        return 10_000;
    }
    #[allow(clippy::cast_precision_loss, reason = "at most 2^18")]
    let l = (shares as f64).log2();
    let exponent = l.mul_add(l, 125.0 * l) / 612.0 - 7.0 / 34.0;
    10f64.powf(exponent).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::shares_to_weight;

    #[test]
    fn weight_meets_both_ends_and_the_default() {
        assert_eq!(shares_to_weight(1), 1);
        assert_eq!(shares_to_weight(2), 1);
        assert_eq!(shares_to_weight(1024), 100);
        assert_eq!(shares_to_weight(262_144), 10_000);
        assert_eq!(shares_to_weight(u64::MAX), 10_000);
    }

    #[test]
    fn more_shares_are_never_less_weight() {
        let weights: Vec<_> = (2..=262_144).map(shares_to_weight).collect();
        assert!(weights.is_sorted());
        assert_eq!(shares_to_weight(512), 59);
        assert_eq!(shares_to_weight(2048), 174);
    }
}
