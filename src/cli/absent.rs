//! What the command line knows and rcon cannot do yet: refused, so that nobody
//! believes to have it.

use crate::container::{Config, MountKind};
use crate::error::{Error, Result};

/// Refuses what would otherwise be passed over.
pub fn refuse(config: &Config) -> Result<()> {
    for mount in &config.mounts {
        let target = mount.target.display();
        match mount.kind {
            MountKind::Image { .. } => {
                return Err(absent(
                    &format!("{target}: images cannot be mounted yet"),
                    "a directory of the host can, with -v /DIR:/PATH:ro",
                ));
            }
            MountKind::Bind { .. } | MountKind::Volume { .. } | MountKind::Tmpfs(_) => {}
        }
    }
    if let Some(name) = config.isolation.cdi.first() {
        return Err(absent(
            &format!("--device {name}: devices cannot be named by CDI yet"),
            "give the path of the device, as in --device /dev/dri/renderD128",
        ));
    }
    Ok(())
}

fn absent(what: &str, instead: &str) -> Error {
    Error::user(what).hint(instead).exit(125)
}
