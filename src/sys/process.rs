//! Processes: making them, waiting for them, what they may use, and exec.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;

use super::namespace::{CLONE_FLAGS, CLONE_INTO_CGROUP};
use super::{SysError, SysResult, fd, flag_names, syscall};

/// Which side of a [`fork`] we are on.
#[derive(Debug)]
pub enum Forked {
    /// The new process.
    Child,
    /// The one that called; with the child's pid and a handle on it.
    Parent {
        /// As seen from the caller's pid namespace.
        pid: i32,
        /// Stays with this very process even when the pid is reused.
        pidfd: OwnedFd,
    },
}

#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// `clone3` used as a fork with namespaces: the child continues here, in a
/// copy of this process's memory.
///
/// `flags` may name new namespaces and `CLONE_PARENT`; with `cgroup`, the child
/// starts inside that (version 2) cgroup. There must be one thread only: the
/// child gets a copy of every lock as it stands.
pub fn fork(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> SysResult<Forked> {
    let mut pidfd: RawFd = -1;
    let mut flags = flags | libc::CLONE_PIDFD as u64;
    if cgroup.is_some() {
        flags |= CLONE_INTO_CGROUP;
    }
    // A sibling reports its end as its maker does; the kernel refuses another.
    let exit_signal = if flags & libc::CLONE_PARENT as u64 == 0 {
        libc::SIGCHLD
    } else {
        0
    };
    let args = CloneArgs {
        flags,
        pidfd: &raw mut pidfd as u64,
        exit_signal: exit_signal as u64,
        cgroup: cgroup.map_or(0, |c| c.as_raw_fd() as u64),
        ..CloneArgs::default()
    };
    let pid = syscall!(
        || format!("clone3({{flags={}}})", flag_names(flags, CLONE_FLAGS)),
        libc::SYS_clone3,
        &raw const args,
        size_of::<CloneArgs>()
    )?;
    if pid == 0 {
        return Ok(Forked::Child);
    }
    Ok(Forked::Parent {
        pid: pid as i32,
        pidfd: fd::own(i64::from(pidfd)),
    })
}

/// The same by `clone`, without namespaces: for a process under a filter that
/// knows no `clone3`, because that keeps its flags where no filter can look.
pub fn fork_plainly() -> SysResult<Forked> {
    let mut pidfd: RawFd = -1;
    let flags = libc::CLONE_PIDFD | libc::SIGCHLD;
    // The last two arguments change places between machines; both are null.
    let pid = syscall!(
        || "clone(CLONE_PIDFD|SIGCHLD)".to_owned(),
        libc::SYS_clone,
        flags as u64,
        0u64,
        &raw mut pidfd,
        0u64,
        0u64
    )?;
    if pid == 0 {
        return Ok(Forked::Child);
    }
    Ok(Forked::Parent {
        pid: pid as i32,
        pidfd: fd::own(i64::from(pidfd)),
    })
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It called exit with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

impl Exit {
    /// The code a shell would show: 128 + n for a signal.
    pub fn shell_code(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }
}

/// Waits for the child behind `pidfd` to end and takes its status away.
pub fn wait(pidfd: impl AsFd) -> SysResult<Exit> {
    wait_with(pidfd, 0).map(|exit| exit.expect("waitid without WNOHANG tells of an end"))
}

/// As [`wait`], but does not wait: `None` while the child runs.
pub fn try_wait(pidfd: impl AsFd) -> SysResult<Option<Exit>> {
    wait_with(pidfd, libc::WNOHANG)
}

/// As [`wait`], but for no longer than `patience`.
pub fn wait_within(pidfd: impl AsFd, patience: Option<Duration>) -> SysResult<Option<Exit>> {
    if fd::ready_within(&pidfd, patience)? {
        return wait(pidfd).map(Some);
    }
    Ok(None)
}

/// The children of this thread, as far as the kernel tells.
pub fn children() -> Vec<i32> {
    let path = "/proc/thread-self/children";
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// Whether the child has ended, leaving its status for a later [`wait`].
pub fn try_wait_still(pidfd: impl AsFd) -> bool {
    wait_with(pidfd, libc::WNOHANG | libc::WNOWAIT).is_ok_and(|exit| exit.is_some())
}

fn wait_with(pidfd: impl AsFd, flags: i32) -> SysResult<Option<Exit>> {
    let raw = pidfd.as_fd().as_raw_fd();
    loop {
        // SAFETY: `siginfo_t` is plain data for which all zeroes is valid.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `info` outlives the call and has the type waitid writes.
        let ret = unsafe {
            libc::waitid(
                libc::P_PIDFD,
                raw as libc::id_t,
                &raw mut info,
                libc::WEXITED | flags,
            )
        };
        match SysError::check(i64::from(ret), || {
            format!("waitid(P_PIDFD, {raw}, WEXITED)")
        }) {
            Err(e) if e.errno == Errno::EINTR => {}
            Err(e) => return Err(e),
            Ok(_) => return Ok(exit_of(&info)),
        }
    }
}

fn exit_of(info: &libc::siginfo_t) -> Option<Exit> {
    // SAFETY: waitid has filled in the SIGCHLD fields, or left them zero when
    // there was nothing to report.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return None;
    }
    Some(match info.si_code {
        libc::CLD_EXITED => Exit::Code(status),
        _ => Exit::Signal(status),
    })
}

/// Reaps any child that has ended, if one has, without waiting.
pub fn reap_any() -> Option<(i32, Exit)> {
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    if pid <= 0 {
        return None;
    }
    let exit = if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    };
    Some((pid, exit))
}

/// A program's strings in the form execve wants, made while there is still
/// time to allocate.
#[derive(Debug)]
pub struct Strings {
    owned: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl Strings {
    /// Fails when a string holds a NUL.
    pub fn new<S: AsRef<str>>(strings: &[S]) -> SysResult<Self> {
        let owned = strings
            .iter()
            .map(|s| super::c_string(s.as_ref().as_bytes()))
            .collect::<SysResult<Vec<_>>>()?;
        Ok(Self::from_c(owned))
    }

    /// Of strings that are in the kernel's form already.
    pub fn from_c(owned: Vec<CString>) -> Self {
        let mut pointers: Vec<_> = owned.iter().map(|s| s.as_ptr()).collect();
        pointers.push(std::ptr::null());
        Self { owned, pointers }
    }

    /// The first of them, for an error message.
    fn first(&self) -> String {
        let first = self.owned.first();
        first.map_or(String::new(), |s| s.to_string_lossy().into_owned())
    }
}

/// Becomes the program at `path`. Returns only to say why it could not.
pub fn exec(path: &CString, args: &Strings, env: &Strings) -> SysError {
    // SAFETY: all three are NUL-terminated and live until the call either
    // never returns or has failed.
    unsafe { libc::execve(path.as_ptr(), args.pointers.as_ptr(), env.pointers.as_ptr()) };
    SysError::last(|| format!("execve({path:?}, [{:?}, …])", args.first()))
}

/// Becomes the program behind a descriptor. Returns only to say why not.
pub fn exec_fd(file: impl AsFd, args: &Strings, env: &Strings) -> SysError {
    let raw = file.as_fd().as_raw_fd();
    // SAFETY: as in `exec`; the empty path with AT_EMPTY_PATH means the file
    // itself.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            raw,
            c"".as_ptr(),
            args.pointers.as_ptr(),
            env.pointers.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    SysError::last(|| format!("execveat({}, \"\", AT_EMPTY_PATH)", fd::show(raw)))
}

/// Ends this process at once, running no destructor and flushing nothing.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit never returns and touches no memory of ours.
    unsafe { libc::_exit(code) }
}

/// Becomes the leader of a new session without a terminal.
pub fn new_session() -> SysResult<()> {
    // SAFETY: setsid takes nothing.
    let ret = unsafe { libc::setsid() };
    SysError::check(i64::from(ret), || "setsid()".into()).map(drop)
}

/// A limit on what process `pid` (0: this one) may use.
pub fn set_rlimit(pid: i32, resource: u32, name: &str, soft: u64, hard: u64) -> SysResult<()> {
    let limit = libc::rlimit64 {
        rlim_cur: soft,
        rlim_max: hard,
    };
    syscall!(
        || format!("prlimit64({pid}, {name}, {{soft={soft}, hard={hard}}})"),
        libc::SYS_prlimit64,
        pid,
        resource,
        &raw const limit,
        std::ptr::null_mut::<libc::rlimit64>()
    )
    .map(drop)
}

/// The execution domain: what `uname` tells, and quirks of old systems.
pub fn set_personality(persona: u64) -> SysResult<()> {
    syscall!(
        || format!("personality({persona:#x})"),
        libc::SYS_personality,
        persona
    )
    .map(drop)
}

/// What `sched_setattr` takes.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct SchedAttr {
    /// Size of this structure, filled in by [`set_scheduler`].
    #[serde(skip)]
    pub size: u32,
    /// `SCHED_*`.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// For `SCHED_OTHER` and `SCHED_BATCH`.
    pub nice: i32,
    /// For `SCHED_FIFO` and `SCHED_RR`.
    pub priority: u32,
    /// For `SCHED_DEADLINE`, in nanoseconds.
    pub runtime: u64,
    /// For `SCHED_DEADLINE`, in nanoseconds.
    pub deadline: u64,
    /// For `SCHED_DEADLINE`, in nanoseconds.
    pub period: u64,
}

/// How this process is scheduled.
pub fn set_scheduler(mut attr: SchedAttr) -> SysResult<()> {
    attr.size = size_of::<SchedAttr>() as u32;
    syscall!(
        || format!("sched_setattr(0, {attr:?})"),
        libc::SYS_sched_setattr,
        0,
        &raw const attr,
        0
    )
    .map(drop)
}

/// The I/O priority of this process: class and level.
pub fn set_io_priority(class: u32, level: u32) -> SysResult<()> {
    const IOPRIO_WHO_PROCESS: i32 = 1;
    syscall!(
        || format!("ioprio_set(IOPRIO_WHO_PROCESS, 0, class {class}, level {level})"),
        libc::SYS_ioprio_set,
        IOPRIO_WHO_PROCESS,
        0,
        class << 13 | level
    )
    .map(drop)
}

/// The processors process `pid` (0: this one) may run on.
pub fn set_affinity(pid: i32, cpus: &[u32]) -> SysResult<()> {
    // More than any kernel has been built for.
    const ALL: usize = 8192 / 64;
    let words = cpus.iter().max().map_or(ALL, |max| *max as usize / 64 + 1);
    let mut mask = vec![if cpus.is_empty() { u64::MAX } else { 0 }; words];
    for cpu in cpus {
        mask[*cpu as usize / 64] |= 1 << (cpu % 64);
    }
    syscall!(
        || {
            let which = if cpus.is_empty() {
                "all".into()
            } else {
                format!("{cpus:?}")
            };
            format!("sched_setaffinity({pid}, {which})")
        },
        libc::SYS_sched_setaffinity,
        pid,
        words * 8,
        mask.as_ptr()
    )
    .map(drop)
}

/// The NUMA policy of this process: mode with flags, and nodes.
pub fn set_memory_policy(mode: u32, nodes: &[u32]) -> SysResult<()> {
    let mut mask = [0u64; 16];
    for node in nodes {
        if let Some(word) = mask.get_mut(*node as usize / 64) {
            *word |= 1 << (node % 64);
        }
    }
    let (ptr, bits) = if nodes.is_empty() {
        (std::ptr::null(), 0)
    } else {
        (mask.as_ptr(), mask.len() * 64)
    };
    syscall!(
        || format!("set_mempolicy({mode:#x}, {nodes:?})"),
        libc::SYS_set_mempolicy,
        mode,
        ptr,
        bits
    )
    .map(drop)
}

/// Signals a process of our own by number. Use only where the pid cannot have
/// been reused: our own unreaped child, or pid 0 and -1.
pub fn kill(pid: i32, signal: i32) -> SysResult<()> {
    // SAFETY: kill reads only its integer arguments.
    let ret = unsafe { libc::kill(pid, signal) };
    SysError::check(i64::from(ret), || format!("kill({pid}, {signal})")).map(drop)
}

/// Becomes the one that orphaned descendants are handed to.
pub fn become_subreaper() -> SysResult<()> {
    // SAFETY: prctl with this option reads only integers.
    let ret = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    SysError::check(i64::from(ret), || "prctl(PR_SET_CHILD_SUBREAPER, 1)".into()).map(drop)
}

/// Whether this process is killed when the one that made it ends.
pub fn die_with_parent(wanted: bool) -> SysResult<()> {
    let signal = if wanted { libc::SIGKILL } else { 0 };
    // SAFETY: prctl with this option reads only integers.
    let ret = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal, 0, 0, 0) };
    SysError::check(i64::from(ret), || {
        format!("prctl(PR_SET_PDEATHSIG, {signal})")
    })
    .map(drop)
}

/// Has a signal do nothing to this process; what it executes may be told by
/// [`reset_signals`] to take it as usual.
pub fn ignore(signal: i32) {
    // SAFETY: an ignored signal runs no code of ours.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Has these signals wait until somebody asks for them.
pub fn hold(signals: &[i32]) {
    // SAFETY: `sigset_t` is plain data; sigemptyset makes it valid, and the
    // other calls only read it.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
}

/// Has every signal that can be held wait, also over an exec, until the program
/// asks for it.
pub fn hold_all() -> SysResult<()> {
    // SAFETY: `sigset_t` is plain data; sigfillset makes it valid, and
    // sigprocmask only reads it.
    let ret = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut())
    };
    SysError::check(i64::from(ret), || "sigprocmask(SIG_SETMASK, all)".into()).map(drop)
}

/// Blocks every signal that can be blocked and gives a descriptor to read
/// them from.
pub fn signals_as_fd() -> SysResult<OwnedFd> {
    signals_as_fd_but(&[])
}

/// The same, but `others` keep doing what they do.
pub fn signals_as_fd_but(others: &[i32]) -> SysResult<OwnedFd> {
    // SAFETY: `sigset_t` is plain data; sigfillset makes it valid, and the
    // other calls only read it.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut set);
        for other in others {
            libc::sigdelset(&raw mut set, *other);
        }
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
        let ret = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        SysError::check(i64::from(ret), || "signalfd(all)".into()).map(fd::own)
    }
}

/// The next signal waiting in a descriptor of [`signals_as_fd`].
pub fn next_signal(signals: impl AsFd) -> Option<i32> {
    // SAFETY: `info` is plain data as large as what is read into it.
    unsafe {
        let mut info: libc::signalfd_siginfo = std::mem::zeroed();
        let size = size_of::<libc::signalfd_siginfo>();
        let n = libc::read(signals.as_fd().as_raw_fd(), (&raw mut info).cast(), size);
        (n == size as isize).then_some(info.ssi_signo as i32)
    }
}

/// Puts every signal back to its default and lets all of them through, as a
/// new program expects.
pub fn reset_signals() {
    // SAFETY: an all-zero sigaction means SIG_DFL; resetting signals that
    // cannot be caught fails harmlessly.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        for signal in 1..=64 {
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}
