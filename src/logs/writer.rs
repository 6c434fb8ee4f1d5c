//! The keeper's side: bytes come in, lines go out.

use std::io;
use std::path::Path;

use super::batch::Batch;
use super::{Attributes, Options, Stream};
use crate::container::Timestamp;

/// A longer line is several records, as Docker writes it.
pub(super) const LONGEST_LINE: usize = 16 * 1024;

/// Writes the log of one container.
#[derive(Debug)]
pub struct Writer {
    batch: Batch,
    /// What has no end yet, of each stream.
    partial: [Vec<u8>; 2],
}

impl Writer {
    /// Opens the log in `dir`, or begins it.
    pub fn open(dir: &Path, options: &Options) -> io::Result<Self> {
        Ok(Self {
            batch: Batch::open(dir, options)?,
            partial: [Vec::new(), Vec::new()],
        })
    }

    /// Each record says this of the container.
    #[must_use]
    pub fn describing(mut self, attributes: &Attributes) -> Self {
        self.batch.describe(attributes);
        self
    }

    /// Takes in what was said on a stream.
    ///
    /// An error tells that records were lost, for a keeper that wants to know:
    /// the log tells of it itself when it can be written again, and the writer
    /// stays as good as it was.
    pub fn write(&mut self, stream: Stream, bytes: &[u8], now: Timestamp) -> io::Result<()> {
        let time = now.to_string();
        self.batch.begin(&time);
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            match line.split_last() {
                Some((b'\n', line)) => self.end_line(stream, line, &time),
                _ => self.gather(stream, line, &time),
            }
        }
        self.batch.finish()
    }

    /// The program has ended: what has no newline will get none.
    pub fn end(&mut self, now: Timestamp) -> io::Result<()> {
        let time = now.to_string();
        self.batch.begin(&time);
        for stream in Stream::BOTH {
            let partial = &mut self.partial[stream.index()];
            if !partial.is_empty() {
                self.batch.push(stream, partial, false, &time);
                partial.clear();
            }
        }
        self.batch.finish()
    }

    /// How many records were lost of which the log does not tell yet.
    pub fn lost(&self) -> u64 {
        self.batch.lost()
    }

    fn end_line(&mut self, stream: Stream, line: &[u8], time: &str) {
        if self.partial[stream.index()].is_empty() && line.len() <= LONGEST_LINE {
            return self.batch.push(stream, line, true, time);
        }
        self.gather(stream, line, time);
        let partial = &mut self.partial[stream.index()];
        self.batch.push(stream, partial, true, time);
        partial.clear();
    }

    fn gather(&mut self, stream: Stream, mut bytes: &[u8], time: &str) {
        let partial = &mut self.partial[stream.index()];
        while partial.len() + bytes.len() > LONGEST_LINE {
            let (now, later) = bytes.split_at(LONGEST_LINE - partial.len());
            partial.extend_from_slice(now);
            bytes = later;
            let cut = end_of_characters(partial);
            self.batch.push(stream, &partial[..cut], false, time);
            partial.drain(..cut);
        }
        partial.extend_from_slice(bytes);
    }
}

/// Where the last whole character ends. One that is cut in two would be lost
/// twice; its beginning waits for the rest.
fn end_of_characters(bytes: &[u8]) -> usize {
    let end = bytes.len();
    for n in 1..=end.min(3) {
        let length = match bytes[end - n] {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if length > n { end - n } else { end };
    }
    end
}
