//! The launcher's view of a start.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;

use super::channel::{Channel, Failure, Message};
use super::hooks::State;
use super::walk::{Child, Explain, StepError, Walk};
use crate::cgroup::ops;
use crate::cgroup::paths::CgroupPaths;
use crate::error::{Error, Result};
use crate::plan::{Action, Actor, Plan, Signal, Slot, Step};
use crate::sys::{fd, process};

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
    /// The running process whose namespaces are entered, if any.
    pub container: Option<OwnedFd>,
    /// How many descriptors from 3 on the program is given.
    pub preserve_fds: u32,
    /// Where the steps are told as they are taken.
    pub explain: Option<Explain>,
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
    /// The step that is left to take, with its number.
    last: Option<(usize, Step)>,
}

/// Takes all steps up to the one that starts the program. If one fails,
/// everything made so far is taken back.
pub fn launch(launch: Launch<'_>) -> Result<Held> {
    let (ours, theirs) = Channel::pair()?;
    let mut slots = BTreeMap::new();
    if let Some(container) = launch.container {
        slots.insert(Slot::Container, container);
    }
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
        warnings: launch.plan.warnings.clone(),
        program: None,
        uid: 0,
        hidden: false,
    };
    let walked = walk.walk(is_start);
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
            last: walk
                .plan
                .steps
                .get(walk.at)
                .map(|s| (walk.at + 1, s.clone())),
        }),
        (Ok(()), None) => Err(Error::internal("the plan makes no process")),
        (Err(failure), child) => {
            take_back(child, &cgroups);
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
fn take_back(child: Option<Child>, cgroups: &CgroupPaths) {
    if let Some(child) = child {
        let _ = fd::pidfd_send_signal(&child.pidfd, libc::SIGKILL);
        let _ = process::wait(&child.pidfd);
    }
    let _ = ops::destroy(cgroups);
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
    pub fn release(mut self) -> Result<(i32, OwnedFd)> {
        if let (Some(explain), Some((number, step))) = (&mut self.explain, &self.last) {
            explain.tell(*number, step);
        }
        start_program(&self.channel)?;
        Ok((self.pid, self.pidfd))
    }
}

/// Lets the program of a container start that another process has created,
/// over a connection to its start socket.
pub fn release_over(connection: OwnedFd) -> Result<()> {
    start_program(&Channel(connection))
}

/// An exec closes the other side: silence is success.
fn start_program(channel: &Channel) -> Result<()> {
    channel.send(&Message::Told(Signal::Start))?;
    loop {
        match channel.receive()? {
            None => return Ok(()),
            Some((Message::Failed(failure), _)) => return Err(shown(failure)),
            Some((Message::Warned(_), _)) => {}
            Some((other, _)) => {
                return Err(Error::internal(format!("at the start, was told {other:?}")));
            }
        }
    }
}

impl From<Failure> for StepError {
    fn from(f: Failure) -> Self {
        StepError::Other(shown(f))
    }
}
