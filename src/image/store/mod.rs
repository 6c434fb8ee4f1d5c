//! The images that are here.

mod image;

pub use image::{Image, Name};

use std::fs::File;

use super::Stage;
use super::reference::{Digest, Reference};
use crate::error::Result;
use crate::store::Store;

/// The images that are here.
#[derive(Debug, Clone)]
pub struct Images {
    store: Store,
}

/// While it is held, nothing is taken away.
#[derive(Debug)]
pub struct Guard(());

/// What was taken away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removed {
    /// Names that no image has any more.
    pub untagged: Vec<String>,
    /// Ids of images, and diff ids of layers.
    pub deleted: Vec<Digest>,
    /// Bytes that are free again.
    pub bytes: u64,
}

impl Images {
    /// Those of this store. Nothing is made before something is written.
    pub fn open(store: &Store) -> Result<Self> {
        Ok(Self {
            store: store.clone(),
        })
    }

    /// All images, the newest first; one per document and manifest. What is
    /// damaged is told on standard error and does not hide the others.
    pub fn list(&self) -> Result<Vec<Image>> {
        unimplemented!("next commit")
    }

    /// The image that a name, a digest, an id or the beginning of one means.
    pub fn find(&self, _wanted: &str) -> Result<Image> {
        unimplemented!("next commit")
    }

    /// Keeps what is found from being taken away meanwhile.
    pub fn share(&self) -> Result<Guard> {
        unimplemented!("next commit")
    }

    /// A place for what is about to come here.
    pub fn stage(&self) -> Result<Stage> {
        unimplemented!("next commit")
    }

    /// Gives an image a further name; whichever had that name loses it.
    pub fn tag(&self, _image: &Image, _name: &Reference) -> Result<()> {
        unimplemented!("next commit")
    }

    /// A blob, to read.
    pub fn blob(&self, _digest: &Digest) -> Result<File> {
        unimplemented!("next commit")
    }

    /// The store they are in.
    pub fn store(&self) -> &Store {
        &self.store
    }
}
