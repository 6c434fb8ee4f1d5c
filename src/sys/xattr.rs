//! Extended attributes of what a descriptor stands for.
//!
//! The calls that take a descriptor refuse an `O_PATH` one, so all of these go
//! through its name below `/proc/self/fd`. That name leads to the file itself
//! even when the file is a symbolic link: the link is not followed.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;

use super::{SysResult, c_path, c_string, fd, syscall};

/// The kernel's own bound for one value, and for the list of names.
const MOST: usize = 64 * 1024;

fn named(file: impl AsFd) -> SysResult<CString> {
    c_path(&fd::proc_path(file))
}

/// The names of all attributes; none where the file system has none.
pub fn list(file: impl AsFd) -> SysResult<Vec<Vec<u8>>> {
    let raw = file.as_fd().as_raw_fd();
    let path = named(&file)?;
    let found = filled(|buffer, size| {
        syscall!(
            || format!("listxattr({})", fd::show(raw)),
            libc::SYS_listxattr,
            path.as_ptr(),
            buffer,
            size
        )
    });
    match found {
        Err(e) if e.errno == Errno::EOPNOTSUPP => Ok(Vec::new()),
        Err(e) => Err(e),
        Ok(names) => Ok(names
            .split(|b| *b == 0)
            .filter(|name| !name.is_empty())
            .map(<[u8]>::to_vec)
            .collect()),
    }
}

/// The value of one attribute, or `None` where there is none of that name.
pub fn get(file: impl AsFd, name: &[u8]) -> SysResult<Option<Vec<u8>>> {
    let raw = file.as_fd().as_raw_fd();
    let (path, c_name) = (named(&file)?, c_string(name)?);
    let found = filled(|buffer, size| {
        syscall!(
            || format!("getxattr({}, {c_name:?})", fd::show(raw)),
            libc::SYS_getxattr,
            path.as_ptr(),
            c_name.as_ptr(),
            buffer,
            size
        )
    });
    match found {
        Err(e) if matches!(e.errno, Errno::ENODATA | Errno::EOPNOTSUPP) => Ok(None),
        other => other.map(Some),
    }
}

/// Sets one attribute, replacing what it was.
pub fn set(file: impl AsFd, name: &[u8], value: &[u8]) -> SysResult<()> {
    let raw = file.as_fd().as_raw_fd();
    let (path, c_name) = (named(&file)?, c_string(name)?);
    syscall!(
        || format!(
            "setxattr({}, {c_name:?}, {} bytes)",
            fd::show(raw),
            value.len()
        ),
        libc::SYS_setxattr,
        path.as_ptr(),
        c_name.as_ptr(),
        value.as_ptr(),
        value.len(),
        0
    )
    .map(drop)
}

/// What `call` writes: first into a small buffer, which is nearly always
/// enough, then into one of the greatest size there is.
fn filled(call: impl Fn(*mut u8, usize) -> SysResult<i64>) -> SysResult<Vec<u8>> {
    let mut buffer = vec![0; 512];
    let found = match call(buffer.as_mut_ptr(), buffer.len()) {
        Err(e) if e.errno == Errno::ERANGE => {
            buffer.resize(MOST, 0);
            call(buffer.as_mut_ptr(), buffer.len())
        }
        found => found,
    }?;
    buffer.truncate(found as usize);
    Ok(buffer)
}
