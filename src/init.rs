//! The tiny first process of `--init`.
//!
//! Inside a pid namespace somebody must be process 1, and to be that has two
//! duties which ordinary programs do not know of: orphans become its children
//! and stay as zombies until it waits for them, and signals that it has no
//! handler for are not delivered to it at all. So this stands before the
//! program: it starts it, hands on every signal, waits for whoever ends, and
//! ends as the program ended, which ends the container.
//!
//! It is rcon's own binary under the name `rcon-init`, shown inside read-only.
//! It runs with the container's rights only and knows nothing of rcon's state.

use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Pid, execvp, setpgid, tcsetpgrp};

use crate::say;
use crate::sys::process::{self, Exit, Forked};
use crate::sys::{SysResult, fd};

/// What a shell says of a program that is not there, and of one that cannot be
/// run.
const NOT_FOUND: i32 = 127;
const NOT_RUNNABLE: i32 = 126;

/// Signals that are about this process and not meant for the program: a child
/// has ended, or it may not use the terminal.
const OWN: [i32; 3] = [libc::SIGCHLD, libc::SIGTTIN, libc::SIGTTOU];

/// `rcon-init [--] PROGRAM [ARGUMENT…]`
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args: Vec<OsString> = args.into_iter().skip(1).collect();
    if args.first().is_some_and(|a| a == "--") {
        args.remove(0);
    }
    // The kernel gave these strings, so none has a NUL inside.
    let program: Vec<CString> = args
        .into_iter()
        .filter_map(|a| CString::new(a.into_vec()).ok())
        .collect();
    if program.is_empty() {
        say::err(format_args!("rcon-init: no program to run"));
        return ExitCode::from(NOT_RUNNABLE as u8);
    }
    match run(&program) {
        Ok(exit) => ExitCode::from(exit.shell_code() as u8),
        Err(e) => {
            say::err(format_args!("rcon-init: {e}"));
            ExitCode::from(NOT_RUNNABLE as u8)
        }
    }
}

fn run(argv: &[CString]) -> SysResult<Exit> {
    // Before the fork, so that no signal falls between two masks. Those that
    // came before this have waited: it is started with all of them held back
    // (`HoldSignals` in the plan).
    let signals = process::signals_as_fd()?;
    match process::fork_plainly()? {
        Forked::Child => become_program(argv),
        Forked::Parent { pid, pidfd } => serve(pid, &pidfd, &signals),
    }
}

/// In a process group of its own and in the terminal's foreground, so that
/// Ctrl-C reaches the program once, from the terminal, and not again from us.
fn become_program(argv: &[CString]) -> ! {
    let myself = Pid::from_raw(0);
    if setpgid(myself, myself).is_ok() {
        // Without a terminal there is nothing to take; and SIGTTOU, which
        // taking it from the background would bring, is blocked here.
        let _ = tcsetpgrp(fd::standard(0), nix::unistd::getpid());
    }
    process::reset_signals();
    let program = argv[0].to_string_lossy();
    let errno = match execvp(&argv[0], argv) {
        Err(errno) => errno,
        Ok(never) => match never {},
    };
    say::err(format_args!(
        "rcon-init: exec: {program:?}: {}",
        errno.desc()
    ));
    process::exit_now(match errno {
        Errno::ENOENT | Errno::ENOTDIR => NOT_FOUND,
        _ => NOT_RUNNABLE,
    })
}

/// Until the program has ended; its descendants that outlive it end with this
/// process, by the kernel's hand.
fn serve(pid: i32, pidfd: &OwnedFd, signals: &OwnedFd) -> SysResult<Exit> {
    loop {
        let mut ready = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        // Every signal is blocked, so nothing interrupts this.
        let _ = poll(&mut ready, PollTimeout::NONE);
        while let Some(signal) = process::next_signal(signals) {
            if !OWN.contains(&signal) {
                // It may have ended just now; then there is nobody to tell.
                let _ = fd::pidfd_send_signal(pidfd, signal);
            }
        }
        while let Some((who, exit)) = process::reap_any() {
            if who == pid {
                return Ok(exit);
            }
        }
    }
}
