//! The launcher's view of a start.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::channel::{Channel, Failure, Message};
use super::hooks::State;
use super::walk::{Child, Explain, StepError, Walk};
use crate::cgroup::ops;
use crate::cgroup::paths::CgroupPaths;
use crate::error::{Error, Result};
use crate::plan::{Action, Actor, Plan, Signal, Slot, Step};
use crate::sys::{fd, process, read_kernel_file};

/// How long what was killed is waited for.
const TO_DIE: Duration = Duration::from_secs(5);

/// Something of the caller's; see [`Launch`].
pub type Meanwhile<'a> = Box<dyn FnOnce() -> Result<()> + 'a>;

/// Everything a start needs beside its plan.
pub struct Launch<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// What hooks are told.
    pub state: State,
    /// Where the outer side of a terminal is sent.
    pub console: Option<OwnedFd>,
    /// Where init waits to be started, if not by this very process.
    pub start_socket: Option<OwnedFd>,
    /// What need not be made or opened, since it is here: a root that has been
    /// laid out to look into it, an image that is to be mounted.
    pub made: Vec<(Slot, OwnedFd)>,
    /// The running process whose namespaces are entered, if any.
    pub container: Option<OwnedFd>,
    /// How many descriptors from 3 on the program is given.
    pub preserve_fds: u32,
    /// Where the steps are told as they are taken.
    pub explain: Option<Explain>,
    /// What is to be done by the time all is ready, and can be done while the
    /// processes that are made are at work.
    pub meanwhile: Option<Meanwhile<'a>>,
    /// How long to wait for the next word of the processes that are made,
    /// where others may keep them from speaking.
    pub patience: Option<Duration>,
}

/// A container that has everything but its program.
#[derive(Debug)]
pub struct Held {
    /// Its first process.
    pub pid: i32,
    /// A handle on that.
    pub pidfd: OwnedFd,
    /// Its cgroups, with a note of which we made.
    pub cgroups: CgroupPaths,
    /// What went wrong without stopping the start.
    pub warnings: Vec<String>,
    channel: Channel,
    explain: Option<Explain>,
    patience: Option<Duration>,
    /// The step that is left to take, with its number.
    last: Option<(usize, Step)>,
}

/// Takes all steps up to the one that starts the program. If one fails,
/// everything made so far is taken back.
pub fn launch(launch: Launch<'_>) -> Result<Held> {
    let (ours, theirs) = Channel::pair()?;
    let before = launch.patience.map(|_| process::children());
    let mut slots: BTreeMap<Slot, OwnedFd> = launch.made.into_iter().collect();
    slots.extend(launch.container.map(|fd| (Slot::Container, fd)));
    let mut walk = Walk {
        plan: launch.plan,
        me: Actor::Launcher,
        at: 0,
        channel: ours,
        early: VecDeque::new(),
        children_end: Some(theirs),
        child: None,
        cgroup: None,
        joiner: None,
        slots,
        console: launch.console,
        start_socket: launch.start_socket,
        state: launch.state,
        preserve_fds: launch.preserve_fds,
        explain: launch.explain,
        meanwhile: launch.meanwhile,
        patience: launch.patience,
        warnings: launch.plan.warnings.clone(),
        program: None,
        uid: 0,
        hidden: false,
    };
    // Where init has failed, ours is only what followed from that.
    let first = |ours, channel: &Channel| channel.failure_now().unwrap_or(ours);
    let walked = walk.walk(is_start).map_err(|e| first(e, &walk.channel));
    let cgroups = walk.cgroup.as_ref().map(|c| c.paths().clone());
    let cgroups = cgroups.unwrap_or_else(|| launch.plan.cgroups.clone());
    match (walked, walk.child) {
        (Ok(()), Some(child)) => Ok(Held {
            pid: child.pid,
            pidfd: child.pidfd,
            cgroups,
            warnings: walk.warnings,
            channel: walk.channel,
            explain: walk.explain,
            patience: walk.patience,
            last: walk
                .plan
                .steps
                .get(walk.at)
                .map(|s| (walk.at + 1, s.clone())),
        }),
        (Ok(()), None) => Err(Error::internal("the plan makes no process")),
        (Err(failure), child) => {
            take_back(child, &cgroups, before.as_deref());
            Err(shown(failure))
        }
    }
}

fn is_start(step: &Step) -> bool {
    matches!(
        &step.action,
        Action::Tell {
            signal: Signal::Start,
            ..
        }
    )
}

/// Ends what was made. The failure that led here is what will be reported, so
/// a second one is let pass; the directories of cgroups that we found and did
/// not make stay.
fn take_back(child: Option<Child>, cgroups: &CgroupPaths, before: Option<&[i32]>) {
    if let Some(child) = child {
        end(&child.pidfd);
    }
    // One that was kept from telling of itself is ours all the same.
    let ours = |pid: &i32| before.is_some_and(|before| !before.contains(pid));
    for pid in before.map(|_| process::children()).into_iter().flatten() {
        if let Ok(child) = fd::pidfd_open(pid)
            && ours(&pid)
        {
            end(&child);
        }
    }
    let _ = ops::destroy(cgroups);
}

fn end(child: &OwnedFd) {
    let _ = fd::pidfd_send_signal(child, libc::SIGKILL);
    // One that waits for a disk or a file system of somebody's own does not
    // even die now.
    let _ = process::wait_within(child, Some(TO_DIE));
}

fn shown(failure: Failure) -> Error {
    use super::channel::FailureKind::{NotExecutable, NotFound, Step};
    match failure.kind {
        NotFound => Error::user(failure.text).exit(127),
        NotExecutable => Error::user(failure.text).exit(126),
        Step => Error::environment(failure.text),
    }
}

impl Held {
    /// Leaves the container to whoever will start it: only now, that its
    /// record can be found, may init outlive us.
    pub fn leave(self) -> Result<()> {
        Ok(self.channel.send(&Message::Told(Signal::Recorded))?)
    }

    /// Lets the program start, and returns once it has.
    pub fn release(self) -> Result<(i32, OwnedFd)> {
        self.release_and(|| {})
    }

    /// The same; what is to be done anyway is done while it starts.
    pub fn release_and(mut self, meanwhile: impl FnOnce()) -> Result<(i32, OwnedFd)> {
        if let (Some(explain), Some((number, step))) = (&mut self.explain, &self.last) {
            explain.tell(*number, step);
        }
        let told = self.channel.send(&Message::Told(Signal::Start));
        if told.is_ok() {
            meanwhile();
        }
        let init = (self.pid, &self.pidfd);
        let started = told.map_err(Error::from);
        if let Err(e) = started.and_then(|()| see_start(&self.channel, init, self.patience)) {
            // Not waited for, it would keep a pid namespace that is just
            // being ended from its end.
            end(&self.pidfd);
            return Err(e);
        }
        Ok((self.pid, self.pidfd))
    }

    /// Ends the container, whose program does not run yet.
    pub fn give_up(self) {
        end(&self.pidfd);
    }
}

/// Lets the program of a container start that another process has created,
/// over a connection to its start socket. `init` is that container's first
/// process, by number and handle.
pub fn release_over(connection: OwnedFd, init: (i32, &OwnedFd)) -> Result<()> {
    let channel = Channel(connection);
    channel.send(&Message::Told(Signal::Start))?;
    see_start(&channel, init, None)
}

/// An exec closes the other side: silence is success, unless there was none.
fn see_start(channel: &Channel, init: (i32, &OwnedFd), patience: Option<Duration>) -> Result<()> {
    loop {
        if !channel.speaks_within(patience)? {
            return Err(silent());
        }
        match channel.receive()? {
            None if never_executed(init) => return Err(speechless()),
            None => return Ok(()),
            Some((Message::Failed(failure), _)) => return Err(shown(failure)),
            Some((Message::Warned(_), _)) => {}
            Some((other, _)) => {
                return Err(Error::internal(format!("at the start, was told {other:?}")));
            }
        }
    }
}

/// Whether a process that has fallen silent ended without an exec, of itself.
/// One that somebody killed was killed a moment too early, and is no other than
/// one that is killed a moment later: its end is told like any program's. Its
/// entry in procfs stays until somebody waits for it; a handle that can still be
/// signalled proves that the number was not given to another meanwhile.
fn never_executed((pid, handle): (i32, &OwnedFd)) -> bool {
    let stat = read_kernel_file(format!("/proc/{pid}/stat").as_ref()).unwrap_or_default();
    forked_only(&stat) == Some(true)
        && !was_killed(&stat)
        && fd::pidfd_send_signal(handle, 0).is_ok()
}

/// A field of a line of `/proc/<pid>/stat` that comes after the name, in which
/// anything can be; by its number in `proc(5)`.
fn field<T: std::str::FromStr>(stat: &str, number: usize) -> Option<T> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.trim_end().split(' ').nth(number - 3)?.parse().ok()
}

/// The kernel marks a process that was forked and has executed nothing yet
/// (`PF_FORKNOEXEC`, proc(5) on `flags`), and takes the mark away before it
/// closes descriptors on exec.
fn forked_only(stat: &str) -> Option<bool> {
    const MARK: u32 = 0x40;
    let flags: u32 = field(stat, 9)?;
    Some(flags & MARK != 0)
}

/// Whether a process has ended because of a signal that was sent to it. A filter
/// ends one with SIGSYS, which tells that it was the filter.
fn was_killed(stat: &str) -> bool {
    let status: i32 = field(stat, 52).unwrap_or(0);
    let signal = status & 0x7f;
    signal != 0 && signal != libc::SIGSYS
}

/// Something keeps the other side from answering.
pub(super) fn silent() -> Error {
    Error::environment("the container's first process does not answer while it is being set up")
        .hint("was it stopped by a process of the namespaces that it shares?")
}

fn speechless() -> Error {
    Error::environment(
        "the program was not executed: the process that was to do it ended, and could not say why",
    )
    .hint("does linux.seccomp forbid execve, or the writing of an error?")
}

impl From<Failure> for StepError {
    fn from(f: Failure) -> Self {
        StepError::Other(shown(f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_a_fork_is_found_behind_any_name() {
        let line = |flags: u32| format!("7 (a) R (x) Z 1 7 7 0 -1 {flags} 0 0\n");
        assert_eq!(forked_only(&line(0x40_0040)), Some(true));
        assert_eq!(forked_only(&line(0x40_0100)), Some(false));
        assert_eq!(forked_only(""), None);
    }

    #[test]
    fn who_was_killed_is_told_from_who_ended() {
        let line = |status: i32| format!("7 (a) Z 1 {}{status}\n", "0 ".repeat(47));
        assert!(was_killed(&line(9)));
        assert!(was_killed(&line(15)));
        assert!(!was_killed(&line(0)));
        assert!(!was_killed(&line(1 << 8)));
        assert!(!was_killed(&line(libc::SIGSYS | 0x80)));
        assert!(!was_killed(""));
    }

    #[test]
    fn this_very_program_was_executed() {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        assert_eq!(forked_only(&stat), Some(false));
    }
}
