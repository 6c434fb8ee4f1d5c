//! The shapes in which cgroup files print numbers.
//!
//! A line that is not understood is passed over: kernels add lines, and a
//! counter missing from a report is better than no report.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Blkio;

/// `USER_HZ`, which is 100 on every architecture that runs containers.
const TICKS_PER_SECOND: u64 = 100;

/// One counter of one block device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "they say it")]
pub struct BlkioEntry {
    #[serde(skip_serializing_if = "super::report::zero")]
    pub major: u64,
    #[serde(skip_serializing_if = "super::report::zero")]
    pub minor: u64,
    /// `Read`, `Write`, … or nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub op: String,
    #[serde(skip_serializing_if = "super::report::zero")]
    pub value: u64,
}

/// Time lost waiting for something, from a `.pressure` file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Psi {
    /// While at least one task waited.
    pub some: PsiLine,
    /// While all of them waited.
    pub full: PsiLine,
}

/// Shares of the last 10, 60 and 300 seconds in percent, and microseconds in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[allow(missing_docs, reason = "they say it")]
pub struct PsiLine {
    pub avg10: f64,
    pub avg60: f64,
    pub avg300: f64,
    pub total: u64,
}

/// A single number, or `max`.
pub fn number(text: &str) -> Option<u64> {
    match text.trim() {
        "max" => Some(u64::MAX),
        n => n.parse().ok(),
    }
}

/// Numbers in a row.
pub fn numbers(text: &str) -> Vec<u64> {
    text.split_whitespace()
        .filter_map(|n| n.parse().ok())
        .collect()
}

/// `key value` on each line.
pub fn flat_keyed(text: &str) -> BTreeMap<String, u64> {
    let pair = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        Some((key.to_owned(), number(value)?))
    };
    text.lines().filter_map(pair).collect()
}

/// A list like `0-2,5`.
pub fn list(text: &str) -> Vec<u16> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(from.parse::<u16>().ok()?..=to.parse::<u16>().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

/// Clock ticks to nanoseconds.
pub fn ticks_to_ns(ticks: u64) -> u64 {
    ticks.saturating_mul(1_000_000_000 / TICKS_PER_SECOND)
}

/// `cpuacct.usage_all`: user and system time by CPU, under a headline.
pub fn usage_all(text: &str) -> (Vec<u64>, Vec<u64>) {
    let row = |line: &str| match numbers(line)[..] {
        [_, user, system, ..] => Some((user, system)),
        _ => None,
    };
    text.lines().skip(1).filter_map(row).unzip()
}

/// v1 block counters: `8:0 Read 4096`, or without the operation. The line
/// with the sum over all devices has no device and is left out.
pub fn blkio(text: &str) -> Vec<BlkioEntry> {
    text.lines().filter_map(blkio_line).collect()
}

fn blkio_line(line: &str) -> Option<BlkioEntry> {
    let (device, rest) = line.split_once(' ')?;
    let (major, minor) = device_numbers(device)?;
    let (op, value) = rest.split_once(' ').unwrap_or(("", rest));
    Some(BlkioEntry {
        major,
        minor,
        op: op.to_owned(),
        value: value.trim().parse().ok()?,
    })
}

fn device_numbers(device: &str) -> Option<(u64, u64)> {
    let (major, minor) = device.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// v2's `io.stat`, sorted into the tables v1 had: `8:0 rbytes=1 wbytes=2 …`.
pub fn io_stat(text: &str) -> Blkio {
    let mut out = Blkio::default();
    for line in text.lines() {
        let mut words = line.split(' ');
        let Some((major, minor)) = words.next().and_then(device_numbers) else {
            continue;
        };
        for (key, value) in words.filter_map(|w| w.split_once('=')) {
            let (table, op) = match key {
                "rbytes" => (&mut out.io_service_bytes_recursive, "Read"),
                "wbytes" => (&mut out.io_service_bytes_recursive, "Write"),
                "rios" => (&mut out.io_serviced_recursive, "Read"),
                "wios" => (&mut out.io_serviced_recursive, "Write"),
                _ => continue,
            };
            table.extend(value.parse().ok().map(|value| BlkioEntry {
                major,
                minor,
                op: op.to_owned(),
                value,
            }));
        }
    }
    out
}

/// A `.pressure` file: `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`.
pub fn psi(text: &str) -> Option<Psi> {
    let line = |kind: &str| {
        let rest = text
            .lines()
            .find_map(|l| l.strip_prefix(kind)?.strip_prefix(' '))?;
        let mut out = PsiLine::default();
        for (key, value) in rest.split(' ').filter_map(|w| w.split_once('=')) {
            match key {
                "avg10" => out.avg10 = value.parse().ok()?,
                "avg60" => out.avg60 = value.parse().ok()?,
                "avg300" => out.avg300 = value.parse().ok()?,
                "total" => out.total = value.parse().ok()?,
                _ => {}
            }
        }
        Some(out)
    };
    // Before Linux 5.13 cpu.pressure has no `full`.
    line("some").map(|some| Psi {
        some,
        full: line("full").unwrap_or_default(),
    })
}

/// The name cgroup files use for `/sys/kernel/mm/hugepages/hugepages-2048kB`.
pub fn page_size(directory: &str) -> Option<String> {
    let kb: u64 = directory
        .strip_prefix("hugepages-")?
        .strip_suffix("kB")?
        .parse()
        .ok()?;
    Some(match kb {
        kb if kb >= 1 << 20 => format!("{}GB", kb >> 20),
        kb if kb >= 1 << 10 => format!("{}MB", kb >> 10),
        kb => format!("{kb}KB"),
    })
}
