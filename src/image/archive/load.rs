//! Reads an archive of images: which there are, and their parts into the store.

use std::fs::File;
use std::io::Write;
use std::sync::atomic::AtomicBool;

use super::spool::{Source, Spool};
use super::{docker, oci};
use crate::error::{Error, Result};
use crate::image::manifest::{Content, Descriptor, Document, LARGEST_CONFIG, Manifest};
use crate::image::platform::Platform;
use crate::image::reference::{Digest, Reference};
use crate::image::{Image, ImageConfig, Images, Stage};
use crate::say;

/// An image that has come.
#[derive(Debug)]
pub struct Loaded {
    /// As it is here now.
    pub image: Image,
    /// The names that the archive gave it.
    pub names: Vec<Reference>,
}

/// Takes all images of an archive, or those for one kind of machine.
pub fn load(images: &Images, input: &File, wanted: Option<&Platform>) -> Result<Vec<Loaded>> {
    let stage = images.stage()?;
    let spool = Spool::fill(&stage, input)?;
    let found = if spool.has(oci::INDEX) {
        oci::images(&spool, wanted)?
    } else if spool.has(docker::MANIFEST) {
        docker::images(&spool)?
    } else {
        return Err(Error::user("the archive holds no images")
            .hint("a root file system becomes an image with `rcon import`"));
    };
    let fits = |f: &&Found| wanted.is_none_or(|w| w.fit(&f.config.platform()).is_some());
    let chosen: Vec<&Found> = found.iter().filter(fits).collect();
    if let (Some(wanted), true) = (wanted, chosen.is_empty()) {
        return Err(Error::user(format!(
            "the archive has no image for {wanted}"
        )));
    }
    let source = spool.source();
    let keep = |found| keep(&stage, &source, found);
    chosen.into_iter().map(keep).collect()
}

fn keep(stage: &Stage, source: &Source<'_>, found: &Found) -> Result<Loaded> {
    let fetch =
        |blob: &Descriptor, out: &mut dyn Write, stop: &AtomicBool| source.fetch(blob, out, stop);
    stage.fetch_layers(&found.manifest, &found.config, &fetch)?;
    let image = stage.commit(&found.names, &found.target, &found.digest)?;
    Ok(Loaded {
        image,
        names: found.names.clone(),
    })
}

/// An image in the archive, all of whose parts are in the stage or can be
/// fetched into it.
pub(super) struct Found {
    /// The outermost document.
    pub(super) target: Descriptor,
    /// The manifest within.
    pub(super) digest: Digest,
    pub(super) manifest: Manifest,
    pub(super) config: ImageConfig,
    pub(super) names: Vec<Reference>,
}

impl Found {
    /// The image of a manifest, if nothing of it is missing.
    pub(super) fn new(
        spool: &Spool<'_>,
        target: Descriptor,
        document: &Document,
        names: Vec<Reference>,
    ) -> Result<Self> {
        let Content::Manifest(manifest) = document.content()? else {
            return Err(Error::environment("an index where a manifest should be"));
        };
        spool.provide(&manifest)?;
        let config = spool.stage.small(&manifest.config.digest, LARGEST_CONFIG)?;
        let own = [&target.digest, &document.digest];
        let names = names.into_iter().filter_map(|name| honest(name, own));
        Ok(Self {
            names: names.collect(),
            digest: document.digest.clone(),
            config: ImageConfig::parse(&config)?,
            target,
            manifest,
        })
    }
}

/// A name as the image may have it. One with a digest is a claim about what is
/// in the image, and only the image can prove it.
fn honest(name: Reference, own: [&Digest; 2]) -> Option<Reference> {
    let Some(digest) = name.digest() else {
        return Some(name);
    };
    if own.contains(&digest) {
        return Some(name.with_digest(digest.clone()));
    }
    say::warning(format_args!(
        "the archive calls an image {name}, which it is not: its digest is {}",
        own[0]
    ));
    None
}
