//! Times as Go programs write them: `500ms`, `1m30s`, `1.5h`.

use std::time::Duration;

use crate::error::{Error, Result};

/// Longer names first, so that `ms` is not read as `m`.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Nobody waits longer than a hundred years.
const LONGEST: u128 = 100 * 366 * 24 * 3_600_000_000_000;

/// One or more numbers, each with its unit; or `0`, which is Docker's word
/// for "as usual".
pub fn parse(text: &str) -> Result<Option<Duration>> {
    let nanos = nanos(text).ok_or_else(|| {
        if text.starts_with('-') {
            return Error::user(format!("invalid duration {text:?}: it cannot be negative"));
        }
        Error::user(format!("invalid duration {text:?}"))
            .hint("numbers with units as in 500ms, 30s or 1m30s")
    })?;
    if nanos > 0 && nanos < 1_000_000 {
        return Err(Error::user(format!("invalid duration {text:?}"))
            .hint("a health check cannot be timed in less than 1ms"));
    }
    let seconds = (nanos / 1_000_000_000) as u64;
    let duration = Duration::new(seconds, (nanos % 1_000_000_000) as u32);
    Ok((nanos > 0).then_some(duration))
}

fn nanos(text: &str) -> Option<u128> {
    if text == "0" {
        return Some(0);
    }
    let (mut total, mut rest) = (0u128, text);
    while !rest.is_empty() || rest.len() == text.len() {
        let (part, after) = part(rest)?;
        total = total.checked_add(part).filter(|t| *t <= LONGEST)?;
        rest = after;
    }
    Some(total)
}

/// The first number with its unit, in nanoseconds, and what follows.
fn part(text: &str) -> Option<(u128, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(end);
    let (unit, factor) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}").parse::<u128>().ok()?;
    let scale = 10u128.checked_pow(fraction.len() as u32)?;
    let nanos = digits.checked_mul(*factor)? / scale;
    Some((nanos, &rest[unit.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read() {
        for (text, ms) in [
            ("1s", 1_000),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1.5s", 1_500),
            (".5s", 500),
            ("1h1ms", 3_600_001),
            ("2000us", 2),
            ("2000µs", 2),
        ] {
            let want = Some(Duration::from_millis(ms));
            assert_eq!(parse(text).unwrap(), want, "{text}");
        }
        assert_eq!(parse("0").unwrap(), None);
        assert_eq!(parse("0s").unwrap(), None);
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "5",
            "s",
            ".s",
            "1.2.3s",
            "1x",
            "5 s",
            "1sm",
            "1ns",
            "999us",
            "1000000h1000000h",
            "99999999999999999999999999999999999999999h",
            "-1s",
            "-",
        ] {
            let e = parse(text).unwrap_err().to_string();
            assert!(e.starts_with(&format!("invalid duration {text:?}")), "{e}");
        }
        let e = parse("-1s").unwrap_err().to_string();
        assert!(e.ends_with("cannot be negative"), "{e}");
    }
}
