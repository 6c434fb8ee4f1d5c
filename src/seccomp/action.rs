//! What a filter answers: the kernel's return values for runtime-spec's words.

use oci_spec::runtime::LinuxSeccompAction as Action;

use crate::error::{Error, Result};

/// Ends the thread: libseccomp's answer to an ABI that is not in the filter,
/// and with it runc's.
pub(super) const KILL_THREAD: u32 = 0;
const KILL_PROCESS: u32 = 0x8000_0000;
const TRAP: u32 = 0x0003_0000;
const ERRNO: u32 = 0x0005_0000;
const NOTIFY: u32 = 0x7fc0_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;

/// "This kernel has no such call."
pub(super) const ENOSYS: u32 = ERRNO + 38;

/// The kernel answers no larger error than this; it would cut one down.
const MAX_ERRNO: u32 = 4095;
const EPERM: u32 = 1;

/// The kernel's value for `action`.
pub(super) fn encode(action: Action, errno: Option<u32>) -> Result<u32> {
    let value = match action {
        Action::ScmpActErrno => return Ok(ERRNO | data(action, errno, MAX_ERRNO)?),
        Action::ScmpActTrace => return Ok(TRACE | data(action, errno, 0xffff)?),
        Action::ScmpActKill | Action::ScmpActKillThread => KILL_THREAD,
        Action::ScmpActKillProcess => KILL_PROCESS,
        Action::ScmpActTrap => TRAP,
        Action::ScmpActNotify => NOTIFY,
        Action::ScmpActLog => LOG,
        Action::ScmpActAllow => ALLOW,
    };
    if errno.is_some() {
        // runtime-spec asks for this refusal.
        return Err(Error::user(format!(
            "seccomp: an errno is given for {action}, which returns none"
        )));
    }
    Ok(value)
}

fn data(action: Action, errno: Option<u32>, max: u32) -> Result<u32> {
    let errno = errno.unwrap_or(EPERM);
    if errno > max {
        return Err(Error::user(format!(
            "seccomp: errno {errno} for {action} is above {max}"
        )));
    }
    Ok(errno)
}

/// Orders actions from the harshest on, as the kernel does between several
/// filters: as signed numbers, without the data.
pub(super) fn mildness(action: u32) -> i32 {
    (action & 0xffff_0000) as i32
}

/// Whether a call that the filter does not mention is stopped.
pub(super) fn stops(action: Action) -> bool {
    !matches!(
        action,
        // A tracer sees calls it does not know and can answer for itself.
        Action::ScmpActAllow | Action::ScmpActLog | Action::ScmpActTrace
    )
}

/// The actions that a kernel offers, from the text of
/// `/proc/sys/kernel/seccomp/actions_avail`.
pub fn actions_avail(text: &str) -> Vec<Action> {
    text.split_whitespace().filter_map(from_kernel).collect()
}

fn from_kernel(word: &str) -> Option<Action> {
    Some(match word {
        "kill_process" => Action::ScmpActKillProcess,
        "kill_thread" => Action::ScmpActKillThread,
        "trap" => Action::ScmpActTrap,
        "errno" => Action::ScmpActErrno,
        "user_notif" => Action::ScmpActNotify,
        "trace" => Action::ScmpActTrace,
        "log" => Action::ScmpActLog,
        "allow" => Action::ScmpActAllow,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_is_eperm_unless_said_otherwise() {
        assert_eq!(encode(Action::ScmpActErrno, None).unwrap(), 0x0005_0001);
        assert_eq!(encode(Action::ScmpActErrno, Some(0)).unwrap(), 0x0005_0000);
        assert_eq!(encode(Action::ScmpActErrno, Some(38)).unwrap(), ENOSYS);
        assert_eq!(encode(Action::ScmpActTrace, None).unwrap(), 0x7ff0_0001);
        assert_eq!(
            encode(Action::ScmpActTrace, Some(0xffff)).unwrap(),
            0x7ff0_ffff
        );
    }

    #[test]
    fn an_errno_that_cannot_be_returned_is_refused() {
        assert!(encode(Action::ScmpActErrno, Some(4096)).is_err());
        assert!(encode(Action::ScmpActTrace, Some(0x1_0000)).is_err());
        let e = encode(Action::ScmpActAllow, Some(1)).unwrap_err();
        assert!(e.to_string().contains("SCMP_ACT_ALLOW"), "{e}");
    }

    #[test]
    fn mildness_is_the_kernels_order() {
        let mut all = [ALLOW, LOG, TRACE, NOTIFY, ERRNO, TRAP, KILL_THREAD];
        all.sort_by_key(|&a| mildness(a));
        assert_eq!(all, [KILL_THREAD, TRAP, ERRNO, NOTIFY, TRACE, LOG, ALLOW]);
        assert!(mildness(KILL_PROCESS) < mildness(KILL_THREAD));
    }

    #[test]
    fn the_kernels_list_is_read() {
        let got = actions_avail("kill_process errno user_notif newer_than_us allow\n");
        assert_eq!(
            got,
            [
                Action::ScmpActKillProcess,
                Action::ScmpActErrno,
                Action::ScmpActNotify,
                Action::ScmpActAllow
            ]
        );
    }
}
