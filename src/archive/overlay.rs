//! What overlayfs writes into its upper directory to say that something of the
//! layers below is gone, and what OCI layers write instead.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;

use crate::sys::{SysResult, fd, xattr};

/// What the name of an OCI whiteout begins with.
pub(super) const WHITEOUT: &[u8] = b".wh.";
/// The whole name of the file that makes its directory opaque.
pub(super) const OPAQUE: &[u8] = b".wh..wh..opq";
/// Other files of AUFS's own, from before there was overlayfs.
pub(super) const AUFS: &[u8] = b".wh..wh.";

/// The mark of an opaque directory, and the one that overlayfs looks for when
/// it has been mounted without privileges.
const MARKS: [&[u8]; 2] = [b"trusted.overlay.opaque", b"user.overlay.opaque"];

/// Whether this is overlayfs's whiteout, a character device 0:0.
pub(super) fn is_whiteout(stat: &libc::stat) -> bool {
    stat.st_mode & libc::S_IFMT == libc::S_IFCHR && stat.st_rdev == 0
}

pub(super) fn make_whiteout(dir: &OwnedFd, name: &Path) -> SysResult<()> {
    fd::mknodat(dir, name, libc::S_IFCHR, libc::makedev(0, 0))
}

/// Hides what the layers below have in this directory. Without the right to
/// set `trusted.*`, it is the mark for mounts without privileges.
pub(super) fn make_opaque(dir: impl AsFd) -> SysResult<()> {
    match xattr::set(&dir, MARKS[0], b"y") {
        Err(e) if e.errno == Errno::EPERM => xattr::set(&dir, MARKS[1], b"y"),
        done => done,
    }
}

pub(super) fn is_opaque(dir: impl AsFd) -> SysResult<bool> {
    for mark in MARKS {
        if xattr::get(&dir, mark)?.as_deref() == Some(b"y") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The attributes that an archive carries: file capabilities and what users
/// have set. Not those that mean something to the kernel in another place:
/// overlayfs's own would hide or show files of other layers.
pub(super) fn is_carried(name: &[u8]) -> bool {
    name == CAPABILITY || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."))
}

pub(super) const CAPABILITY: &[u8] = b"security.capability";
