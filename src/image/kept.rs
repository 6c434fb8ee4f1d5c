//! What stays in the store without being part of an image: the layers that a
//! build may use again. Each is a file in `images/kept` that names the blobs
//! and layers it needs, and may say more, for whoever has written it.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Images;
use super::reference::Digest;
use super::store::{Candidates, Change};
use crate::error::{Context, Error, Result};
use crate::store::files;

/// Something that stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Kept {
    /// What it is found by.
    #[serde(skip)]
    pub name: String,
    /// Blobs it needs.
    pub blobs: Vec<Digest>,
    /// Layers it needs, by the names they have in the store.
    pub layers: Vec<String>,
    /// What it means.
    pub says: Map<String, Value>,
}

impl Kept {
    /// Writes it down. The caller holds the lock of the images.
    pub(super) fn write(&self, images: &Images) -> Result<()> {
        let dir = dir(images);
        let what = || format!("cannot write to {}", dir.display());
        files::private_dir_all(&dir).context(what)?;
        let bytes = serde_json::to_vec(self).map_err(|e| Error::internal(e.to_string()))?;
        files::replace_soon(&dir, &self.name, &bytes).context(what)
    }

    fn read(images: &Images, name: &str) -> Option<Self> {
        let bytes = files::read(&dir(images).join(name)).ok()?;
        let mut kept: Self = serde_json::from_slice(&bytes).ok()?;
        name.clone_into(&mut kept.name);
        Some(kept)
    }
}

/// Takes away what was being written when somebody was killed. The caller
/// holds the lock of the images.
pub(super) fn tidy(images: &Images) {
    for name in super::store::place::names(&dir(images)) {
        if name.starts_with('.') {
            // It takes a little room until the next time.
            let _ = fs::remove_file(dir(images).join(name));
        }
    }
}

fn dir(images: &Images) -> PathBuf {
    images.store().images().join("kept")
}

/// All that is kept, for whoever takes away what is not: one that cannot be
/// read just now is an error. The caller holds the lock of the images.
pub(super) fn all(images: &Images) -> Result<Vec<Kept>> {
    let dir = dir(images);
    let what = || format!("cannot read {}", dir.display());
    let mut all = Vec::new();
    for name in super::store::place::read_names(&dir).context(what)? {
        if is_name(&name) {
            let bytes = files::read(&dir.join(&name))?;
            all.extend(serde_json::from_slice::<Kept>(&bytes));
        }
    }
    Ok(all)
}

/// A name is made of letters and digits; a file that is being replaced has
/// others.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

impl Images {
    /// What is kept under this name. One that is damaged is as good as none.
    pub fn find_kept(&self, name: &str) -> Option<Kept> {
        is_name(name).then(|| Kept::read(self, name)).flatten()
    }

    /// All that is kept.
    pub fn kept(&self) -> Vec<Kept> {
        let names = super::store::place::names(&dir(self)).into_iter();
        let names = names.filter(|name| is_name(name));
        names.filter_map(|name| Kept::read(self, &name)).collect()
    }

    /// When it was last of use.
    pub fn kept_used(&self, name: &str) -> Option<SystemTime> {
        fs::metadata(dir(self).join(name)).ok()?.modified().ok()
    }

    /// Notes that it was of use just now.
    pub fn touch_kept(&self, name: &str) {
        let file = fs::File::options().write(true).open(dir(self).join(name));
        // It is kept the shorter if that fails.
        let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
    }

    /// Takes those away that `doomed` says, with what nobody else needs of
    /// theirs; how many there were, and the bytes that are free again.
    pub fn forget_kept(&self, doomed: &dyn Fn(&Kept) -> bool) -> Result<(Vec<Kept>, u64)> {
        if !dir(self).exists() {
            return Ok((Vec::new(), 0));
        }
        let mut change = Change::begin(self)?;
        let gone: Vec<Kept> = self.kept().into_iter().filter(|k| doomed(k)).collect();
        let mut blobs = HashSet::new();
        let mut layers = HashSet::new();
        for kept in &gone {
            blobs.extend(kept.blobs.iter().cloned());
            layers.extend(kept.layers.iter().cloned());
        }
        let candidates = Candidates {
            blobs: blobs.into_iter().collect(),
            layers: layers.into_iter().collect(),
        };
        change.announce(&candidates)?;
        for kept in &gone {
            let path = dir(self).join(&kept.name);
            fs::remove_file(&path).context(|| format!("cannot remove {}", path.display()))?;
        }
        let bytes = change.collect(&candidates)?.bytes;
        change.end();
        Ok((gone, bytes))
    }
}
