//! A container's volumes while it is up, and after.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::{Keeper, root};
use crate::container::{Config, IdMap, Mount, MountKind};
use crate::error::{Context, Result};
use crate::plan::{Action, Plan, Slot, Step};
use crate::run::Shown;
use crate::spec::volume_key;
use crate::store::Store;
use crate::sys::fd;
use crate::volume::{self, Volumes, attach};

/// Where a container's volumes are.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// By the key of a specification's input.
    pub paths: BTreeMap<String, PathBuf>,
    /// What some of these paths lead through.
    held: Vec<OwnedFd>,
    /// Where images are, by the place where they are to be seen.
    pub images: BTreeMap<PathBuf, PathBuf>,
    /// Those that are mounted already, without a place, by that path.
    laid_out: Vec<(PathBuf, OwnedFd)>,
}

impl Places {
    /// What the plan need not take from where it says, since it is here. It
    /// could not be copied everywhere: before Linux 6.15 only a mount that has
    /// a place can be.
    pub fn made(&mut self, plan: &Plan) -> Vec<(Slot, OwnedFd)> {
        let mut made = Vec::new();
        for (path, mount) in self.laid_out.drain(..) {
            let opens = |step: &Step| match &step.action {
                Action::OpenSource {
                    slot, path: source, ..
                } if *source == path => Some(*slot),
                _ => None,
            };
            made.extend(plan.steps.iter().find_map(opens).map(|slot| (slot, mount)));
        }
        made
    }
}

impl Keeper {
    /// Has all volumes ready, before each start. What another has them do is
    /// seen only when they are first entered.
    pub(super) fn enter_volumes(&mut self) -> Result<()> {
        let volumes = Volumes(&self.store);
        for mount in &self.config.mounts {
            attach::attach(volumes, &self.config, mount)?;
        }
        if !self.has_volumes {
            self.has_volumes = true;
            self.note_volumes("mount");
        }
        Ok(())
    }

    /// Leaves them; the last one unmounts what was mounted for them.
    pub(super) fn leave_volumes(&mut self) {
        if std::mem::take(&mut self.has_volumes) {
            self.note_volumes("unmount");
        }
        release(&self.store, &self.config);
    }

    fn note_volumes(&self, action: &str) {
        for (name, mount) in volumes_of(&self.config) {
            let target = mount.target.display().to_string();
            let more = [
                ("container", self.config.id.as_str()),
                ("destination", &target),
                ("read/write", if mount.read_only { "false" } else { "true" }),
            ];
            let more = if action == "mount" {
                &more[..]
            } else {
                &more[..1]
            };
            volume::note(&self.store, action, name, more);
        }
    }
}

fn volumes_of(config: &Config) -> impl Iterator<Item = (&str, &Mount)> {
    let mounts = config.mounts.iter();
    mounts.filter_map(|m| Some((m.volume()?, m)))
}

/// A container that is not up has no use for its volumes' file systems. What
/// cannot be unmounted is found by `system check`.
pub fn release(store: &Store, config: &Config) {
    for (name, _) in volumes_of(config) {
        let _ = attach::detach(Volumes(store), name, &config.id);
    }
}

/// Removes the volumes that nobody gave a name, unless other containers have
/// them. Before the container itself, whose record alone tells of them.
pub fn forget(store: &Store, config: &Config) -> Result<()> {
    let volumes = Volumes(store);
    let mut done = Ok(());
    for mount in &config.mounts {
        let MountKind::Volume {
            name,
            anonymous: true,
            ..
        } = &mount.kind
        else {
            continue;
        };
        let used = volume::users::of(store, name, Some(&config.id));
        if used.is_ok_and(|users| users.is_empty()) && volumes.data(name).exists() {
            let removed = volumes.remove(name, Some(&config.id));
            done = done.and(removed);
        }
    }
    done
}

/// Looks up where the volumes are.
pub(super) fn places(store: &Store, config: &Config) -> Result<Places> {
    let mut all = Places::default();
    for mount in &config.mounts {
        if let MountKind::Volume { name, subpath, .. } = &mount.kind {
            let subpath = subpath.as_deref();
            let (path, held) = attach::place(Volumes(store), name, subpath)?;
            all.paths.insert(volume_key(name, subpath), path);
            all.held.extend(held);
        }
    }
    Ok(all)
}

/// Lays out the images that are to be mounted.
pub(super) fn lay_out_images(store: &Store, config: &Config, all: &mut Places) -> Result<()> {
    for mount in &config.mounts {
        let MountKind::Image {
            reference, layers, ..
        } = &mount.kind
        else {
            continue;
        };
        let laid = volume::source::laid_out(store, layers, root::owners(config));
        let (root, is_mount) = laid.map_err(|e| e.context(format!("image {reference}")))?;
        let path = fd::proc_path(&root);
        all.images.insert(mount.target.clone(), path.clone());
        if is_mount {
            all.laid_out.push((path, root));
        } else {
            all.held.push(root);
        }
    }
    Ok(())
}

/// What a container that is not up would see of binds and volumes, and what
/// some of these paths lead through. This process's mounts are its own.
pub(super) fn shown(store: &Store, config: &Config) -> Result<(Vec<Shown>, Places)> {
    for (name, _) in volumes_of(config) {
        attach::attach_privately(Volumes(store), name)?;
    }
    let places = places(store, config)?;
    let one = |m: &Mount| {
        let (source, recursive) = match &m.kind {
            MountKind::Bind {
                source, recursive, ..
            } => (source, *recursive),
            MountKind::Volume { name, subpath, .. } => {
                let key = volume_key(name, subpath.as_deref());
                (places.paths.get(&key)?, true)
            }
            MountKind::Tmpfs(_) | MountKind::Image { .. } => return None,
        };
        // Where the source is gone, or is only made at a start, there is
        // nothing to be seen yet.
        source.exists().then(|| Shown {
            source: source.clone(),
            target: m.target.clone(),
            recursive,
            read_only: m.read_only,
        })
    };
    Ok((config.mounts.iter().filter_map(one).collect(), places))
}

/// Where volumes are mounted whose files are a user namespace's own: all but
/// those with a file system of their own, which says itself whose they are.
pub(super) fn mapped(store: &Store, config: &Config) -> Result<BTreeSet<PathBuf>> {
    let mut all = BTreeSet::new();
    if config.isolation.userns.is_some() {
        for (name, mount) in volumes_of(config) {
            let volume = Volumes(store).find(name)?;
            if volume.options.is_empty() {
                all.insert(mount.target.clone());
            }
        }
    }
    Ok(all)
}

/// Whose the sources are that are to be shown as the container's own.
pub(super) fn owners(
    config: &Config,
    volumes: &BTreeMap<String, PathBuf>,
) -> Result<BTreeMap<PathBuf, (u32, u32)>> {
    let mut all = BTreeMap::new();
    for mount in &config.mounts {
        if !mount.options.iter().any(|o| IdMap::parse(o).is_some()) {
            continue;
        }
        let source = match &mount.kind {
            MountKind::Bind { source, .. } => Some(source),
            MountKind::Volume { name, subpath, .. } => {
                volumes.get(&volume_key(name, subpath.as_deref()))
            }
            MountKind::Tmpfs(_) | MountKind::Image { .. } => None,
        };
        if let Some(source) = source {
            let meta = fs::metadata(source).context(|| source.display().to_string())?;
            all.insert(mount.target.clone(), (meta.uid(), meta.gid()));
        }
    }
    Ok(all)
}
