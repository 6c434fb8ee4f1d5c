//! The names in a directory: listing, looking at, linking and removing them,
//! always relative to the directory's descriptor and never through a link.

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::{SysError, SysResult, c_path, fd, syscall};

/// One entry of a directory, as its list has it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its name.
    pub name: OsString,
    /// Its number in the file system.
    pub inode: u64,
    /// Whether it was a directory, as far as the list tells.
    pub is_dir: bool,
}

/// Every name in the directory but `.` and `..`, in no order.
pub fn names(dir: impl AsFd) -> SysResult<Vec<OsString>> {
    Ok(list(dir)?.into_iter().map(|entry| entry.name).collect())
}

/// The same with what else the list tells, from where it has been read to. The
/// C library asks more of the kernel than this, for each directory.
pub fn list(dir: impl AsFd) -> SysResult<Vec<Listed>> {
    let raw = dir.as_fd().as_raw_fd();
    let mut buffer = vec![0u8; 32 * 1024];
    let mut all = Vec::new();
    loop {
        let call = || format!("getdents64({})", fd::show(raw));
        let (at, room) = (buffer.as_mut_ptr(), buffer.len());
        let filled = syscall!(call, libc::SYS_getdents64, raw, at, room)? as usize;
        if filled == 0 {
            return Ok(all);
        }
        parse_list(&buffer[..filled], &mut all);
    }
}

/// What the kernel fills a buffer with: for each entry its number, where it is
/// in the list, how long the record is, a kind, and the name up to a NUL.
fn parse_list(mut records: &[u8], all: &mut Vec<Listed>) {
    const KIND: usize = 18;
    const NAME: usize = 19;
    while let Some((inode, rest)) = records.split_first_chunk::<8>() {
        let length = rest
            .get(8..10)
            .map_or(0, |l| u16::from_ne_bytes([l[0], l[1]]));
        let Some((record, others)) = records.split_at_checked(usize::from(length)) else {
            return;
        };
        let Some(name) = record.get(NAME..) else {
            return;
        };
        records = others;
        let name = name.split(|b| *b == 0).next().unwrap_or_default();
        if name != b"." && name != b".." {
            all.push(Listed {
                name: OsString::from_vec(name.to_vec()),
                inode: u64::from_ne_bytes(*inode),
                is_dir: record[KIND] == libc::DT_DIR,
            });
        }
    }
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

/// Removes `name`: with `AT_REMOVEDIR` an empty directory, else anything but a
/// directory. `expected` has answers for failures that the caller counts on,
/// which are then not put into words.
pub fn unlink(
    dir: impl AsFd,
    name: &Path,
    flags: i32,
    expected: impl Fn(Errno) -> Option<bool>,
) -> SysResult<bool> {
    let raw = dir.as_fd().as_raw_fd();
    let c = c_path(name)?;
    // SAFETY: the name is alive and ends with a NUL.
    let ret = unsafe { libc::unlinkat(raw, c.as_ptr(), flags) };
    match Errno::result(ret) {
        Ok(_) => Ok(true),
        Err(errno) => expected(errno).ok_or_else(|| {
            let flags = if flags == 0 { "" } else { ", AT_REMOVEDIR" };
            SysError::new(
                errno,
                format!("unlinkat({}, {name:?}{flags})", fd::show(raw)),
            )
        }),
    }
}

/// Removes `name`, which is no directory.
pub fn remove_file(dir: impl AsFd, name: &Path) -> SysResult<()> {
    unlink(dir, name, 0, |_| None).map(drop)
}

/// Removes the empty directory `name`.
pub fn rmdir(dir: impl AsFd, name: &Path) -> SysResult<()> {
    unlink(dir, name, libc::AT_REMOVEDIR, |_| None).map(drop)
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
