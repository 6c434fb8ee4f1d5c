//! Removing a tree: nothing outside of it, nothing that is mounted in it, and
//! however deep it is.
//!
//! It is the most frequent of all walks, a few calls for each container that
//! ends and some ten thousand for an image. So it is one of its own: what the
//! list of a directory says is not asked again, and files are not opened.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::tree::{OPEN_LEVELS, parent};
use crate::error::{Context, Error, Result};
use crate::sys::entry::{self, Listed};
use crate::sys::{SysResult, fd};

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
        let done = match open(dir, name)? {
            Found::Nothing => return Ok(()),
            Found::Mount => return Err(mounted(name)),
            Found::Other => remove_file(dir, name),
            Found::Directory(found) => {
                empty(found, name)?;
                remove_directory(dir, name)
            }
        };
        match done {
            // It is another thing than it was, or filled up again.
            Ok(false) => {}
            done => return done.map(drop).context(|| format!("removing {name:?}")),
        }
    }
    Err(Error::environment(format!(
        "{name:?} fills up as fast as it is emptied"
    )))
}

fn mounted(name: &Path) -> Error {
    Error::environment(format!(
        "cannot remove {name:?}: something is mounted there"
    ))
}

/// What a name stands for.
enum Found {
    Directory(OwnedFd),
    /// Something is mounted there.
    Mount,
    /// No directory.
    Other,
    Nothing,
}

/// Opens a directory to be emptied.
fn open(dir: &OwnedFd, name: &Path) -> SysResult<Found> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let how = |flags| fd::openat2_or(dir, name, flags, fd::SAME_MOUNT);
    match how(flags)? {
        Ok(found) => Ok(Found::Directory(found)),
        Err(Errno::ENOENT) => Ok(Found::Nothing),
        Err(Errno::EXDEV) => Ok(Found::Mount),
        Err(Errno::ENOTDIR | Errno::ELOOP) => Ok(Found::Other),
        Err(Errno::EACCES) => {
            // Its owner may not look into it either, and must.
            let closed = fd::openat2(dir, name, flags | libc::O_PATH, 0, fd::SAME_MOUNT)?;
            fd::chmod(&closed, 0o700)?;
            fd::openat2(dir, name, flags, 0, fd::SAME_MOUNT).map(Found::Directory)
        }
        Err(_) => fd::openat2(dir, name, flags, 0, fd::SAME_MOUNT).map(Found::Directory),
    }
}

/// A directory on the way down.
struct Level {
    dir: Option<OwnedFd>,
    /// Its device and number, once it has been closed.
    id: (u64, u64),
    name: OsString,
    left: Vec<Listed>,
}

impl Level {
    fn of(dir: OwnedFd, name: OsString) -> SysResult<Self> {
        let mut left = entry::list(&dir)?;
        // As they lie on the disk; the last comes first.
        left.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.inode));
        Ok(Self {
            dir: Some(dir),
            id: (0, 0),
            name,
            left,
        })
    }

    fn open(&self) -> Result<&OwnedFd> {
        self.dir.as_ref().ok_or_else(super::tree::lost)
    }

    fn close(&mut self) -> SysResult<()> {
        if let Some(dir) = self.dir.take() {
            let stat = fd::stat(&dir)?;
            self.id = (stat.st_dev, stat.st_ino);
        }
        Ok(())
    }
}

/// Removes what is in a directory. What somebody else puts there meanwhile
/// stays.
fn empty(top: OwnedFd, name: &Path) -> Result<()> {
    let mut levels = vec![Level::of(top, name.into())?];
    loop {
        let shown = |levels: &[Level], last: &OsString| {
            let above = levels.iter().map(|level| &level.name);
            let path: PathBuf = above.chain([last]).collect();
            format!("removing {path:?}")
        };
        let Some(level) = levels.last_mut() else {
            return Ok(());
        };
        if let Some(entry) = level.left.pop() {
            let done = take(level.open()?, &entry);
            if let Some(below) = done.context(|| shown(&levels, &entry.name))? {
                levels.push(Level::of(below, entry.name)?);
                if let Some(far) = levels.len().checked_sub(OPEN_LEVELS + 1) {
                    levels[far].close()?;
                }
            }
            continue;
        }
        let (Some(done), Some(above)) = (levels.pop(), levels.last_mut()) else {
            return Ok(());
        };
        if above.dir.is_none() {
            above.dir = Some(parent(done.open()?, above.id)?);
        }
        let removed = remove_directory(above.open()?, Path::new(&done.name));
        // One that filled up again the next try gets.
        removed.context(|| shown(&levels, &done.name))?;
    }
}

/// Removes one entry; a directory is given back, to be emptied first.
fn take(dir: &OwnedFd, entry: &Listed) -> Result<Option<OwnedFd>> {
    let name = Path::new(&entry.name);
    if !entry.is_dir && remove_file(dir, name)? {
        return Ok(None);
    }
    match open(dir, name)? {
        Found::Directory(below) => Ok(Some(below)),
        Found::Mount => Err(mounted(name)),
        Found::Nothing => Ok(None),
        Found::Other => {
            remove_file(dir, name)?;
            Ok(None)
        }
    }
}

/// Whether that name is gone now; false, if it is a directory's.
fn remove_file(dir: &OwnedFd, name: &Path) -> SysResult<bool> {
    let all = |e: Errno| match e {
        Errno::ENOENT => Some(true),
        // A directory, or something is mounted on it.
        Errno::EISDIR | Errno::EBUSY => Some(false),
        _ => None,
    };
    passable(dir, || entry::unlink(dir, name, 0, all))
}

/// Whether that name is gone now; false, if something is in it again, or it is
/// no directory any more.
fn remove_directory(dir: &OwnedFd, name: &Path) -> SysResult<bool> {
    let all = |e: Errno| match e {
        Errno::ENOENT => Some(true),
        Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR => Some(false),
        _ => None,
    };
    passable(dir, || entry::unlink(dir, name, libc::AT_REMOVEDIR, all))
}

/// Without being root, a directory that its owner may not write cannot be
/// emptied by him either.
fn passable(dir: impl AsFd, act: impl Fn() -> SysResult<bool>) -> SysResult<bool> {
    match act() {
        Err(e) if e.errno == Errno::EACCES => {
            fd::chmod(dir, 0o700)?;
            act()
        }
        done => done,
    }
}
