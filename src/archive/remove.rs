//! Removing a tree: nothing outside of it, nothing that is mounted in it, and
//! however deep it is.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;

use super::entry::shown;
use super::tree::{Item, Next, Visitor, walk};
use crate::error::{Context, Error, Result};
use crate::sys::{SysResult, entry, fd};

/// How often a directory that filled up again while it was emptied is tried.
const TRIES: usize = 8;

/// Removes `name` in `dir` and all that is in it. That it is not there is
/// fine; that something is mounted in it is an error.
pub fn remove_all(dir: &OwnedFd, name: &Path) -> Result<()> {
    if name.components().count() != 1 || name.file_name().is_none() {
        return Err(Error::internal(format!(
            "removing {name:?} from a directory"
        )));
    }
    for _ in 0..TRIES {
        let flags = libc::O_PATH | libc::O_NOFOLLOW;
        let file = match fd::openat2(dir, name, flags, 0, fd::SAME_MOUNT) {
            Err(e) if e.errno == Errno::ENOENT => return Ok(()),
            Err(e) if e.errno == Errno::EXDEV => return Err(mounted(name)),
            found => found?,
        };
        if fd::stat(&file)?.st_mode & libc::S_IFMT == libc::S_IFDIR {
            make_passable(&file)?;
            walk(&file, &mut Remover).context(|| format!("removing {name:?}"))?;
        }
        match remove(dir, name) {
            Err(e) if again(e.errno) => {}
            done => return done.map_err(Error::from),
        }
    }
    Err(Error::environment(format!(
        "{name:?} fills up as fast as it is emptied"
    )))
}

/// What a name that changed since we looked answers with.
fn again(errno: Errno) -> bool {
    matches!(errno, Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR)
}

fn mounted(name: &Path) -> Error {
    Error::environment(format!(
        "cannot remove {name:?}: something is mounted there"
    ))
}

/// Removes a file or an empty directory.
fn remove(dir: &OwnedFd, name: &Path) -> SysResult<()> {
    let done = match fd::unlinkat(dir, name) {
        Err(e) if e.errno == Errno::EISDIR => entry::rmdir(dir, name),
        done => done,
    };
    match done {
        Err(e) if e.errno == Errno::ENOENT => Ok(()),
        done => done,
    }
}

/// Without being root, a directory that its owner may not write cannot be
/// emptied by him either.
fn make_passable(dir: &OwnedFd) -> SysResult<()> {
    if fd::stat(dir)?.st_mode & 0o700 == 0o700 {
        return Ok(());
    }
    fd::chmod(dir, 0o700)
}

struct Remover;

impl Visitor for Remover {
    /// Most of what there is are files, and they need not be looked at to be
    /// removed: the kernel refuses what is a directory or has a mount on it.
    fn pass(&mut self, dir: &OwnedFd, name: &Path, path: &[u8]) -> Result<bool> {
        match fd::unlinkat(dir, name) {
            Ok(()) => Ok(true),
            Err(e) if e.errno == Errno::ENOENT => Ok(true),
            Err(e) if matches!(e.errno, Errno::EISDIR | Errno::EBUSY | Errno::EPERM) => Ok(false),
            Err(e) => Err(e).context(|| shown(path)),
        }
    }

    fn enter(&mut self, item: &Item<'_>) -> Result<Next> {
        if item.mounted {
            return Err(mounted(item.name));
        }
        if item.is_dir() {
            make_passable(item.file).context(|| shown(item.path))?;
            return Ok(Next::Into);
        }
        match remove(item.dir, item.name) {
            // A directory took its place: the next try gets it.
            Err(e) if again(e.errno) => {}
            done => done.context(|| shown(item.path))?,
        }
        Ok(Next::Over)
    }

    fn leave(&mut self, dir: &OwnedFd, name: &Path, path: &[u8]) -> Result<()> {
        match remove(dir, name) {
            Err(e) if again(e.errno) => Ok(()),
            done => done.context(|| shown(path)),
        }
    }
}
