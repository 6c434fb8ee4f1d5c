//! New images, made here: a layer on top of an image or of nothing.

use std::io::Write;

use super::config::{History, OCI_CONFIG};
use super::manifest::{Descriptor, Document, Manifest};
use super::platform::Platform;
use super::reference::Reference;
use super::{Image, ImageConfig, Images};
use crate::container::Timestamp;
use crate::error::{Error, Result};

/// A layer as it is written here: not packed, because packing it costs more
/// time than everything else, and the disk has its files once more anyway.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// What is to become an image.
pub struct New<'a> {
    /// What it stands on.
    pub base: Option<&'a Image>,
    /// How it wants to be run; of what it is made is filled in.
    pub config: ImageConfig,
    /// How the layer came to be.
    pub step: History,
    /// What it is called.
    pub names: &'a [Reference],
}

impl New<'_> {
    /// Makes the image; `write` writes the new layer, an archive.
    pub fn make(
        self,
        images: &Images,
        write: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<Image> {
        let stage = images.stage()?;
        let mut layers = Vec::new();
        let mut config = self.config;
        if let Some(base) = self.base {
            for layer in &base.manifest.layers {
                if !stage.has(&layer.digest)? {
                    return Err(
                        Error::user("the image it was made from is not here any more")
                            .hint("pull it again, or use `rcon export` and `rcon import`"),
                    );
                }
                layers.push(as_oci(layer)?);
            }
            config.rootfs.clone_from(&base.config.rootfs);
        }
        let mut blob = stage.fresh_blob(OCI_LAYER)?;
        write(&mut blob)?;
        let layer = blob.finish()?;
        config.rootfs.diff_ids.push(layer.digest.clone());
        layers.push(layer);
        config.created.clone_from(&self.step.created);
        config.history.push(self.step);
        let manifest = Manifest {
            config: stage.bytes(OCI_CONFIG, &config.to_bytes()?)?,
            layers,
        };
        let document = Document::of_manifest(&manifest)?;
        let target = stage.bytes(&document.media_type, &document.bytes)?;
        stage.layers(&manifest, &config)?;
        stage.commit(self.names, &target, &document.digest)
    }
}

/// Docker's layers are OCI's under another name; a manifest of the one kind
/// does not list the other's.
pub fn as_oci(layer: &Descriptor) -> Result<Descriptor> {
    let kinds = [
        ("gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
        ("zstd", "application/vnd.oci.image.layer.v1.tar+zstd"),
        ("tar", OCI_LAYER),
    ];
    let kind = kinds
        .iter()
        .find(|(end, _)| layer.media_type.ends_with(end));
    let (_, media_type) = kind
        .ok_or_else(|| Error::environment(format!("a layer of the kind {:?}", layer.media_type)))?;
    Ok(Descriptor::new(
        media_type,
        layer.size,
        layer.digest.clone(),
    ))
}

/// The configuration of an image that stands on nothing.
pub fn empty_config(platform: Option<Platform>) -> ImageConfig {
    let platform = platform.unwrap_or_else(Platform::host);
    ImageConfig {
        architecture: platform.architecture,
        variant: platform.variant,
        os: platform.os,
        ..ImageConfig::default()
    }
}

/// When an image is said to have been made: now, unless `SOURCE_DATE_EPOCH`
/// asks for the same image every time.
pub fn moment() -> Result<Timestamp> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else {
        return Ok(Timestamp::now());
    };
    let seconds = text.to_str().and_then(|t| t.trim().parse::<u64>().ok());
    let time =
        seconds.and_then(|s| std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(s)));
    time.map(Timestamp::from).ok_or_else(|| {
        Error::user(format!("SOURCE_DATE_EPOCH is {text:?}")).hint("a number of seconds since 1970")
    })
}
