//! Moving processes in.
//!
//! How that is done decides how long a container's start takes. Writing a pid
//! to `cgroup.procs` makes the kernel wait until no CPU can still be in the
//! middle of a fork or exit: 6 to 15 ms for the first such write after a quiet
//! moment, next to nothing for those that follow at once. Two ways avoid it:
//! a process that is born in its cgroup (`clone3` with `CLONE_INTO_CGROUP`,
//! see [`Cgroup::v2_fd`]), and a thread that moves itself by writing `0` to a
//! v1 `tasks` file (about 20 µs). [`Joiner`] is for the second. Moving another
//! process by [`Cgroup::attach`] is for exec into a running container and for
//! callers with the time.

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::Cgroup;
use super::dir::Dir;
use super::wait::Backoff;
use crate::cgroup::layout::{Layout, Version};
use crate::error::{Context, Error, Result};
use crate::sys::{SysError, SysResult};

/// How long a task may be too young to be moved.
const PATIENCE: Duration = Duration::from_millis(150);

/// Opened files through which a process moves itself. Made before a fork and
/// used after it: [`Joiner::join`] allocates nothing.
#[derive(Debug)]
pub struct Joiner {
    files: Vec<File>,
    names: Vec<String>,
}

/// Which of the moves failed; [`Joiner::explain`] has the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinFailure {
    index: usize,
    errno: Errno,
}

impl JoinFailure {
    /// As numbers, to cross to another process.
    pub fn to_raw(self) -> (usize, i32) {
        (self.index, self.errno as i32)
    }

    /// The reverse of [`Self::to_raw`].
    pub fn from_raw(index: usize, errno: i32) -> Self {
        Self {
            index,
            errno: Errno::from_raw(errno),
        }
    }
}

impl Joiner {
    /// Moves the calling thread into every v1 hierarchy, and into the v2 one
    /// unless it was left out. The process must have no other thread: v1 would
    /// leave that one behind.
    pub fn join(&self) -> std::result::Result<(), JoinFailure> {
        for (index, mut file) in self.files.iter().enumerate() {
            file.write_all(b"0").map_err(|e| JoinFailure {
                index,
                errno: Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)),
            })?;
        }
        Ok(())
    }

    /// What a failure means.
    pub fn explain(&self, failure: JoinFailure) -> Error {
        let name = self.names.get(failure.index).map_or("?", String::as_str);
        explain(SysError::new(
            failure.errno,
            format!("write({name:?}, \"0\")"),
        ))
    }
}

impl Cgroup {
    /// Opens what a process needs to move itself. With `born_in_v2` the v2
    /// tree is left out, as a process made by `CLONE_INTO_CGROUP` is there.
    pub fn joiner(&self, born_in_v2: bool) -> Result<Joiner> {
        let mut joiner = Joiner {
            files: Vec::new(),
            names: Vec::new(),
        };
        for dir in self.open_dirs() {
            let file = match dir.version() {
                Version::V1 => "tasks",
                Version::V2 if born_in_v2 => continue,
                Version::V2 => "cgroup.procs",
            };
            joiner.files.push(dir.open_file(file, OFlag::O_WRONLY)?);
            joiner
                .names
                .push(dir.path().join(file).display().to_string());
        }
        Ok(joiner)
    }

    /// Moves `pid` into every hierarchy. `beside` is the container's first
    /// process: where v2 keeps processes out of our directory because it has
    /// cgroups with controllers below, `pid` goes where that process is.
    pub fn attach(&self, pid: i32, beside: Option<i32>) -> Result<()> {
        for dir in self.open_dirs() {
            match (write_pid(dir, pid), beside) {
                (Err(e), Some(init)) if e.errno == Errno::EBUSY && dir.version() == Version::V2 => {
                    write_pid(&self.v2_of(init)?, pid).map_err(explain)?;
                }
                (result, _) => result.map_err(explain)?,
            }
        }
        Ok(())
    }

    /// The v2 cgroup that the process `init` is in, which must be ours or
    /// below ours.
    fn v2_of(&self, init: i32) -> Result<Dir> {
        let file = |pid: &str, name| {
            let path = format!("/proc/{pid}/{name}");
            std::fs::read_to_string(&path).context(|| format!("reading {path}"))
        };
        let layout = Layout::parse(
            &file("self", "mountinfo")?,
            &file(&init.to_string(), "cgroup")?,
        );
        let lost = || {
            Error::environment(format!(
                "process {init} is not in the container's v2 cgroup"
            ))
        };
        let spec = self.paths.v2().ok_or_else(lost)?;
        let path = layout.v2().ok_or_else(lost)?.own_below_mount()?;
        if path != spec.path && !path.starts_with(&format!("{}/", spec.path)) {
            return Err(lost());
        }
        let mut spec = spec.clone();
        spec.path = path;
        Ok(Dir::open(&spec)?)
    }

    /// The cgroup `path` below this one in every hierarchy, as `exec --cgroup`
    /// names it. It must be there.
    pub fn below(&self, path: &str) -> Result<Self> {
        if path.split('/').any(|c| c == "..") {
            return Err(Error::user(format!(
                "sub-cgroup {path:?} climbs out of the container's"
            )));
        }
        let mut paths = self.paths.clone();
        for spec in &mut paths.dirs {
            spec.path = format!("{}/{}", spec.path, path.trim_matches('/'));
            spec.made = false;
        }
        let open = |spec| Dir::open(spec).map(Some);
        let dirs = paths.dirs.iter().map(open).collect::<SysResult<_>>()?;
        Ok(Self { paths, dirs })
    }
}

/// EINVAL means that the task is so new that the scheduler does not know it.
fn write_pid(dir: &Dir, pid: i32) -> SysResult<()> {
    let mut backoff = Backoff::new(PATIENCE);
    loop {
        match dir.write("cgroup.procs", &pid.to_string()) {
            Err(e) if e.errno == Errno::EINVAL && backoff.pause() => {}
            result => return result,
        }
    }
}

fn explain(e: SysError) -> Error {
    let hint = match e.errno {
        Errno::ENOSPC => {
            "a cpuset without CPUs or memory nodes takes no process: set linux.resources.cpu.cpus and mems"
        }
        Errno::EBUSY => "a v2 cgroup that hands controllers down takes no process",
        Errno::EOPNOTSUPP => "the v2 cgroup is, or is below one, in threaded mode",
        Errno::ESRCH => "the process has ended",
        Errno::EAGAIN => "the pids limit of a cgroup above is reached",
        _ => return e.into(),
    };
    Error::from(e).hint(hint)
}
