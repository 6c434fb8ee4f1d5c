//! Text to moment: RFC 3339, whole or with its end missing, and seconds.

use super::{Clock, Timestamp, days_in_month};

/// What a date or a time of day was read to, and the text behind it.
type Read<'a, T> = Option<(T, &'a str)>;

/// With a time of day and a zone.
pub(super) fn whole(text: &str) -> Option<Timestamp> {
    let (clock, rest) = date(text)?;
    let (moment, rest) = time_of_day(clock, rest, 3)?;
    shifted(moment, offset(rest)?)
}

/// As much of it as there is; `zone` is what is taken if there is none.
pub(super) fn partial(text: &str, zone: i32) -> Option<Timestamp> {
    let (clock, rest) = date(text)?;
    let (moment, rest) = if rest.starts_with(['T', 't']) {
        time_of_day(clock, rest, 1)?
    } else {
        (clock.moment(), rest)
    };
    let offset = if rest.is_empty() {
        i64::from(zone)
    } else {
        offset(rest)?
    };
    shifted(moment, offset)
}

/// Seconds with or without a fraction.
pub(super) fn unix(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(Timestamp {
        seconds: whole.parse().ok()?,
        nanos: nanoseconds(fraction)?,
    })
}

/// What the clock shows in a zone so far east, as the moment it is. One whose
/// year has no four digits in UTC could be written, but not read again.
fn shifted(moment: Timestamp, offset: i64) -> Option<Timestamp> {
    let seconds = moment.seconds.checked_sub(offset)?;
    let moment = Timestamp { seconds, ..moment };
    (0..=9999).contains(&moment.clock(0).year).then_some(moment)
}

/// The digits behind the point of a second; more than nine are cut.
fn nanoseconds(digits: &str) -> Option<u32> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nine = &digits[..digits.len().min(9)];
    Some(nine.parse::<u32>().ok()? * 10u32.pow(9 - nine.len() as u32))
}

/// `2024-05-06`, as its midnight.
fn date(text: &str) -> Read<'_, Clock> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let year = i64::from(year);
    let valid = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    let clock = Clock {
        year,
        month,
        day,
        hour: 0,
        minute: 0,
        second: 0,
    };
    valid.then_some((clock, rest))
}

/// `T07:08:09.5` on a day. At least so many of hours, minutes and seconds must
/// be there.
fn time_of_day(day: Clock, text: &str, least: usize) -> Read<'_, Timestamp> {
    let mut rest = text.strip_prefix(['T', 't'])?;
    let (mut parts, mut count) = ([0; 3], 0);
    for limit in [24, 60, 60] {
        let after = match (count, rest.strip_prefix(':')) {
            (0, _) => rest,
            (_, Some(after)) => after,
            _ => break,
        };
        let (part, after) = digits(after, 2)?;
        if part >= limit {
            return None;
        }
        parts[count] = part;
        (count, rest) = (count + 1, after);
    }
    if count < least {
        return None;
    }
    let [hour, minute, second] = parts;
    let mut moment = Clock {
        hour,
        minute,
        second,
        ..day
    }
    .moment();
    if let Some(after) = rest.strip_prefix('.').filter(|_| count == 3) {
        let end = after.find(|c: char| !c.is_ascii_digit());
        let (fraction, after) = after.split_at(end.unwrap_or(after.len()));
        moment.nanos = nanoseconds(fraction)?;
        rest = after;
    }
    Some((moment, rest))
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
    valid.then_some(sign * i64::from(hours * 3600 + minutes * 60))
}

/// Exactly so many digits.
fn digits(text: &str, count: usize) -> Read<'_, u32> {
    let number = text.get(..count)?;
    let all = number.bytes().all(|b| b.is_ascii_digit());
    all.then(|| Some((number.parse().ok()?, &text[count..])))?
}
