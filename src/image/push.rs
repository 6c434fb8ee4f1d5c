//! From the store to a registry: to the byte what is here, so that the image
//! keeps its sums.
//!
//! That takes its time, so the image is kept by a stage's claims, and the lock
//! of the images is free.

use super::Stage;
use super::manifest::{Content, Descriptor, Document};
use super::reference::{Digest, Reference};
use super::store::{Image, Images};
use crate::error::{Error, Result};
use crate::parallel;
use crate::registry::{Client, Progress, Watch};

/// As many blobs are sent at once.
const PUSHES: usize = 4;
/// An index in an index in an index is nobody's honest image.
const DEEPEST: usize = 3;

/// What came of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// What it is known by there.
    pub digest: Digest,
    /// The length of that document.
    pub size: u64,
}

/// Pushes an image under a name. Where not all images of its index are here,
/// only the one that is goes.
pub fn push(
    images: &Images,
    client: &Client,
    image: &Image,
    name: &Reference,
    progress: &dyn Progress,
) -> Result<Pushed> {
    let stage = images.stage()?;
    let mut all = Parts::default();
    let target = if all.add(&stage, &image.target.digest, 0)? {
        image.target.digest.clone()
    } else {
        progress.message("only this machine's image is here; its index is left behind");
        all = Parts::default();
        all.add(&stage, &image.manifest_digest, 0)?;
        image.manifest_digest.clone()
    };
    let others = others(image, name);
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    parallel::each(&all.blobs, PUSHES, |blob, stop| {
        let mut source = images.blob(&blob.digest)?;
        let watch = Watch { progress, stop };
        client
            .push_blob(name, blob, &mut source, &others, watch)
            .map(drop)
    })?;
    for (digest, document) in &all.documents {
        let named = if *digest == target {
            name.clone()
        } else {
            name.with_digest(digest.clone())
        };
        client.push_document(&named, document)?;
    }
    let size = all
        .documents
        .last()
        .map_or(0, |(_, d)| d.bytes.len() as u64);
    Ok(Pushed {
        digest: target,
        size,
    })
}

/// Other repositories on the same registry that have the image's blobs.
fn others(image: &Image, name: &Reference) -> Vec<String> {
    let names = image.names.iter().filter_map(|n| n.reference());
    let same = names.filter(|n| n.domain() == name.domain() && n.path() != name.path());
    let mut paths: Vec<String> = same.map(|n| n.path().to_owned()).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// What a push consists of: blobs, then documents, those that are named by
/// others before those.
#[derive(Default)]
struct Parts {
    blobs: Vec<Descriptor>,
    documents: Vec<(Digest, Document)>,
}

impl Parts {
    /// Adds a document and what it names, all of which stays as long as the
    /// stage does; no if something of it is not here.
    fn add(&mut self, stage: &Stage, digest: &Digest, depth: usize) -> Result<bool> {
        if depth > DEEPEST {
            return Err(Error::environment("its indexes are nested too deep"));
        }
        if !stage.has(digest)? {
            return Ok(false);
        }
        let Ok(document) = stage.images().document(digest) else {
            return Ok(false);
        };
        match document.content()? {
            Content::Manifest(manifest) => {
                for blob in manifest.layers.iter().chain([&manifest.config]) {
                    if !stage.has(&blob.digest)? {
                        return Ok(false);
                    }
                    if !self.blobs.iter().any(|known| known.digest == blob.digest) {
                        self.blobs.push(blob.clone());
                    }
                }
            }
            Content::Index(entries) => {
                for entry in &entries {
                    if !self.add(stage, &entry.digest, depth + 1)? {
                        return Ok(false);
                    }
                }
            }
        }
        self.documents.push((digest.clone(), document));
        Ok(true)
    }
}
