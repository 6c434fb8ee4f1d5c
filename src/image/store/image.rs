//! One image, as it is kept.

use std::fmt;

use crate::container::ImageDefaults;
use crate::error::Result;
use crate::image::ImageConfig;
use crate::image::manifest::{Descriptor, Manifest};
use crate::image::reference::{Digest, Reference};

/// What an image is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// As rcon writes it.
    Full(Reference),
    /// A word that another tool has written into the layout.
    Plain(String),
}

impl fmt::Display for Name {
    /// As people write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(reference) => f.write_str(&reference.familiar()),
            Self::Plain(text) => f.write_str(text),
        }
    }
}

/// One image, for one machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// What it is called; nothing: dangling.
    pub names: Vec<Name>,
    /// The outermost document: an index, or the manifest itself.
    pub target: Descriptor,
    /// The manifest within, for the machine it was fetched for.
    pub manifest_digest: Digest,
    /// What that says.
    pub manifest: Manifest,
    /// The sum of its configuration, which is its id.
    pub config_digest: Digest,
    /// What that says.
    pub config: ImageConfig,
    /// See [`Image::layers`].
    pub(crate) layers: Vec<String>,
    /// See [`Image::size`].
    pub(crate) size: u64,
}

impl Image {
    /// Its id: the sum of its configuration.
    pub fn id(&self) -> &Digest {
        &self.config_digest
    }

    /// The names of its unpacked layers, the uppermost first, none twice.
    pub fn layers(&self) -> &[String] {
        &self.layers
    }

    /// How it wants to be run.
    pub fn defaults(&self) -> ImageDefaults {
        self.config.defaults()
    }

    /// The bytes of the files in its layers.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// `name@sha256:…`, for each name.
    pub fn digests(&self) -> Result<Vec<Reference>> {
        unimplemented!("next commit")
    }
}
