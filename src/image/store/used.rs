//! What is in use: by an image that has an entry, by a container, or by
//! something that is just being put together.
//!
//! Lenient where [`crate::image::manifest`] is strict: a document that is not
//! understood still keeps what it names.

use std::collections::HashSet;

use serde_json::Value;

use super::change::Candidates;
use super::index::Index;
use super::{DEEPEST, Images, place};
use crate::error::Result;
use crate::image::ImageConfig;
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
            used.document(images, &record.target.digest, 0);
        }
        for entry in images.store.all()? {
            match entry.config() {
                Ok(config) => used.layers.extend(config.layers().cloned()),
                Err(_) => used.unclear = entry.exists() || used.unclear,
            }
        }
        for kept in images.kept() {
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
    pub(super) fn by(images: &Images, document: &Digest) -> Candidates {
        let mut used = Self::default();
        used.document(images, document, 0);
        Candidates {
            blobs: used.blobs.into_iter().collect(),
            layers: used.layers.into_iter().collect(),
        }
    }

    pub(super) fn has_blob(&self, digest: &Digest) -> bool {
        self.blobs.contains(digest)
    }

    pub(super) fn has_layer(&self, name: &str) -> bool {
        self.unclear || self.layers.contains(name)
    }

    fn document(&mut self, images: &Images, digest: &Digest, depth: usize) {
        if !self.blobs.insert(digest.clone()) || depth > DEEPEST + 1 {
            return;
        }
        let Ok(bytes) = images.small_blob(digest, LARGEST_DOCUMENT) else {
            return;
        };
        let Ok(value) = serde_json::from_slice::<Value>(&bytes) else {
            return;
        };
        for entry in list(&value, "manifests") {
            self.document(images, &entry, depth + 1);
        }
        for name in ["layers", "blobs"] {
            self.blobs.extend(list(&value, name));
        }
        if let Some(config) = digest_of(&value["config"]) {
            self.config(images, config);
        }
    }

    fn config(&mut self, images: &Images, digest: Digest) {
        let bytes = images.small_blob(&digest, LARGEST_CONFIG);
        self.blobs.insert(digest);
        let Some(config) = bytes.ok().and_then(|b| ImageConfig::parse(&b).ok()) else {
            return;
        };
        let diffs = &config.rootfs.diff_ids;
        for (diff, chain) in diffs.iter().zip(chain_ids(diffs)) {
            self.layers.insert(diff.hex().to_owned());
            self.layers.insert(format!("chain-{}", chain.hex()));
        }
    }
}

fn list(document: &Value, name: &str) -> Vec<Digest> {
    let entries = document[name].as_array().into_iter().flatten();
    entries.filter_map(digest_of).collect()
}

fn digest_of(descriptor: &Value) -> Option<Digest> {
    Digest::parse(descriptor["digest"].as_str()?).ok()
}
