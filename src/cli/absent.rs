//! What the command line knows and rcon cannot do yet: refused, so that nobody
//! believes to have it.

use crate::container::Config;
use crate::error::{Error, Result};

/// Refuses what would otherwise be passed over.
pub fn refuse(config: &Config) -> Result<()> {
    if let Some(name) = config.isolation.cdi.first() {
        return Err(absent(
            &format!("--device {name}: devices cannot be named by CDI yet"),
            "give the path of the device, as in --device /dev/dri/renderD128",
        ));
    }
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
