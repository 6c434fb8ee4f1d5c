//! Stopping every process at once, and letting them go on.

use std::time::Duration;

use nix::fcntl::OFlag;

use super::Cgroup;
use super::dir::{Dir, is_gone, read_again};
use super::wait::Backoff;
use crate::cgroup::layout::Version;
use crate::error::{Error, Result};
use crate::sys::SysResult;

/// A process deep in the kernel (on a dead network disk, say) cannot freeze.
const PATIENCE: Duration = Duration::from_secs(10);

impl Cgroup {
    /// Freezes all processes and waits until they are. If they cannot be, none is.
    pub fn freeze(&self) -> Result<()> {
        let dir = self.need_freezer()?;
        let frozen = match dir.version() {
            Version::V1 => freeze_v1(dir),
            Version::V2 => freeze_v2(dir),
        };
        if !matches!(frozen, Ok(true)) {
            // Half frozen is worse than not frozen.
            let _ = thaw(dir);
        }
        match frozen {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::environment(format!(
                "cgroup {} did not freeze within {} s",
                dir.path().display(),
                PATIENCE.as_secs()
            ))),
            Err(e) => Err(e.into()),
        }
    }

    /// Lets all processes go on.
    pub fn thaw(&self) -> Result<()> {
        Ok(thaw(self.need_freezer()?)?)
    }

    /// Whether the container is frozen or about to be.
    pub fn is_frozen(&self) -> Result<bool> {
        Ok(self.freezer().map(is_frozen).transpose()?.unwrap_or(false))
    }

    fn need_freezer(&self) -> Result<&Dir> {
        self.freezer().ok_or_else(|| {
            Error::environment("the container has no freezer cgroup and no v2 cgroup")
        })
    }
}

/// v1 may stay in FREEZING while processes keep forking; asking again helps,
/// and now and then letting go first helps more. v2 does not have this.
fn freeze_v1(dir: &Dir) -> SysResult<bool> {
    let mut backoff = Backoff::new(PATIENCE);
    for attempt in 1.. {
        dir.write("freezer.state", "FROZEN")?;
        if dir.read("freezer.state")?.trim() == "FROZEN" {
            return Ok(true);
        }
        if attempt % 50 == 0 {
            dir.write("freezer.state", "THAWED")?;
        }
        // The first few are about processes on their way into the freezer.
        if attempt > 3 && !backoff.pause() {
            break;
        }
    }
    Ok(false)
}

fn freeze_v2(dir: &Dir) -> SysResult<bool> {
    let events = dir.open_file("cgroup.events", OFlag::O_RDONLY)?;
    dir.write("cgroup.freeze", "1")?;
    let mut backoff = Backoff::new(PATIENCE);
    while !read_again(&events)?.lines().any(|l| l == "frozen 1") {
        if !backoff.pause_for(&events) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Lets the processes of `dir` go on.
pub(super) fn thaw(dir: &Dir) -> SysResult<()> {
    match dir.version() {
        Version::V1 => dir.write("freezer.state", "THAWED"),
        Version::V2 => dir.write("cgroup.freeze", "0"),
    }
}

/// Whether `dir` is in a tree that can freeze, and is frozen.
pub(super) fn is_frozen(dir: &Dir) -> SysResult<bool> {
    let (file, thawed) = match dir.version() {
        Version::V1 => ("freezer.state", "THAWED"),
        Version::V2 => ("cgroup.freeze", "0"),
    };
    match dir.read(file) {
        Ok(state) => Ok(state.trim() != thawed),
        Err(e) if is_gone(&e) => Ok(false),
        Err(e) => Err(e),
    }
}
