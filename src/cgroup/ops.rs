//! What is done to real cgroups.
//!
//! [`Cgroup`] holds a container's directories open, one in each hierarchy,
//! and every operation is a method of it in a file of its own: making them,
//! writing limits, moving processes in, freezing, killing, reading counters,
//! waiting for the OOM killer. [`destroy`] works on saved paths alone, since
//! by then there may be nothing left to open.
//!
//! Nothing here sleeps where nothing has to be waited for: a container's start
//! is counted in hundreds of microseconds.

mod apply;
mod attach;
mod collect;
mod create;
mod destroy;
mod devices;
mod dir;
mod freeze;
mod kill;
mod oom;
mod wait;

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;

pub use attach::{JoinFailure, Joiner};
pub use create::Permission;
pub use destroy::{destroy, destroy_empty};
pub use dir::Dir;
pub use oom::{Oom, OomEvents};

use super::layout::{Layout, Version};
use super::paths::CgroupPaths;
use crate::error::{Context, Error, Result};
use crate::sys::SysError;

/// A container's cgroups, open.
#[derive(Debug)]
pub struct Cgroup {
    paths: CgroupPaths,
    /// In the order of `paths.dirs`; `None` where the directory is gone.
    dirs: Vec<Option<Dir>>,
}

/// This machine's layout.
pub fn observe() -> Result<Layout> {
    let read = |path: &str| {
        crate::sys::read_kernel_file(path.as_ref()).context(|| format!("reading {path}"))
    };
    complete(Layout::parse(
        &read("/proc/self/mountinfo")?,
        &read("/proc/self/cgroup")?,
    ))
}

/// Adds to a parsed layout the one thing its two texts do not tell: what the
/// root of the v2 tree offers.
pub fn complete(layout: Layout) -> Result<Layout> {
    let Some(v2) = layout.v2() else {
        return Ok(layout);
    };
    let offered = Dir::mount(Version::V2, &v2.mount)?.read("cgroup.controllers")?;
    Ok(layout.with_v2_controllers(&offered))
}

impl Cgroup {
    /// Opens the directories of a container that exists. Some may be gone
    /// (after a reboot all of them are); operations that need one say so.
    pub fn open(paths: &CgroupPaths) -> Result<Self> {
        let open = |spec| match Dir::open(spec) {
            Ok(dir) => Ok(Some(dir)),
            Err(e) if e.errno == Errno::ENOENT => Ok(None),
            Err(e) => Err(Error::from(e)),
        };
        Ok(Self {
            paths: paths.clone(),
            dirs: paths.dirs.iter().map(open).collect::<Result<_>>()?,
        })
    }

    /// The same for the one directory that has `controller`.
    pub fn open_one(paths: &CgroupPaths, controller: &str) -> Result<Self> {
        let mut one = paths.clone();
        one.dirs.retain(|d| d.has(controller));
        Self::open(&one)
    }

    /// Where the directories are, and which of them we made.
    pub fn paths(&self) -> &CgroupPaths {
        &self.paths
    }

    /// The directory in the v2 tree, for `CLONE_INTO_CGROUP`.
    pub fn v2_fd(&self) -> Option<BorrowedFd<'_>> {
        self.v2().map(AsFd::as_fd)
    }

    fn v2(&self) -> Option<&Dir> {
        self.open_dirs().find(|d| d.version() == Version::V2)
    }

    /// The directory whose tree has `controller`, if it is open.
    fn find(&self, controller: &str) -> Option<&Dir> {
        let at = self.paths.dirs.iter().position(|d| d.has(controller))?;
        self.dirs[at].as_ref()
    }

    fn open_dirs(&self) -> impl Iterator<Item = &Dir> {
        self.dirs.iter().flatten()
    }

    /// The freezer of v1 where there is one, or v2's, which is part of its core.
    fn freezer(&self) -> Option<&Dir> {
        self.find("freezer").or_else(|| self.v2())
    }
}

/// The errors that mean "you may not", as opposed to "it does not work".
fn is_denied(e: &SysError) -> bool {
    matches!(e.errno, Errno::EACCES | Errno::EPERM | Errno::EROFS)
}
