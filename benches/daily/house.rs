//! The outer process: where the benchmark happens, and that nothing of it
//! stays.
//!
//! The directory, the namespaces and the cgroups are those of the peers' tests
//! (`tests/peers/room.rs`). The inner process is this program once more, so
//! that what it starts is born in there, and entering is not measured.

use std::env;
use std::path::PathBuf;
use std::process::{Child, ExitCode};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::needs;
use crate::room::{self, Room};

const DIRECTORY: &str = "RCON_BENCH_DIRECTORY";

/// What the inner process may use.
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    /// Also the name of the cgroup below which everything belongs.
    pub(crate) name: String,
}

/// The place, if we are the inner process.
pub(crate) fn inside() -> Option<Place> {
    let dir = PathBuf::from(env::var_os(DIRECTORY)?);
    let name = dir.file_name()?.to_string_lossy().into_owned();
    Some(Place { dir, name })
}

/// Runs the inner process to its end, or to ours if somebody asks for that.
pub(crate) fn open_and_wait() -> ExitCode {
    if !needs::met(room::NEEDS) {
        return ExitCode::SUCCESS;
    }
    // Blocked before the first child, or one could be missed; each program
    // that is started gets an empty set again.
    let signals = [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGCHLD,
    ];
    let signals: SigSet = signals.into_iter().collect();
    signals.thread_block().expect("block signals");
    let room = Room::open();
    let mut argv = vec![env::current_exe().expect("our own path").into_os_string()];
    argv.extend(env::args_os().skip(1));
    let mut inner = room
        .enter(&argv)
        .env(DIRECTORY, room.path(""))
        .spawn()
        .expect("start nsenter");
    let code = wait(&mut inner, signals);
    drop(room);
    ExitCode::from(code)
}

/// The inner process's exit code; 130 when we are to stop before that.
fn wait(inner: &mut Child, signals: SigSet) -> u8 {
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) if ended(inner) => {
                let status = inner.wait().ok().and_then(|status| status.code());
                return status.and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
            }
            Ok(Signal::SIGCHLD) => {}
            _ => {
                // The rest of what it started ends with the room.
                inner.kill().ok();
                inner.wait().ok();
                return 130;
            }
        }
    }
}

/// Asked without reaping: that is [`Child`]'s.
fn ended(inner: &Child) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    let id = Id::Pid(Pid::from_raw(inner.id() as i32));
    !matches!(waitid(id, flags), Ok(WaitStatus::StillAlive))
}
