//! A change to what is here, under the exclusive lock.
//!
//! What a change is about (the blobs and layers that may be without an owner
//! if it is cut short) is written into the journal first. Whoever finds a
//! journal looks at exactly those, and takes away what nobody uses. So a
//! change may be cut short anywhere: what has an entry in the index is whole,
//! and what has none is gone with the next command.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::index::{self, Index};
use super::place::{Place, read_names};
use super::used::Used;
use super::{Image, Images, gone};
use crate::error::{Context, Result};
use crate::image::kept;
use crate::image::manifest::Descriptor;
use crate::image::reference::{Digest, Reference};
use crate::store::{Lock, files, lock};

const JOURNAL: &str = "journal";
/// Enough to write down the removal of some hundred images.
const ROOM: u64 = 64 << 10;

/// What may be without an owner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::image) struct Candidates {
    pub(in crate::image) blobs: Vec<Digest>,
    pub(in crate::image) layers: Vec<String>,
}

impl Candidates {
    pub(in crate::image) fn is_empty(&self) -> bool {
        self.blobs.is_empty() && self.layers.is_empty()
    }
}

/// What was taken away.
#[derive(Debug, Default)]
pub(in crate::image) struct Collected {
    pub(in crate::image) blobs: Vec<Digest>,
    pub(in crate::image) layers: Vec<String>,
    pub(in crate::image) bytes: u64,
}

/// A change that is being made.
pub(in crate::image) struct Change {
    images: Images,
    pub(super) index: Index,
    _lock: Lock,
    /// Emptied when the lock is free again.
    places: Vec<Place>,
}

impl Change {
    /// Waits until nobody looks.
    pub(in crate::image) fn begin(images: &Images) -> Result<Self> {
        images.lay_out()?;
        let lock = lock::wait_for(&images.dir().join("lock"))?;
        for name in [JOURNAL, index::FILE] {
            // Whoever wants to make room on a full disk needs some. Where none
            // can be kept, it has to be there when it is needed.
            let _ = files::keep_room(&images.dir(), name, ROOM);
        }
        Self::locked(images, lock)
    }

    /// Gives up if somebody looks.
    pub(super) fn try_begin(images: &Images) -> Result<Option<Self>> {
        let lock = Lock::try_take(&images.dir())?;
        lock.map(|lock| Self::locked(images, lock)).transpose()
    }

    fn locked(images: &Images, lock: Lock) -> Result<Self> {
        let mut change = Self {
            images: images.clone(),
            index: Index::load(&images.dir())?,
            _lock: lock,
            places: Vec::new(),
        };
        if is_cut_short(images) {
            change.settle()?;
        }
        Ok(change)
    }

    /// Writes down what this change is about.
    pub(in crate::image) fn announce(&self, candidates: &Candidates) -> Result<()> {
        let bytes = serde_json::to_vec(candidates).unwrap_or_default();
        files::replace_for_good_in_need(&self.images.dir(), JOURNAL, &bytes).context(cannot)
    }

    /// Takes this change back, as far as it came.
    pub(in crate::image) fn undo(&mut self) -> Result<()> {
        // What could not be written keeps nothing in use.
        self.index = Index::load(&self.images.dir())?;
        self.settle()
    }

    /// Finishes a change that was cut short.
    pub(in crate::image) fn settle(&mut self) -> Result<()> {
        let dir = self.images.dir();
        if is_cut_short(&self.images) {
            let bytes = files::read(&dir.join(JOURNAL))?;
            let candidates = match serde_json::from_slice(&bytes) {
                Ok(candidates) => candidates,
                // One that makes no sense could have been about anything.
                Err(_) => everything(&self.images)?,
            };
            self.collect(&candidates)?;
        }
        for name in [index::FILE, JOURNAL, "oci-layout"] {
            gone(fs::remove_file(dir.join(format!(".{name}.new"))))?;
        }
        kept::tidy(&self.images);
        self.forget_journal();
        Ok(())
    }

    pub(super) fn forget_journal(&self) {
        // If it stays, the next command looks once more, and finds nothing.
        let _ = fs::remove_file(self.images.dir().join(JOURNAL));
    }

    /// Writes the index.
    pub(in crate::image) fn write(&self) -> Result<()> {
        let bytes = self.index.to_bytes();
        files::replace_for_good_in_need(&self.images.dir(), index::FILE, &bytes).context(cannot)
    }

    /// The change is made, and nothing is left to be done.
    pub(in crate::image) fn end(self) {
        self.forget_journal();
    }

    /// Takes away what nobody uses of these. Layers take their time: they are
    /// moved out of the way now and deleted with the place they are moved to.
    pub(in crate::image) fn collect(&mut self, candidates: &Candidates) -> Result<Collected> {
        let used = Used::find(&self.images, &self.index)?;
        let mut done = Collected::default();
        for digest in candidates.blobs.iter().filter(|d| !used.has_blob(d)) {
            let path = self.images.blob_path(digest);
            if let Ok(meta) = path.symlink_metadata() {
                gone(fs::remove_file(&path)).context(|| format!("cannot remove {digest}"))?;
                done.bytes += meta.len();
                done.blobs.push(digest.clone());
            }
        }
        for name in &candidates.layers {
            if !used.has_layer(name) && is_layer(name) {
                self.move_away(name, &mut done)?;
            }
        }
        Ok(done)
    }

    fn move_away(&mut self, name: &str, done: &mut Collected) -> Result<()> {
        let layer = self.images.store().layer(name);
        let size = self.images.size_path(name);
        if layer.exists() {
            let bytes = self.images.layer_size(name);
            let to = self.place()?.layer(name);
            fs::rename(layer, to).context(|| format!("cannot remove the layer {name}"))?;
            done.bytes += bytes;
            done.layers.push(name.to_owned());
        }
        Ok(gone(fs::remove_file(size))?)
    }

    fn place(&mut self) -> Result<&Place> {
        if self.places.is_empty() {
            self.places.push(Place::new(&self.images)?);
        }
        Ok(&self.places[0])
    }

    /// Puts a whole blob into its place.
    pub(in crate::image) fn adopt_blob(&self, digest: &Digest, from: &Path) -> Result<()> {
        let to = self.images.blob_path(digest);
        if let Some(dir) = to.parent() {
            files::private_dir_all(dir).context(cannot)?;
        }
        fs::rename(from, to).context(cannot)
    }

    /// Puts a whole layer into its place. If another was first, this one is
    /// not needed.
    pub(in crate::image) fn adopt_layer(&self, name: &str, from: &Path, size: u64) -> Result<()> {
        let to: PathBuf = self.images.store().layer(name);
        if to.exists() {
            return Ok(());
        }
        let size = format!("{size}\n");
        files::write_soon(&self.images.size_path(name), size.as_bytes()).context(cannot)?;
        fs::rename(from, to).context(cannot)
    }

    /// Enters an image, whole and in its place, into the index.
    pub(in crate::image) fn enter(
        &mut self,
        names: &[Reference],
        target: &Descriptor,
        manifest: &Digest,
    ) -> Result<()> {
        for name in names {
            self.index.name(target, manifest, &name.clone().or_latest());
        }
        if names.is_empty() {
            self.index.keep(target, manifest);
        }
        self.write()
    }

    /// The image that has been entered.
    pub(in crate::image) fn image(&self, target: &Descriptor, manifest: &Digest) -> Result<Image> {
        let mut image = self.images.by_digests(target, manifest)?;
        image.names = self.index.names(target, manifest);
        Ok(image)
    }
}

/// Whether a change was cut short, or is being made.
pub(super) fn is_cut_short(images: &Images) -> bool {
    images.dir().join(JOURNAL).exists()
}

/// Whether a name below `layers` is a layer's.
fn is_layer(name: &str) -> bool {
    let digits = name.strip_prefix("chain-").unwrap_or(name);
    digits.len() >= 64 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

/// All there is.
pub(super) fn everything(images: &Images) -> Result<Candidates> {
    let mut all = Candidates::default();
    let blobs = images.dir().join("blobs");
    for algorithm in read_names(&blobs).context(cannot)? {
        let hex = read_names(&blobs.join(&algorithm)).context(cannot)?;
        let digests = hex
            .iter()
            .map(|h| Digest::parse(&format!("{algorithm}:{h}")));
        all.blobs.extend(digests.filter_map(Result::ok));
    }
    let names = read_names(&images.store().layers()).context(cannot)?;
    all.layers = names.into_iter().filter(|n| is_layer(n)).collect();
    Ok(all)
}

fn cannot() -> &'static str {
    "cannot write to the store of images"
}
