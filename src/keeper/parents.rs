//! The cgroups above a container's own, where `--cgroup-parent` names some
//! that were not there.
//!
//! They are made on the way to the container's, and go with the last below
//! them. What somebody else has made stays, with the limits it was made for:
//! ours are told from those by a mark.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::cgroup::paths::{CgroupDir, CgroupPaths};
use crate::sys::xattr;

/// What is ours has this attribute.
const MARK: &[u8] = b"trusted.rcon.made";

/// The directories above, the nearest first.
fn above(dir: &CgroupDir) -> impl Iterator<Item = PathBuf> + use<> {
    let (mount, full) = (dir.mount.clone(), dir.full());
    let all: Vec<PathBuf> = full.ancestors().skip(1).map(Path::to_owned).collect();
    all.into_iter()
        .take_while(move |path| *path != mount && path.starts_with(&mount))
}

/// Those that will have to be made.
pub(super) fn missing(paths: &CgroupPaths) -> Vec<PathBuf> {
    let all = paths.dirs.iter().flat_map(above);
    all.filter(|path| !path.exists()).collect()
}

/// Remembers that these are ours. Where that cannot be, they stay.
pub(super) fn mark(made: &[PathBuf]) {
    for path in made {
        let _ = File::open(path).map(|dir| xattr::set(&dir, MARK, b"1"));
    }
}

/// Removes ours as far as nothing is in them.
pub(super) fn remove(paths: &CgroupPaths) {
    for dir in &paths.dirs {
        for path in above(dir) {
            let ours = File::open(&path).map(|dir| xattr::get(&dir, MARK));
            let ours = matches!(ours, Ok(Ok(Some(_))));
            if !ours || fs::remove_dir(&path).is_err() {
                break;
            }
        }
    }
}
