//! How a command reaches the keeper of a container, and what it makes of one
//! that does not answer.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, getsockopt, sockopt::PeerCredentials};

use super::protocol::Reply;
use crate::error::{Error, Result};
use crate::store::Entry;
use crate::sys::{fd, socket};

/// How long a keeper may take to let somebody in.
const LETS_IN: Duration = Duration::from_secs(3);
/// Between two looks at one that does not answer.
const LOOK: Duration = Duration::from_secs(1);
/// So often in a row it is seen stopped before that is believed.
const LOOKS: u32 = 3;

/// Why there is no connection to a keeper.
#[derive(Debug)]
pub enum NotReached {
    /// Nobody listens: it has ended, or is about to.
    Gone,
    /// It does not let anybody in.
    Deaf(Error),
}

/// Connects to the keeper of a container that is up.
pub fn connect(entry: &Entry) -> std::result::Result<OwnedFd, NotReached> {
    match socket::connect_messages_within(&entry.socket(), LETS_IN) {
        Ok(connection) => Ok(connection),
        Err(e) if e.errno == Errno::EAGAIN => {
            let pid = entry.recorded().map_or(0, |state| state.keeper);
            Err(NotReached::Deaf(deaf(pid)))
        }
        Err(_) => Err(NotReached::Gone),
    }
}

/// The next word of a keeper, however long that takes, unless the keeper was
/// stopped; `None` when it is gone.
pub fn hear(connection: &OwnedFd) -> Result<Option<Reply>> {
    let mut stopped = 0;
    while !fd::ready_within(connection, Some(LOOK))? {
        let pid = keeper_of(connection)?;
        stopped = if is_stopped(pid) { stopped + 1 } else { 0 };
        if stopped >= LOOKS {
            return Err(deaf(pid));
        }
    }
    Ok(Reply::receive(connection)?)
}

fn deaf(pid: i32) -> Error {
    let state = if is_stopped(pid) {
        "is stopped"
    } else {
        "does not answer"
    };
    Error::environment(format!("the container's keeper, process {pid}, {state}")).hint(format!(
        "`kill -CONT {pid}` lets a stopped one go on; `rcon rm --force` ends the container"
    ))
}

/// Who that is, the kernel knows from when it began to listen.
pub(super) fn keeper_of(connection: &OwnedFd) -> Result<i32> {
    let peer = getsockopt(connection, PeerCredentials);
    Ok(peer.map_err(|e| Error::environment(e.desc()))?.pid())
}

fn is_stopped(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
    state.is_some_and(|rest| rest.starts_with(['T', 't']))
}

/// Kills the keeper at the other end, which does not answer.
pub fn kill(connection: &OwnedFd) -> Result<()> {
    let Ok(handle) = fd::pidfd_open(keeper_of(connection)?) else {
        return Ok(());
    };
    // As long as the connection stands that process is there, and the handle
    // is its own and nobody else's who got the number.
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_PEEK;
    match nix::sys::socket::recv(connection.as_raw_fd(), &mut [0; 1], flags) {
        Err(Errno::EAGAIN) => Ok(fd::pidfd_send_signal(&handle, libc::SIGKILL)?),
        Ok(0) => Ok(()),
        Ok(_) | Err(_) => Err(Error::environment("the keeper answers after all").hint("try again")),
    }
}

/// Kills a keeper that lets nobody in: the process on record, if it is the one
/// that holds the container's lock.
pub fn kill_recorded(entry: &Entry) -> Result<()> {
    let pid = entry.recorded()?.keeper;
    let Ok(handle) = fd::pidfd_open(pid) else {
        return Ok(());
    };
    let lock = entry.dir().join("lock");
    let open = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten();
    let mut open = open
        .flatten()
        .filter_map(|fd| fs::read_link(fd.path()).ok());
    let lock = fs::canonicalize(&lock).unwrap_or(lock);
    if open.any(|path| path == lock) {
        fd::pidfd_send_signal(&handle, libc::SIGKILL)?;
    }
    Ok(())
}
