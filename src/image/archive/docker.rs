//! Docker's own archives: `manifest.json`, which names a configuration and
//! layers by their paths.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::load::Found;
use super::spool::Spool;
use crate::error::{Error, Result};
use crate::image::ImageConfig;
use crate::image::config::OCI_CONFIG;
use crate::image::manifest::{Descriptor, Document, LARGEST_CONFIG, LARGEST_DOCUMENT, Manifest};
use crate::image::reference::{Digest, Reference};

pub(super) const MANIFEST: &str = "manifest.json";

/// What Docker writes about an image.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    pub(super) config: String,
    #[serde(default)]
    pub(super) repo_tags: Option<Vec<String>>,
    #[serde(default)]
    pub(super) layers: Option<Vec<String>>,
}

fn listed(spool: &Spool<'_>) -> Result<Vec<Listed>> {
    let bytes = spool.small(MANIFEST, LARGEST_DOCUMENT)?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Error::user(format!("{MANIFEST} in the archive: {e}")))
}

/// The names of images, by their configurations.
pub(super) fn names(spool: &Spool<'_>) -> BTreeMap<Digest, Vec<Reference>> {
    let mut all = BTreeMap::new();
    // Where there is no such list, the archive has its names elsewhere.
    for image in listed(spool).unwrap_or_default() {
        if let Ok(config) = spool.file(&image.config) {
            all.insert(config.digest.clone(), references(&image));
        }
    }
    all
}

fn references(image: &Listed) -> Vec<Reference> {
    let tags = image.repo_tags.iter().flatten();
    tags.filter_map(|tag| Reference::parse(tag).ok())
        .map(Reference::or_latest)
        .collect()
}

/// The images, each with a manifest that is made for it here.
pub(super) fn images(spool: &Spool<'_>) -> Result<Vec<Found>> {
    listed(spool)?
        .iter()
        .map(|image| one(spool, image))
        .collect()
}

fn one(spool: &Spool<'_>, image: &Listed) -> Result<Found> {
    let config = spool.file(&image.config)?;
    let config = Descriptor::new(OCI_CONFIG, config.size, config.digest);
    let layers = image.layers.as_deref().unwrap_or_default();
    let diffs = diff_ids(spool, &image.config)?;
    let layers = layers.iter().enumerate();
    let layers = layers.map(|(at, path)| spool.layer(path, diffs.get(at)));
    let manifest = Manifest {
        config,
        layers: layers.collect::<Result<_>>()?,
    };
    let document = Document::of_manifest(&manifest)?;
    let target = spool.stage.bytes(&document.media_type, &document.bytes)?;
    Found::new(spool, target, &document, references(image))
}

/// What the layers are to be, unpacked.
fn diff_ids(spool: &Spool<'_>, config: &str) -> Result<Vec<Digest>> {
    let bytes = spool.small(config, LARGEST_CONFIG)?;
    Ok(ImageConfig::parse(&bytes)?.rootfs.diff_ids)
}
