//! Making a container's directories.

use nix::errno::Errno;

use super::dir::Dir;
use super::{Cgroup, destroy, is_denied};
use crate::cgroup::layout::{Mode, Version};
use crate::cgroup::paths::{CgroupDir, CgroupPaths};
use crate::error::{Context, Error, Result};
use crate::sys::{SysError, SysResult};

/// Whether a hierarchy we may not write to is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// It is.
    Required,
    /// Rootless and without a `cgroupsPath`: do without that hierarchy. A
    /// limit that needs it is then refused where it is applied.
    Optional,
}

impl Cgroup {
    /// Makes the directories, parents included, and opens them. `paths` comes
    /// back inside with what was made marked as ours. If it fails, what was
    /// made is removed again (but for parents, which others may share).
    pub fn create(paths: CgroupPaths, permission: Permission) -> Result<Self> {
        let mut cgroup = Self {
            paths: CgroupPaths {
                mode: paths.mode,
                dirs: Vec::new(),
            },
            dirs: Vec::new(),
        };
        for spec in paths.dirs {
            if let Err(e) = cgroup.add(spec, permission) {
                // The first error is the one to report.
                let _ = destroy(&cgroup.paths);
                return Err(e);
            }
        }
        Ok(cgroup)
    }

    fn add(&mut self, mut spec: CgroupDir, permission: Permission) -> Result<()> {
        let leaf = match make(&mut spec, self.paths.mode) {
            Err(e) if permission == Permission::Optional && is_denied(&e) => return Ok(()),
            made => made.context(|| format!("making cgroup {}", spec.full().display())),
        };
        let found = !spec.made;
        self.paths.dirs.push(spec);
        let leaf = leaf?;
        if found {
            refuse_used(&leaf)?;
        }
        self.dirs.push(Some(leaf));
        Ok(())
    }
}

/// Makes what is missing from the mount down and opens the last of it.
fn make(spec: &mut CgroupDir, mode: Mode) -> SysResult<Dir> {
    spec.made = false;
    let names: Vec<String> = spec.components().map(str::to_owned).collect();
    let mut at = Dir::mount(spec.version, &spec.mount)?;
    for (i, name) in names.iter().enumerate() {
        if mode == Mode::Unified && spec.version == Version::V2 {
            offer_all(&at);
        }
        let last = i + 1 == names.len();
        let is_new = at.make(name)?;
        spec.made |= is_new && last;
        let child = at.child(name)?;
        if spec.has("cpuset") && spec.version == Version::V1 {
            inherit_cpuset(&at, &child, last)?;
        }
        at = child;
    }
    Ok(at)
}

/// Hands every controller down to the cgroups below `dir`, as far as that
/// works. It matters for the counters; a limit that finds its controller
/// missing tries again and has the reason to show.
fn offer_all(dir: &Dir) {
    let words = |file| dir.read(file).unwrap_or_default();
    let (offered, given) = (words("cgroup.controllers"), words("cgroup.subtree_control"));
    for controller in offered.split_whitespace() {
        if !given.split_whitespace().any(|g| g == controller) {
            let _ = dir.write("cgroup.subtree_control", &format!("+{controller}"));
        }
    }
}

/// A new v1 cpuset has no CPU and no memory, and nothing can run in it, unless
/// its parent has `clone_children` set. So it gets what its parent has. The
/// container's own may stay empty if that fails: with exclusive sets beside it
/// only the values in the spec can be right.
fn inherit_cpuset(parent: &Dir, child: &Dir, last: bool) -> SysResult<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if !child.read(file)?.trim().is_empty() {
            continue;
        }
        match child.write(file, parent.read(file)?.trim()) {
            Err(e) if !(last && e.errno == Errno::EINVAL) => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

/// Limits and signals meant for this container would hit whatever is in a
/// cgroup that was there before.
fn refuse_used(leaf: &Dir) -> Result<()> {
    let path = leaf.path().display();
    let pids = super::kill::pids_below(leaf)?;
    if !pids.is_empty() {
        return Err(Error::environment(format!(
            "cgroup {path} has {} process(es) in it already",
            pids.len()
        ))
        .hint("give each container a linux.cgroupsPath of its own"));
    }
    if super::freeze::is_frozen(leaf)? {
        return Err(Error::environment(format!(
            "cgroup {path} is there already, and frozen"
        )));
    }
    Ok(())
}

/// Hands one controller down from the root to `spec`, for a limit that needs
/// it, and says what stands in the way.
pub(super) fn offer(spec: &CgroupDir, controller: &str) -> Result<()> {
    let mut at = Dir::mount(spec.version, &spec.mount)?;
    for name in spec.components() {
        let given = at.read("cgroup.subtree_control")?;
        if !given.split_whitespace().any(|g| g == controller) {
            at.write("cgroup.subtree_control", &format!("+{controller}"))
                .map_err(|e| explain_offer(&at, controller, e))?;
        }
        at = at.child(name)?;
    }
    Ok(())
}

fn explain_offer(at: &Dir, controller: &str, e: SysError) -> Error {
    let (path, errno) = (at.path().display().to_string(), e.errno);
    let e = Error::from(e);
    match errno {
        Errno::EBUSY => e.hint(format!(
            "{path} has processes of its own, and such a cgroup cannot hand controllers down: \
             move them to a cgroup below it, or choose another linux.cgroupsPath"
        )),
        Errno::ENOENT => e.hint(format!(
            "the {controller} controller is not handed down to {path}"
        )),
        Errno::EOPNOTSUPP => e.hint(format!("{path} is in threaded mode")),
        _ => e,
    }
}
