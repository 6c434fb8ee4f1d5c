//! Going down a path inside a root, one name at a time.
//!
//! `openat2` alone does this for what exists. Where names are missing and are
//! to be made, each must be looked at by itself: it may be a link, and the
//! target of one that dangles is made too, inside, whether the link points to
//! an absolute path or climbs with `..`.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;

use super::{SysError, SysResult, entry, fd};

/// More links in one path than any honest tree has; the kernel's own bound.
const MOST_LINKS: usize = 40;

/// How a directory is held that is only gone through.
pub const DIR: i32 = libc::O_PATH | libc::O_DIRECTORY;

/// A path for `openat2` below a directory: `RESOLVE_IN_ROOT` would take an
/// absolute one, the other modes would not.
pub fn relative(path: &Path) -> &Path {
    let path = path.strip_prefix("/").unwrap_or(path);
    if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    }
}

/// The directory `path`, as seen from `root`.
pub fn directory(root: BorrowedFd<'_>, path: &Path) -> SysResult<OwnedFd> {
    fd::openat2(root, relative(path), DIR, 0, fd::IN_ROOT)
}

/// The directory `name` itself, not one that a link of that name leads to.
pub fn child(dir: impl AsFd, name: &Path) -> SysResult<OwnedFd> {
    fd::openat2(dir, name, DIR | libc::O_NOFOLLOW, 0, fd::NO_LINKS)
}

/// The same, or `None` where there is none, but maybe something else.
fn child_if_there(dir: &OwnedFd, name: &Path) -> SysResult<Option<OwnedFd>> {
    match child(dir, name) {
        Err(e) if matches!(e.errno, Errno::ENOENT | Errno::ELOOP | Errno::ENOTDIR) => Ok(None),
        found => found.map(Some),
    }
}

/// Goes down `path` from `root`, following links inside it. For each name that
/// is neither a directory nor a link, `step` opens it, making what is missing
/// as it sees fit; it is told the directory, the name, and whether this is the
/// last one.
pub fn walk(
    root: BorrowedFd<'_>,
    path: &Path,
    mut step: impl FnMut(&OwnedFd, &Path, bool) -> SysResult<OwnedFd>,
) -> SysResult<OwnedFd> {
    let mut todo: VecDeque<OsString> = names(path).collect();
    let mut done = PathBuf::new();
    let mut here = directory(root, &done)?;
    let mut links = 0;
    while let Some(name) = todo.pop_front() {
        if name == ".." {
            done.pop();
            here = directory(root, &done)?;
            continue;
        }
        if let Some(below) = child_if_there(&here, Path::new(&name))? {
            here = below;
            done.push(name);
            continue;
        }
        let Some(target) = entry::read_link(&here, Path::new(&name))? else {
            here = step(&here, Path::new(&name), todo.is_empty())?;
            done.push(name);
            continue;
        };
        links += 1;
        if links > MOST_LINKS {
            return Err(SysError::new(Errno::ELOOP, format!("resolving {path:?}")));
        }
        if target.is_absolute() {
            done.clear();
            here = directory(root, &done)?;
        }
        for part in names(&target).rev() {
            todo.push_front(part);
        }
    }
    Ok(here)
}

fn names(path: &Path) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}
