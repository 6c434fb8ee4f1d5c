//! One image, as it is kept.

use std::fmt;

use crate::container::ImageDefaults;
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

impl Name {
    /// As it stands in the index. Only a name with a host and a tag or digest
    /// is a full one: a bare `latest` is some tool's tag, not an image of
    /// Docker Hub's.
    pub(super) fn read(text: &str) -> Self {
        match Reference::parse(text) {
            Ok(reference) if reference.full() == text => Self::Full(reference),
            _ => Self::Plain(text.to_owned()),
        }
    }

    pub(super) fn stored(&self) -> String {
        match self {
            Self::Full(reference) => reference.full(),
            Self::Plain(text) => text.clone(),
        }
    }

    /// The name as rcon knows names.
    pub fn reference(&self) -> Option<&Reference> {
        match self {
            Self::Full(reference) => Some(reference),
            Self::Plain(_) => None,
        }
    }
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
    pub(super) layers: Vec<String>,
    /// See [`Image::is_unpacked`].
    pub(super) unpacked: bool,
    /// See [`Image::size`].
    pub(super) size: u64,
}

impl Image {
    /// Its id: the sum of its configuration.
    pub fn id(&self) -> &Digest {
        &self.config_digest
    }

    /// The names of its unpacked layers, the uppermost first, none twice:
    /// overlayfs refuses that. Of equal ones the uppermost counts; all it has
    /// to say hides or equals what the lower one says.
    pub fn layers(&self) -> &[String] {
        &self.layers
    }

    /// Whether all layers are there. Those of an image that another tool put
    /// into the layout are not: see [`super::Images::unpack`].
    pub fn is_unpacked(&self) -> bool {
        self.unpacked
    }

    /// How it wants to be run.
    pub fn defaults(&self) -> ImageDefaults {
        self.config.defaults()
    }

    /// The bytes of the files in its layers; while they are not unpacked, of
    /// the layers as they are packed.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// `name@sha256:…`, for each of its repositories.
    pub fn digests(&self) -> Vec<Reference> {
        let names = self.names.iter().filter_map(Name::reference);
        let mut all: Vec<Reference> = names
            .map(|name| name.repository().with_digest(self.target.digest.clone()))
            .collect();
        all.sort();
        all.dedup();
        all
    }

    /// What it is called, if anything with a tag.
    pub fn tags(&self) -> Vec<&Name> {
        let tagged = |name: &&Name| name.reference().is_none_or(|r| r.digest().is_none());
        self.names.iter().filter(tagged).collect()
    }

    /// Whether these are the same image, however it is packed.
    pub fn is_same(&self, other: &Self) -> bool {
        self.config_digest == other.config_digest
    }
}
