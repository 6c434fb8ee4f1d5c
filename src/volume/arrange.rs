//! What a new container needs of volumes, before there is a record of it.
//!
//! Volumes with names come to be at once, and are kept from being removed until
//! the record stands that says they are used. Those without one get their
//! place only after it: should this command be killed, the record tells whether
//! somebody wants them (see `leftovers`).

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::fill::Place;
use super::record::Volume;
use super::store::{Fresh, Volumes};
use super::attach;
use crate::container::{Config, Id, Mount, MountKind, Root, VolumeWish};
use crate::error::{Context, Error, Result};
use crate::plan::Overlay;
use crate::run;
use crate::store::{Lock, Store, files};
use crate::sys::fd;

/// Volumes for a container that is being made.
pub struct Arranged<'a> {
    volumes: Volumes<'a>,
    _held: Vec<Lock>,
    fresh: Vec<(String, Fresh)>,
}

impl Arranged<'_> {
    /// The container's record stands: what was made for it is its own.
    pub fn keep(self) -> Result<()> {
        for (name, fresh) in &self.fresh {
            self.volumes.publish(fresh, name)?;
            super::note(self.volumes.0, "create", name, &[]);
        }
        Ok(())
    }
}

/// Makes the volumes that a container names and that are not there, and copies
/// the image's files into the empty ones.
pub fn arrange<'a>(store: &'a Store, config: &Config) -> Result<Arranged<'a>> {
    let mut all = Arranged {
        volumes: Volumes(store),
        _held: Vec::new(),
        fresh: Vec::new(),
    };
    let mut source = Source {
        store,
        root: &config.root,
        open: None,
    };
    for mount in &config.mounts {
        if let MountKind::Volume {
            name,
            anonymous,
            wish,
            ..
        } = &mount.kind
        {
            all.one(name, *anonymous, wish, mount, &mut source)?;
        }
    }
    Ok(all)
}

impl Arranged<'_> {
    fn one(
        &mut self,
        name: &str,
        anonymous: bool,
        wish: &VolumeWish,
        mount: &Mount,
        source: &mut Source<'_>,
    ) -> Result<()> {
        if self.fresh.iter().any(|(known, _)| known == name) {
            return Ok(());
        }
        // Another container's has no name either, and is there.
        if anonymous && !self.volumes.of(name).exists() {
            let volume = Volume::new(name, true, wish);
            let fresh = self.volumes.make(&volume, &Id::try_from(name.to_owned())?)?;
            let place = beside(&fresh.dir);
            self.fresh.push((name.to_owned(), fresh));
            return match wish.options.is_empty() && wants_copy(mount) {
                true => place.fill(source.open()?, &mount.target),
                false => Ok(()),
            };
        }
        let (volume, lock, _) = self.volumes.ensure(name, wish)?;
        self._held.push(lock);
        if !wants_copy(mount) {
            return Ok(());
        }
        let volumes = self.volumes;
        attach::with_content(volumes, &volume, |mounted| {
            let place = place(volumes, name, mounted);
            place.recover()?;
            if place.is_empty()? {
                place.fill(source.open()?, &mount.target)?;
            }
            Ok(())
        })
    }
}

/// A part of a volume is somebody's who has filled it.
fn wants_copy(mount: &Mount) -> bool {
    let whole = matches!(mount.kind, MountKind::Volume { subpath: None, .. });
    whole && !mount.has("nocopy")
}

/// Where a volume is filled.
pub(super) fn place(volumes: Volumes<'_>, name: &str, mounted: bool) -> Place {
    let data = volumes.data(name);
    let at = |part: &str| {
        if mounted {
            data.join(format!(".rcon-{part}"))
        } else {
            volumes.of(&format!(".{part}-{name}"))
        }
    };
    Place {
        filling: at("filling"),
        filled: at("filled"),
        data,
    }
}

/// The same for one that is being made.
fn beside(dir: &Path) -> Place {
    Place {
        data: dir.join("_data"),
        filling: dir.join("filling"),
        filled: dir.join("filled"),
    }
}

/// The files that a container's root begins with, opened when first needed.
struct Source<'a> {
    store: &'a Store,
    root: &'a Root,
    open: Option<OwnedFd>,
}

impl Source<'_> {
    fn open(&mut self) -> Result<&OwnedFd> {
        if self.open.is_none() {
            self.open = Some(self.make()?);
        }
        self.open
            .as_ref()
            .ok_or_else(|| Error::internal("a root that was opened is gone"))
    }

    fn make(&self) -> Result<OwnedFd> {
        let mut layers: Vec<PathBuf> = match self.root {
            Root::Directory { path, .. } => {
                let flags = libc::O_PATH | libc::O_DIRECTORY;
                return Ok(fd::open(path, flags)?);
            }
            Root::Layers { layers } => layers.iter().map(|l| self.store.layer(l)).collect(),
        };
        // One that is empty below all: the kernel wants two, and an image may
        // have none.
        let empty = Volumes(self.store).of(".empty");
        let what = || "laying the image's layers over each other";
        files::private_dir_all(&empty).context(what)?;
        layers.push(empty);
        if layers.len() == 1 {
            return Ok(fd::open(&layers[0], libc::O_PATH | libc::O_DIRECTORY)?);
        }
        let overlay = Overlay {
            layers,
            changes: None,
        };
        run::mount_overlay(&overlay).context(what)
    }
}
