//! The machine's time zone, as the C library knows it, and a process's time.

use std::ffi::CStr;
use std::time::Duration;

/// How long processors have worked for this process.
pub fn time_computed() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: it fills what it is given, and there is such a clock.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// How many seconds east of Greenwich the machine's zone is at a moment
/// (seconds since 1970), and what it is called then: `(7200, "CEST")`.
pub fn zone_at(seconds: i64) -> (i32, String) {
    let time: libc::time_t = seconds;
    // SAFETY: `tm` is plain data that localtime_r fills. What `tm_zone` points
    // to is the C library's and lives until the zone is read again, which
    // nobody here does; it is copied at once.
    unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&raw const time, &raw mut tm).is_null() || tm.tm_zone.is_null() {
            return (0, "UTC".to_owned());
        }
        let name = CStr::from_ptr(tm.tm_zone).to_string_lossy().into_owned();
        (tm.tm_gmtoff as i32, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_less_than_a_day_away_and_has_a_name() {
        let (offset, name) = zone_at(1_700_000_000);
        assert!(offset.abs() < 86_400);
        assert!(!name.is_empty());
    }
}
