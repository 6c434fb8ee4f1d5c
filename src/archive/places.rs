//! Places for mounts, taken away again: where an image had nothing at the
//! target of a mount, an empty file or directory was made there, which is
//! nobody's work and does not belong into a layer.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::changes::descend;
use super::overlay;
use super::root::path as as_path;
use crate::error::Result;
use crate::sys::{entry, fd, inside};

/// Takes the places of `mounts` out of `upper`, an overlay's upper directory,
/// where the layers below have nothing there and nobody has put anything into
/// them; and directories on the way to them that are here for nothing else.
pub fn take_places_away(upper: &OwnedFd, lowers: &[OwnedFd], mounts: &[PathBuf]) -> Result<()> {
    let mut mounts: Vec<&PathBuf> = mounts.iter().collect();
    // What is mounted in another mount comes first.
    mounts.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
    for mount in mounts {
        let path = mount.strip_prefix("/").unwrap_or(mount);
        if path.as_os_str().is_empty() || path.starts_with("..") {
            continue;
        }
        let here = take_away(upper, lowers, path, false)?;
        let mut above = path.parent().filter(|_| here);
        while let Some(dir) = above.filter(|dir| !dir.as_os_str().is_empty()) {
            if !take_away(upper, lowers, dir, true)? {
                break;
            }
            above = dir.parent();
        }
    }
    Ok(())
}

/// Whether it was there for nothing, and is gone.
fn take_away(upper: &OwnedFd, lowers: &[OwnedFd], path: &Path, above: bool) -> Result<bool> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(false);
    };
    let name = Path::new(name);
    // A link on the way: the place was made elsewhere, and stays.
    let Ok(dir) = fd::openat2(
        upper,
        inside::relative(parent),
        inside::DIR,
        0,
        fd::NO_LINKS,
    ) else {
        return Ok(false);
    };
    let Some(stat) = entry::stat(&dir, name)? else {
        return Ok(false);
    };
    let below = below(lowers, parent, name)?;
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFREG if !above && below.is_none() && stat.st_size == 0 => {
            entry::remove_file(&dir, name)?;
            Ok(true)
        }
        libc::S_IFDIR => take_directory_away(&dir, name, &stat, below.as_ref(), above),
        _ => Ok(false),
    }
}

fn take_directory_away(
    dir: &OwnedFd,
    name: &Path,
    stat: &libc::stat,
    below: Option<&libc::stat>,
    above: bool,
) -> Result<bool> {
    let facts = |s: &libc::stat| (s.st_mode, s.st_uid, s.st_gid);
    let for_nothing = match below {
        None => true,
        Some(below) => above && facts(below) == facts(stat),
    };
    if !for_nothing || overlay::is_opaque(inside::child(dir, name)?)? {
        return Ok(false);
    }
    // One that is not empty stays.
    Ok(entry::rmdir(dir, name).is_ok())
}

/// What the layers below have there.
fn below(lowers: &[OwnedFd], parent: &Path, name: &Path) -> Result<Option<libc::stat>> {
    for dir in descend(lowers, parent.as_os_str().as_bytes())? {
        match entry::stat(dir, as_path(name.as_os_str().as_bytes()))? {
            None => {}
            Some(stat) if overlay::is_whiteout(&stat) => return Ok(None),
            found => return Ok(found),
        }
    }
    Ok(None)
}
