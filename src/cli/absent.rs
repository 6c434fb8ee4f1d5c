//! What the command line knows and rcon cannot do yet: refused, so that nobody
//! believes to have it.

use crate::container::Config;
use crate::error::{Error, Result};

/// Refuses what would otherwise be passed over.
pub fn refuse(config: &Config) -> Result<()> {
    // What no file names is told before anything is made.
    crate::spec::cdi::find(&config.isolation.cdi).map_err(|e| e.exit(125))?;
    Ok(())
}

/// `logs --details`: what it shows comes from `--log-opt labels=…`, which is
/// refused, so no log has it.
pub fn log_details() -> Error {
    Error::user("--details: logs keep no attributes such as labels yet")
        .hint("rcon inspect shows the labels of a container")
}

fn absent(what: &str, instead: &str) -> Error {
    Error::user(what).hint(instead).exit(125)
}
