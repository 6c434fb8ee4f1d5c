//! What was left by whoever was killed: looked for by every command, and more
//! thoroughly by `system check`.

use std::path::PathBuf;
use std::time::Duration;

use super::change::{self, Candidates, Change};
use super::used::Used;
use super::{Images, place};
use crate::error::Result;
use crate::store::sweep::is_older;

/// A blob that another tool may be writing just now, and will enter into the
/// index when it is done, is left alone for so long.
const YOUNG: Duration = Duration::from_secs(600);

impl Images {
    /// Takes away what killed commands have left; never waits.
    pub fn sweep(&self) -> Result<()> {
        if !self.dir().exists() {
            return Ok(());
        }
        if change::is_cut_short(self) {
            // Settled by beginning. Who has the lock is at it.
            if let Some(change) = Change::try_begin(self)? {
                change.end();
            }
        }
        place::sweep(self)
    }

    /// Everything that should not be there, in words.
    pub fn leftovers(&self) -> Result<Vec<String>> {
        if !self.dir().exists() {
            return Ok(Vec::new());
        }
        let half = |path: PathBuf| format!("{}: an image half made", path.display());
        let mut found: Vec<String> = place::abandoned(self).into_iter().map(half).collect();
        if let Some(change) = Change::try_begin(self)? {
            let unused = self.unused(&change)?;
            let blob = |d| format!("{}: no image has this blob", self.blob_path(d).display());
            found.extend(unused.blobs.iter().map(blob));
            let layer = |l| format!("{}: no image has this layer", self.store.layer(l).display());
            found.extend(unused.layers.iter().map(|l| layer(l.as_str())));
        }
        Ok(found)
    }

    /// Takes all of it away.
    pub fn repair(&self) -> Result<()> {
        self.sweep()?;
        if self.dir().exists() {
            let mut change = Change::begin(self)?;
            let unused = self.unused(&change)?;
            change.announce(&unused)?;
            change.collect(&unused)?;
            change.end();
        }
        Ok(())
    }

    /// What nobody uses.
    pub(super) fn unused(&self, change: &Change) -> Result<Candidates> {
        let used = Used::find(self, &change.index)?;
        let mut all = change::everything(self)?;
        all.layers.retain(|name| !used.has_layer(name));
        all.blobs
            .retain(|digest| !used.has_blob(digest) && is_older(&self.blob_path(digest), YOUNG));
        Ok(all)
    }
}
