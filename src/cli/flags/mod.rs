//! From what was typed behind `run`, `create` and `exec` to what is wanted.
//!
//! Two stages. The first ([`typed`]) is the command line alone: clap's
//! structs, whose values are read by the small functions in [`parse`]. The
//! second ([`request`]) needs the surroundings: rcon's own variables and
//! directory, the files that flags name, and what others know about other
//! containers ([`Resolve`]). It refuses what contradicts itself before
//! anything is fetched or made. The image's own defaults come last
//! ([`Request::merge`]), because the image may have to be fetched first.

mod build;
pub mod parse;
mod reading;
pub mod request;
pub mod typed;

pub use request::{Attach, ExecRequest, Request, Resolve, Source, Surroundings};
pub use typed::{Create, Exec, Pull, Run};

use crate::error::Error;

/// What clap has to say about a command line, in one line and rcon's own form.
/// None: it is no failure but help or a version, to be printed as it is.
pub fn one_line(e: &clap::Error) -> Option<Error> {
    if !e.use_stderr() {
        return None;
    }
    let text = e.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let told = |line: &&str| {
        !(line.is_empty() || line.starts_with("Usage:") || line.starts_with("For more"))
    };
    let lines: Vec<&str> = text.lines().map(str::trim).filter(told).collect();
    Some(Error::user(lines.join(" ")).hint("see --help"))
}
