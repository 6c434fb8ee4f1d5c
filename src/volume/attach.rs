//! Volumes with a file system of their own: mounted when the first who needs
//! one comes, and unmounted when the last has gone.
//!
//! Who has it is a file with the container's id in `<run>/volumes/<name>`. It
//! counts only while that container's lock is held, so what a keeper that was
//! killed has left there is no reason to keep anything mounted.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::fill::Place;
use super::options::Filesystem;
use super::source::{Source, fill};
use super::store::Volumes;
use crate::container::{Config, Id, Mount, MountKind};
use crate::error::{Context, Error, Result};
use crate::store::files;
use crate::sys::{fd, mount};

/// Has a volume ready for a container, whose lock is held: it is there, and
/// what is to be mounted in it is. One that somebody has taken away by hand is
/// made again. A file system that is empty gets the image's files now: when the
/// container was made it was not there.
pub fn attach(volumes: Volumes<'_>, config: &Config, mount: &Mount) -> Result<()> {
    let MountKind::Volume {
        name,
        anonymous,
        wish,
        ..
    } = &mount.kind
    else {
        return Ok(());
    };
    if *anonymous && !volumes.of(name).exists() {
        volumes.make_anonymous(name, wish)?;
    }
    let (volume, _lock, _) = volumes.ensure(name, wish)?;
    let Some(filesystem) = Filesystem::of(&volume.options)? else {
        return Ok(());
    };
    let _content = volumes.hold_content(name)?;
    let what = || format!("volume {name}");
    let run = volumes.run(name);
    files::private_dir_all(&run).context(what)?;
    fs::write(run.join(config.id.as_str()), "").context(what)?;
    mount_at(&filesystem, volumes, name)?;
    let mut source = Source::new(volumes.0, &config.root);
    fill(
        &Place::open(&volumes.of(name), true, true)?,
        mount,
        &mut source,
    )
}

fn mount_at(filesystem: &Filesystem, volumes: Volumes<'_>, name: &str) -> Result<()> {
    if is_mounted(volumes, name)? {
        return Ok(());
    }
    let mounted = filesystem.mount(&volumes.data(name));
    mounted.map_err(|e| e.context(format!("volume {name}")))
}

/// A container has no use for a volume any more.
pub fn detach(volumes: Volumes<'_>, name: &str, container: &Id) -> Result<()> {
    let own = volumes.run(name).join(container.as_str());
    if !own.exists() {
        return Ok(());
    }
    let _content = volumes.hold_content(name)?;
    let _ = fs::remove_file(own);
    // As long as another has it, it is not empty.
    let _ = fs::remove_dir(volumes.run(name));
    rest(volumes, name)
}

/// Unmounts a volume that nobody has. The caller has its content.
fn rest(volumes: Volumes<'_>, name: &str) -> Result<()> {
    if holders(volumes, name).is_empty() && is_mounted(volumes, name)? {
        mount::detach(&volumes.data(name))?;
    }
    Ok(())
}

/// Unmounts a volume that is going to be removed.
pub(super) fn take_down(volumes: Volumes<'_>, name: &str) -> Result<()> {
    let _content = volumes.hold_content(name)?;
    rest(volumes, name)
}

/// Containers that have a volume's file system mounted, and are up.
fn holders(volumes: Volumes<'_>, name: &str) -> Vec<Id> {
    let entries = fs::read_dir(volumes.run(name)).into_iter().flatten();
    let names = entries
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok());
    let mut ids: Vec<Id> = names.filter_map(|n| Id::try_from(n).ok()).collect();
    ids.retain(|id| volumes.0.entry(id.clone()).is_held());
    ids
}

/// Whether a volume is mounted, and nobody has it.
pub(super) fn is_left(volumes: Volumes<'_>, name: &str) -> bool {
    holders(volumes, name).is_empty() && is_mounted(volumes, name).unwrap_or(false)
}

/// Unmounts it, if that is still so.
pub(super) fn settle(volumes: Volumes<'_>, name: &str) -> Result<()> {
    take_down(volumes, name)
}

/// Whether anything is mounted where a volume's files are.
fn is_mounted(volumes: Volumes<'_>, name: &str) -> Result<bool> {
    let dir = fd::open(&volumes.of(name), libc::O_PATH | libc::O_DIRECTORY)?;
    match fd::openat2(&dir, Path::new("_data"), libc::O_PATH, 0, fd::SAME_MOUNT) {
        Ok(_) => Ok(false),
        Err(e) if e.errno == Errno::EXDEV => Ok(true),
        // Taken by a power failure.
        Err(e) if e.errno == Errno::ENOENT => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Where a mount of a volume leads to: its files, or a part of them. That part
/// is looked up inside, whatever a container has made of it, and stays what
/// was found as long as the descriptor is held.
pub fn place(
    volumes: Volumes<'_>,
    name: &str,
    subpath: Option<&Path>,
) -> Result<(PathBuf, Option<OwnedFd>)> {
    let data = volumes.data(name);
    let Some(subpath) = subpath else {
        return Ok((data, None));
    };
    let top = fd::open(&data, libc::O_PATH | libc::O_DIRECTORY)?;
    let found = fd::openat2(&top, subpath, libc::O_PATH, 0, fd::IN_ROOT);
    let found = found.map_err(|e| {
        let shown = subpath.display();
        Error::user(format!("volume {name} has no {shown}: {}", e.errno.desc()))
            .hint("volume-subpath must be there before the container starts")
    })?;
    Ok((fd::proc_path(&found), Some(found)))
}

/// Mounts a volume for this process alone, whose mount namespace is its own.
pub fn attach_privately(volumes: Volumes<'_>, name: &str) -> Result<()> {
    let volume = volumes.find(name)?;
    match Filesystem::of(&volume.options)? {
        Some(filesystem) => mount_at(&filesystem, volumes, name),
        None => Ok(()),
    }
}
