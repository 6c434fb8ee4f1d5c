//! What the program says, written down.

use super::protocol::Stream;
use crate::container::{LogConfig, Timestamp};
use crate::error::{Context, Result};
use crate::logs::{self, Driver, Options, Writer};
use crate::store::Entry;

/// The log, or none.
#[derive(Debug)]
pub(super) struct Log(Option<Writer>);

impl Log {
    pub(super) fn open(entry: &Entry, config: &LogConfig) -> Result<Self> {
        let options = Options::new(config)?;
        if options.driver != Driver::JsonFile {
            return Ok(Self(None));
        }
        let writer = Writer::open(entry.dir(), &options);
        writer
            .map(Some)
            .map(Self)
            .context(|| "cannot write the log")
    }

    pub(super) fn write(&mut self, stream: Stream, bytes: &[u8]) {
        let stream = match stream {
            Stream::Out => logs::Stream::Stdout,
            Stream::Err => logs::Stream::Stderr,
        };
        if let Some(writer) = &mut self.0 {
            // What is lost on a full disk the log itself tells: the container
            // goes on.
            let _ = writer.write(stream, bytes, Timestamp::now());
        }
    }

    /// The program has ended.
    pub(super) fn end(&mut self) {
        if let Some(writer) = &mut self.0 {
            let _ = writer.end(Timestamp::now());
        }
    }
}
