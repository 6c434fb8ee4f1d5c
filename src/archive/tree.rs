//! Walking a tree of files by descriptors: how deep it is and what somebody
//! does to it meanwhile does not matter.
//!
//! Nothing is reached by a path: each directory is opened below the one before
//! it, without following a link. The walk keeps its own stack, and of the
//! directories on it only the deepest few stay open; the way back up to one
//! that was closed is `..`, taken only if it leads to the very same directory
//! again (device and inode), so that a directory moved away under the walk
//! cannot lead it elsewhere.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

use super::entry::shown;
use crate::error::{Context, Error, Result};
use crate::sys::{SysResult, entry, fd};

/// Directories on the way down that stay open.
pub(super) const OPEN_LEVELS: usize = 32;

/// Something met on a walk.
pub struct Item<'a> {
    /// Its path below the top.
    pub path: &'a [u8],
    /// The directory it is in.
    pub dir: &'a OwnedFd,
    /// Its name there.
    pub name: &'a Path,
    /// It itself, opened with `O_PATH`; a link, not what it leads to.
    pub file: &'a OwnedFd,
    /// What it is.
    pub stat: libc::stat,
    /// Whether something is mounted there.
    pub mounted: bool,
}

impl Item<'_> {
    /// Its `S_IFMT` bits.
    pub fn format(&self) -> u32 {
        self.stat.st_mode & libc::S_IFMT
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.format() == libc::S_IFDIR
    }
}

/// Whether to go into a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Its entries come next.
    Into,
    /// What comes after it comes next.
    Over,
}

/// What is done on a walk.
pub trait Visitor {
    /// Called for everything before it is opened, with its directory and its
    /// path below the top. What is dealt with here is not looked at any more.
    fn pass(&mut self, _dir: &OwnedFd, _name: &Path, _path: &[u8]) -> Result<bool> {
        Ok(false)
    }

    /// Called for everything, a directory before what is in it.
    fn enter(&mut self, item: &Item<'_>) -> Result<Next>;

    /// Called for each directory that was gone into, when all in it is done,
    /// with the directory it is in.
    fn leave(&mut self, _dir: &OwnedFd, _name: &Path, _path: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// A directory on the way from the top to where the walk is.
struct Level {
    fd: Option<OwnedFd>,
    id: (u64, u64),
    /// What is left to visit, the next one last.
    names: Vec<OsString>,
    /// How much of the path belongs to this directory.
    path: usize,
}

impl Level {
    fn open(dir: OwnedFd, path: usize) -> SysResult<Self> {
        let stat = fd::stat(&dir)?;
        let mut names = entry::names(open_dir(&dir)?)?;
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Self {
            fd: Some(dir),
            id: (stat.st_dev, stat.st_ino),
            names,
            path,
        })
    }
}

/// The directory a descriptor stands for, opened for reading.
fn open_dir(dir: &OwnedFd) -> SysResult<OwnedFd> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY;
    fd::openat2(dir, Path::new("."), flags, 0, fd::NO_LINKS)
}

/// Visits everything below `top`, in the order of names.
pub fn walk(top: &OwnedFd, visitor: &mut impl Visitor) -> Result<()> {
    let top = fd::duplicate(top)?;
    let mut levels = vec![Level::open(top, 0)?];
    let mut path = Vec::new();
    while let Some(level) = levels.last_mut() {
        path.truncate(level.path);
        if let Some(name) = level.names.pop() {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            if let Some(deeper) = visit(level, Path::new(&name), &path, visitor)? {
                levels.push(deeper);
                close_far(&mut levels);
            }
        } else {
            go_up(&mut levels, &path, visitor)?;
        }
    }
    Ok(())
}

fn visit(
    level: &Level,
    name: &Path,
    path: &[u8],
    visitor: &mut impl Visitor,
) -> Result<Option<Level>> {
    let dir = level.fd.as_ref().ok_or_else(lost)?;
    if visitor.pass(dir, name, path)? {
        return Ok(None);
    }
    let Some((file, mounted)) = open(dir, name).context(|| shown(path))? else {
        return Ok(None);
    };
    let item = Item {
        path,
        dir,
        name,
        stat: fd::stat(&file).context(|| shown(path))?,
        file: &file,
        mounted,
    };
    let is_dir = item.is_dir();
    if visitor.enter(&item)? == Next::Over || !is_dir {
        return Ok(None);
    }
    Level::open(file, path.len())
        .context(|| shown(path))
        .map(Some)
}

/// What `name` is, itself, and whether it is on another mount; `None` where it
/// went away since it was listed.
fn open(dir: &OwnedFd, name: &Path) -> SysResult<Option<(OwnedFd, bool)>> {
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    match fd::openat2(dir, name, flags, 0, fd::SAME_MOUNT) {
        Ok(file) => Ok(Some((file, false))),
        Err(e) if e.errno == Errno::ENOENT => Ok(None),
        Err(e) if e.errno == Errno::EXDEV => {
            fd::openat2(dir, name, flags, 0, fd::NO_LINKS).map(|file| Some((file, true)))
        }
        Err(e) => Err(e),
    }
}

fn close_far(levels: &mut [Level]) {
    if let Some(far) = levels.len().checked_sub(OPEN_LEVELS + 1) {
        levels[far].fd = None;
    }
}

fn go_up(levels: &mut Vec<Level>, path: &[u8], visitor: &mut impl Visitor) -> Result<()> {
    let done = levels.pop().ok_or_else(lost)?;
    let Some(above) = levels.last_mut() else {
        return Ok(());
    };
    if above.fd.is_none() {
        let below = done.fd.as_ref().ok_or_else(lost)?;
        above.fd = Some(parent(below, above.id).context(|| shown(path))?);
    }
    let dir = above.fd.as_ref().ok_or_else(lost)?;
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
    visitor.leave(dir, Path::new(OsStr::from_bytes(name)), path)
}

/// The directory above one that has been left, if it is still the one it was.
pub(super) fn parent(below: &OwnedFd, id: (u64, u64)) -> Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let above = fd::openat2(below, Path::new(".."), flags, 0, 0)?;
    let stat = fd::stat(&above)?;
    if (stat.st_dev, stat.st_ino) == id {
        Ok(above)
    } else {
        Err(Error::environment("it was moved while its tree was walked"))
    }
}

pub(super) fn lost() -> Error {
    Error::internal("a walk lost the directory it is in")
}

/// How many bytes a tree takes on disk, each file counted once, whatever the
/// number of its names; what is mounted in it is not of it.
pub fn du(top: &OwnedFd) -> Result<u64> {
    let mut usage = Usage {
        bytes: blocks(&fd::stat(top)?),
        seen: HashSet::new(),
    };
    walk(top, &mut usage)?;
    Ok(usage.bytes)
}

struct Usage {
    bytes: u64,
    seen: HashSet<(u64, u64)>,
}

impl Visitor for Usage {
    fn enter(&mut self, item: &Item<'_>) -> Result<Next> {
        if item.mounted {
            return Ok(Next::Over);
        }
        let once = item.is_dir() || item.stat.st_nlink < 2;
        if once || self.seen.insert((item.stat.st_dev, item.stat.st_ino)) {
            self.bytes += blocks(&item.stat);
        }
        Ok(Next::Into)
    }
}

fn blocks(stat: &libc::stat) -> u64 {
    stat.st_blocks as u64 * 512
}
