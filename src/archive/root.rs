//! Names from an archive, and the directories they lead to, as seen from the
//! one that is unpacked into: as from a root, out of which neither `..` nor a
//! link leads, wherever that link came from.
//!
//! Links in the middle of a path are followed inside the root: images have
//! `lib -> usr/lib` in one entry and `lib/x` in the next. The last name of a
//! path is never resolved here.

use std::ffi::OsStr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

use super::overlay;
use crate::error::{Error, Result};
use crate::sys::inside::{self, child};
use crate::sys::{SysResult, entry, fd};

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
            Err(e) if matches!(e.errno, Errno::ENOENT | Errno::ENOTDIR) => {
                let names = joined(parts);
                inside::walk(self.fd, path(&names), |here, name, _| self.step(here, name))
            }
            found => found,
        }
    }

    /// The directory of these names.
    pub(super) fn existing(self, parts: &[&[u8]]) -> SysResult<OwnedFd> {
        inside::directory(self.fd, path(&joined(parts)))
    }

    /// Makes the directory `name`.
    fn step(self, here: &OwnedFd, name: &Path) -> SysResult<OwnedFd> {
        let whiteout = self.is_whiteout(here, name)?;
        if whiteout {
            entry::remove_file(here, name)?;
        }
        fd::mkdirat(here, name, 0o755)?;
        let made = child(here, name)?;
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
