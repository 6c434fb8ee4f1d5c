//! What several commands do.

use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::container::State;
use crate::error::{Error, Result};
use crate::keeper::{self, NotReached, Reply, Request};
use crate::say;
use crate::store::{Entry, Lock, Store};
use crate::sys::{fd, tty};

/// How long somebody else may take to start or end a container.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks whether it is done.
pub const PAUSE: Duration = Duration::from_millis(2);

/// What helps who asked for a terminal and has none.
pub const WITHOUT_TERMINAL: &str = "leave out -t when input comes from a pipe or a file";

/// A container, and what became of it.
pub struct Found {
    /// As it is kept.
    pub entry: Entry,
    /// As it is now.
    pub state: State,
}

/// Finds the container that is meant.
pub fn find(store: &Store, wanted: &str) -> Result<Found> {
    let entry = store.find(wanted)?;
    let state = keeper::truth(store, &entry)?;
    Ok(Found { entry, state })
}

/// Does the same to each container and shows its name when it is done. One
/// that fails is told and does not keep the others.
pub fn each(wanted: &[String], mut act: impl FnMut(&str) -> Result<()>) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for name in wanted {
        match act(name) {
            Ok(()) => say::out(name),
            Err(e) => {
                say::error(e);
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// The lock of a container that is not up; `None` if it has come up meanwhile.
/// A keeper notes the end an instant before it gives the lock back, and
/// somebody else may be starting the container just now.
pub fn lock(entry: &Entry) -> Result<Option<Lock>> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(lock) = entry.try_lock()? {
            return Ok(Some(lock));
        }
        if entry.recorded().is_ok_and(|state| state.status.is_up()) {
            return Ok(None);
        }
        if Instant::now() > until {
            return Err(Error::user(format!(
                "container {} is just being started or removed",
                entry.id().short()
            )));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Asks a container's keeper to do something, and waits until it is done.
pub fn ask(found: &Found, request: &Request) -> Result<()> {
    let connection = connect(found)?;
    // A keeper that is about to end neither listens nor answers.
    request.send(&connection).map_err(|_| not_running(found))?;
    match keeper::hear(&connection)? {
        Some(Reply::Refused(why)) => Err(Error::told(why)),
        Some(Reply::Done) => Ok(()),
        _ => Err(not_running(found)),
    }
}

/// A connection to the keeper of a container that is up.
pub fn connect(found: &Found) -> Result<OwnedFd> {
    if !found.state.status.is_up() {
        return Err(not_running(found));
    }
    // It may have ended since we looked.
    keeper::connect(&found.entry).map_err(|e| match e {
        NotReached::Gone => not_running(found),
        NotReached::Deaf(e) => e,
    })
}

/// Nothing can be done to a container that is not up.
pub fn not_running(found: &Found) -> Error {
    let id = found.entry.id();
    let name = found.entry.name().unwrap_or_else(|_| id.short().to_owned());
    Error::user(format!("container {name} is not running"))
        .hint(format!("`rcon start {name}` starts it"))
}

/// Waits for the end; nothing when the keeper is gone without a word. `hear`
/// gets the next one, and may give up.
pub fn wait_for_exit(
    connection: &OwnedFd,
    hear: impl Fn(&OwnedFd) -> Result<Option<Reply>>,
) -> Result<Option<i32>> {
    loop {
        match hear(connection)? {
            Some(Reply::Exit(code)) => return Ok(Some(code)),
            Some(Reply::Refused(why)) => return Err(Error::told(why)),
            Some(_) => {}
            None => return Ok(None),
        }
    }
}

/// The same with an end to the patience; whether the end has come, or at least
/// the keeper has gone.
pub fn wait_for_exit_until(connection: &OwnedFd, until: Instant) -> Result<bool> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let mut fds = [PollFd::new(connection.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, left) {
            Ok(0) => return Ok(false),
            Err(nix::errno::Errno::EINTR) => continue,
            Err(e) => return Err(Error::environment(e.desc())),
            Ok(_) => {}
        }
        match Reply::receive(connection)? {
            Some(Reply::Exit(_)) | None => return Ok(true),
            Some(_) => {}
        }
    }
}

/// The code a program ended with as that of this command.
pub fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(code as u8)
}

/// What is typed into a pipe cannot control a terminal.
pub fn check_terminal(remedy: &str) -> Result<()> {
    if tty::size(fd::standard(0)).is_some() {
        return Ok(());
    }
    Err(Error::user("the input device is not a TTY").hint(remedy))
}
