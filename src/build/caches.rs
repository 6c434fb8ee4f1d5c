//! The directories of `RUN --mount=type=cache`: they stay from build to build.
//!
//! ```text
//! <root>/build/mounts/<sum of the id>[-n]/
//!     id      what it is called
//!     lock    shared by who uses it, alone by who wants it alone
//!     data/   what is mounted
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::language::Sharing;
use crate::error::{Context, Result};
use crate::image::reference::Digest;
use crate::store::{Lock, Store, files};

/// How soon one looks again whether a cache has been made.
const MOMENT: Duration = Duration::from_millis(1);

/// Where all of them are.
fn all(store: &Store) -> PathBuf {
    store.build().join("mounts")
}

/// Opens a cache for use: where its files are, and what shows that it is in
/// use. One that is new is made by `fill`.
pub fn open(
    store: &Store,
    id: &str,
    sharing: Sharing,
    fill: &mut dyn FnMut(&Path) -> Result<()>,
) -> Result<(PathBuf, Lock)> {
    let sum = Digest::of(id.as_bytes());
    let name = &sum.hex()[..32];
    let mut n = 0;
    loop {
        let name = match n {
            0 => name.to_owned(),
            n => format!("{name}-{n}"),
        };
        let dir = make(store, &name, id)?;
        let data = dir.join("data");
        // Whoever shares a cache never waits to have it alone: another who
        // shares it may keep it for as long as a build takes.
        let lock = match sharing {
            Sharing::Private => Lock::try_take(&dir)?,
            Sharing::Shared => Some(Lock::share(&dir)?),
            Sharing::Locked => Some(Lock::take(&dir)?),
        };
        let Some(lock) = lock else {
            n += 1;
            continue;
        };
        // It may have been taken away while we waited for the lock.
        if !dir.join("lock").exists() {
            continue;
        }
        if data.is_dir() {
            return Ok((data, lock));
        }
        if sharing != Sharing::Shared {
            fill(&data)?;
            return Ok((data, lock));
        }
        // The first of them makes it; the others come back meanwhile, and
        // wait above.
        drop(lock);
        match Lock::try_take(&dir)? {
            Some(_alone) if !data.is_dir() && dir.join("lock").exists() => fill(&data)?,
            Some(_) => {}
            None => std::thread::sleep(MOMENT),
        }
    }
}

fn make(store: &Store, name: &str, id: &str) -> Result<PathBuf> {
    let dir = all(store).join(name);
    let what = || format!("cannot make {}", dir.display());
    files::private_dir_all(&dir).context(what)?;
    if !dir.join("id").exists() {
        files::replace(&dir, "id", id.as_bytes()).context(what)?;
    }
    Ok(dir)
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Cache {
    /// Where it is.
    pub dir: PathBuf,
    /// What it is called.
    pub id: String,
    /// Somebody uses it.
    pub used: bool,
}

/// All there are.
pub fn list(store: &Store) -> Vec<Cache> {
    let entries = fs::read_dir(all(store)).into_iter().flatten().flatten();
    let cache = |dir: PathBuf| Cache {
        id: fs::read_to_string(dir.join("id")).unwrap_or_default(),
        used: Lock::is_held(&dir),
        dir,
    };
    entries.map(|e| cache(e.path())).collect()
}

/// Takes one away, unless somebody uses it; whether it is gone.
pub fn remove(cache: &Cache) -> Result<bool> {
    let Some(_lock) = Lock::try_take(&cache.dir)? else {
        return Ok(false);
    };
    files::remove_tree(&cache.dir)?;
    Ok(true)
}
