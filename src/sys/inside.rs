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
fn child_if_there(dir: impl AsFd, name: &Path) -> SysResult<Option<OwnedFd>> {
    let others = [Errno::ENOENT, Errno::ELOOP, Errno::ENOTDIR];
    fd::openat2_unless(dir, name, DIR | libc::O_NOFOLLOW, fd::NO_LINKS, &others)
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
    let (mut here, mut done, mut todo) = begin(root, path)?;
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

/// Makes the directory `path` where only the last name of it is missing and all
/// others are plain directories, as it is most often; otherwise there is none.
pub fn make_last(root: BorrowedFd<'_>, path: &Path, mode: u32) -> SysResult<Option<OwnedFd>> {
    let all: Vec<OsString> = names(path).collect();
    let Some((last, above)) = all.split_last() else {
        return Ok(None);
    };
    if all.iter().any(|name| name == "..") {
        return Ok(None);
    }
    let (above, last): (PathBuf, &Path) = (above.iter().collect(), last.as_ref());
    let Some(above) = child_if_there(root, relative(&above))? else {
        return Ok(None);
    };
    if fd::mkdirat(&above, last, mode)? {
        return child(&above, last).map(Some);
    }
    Ok(None)
}

/// Where to begin: most often all but the last name are plain directories, and
/// the kernel can go there in one step.
fn begin(root: BorrowedFd<'_>, path: &Path) -> SysResult<(OwnedFd, PathBuf, VecDeque<OsString>)> {
    let mut todo: VecDeque<OsString> = names(path).collect();
    if todo.len() > 1 && !todo.iter().any(|name| name == "..") {
        let above: PathBuf = todo.range(..todo.len() - 1).collect();
        if let Some(there) = child_if_there(root, &above)? {
            todo.drain(..todo.len() - 1);
            return Ok((there, above, todo));
        }
    }
    Ok((directory(root, Path::new(""))?, PathBuf::new(), todo))
}

fn names(path: &Path) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}
