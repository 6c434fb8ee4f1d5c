//! What killed commands leave, taken away.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Lock, files};
use crate::error::Result;

/// Removes directories of containers that were never finished or not removed
/// to the end, unless somebody is still at it.
pub(super) fn sweep(containers: &Path) -> Result<()> {
    for path in unfinished(containers)? {
        // What cannot be removed now is tried again by the next command.
        let _ = files::remove_tree(&path);
    }
    Ok(())
}

/// Finds them.
pub(crate) fn unfinished(containers: &Path) -> Result<Vec<PathBuf>> {
    let is_unfinished = |name: &str| name.starts_with(".new-") || name.starts_with(".gone-");
    let names = files::list(containers)?.into_iter();
    let left = names.filter(|e| is_unfinished(&e.file_name().to_string_lossy()));
    // Between making the directory and locking it there is an instant in
    // which a maker has nothing to show.
    let paths = left.map(|e| e.path());
    Ok(paths.filter(|p| !Lock::is_held(p) && is_old(p)).collect())
}

/// Old enough that whoever made it cannot be between two calls.
pub(crate) fn is_old(path: &Path) -> bool {
    is_older(path, Duration::from_secs(2))
}

/// Whether nothing has changed there for so long. What is of a time that is
/// yet to come was made before the clock was set back, and would otherwise be
/// too young until the clock is there again.
pub(crate) fn is_older(path: &Path, age: Duration) -> bool {
    let changed = fs::symlink_metadata(path).and_then(|m| m.modified());
    changed.is_ok_and(|time| match time.elapsed() {
        Ok(passed) => passed >= age,
        Err(ahead) => ahead.duration() >= age,
    })
}
