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

fn absent(what: &str, instead: &str) -> Error {
    Error::user(what).hint(instead).exit(125)
}
