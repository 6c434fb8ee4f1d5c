//! OCI layouts in an archive: `index.json`, and blobs by their sums.

use serde::Deserialize;

use super::docker;
use super::load::Found;
use super::spool::Spool;
use crate::error::{Error, Result};
use crate::image::manifest::{Content, Descriptor, Document, LARGEST_DOCUMENT};
use crate::image::platform::{self, Platform};
use crate::image::reference::{Digest, Reference};

pub(super) const INDEX: &str = "index.json";
/// What containerd and Docker call an image in full.
pub(super) const FULL_NAME: &str = "io.containerd.image.name";
/// A tag, or a whole name, by whoever wrote it.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An index in an index in an index is nobody's honest image.
const DEEPEST: usize = 3;

#[derive(Deserialize)]
struct Index {
    #[serde(rename = "schemaVersion")]
    version: u32,
    manifests: Vec<Descriptor>,
}

/// The images of a layout, those of several names once for each.
pub(super) fn images(spool: &Spool<'_>, wanted: Option<&Platform>) -> Result<Vec<Found>> {
    let bytes = spool.small(INDEX, LARGEST_DOCUMENT)?;
    let index: Index = serde_json::from_slice(&bytes)
        .map_err(|e| Error::user(format!("{INDEX} in the archive: {e}")))?;
    if index.version != 2 {
        return Err(Error::user(format!(
            "{INDEX} in the archive: not of version 2"
        )));
    }
    let told = docker::names(spool);
    let mut found = Vec::new();
    for entry in &index.manifests {
        let document = document(spool, entry, wanted)?;
        let mut target = entry.clone();
        target.annotations.clear();
        target.platform = None;
        let mut image = Found::new(spool, target, &document, names(entry))?;
        if image.names.is_empty() {
            // Older Dockers name images only in their own list.
            let config = &image.manifest.config.digest;
            image.names = told.get(config).cloned().unwrap_or_default();
        }
        found.push(image);
    }
    Ok(found)
}

/// What an entry is called. A bare tag names no repository.
fn names(entry: &Descriptor) -> Vec<Reference> {
    let full = entry.annotations.get(FULL_NAME);
    let or = entry.annotations.get(REF_NAME);
    let or = or.filter(|name| name.contains([':', '/']));
    let name = full.or(or).and_then(|text| Reference::parse(text).ok());
    name.map(Reference::or_latest).into_iter().collect()
}

/// From an entry to a manifest, through the indexes between. Of several
/// machines' images those count that are there.
fn document(spool: &Spool<'_>, entry: &Descriptor, wanted: Option<&Platform>) -> Result<Document> {
    let mut entry = entry.clone();
    for _ in 0..=DEEPEST {
        let document = read(spool, &entry)?;
        let entries = match document.content()? {
            Content::Manifest(_) => return Ok(document),
            Content::Index(entries) => entries,
        };
        let here: Vec<Descriptor> = (entries.iter())
            .filter(|e| spool.has(&blob_path(&e.digest)))
            .cloned()
            .collect();
        let host = Platform::host();
        let machine = wanted.unwrap_or(&host);
        entry = match (platform::choose(&here, machine), here.as_slice()) {
            (Some(chosen), _) => chosen.clone(),
            // There is no doubt which one is meant.
            (None, [only]) if wanted.is_none() => only.clone(),
            _ => return Err(platform::none_fits(&entries, machine)),
        };
    }
    Err(Error::user("the archive's indexes are nested too deep"))
}

/// Where a layout has a blob.
pub(super) fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// A document, which must be what its name says.
fn read(spool: &Spool<'_>, entry: &Descriptor) -> Result<Document> {
    let path = blob_path(&entry.digest);
    let blob = spool.file(&path)?;
    if blob.digest != entry.digest || blob.size != entry.size {
        return Err(Error::user(format!(
            "{path} in the archive is {}, {} bytes long, and not what it is called",
            blob.digest, blob.size
        ))
        .hint("the archive is damaged: make it again"));
    }
    let bytes = spool.small(&path, LARGEST_DOCUMENT)?;
    Document::read(bytes, Some(&entry.media_type))
}
