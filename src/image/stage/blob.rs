//! A blob as it is written: measured, summed, and kept once it is what was
//! expected. Where it is kept, and with what, is the stage's business.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::{CANNOT, Stage, held};
use crate::archive::Room;
use crate::error::{Context, Error, Result};
use crate::image::SummedFile;
use crate::image::manifest::Descriptor;
use crate::image::reference::{Algorithm, Digest};

/// A blob on its way into a stage.
#[derive(Debug)]
pub struct BlobWriter<'a> {
    stage: &'a Stage,
    media_type: String,
    expected: Option<(Digest, u64)>,
    file: SummedFile,
    path: PathBuf,
    room: Room,
}

impl<'a> BlobWriter<'a> {
    pub(super) fn new(
        stage: &'a Stage,
        media_type: &str,
        expected: Option<&Descriptor>,
    ) -> Result<Self> {
        if let Some(expected) = expected {
            let named = |e: Error| e.context(format!("the blob {}", expected.digest));
            stage.check_room(expected.size).map_err(named)?;
        }
        let number = stage.next_part();
        let path = stage.place.dir().join(format!("{number}.part"));
        let mut options = File::options();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(&path);
        let algorithm = expected.map_or(Algorithm::Sha256, |d| d.digest.algorithm());
        Ok(Self {
            stage,
            media_type: media_type.to_owned(),
            expected: expected.map(|d| (d.digest.clone(), d.size)),
            file: SummedFile::new(file.context(|| CANNOT)?, algorithm),
            path,
            room: Room::default(),
        })
    }

    /// For reading its bytes while they come. Whoever has it is not surprised
    /// when the blob turns out to be another, and is removed.
    pub(in crate::image) fn reader(&self) -> Result<File> {
        self.file.file().try_clone().context(|| CANNOT)
    }

    /// Checks that all of it has come, and keeps it.
    pub fn finish(mut self) -> Result<Descriptor> {
        let (digest, length) = (self.file.sum(), self.file.length());
        if let Some((expected, size)) = &self.expected
            && (digest != *expected || length != *size)
        {
            return Err(Error::environment(format!(
                "the blob {expected} is not what it should be: {length} bytes with the sum {digest}"
            ))
            .hint("it was changed on its way; fetch it once more, or have its file made anew"));
        }
        let path = std::mem::take(&mut self.path);
        held(&self.stage.blobs).insert(digest.clone(), path);
        Ok(Descriptor::new(&self.media_type, length, digest))
    }
}

impl Write for BlobWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some((_, size)) = self.expected
            && self.file.length() + bytes.len() as u64 > size
        {
            return Err(io::Error::other("the blob is longer than it should be"));
        }
        let room = self.room.take(bytes.len() as u64, self.file.file());
        room.map_err(io::Error::other)?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BlobWriter<'_> {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // Gone with the stage at the latest.
            let _ = fs::remove_file(&self.path);
        }
    }
}
