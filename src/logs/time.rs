//! Instants as a record holds them: RFC 3339 in UTC, always nine digits behind
//! the point, so that text sorts as time does. Reading takes all of RFC 3339,
//! because other programs write such logs, too.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long an instant is as text.
pub(super) const LENGTH: usize = 30;

/// The years that four digits can tell, in seconds from 1970.
const FIRST: i64 = -62_167_219_200;
const LAST: i64 = 253_402_300_799;

const DAY: i64 = 86_400;

/// `2024-01-02T03:04:05.123456789Z`.
pub(super) fn format(time: SystemTime) -> [u8; LENGTH] {
    let (seconds, nanos) = since_epoch(time);
    let seconds = seconds.clamp(FIRST, LAST);
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let clock = seconds.rem_euclid(DAY);
    let mut out = *b"0000-00-00T00:00:00.000000000Z";
    digits(&mut out[0..4], year);
    digits(&mut out[5..7], month);
    digits(&mut out[8..10], day);
    digits(&mut out[11..13], clock / 3600);
    digits(&mut out[14..16], clock / 60 % 60);
    digits(&mut out[17..19], clock % 60);
    digits(&mut out[20..29], i64::from(nanos));
    out
}

/// The instant that `text` tells, or nothing if it tells none.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let b = text.as_bytes();
    if b.len() < 20 || !is_framed(b) {
        return None;
    }
    let days = days(number(&b[0..4])?, number(&b[5..7])?, number(&b[8..10])?)?;
    let clock = clock(&b[11..19])?;
    let (nanos, zone) = fraction(&b[19..])?;
    at(days * DAY + clock - offset(zone)?, nanos)
}

fn is_framed(b: &[u8]) -> bool {
    matches!(b[10], b'T' | b't' | b' ') && b[4] == b'-' && b[7] == b'-'
}

/// `03:04:05`, in seconds.
fn clock(b: &[u8]) -> Option<i64> {
    let (hour, minute, second) = (number(&b[0..2])?, number(&b[3..5])?, number(&b[6..8])?);
    // A leap second is one that we do not have: it counts as the next.
    let valid = hour < 24 && minute < 60 && second <= 60 && b[2] == b':' && b[5] == b':';
    valid.then_some(hour * 3600 + minute * 60 + second)
}

/// `.123`, in nanoseconds, and what follows it.
fn fraction(b: &[u8]) -> Option<(u32, &[u8])> {
    let Some(b) = b.strip_prefix(b".") else {
        return Some((0, b));
    };
    let end = b.iter().position(|c| !c.is_ascii_digit())?;
    let mut nanos = 0;
    for n in 0..9 {
        let digit = b[..end].get(n).map_or(0, |c| c - b'0');
        nanos = nanos * 10 + u32::from(digit);
    }
    (end > 0).then_some((nanos, &b[end..]))
}

/// `Z` or `+01:00`, in seconds east.
fn offset(b: &[u8]) -> Option<i64> {
    match b {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            let east = hours * 3600 + minutes * 60;
            let sign = if *sign == b'-' { -1 } else { 1 };
            (hours < 24 && minutes < 60).then_some(sign * east)
        }
        _ => None,
    }
}

fn since_epoch(time: SystemTime) -> (i64, u32) {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (seconds(after), after.subsec_nanos()),
        Err(e) => {
            let before = e.duration();
            match before.subsec_nanos() {
                0 => (-seconds(before), 0),
                nanos => (-seconds(before) - 1, 1_000_000_000 - nanos),
            }
        }
    }
}

fn seconds(d: Duration) -> i64 {
    i64::try_from(d.as_secs()).unwrap_or(i64::MAX - 1)
}

fn at(seconds: i64, nanos: u32) -> Option<SystemTime> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let whole = if seconds < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    whole?.checked_add(Duration::new(0, nanos))
}

fn number(b: &[u8]) -> Option<i64> {
    b.iter().try_fold(0, |n, c| {
        c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0'))
    })
}

fn digits(out: &mut [u8], mut n: i64) {
    for place in out.iter_mut().rev() {
        *place = b'0' + (n % 10) as u8;
        n /= 10;
    }
}

/// How many days lie between a date and 1970; nothing if there is no such
/// date. A year is taken to begin in March, so that the leap day is its last.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400);
    let days = y * 365 + leap_days + (153 * m + 2) / 5 + day - 1 - 719_468;
    (civil(days) == (year, month, day)).then_some(days)
}

/// The date of a day counted from 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let m = (5 * day + 2) / 153;
    let month = if m < 10 { m + 3 } else { m - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day - (153 * m + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(seconds: i64, nanos: u32) -> String {
        String::from_utf8(format(at(seconds, nanos).unwrap()).to_vec()).unwrap()
    }

    #[test]
    fn instants_are_written_with_nine_digits() {
        assert_eq!(text(0, 0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(
            text(1_704_164_645, 123_456_789),
            "2024-01-02T03:04:05.123456789Z"
        );
        assert_eq!(text(951_782_400, 1), "2000-02-29T00:00:00.000000001Z");
        assert_eq!(text(-1, 5), "1969-12-31T23:59:59.000000005Z");
        assert_eq!(text(LAST + 1, 0), "9999-12-31T23:59:59.000000000Z");
    }

    #[test]
    fn all_forms_of_rfc_3339_are_read() {
        let at = |s, n| at(s, n);
        assert_eq!(parse("1970-01-01T00:00:01Z"), at(1, 0));
        assert_eq!(parse("1970-01-01T01:00:01.5+01:00"), at(1, 500_000_000));
        assert_eq!(parse("1969-12-31T23:00:00-01:30"), at(1800, 0));
        assert_eq!(parse("1970-01-01T00:00:00.1234567891Z"), at(0, 123_456_789));
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for wrong in [
            "",
            "2024-01-02",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-00T00:00:00Z",
            "2024-01-02T24:00:00Z",
            "2024-01-02T03:04:05",
            "2024-01-02T03:04:05.Z",
            "2024-01-02T03:04:05+1:00",
            "2024-01-02T03:04:05Zx",
            "2024-01-02T03-04-05Z",
            "２024-01-02T03:04:05Z",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(s in FIRST..=LAST, n in 0..1_000_000_000u32) {
            prop_assert_eq!(parse(&text(s, n)), at(s, n));
        }
    }
}
