//! The names in a directory: listing, looking at, linking and removing them,
//! always relative to the directory's descriptor and never through a link.

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::{SysError, SysResult, c_path, fd, syscall};

/// Every name in the directory but `.` and `..`, in no order.
pub fn names(dir: OwnedFd) -> SysResult<Vec<OsString>> {
    let raw = dir.as_raw_fd();
    let failed = |e| SysError::new(e, format!("getdents64({raw})"));
    let mut stream = nix::dir::Dir::from_fd(dir).map_err(failed)?;
    let mut names = Vec::new();
    for entry in stream.iter() {
        let name = entry.map_err(failed)?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    Ok(names)
}

/// What `name` itself is, or `None` where there is nothing of that name.
pub fn stat(dir: impl AsFd, name: &Path) -> SysResult<Option<libc::stat>> {
    let raw = dir.as_fd().as_raw_fd();
    let c = c_path(name)?;
    // SAFETY: `stat` is plain data, and the kernel fills it before we look.
    let mut st: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `c` and `st` outlive the call and have the types it expects.
    let ret = unsafe { libc::fstatat(raw, c.as_ptr(), &raw mut st, libc::AT_SYMLINK_NOFOLLOW) };
    match Errno::result(ret) {
        Ok(_) => Ok(Some(st)),
        // No failure, and not put into words.
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => {
            let call = format!("fstatat({}, {name:?}, AT_SYMLINK_NOFOLLOW)", fd::show(raw));
            Err(SysError::new(errno, call))
        }
    }
}

/// The target of the symbolic link `name`, or `None` where it is not one.
pub fn read_link(dir: impl AsFd, name: &Path) -> SysResult<Option<PathBuf>> {
    match nix::fcntl::readlinkat(dir.as_fd(), name) {
        Ok(target) => Ok(Some(PathBuf::from(OsString::from_vec(target.into_vec())))),
        Err(Errno::EINVAL | Errno::ENOENT) => Ok(None),
        Err(e) => Err(SysError::new(
            e,
            format!(
                "readlinkat({}, {name:?})",
                fd::show(dir.as_fd().as_raw_fd())
            ),
        )),
    }
}

/// The target of the symbolic link that an `O_PATH` descriptor stands for.
pub fn link_target(link: impl AsFd) -> SysResult<PathBuf> {
    // An empty name means the descriptor itself, and one that is no link is
    // answered with ENOENT then, not with EINVAL.
    nix::fcntl::readlinkat(link.as_fd(), Path::new(""))
        .map(|target| PathBuf::from(OsString::from_vec(target.into_vec())))
        .map_err(|e| {
            let shown = fd::show(link.as_fd().as_raw_fd());
            SysError::new(e, format!("readlinkat({shown}, \"\")"))
        })
}

/// Removes the empty directory `name`.
pub fn rmdir(dir: impl AsFd, name: &Path) -> SysResult<()> {
    let raw = dir.as_fd().as_raw_fd();
    let c = c_path(name)?;
    syscall!(
        || format!("unlinkat({}, {name:?}, AT_REMOVEDIR)", fd::show(raw)),
        libc::SYS_unlinkat,
        raw,
        c.as_ptr(),
        libc::AT_REMOVEDIR
    )
    .map(drop)
}

/// A second name for a file. A symbolic link gets one itself; it is not
/// followed.
pub fn link(from: impl AsFd, old: &Path, to: impl AsFd, new: &Path) -> SysResult<()> {
    let (from, to) = (from.as_fd().as_raw_fd(), to.as_fd().as_raw_fd());
    let (c_old, c_new) = (c_path(old)?, c_path(new)?);
    syscall!(
        || format!(
            "linkat({}, {old:?}, {}, {new:?}, 0)",
            fd::show(from),
            fd::show(to)
        ),
        libc::SYS_linkat,
        from,
        c_old.as_ptr(),
        to,
        c_new.as_ptr(),
        0
    )
    .map(drop)
}

/// Sets when the file behind `fd`, `O_PATH` or not, was last changed; the time
/// of its last use becomes the same. Needs Linux 5.8 for `O_PATH`.
pub fn set_time(file: impl AsFd, seconds: i64, nanoseconds: u32) -> SysResult<()> {
    let raw = file.as_fd().as_raw_fd();
    let time = libc::timespec {
        tv_sec: seconds,
        tv_nsec: i64::from(nanoseconds),
    };
    let times = [time, time];
    syscall!(
        || format!(
            "utimensat({}, \"\", {seconds}.{nanoseconds:09}, AT_EMPTY_PATH)",
            fd::show(raw)
        ),
        libc::SYS_utimensat,
        raw,
        c"".as_ptr(),
        times.as_ptr(),
        libc::AT_EMPTY_PATH
    )
    .map(drop)
}
