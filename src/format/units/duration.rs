//! Lengths of time: as Go reads and writes them, and as Docker tells them.

use std::fmt::Write as _;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::format::number;

const NANOS: u128 = 1_000_000_000;

/// Reads Go's durations: `10s`, `1h30m`, `1.5h`, `500ms`, `0`. None is below
/// zero, and none longer than Go's longest, some 292 years.
pub fn parse(text: &str) -> Result<Duration> {
    nanoseconds(text).map(Duration::from_nanos).ok_or_else(|| {
        if text.starts_with('-') {
            return Error::user(format!("invalid duration {text:?}: it cannot be negative"));
        }
        Error::user(format!("invalid duration {text:?}"))
            .hint("numbers with units as in 500ms, 30s or 1m30s")
    })
}

fn nanoseconds(text: &str) -> Option<u64> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (nanos, after) = part(rest)?;
        total = total.checked_add(nanos)?;
        rest = after;
    }
    u64::try_from(total)
        .ok()
        .filter(|n| i64::try_from(*n).is_ok())
}

/// One number with its unit, and what follows.
fn part(text: &str) -> Option<(u128, &str)> {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let (number, rest) = text.split_at(text.find(|c| !is_number(c))?);
    let (unit, rest) = rest.split_at(rest.find(is_number).unwrap_or(rest.len()));
    let scale: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS,
        "m" => 60 * NANOS,
        "h" => 3600 * NANOS,
        _ => return None,
    };
    Some((number::scaled(number, scale)?.whole, rest))
}

/// As Go writes it: `1h30m0s`, `1.5s`, `250ms`, `0s`.
pub fn go(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0 => return "0s".to_owned(),
        1..1_000 => return format!("{nanos}ns"),
        1_000..1_000_000 => return decimals(nanos, 1_000) + "µs",
        1_000_000..NANOS => return decimals(nanos, 1_000_000) + "ms",
        _ => {}
    }
    let (hours, minutes) = (nanos / (3600 * NANOS), nanos / (60 * NANOS) % 60);
    let mut out = String::new();
    if hours > 0 {
        let _ = write!(out, "{hours}h");
    }
    if hours > 0 || minutes > 0 {
        let _ = write!(out, "{minutes}m");
    }
    out + &decimals(nanos % (60 * NANOS), NANOS) + "s"
}

/// `amount / unit` with as many decimals as it has.
fn decimals(amount: u128, unit: u128) -> String {
    let digits = unit.ilog10() as usize;
    let text = format!("{}.{:0digits$}", amount / unit, amount % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// As Docker tells it: `5 seconds`, `About an hour`, `3 weeks`.
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let minutes = seconds / 60;
    // Rounded, other than the rest: ninety minutes are two hours.
    let hours = (seconds + 1800) / 3600;
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// `2 hours ago`, for something that happened so long ago.
pub fn ago(duration: Duration) -> String {
    human(duration) + " ago"
}

/// `Up 3 minutes`, for something that has been running so long.
pub fn up(duration: Duration) -> String {
    "Up ".to_owned() + &human(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_as_in_go() {
        for (text, nanos, written) in [
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("1ns", 1, "1ns"),
            ("1.5us", 1_500, "1.5µs"),
            ("2µs", 2_000, "2µs"),
            ("500ms", 500_000_000, "500ms"),
            ("10s", 10_000_000_000, "10s"),
            ("+5s", 5_000_000_000, "5s"),
            (".5s", 500_000_000, "500ms"),
            ("1.s", 1_000_000_000, "1s"),
            ("1.5h", 5_400_000_000_000, "1h30m0s"),
            ("1h30m", 5_400_000_000_000, "1h30m0s"),
            ("90s", 90_000_000_000, "1m30s"),
            ("1m1.5s", 61_500_000_000, "1m1.5s"),
            ("1h1ns", 3_600_000_000_001, "1h0m0.000000001s"),
            ("1h1ms", 3_600_001_000_000, "1h0m0.001s"),
            ("2000us", 2_000_000, "2ms"),
            ("2000μs", 2_000_000, "2ms"),
            ("7ns", 7, "7ns"),
            ("1m1m", 120_000_000_000, "2m0s"),
            ("0.000000000000000000001h", 0, "0s"),
        ] {
            let read = parse(text).unwrap();
            assert_eq!(read.as_nanos(), nanos, "{text}");
            assert_eq!(go(read), written);
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "+",
            "5",
            "s",
            "1",
            "1d",
            "-5s",
            "1.2.3s",
            ".s",
            "1 s",
            "1s ",
            "1hm",
            "1sm",
            "1x",
            "5 s",
            "-1s",
            "-",
            "1e3s",
            "9999999999h",
            "2000000h2000000h",
            "99999999999999999999999999999999999999999h",
            "1é",
        ] {
            let e = parse(text).unwrap_err().to_string();
            assert!(e.starts_with(&format!("invalid duration {text:?}")), "{e}");
        }
        let e = parse("-1s").unwrap_err().to_string();
        assert!(e.ends_with("cannot be negative"), "{e}");
    }

    #[test]
    fn a_length_of_time_in_docker_s_words() {
        const HOUR: u64 = 3600;
        const DAY: u64 = 24 * HOUR;
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (59 * 60 + 59, "59 minutes"),
            (HOUR, "About an hour"),
            (89 * 60, "About an hour"),
            (90 * 60, "2 hours"),
            (47 * HOUR, "47 hours"),
            (48 * HOUR, "2 days"),
            (13 * DAY, "13 days"),
            (14 * DAY, "2 weeks"),
            (59 * DAY, "8 weeks"),
            (60 * DAY, "2 months"),
            (729 * DAY, "24 months"),
            (730 * DAY, "2 years"),
        ] {
            assert_eq!(human(Duration::from_secs(seconds)), words);
        }
        assert_eq!(ago(Duration::from_secs(7200)), "2 hours ago");
        assert_eq!(up(Duration::from_secs(200)), "Up 3 minutes");
    }
}
