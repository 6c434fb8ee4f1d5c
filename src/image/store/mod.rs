//! The images that are here: finding them, naming them, taking them away.
//!
//! Every change is made under the exclusive lock by [`change`], which writes
//! down what it is about before it begins: whoever finds that note finishes
//! the work. What may be taken away is what [`used`] does not find in use.
//! What takes its time, like deleting a layer, happens in a [`place`] of its
//! own, without the lock.

mod change;
mod damage;
mod find;
mod image;
mod index;
pub(super) mod place;
mod remove;
mod sweep;
#[cfg(test)]
mod tests;
mod used;

pub use image::{Image, Name};
pub use remove::Removed;

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

pub(super) use change::{Candidates, Change};
use index::{Index, Record};
use place::Place;

use super::manifest::{Content, Descriptor, Document, LARGEST_CONFIG, LARGEST_DOCUMENT, Manifest};
use super::platform::{self, Platform};
use super::reference::{Digest, Hasher, Reference};
use super::unpack::chain_ids;
use super::{ImageConfig, Stage};
use crate::error::{Context, Error, Result};
use crate::say;
use crate::store::{Lock, Store, files};

/// An index in an index in an index is nobody's honest image.
const DEEPEST: usize = 3;

/// The images that are here.
#[derive(Debug, Clone)]
pub struct Images {
    store: Store,
}

/// While it is held, nothing is taken away. Whoever holds it must not commit,
/// tag or remove: they would wait for themselves. And nothing that takes its
/// time: everybody else would wait, too; see [`Guard::for_long`].
#[derive(Debug)]
pub struct Guard {
    #[allow(dead_code, reason = "held, not looked at")]
    lock: Option<Lock>,
    #[allow(dead_code, reason = "held, not looked at")]
    place: Option<Place>,
}

impl Guard {
    /// Keeps nothing but these layers from now on, and lets the others go on.
    pub fn for_long(self, images: &Images, layers: &[String]) -> Result<Self> {
        let place = Place::new(images)?;
        layers.iter().try_for_each(|name| place.keep_layer(name))?;
        Ok(Self {
            lock: None,
            place: Some(place),
        })
    }
}

impl Images {
    /// Those of this store. Nothing is made before something is written.
    pub fn open(store: &Store) -> Self {
        Self {
            store: store.clone(),
        }
    }

    /// The store they are in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    fn dir(&self) -> PathBuf {
        self.store.images()
    }

    /// Makes the layout, so that other tools know it for one.
    fn lay_out(&self) -> Result<()> {
        self.store.lay_out()?;
        let dir = self.dir();
        let what = || format!("cannot make {}", dir.display());
        let blobs = dir.join("blobs/sha256");
        for dir in [&blobs, &dir.join("stage"), &self.store.layers()] {
            files::private_dir_all(dir).context(what)?;
        }
        if !dir.join("oci-layout").exists() {
            let text = b"{\"imageLayoutVersion\":\"1.0.0\"}";
            files::replace_soon(&dir, "oci-layout", text).context(what)?;
        }
        Ok(())
    }

    /// Keeps what is found from being taken away meanwhile.
    pub fn share(&self) -> Result<Guard> {
        if !self.dir().join("oci-layout").exists() {
            return Ok(Guard {
                lock: None,
                place: None,
            });
        }
        Lock::share(&self.dir()).map(|lock| Guard {
            lock: Some(lock),
            place: None,
        })
    }

    /// A place for what is about to come here.
    pub fn stage(&self) -> Result<Stage> {
        self.lay_out()?;
        Stage::new(self)
    }

    /// All images, the newest first; one per document and manifest. What is
    /// damaged is told on standard error and does not hide the others.
    pub fn list(&self) -> Result<Vec<Image>> {
        let index = Index::load(&self.dir())?;
        let mut all: Vec<Image> = Vec::new();
        for record in index.records() {
            match self.image(&record) {
                Ok(image) => add(&mut all, image),
                Err(e) => {
                    let name = record.name.as_ref().map(Name::to_string);
                    let name = name.unwrap_or_else(|| record.target.digest.to_string());
                    say::warning(format_args!("image {name}: {e}"));
                }
            }
        }
        if index.strangers() > 0 {
            let path = self.dir().join(index::FILE);
            let (path, n) = (path.display(), index.strangers());
            say::warning(format_args!("{path}: {n} entries are not understood"));
        }
        all.sort_by(|a, b| {
            let newest = b.config.created_at().cmp(&a.config.created_at());
            newest.then_with(|| a.config_digest.cmp(&b.config_digest))
        });
        Ok(all)
    }

    /// Gives an image a further name; whichever had that name loses it.
    pub fn tag(&self, image: &Image, name: &Reference) -> Result<()> {
        let name = name.clone().or_latest();
        if name.digest().is_some() {
            return Err(Error::user(
                "refusing to create a tag with a digest reference",
            ));
        }
        let mut change = Change::begin(self)?;
        if !change.index.has(&image.target, &image.manifest_digest) {
            return Err(find::unknown(image.id().short()));
        }
        change
            .index
            .name(&image.target, &image.manifest_digest, &name);
        change.write()?;
        change.end();
        Ok(())
    }

    /// Where a blob is, or would be.
    pub(super) fn blob_path(&self, digest: &Digest) -> PathBuf {
        let dir = self.dir().join("blobs").join(digest.algorithm().name());
        dir.join(digest.hex())
    }

    /// A blob, to read.
    pub fn blob(&self, digest: &Digest) -> Result<File> {
        let mut options = File::options();
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = options
            .read(true)
            .custom_flags(flags)
            .open(self.blob_path(digest));
        let what = || format!("the blob {digest}");
        let file = file.context(what)?;
        if !file.metadata().context(what)?.is_file() {
            return Err(Error::environment("not a file").context(what()));
        }
        Ok(file)
    }

    /// A small blob in memory, checked against its sum.
    pub(super) fn small_blob(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>> {
        let bytes = self.blob_bytes(digest, limit)?;
        if bytes.len() as u64 > limit {
            return Err(Error::environment(format!(
                "the blob {digest} is too large"
            )));
        }
        if !is_of(digest, &bytes) {
            return Err(damaged(digest));
        }
        Ok(bytes)
    }

    /// The same unchecked, and not much more than `limit` of it.
    fn blob_bytes(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>> {
        // Most are smaller, and are then read in one go.
        let mut bytes = Vec::with_capacity(4096);
        let read = self.blob(digest)?.take(limit + 1).read_to_end(&mut bytes);
        read.context(|| format!("the blob {digest}"))?;
        Ok(bytes)
    }

    /// A manifest or index, to the byte.
    pub fn document(&self, digest: &Digest) -> Result<Document> {
        Document::read(self.small_blob(digest, LARGEST_DOCUMENT)?, None)
    }

    /// The bytes of an image's configuration.
    pub fn config_bytes(&self, image: &Image) -> Result<Vec<u8>> {
        self.small_blob(&image.config_digest, LARGEST_CONFIG)
    }

    /// What an entry of the index is about.
    fn image(&self, record: &Record) -> Result<Image> {
        let (digest, manifest) = match &record.manifest {
            Some(digest) => (digest.clone(), self.manifest(digest)?),
            None => self.chosen(&record.target)?,
        };
        let config =
            ImageConfig::parse(&self.small_blob(&manifest.config.digest, LARGEST_CONFIG)?)?;
        if config.rootfs.diff_ids.len() != manifest.layers.len() {
            return Err(super::unpack::uneven());
        }
        let (layers, unpacked) = self.layer_names(&config.rootfs.diff_ids);
        let packed = || manifest.layers.iter().map(|l| l.size).sum();
        let size = unpacked.then(|| layers.iter().map(|l| self.layer_size(l)).sum());
        let mut target = record.target.clone();
        // Those are the index's, and about the entry.
        target.annotations.clear();
        Ok(Image {
            names: record.name.iter().cloned().collect(),
            target,
            manifest_digest: digest,
            config_digest: manifest.config.digest.clone(),
            size: size.unwrap_or_else(packed),
            manifest,
            config,
            layers,
            unpacked,
        })
    }

    /// The image of these documents, whatever it is called.
    fn by_digests(&self, target: &Descriptor, manifest: &Digest) -> Result<Image> {
        self.image(&Record {
            target: target.clone(),
            name: None,
            manifest: Some(manifest.clone()),
        })
    }

    fn manifest(&self, digest: &Digest) -> Result<Manifest> {
        match self.document(digest)?.content()? {
            Content::Manifest(manifest) => Ok(manifest),
            Content::Index(_) => Err(Error::environment(format!("{digest} is not a manifest"))),
        }
    }

    /// What is meant where nothing was chosen: the one for this machine.
    fn chosen(&self, target: &Descriptor) -> Result<(Digest, Manifest)> {
        let mut digest = target.digest.clone();
        let host = Platform::host();
        for _ in 0..=DEEPEST {
            let entries = match self.document(&digest)?.content()? {
                Content::Manifest(manifest) => return Ok((digest, manifest)),
                Content::Index(entries) => entries,
            };
            let entry = platform::choose(&entries, &host);
            let entry = entry.ok_or_else(|| platform::none_fits(&entries, &host))?;
            digest = entry.digest.clone();
        }
        Err(Error::environment("its indexes are nested too deep"))
    }

    /// The names that layers have here, the uppermost first, each once; and
    /// whether they are all there.
    fn layer_names(&self, diff_ids: &[Digest]) -> (Vec<String>, bool) {
        let mut names: Vec<String> = Vec::new();
        let mut all = true;
        let chains = chain_ids(diff_ids);
        for (diff, chain) in diff_ids.iter().zip(&chains).rev() {
            let name = self.layer_name(diff, chain);
            all &= name.is_some();
            let name = name.unwrap_or_else(|| diff.hex().to_owned());
            if !names.contains(&name) {
                names.push(name);
            }
        }
        (names, all)
    }

    /// What an unpacked layer is called: by itself, or by all below it if it
    /// depends on them.
    pub(super) fn layer_name(&self, diff: &Digest, chain: &Digest) -> Option<String> {
        let names = [diff.hex().to_owned(), format!("chain-{}", chain.hex())];
        names.into_iter().find(|n| self.store.layer(n).is_dir())
    }

    pub(super) fn size_path(&self, layer: &str) -> PathBuf {
        self.store.layers().join(format!("{layer}.size"))
    }

    /// The bytes of a layer's files, noted when it was unpacked.
    pub fn layer_size(&self, layer: &str) -> u64 {
        let noted = fs::read_to_string(self.size_path(layer));
        noted.ok().and_then(|t| t.trim().parse().ok()).unwrap_or(0)
    }

    /// The same for all layers of an image, the lowest first, also those that
    /// stand there twice.
    pub fn layer_sizes(&self, image: &Image) -> Vec<u64> {
        let diffs = &image.config.rootfs.diff_ids;
        let names = diffs.iter().zip(chain_ids(diffs));
        let names = names.map(|(diff, chain)| self.layer_name(diff, &chain));
        names
            .map(|name| name.map_or(0, |n| self.layer_size(&n)))
            .collect()
    }

    /// Sees to it that the layers are there. Those of an image that another
    /// tool has put into the layout are not. One that was taken away since it
    /// was found is not there any more.
    pub fn unpack(&self, image: &Image) -> Result<()> {
        if image.is_unpacked() {
            return Ok(());
        }
        let stage = self.stage()?;
        let parts = image.manifest.layers.iter().chain([&image.manifest.config]);
        let parts = parts.map(|part| &part.digest);
        for digest in parts.chain([&image.target.digest, &image.manifest_digest]) {
            stage.has(digest)?;
        }
        if !Index::load(&self.dir())?.has(&image.target, &image.manifest_digest) {
            return Err(find::unknown(image.id().short()));
        }
        stage.layers(&image.manifest, &image.config)?;
        stage.commit(&[], &image.target, &image.manifest_digest)?;
        Ok(())
    }
}

/// Several names of one image make one entry of a listing.
fn add(all: &mut Vec<Image>, image: Image) {
    let same = |i: &&mut Image| {
        i.target.digest == image.target.digest && i.manifest_digest == image.manifest_digest
    };
    match all.iter_mut().find(same) {
        Some(known) => known.names.extend(image.names),
        None => all.push(image),
    }
}

fn is_of(digest: &Digest, bytes: &[u8]) -> bool {
    let mut hasher = Hasher::new(digest.algorithm());
    hasher.update(bytes);
    hasher.finish() == *digest
}

fn damaged(digest: &Digest) -> Error {
    Error::environment(format!("the blob {digest} is damaged"))
        .hint("remove the image and fetch it again")
}

/// What is not there is as good as gone.
fn gone(done: std::io::Result<()>) -> std::io::Result<()> {
    match done {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
