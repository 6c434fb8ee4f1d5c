//! A blob that one thread writes and another already reads.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::Work;
use crate::error::Result;
use crate::image::stage::{BlobWriter, Fetch};

/// How far a blob is.
#[derive(Debug, Default)]
pub(super) struct Blob {
    /// What it can be read from while it comes, at any place; nothing yet: it
    /// has not begun, or need not come.
    file: Option<Arc<File>>,
    length: u64,
    whole: bool,
}

/// Writes a blob and tells how far it is.
struct Tell<'a, 'b> {
    work: &'a Work<'a>,
    at: usize,
    writer: BlobWriter<'b>,
}

impl Write for Tell<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.writer.write(bytes)?;
        let work = self.work;
        work.change(|state| state.blobs[self.at].length += n as u64);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Work<'_> {
    /// Brings one layer's blob, if it is not here.
    pub(super) fn fetch(&self, at: usize, fetch: &Fetch<'_>) -> Result<()> {
        let layer = &self.layers[at];
        if layer.first_blob != at {
            return Ok(());
        }
        if self.stage.has(&layer.blob.digest)? {
            self.change(|state| state.blobs[at].whole = true);
            return Ok(());
        }
        let writer = self.stage.blob(&layer.blob)?;
        let reader = Arc::new(writer.reader()?);
        self.change(|state| state.blobs[at].file = Some(reader));
        let mut tell = Tell {
            work: self,
            at,
            writer,
        };
        fetch(&layer.blob, &mut tell, &self.stop)?;
        tell.writer.finish()?;
        self.change(|state| {
            let blob = &mut state.blobs[at];
            blob.whole = true;
            // The stage has it from here on.
            blob.file = None;
        });
        Ok(())
    }

    /// Reads a blob, also while it comes.
    pub(super) fn follow(&self, at: usize) -> Result<Follow<'_>> {
        let at = self.layers[at].first_blob;
        let comes = self.wait(|state| {
            let blob = &state.blobs[at];
            (blob.whole || blob.file.is_some()).then(|| blob.file.clone())
        })?;
        let digest = &self.layers[at].blob.digest;
        let summed = comes.is_some() || !self.stage.in_store(digest);
        let file = match comes {
            Some(file) => file,
            None => Arc::new(self.stage.open(digest)?),
        };
        Ok(Follow {
            work: self,
            at,
            file,
            position: 0,
            summed,
        })
    }

    /// Waits until all of a blob has come and its sum was right.
    pub(super) fn wait_for_blob(&self, at: usize) -> Result<()> {
        let at = self.layers[at].first_blob;
        self.wait(|state| state.blobs[at].whole.then_some(()))
    }
}

/// Reads right behind the writer.
pub(super) struct Follow<'a> {
    work: &'a Work<'a>,
    at: usize,
    file: Arc<File>,
    position: u64,
    /// Whoever writes it takes its sum, or has: one that was in the store
    /// before may have come there by another tool.
    pub(super) summed: bool,
}

impl Read for Follow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let there = self.work.wait(|state| {
            let blob = &state.blobs[self.at];
            (blob.whole || blob.length > self.position).then_some((blob.whole, blob.length))
        });
        let (whole, length) = there.map_err(io::Error::other)?;
        let most = if whole {
            buffer.len()
        } else {
            buffer.len().min((length - self.position) as usize)
        };
        let n = self.file.read_at(&mut buffer[..most], self.position)?;
        self.position += n as u64;
        Ok(n)
    }
}
