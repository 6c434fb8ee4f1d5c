//! Where an image is put together before anybody can see it.
//!
//! Whatever brings an image (a pull, an archive, a container's changes) fills
//! a stage with its blobs, has its layers unpacked, and commits. What the
//! store has already need not be brought again: the stage keeps it from being
//! taken away. A stage that is dropped, or whose maker dies, leaves nothing.

mod blob;

pub use blob::BlobWriter;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ImageConfig;
use super::kept::Kept;
use super::manifest::{Content, Descriptor, Document, LARGEST_CONFIG, LARGEST_DOCUMENT, Manifest};
use super::reference::{Digest, Reference};
use super::store::place::Place;
use super::store::{Candidates, Change, Image, Images};
use super::unpack::{self, chain_ids};
use crate::archive::room_in;
use crate::error::{Context, Error, Result};

/// A place for one image on its way here. Threads may share it.
#[derive(Debug)]
pub struct Stage {
    place: Place,
    parts: AtomicU32,
    blobs: Mutex<BTreeMap<Digest, PathBuf>>,
    layers: Mutex<BTreeMap<String, Fresh>>,
}

/// What an image is made of.
#[derive(Debug, Default)]
struct Wanted {
    blobs: BTreeSet<Digest>,
    layers: BTreeSet<String>,
}

/// A layer that was unpacked here.
#[derive(Debug, Clone)]
pub(super) struct Fresh {
    /// Where it is.
    pub(super) path: PathBuf,
    /// The bytes of its files.
    pub(super) size: u64,
}

/// Brings the bytes of a blob; ends early once the flag is set.
pub type Fetch<'a> = dyn Fn(&Descriptor, &mut dyn Write, &AtomicBool) -> Result<()> + Sync + 'a;

impl Stage {
    pub(super) fn new(images: &Images) -> Result<Self> {
        Ok(Self {
            place: Place::new(images)?,
            parts: AtomicU32::new(0),
            blobs: Mutex::default(),
            layers: Mutex::default(),
        })
    }

    /// The images that this one will be among.
    pub fn images(&self) -> &Images {
        self.place.images()
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Whether a blob is here or in the store. If so, it stays until this
    /// stage is gone.
    pub fn has(&self, digest: &Digest) -> Result<bool> {
        if held(&self.blobs).contains_key(digest) {
            return Ok(true);
        }
        self.place.claim_blob(digest)
    }

    /// Whether a blob was in the store before; then it was checked before.
    pub(super) fn in_store(&self, digest: &Digest) -> bool {
        !held(&self.blobs).contains_key(digest) && self.images().blob_path(digest).is_file()
    }

    /// Opens a blob that is here or in the store.
    pub fn open(&self, digest: &Digest) -> Result<File> {
        let here = held(&self.blobs).get(digest).cloned();
        match here {
            Some(path) => File::open(path).context(|| format!("the blob {digest}")),
            None => self.images().blob(digest),
        }
    }

    /// Writes a blob that is known by its sum.
    pub fn blob(&self, expected: &Descriptor) -> Result<BlobWriter<'_>> {
        BlobWriter::new(self, &expected.media_type, Some(expected))
    }

    /// Writes a blob whose sum is found by writing it.
    pub fn fresh_blob(&self, media_type: &str) -> Result<BlobWriter<'_>> {
        BlobWriter::new(self, media_type, None)
    }

    /// Writes a small blob.
    pub fn bytes(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor> {
        let mut writer = self.fresh_blob(media_type)?;
        writer.write_all(bytes).context(|| CANNOT)?;
        writer.finish()
    }

    /// Unpacks those layers of an image that are not here yet. All their
    /// blobs are there already.
    pub fn layers(&self, manifest: &Manifest, config: &ImageConfig) -> Result<()> {
        self.fetch_layers(manifest, config, &|blob, _, _| {
            Err(Error::environment(format!(
                "the layer {} is missing",
                blob.digest
            )))
        })
    }

    /// The same for blobs that are still to come: `fetch` is called for each
    /// that is missing, several at once, and unpacking begins with the first
    /// bytes.
    pub fn fetch_layers(
        &self,
        manifest: &Manifest,
        config: &ImageConfig,
        fetch: &Fetch<'_>,
    ) -> Result<()> {
        unpack::layers(self, manifest, &config.rootfs.diff_ids, fetch)
    }

    /// The layer that a stage or the store has, kept there from now on.
    pub(super) fn find_layer(&self, diff: &Digest, chain: &Digest) -> Result<Option<String>> {
        let names = [diff.hex().to_owned(), format!("chain-{}", chain.hex())];
        let fresh = held(&self.layers);
        if let Some(name) = names.into_iter().find(|n| fresh.contains_key(n)) {
            return Ok(Some(name));
        }
        drop(fresh);
        self.place.claim_layer(diff, chain)
    }

    /// Where the next layer is unpacked: never twice the same, for one may be
    /// left there that somebody else has brought sooner.
    pub(super) fn next_layer(&self) -> PathBuf {
        self.place.layer(&self.next_part().to_string())
    }

    fn next_part(&self) -> u32 {
        self.parts.fetch_add(1, Ordering::Relaxed)
    }

    /// How many blobs and layers have come that the store has not yet.
    pub(super) fn fresh(&self) -> usize {
        held(&self.blobs).len() + held(&self.layers).len()
    }

    /// Where a layer is that this stage has found or made.
    pub(super) fn layer_path(&self, name: &str) -> PathBuf {
        let fresh = held(&self.layers).get(name).map(|f| f.path.clone());
        fresh.unwrap_or_else(|| self.images().store().layer(name))
    }

    /// A layer that a stage or the store has, kept there from now on: the name
    /// it will have, and the one its directory has now.
    pub fn layer(&self, diff: &Digest, chain: &Digest) -> Result<Option<(String, String)>> {
        let name = self.find_layer(diff, chain)?;
        Ok(name.map(|name| {
            let now = self.layer_path(&name);
            let now = now.file_name().map(|n| n.to_string_lossy().into_owned());
            (name.clone(), now.unwrap_or(name))
        }))
    }

    /// A directory for files of whoever fills this stage; gone with it.
    pub fn dir(&self) -> &std::path::Path {
        self.place.dir()
    }

    /// Where a directory is put together that becomes a layer: a name beside
    /// the other layers, gone with this stage.
    pub fn layer_to_be(&self, name: &str) -> String {
        let path = self.place.layer(name);
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Takes a blob that was written into [`Stage::dir`], whose sum this is.
    pub fn take_blob(&self, digest: Digest, path: PathBuf) {
        held(&self.blobs).insert(digest, path);
    }

    /// Takes a directory of a [`Stage::layer_to_be`] for the layer whose sum
    /// is `diff`.
    pub fn take_layer(&self, diff: &Digest, to_be: &str, size: u64) {
        let path = self.images().store().layer(to_be);
        self.add_layer(diff.hex().to_owned(), Fresh { path, size });
    }

    pub(super) fn add_layer(&self, name: String, fresh: Fresh) {
        held(&self.layers).insert(name, fresh);
    }

    /// Makes the image visible, under these names or none. `target` is its
    /// outermost document, `manifest` the one within for its machine. What
    /// else is in the stage stays there, for another image or nobody.
    pub fn commit(
        &self,
        names: &[Reference],
        target: &Descriptor,
        manifest: &Digest,
    ) -> Result<Image> {
        self.commit_and_keep(names, target, manifest, &[])
    }

    /// The same, with what is to stay beside the image.
    pub fn commit_and_keep(
        &self,
        names: &[Reference],
        target: &Descriptor,
        manifest: &Digest,
        kept: &[Kept],
    ) -> Result<Image> {
        let wanted = self.check(target, manifest)?;
        self.change(wanted, kept, |change| {
            change.enter(names, target, manifest)?;
            // As long as nobody can take it away again.
            change.image(target, manifest)
        })
    }

    /// Has something stay in the store without an image.
    pub fn keep(&self, kept: &[Kept]) -> Result<()> {
        self.change(Wanted::default(), kept, |_| Ok(()))
    }

    fn change<T>(
        &self,
        mut wanted: Wanted,
        kept: &[Kept],
        enter: impl FnOnce(&mut Change) -> Result<T>,
    ) -> Result<T> {
        for kept in kept {
            wanted.blobs.extend(kept.blobs.iter().cloned());
            wanted.layers.extend(kept.layers.iter().cloned());
        }
        let brings = !held(&self.blobs).is_empty() || !held(&self.layers).is_empty();
        if brings {
            self.sync()?;
        }
        let images = self.images().clone();
        let mut change = Change::begin(&images)?;
        let former = former(&images, kept);
        let done = self
            .install(&mut change, &wanted, former.clone())
            .and_then(|()| kept.iter().try_for_each(|kept| kept.write(&images)))
            .and_then(|()| enter(&mut change));
        if done.is_err() {
            // What has been moved in already belongs to nobody.
            let _ = change.undo();
        }
        let done = done?;
        // What cannot be taken away now is by the next command: it is written
        // down.
        if former.is_empty() || change.collect(&former).is_ok() {
            change.end();
        }
        if brings {
            // So that what is said to be here is here after a power failure,
            // too. Nobody has to wait for that but who is told.
            self.sync()?;
        }
        Ok(done)
    }

    /// Whether all of the image is here.
    fn check(&self, target: &Descriptor, manifest: &Digest) -> Result<Wanted> {
        let mut wanted = Wanted::default();
        let missing = |what: &str| Error::internal(format!("{what} is not in the stage"));
        if !self.has(&target.digest)? {
            return Err(missing("the image's document"));
        }
        let bytes = self.small(manifest, LARGEST_DOCUMENT)?;
        let Content::Manifest(content) = Document::read(bytes, None)?.content()? else {
            return Err(missing("a manifest"));
        };
        let config = ImageConfig::parse(&self.small(&content.config.digest, LARGEST_CONFIG)?)?;
        for blob in &content.layers {
            if !self.has(&blob.digest)? {
                return Err(missing("a layer's blob"));
            }
        }
        self.check_lengths(&content)?;
        let diffs = &config.rootfs.diff_ids;
        for (diff, chain) in diffs.iter().zip(chain_ids(diffs)) {
            let name = self.find_layer(diff, &chain)?;
            let name = name.ok_or_else(|| missing("an unpacked layer"))?;
            wanted.layers.insert(name);
        }
        self.belonging(&target.digest, 0, &mut wanted.blobs)?;
        Ok(wanted)
    }

    /// Whether an image's parts, all of which are here, are as long as its
    /// manifest says. One that was here before was not measured by it.
    fn check_lengths(&self, manifest: &Manifest) -> Result<()> {
        let mut parts = manifest.layers.iter().chain([&manifest.config]);
        parts.try_for_each(|blob| self.check_length(blob))
    }

    pub(super) fn check_length(&self, blob: &Descriptor) -> Result<()> {
        let file = self.open(&blob.digest)?;
        blob.check_length(file.metadata().context(|| CANNOT)?.len())
    }

    /// Refuses what is larger than what is free on the disk, before a byte of
    /// it is written.
    pub(super) fn check_room(&self, bytes: u64) -> Result<()> {
        if bytes <= ALWAYS_TRIED {
            return Ok(());
        }
        let free = room_in(self.place.dir())?;
        if bytes <= free {
            return Ok(());
        }
        Err(Error::environment(format!(
            "it has {bytes} bytes, and {free} are free on the disk"
        ))
        .hint("`rcon system df` shows what could go"))
    }

    /// All blobs that are here and that a document leads to.
    fn belonging(&self, document: &Digest, depth: usize, all: &mut BTreeSet<Digest>) -> Result<()> {
        all.insert(document.clone());
        let bytes = self.small(document, LARGEST_DOCUMENT)?;
        match Document::read(bytes, None)?.content()? {
            Content::Manifest(manifest) => {
                let parts = manifest.layers.into_iter().chain([manifest.config]);
                all.extend(parts.map(|part| part.digest));
            }
            Content::Index(entries) => {
                for entry in entries {
                    if depth < DEEPEST && self.has(&entry.digest)? {
                        self.belonging(&entry.digest, depth + 1, all)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A small blob in memory.
    pub(super) fn small(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>> {
        use io::Read as _;
        if !self.has(digest)? {
            return Err(Error::internal(format!("{digest} is not in the stage")));
        }
        let mut bytes = Vec::new();
        let read = self.open(digest)?.take(limit).read_to_end(&mut bytes);
        read.context(|| format!("the blob {digest}"))?;
        Ok(bytes)
    }

    /// What is not on the disk yet must be before it has a name, or a power
    /// failure would leave a name without an image.
    fn sync(&self) -> Result<()> {
        let dir = File::open(self.place.dir()).context(|| CANNOT)?;
        nix::unistd::syncfs(&dir)
            .map_err(io::Error::from)
            .context(|| CANNOT)
    }

    fn install(&self, change: &mut Change, wanted: &Wanted, former: Candidates) -> Result<()> {
        let blobs = take(&self.blobs, |digest| wanted.blobs.contains(digest));
        let layers = take(&self.layers, |name| wanted.layers.contains(name));
        let mut candidates = former;
        candidates.blobs.extend(blobs.keys().cloned());
        candidates.layers.extend(layers.keys().cloned());
        change.announce(&candidates)?;
        // From here on they are the store's, and another image of this stage
        // may count on them.
        for digest in blobs.keys() {
            self.place.keep_blob(digest)?;
        }
        for name in layers.keys() {
            self.place.keep_layer(name)?;
        }
        for (digest, path) in &blobs {
            change.adopt_blob(digest, path)?;
        }
        for (name, fresh) in &layers {
            change.adopt_layer(name, &fresh.path, fresh.size)?;
        }
        Ok(())
    }
}

/// What was kept until now under names that get something else to keep.
fn former(images: &Images, kept: &[Kept]) -> Candidates {
    let mut all = Candidates::default();
    for kept in kept {
        if let Some(old) = images.find_kept(&kept.name) {
            let goes = |blob: &Digest| !kept.blobs.contains(blob);
            all.blobs.extend(old.blobs.into_iter().filter(goes));
            let goes = |layer: &String| !kept.layers.contains(layer);
            all.layers.extend(old.layers.into_iter().filter(goes));
        }
    }
    all
}

const CANNOT: &str = "cannot write to the store of images";
/// The disk is not asked about less.
const ALWAYS_TRIED: u64 = 1 << 20;

/// An index in an index in an index is nobody's honest image.
const DEEPEST: usize = 3;

/// Takes those out of a table that go elsewhere.
fn take<K: Ord, V>(table: &Mutex<BTreeMap<K, V>>, goes: impl Fn(&K) -> bool) -> BTreeMap<K, V> {
    let mut all = held(table);
    let (leaving, staying) = std::mem::take(&mut *all)
        .into_iter()
        .partition(|(key, _)| goes(key));
    *all = staying;
    leaving
}

/// A thread that panicked has told so already.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
