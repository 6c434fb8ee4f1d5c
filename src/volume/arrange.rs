//! What a new container needs of volumes, before there is a record of it.
//!
//! Volumes with names come to be at once, and are kept from being removed until
//! the record stands that says they are used. Those without one get their
//! place only after it: should this command be killed, the record tells whether
//! somebody wants them (see `leftovers`).

use super::fill::Place;
use super::record::Volume;
use super::source::{Source, fill};
use super::store::{Fresh, Volumes};
use crate::container::{Config, Id, Mount, MountKind, VolumeWish};
use crate::error::Result;
use crate::store::{Lock, Store};

/// Volumes for a container that is being made.
pub struct Arranged<'a> {
    volumes: Volumes<'a>,
    lasting: bool,
    held: Vec<Lock>,
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
        lasting: !config.auto_remove,
        held: Vec::new(),
        fresh: Vec::new(),
    };
    let mut source = Source::new(store, &config.root);
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
            let fresh = self
                .volumes
                .make(&volume, &Id::try_from(name.to_owned())?)?;
            let place = Place::open(&fresh.dir, false, self.lasting)?;
            self.fresh.push((name.to_owned(), fresh));
            if !wish.options.is_empty() {
                return Ok(());
            }
            return fill(&place, mount, source);
        }
        let (volume, lock, _) = self.volumes.ensure(name, wish)?;
        self.held.push(lock);
        // Another file system is there only while it is used.
        if !volume.options.is_empty() {
            return Ok(());
        }
        let volumes = self.volumes;
        let _content = volumes.hold_content(name)?;
        fill(&Place::open(&volumes.of(name), false, true)?, mount, source)
    }
}
