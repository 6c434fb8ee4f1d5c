//! The root of a container that is not up, with what is mounted in it, for
//! whoever copies files in and out.
//!
//! It is laid out in a mount namespace of this process's own: nobody else sees
//! it, and it is gone with the process. Targets are looked up in the root, as
//! at a start, and made where they are missing, as at a start.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::mounting;
use super::root::Root;
use crate::plan::{MountFlags, Propagation, PropagationKind, Target};
use crate::sys::{SysResult, fd, mount, namespace};

/// Something of the host's that is shown in a container.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Where it is on the host.
    pub source: PathBuf,
    /// Where it is in the container.
    pub target: PathBuf,
    /// With what is mounted below the source.
    pub recursive: bool,
    /// It cannot be written.
    pub read_only: bool,
}

/// Leaves this process's mount namespace for one of its own, in which nothing
/// that is mounted is seen by others. There must be one thread only.
pub fn leave_mounts() -> SysResult<()> {
    namespace::unshare(libc::CLONE_NEWNS as u64)?;
    // What the host unmounts goes here, too, or it would be kept busy.
    let flags = libc::MS_REC | libc::MS_SLAVE;
    mount::mount(None, Path::new("/"), None, flags, None)
}

/// Puts `root`, a mount without a place or a directory, at `place`, and what is
/// shown into it. After [`leave_mounts`].
pub fn lay_out(root: &OwnedFd, place: &Path, shown: &[Shown]) -> SysResult<OwnedFd> {
    // Opened before anything of a container's could be in the way.
    let all = shown.iter().map(|s| {
        let copy = mounting::copy(&s.source, s.recursive)?;
        let dir = fd::stat(&copy)?.st_mode & libc::S_IFMT == libc::S_IFDIR;
        Ok((s, copy, dir))
    });
    let mut all: Vec<_> = all.collect::<SysResult<_>>()?;
    all.sort_by_key(|(s, ..)| s.target.components().count());
    let at = fd::open(place, libc::O_PATH | libc::O_DIRECTORY)?;
    mount::attach(root, &at)?;
    let root = fd::open(place, libc::O_PATH | libc::O_DIRECTORY)?;
    for (s, copy, dir) in &all {
        put(&root, s, copy, *dir)?;
    }
    Ok(root)
}

fn put(root: &OwnedFd, shown: &Shown, copy: &OwnedFd, dir: bool) -> SysResult<()> {
    let target = Target {
        path: shown.target.clone(),
        file: !dir,
        no_links: false,
    };
    let read_only = MountFlags {
        set_below: libc::MOUNT_ATTR_RDONLY,
        ..MountFlags::default()
    };
    let flags = if shown.read_only {
        read_only
    } else {
        MountFlags::default()
    };
    let private = Propagation {
        kind: PropagationKind::Private,
        recursive: true,
    };
    mounting::place(Root(root.as_fd()), copy, &target, flags, &[private])
}

/// A copy of a directory of the host as a mount without a place.
pub fn as_mount(dir: &Path) -> SysResult<OwnedFd> {
    mounting::copy(dir, true)
}
