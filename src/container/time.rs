//! Points in time, and the calendar: the only arithmetic with dates there is.
//! How a moment looks to people is up to [`crate::format::units::time`].

mod read;

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::Error;

const DAY: i64 = 86_400;

/// A point in time, to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp {
    /// Since 1970.
    pub seconds: i64,
    /// Less than a second, and on top also before 1970.
    pub nanos: u32,
}

/// What a calendar and a clock on the wall show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Of our era.
    pub year: i64,
    /// From 1.
    pub month: u32,
    /// From 1.
    pub day: u32,
    /// Below 24.
    pub hour: u32,
    /// Below 60.
    pub minute: u32,
    /// Below 60.
    pub second: u32,
}

impl Timestamp {
    /// This moment.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// A whole second since 1970.
    pub fn at(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// How long ago this was; nothing if it lies ahead.
    pub fn elapsed(self) -> Duration {
        Self::now().since(self)
    }

    /// The time from `earlier` to this.
    pub fn since(self, earlier: Self) -> Duration {
        let difference = self.in_nanos() - earlier.in_nanos();
        u64::try_from(difference).map_or(Duration::ZERO, Duration::from_nanos)
    }

    /// So long before this, unless that is before all counting.
    pub fn before(self, length: Duration) -> Option<Self> {
        let nanos = self.in_nanos() - i128::try_from(length.as_nanos()).ok()?;
        Some(Self {
            seconds: i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?,
            nanos: nanos.rem_euclid(1_000_000_000) as u32,
        })
    }

    fn in_nanos(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos)
    }

    /// What clocks show `offset` seconds east of Greenwich.
    pub fn clock(self, offset: i32) -> Clock {
        let seconds = self.seconds.saturating_add(i64::from(offset));
        let (year, month, day) = civil(seconds.div_euclid(DAY));
        let second = seconds.rem_euclid(DAY) as u32;
        Clock {
            year,
            month,
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }

    /// RFC 3339 from whose end much may be missing: the zone (then it is
    /// `zone` seconds east), seconds, minutes, the time of day.
    pub fn from_partial(text: &str, zone: i32) -> Option<Self> {
        read::partial(text, zone)
    }

    /// Seconds since 1970: `1136073600` or `1136073600.000000001`.
    pub fn from_unix(text: &str) -> Option<Self> {
        read::unix(text)
    }
}

impl Clock {
    /// When clocks in Greenwich show this.
    pub fn moment(self) -> Timestamp {
        let Self {
            hour,
            minute,
            second,
            ..
        } = self;
        let of_day = i64::from(hour * 3600 + minute * 60 + second);
        Timestamp::at(days(self.year, self.month, self.day) * DAY + of_day)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        // Clocks before 1970 are not worth an error.
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            seconds: since.as_secs() as i64,
            nanos: since.subsec_nanos(),
        }
    }
}

/// Year, month and day of a number of days since 1970.
///
/// Years are counted from March, so that the leap day is the last of a year;
/// an era of 400 years always has the same number of days.
fn civil(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u32, day as u32)
}

/// The number of days since 1970: the other way round.
fn days(year: i64, month: u32, day: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = i64::from(month);
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn days_in_month(year: i64, month: u32) -> u32 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `2024-05-06T07:08:09`.
impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with all nine digits so that it sorts as text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}Z", self.clock(0), self.nanos)
    }
}

impl From<Timestamp> for String {
    fn from(t: Timestamp) -> Self {
        t.to_string()
    }
}

impl TryFrom<String> for Timestamp {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// Reads RFC 3339 in full: with a time of day and a zone.
    fn from_str(text: &str) -> Result<Self, Error> {
        read::whole(text).ok_or_else(|| {
            Error::user(format!("invalid timestamp: {text:?}"))
                .hint("it is written like 2024-05-06T07:08:09Z or 2024-05-06T09:08:09.5+02:00")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_days() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000000Z"),
        ] {
            let t = Timestamp { seconds, nanos: 0 };
            assert_eq!(t.to_string(), text);
            assert_eq!(text.parse::<Timestamp>().unwrap(), t);
        }
    }

    #[test]
    fn a_zone_leads_into_no_year_that_cannot_be_written() {
        for bad in ["0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
            assert_eq!(Timestamp::from_partial(bad, 0), None, "{bad}");
        }
        let last = "9999-12-31T23:59:59Z".parse::<Timestamp>().unwrap();
        assert_eq!(last.to_string().parse::<Timestamp>().unwrap(), last);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in 0..253_402_300_799i64, nanos in 0..1_000_000_000u32) {
            let t = Timestamp { seconds, nanos };
            prop_assert_eq!(t.to_string().parse::<Timestamp>().unwrap(), t);
        }

        #[test]
        fn any_text_is_survived(text in ".{0,40}") {
            let _ = text.parse::<Timestamp>();
        }
    }
}
