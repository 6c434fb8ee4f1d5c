//! Processes of the host, told apart for good: a pid is given again to
//! another one some day, a pid with the time of its start is not.

use std::os::fd::{AsRawFd, OwnedFd};

use crate::sys::{fd, read_kernel_file};

/// A handle on the process `pid` that started at `start`, if that very process
/// is still there.
pub fn handle(pid: i32, start: u64) -> Option<OwnedFd> {
    // The handle first: then the process it stands for cannot change between
    // looking and acting.
    let pidfd = fd::pidfd_open(pid).ok()?;
    let same = start_time(pid).is_some_and(|(ticks, alive)| alive && ticks == start);
    same.then_some(pidfd)
}

/// When process `pid` started, and whether it is more than a zombie.
pub fn start_time(pid: i32) -> Option<(u64, bool)> {
    parse_stat(&read_kernel_file(format!("/proc/{pid}/stat").as_ref()).ok()?)
}

/// The name in `/proc/<pid>/stat` may hold anything, even `) R 1`; what
/// follows its last parenthesis is the kernel's.
fn parse_stat(stat: &str) -> Option<(u64, bool)> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    let ticks = fields.nth(18)?.parse().ok()?;
    Some((ticks, !matches!(state, "Z" | "X")))
}

/// Whether the process behind a handle has neither a handler for a signal nor
/// chosen to ignore it.
pub fn leaves_to_kernel(handle: &OwnedFd, signal: i32) -> bool {
    let info = format!("/proc/self/fdinfo/{}", handle.as_raw_fd());
    let Some(pid) = field(&info, "Pid:") else {
        return false;
    };
    let status = format!("/proc/{pid}/status");
    let without = |name| {
        let mask = field(&status, name).and_then(|m| u64::from_str_radix(&m, 16).ok());
        mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 0)
    };
    without("SigCgt:") && without("SigIgn:")
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let value = text.lines().find_map(|l| l.strip_prefix(name))?;
    Some(value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_process_name_does_not_move_the_fields() {
        let rest = "S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 1 1";
        let stat = format!("7 (evil) R 1) {rest}");
        assert_eq!(parse_stat(&stat), Some((4242, true)));
        let zombie = stat.replace(") S ", ") Z ");
        assert_eq!(parse_stat(&zombie), Some((4242, false)));
    }

    #[test]
    fn a_handler_is_seen_from_outside() {
        let own = std::process::id() as i32;
        let handle = handle(own, start_time(own).unwrap().0).unwrap();
        // Rust itself handles a stack that overflows, and ignores closed pipes.
        assert!(!leaves_to_kernel(&handle, libc::SIGSEGV));
        assert!(!leaves_to_kernel(&handle, libc::SIGPIPE));
        assert!(leaves_to_kernel(&handle, libc::SIGUSR2));
    }

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = std::process::id() as i32;
        let (start, _) = start_time(own).unwrap();
        assert!(handle(own, start).is_some());
        assert!(handle(own, start + 1).is_none());
    }
}
