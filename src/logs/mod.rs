//! What a container says, written down and read again, in the form of Docker's
//! json-file driver: one JSON object a line, so that `tail`, `jq` and every
//! collector of logs can read it as it is.
//!
//! ```text
//! container.log      what was said last
//! container.log.1    what was said before, and so on
//! ```
//!
//! [`Writer`] is the keeper's, [`Reader`] that of `rcon logs`; they share
//! nothing but the files. [`line`](mod@line) is one line of them.

pub mod line;
mod options;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub use line::Entry;
pub use options::{Driver, Options};
pub use reader::{Reader, Wanted};
pub use writer::Writer;

/// Which of a program's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output; of a terminal, everything.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The name of the newest file.
pub const FILE: &str = "container.log";
