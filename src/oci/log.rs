//! The log file that callers read errors from.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;

use nix::sys::time::TimeValLike;
use serde_json::json;

use super::args::{Global, LogFormat};
use crate::error::{Context, Result};
use crate::sys::fd;

/// Where errors and warnings are written beside standard error.
#[derive(Debug)]
pub struct Log {
    file: Option<File>,
    format: LogFormat,
    debug: bool,
}

impl Log {
    /// Opens the log that the flags name.
    pub fn open(global: &Global) -> Result<Self> {
        let open = |path: &std::path::PathBuf| {
            let mut options = File::options();
            let file = options.append(true).create(true).mode(0o644).open(path);
            file.context(|| format!("cannot open the log {}", path.display()))
        };
        Ok(Self {
            file: global.log.as_ref().map(open).transpose()?,
            format: global.log_format,
            debug: global.debug,
        })
    }

    /// Something went wrong that stops nothing.
    pub fn warn(&self, text: &str) {
        self.write("warning", text);
        // Callers that read our standard error take any word there for a
        // failure; a person does not.
        if self.file.is_none() && std::io::stderr().is_terminal() {
            complain(&format!("rcon: warning: {text}"));
        }
    }

    /// The same for what somebody has to look after: told to everybody.
    pub fn warn_aloud(&self, text: &str) {
        self.write("warning", text);
        complain(&format!("rcon: warning: {text}"));
    }

    /// Something went wrong.
    pub fn error(&self, text: &str) {
        self.write("error", text);
        complain(&format!("rcon: error: {text}"));
    }

    fn write(&self, level: &str, text: &str) {
        let Some(mut file) = self.file.as_ref() else {
            return;
        };
        let line = line(self.format, level, text);
        // A log that cannot be written must not hide what it was to tell:
        // standard error has it, too.
        let _ = file.write_all(line.as_bytes());
    }

    /// Where to tell each step, if `--debug` asks for it.
    pub(super) fn debug_file(&self) -> Result<Option<(File, bool)>> {
        if !self.debug {
            return Ok(None);
        }
        let json = self.file.is_some() && self.format == LogFormat::Json;
        let file = match &self.file {
            Some(file) => file.try_clone()?,
            None => File::from(fd::duplicate(fd::standard(2))?),
        };
        Ok(Some((file, json)))
    }
}

/// One line on standard error. If that is closed or full, nobody reads it: no
/// reason to fall over, as `eprintln!` would.
pub(super) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn line(format: LogFormat, level: &str, text: &str) -> String {
    let time = now();
    match format {
        LogFormat::Json => format!("{}\n", json!({"level": level, "msg": text, "time": time})),
        LogFormat::Text => format!("time={time:?} level={level} msg={text:?}\n"),
    }
}

fn now() -> String {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME);
    timestamp(now.map_or(0, |t| t.num_seconds()))
}

/// Seconds since 1970 as RFC 3339, in UTC.
pub(super) fn timestamp(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The date of a day counted from 1970. Years are taken to begin in March, so
/// that the leap day comes last and months have a regular length.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(timestamp(951_868_800), "2000-03-01T00:00:00Z");
        assert_eq!(timestamp(1_795_219_199), "2026-11-20T23:59:59Z");
    }

    #[test]
    fn a_json_line_is_json() {
        let line = line(LogFormat::Json, "error", "a \"b\"\n");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["msg"], "a \"b\"\n");
        assert_eq!(value["level"], "error");
    }
}
