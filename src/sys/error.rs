//! A failed kernel call, in the words of `strace`.

use std::borrow::Cow;
use std::fmt;

use nix::errno::Errno;

use crate::error::Error;

/// A kernel call that failed: `mkdirat(5</run/x>, "a", 0755) = EACCES (Permission denied)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysError {
    /// The call with its arguments.
    pub call: String,
    /// What the kernel answered.
    pub errno: Errno,
}

/// The result of a kernel call.
pub type SysResult<T> = std::result::Result<T, SysError>;

impl SysError {
    /// A failure with a known errno.
    pub fn new(errno: Errno, call: impl Into<String>) -> Self {
        Self {
            call: call.into(),
            errno,
        }
    }

    /// The failure the kernel has just reported. `call` must not make a
    /// system call of its own before the errno is read, so it is read first.
    pub fn last(call: impl FnOnce() -> String) -> Self {
        let errno = Errno::last();
        Self {
            call: call(),
            errno,
        }
    }

    /// Turns a raw return value into a result: negative means look at errno.
    pub fn check(ret: i64, call: impl FnOnce() -> String) -> SysResult<i64> {
        if ret < 0 {
            Err(Self::last(call))
        } else {
            Ok(ret)
        }
    }
}

impl fmt::Display for SysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} = {:?} ({})",
            self.call,
            self.errno,
            self.errno.desc()
        )
    }
}

impl std::error::Error for SysError {}

impl SysError {
    /// What can be done about it, where that is known of the failure alone.
    pub fn remedy(&self) -> Option<Cow<'static, str>> {
        if self.errno != Errno::ENOSYS {
            return remedy(self.errno).map(Cow::Borrowed);
        }
        let name = self.call.split('(').next().unwrap_or_default();
        let (_, since) = SINCE.iter().find(|(call, _)| *call == name)?;
        Some(Cow::Owned(format!(
            "Linux has {name} since {since}: this kernel is older, or a filter of system calls \
             hides it"
        )))
    }
}

/// Since when there are the calls that some kernel may not have.
const SINCE: &[(&str, &str)] = &[
    ("bpf", "3.18"),
    ("clone3", "5.3"),
    ("close_range", "5.9"),
    ("fsconfig", "5.2"),
    ("fsmount", "5.2"),
    ("fsopen", "5.2"),
    ("mount_setattr", "5.12"),
    ("move_mount", "5.2"),
    ("open_tree", "5.2"),
    ("openat2", "5.6"),
    ("pidfd_getfd", "5.6"),
    ("pidfd_open", "5.3"),
    ("pidfd_send_signal", "5.1"),
];

impl From<SysError> for Error {
    fn from(e: SysError) -> Self {
        let hint = e.remedy();
        let e = Error::environment(e.to_string());
        match hint {
            Some(hint) => e.hint(hint),
            None => e,
        }
    }
}

/// What helps against a failure that means the same wherever it comes from.
pub fn remedy(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::ENOSPC | Errno::EDQUOT => {
            "is the disk full? `df -h` and `df -i` tell, `rcon system prune` makes room"
        }
        Errno::EROFS => "that file system is mounted read-only",
        Errno::EMFILE => "too many files are open in one process: look at `ulimit -n`",
        Errno::EFBIG => "files may not get larger than `ulimit -f` says",
        _ => return None,
    })
}

/// Names the bits of `value` by `names`, unknown bits in hex: `A|B|0x40`.
pub fn flag_names(value: u64, names: &[(u64, &str)]) -> String {
    let mut left = value;
    let mut out: Vec<String> = Vec::new();
    for &(bit, name) in names {
        if bit != 0 && left & bit == bit {
            out.push(name.to_owned());
            left &= !bit;
        }
    }
    if left != 0 || out.is_empty() {
        out.push(format!("{left:#x}"));
    }
    out.join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_call_reads_like_strace() {
        let e = SysError::new(Errno::EPERM, "unshare(CLONE_NEWNS)");
        assert_eq!(
            e.to_string(),
            "unshare(CLONE_NEWNS) = EPERM (Operation not permitted)"
        );
    }

    #[test]
    fn unknown_flag_bits_are_shown_in_hex() {
        let names = [(1, "A"), (2, "B")];
        assert_eq!(flag_names(3, &names), "A|B");
        assert_eq!(flag_names(0x42, &names), "B|0x40");
        assert_eq!(flag_names(0, &names), "0x0");
    }
}
