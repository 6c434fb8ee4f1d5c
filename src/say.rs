//! Lines for a person, on standard output and standard error.
//!
//! Nothing else in rcon prints lines: the macros of the standard library panic
//! where a stream is closed or full, and a command must do its work for all it
//! was given even when nobody reads what it says of it. That something could
//! not be written is remembered for the exit code.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

/// Why the first line was lost that could not be shown.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// A line on standard output.
pub fn out(line: impl fmt::Display) {
    let mut out = io::stdout().lock();
    if let Err(e) = writeln!(out, "{line}").and_then(|()| out.flush()) {
        let _ = LOST.set(e);
    }
}

/// A line on standard error. If that is closed or full, nobody reads it.
pub fn err(line: impl fmt::Display) {
    // In one write, so that lines of several processes do not mix.
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// A failure, headed as all are.
pub fn error(e: impl fmt::Display) {
    err(format_args!("rcon: error: {e}"));
}

/// What stops nothing, headed as all are.
pub fn warning(text: impl fmt::Display) {
    err(format_args!("rcon: warning: {text}"));
}

/// The exit code of a command that would end with `code`: not well, if what it
/// had to say was lost. Of a reader that went, there is nobody to be told.
pub fn or_lost(code: ExitCode) -> ExitCode {
    match LOST.get() {
        Some(e) if code == ExitCode::SUCCESS => {
            if e.kind() != io::ErrorKind::BrokenPipe {
                error(format_args!("cannot write to standard output: {e}"));
            }
            ExitCode::FAILURE
        }
        _ => code,
    }
}
