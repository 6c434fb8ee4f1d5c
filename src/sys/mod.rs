//! The only home of `unsafe` and of raw system calls.
//!
//! Every function here is one kernel call or a fixed handful of them, takes
//! and gives ordinary Rust types, and fails with a [`SysError`] that reads as
//! `strace` would have printed it: the call, its arguments with symbolic
//! flags, and the errno. Nothing here decides anything: no policy, no paths of
//! rcon's own, no knowledge of containers.
#![allow(unsafe_code, reason = "raw system calls live here and nowhere else")]

pub mod bpf;
pub mod clock;
pub mod entry;
mod error;
pub mod fd;
pub mod identity;
pub mod inside;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod process;
#[cfg(target_arch = "x86_64")]
mod raw;
pub mod socket;
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
mod start;
pub mod title;
pub mod tty;
pub mod xattr;

pub mod seccomp;

pub use error::{SysError, SysResult, flag_names, remedy};

use std::ffi::CString;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

/// One raw system call; `call` words it should it fail.
macro_rules! syscall {
    ($call:expr, $nr:expr $(, $arg:expr)* $(,)?) => {{
        // SAFETY: each caller passes arguments of the types the kernel
        // expects for `$nr`, and keeps every buffer they point into alive
        // until the call returns.
        let ret = unsafe { libc::syscall($nr $(, $arg)*) };
        $crate::sys::SysError::check(ret, $call)
    }};
}
pub(crate) use syscall;

/// Fills `buf` with bytes nobody can guess.
pub fn random(buf: &mut [u8]) -> SysResult<()> {
    let mut filled = 0;
    while filled < buf.len() {
        let rest = &mut buf[filled..];
        let (ptr, len) = (rest.as_mut_ptr(), rest.len());
        let call = || format!("getrandom({len} bytes)");
        match syscall!(call, libc::SYS_getrandom, ptr, len, 0) {
            Err(e) if e.errno == Errno::EINTR => {}
            n => filled += n? as usize,
        }
    }
    Ok(())
}

/// The text of a file of the kernel's. None of those tells how long it is, so
/// whoever asks for that, and then begins with a few bytes, asks often.
pub fn read_kernel_file(path: &Path) -> std::io::Result<String> {
    let mut text = String::with_capacity(4096);
    let file = std::fs::File::open(path)?;
    // Not the file itself, which would ask first.
    file.take(u64::MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// A path for the kernel; one with a NUL inside cannot exist.
pub(crate) fn c_path(path: &Path) -> SysResult<CString> {
    c_string(path.as_os_str().as_bytes())
}

/// Bytes for the kernel, NUL-terminated.
pub(crate) fn c_string(bytes: &[u8]) -> SysResult<CString> {
    CString::new(bytes).map_err(|_| {
        let shown = String::from_utf8_lossy(bytes);
        SysError::new(
            Errno::EINVAL,
            format!("a string with a NUL byte: {shown:?}"),
        )
    })
}
