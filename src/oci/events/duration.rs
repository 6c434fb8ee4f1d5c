//! Times as Go programs write them: `500ms`, `1m30s`, `1.5h`. Text to
//! duration, nothing else.

use std::time::Duration;

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

/// No one waits longer than a hundred years.
const LONGEST: u128 = 100 * 366 * 24 * 3_600_000_000_000;

/// One or more numbers, each with its unit; longer than nothing.
pub fn parse(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?} is not a time like 500ms, 5s or 1m30s");
    let mut total = 0u128;
    let mut rest = text;
    while !rest.is_empty() {
        let (nanoseconds, after) = part(rest).ok_or_else(bad)?;
        total = total
            .checked_add(nanoseconds)
            .filter(|t| *t <= LONGEST)
            .ok_or_else(bad)?;
        rest = after;
    }
    if total == 0 {
        return Err(format!("{text:?} must be a time greater than 0, like 5s"));
    }
    let (seconds, nanoseconds) = (total / 1_000_000_000, total % 1_000_000_000);
    Ok(Duration::new(seconds as u64, nanoseconds as u32))
}

/// The first number with its unit, in nanoseconds, and what follows.
fn part(text: &str) -> Option<(u128, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(end);
    let (unit, factor) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let (digits, places) = (format!("{whole}{fraction}"), fraction.len() as u32);
    let number = digits.parse::<u128>().ok()?;
    let scale = 10u128.checked_pow(places)?;
    let nanoseconds = number.checked_mul(*factor)? / scale;
    Some((nanoseconds, &rest[unit.len()..]))
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn go_durations_are_read() {
        let all = [
            ("1s", 1_000),
            ("500ms", 500),
            ("1m", 60_000),
            ("1m30s", 90_000),
            ("1.5s", 1_500),
            (".5s", 500),
            ("1h1ms", 3_600_001),
            ("2000us", 2),
            ("2000µs", 2),
        ];
        for (text, ms) in all {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(parse("7ns"), Ok(Duration::from_nanos(7)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "0",
            "0s",
            "-1s",
            "5",
            "s",
            ".s",
            "1.2.3s",
            "1x",
            "5 s",
            "1sm",
            "99999999999999999999999999999999999999999h",
            "1000000h1000000h",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
