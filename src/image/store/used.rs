//! What is in use: by an image that has an entry, by a container, or by
//! something that is just being put together.
//!
//! Lenient where [`crate::image::manifest`] is strict: a document that is not
//! understood still keeps what it names.

use std::collections::HashSet;
use std::io::ErrorKind;

use serde_json::Value;

use super::change::Candidates;
use super::index::Index;
use super::{DEEPEST, Images, is_of, place};
use crate::error::Result;
use crate::image::ImageConfig;
use crate::image::kept;
use crate::image::manifest::{LARGEST_CONFIG, LARGEST_DOCUMENT};
use crate::image::reference::Digest;
use crate::image::unpack::chain_ids;

/// What must stay.
#[derive(Debug, Default)]
pub(super) struct Used {
    blobs: HashSet<Digest>,
    layers: HashSet<String>,
    /// A record could not be read: nobody knows which layers it needs.
    unclear: bool,
}

impl Used {
    /// Looks everywhere. The exclusive lock is held meanwhile.
    pub(super) fn find(images: &Images, index: &Index) -> Result<Self> {
        let mut used = Self::default();
        for record in index.records() {
            used.document(images, &record.target.digest, 0)?;
        }
        for entry in images.store.all()? {
            match entry.config() {
                Ok(config) => used.layers.extend(config.layers().cloned()),
                Err(_) => used.unclear = entry.exists() || used.unclear,
            }
        }
        for kept in kept::all(images)? {
            used.blobs.extend(kept.blobs);
            used.layers.extend(kept.layers);
        }
        for claim in place::claims(images)? {
            match claim {
                place::Claim::Blob(digest) => drop(used.blobs.insert(digest)),
                place::Claim::Layer(name) => drop(used.layers.insert(name)),
            }
        }
        Ok(used)
    }

    /// All that one document leads to.
    pub(super) fn by(images: &Images, document: &Digest) -> Result<Candidates> {
        let mut used = Self::default();
        used.document(images, document, 0)?;
        Ok(Candidates {
            blobs: used.blobs.into_iter().collect(),
            layers: used.layers.into_iter().collect(),
        })
    }

    pub(super) fn has_blob(&self, digest: &Digest) -> bool {
        self.blobs.contains(digest)
    }

    pub(super) fn has_layer(&self, name: &str) -> bool {
        self.unclear || self.layers.contains(name)
    }

    fn document(&mut self, images: &Images, digest: &Digest, depth: usize) -> Result<()> {
        if !self.blobs.insert(digest.clone()) || depth > DEEPEST + 1 {
            return Ok(());
        }
        let value = json(images, digest, LARGEST_DOCUMENT)?.unwrap_or_default();
        for entry in list(&value, "manifests") {
            self.document(images, &entry, depth + 1)?;
        }
        for name in ["layers", "blobs"] {
            self.blobs.extend(list(&value, name));
        }
        if let Some(config) = digest_of(&value["config"]) {
            self.config(images, config)?;
        }
        Ok(())
    }

    fn config(&mut self, images: &Images, digest: Digest) -> Result<()> {
        let bytes = whole(images, &digest, LARGEST_CONFIG)?;
        self.blobs.insert(digest);
        let Some(config) = bytes.and_then(|b| ImageConfig::parse(&b).ok()) else {
            return Ok(());
        };
        let diffs = &config.rootfs.diff_ids;
        for (diff, chain) in diffs.iter().zip(chain_ids(diffs)) {
            self.layers.insert(diff.hex().to_owned());
            self.layers.insert(format!("chain-{}", chain.hex()));
        }
        Ok(())
    }
}

/// A blob that is there, and what it should be. One that cannot be read just
/// now (for want of descriptors or memory, or of a disk that works) could name
/// what would be taken away for it: that is an error, and nothing is.
fn whole(images: &Images, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>> {
    match images.blob_path(digest).symlink_metadata() {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Ok(meta) if !meta.is_file() => return Ok(None),
        _ => {}
    }
    let bytes = images.blob_bytes(digest, limit)?;
    let fits = bytes.len() as u64 <= limit && is_of(digest, &bytes);
    Ok(fits.then_some(bytes))
}

fn json(images: &Images, digest: &Digest, limit: u64) -> Result<Option<Value>> {
    let bytes = whole(images, digest, limit)?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

fn list(document: &Value, name: &str) -> Vec<Digest> {
    let entries = document[name].as_array().into_iter().flatten();
    entries.filter_map(digest_of).collect()
}

fn digest_of(descriptor: &Value) -> Option<Digest> {
    Digest::parse(descriptor["digest"].as_str()?).ok()
}
