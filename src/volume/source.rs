//! What a volume is filled with, and where.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::fill::Place;
use super::store::Volumes;
use crate::container::{Mount, MountKind, Root};
use crate::error::{Context, Error, Result};
use crate::plan::{IdRange, Overlay};
use crate::run;
use crate::store::{Store, files};
use crate::sys::fd;

/// Copies the image's files into a volume that is empty, if they are wanted
/// there; and takes up what somebody had to leave. The caller has its content.
pub(super) fn fill(place: &Place, mount: &Mount, source: &mut Source<'_>) -> Result<()> {
    place.recover()?;
    if wants_copy(mount) && place.is_empty()? {
        place.fill(source.open()?, &mount.target)?;
    }
    Ok(())
}

/// A part of a volume is somebody's who has filled it.
fn wants_copy(mount: &Mount) -> bool {
    let whole = matches!(mount.kind, MountKind::Volume { subpath: None, .. });
    whole && !mount.has("nocopy")
}

/// The files that a container's root begins with, opened when first needed.
pub(super) struct Source<'a> {
    store: &'a Store,
    root: &'a Root,
    open: Option<OwnedFd>,
}

impl<'a> Source<'a> {
    /// That of a container with this root.
    pub(super) fn new(store: &'a Store, root: &'a Root) -> Self {
        Self {
            store,
            root,
            open: None,
        }
    }

    fn open(&mut self) -> Result<&OwnedFd> {
        if self.open.is_none() {
            self.open = Some(self.make()?);
        }
        self.open
            .as_ref()
            .ok_or_else(|| Error::internal("a root that was opened is gone"))
    }

    fn make(&self) -> Result<OwnedFd> {
        match self.root {
            Root::Directory { path, .. } => Ok(fd::open(path, libc::O_PATH | libc::O_DIRECTORY)?),
            Root::Layers { layers } => Ok(laid_out(self.store, layers, Vec::new())?.0),
        }
    }
}

/// An image's layers laid over each other, not to be written; and whether that
/// is a mount without a place. An image without layers is a directory. With
/// `owners` its files are shown as a user namespace's.
pub fn laid_out(store: &Store, layers: &[String], owners: Vec<IdRange>) -> Result<(OwnedFd, bool)> {
    let mut layers: Vec<PathBuf> = layers.iter().map(|l| store.layer(l)).collect();
    // One that is empty below all: the kernel wants two, and an image may
    // have none.
    let empty = Volumes(store).of(".empty");
    let what = || "laying the image's layers over each other";
    files::private_dir_all(&empty).context(what)?;
    layers.push(empty);
    if layers.len() == 1 {
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        return Ok((fd::open(&layers[0], flags)?, false));
    }
    let overlay = Overlay {
        layers,
        changes: None,
        owners,
    };
    Ok((run::mount_overlay(&overlay).context(what)?, true))
}
