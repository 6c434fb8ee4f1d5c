//! Passing a seccomp listener on to the agent that answers for the kernel.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use serde_json::json;

use super::hooks::State;
use crate::error::{Context, Error, Result};
use crate::seccomp::Filter;
use crate::sys::{SysError, fd, process, socket};

/// How long init may take from telling the number to loading the filter.
const PATIENCE: Duration = Duration::from_secs(5);

/// Fetches descriptor `number` of the process behind `pidfd`, which is about
/// to load `filter`, and sends it to the agent.
pub(super) fn pass_on(pidfd: &OwnedFd, number: i32, filter: &Filter, state: &State) -> Result<()> {
    let what = || "config.json: linux.seccomp.listenerPath";
    let path = filter.listener_path.as_ref();
    let path =
        path.ok_or_else(|| Error::user("config.json: linux.seccomp.listenerPath: missing"))?;
    let agent = socket::connect_stream(path)
        .context(|| "failed to connect with seccomp agent")
        .map_err(|e| e.context(what()))?;
    let listener = fetch(pidfd, number)?;
    let message = json!({
        "ociVersion": state.oci_version,
        "fds": ["seccompFd"],
        "pid": state.pid,
        "metadata": filter.listener_metadata.clone().unwrap_or_default(),
        "state": State { status: "creating".to_owned(), ..state.clone() },
    });
    let bytes = message.to_string().into_bytes();
    socket::send(&agent, &bytes, &[listener.as_fd().as_raw_fd()]).context(what)
}

/// The descriptor is not there until the filter is loaded, and after that
/// init may not be allowed to tell us anything: so we look.
fn fetch(pidfd: &OwnedFd, number: i32) -> Result<OwnedFd> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = fd::pidfd_getfd(pidfd, number);
        if let Ok(listener) = found
            && fd::show(listener.as_raw_fd()).contains("seccomp notify")
        {
            return Ok(listener);
        }
        let ended = process::try_wait_still(pidfd);
        if ended || Instant::now() > deadline {
            let e = SysError::new(nix::errno::Errno::EBADF, format!("pidfd_getfd({number})"));
            return Err(Error::from(e).context("the seccomp listener did not appear"));
        }
        std::thread::sleep(Duration::from_micros(50));
    }
}
