//! What a container says, written down and read again, in the form of Docker's
//! json-file driver: one JSON object a line, so that `tail`, `jq` and every
//! collector of logs can read it as it is.
//!
//! ```text
//! container.log      what was said last
//! container.log.1    what was said before, and so on
//! {"log":"hello\n","stream":"stdout","time":"2024-01-02T03:04:05.123456789Z"}
//! ```
//!
//! A line of more than 16 KiB is several records, of which only the last one's
//! text ends in a newline. [`Writer`] is the keeper's side and [`Reader`] that
//! of `rcon logs`; they share the files and nothing else, and either may be
//! killed at any time. Which driver a container has is in its [`Options`].
//! Nothing here knows what a container is.

mod attributes;
mod batch;
mod files;
mod lines;
mod options;
mod reader;
mod record;
mod tail;
mod walk;
mod watch;
mod writer;

#[cfg(test)]
mod tests;

use serde::Deserialize;

pub use attributes::{Attributes, Subject, attributes};
pub use options::{Driver, Options};
pub use reader::{Entry, Event, Reader, Wanted};
pub use writer::Writer;

/// The name of the newest file.
pub const FILE: &str = "container.log";

/// Which of a program's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output; of a terminal, everything.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// Both, in the order of [`Stream::index`].
    const BOTH: [Self; 2] = [Self::Stdout, Self::Stderr];

    fn index(self) -> usize {
        usize::from(self == Self::Stderr)
    }
}
