//! Signalling every process, and knowing which there are.

use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Cgroup;
use super::dir::{Dir, is_gone, read_again, walk};
use super::freeze::thaw;
use super::wait::Backoff;
use crate::cgroup::layout::Version;
use crate::error::{Error, Result};
use crate::sys::{SysError, SysResult};

/// A process may need long to die: it has gigabytes to give back, or waits
/// for a disk.
const PATIENCE: Duration = Duration::from_secs(10);

impl Cgroup {
    /// Every process in the container, those in cgroups it made itself included.
    pub fn pids(&self) -> Result<Vec<i32>> {
        let mut all = Vec::new();
        for dir in self.rolls() {
            all.extend(pids_below(dir)?);
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// Sends `signal` to every process. SIGKILL leaves none: when this
    /// returns without an error, the container is empty.
    pub fn kill(&self, signal: Signal) -> Result<()> {
        if signal == Signal::SIGKILL {
            self.kill_all()
        } else {
            self.signal_all(signal)
        }
    }

    /// The directories that tell who is in the container: the v2 one, and the
    /// freezer as that one is frozen while we read.
    fn rolls(&self) -> impl Iterator<Item = &Dir> {
        let v1 = self
            .find("freezer")
            .or_else(|| self.open_dirs().find(|d| d.version() == Version::V1));
        self.v2().into_iter().chain(v1)
    }

    fn kill_all(&self) -> Result<()> {
        // Since Linux 5.14 one write ends the whole tree, newborn included.
        let at_once = self
            .v2()
            .is_some_and(|d| d.write("cgroup.kill", "1").is_ok());
        let mut backoff = Backoff::new(PATIENCE);
        let events = self
            .v2()
            .and_then(|d| d.open_file("cgroup.events", OFlag::O_RDONLY).ok());
        for round in 0.. {
            if let Some(events) = &events {
                // Before the list, so that no change after it is missed.
                read_again(events)?;
            }
            let left = self.pids()?;
            if left.is_empty() {
                return Ok(());
            }
            // Without cgroup.kill in every round, as something may have been
            // forking; with it only for what has escaped the v2 tree.
            if !at_once || round > 10 {
                self.signal_all(Signal::SIGKILL)?;
            }
            self.let_die()?;
            let go_on = match &events {
                Some(events) => backoff.pause_for(events),
                None => backoff.pause(),
            };
            if !go_on {
                return Err(survivors(&left));
            }
        }
        Ok(())
    }

    /// A process that v1 has frozen does not even die; and the container may
    /// have frozen some in cgroups of its own.
    fn let_die(&self) -> Result<()> {
        let Some(freezer) = self.find("freezer") else {
            return Ok(());
        };
        match walk(freezer, &mut thaw, &mut |_, _| Ok(())) {
            Err(e) if !is_gone(&e) => Err(e.into()),
            _ => Ok(()),
        }
    }

    /// Frozen processes neither fork nor end, so the list is whole and no pid
    /// in it can have come to mean another process.
    fn signal_all(&self, signal: Signal) -> Result<()> {
        let was_frozen = self.is_frozen()?;
        // If it does not freeze, signalling what is there beats giving up.
        let froze = !was_frozen && self.freeze().is_ok();
        let sent = self.pids().and_then(|pids| {
            pids.into_iter()
                .try_for_each(|pid| send(pid, signal).map_err(Error::from))
        });
        if froze {
            self.thaw()?;
        }
        sent
    }
}

fn send(pid: i32, signal: Signal) -> SysResult<()> {
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(e) => Err(SysError::new(e, format!("kill({pid}, {signal})"))),
    }
}

fn survivors(pids: &[i32]) -> Error {
    let shown: Vec<_> = pids.iter().take(10).map(i32::to_string).collect();
    Error::environment(format!(
        "{} process(es) are still there after SIGKILL: {}",
        pids.len(),
        shown.join(" ")
    ))
    .hint("a process that waits for a disk or a network file system only dies when that answers")
}

/// The processes in `top` and all cgroups below it.
pub(super) fn pids_below(top: &Dir) -> SysResult<Vec<i32>> {
    let mut pids = Vec::new();
    let mut collect = |dir: &Dir| {
        pids.extend(pids_in(dir)?);
        Ok(())
    };
    match walk(top, &mut collect, &mut |_, _| Ok(())) {
        Err(e) if !is_gone(&e) => Err(e),
        _ => Ok(pids),
    }
}

fn pids_in(dir: &Dir) -> SysResult<Vec<i32>> {
    let text = match dir.read("cgroup.procs") {
        // A threaded cgroup lists threads only.
        Err(e) if e.errno == Errno::EOPNOTSUPP => dir.read("cgroup.threads"),
        Err(e) if is_gone(&e) => return Ok(Vec::new()),
        text => text,
    }?;
    // A process of another pid namespace shows as 0, and signalling 0 would
    // signal ourselves.
    Ok(text
        .lines()
        .filter_map(|l| l.parse().ok())
        .filter(|pid| *pid > 0)
        .collect())
}
