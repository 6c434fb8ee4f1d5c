//! A folder that nobody else can enter and that goes away.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::error::{Context as _, Result};
use crate::store::files;
use crate::sys::{self, fd, inside};

/// How a folder is called that a build has left behind, if it was killed:
/// whoever looks after the directory it is in can remove those that are old.
pub(super) const PREFIX: &str = "context-";

#[derive(Debug)]
pub(super) struct Private {
    path: PathBuf,
    removed: bool,
}

impl Private {
    pub(super) fn new(dir: &Path) -> Result<Self> {
        let mut random = [0; 8];
        sys::random(&mut random)?;
        let name = format!("{PREFIX}{:016x}", u64::from_ne_bytes(random));
        let path = dir.join(name);
        files::private_dir(&path).context(|| format!("making {path:?}"))?;
        Ok(Self {
            path,
            removed: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a directory in it, and opens it.
    pub(super) fn make(&self, name: &str) -> Result<OwnedFd> {
        let path = self.path.join(name);
        files::private_dir(&path).context(|| format!("making {path:?}"))?;
        Ok(fd::open(&path, inside::DIR)?)
    }

    pub(super) fn remove(mut self) -> Result<()> {
        self.removed = true;
        files::remove_tree(&self.path)
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if !self.removed {
            let _ = files::remove_tree(&self.path);
        }
    }
}
