//! seccomp(2): loading a filter.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::{SysError, SysResult, flag_names};

/// Give the filter to every thread of the process.
pub const FLAG_TSYNC: u32 = libc::SECCOMP_FILTER_FLAG_TSYNC as u32;
/// Log what the filter does, except for what it allows.
pub const FLAG_LOG: u32 = libc::SECCOMP_FILTER_FLAG_LOG as u32;
/// Leave the mitigation of speculative store bypass off.
pub const FLAG_SPEC_ALLOW: u32 = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW as u32;
/// Return a descriptor on which the filter's questions arrive.
pub const FLAG_NEW_LISTENER: u32 = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER as u32;
/// Fail with ESRCH where a thread cannot take the filter.
pub const FLAG_TSYNC_ESRCH: u32 = libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH as u32;
/// Wait for a listener's answer so that only a fatal signal interrupts.
pub const FLAG_WAIT_KILLABLE_RECV: u32 = libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV as u32;

const FLAGS: &[(u64, &str)] = &[
    (FLAG_TSYNC as u64, "SECCOMP_FILTER_FLAG_TSYNC"),
    (FLAG_LOG as u64, "SECCOMP_FILTER_FLAG_LOG"),
    (FLAG_SPEC_ALLOW as u64, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"),
    (FLAG_NEW_LISTENER as u64, "SECCOMP_FILTER_FLAG_NEW_LISTENER"),
    (FLAG_TSYNC_ESRCH as u64, "SECCOMP_FILTER_FLAG_TSYNC_ESRCH"),
    (
        FLAG_WAIT_KILLABLE_RECV as u64,
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    ),
];

/// One instruction of classic BPF: the kernel's `struct sock_filter`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SockFilter {
    /// What to do.
    pub code: u16,
    /// How many instructions to skip if a comparison holds.
    pub jt: u8,
    /// How many to skip if it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// The kernel's `struct sock_fprog`.
#[repr(C)]
struct SockFprog {
    len: libc::c_ushort,
    filter: *const SockFilter,
}

/// Binds the calling thread, and what it becomes by execve, to `program`.
///
/// With `FLAG_NEW_LISTENER` the result is the listener, closed on execve. This
/// may be the last call before execve: it allocates only to report a failure,
/// and by then no filter is loaded.
pub fn load(program: &[SockFilter], flags: u32) -> SysResult<Option<OwnedFd>> {
    let call = || {
        format!(
            "seccomp(SECCOMP_SET_MODE_FILTER, {}, {{len={}}})",
            flag_names(u64::from(flags), FLAGS),
            program.len()
        )
    };
    let Ok(len) = libc::c_ushort::try_from(program.len()) else {
        return Err(SysError::new(Errno::EINVAL, call()));
    };
    let fprog = SockFprog {
        len,
        filter: program.as_ptr(),
    };
    // SAFETY: `fprog` has the kernel's layout and points to `len` instructions
    // that live through the call; the kernel copies them and writes nothing.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const fprog,
        )
    };
    match SysError::check(ret, call)? {
        fd if flags & FLAG_NEW_LISTENER != 0 => {
            // SAFETY: the kernel has just made this descriptor for us, and
            // nothing else knows its number.
            Ok(Some(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }))
        }
        0 => Ok(None),
        // Under TSYNC alone: the thread that could not take the filter.
        _ => Err(SysError::new(Errno::ESRCH, call())),
    }
}

/// Whether this kernel knows the flag. It is asked with a program that cannot
/// be read, so that nothing is loaded whatever it answers.
pub fn flag_is_known(flag: u32) -> bool {
    let listener = if flag == FLAG_WAIT_KILLABLE_RECV {
        // On its own it is invalid, not unknown.
        FLAG_NEW_LISTENER
    } else {
        0
    };
    // SAFETY: a null program is never followed; the call ends with EFAULT.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flag | listener,
            std::ptr::null::<SockFprog>(),
        )
    };
    ret < 0 && Errno::last() == Errno::EFAULT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_program_reads_like_strace() {
        let e = load(&[], FLAG_LOG | 0x4000).unwrap_err();
        assert_eq!(e.errno, Errno::EINVAL);
        assert_eq!(
            e.call,
            "seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG|0x4000, {len=0})"
        );
    }

    #[test]
    fn a_program_whose_length_does_not_fit_is_not_cut_short() {
        let allow = SockFilter {
            code: 6,
            jt: 0,
            jf: 0,
            k: 0x7fff_0000,
        };
        // 0x10001 would reach the kernel as 1, and be loaded.
        let e = load(&vec![allow; 0x1_0001], 0).unwrap_err();
        assert_eq!(e.errno, Errno::EINVAL);
    }

    #[test]
    fn the_kernel_tells_known_flags_from_others() {
        for &(flag, name) in FLAGS {
            assert!(flag_is_known(flag as u32), "{name}");
        }
        assert!(!flag_is_known(1 << 30));
    }
}
