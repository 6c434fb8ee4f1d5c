//! One process walking along a plan and taking the steps that are its own.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::channel::{Channel, Failure, FailureKind, Heard, Message};
use super::hooks::{self, State};
use super::launch::Meanwhile;
use super::program::{self, NotRunnable, as_root};
use super::{advice, mounting, terminal};
use crate::cgroup::ops::{Cgroup, Joiner};
use crate::error::Error;
use crate::network::interface;
use crate::plan::{
    Action, Actor, EnterRoot, HookEnv, HookRun, Namespace, OnFailure, Plan, Slot, Step,
};
use crate::render::words;
use crate::sys::process::{Forked, Strings};
use crate::sys::{SysError, SysResult, fd, identity, mount, process, seccomp};
use crate::timings::{self, Moment};

/// What a program starts with that was not asked to have another.
const USUAL_UMASK: u32 = 0o022;

/// A process this one has made.
#[derive(Debug)]
pub(super) struct Child {
    pub pid: i32,
    pub pidfd: OwnedFd,
}

/// A program that only needs to be executed. Made before a seccomp filter is
/// loaded, which need not allow what making it takes.
pub(super) struct Ready {
    path: CString,
    args: Strings,
    env: Strings,
}

/// Tells each step as it is taken.
#[derive(Debug)]
pub struct Explain {
    /// Where to.
    pub out: File,
    /// Since when.
    pub start: Instant,
    /// As JSON, for a log that is.
    pub json: bool,
}

impl Explain {
    /// Tells one step, by its number in the plan.
    pub(super) fn tell(&mut self, number: usize, step: &Step) {
        let ms = self.start.elapsed().as_secs_f64() * 1000.0;
        let actor = format!("{:?}", step.actor).to_lowercase();
        let what = words::action(&step.action);
        // One write, so that lines of several processes do not mix. An
        // explanation that cannot be written must not stop the start.
        let line = if self.json {
            let msg = format!("step {number}, {actor}: {what} -- {}", step.why);
            format!(
                "{}\n",
                serde_json::json!({"level": "debug", "msg": msg, "ms": ms})
            )
        } else {
            format!(
                "[{ms:8.3} ms] {number:>3}. {actor:<8} {what} -- {}\n",
                step.why
            )
        };
        let _ = self.out.write_all(line.as_bytes());
    }
}

/// Why a step could not be taken.
pub(super) enum StepError {
    Sys(SysError),
    Other(Error),
    NotRunnable(NotRunnable),
}

impl From<SysError> for StepError {
    fn from(e: SysError) -> Self {
        StepError::Sys(e)
    }
}

impl From<Error> for StepError {
    fn from(e: Error) -> Self {
        StepError::Other(e)
    }
}

pub(super) type Done = std::result::Result<(), StepError>;

/// What a process has in its hands while it walks.
pub(super) struct Walk<'a> {
    pub plan: &'a Plan,
    pub me: Actor,
    pub at: usize,
    /// Ours, to the launcher or from it.
    pub channel: Channel,
    /// What was heard before its time; see `waiting`.
    pub early: VecDeque<Heard>,
    /// The children's end, until they have it.
    pub children_end: Option<Channel>,
    /// The process made last.
    pub child: Option<Child>,
    pub cgroup: Option<Cgroup>,
    pub joiner: Option<Joiner>,
    pub slots: BTreeMap<Slot, OwnedFd>,
    pub console: Option<OwnedFd>,
    pub start_socket: Option<OwnedFd>,
    pub state: State,
    pub preserve_fds: u32,
    pub explain: Option<Explain>,
    /// The launcher's, until it has to wait.
    pub meanwhile: Option<Meanwhile<'a>>,
    /// How long the launcher waits for the next word.
    pub patience: Option<Duration>,
    pub warnings: Vec<String>,
    pub program: Option<Ready>,
    pub uid: u32,
    /// Others may look in; see `HideFromOthers`.
    pub hidden: bool,
}

impl Walk<'_> {
    /// Takes this process's steps from here on, up to the one that `last`
    /// recognises, which is left to the caller.
    pub(super) fn walk(&mut self, last: impl Fn(&Step) -> bool) -> Result<(), Failure> {
        let plan = self.plan;
        while let Some(step) = plan.steps.get(self.at) {
            if step.actor == self.me {
                if last(step) {
                    return Ok(());
                }
                self.take(step)?;
            } else if self.me == Actor::Launcher && makes_grandchild(step) {
                self.adopt().map_err(|e| self.failure(step, e))?;
            }
            self.at += 1;
        }
        Ok(())
    }

    fn take(&mut self, step: &Step) -> Result<(), Failure> {
        self.tell(step);
        let Err(e) = self.perform(&step.action) else {
            return Ok(());
        };
        let failure = self.failure(step, e);
        if step.on_failure == OnFailure::Warn {
            self.warn(failure.text);
            return Ok(());
        }
        Err(failure)
    }

    fn tell(&mut self, step: &Step) {
        if let Some(explain) = &mut self.explain {
            explain.tell(self.at + 1, step);
        }
    }

    fn warn(&mut self, text: String) {
        if self.me == Actor::Launcher {
            self.warnings.push(text);
        } else {
            // If nobody listens any more, nobody can be warned.
            let _ = self.channel.send(&Message::Warned(text));
        }
    }

    pub(super) fn failure(&self, step: &Step, e: StepError) -> Failure {
        let number = self.at as u32;
        let what = words::action(&step.action);
        match e {
            StepError::Sys(e) => {
                let hint = advice::advice(&step.action, e.errno).map(Cow::Borrowed);
                // Where the meaning is known, the call has nothing to add.
                let text = match hint.or_else(|| e.remedy()) {
                    Some(hint) => format!("{what}: {} ({hint})", e.errno.desc()),
                    None => format!("{what}: {e}"),
                };
                Failure {
                    step: number,
                    errno: e.errno as i32,
                    kind: FailureKind::Step,
                    text,
                }
            }
            StepError::Other(e) => Failure {
                step: number,
                errno: 0,
                kind: FailureKind::Step,
                text: e.to_string(),
            },
            StepError::NotRunnable(e) => Failure {
                step: number,
                errno: e.errno as i32,
                kind: e.kind,
                text: e.text,
            },
        }
    }

    pub(super) fn slot(&self, slot: Slot) -> SysResult<&OwnedFd> {
        self.slots.get(&slot).ok_or_else(|| missing(slot))
    }

    pub(super) fn cgroup(&self) -> Result<&Cgroup, Error> {
        let none = || Error::environment("no cgroup hierarchy is mounted on this host");
        self.cgroup.as_ref().ok_or_else(none)
    }

    pub(super) fn child_pid(&self) -> SysResult<i32> {
        let none = || SysError::new(Errno::ESRCH, "no process was made yet");
        self.child.as_ref().map(|c| c.pid).ok_or_else(none)
    }

    /// The network namespace of the process made last.
    pub(super) fn network_of_child(&mut self) -> SysResult<BorrowedFd<'_>> {
        let slot = Slot::Namespace(Namespace::Network);
        if let Entry::Vacant(free) = self.slots.entry(slot) {
            let child = self.child.as_ref().map(|c| c.pid);
            let child =
                child.ok_or_else(|| SysError::new(Errno::ESRCH, "no process was made yet"))?;
            free.insert(interface::namespace_of(child)?);
        }
        Ok(self.slot(slot)?.as_fd())
    }

    /// The container's root as this process can reach it now.
    pub(super) fn inner_root(&self) -> SysResult<OwnedFd> {
        match self.slots.get(&Slot::Root) {
            Some(root) => fd::duplicate(root),
            None => program::own_root(),
        }
    }

    pub(super) fn join_cgroup(&mut self) -> Done {
        // None where the host has no cgroups at all.
        let Some(joiner) = self.joiner.take() else {
            return Ok(());
        };
        joiner.join().map_err(|failure| joiner.explain(failure))?;
        Ok(())
    }

    /// Before the root is entered, a hook of the container stands in it, as
    /// runc's do; the program's environment has a home.
    pub(super) fn run_hook(&mut self, hook: &HookRun) -> Done {
        if self.me == Actor::Init
            && let Some(root) = self.slots.get(&Slot::Root)
        {
            fd::fchdir(root)?;
        }
        let mut hook = hook.clone();
        if let HookEnv::Program(env) = &mut hook.env {
            let root = program::own_root()?;
            *env = program::with_home(as_root(&root), env, self.uid);
        }
        Ok(hooks::run(&hook, &self.state)?)
    }

    pub(super) fn attach_root(&mut self, path: &Path) -> Done {
        let Some(tree) = self.slots.get(&Slot::Root) else {
            let dir = fd::open(path, libc::O_PATH | libc::O_DIRECTORY)?;
            self.slots.insert(Slot::Root, dir);
            return Ok(());
        };
        let at = match fd::open(path, libc::O_PATH | libc::O_DIRECTORY) {
            // The mapped root of a user namespace may have no way to that
            // place. Any other will do: it vanishes with the old root.
            Err(e) if e.errno == Errno::EACCES => fd::open(Path::new("/"), libc::O_PATH)?,
            at => at?,
        };
        mount::attach(tree, &at)?;
        Ok(())
    }

    pub(super) fn mount_new(
        &mut self,
        filesystem: &crate::plan::Filesystem,
        target: &crate::plan::Target,
        flags: crate::plan::MountFlags,
        propagation: &[crate::plan::Propagation],
    ) -> Done {
        let root = as_root(self.slot(Slot::Root)?);
        match mounting::new(root, filesystem, target)? {
            Some(made) => {
                if filesystem.copy_up {
                    mounting::copy_up(root, target, &made)?;
                }
                mounting::place(root, &made, target, flags, propagation)?;
            }
            // Mounted in place the old way: the flags follow.
            None => mounting::remount(root, target, flags, propagation)?,
        }
        Ok(())
    }

    pub(super) fn enter_root(&mut self, how: EnterRoot) -> Done {
        let root = self.slot(Slot::Root)?;
        match how {
            EnterRoot::Pivot => mounting::pivot(root, true)?,
            EnterRoot::Move => mounting::move_over(root)?,
            EnterRoot::Chroot => mounting::chroot(root)?,
        }
        timings::mark(Moment::Inside);
        // What is left of the host's must not be reachable as /proc/self/fd.
        self.slots
            .retain(|slot, _| matches!(slot, Slot::Root | Slot::HostProc));
        Ok(())
    }

    pub(super) fn make_terminal(&mut self, size: Option<(u16, u16)>, owner: u32) -> Done {
        let console = self.console.take();
        let console = console.ok_or_else(|| Error::user("a terminal needs a console socket"))?;
        let first = self.slots.contains_key(&Slot::Root);
        let root = self.inner_root()?;
        let master = terminal::make(as_root(&root), size, owner, first)?;
        terminal::hand_over(&console, &master)?;
        Ok(())
    }

    pub(super) fn set_user(
        &mut self,
        uid: u32,
        gid: u32,
        groups: Option<&[u32]>,
        umask: Option<u32>,
    ) -> Done {
        identity::keep_caps(true)?;
        if let Some(groups) = groups {
            identity::set_groups(groups)?;
        }
        identity::set_gid(gid)?;
        identity::set_uid(uid)?;
        identity::keep_caps(false)?;
        if let Some(umask) = umask {
            identity::set_umask(umask);
        }
        self.uid = uid;
        Ok(())
    }

    /// With a listener, its number is told before the filter could forbid to
    /// tell anything; the launcher fetches it from outside.
    pub(super) fn load_seccomp(&mut self, filter: &crate::seccomp::Filter) -> Done {
        if filter.notify {
            let number = fd::next_free(&self.channel.0)?;
            self.channel.send(&Message::Listener(number))?;
        }
        if let Some(listener) = seccomp::load(&filter.program, filter.flags)? {
            // Kept open for the launcher; the exec closes it.
            fd::leak(listener);
        }
        Ok(())
    }

    /// Finds the program and makes everything ready for its exec, so that no
    /// system call but that one is left to make.
    pub(super) fn find_program(&mut self, program: &str, search: &str) -> Done {
        // The program's path may lead through /proc/self/fd: nothing of the
        // host's may be open there, also of what the launcher had open when
        // it made this process.
        self.slots.clear();
        let mut keep = vec![self.channel.0.as_raw_fd()];
        keep.extend(self.start_socket.as_ref().map(AsRawFd::as_raw_fd));
        keep.extend(self.explain.as_ref().map(|e| e.out.as_raw_fd()));
        fd::close_all_but(3 + self.preserve_fds, &keep)?;
        // From here on the channel tells when the launcher is gone, and a
        // container that was recorded outlives it.
        process::die_with_parent(false)?;
        let path = program::find(program, search).map_err(StepError::NotRunnable)?;
        let exec = self.plan.steps.iter().find_map(|s| match &s.action {
            Action::Exec { args, env } => Some((args, env)),
            _ => None,
        });
        let (args, env) = exec.ok_or_else(|| Error::internal("a plan without a program"))?;
        let root = program::own_root()?;
        let env = program::environment(as_root(&root), env, self.uid)?;
        drop(root);
        fd::close_on_exec_from(3 + self.preserve_fds)?;
        process::reset_signals();
        let args = Strings::new(args)?;
        self.program = Some(Ready { path, args, env });
        Ok(())
    }

    pub(super) fn exec(&mut self, args: &[String]) -> StepError {
        let Some(ready) = self.program.take() else {
            return Error::internal("nobody looked for the program").into();
        };
        let e = process::exec(&ready.path, &ready.args, &ready.env);
        StepError::NotRunnable(program::explain_exec(&args[0], &ready.path, &e))
    }

    /// Makes the next process. The child does not return from here: it walks
    /// its own part of the plan and ends.
    pub(super) fn start_process(
        &mut self,
        child: Actor,
        namespaces: &[Namespace],
        into_cgroup: bool,
    ) -> Done {
        let mut flags = namespaces.iter().fold(0, |all, k| all | k.flag());
        if self.me == Actor::Joiner {
            flags |= libc::CLONE_PARENT as u64;
        } else if into_cgroup {
            self.open_cgroup()?;
        }
        let born_in = match &self.cgroup {
            Some(cgroup) if into_cgroup && self.me == Actor::Launcher => cgroup.v2_fd(),
            _ => None,
        };
        if self.me == Actor::Launcher {
            timings::mark(Moment::Cgroups);
        }
        match process::fork(flags, born_in)? {
            Forked::Child => self.be(child),
            Forked::Parent { pid, pidfd } if self.me == Actor::Joiner => {
                self.channel.send_with(&Message::Child(pid), &pidfd)?;
                process::exit_now(0);
            }
            Forked::Parent { pid, pidfd } => {
                self.child = Some(Child { pid, pidfd });
                self.state.pid = pid;
                self.children_end = None;
            }
        }
        Ok(())
    }

    /// Opens what the child needs to move itself into its cgroups, as long as
    /// there is time to allocate and the host's files are in reach.
    fn open_cgroup(&mut self) -> Done {
        if self.cgroup.is_none() && !self.plan.cgroups.dirs.is_empty() {
            self.cgroup = Some(Cgroup::open(&self.plan.cgroups)?);
        }
        if let Some(cgroup) = &self.cgroup {
            self.joiner = Some(cgroup.joiner(cgroup.v2_fd().is_some())?);
        }
        Ok(())
    }

    /// We are the new process now. Its part of the plan comes next.
    fn be(&mut self, actor: Actor) -> ! {
        self.me = actor;
        self.patience = None;
        self.meanwhile = None;
        self.child = None;
        // The directories are the launcher's business, and must not be open
        // in a process that a container can see.
        self.cgroup = None;
        if let Some(end) = self.children_end.take() {
            self.channel = end;
        }
        self.state.pid = own_pid_on_host().unwrap_or(0);
        let name = match actor {
            Actor::Joiner => c"rcon:joiner",
            _ => c"rcon:init",
        };
        if actor == Actor::Init {
            timings::mark(Moment::Born);
        }
        // Only what `ps` shows.
        let _ = identity::set_name(name);
        // The launcher's descriptors are ours as well, the lock on the record
        // among them. With the launcher gone, a long list of mounts or a hook
        // that hangs must not keep `delete` waiting. If this fails, it does,
        // until our next look at the channel.
        let _ = process::die_with_parent(true);
        // Whose umask the caller has is no business of the container's: one of
        // 077 would make its mount points root's alone.
        identity::set_umask(USUAL_UMASK);
        self.at += 1;
        if let Err(failure) = self.walk(|_| false) {
            // If the launcher is gone there is nobody to be told. If we may
            // not speak, it notices that we are gone before our time.
            let told = self.channel.last_word(&Message::Failed(failure));
            process::exit_now(if told.is_ok() { 1 } else { 255 });
        }
        process::exit_now(0)
    }
}

fn makes_grandchild(step: &Step) -> bool {
    matches!(step.action, Action::StartProcess { .. })
}

pub(super) fn missing(slot: Slot) -> SysError {
    SysError::new(Errno::EBADF, format!("nothing is open as {slot:?}"))
}

/// The id by which the host knows this process, as its procfs tells it.
fn own_pid_on_host() -> Option<i32> {
    let link = std::fs::read_link("/proc/self").ok()?;
    link.to_str()?.parse().ok()
}

/// Root of the user namespace, in no group of the host's.
pub(super) fn become_root() -> Done {
    match identity::set_groups(&[]) {
        // Not allowed where the own group was mapped without privilege.
        Err(e) if e.errno == Errno::EPERM => {}
        done => done?,
    }
    for set in [identity::set_gid, identity::set_uid] {
        match set(0) {
            // A namespace without a root: the ids stay what they are.
            Err(e) if e.errno == Errno::EINVAL => {}
            done => done?,
        }
    }
    Ok(())
}

pub(super) fn run_map_helper(helper: &Path, pid: i32, ranges: &[crate::plan::IdRange]) -> Done {
    let mut command = std::process::Command::new(helper);
    command.arg(pid.to_string());
    for range in ranges {
        for number in [range.inside, range.outside, range.count] {
            command.arg(number.to_string());
        }
    }
    let output = command.output().map_err(Error::from)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(
        Error::user(format!("{}: {}", helper.display(), said.trim()))
            .hint("the ids must be given to this user in /etc/subuid and /etc/subgid")
            .into(),
    )
}
