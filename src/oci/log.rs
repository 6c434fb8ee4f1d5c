//! The log file that callers read errors from.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;

use serde_json::json;

use super::args::{Global, LogFormat};
use crate::container::Timestamp;
use crate::error::{Context, Result};
use crate::format::units::time;
use crate::say;
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
            say::warning(text);
        }
    }

    /// The same for what somebody has to look after: told to everybody.
    pub fn warn_aloud(&self, text: &str) {
        self.write("warning", text);
        say::warning(text);
    }

    /// Something went wrong.
    pub fn error(&self, text: &str) {
        self.write("error", text);
        say::error(text);
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

fn line(format: LogFormat, level: &str, text: &str) -> String {
    let time = timestamp(Timestamp::now().seconds);
    match format {
        LogFormat::Json => format!("{}\n", json!({"level": level, "msg": text, "time": time})),
        LogFormat::Text => format!("time={time:?} level={level} msg={text:?}\n"),
    }
}

/// Seconds since 1970 as RFC 3339, in UTC.
pub(super) fn timestamp(seconds: i64) -> String {
    time::rfc3339(Timestamp::at(seconds))
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
