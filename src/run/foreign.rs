//! Mounts of another mount namespace, as `/dev/shm` of a container whose IPC
//! namespace is joined.
//!
//! The kernel lets nobody copy a mount that is not in his own namespace. So a
//! process of ours enters the other one for an instant, makes the copy there,
//! and hands it out; a copy without a place belongs to no namespace.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path};

use nix::errno::Errno;

use crate::sys::process::{self, Forked};
use crate::sys::{SysError, SysResult, fd, mount, namespace, socket};

/// A copy of the mount at `at`, which was opened as `path`; `None` where that
/// does not lead through another process's root.
pub(super) fn copy(path: &Path, at: &OwnedFd, recursive: bool) -> Option<SysResult<OwnedFd>> {
    let pid = whose(path)?;
    Some(enter_and_copy(pid, at, recursive))
}

/// The process in `/proc/<pid>/root/…`.
fn whose(path: &Path) -> Option<u32> {
    let mut parts = path.strip_prefix("/proc").ok()?.components();
    let pid = match parts.next()? {
        Component::Normal(name) => name.to_str()?.parse().ok()?,
        _ => return None,
    };
    (parts.next()? == Component::Normal("root".as_ref())).then_some(pid)
}

fn enter_and_copy(pid: u32, at: &OwnedFd, recursive: bool) -> SysResult<OwnedFd> {
    let theirs = fd::open(Path::new(&format!("/proc/{pid}/ns/mnt")), libc::O_RDONLY)?;
    let (ours, helpers) = socket::message_pair()?;
    let Forked::Parent { pidfd, .. } = process::fork(0, None)? else {
        process::exit_now(hand_out(&theirs, at, recursive, &helpers));
    };
    drop(helpers);
    let got = socket::receive(&ours, &mut [0; 4]);
    process::wait(pidfd.as_fd())?;
    let (_, copy) = got?;
    copy.ok_or_else(|| SysError::new(Errno::EINVAL, format!("copy a mount of process {pid}")))
}

fn hand_out(theirs: &OwnedFd, at: &OwnedFd, recursive: bool, helpers: &OwnedFd) -> i32 {
    let copied = namespace::setns(theirs, libc::CLONE_NEWNS as u64)
        .and_then(|()| mount::open_tree(at, Path::new(""), recursive))
        .and_then(|copy| socket::send(helpers, b"copy", &[copy.as_raw_fd()]));
    i32::from(copied.is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_root_of_a_process_is_foreign() {
        assert_eq!(whose(Path::new("/proc/12/root/dev/shm")), Some(12));
        for path in ["/proc/self/root/x", "/proc/12/cwd", "/dev/shm", "/proc/12"] {
            assert_eq!(whose(Path::new(path)), None, "{path}");
        }
    }
}
