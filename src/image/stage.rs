//! Where an image is put together before anybody can see it.
//!
//! Whatever brings an image (a pull, an archive, a container's changes) fills
//! a stage with its blobs, has its layers unpacked, and commits. What the
//! store has already need not be brought again: the stage keeps it from being
//! taken away. A stage that is dropped, or whose maker dies, leaves nothing.

use std::io::{self, Write};
use std::sync::atomic::AtomicBool;

use super::ImageConfig;
use super::manifest::{Descriptor, Manifest};
use super::reference::{Digest, Reference};
use super::store::Image;
use crate::error::Result;

/// A place for one image on its way here. Threads may share it.
#[derive(Debug)]
pub struct Stage(());

/// Brings the bytes of a blob; ends early once the flag is set.
pub type Fetch<'a> = dyn Fn(&Descriptor, &mut dyn Write, &AtomicBool) -> Result<()> + Sync + 'a;

impl Stage {
    /// Whether a blob is here or in the store. If so, it stays until this
    /// stage is gone.
    pub fn has(&self, _digest: &Digest) -> Result<bool> {
        unimplemented!("next commit")
    }

    /// Writes a blob that is known by its sum.
    pub fn blob(&self, _expected: &Descriptor) -> Result<BlobWriter> {
        unimplemented!("next commit")
    }

    /// Writes a blob whose sum is found by writing it.
    pub fn fresh_blob(&self, _media_type: &str) -> Result<BlobWriter> {
        unimplemented!("next commit")
    }

    /// Writes a small blob.
    pub fn bytes(&self, _media_type: &str, _bytes: &[u8]) -> Result<Descriptor> {
        unimplemented!("next commit")
    }

    /// Unpacks those layers of an image that are not here yet. All their
    /// blobs are there already.
    pub fn layers(&self, _manifest: &Manifest, _config: &ImageConfig) -> Result<()> {
        unimplemented!("next commit")
    }

    /// The same for blobs that are still to come: `fetch` is called for each
    /// that is missing, several at once, and unpacking begins with the first
    /// bytes.
    pub fn fetch_layers(
        &self,
        _manifest: &Manifest,
        _config: &ImageConfig,
        _fetch: &Fetch<'_>,
    ) -> Result<()> {
        unimplemented!("next commit")
    }

    /// Makes the image visible, under these names or none. `target` is its
    /// outermost document, `manifest` the one within for its machine.
    pub fn commit(
        self,
        _names: &[Reference],
        _target: &Descriptor,
        _manifest: &Digest,
    ) -> Result<Image> {
        unimplemented!("next commit")
    }
}

/// A blob on its way into a stage.
#[derive(Debug)]
pub struct BlobWriter(());

impl Write for BlobWriter {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        unimplemented!("next commit")
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BlobWriter {
    /// Checks that all of it has come, and keeps it.
    pub fn finish(self) -> Result<Descriptor> {
        unimplemented!("next commit")
    }
}
