//! Moments: RFC 3339, and what `--since` and `--until` take.
//!
//! A time zone here is a number of seconds east of Greenwich; what the
//! machine's own is, the caller asks the C library.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::duration;
use crate::error::{Error, Result};

const DAY: i64 = 86_400;

/// `2024-05-06T07:08:09.123456789Z`, as Go writes it: no zeros at the end.
pub fn rfc3339(time: SystemTime) -> String {
    rfc3339_at(time, 0)
}

/// The same, in a zone `offset` seconds east of Greenwich: `…T09:08:09+02:00`.
pub fn rfc3339_at(time: SystemTime, offset: i32) -> String {
    let (clock, nanos) = Clock::of(time, offset);
    let fraction = match nanos {
        0 => String::new(),
        _ => format!(".{nanos:09}").trim_end_matches('0').to_owned(),
    };
    let zone = match offset {
        0 => "Z".to_owned(),
        _ => zone(offset, ":"),
    };
    format!("{}T{}{fraction}{zone}", clock.date(), clock.time())
}

/// With all nine digits of the second, as log lines have it: every line's
/// text then begins in the same column.
pub fn rfc3339_full(time: SystemTime) -> String {
    let (clock, nanos) = Clock::of(time, 0);
    format!("{}T{}.{nanos:09}Z", clock.date(), clock.time())
}

/// `2024-05-06 09:08:09 +0200 CEST`, the look of `CreatedAt` in Docker.
pub fn spaced(time: SystemTime, offset: i32, zone_name: &str) -> String {
    let (clock, _) = Clock::of(time, offset);
    let zone = zone(offset, "");
    format!("{} {} {zone} {zone_name}", clock.date(), clock.time())
}

fn zone(offset: i32, colon: &str) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.unsigned_abs() / 60;
    format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
}

/// A moment on the calendar and the clock of some zone.
struct Clock {
    year: i64,
    month: i64,
    day: i64,
    second: i64,
}

impl Clock {
    fn of(time: SystemTime, offset: i32) -> (Self, u32) {
        let (seconds, nanos) = since_epoch(time);
        let seconds = seconds.saturating_add(i64::from(offset));
        let (year, month, day) = calendar(seconds.div_euclid(DAY));
        let second = seconds.rem_euclid(DAY);
        let clock = Self {
            year,
            month,
            day,
            second,
        };
        (clock, nanos)
    }

    fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    fn time(&self) -> String {
        let second = self.second;
        format!(
            "{:02}:{:02}:{:02}",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }
}

/// Whole seconds since 1970, rounded down, and the nanoseconds on top.
fn since_epoch(time: SystemTime) -> (i64, u32) {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (after.as_secs() as i64, after.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            let seconds = -(before.as_secs() as i64);
            match before.subsec_nanos() {
                0 => (seconds, 0),
                nanos => (seconds - 1, 1_000_000_000 - nanos),
            }
        }
    }
}

fn moment(seconds: i64, nanos: u32) -> Option<SystemTime> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    time?.checked_add(Duration::from_nanos(u64::from(nanos)))
}

/// Days before a year of the Gregorian calendar, from its year 0 on.
fn days_before_year(year: i64) -> i64 {
    let past = year - 1;
    365 * year + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400) + 1
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970 to a date.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let months: i64 = (1..month).map(|month| days_in_month(year, month)).sum();
    days_before_year(year) - days_before_year(1970) + months + day - 1
}

/// The date so many days after 1970.
fn calendar(since: i64) -> (i64, i64, i64) {
    let absolute = since + days_before_year(1970);
    // 400 years have 146,097 days; the guess is off by one at the most.
    let mut year = (absolute * 400).div_euclid(146_097);
    while days_before_year(year + 1) <= absolute {
        year += 1;
    }
    while days_before_year(year) > absolute {
        year -= 1;
    }
    let mut day = absolute - days_before_year(year);
    let mut month = 1;
    while day >= days_in_month(year, month) {
        day -= days_in_month(year, month);
        month += 1;
    }
    (year, month, day + 1)
}

/// Reads a full RFC 3339 timestamp: with a time of day and a zone.
pub fn parse_rfc3339(text: &str) -> Result<SystemTime> {
    let read = || {
        let (date, rest) = date(text)?;
        let (second, nanos, rest) = time_of_day(rest, 3)?;
        let offset = offset(rest)?;
        moment(date + second - offset, nanos)
    };
    read().ok_or_else(|| {
        Error::user(format!("invalid timestamp: {text:?}"))
            .hint("it is written like 2024-05-06T07:08:09Z or 2024-05-06T09:08:09.5+02:00")
    })
}

/// Reads what `--since` and `--until` take: a duration back from `now`, Unix
/// seconds with or without a fraction, or RFC 3339 from which the end may be
/// missing: the zone (then it is `offset` seconds east), seconds, minutes, the
/// time of day.
pub fn parse_moment(text: &str, now: SystemTime, offset: i32) -> Result<SystemTime> {
    let back = |length| now.checked_sub(length);
    let relative = || duration::parse(text).ok().and_then(back);
    let read = unix(text)
        .or_else(relative)
        .or_else(|| partial(text, offset));
    read.ok_or_else(|| {
        Error::user(format!("invalid time: {text:?}")).hint(
            "use a duration like 10m, Unix seconds, or a date like 2024-05-06 or 2024-05-06T07:08:09Z",
        )
    })
}

/// Seconds since 1970: `1136073600` or `1136073600.000000001`.
fn unix(text: &str) -> Option<SystemTime> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    moment(whole.parse().ok()?, nanoseconds(fraction)?)
}

/// The digits behind the point of a second; more than nine are cut.
fn nanoseconds(digits: &str) -> Option<u32> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    format!("{digits:0<9}").get(..9)?.parse().ok()
}

fn partial(text: &str, local: i32) -> Option<SystemTime> {
    let (date, rest) = date(text)?;
    let (second, nanos, rest) = if rest.starts_with(['T', 't']) {
        time_of_day(rest, 1)?
    } else {
        (0, 0, rest)
    };
    let offset = if rest.is_empty() {
        i64::from(local)
    } else {
        offset(rest)?
    };
    moment(date + second - offset, nanos)
}

/// `2024-05-06`, as seconds since 1970, and what follows.
fn date(text: &str) -> Option<(i64, &str)> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let valid = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    valid.then(|| (days(year, month, day) * DAY, rest))
}

/// `T07:08:09.5`, as seconds and nanoseconds, and what follows. At least so
/// many of hours, minutes and seconds must be there.
fn time_of_day(text: &str, least: usize) -> Option<(i64, u32, &str)> {
    let mut rest = text.strip_prefix(['T', 't'])?;
    let mut parts = Vec::new();
    for limit in [24, 60, 60] {
        let after = match (parts.len(), rest.strip_prefix(':')) {
            (0, _) => rest,
            (_, Some(after)) => after,
            _ => break,
        };
        let (part, after) = digits(after, 2)?;
        if part >= limit {
            return None;
        }
        parts.push(part);
        rest = after;
    }
    if parts.len() < least {
        return None;
    }
    let mut nanos = 0;
    if let Some(after) = rest.strip_prefix('.').filter(|_| parts.len() == 3) {
        let end = after.find(|c: char| !c.is_ascii_digit());
        let (fraction, after) = after.split_at(end.unwrap_or(after.len()));
        nanos = nanoseconds(fraction)?;
        rest = after;
    }
    let part = |at: usize| parts.get(at).copied().unwrap_or(0);
    Some((part(0) * 3600 + part(1) * 60 + part(2), nanos, rest))
}

/// `Z` or `+02:00`, which must be the end.
fn offset(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, rest) = digits(&text[1..], 2)?;
    let (minutes, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let valid = rest.is_empty() && hours < 24 && minutes < 60;
    valid.then_some(sign * (hours * 3600 + minutes * 60))
}

/// Exactly so many digits, and what follows.
fn digits(text: &str, count: usize) -> Option<(i64, &str)> {
    let number = text.get(..count)?;
    let all = number.bytes().all(|b| b.is_ascii_digit());
    all.then(|| Some((number.parse().ok()?, &text[count..])))?
}

#[cfg(test)]
mod tests;
