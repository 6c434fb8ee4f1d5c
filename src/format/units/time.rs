//! Moments as people read and type them: RFC 3339 the way Go writes it, and
//! what `--since` and `--until` take. The calendar is [`Timestamp`]'s.
//!
//! A time zone here is a number of seconds east of Greenwich; what the
//! machine's own is, the caller asks the C library.

use super::duration;
use crate::container::Timestamp;
use crate::error::{Error, Result};

/// `2024-05-06T07:08:09.123456789Z`, as Go writes it: no zeros at the end.
pub fn rfc3339(time: Timestamp) -> String {
    rfc3339_at(time, 0)
}

/// The same, in a zone `offset` seconds east of Greenwich: `…T09:08:09+02:00`.
pub fn rfc3339_at(time: Timestamp, offset: i32) -> String {
    let fraction = match time.nanos {
        0 => String::new(),
        nanos => format!(".{nanos:09}").trim_end_matches('0').to_owned(),
    };
    let zone = match offset {
        0 => "Z".to_owned(),
        _ => zone(offset, ":"),
    };
    format!("{}{fraction}{zone}", time.clock(offset))
}

/// `2024-05-06 09:08:09 +0200 CEST`, the look of `CreatedAt` in Docker.
pub fn spaced(time: Timestamp, offset: i32, zone_name: &str) -> String {
    let clock = time.clock(offset).to_string().replace('T', " ");
    format!("{clock} {} {zone_name}", zone(offset, ""))
}

fn zone(offset: i32, colon: &str) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.unsigned_abs() / 60;
    format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
}

/// Reads what `--since` and `--until` take: a duration back from `now`, Unix
/// seconds with or without a fraction, or RFC 3339 from which the end may be
/// missing: the zone (then it is `offset` seconds east), seconds, minutes, the
/// time of day.
pub fn parse_moment(text: &str, now: Timestamp, offset: i32) -> Result<Timestamp> {
    let back = |length| now.before(length);
    let relative = || duration::parse(text).ok().and_then(back);
    let read = Timestamp::from_unix(text)
        .or_else(relative)
        .or_else(|| Timestamp::from_partial(text, offset));
    read.ok_or_else(|| {
        Error::user(format!("invalid time: {text:?}")).hint(
            "use a duration like 10m, Unix seconds, or a date like 2024-05-06 or 2024-05-06T07:08:09Z",
        )
    })
}

#[cfg(test)]
mod tests;
