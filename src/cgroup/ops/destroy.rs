//! Removing a container's directories.

use std::time::Duration;

use nix::errno::Errno;

use super::dir::{Dir, is_gone, walk};
use super::kill::pids_below;
use super::wait::Backoff;
use crate::cgroup::paths::{CgroupDir, CgroupPaths};
use crate::error::Error;
use crate::sys::SysResult;

/// How long the last processes may take to be gone, for each hierarchy.
const PATIENCE: Duration = Duration::from_secs(1);

/// Removes the directories we made, and the cgroups that the container made in
/// them. One that cannot be removed does not keep the others; all errors come
/// back. What is gone already is no error.
///
/// Parents stay: they are the caller's, or another container needs them.
pub fn destroy(paths: &CgroupPaths) -> Result<(), Vec<Error>> {
    destroy_within(paths, PATIENCE)
}

/// The same without waiting for anybody: it works where nothing is left.
pub fn destroy_empty(paths: &CgroupPaths) -> Result<(), Vec<Error>> {
    destroy_within(paths, Duration::ZERO)
}

fn destroy_within(paths: &CgroupPaths, patience: Duration) -> Result<(), Vec<Error>> {
    let ours = paths.dirs.iter().filter(|d| d.made);
    let errors: Vec<Error> = ours.filter_map(|d| remove(d, patience).err()).collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

fn remove(spec: &CgroupDir, patience: Duration) -> Result<(), Error> {
    let Some((leaf, above)) = split(spec) else {
        return Ok(());
    };
    let parent = match Dir::open(&above) {
        Err(e) if is_gone(&e) => return Ok(()),
        parent => parent?,
    };
    let mut backoff = Backoff::new(patience);
    loop {
        match parent.remove(leaf) {
            Ok(()) => return Ok(()),
            Err(e) if is_gone(&e) => return Ok(()),
            Err(e) if e.errno != Errno::EBUSY => return Err(e.into()),
            Err(e) => {
                // Cgroups of its own, or processes that are not quite gone.
                let removed = remove_below(&parent, leaf)?;
                if removed == 0 && !backoff.pause() {
                    return Err(busy(&parent, leaf, e.into()));
                }
            }
        }
    }
}

/// The last name of the path, and the directory it is in.
fn split(spec: &CgroupDir) -> Option<(&str, CgroupDir)> {
    let leaf = spec.components().next_back()?;
    let path = spec
        .path
        .trim_end_matches('/')
        .strip_suffix(leaf)?
        .to_owned();
    let above = CgroupDir {
        path,
        ..spec.clone()
    };
    Some((leaf, above))
}

/// Removes what can be removed below `leaf`, deepest first, and counts it.
fn remove_below(parent: &Dir, leaf: &str) -> SysResult<usize> {
    let mut removed = 0;
    let mut leave = |above: &Dir, name: &std::ffi::OsStr| match above.remove(name) {
        Ok(()) => {
            removed += 1;
            Ok(())
        }
        Err(e) if e.errno == Errno::EBUSY || is_gone(&e) => Ok(()),
        Err(e) => Err(e),
    };
    let walked = parent
        .child(leaf)
        .and_then(|top| walk(&top, &mut |_| Ok(()), &mut leave));
    match walked {
        Err(e) if !is_gone(&e) => Err(e),
        _ => Ok(removed),
    }
}

fn busy(parent: &Dir, leaf: &str, e: Error) -> Error {
    let left = parent
        .child(leaf)
        .and_then(|d| pids_below(&d))
        .unwrap_or_default();
    match left.first() {
        Some(pid) => e.hint(format!(
            "{} process(es) are still in it, such as {pid}",
            left.len()
        )),
        None => e,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::layout::Version;

    fn spec(path: &str) -> CgroupDir {
        CgroupDir {
            version: Version::V2,
            controllers: vec![],
            name: None,
            mount: "/proc".into(),
            path: path.to_owned(),
            made: true,
        }
    }

    #[test]
    fn path_splits_into_parent_and_name() {
        assert_eq!(split(&spec("a/b/b")).unwrap().0, "b");
        assert_eq!(split(&spec("a/b/b")).unwrap().1.path, "a/b/");
        assert_eq!(split(&spec("x")).unwrap().1.path, "");
        assert!(split(&spec("")).is_none());
    }

    #[test]
    fn nothing_is_removed_outside_a_cgroup_file_system() {
        let errors = destroy(&crate::cgroup::paths::CgroupPaths {
            mode: crate::cgroup::layout::Mode::Unified,
            dirs: vec![spec("self/x"), spec("y")],
        })
        .unwrap_err();
        assert_eq!(errors.len(), 2, "all errors come back");
        assert!(
            errors[0].to_string().contains("did not lead to a cgroup"),
            "{}",
            errors[0]
        );
    }
}
