//! Names from an archive, and the directories they lead to, as seen from the
//! one that is unpacked into: as from a root, out of which neither `..` nor a
//! link leads, wherever that link came from.
//!
//! Links in the middle of a path are followed inside the root: images have
//! `lib -> usr/lib` in one entry and `lib/x` in the next. The last name of a
//! path is never resolved here.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

use super::overlay;
use crate::error::{Error, Result};
use crate::sys::{SysError, SysResult, entry, fd};

/// More links in one path than any honest image has.
const MOST_LINKS: usize = 40;
const DIR: i32 = libc::O_PATH | libc::O_DIRECTORY;

/// The parts of a name in an archive. One with `..` in it is refused, even
/// where that would lead nowhere bad: no writer of archives produces it.
pub(super) fn parts(path: &[u8]) -> Result<Vec<&[u8]>> {
    let parts: Vec<&[u8]> = path
        .split(|b| *b == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .collect();
    if parts.contains(&&b".."[..]) {
        return Err(Error::user("its name has \"..\" in it"));
    }
    if path.contains(&0) {
        return Err(Error::user("its name has a NUL byte in it"));
    }
    Ok(parts)
}

/// A path for the kernel; none is the directory itself.
pub(super) fn joined(parts: &[&[u8]]) -> Vec<u8> {
    if parts.is_empty() {
        b".".to_vec()
    } else {
        parts.join(&b'/')
    }
}

/// Bytes as a path.
pub(super) fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// The directory that is unpacked into.
#[derive(Clone, Copy)]
pub(super) struct Root<'a> {
    pub(super) fd: BorrowedFd<'a>,
    /// Whether a whiteout in the way is one of the layer being unpacked, and
    /// gives way to a directory.
    pub(super) layer: bool,
    /// Who owns directories that are made on the way.
    pub(super) owner: Option<(u32, u32)>,
}

impl Root<'_> {
    /// The directory of these names, made where it is missing.
    pub(super) fn directory(self, parts: &[&[u8]]) -> SysResult<OwnedFd> {
        match self.existing(parts) {
            Err(e) if matches!(e.errno, Errno::ENOENT | Errno::ENOTDIR) => self.walk(parts),
            found => found,
        }
    }

    /// The directory of these names.
    pub(super) fn existing(self, parts: &[&[u8]]) -> SysResult<OwnedFd> {
        fd::openat2(self.fd, path(&joined(parts)), DIR, 0, fd::IN_ROOT)
    }

    /// Goes down one name at a time, making what is missing. A link is read
    /// and its target walked in its place, so that one which dangles has its
    /// target made, inside.
    fn walk(self, parts: &[&[u8]]) -> SysResult<OwnedFd> {
        let mut todo: VecDeque<Vec<u8>> = parts.iter().map(|part| part.to_vec()).collect();
        let mut done: Vec<Vec<u8>> = Vec::new();
        let mut here = self.existing(&[])?;
        let mut links = 0;
        while let Some(name) = todo.pop_front() {
            if name == b".." {
                done.pop();
                here = self.again(&done)?;
                continue;
            }
            let Some(target) = entry::read_link(&here, path(&name))? else {
                here = self.step(&here, path(&name))?;
                done.push(name);
                continue;
            };
            links += 1;
            if links > MOST_LINKS {
                return Err(SysError::new(
                    Errno::ELOOP,
                    "following links in the archive",
                ));
            }
            if target.is_absolute() {
                done.clear();
                here = self.existing(&[])?;
            }
            let target = target.as_os_str().as_bytes();
            for part in target.split(|b| *b == b'/').rev() {
                if !part.is_empty() && part != b"." {
                    todo.push_front(part.to_vec());
                }
            }
        }
        Ok(here)
    }

    fn again(self, done: &[Vec<u8>]) -> SysResult<OwnedFd> {
        let done: Vec<&[u8]> = done.iter().map(Vec::as_slice).collect();
        self.existing(&done)
    }

    /// The directory `name`, made if it is not there.
    fn step(self, here: &OwnedFd, name: &Path) -> SysResult<OwnedFd> {
        let whiteout = match open_dir(here, name) {
            Err(e) if e.errno == Errno::ENOENT => false,
            Err(e) if e.errno == Errno::ENOTDIR && self.is_whiteout(here, name)? => true,
            found => return found,
        };
        if whiteout {
            fd::unlinkat(here, name)?;
        }
        fd::mkdirat(here, name, 0o755)?;
        let made = open_dir(here, name)?;
        // Not left to the umask, which is the caller's and not the archive's.
        fd::chmod(&made, 0o755)?;
        if let Some((uid, gid)) = self.owner {
            fd::chown(&made, uid, gid)?;
        }
        if whiteout {
            overlay::make_opaque(&made)?;
        }
        Ok(made)
    }

    fn is_whiteout(self, here: &OwnedFd, name: &Path) -> SysResult<bool> {
        let stat = entry::stat(here, name)?;
        Ok(self.layer && stat.is_some_and(|stat| overlay::is_whiteout(&stat)))
    }
}

/// The directory `name` itself, not one that a link of that name leads to.
pub(super) fn open_dir(dir: impl AsFd, name: &Path) -> SysResult<OwnedFd> {
    fd::openat2(dir, name, DIR | libc::O_NOFOLLOW, 0, fd::NO_LINKS)
}
