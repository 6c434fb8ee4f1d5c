//! Device nodes and links in a container's `/dev`.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::root::Root;
use crate::plan::Device;
use crate::sys::{SysResult, entry, fd, identity, mount};

/// Makes a node; where nodes cannot be made (in a user namespace), lays the
/// host's over an empty file.
pub(super) fn make(root: Root<'_>, device: &Device) -> SysResult<()> {
    let (parent, name) = root.parent(&device.path)?;
    let name = PathBuf::from(name);
    let number = libc::makedev(device.major, device.minor);
    let mode = device.kind | device.mode;
    match identity::without_umask(|| fd::mknodat(&parent, &name, mode, number)) {
        // It has its mode, and is root's.
        Ok(()) if (device.uid, device.gid) == (0, 0) => Ok(()),
        Ok(()) => own(&open_node(&parent, &name)?, device),
        Err(e) if e.errno == Errno::EEXIST => replace(&parent, &name, device),
        Err(e) if e.errno == Errno::EPERM && device.kind != libc::S_IFIFO => {
            stand_in(&parent, &name, device)
        }
        Err(e) => Err(e),
    }
}

/// What the image has under that name counts only if it is the very device.
fn replace(parent: &OwnedFd, name: &Path, device: &Device) -> SysResult<()> {
    let there = open_node(parent, name)?;
    let st = fd::stat(&there)?;
    let number = libc::makedev(device.major, device.minor);
    let same = st.st_mode & libc::S_IFMT == device.kind
        && (device.kind == libc::S_IFIFO || st.st_rdev == number);
    if same {
        return own(&there, device);
    }
    entry::remove_file(parent, name)?;
    match fd::mknodat(parent, name, device.kind | device.mode, number) {
        Err(e) if e.errno == Errno::EPERM => stand_in(parent, name, device),
        Err(e) => Err(e),
        Ok(()) => own(&open_node(parent, name)?, device),
    }
}

fn open_node(parent: &OwnedFd, name: &Path) -> SysResult<OwnedFd> {
    fd::openat2(
        parent,
        name,
        libc::O_PATH | libc::O_NOFOLLOW,
        0,
        libc::RESOLVE_BENEATH,
    )
}

/// The umask took its share of the mode, and the node is root's.
fn own(node: &OwnedFd, device: &Device) -> SysResult<()> {
    fd::chmod(node, device.mode)?;
    if (device.uid, device.gid) != (0, 0) {
        fd::chown(node, device.uid, device.gid)?;
    }
    Ok(())
}

fn stand_in(parent: &OwnedFd, name: &Path, device: &Device) -> SysResult<()> {
    let host = fd::open(&device.path, libc::O_PATH | libc::O_NOFOLLOW)?;
    super::mounting::check_node(&host, device)?;
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY;
    match fd::openat2(parent, name, flags, 0o644, fd::NO_LINKS) {
        Err(e) if e.errno != Errno::EEXIST => return Err(e),
        _ => {}
    }
    let cover = mount::open_tree(&host, Path::new(""), false)?;
    mount::attach(&cover, &open_node(parent, name)?)
}

/// Makes a link; what else has its name gives way.
pub(super) fn link(root: Root<'_>, path: &Path, target: &Path) -> SysResult<()> {
    let (parent, name) = root.parent(path)?;
    let name = PathBuf::from(name);
    match fd::symlinkat(target, &parent, &name) {
        Err(e) if e.errno == Errno::EEXIST => {}
        done => return done,
    }
    let there = nix::fcntl::readlinkat(parent.as_fd(), &name);
    if there.is_ok_and(|t| Path::new(&t) == target) {
        return Ok(());
    }
    entry::remove_file(&parent, &name)?;
    fd::symlinkat(target, &parent, &name)
}
