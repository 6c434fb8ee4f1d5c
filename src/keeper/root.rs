//! A container's root file system: where it comes from, and how it is reached
//! while the container is up and while it is not.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::FsFlags;

use crate::container::{Config, Mount, MountKind, Root, State};
use crate::error::{Context, Error, Result};
use crate::plan::{Changes, IdRange, Overlay};
use crate::run;
use crate::store::{Entry, Lock, Store};
use crate::sys::fd;
use crate::sys::identity::FilesOf;

/// A root that can be written to for as long as this is held.
#[derive(Debug)]
pub struct Open {
    /// Its top.
    pub root: OwnedFd,
    /// Keeps a container that is not up from being started meanwhile: two
    /// overlays must not share one upper directory.
    _lock: Option<Lock>,
}

/// Opens a container's root as the container sees it: with its mounts while it
/// is up, and without them while it is not.
pub fn open(store: &Store, entry: &Entry, state: &State) -> Result<Open> {
    if state.pid != 0 {
        // The handle first: if that very process is still there afterwards,
        // the root was its own.
        let gone = || Error::environment("the container has just ended").hint("try again");
        let pidfd = crate::process::handle(state.pid, state.pid_start).ok_or_else(gone)?;
        let path = format!("/proc/{}/root", state.pid);
        let root = fd::open(Path::new(&path), libc::O_PATH | libc::O_DIRECTORY)?;
        fd::pidfd_send_signal(&pidfd, 0).map_err(|_| gone())?;
        return Ok(Open { root, _lock: None });
    }
    let lock = entry.try_lock()?;
    let lock = lock.ok_or_else(busy)?;
    let (rootfs, overlay) = of(store, entry, &entry.config()?)?;
    let root = match overlay {
        Some(overlay) => mounted(&as_can_be(overlay))?,
        None => fd::open(&rootfs, libc::O_PATH | libc::O_DIRECTORY)?,
    };
    Ok(Open {
        root,
        _lock: Some(lock),
    })
}

/// The same with what is mounted in it, also while it is not up: binds and
/// volumes, which are files that stay. Of a container that is not up this is
/// laid out in a mount namespace that this process then has for itself.
pub fn open_with_mounts(store: &Store, entry: &Entry, state: &State) -> Result<Open> {
    let config = entry.config()?;
    let stays = |m: &Mount| matches!(m.kind, MountKind::Bind { .. } | MountKind::Volume { .. });
    if state.pid != 0 || !config.mounts.iter().any(stays) {
        return open(store, entry, state);
    }
    let lock = entry.try_lock()?.ok_or_else(busy)?;
    run::leave_mounts()?;
    let (place, overlay) = of(store, entry, &config)?;
    let root = match overlay {
        Some(overlay) => mounted(&as_can_be(overlay))?,
        None => run::as_mount(&place)?,
    };
    let (shown, _held) = super::volumes::shown(store, &config)?;
    let _owner = as_its_root(&config)?;
    let root = run::lay_out(&root, &place, &shown).context(|| "showing what is mounted in it")?;
    Ok(Open {
        root,
        _lock: Some(lock),
    })
}

/// Where nothing can be written, what a container has changed is the uppermost
/// of what is only read.
fn as_can_be(mut overlay: Overlay) -> Overlay {
    let is_fixed = |changes: &mut Changes| {
        let disk = nix::sys::statvfs::statvfs(&changes.upper);
        disk.is_ok_and(|disk| disk.flags().contains(FsFlags::ST_RDONLY))
    };
    if let Some(changes) = overlay.changes.take_if(is_fixed) {
        overlay.layers.insert(0, changes.upper);
    }
    overlay
}

fn busy() -> Error {
    Error::user("the container is just being started or removed")
}

/// What a container has changed: its upper directory, and the layers below it,
/// the uppermost first. `None` where changes are not kept apart.
pub fn layers(store: &Store, entry: &Entry) -> Result<Option<(OwnedFd, Vec<OwnedFd>)>> {
    let (_, overlay) = of(store, entry, &entry.config()?)?;
    let Some(overlay) = overlay else {
        return Ok(None);
    };
    let open = |path: &Path| fd::open(path, libc::O_RDONLY | libc::O_DIRECTORY);
    let lowers = overlay.layers.iter().map(|path| open(path));
    let lowers = lowers.collect::<crate::sys::SysResult<Vec<_>>>()?;
    Ok(Some((open(&entry.upper_dir())?, lowers)))
}

/// Where the root is, and what is laid over each other there.
pub(super) fn of(
    store: &Store,
    entry: &Entry,
    config: &Config,
) -> Result<(PathBuf, Option<Overlay>)> {
    let layers = match &config.root {
        Root::Directory {
            path,
            overlay: false,
        } => return Ok((existing(path)?, None)),
        Root::Directory { path, .. } => vec![existing(path)?],
        Root::Layers { layers } => layers.iter().map(|name| store.layer(name)).collect(),
    };
    let (place, upper, work) = entry.make_overlay_dirs(layers.first().map(PathBuf::as_path))?;
    // What is changed goes with the container; it need not survive a crash.
    let volatile = config.auto_remove;
    let changes = Some(Changes {
        upper,
        work,
        volatile,
    });
    let overlay = Overlay {
        layers,
        changes,
        // A directory that somebody has given is taken as it is.
        owners: match config.root {
            Root::Layers { .. } => owners(config),
            Root::Directory { .. } => Vec::new(),
        },
    };
    Ok((place, Some(overlay)))
}

/// In a user namespace the files of an image are its own users'.
pub(super) fn owners(config: &Config) -> Vec<IdRange> {
    let range = |(outside, count)| IdRange {
        inside: 0,
        outside,
        count,
    };
    config.isolation.userns.map(range).into_iter().collect()
}

/// The host's user who is the container's root: for as long as what comes back
/// is held, files that are made are that one's.
pub fn as_its_root(config: &Config) -> Result<Option<FilesOf>> {
    let root = config.isolation.userns.map(|(start, _)| start);
    Ok(root.map(|id| FilesOf::new(id, id)).transpose()?)
}

/// Lays the layers over each other.
fn mounted(overlay: &Overlay) -> Result<OwnedFd> {
    let root = run::mount_overlay(overlay);
    root.context(|| "laying the root file system's layers over each other")
        .map_err(|e| match overlay.owners.as_slice() {
            [] => e,
            _ => e.hint(
                "with --userns the files of an image are shown under other owners: that takes \
                 Linux 5.19, and a store on ext4, xfs, btrfs or, since Linux 6.3, tmpfs",
            ),
        })
}

fn existing(path: &Path) -> Result<PathBuf> {
    let named = || format!("the root file system {}", path.display());
    let real = fs::canonicalize(path).context(named)?;
    if !real.is_dir() {
        return Err(Error::user("not a directory").context(named()));
    }
    if real == Path::new("/") {
        return Err(Error::user("the host's own root cannot be a container's"));
    }
    Ok(real)
}

/// The root as it will be, to look things up in, and then to start with: gone
/// with the descriptor, if it comes to no start.
pub(super) fn view(rootfs: &Path, overlay: Option<&Overlay>) -> Result<OwnedFd> {
    match overlay {
        None => Ok(fd::open(rootfs, libc::O_PATH | libc::O_DIRECTORY)?),
        Some(overlay) => mounted(overlay),
    }
}
