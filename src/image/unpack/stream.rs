//! A packed layer as a plain archive, with everything checked that can be as
//! it passes: its sum, how much it grows, and that it ends where it should.

use std::io::{self, BufReader, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::image::packing::{Packing, decoded_layer, is_bomb};
use crate::image::reference::{Digest, Hasher};

/// Bytes that are hashed and handed on at once.
const BUFFER: usize = 256 << 10;

/// Counts what comes out of the network or the disk.
pub(super) struct Counted<'a, R> {
    pub(super) inner: R,
    pub(super) count: &'a AtomicU64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.count.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// The plain archive.
pub(super) struct Plain<'a> {
    inner: Box<dyn Read + 'a>,
    packed: &'a AtomicU64,
    /// What is left on the disk for all layers together.
    room: &'a AtomicU64,
    /// None: the sum is taken by somebody else.
    hasher: Option<Hasher>,
    is_bare: bool,
    length: u64,
}

impl<'a> Plain<'a> {
    /// Opens a packed layer whose sum as an archive is to be `diff`.
    pub(super) fn open(
        packed: impl Read + 'a,
        diff: &Digest,
        count: &'a AtomicU64,
        room: &'a AtomicU64,
    ) -> io::Result<Self> {
        let counted = Counted {
            inner: packed,
            count,
        };
        let (packing, inner) = decoded_layer(BufReader::with_capacity(BUFFER, counted))?;
        Ok(Self {
            inner,
            packed: count,
            room,
            hasher: Some(Hasher::new(diff.algorithm())),
            is_bare: packing == Packing::None,
            length: 0,
        })
    }

    /// Leaves the sum to whoever writes the blob, if that one is known to take
    /// it and the blob is not packed: both are of the same bytes.
    pub(super) fn leave_sum(mut self, is_taken: bool) -> Self {
        if is_taken && self.is_bare {
            self.hasher = None;
        }
        self
    }

    /// For reading in small pieces: hashing goes by large ones.
    pub(super) fn buffered(self) -> BufReader<Self> {
        BufReader::with_capacity(BUFFER, self)
    }

    fn check_growth(&self) -> io::Result<()> {
        let packed = self.packed.load(Ordering::Relaxed);
        if is_bomb(packed, self.length) {
            return Err(io::Error::other(
                "it grows more than any honest layer when it is unpacked",
            ));
        }
        Ok(())
    }

    /// The sum must be the one by which the layer is known. Everything has
    /// been read before.
    pub(super) fn finish(self, diff: &Digest) -> Result<()> {
        let Some(hasher) = self.hasher else {
            return Ok(());
        };
        let got = hasher.finish();
        if got == *diff {
            return Ok(());
        }
        Err(Error::environment(format!(
            "its content is not what the image's configuration says: {got}"
        ))
        .hint("the image is spoilt; tell who made it"))
    }
}

impl Read for Plain<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let taken = |room: u64| room.checked_sub(n as u64);
        let (seq, load) = (Ordering::Relaxed, Ordering::Relaxed);
        if self.room.fetch_update(seq, load, taken).is_err() {
            return Err(io::Error::other(
                "the image is larger than what is free on the disk",
            ));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..n]);
        }
        self.length += n as u64;
        self.check_growth()?;
        Ok(n)
    }
}
