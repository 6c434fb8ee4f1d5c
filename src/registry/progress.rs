//! How a transfer tells how far it is. Who shows it is not known here.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::image::reference::Digest;

/// Is told about every blob on its way; from several threads.
pub trait Progress: Sync {
    /// A blob of `size` bytes begins.
    fn start(&self, blob: &Digest, size: u64);
    /// Its next `bytes` are through.
    fn advance(&self, blob: &Digest, bytes: u64);
    /// Nothing more will be heard of it; `how` it ended.
    fn done(&self, blob: &Digest, how: &str);
    /// Something a person may want to know.
    fn message(&self, text: &str);
}

/// Nobody looks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _: &Digest, _: u64) {}
    fn advance(&self, _: &Digest, _: u64) {}
    fn done(&self, _: &Digest, _: &str) {}
    fn message(&self, _: &str) {}
}

/// Who is told about a transfer, and whether it is still wanted.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Is told.
    pub progress: &'a dyn Progress,
    /// Once true, the transfer ends with an error at the next opportunity.
    pub stop: &'a AtomicBool,
}

impl Watch<'_> {
    /// Nobody looks, and nobody stops it.
    pub fn none() -> Watch<'static> {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Watch {
            progress: &Silent,
            stop: &NEVER,
        }
    }

    /// An error if the transfer is not wanted any more.
    pub(crate) fn go_on(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::environment(crate::parallel::STOPPED));
        }
        Ok(())
    }
}
