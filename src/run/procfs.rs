//! Writing to procfs, and to nothing that only looks like it.
//!
//! An image or a volume can put a link, a file or a file system of its own
//! where procfs is expected; then a security label or a kernel parameter would
//! be written to it, and the write would seem to have worked. So everything
//! goes through one descriptor of the host's procfs, opened before any of the
//! container's files are in sight, and stays on that very mount.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;

use super::mounting::io_error;
use crate::sys::{SysError, SysResult, fd, mount};

/// `PROC_SUPER_MAGIC`.
const PROC_MAGIC: i64 = 0x9fa0;

/// The host's procfs, checked to be one.
pub(super) fn open_host() -> SysResult<OwnedFd> {
    let proc = fd::open(Path::new("/proc"), libc::O_PATH | libc::O_DIRECTORY)?;
    if is_one(&proc)? {
        return Ok(proc);
    }
    Err(SysError::new(
        Errno::ENODEV,
        "/proc of the host is not procfs",
    ))
}

/// Whether this is a file of a procfs.
pub(super) fn is_one(file: &OwnedFd) -> SysResult<bool> {
    Ok(fd::statfs(file)?.f_type == PROC_MAGIC)
}

/// Writes to a file of this very process.
pub(super) fn write_own(proc: &OwnedFd, file: &str, text: &str) -> SysResult<()> {
    let me = nix::fcntl::readlinkat(proc, "self");
    let me = me.map_err(|e| SysError::new(e, "readlinkat(\"self\")"))?;
    write(proc, &Path::new(&me).join(file), text)
}

/// Sets a kernel parameter. In its name dots stand for slashes, and slashes
/// for dots, since names of interfaces can have them.
pub(super) fn set_sysctl(proc: &OwnedFd, key: &str, value: &str) -> SysResult<()> {
    let swapped = key.chars().map(|c| match c {
        '.' => '/',
        '/' => '.',
        other => other,
    });
    let path = Path::new("sys").join(swapped.collect::<String>());
    match write(proc, &path, value) {
        // Inside another container parts of /proc are mounted over, or
        // read-only. A procfs of our own is neither.
        Err(e) if matches!(e.errno, Errno::EXDEV | Errno::EROFS) => {
            write(&private_procfs()?, &path, value)
        }
        done => done,
    }
}

fn private_procfs() -> SysResult<OwnedFd> {
    let fs = mount::fsopen("proc")?;
    mount::fscreate(&fs)?;
    mount::fsmount(&fs, 0)
}

fn write(proc: &OwnedFd, path: &Path, text: &str) -> SysResult<()> {
    let file = fd::openat2(proc, path, libc::O_WRONLY, 0, fd::SAME_MOUNT)?;
    File::from(file).write_all(text.as_bytes()).map_err(|e| {
        io_error(&e, || {
            format!("write({:?}, {text:?})", Path::new("/proc").join(path))
        })
    })
}

/// How eager the kernel is to kill process `pid` when memory is short.
pub(super) fn set_oom_score(pid: i32, adjustment: i32) -> SysResult<()> {
    let path = format!("/proc/{pid}/oom_score_adj");
    let path = Path::new(&path);
    let now = std::fs::read_to_string(path).unwrap_or_default();
    // Lowering takes a power that not every host gives; writing what holds
    // anyway should not.
    if now.trim() == adjustment.to_string() {
        return Ok(());
    }
    super::mounting::write_file(path, &adjustment.to_string())
}
