//! From a registry to the store.

use std::fmt;
use std::io::Write;
use std::sync::atomic::AtomicBool;

use super::manifest::{Descriptor, LARGEST_CONFIG};
use super::platform::Platform;
use super::reference::{Digest, Reference};
use super::store::{Image, Images, Name};
use super::{ImageConfig, Stage};
use crate::error::{Context, Error, Result};
use crate::registry::{Client, Progress, Resolved, Watch};

/// What came of a pull.
#[derive(Debug, Clone, PartialEq)]
pub struct Pulled {
    /// The image, as it is here now.
    pub image: Image,
    /// The sum of its outermost document.
    pub digest: Digest,
    /// It was here already.
    pub known: bool,
}

/// Fetches an image. `platform` is the machine somebody asked for; else it is
/// this one. All threads have ended when this returns.
pub fn pull(
    images: &Images,
    client: &Client,
    reference: &Reference,
    platform: Option<&Platform>,
    progress: &dyn Progress,
) -> Result<Pulled> {
    let reference = reference.clone().or_latest();
    // What is asked for by its sum is kept by its sum: the tag beside it may
    // be another image's by now.
    let name = match reference.digest() {
        Some(digest) => reference.with_digest(digest.clone()),
        None => reference.clone(),
    };
    let wanted = platform.cloned().unwrap_or_else(Platform::host);
    let resolved = client.resolve(&reference, &wanted)?;
    let digest = resolved.digest().clone();
    if let Some(image) = known(images, &name, &resolved)? {
        check_platform(&name, &image.config, platform, progress)?;
        return Ok(Pulled {
            image,
            digest,
            known: true,
        });
    }
    let stage = images.stage()?;
    let from = From {
        client,
        reference: &name,
        progress,
    };
    let config = from.config(&stage, &resolved)?;
    check_platform(&name, &config, platform, progress)?;
    from.layers(&stage, &resolved, &config)?;
    let target = documents(&stage, &resolved)?;
    let image = stage.commit(&[name], &target, &resolved.document.digest)?;
    Ok(Pulled {
        image,
        digest,
        known: false,
    })
}

/// The image, if it is here and is called so.
fn known(images: &Images, name: &Reference, resolved: &Resolved) -> Result<Option<Image>> {
    let full = Name::Full(name.clone());
    let is = |image: &Image| {
        image.names.contains(&full)
            && image.target.digest == *resolved.digest()
            && image.manifest_digest == resolved.document.digest
            && image.is_unpacked()
    };
    Ok(images.list()?.into_iter().find(is))
}

/// Keeps the documents; the outermost is the last.
fn documents(stage: &Stage, resolved: &Resolved) -> Result<Descriptor> {
    let inwards = resolved.indexes.iter().chain([&resolved.document]);
    let mut target = resolved.document.descriptor();
    for document in inwards.rev() {
        target = stage.bytes(&document.media_type, &document.bytes)?;
    }
    Ok(target)
}

/// Where an image comes from, and who is told about it.
struct From<'a> {
    client: &'a Client,
    reference: &'a Reference,
    progress: &'a dyn Progress,
}

impl From<'_> {
    fn config(&self, stage: &Stage, resolved: &Resolved) -> Result<ImageConfig> {
        let blob = &resolved.manifest.config;
        let bytes = if stage.has(&blob.digest)? {
            stage.small(&blob.digest, LARGEST_CONFIG)?
        } else {
            let fetched = self
                .client
                .fetch_bytes(self.reference, blob, LARGEST_CONFIG)?;
            let mut writer = stage.blob(blob)?;
            writer
                .write_all(&fetched)
                .context(|| "cannot write to the store of images")?;
            writer.finish()?;
            fetched
        };
        ImageConfig::parse(&bytes).map_err(|e| e.context(self.reference))
    }

    fn layers(&self, stage: &Stage, resolved: &Resolved, config: &ImageConfig) -> Result<()> {
        for layer in &resolved.manifest.layers {
            if stage.has(&layer.digest)? {
                self.progress.start(&layer.digest, layer.size);
                self.progress.done(&layer.digest, "already here");
            }
        }
        let fetch = |blob: &Descriptor, sink: &mut dyn Write, stop: &AtomicBool| {
            let watch = Watch {
                progress: self.progress,
                stop,
            };
            self.client
                .fetch_unsummed(self.reference, blob, sink, watch)
        };
        stage
            .fetch_layers(&resolved.manifest, config, &fetch)
            .map_err(|e| {
                // Who fetches has said it already.
                let named = e.what().starts_with(&self.reference.to_string());
                if named { e } else { e.context(self.reference) }
            })
    }
}

/// Said where the image that is found is for another kind of machine than the
/// one somebody asked for.
pub fn other_platform(name: impl fmt::Display, wanted: &Platform, is: &Platform) -> Error {
    Error::user(format!(
        "image with reference {name} was found but does not match the specified platform: \
         wanted {wanted}, actual: {is}"
    ))
    .hint("leave out --platform, or choose another image")
}

/// An image for another kind of machine is only wanted if somebody said so.
fn check_platform(
    name: &Reference,
    config: &ImageConfig,
    asked: Option<&Platform>,
    progress: &dyn Progress,
) -> Result<()> {
    let is = config.platform();
    if is.os != "linux" {
        return Err(Error::user(format!(
            "{name}: an image for the operating system {:?} cannot be used here",
            is.os
        )));
    }
    match asked {
        Some(asked) if asked.fit(&is).is_none() => Err(other_platform(name, asked, &is)),
        None if Platform::host().fit(&is).is_none() => {
            progress.message(&format!(
                "warning: {name} is for {is}, and this machine is {}",
                Platform::host()
            ));
            Ok(())
        }
        _ => Ok(()),
    }
}
