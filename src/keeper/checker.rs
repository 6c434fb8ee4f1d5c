//! The process that runs one health check.
//!
//! What is done in a container takes as long as the container likes: it may
//! stop whoever is born in its pid namespace, at any instant. So the keeper
//! leaves a check to a process of its own, `rcon:check`, and only ever looks
//! whether that is done. The check runs in a cgroup of its own below the
//! container's, by which everything it has started is found at its end,
//! whatever session that has moved to.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::parent_id;

use nix::sys::signal::Signal;

use super::{Keeper, streams};
use crate::cgroup::ops::{self, Cgroup};
use crate::cgroup::paths::CgroupPaths;
use crate::container::Healthcheck;
use crate::error::{Context, Error, Result};
use crate::facts;
use crate::plan::{self, ExecRequest, Plan};
use crate::run::{self, Launch, State};
use crate::spec::{self, Further};
use crate::sys::process::{self, Exit, Forked};
use crate::sys::{fd, identity};

/// The cgroup of a check, below the container's.
const ROOM: &str = "rcon-check";

/// One that was sent to run a check.
#[derive(Debug)]
pub(super) struct Checker {
    /// Ends with the code of the check.
    pub pidfd: OwnedFd,
    /// What the check says.
    pub output: Option<OwnedFd>,
    /// Why it could not be run.
    pub trouble: OwnedFd,
    /// Where its processes are.
    room: Option<CgroupPaths>,
}

impl Keeper {
    /// Has a check run. This does not wait for anything.
    pub(super) fn send_checker(&self, check: &Healthcheck) -> Result<Checker> {
        let (output, said) = streams::pipe()?;
        let (trouble, words) = streams::pipe()?;
        streams::not_waiting(&output)?;
        streams::not_waiting(&trouble)?;
        let room = self.state.cgroups.as_ref().and_then(make_room);
        match process::fork(0, None)? {
            Forked::Child => process::exit_now(self.be_checker(check, room.as_ref(), said, words)),
            Forked::Parent { pidfd, .. } => Ok(Checker {
                pidfd,
                output: Some(output),
                trouble,
                room,
            }),
        }
    }

    /// We are the checker. Our job: to run one check, to see its end, and to
    /// leave nothing of it behind.
    fn be_checker(
        &self,
        check: &Healthcheck,
        room: Option<&CgroupPaths>,
        said: OwnedFd,
        words: OwnedFd,
    ) -> i32 {
        let begun = settle_in(
            c"rcon:check",
            self.state.keeper,
            &[said.as_fd(), words.as_fd()],
        );
        match begun.and_then(|()| self.run_check(check, room, said)) {
            Ok(exit) => exit.shell_code(),
            Err(e) => {
                // If the keeper is gone there is nobody to be told.
                let _ = File::from(words).write_all(e.to_string().as_bytes());
                1
            }
        }
    }

    fn run_check(
        &self,
        check: &Healthcheck,
        room: Option<&CgroupPaths>,
        said: OwnedFd,
    ) -> Result<Exit> {
        let gone = || Error::environment("the container has just ended");
        let container = crate::process::handle(self.state.pid, self.state.pid_start);
        let (plan, state) = self.plan_check(check, room)?;
        let null = File::open("/dev/null").context(|| "cannot open /dev/null")?;
        fd::place(&null, 0)?;
        fd::place(&said, 1)?;
        fd::place(&said, 2)?;
        drop(said);
        let held = run::launch(Launch {
            plan: &plan,
            state,
            console: None,
            start_socket: None,
            made: Vec::new(),
            container: Some(container.ok_or_else(gone)?),
            preserve_fds: 0,
            explain: None,
            patience: None,
            meanwhile: None,
        });
        streams::forget_own()?;
        let (pid, pidfd) = held?.release()?;
        fd::ready_within(&pidfd, None)?;
        // Its number is nobody else's until we have taken its end away.
        let _ = process::kill(-pid, libc::SIGKILL);
        let exit = process::wait(&pidfd)?;
        room.into_iter().for_each(clear);
        Ok(exit)
    }

    fn plan_check(&self, check: &Healthcheck, room: Option<&CgroupPaths>) -> Result<(Plan, State)> {
        let gone = || Error::environment("the container has just ended");
        let spec = self.entry.spec()?;
        let process = spec::further(
            &spec,
            &Further {
                args: &check.command,
                env: &[],
                workdir: None,
                user: None,
                terminal: false,
                privileged: None,
            },
        )?;
        let own = self.state.cgroups.as_ref().ok_or_else(gone)?;
        let plan = plan::exec(
            &ExecRequest {
                process: &process,
                spec: &spec,
                namespaces: facts::foreign_namespaces(self.state.pid)?,
                cgroups: with_room(own, room),
                id: self.entry.id().to_string(),
                no_new_keyring: false,
            },
            &facts::observe()?,
        )?;
        let state = State {
            oci_version: spec.version().clone(),
            id: self.entry.id().to_string(),
            status: "running".to_owned(),
            pid: self.state.pid,
            bundle: self.entry.dir().to_owned(),
            annotations: std::collections::HashMap::default(),
        };
        Ok((plan, state))
    }

    /// Ends a check before its time; who sees to the rest of it, if anybody
    /// has to.
    pub(super) fn call_back(&self, checker: Checker) -> Vec<OwnedFd> {
        let _ = fd::pidfd_send_signal(&checker.pidfd, libc::SIGKILL);
        let sweeper = checker.room.and_then(|room| self.send_sweeper(&room));
        [Some(checker.pidfd), sweeper]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Has what is left in a check's cgroup ended. That can take its time, too.
    fn send_sweeper(&self, room: &CgroupPaths) -> Option<OwnedFd> {
        match process::fork(0, None).ok()? {
            Forked::Child => {
                if settle_in(c"rcon:sweeper", self.state.keeper, &[]).is_ok() {
                    clear(room);
                }
                process::exit_now(0)
            }
            Forked::Parent { pidfd, .. } => Some(pidfd),
        }
    }
}

/// What every process does first that the keeper makes for a while: it ends
/// with the keeper, and holds nothing of what the keeper holds.
fn settle_in(name: &std::ffi::CStr, keeper: i32, keep: &[BorrowedFd<'_>]) -> Result<()> {
    // Only what `ps` shows.
    let _ = identity::set_name(name);
    identity::set_parent_death_signal(libc::SIGKILL)?;
    if parent_id() as i32 != keeper {
        return Err(Error::internal("the keeper is gone"));
    }
    let keep: Vec<i32> = keep.iter().map(AsRawFd::as_raw_fd).collect();
    Ok(fd::close_all_but(3, &keep)?)
}

/// Makes the cgroup of a check in one hierarchy: version 2, where everything
/// in it can be ended at once, or the freezer, where it is frozen with the
/// container. In all others the check is where the container is.
fn make_room(own: &CgroupPaths) -> Option<CgroupPaths> {
    let mut dir = own.v2().or_else(|| own.find("freezer"))?.clone();
    dir.path = format!("{}/{ROOM}", dir.path.trim_end_matches('/'));
    dir.made = true;
    match fs::create_dir(dir.full()) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => None,
        _ => Some(CgroupPaths {
            mode: own.mode,
            dirs: vec![dir],
        }),
    }
}

/// The container's cgroups, with that of the check in place of the one it is
/// below.
fn with_room(own: &CgroupPaths, room: Option<&CgroupPaths>) -> CgroupPaths {
    let mut all = own.clone();
    for new in room.iter().flat_map(|room| &room.dirs) {
        for dir in all.dirs.iter_mut().filter(|dir| dir.mount == new.mount) {
            *dir = new.clone();
        }
    }
    all
}

/// Ends who is left in a check's cgroup and removes it. What cannot be ended
/// now is found again by the next check, or at the container's end.
fn clear(room: &CgroupPaths) {
    if ops::destroy_empty(room).is_err() {
        if let Ok(cgroup) = Cgroup::open(room) {
            let _ = cgroup.kill(Signal::SIGKILL);
        }
        let _ = ops::destroy(room);
    }
}
