//! What killed commands leave, taken away.

use std::fs;
use std::path::Path;

use super::Lock;
use crate::error::{Context, Result};

/// Removes directories of containers that were never finished or not removed
/// to the end, unless somebody is still at it.
pub(super) fn sweep(containers: &Path) -> Result<()> {
    let entries =
        fs::read_dir(containers).context(|| format!("cannot read {}", containers.display()))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with(".new-") && !name.starts_with(".gone-") {
            continue;
        }
        // Between making the directory and locking it there is an instant in
        // which a maker has nothing to show; its rename tells it then.
        let path = entry.path();
        if !Lock::is_held(&path) && is_old(&path) {
            let _ = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}

/// Old enough that whoever made it cannot be between two calls.
fn is_old(path: &Path) -> bool {
    let changed = fs::symlink_metadata(path).and_then(|m| m.modified());
    changed.is_ok_and(|t| t.elapsed().is_ok_and(|age| age.as_secs() >= 2))
}
