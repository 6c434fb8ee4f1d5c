//! What the program says, written down.

use serde_json::{Value, json};

use super::protocol::Stream;
use crate::container::{Config, Timestamp};
use crate::error::{Context, Result};
use crate::logs::{self, Driver, Options, Subject, Writer};
use crate::store::Entry;

/// What a tag can have in it, by Docker's names.
fn tag_fields(entry: &Entry, config: &Config) -> Value {
    let (image, image_id) = match &config.image {
        Some(image) => (image.reference.as_str(), image.id.as_str()),
        None => ("", ""),
    };
    let short = image_id.strip_prefix("sha256:").unwrap_or(image_id);
    json!({
        "ID": config.id.short(),
        "FullID": config.id,
        "Name": entry.name().unwrap_or_default(),
        "ImageID": short.get(..12).unwrap_or(short),
        "ImageFullID": image_id,
        "ImageName": image,
        "Command": config.program.argv().join(" "),
        "DaemonName": "rcon",
    })
}

/// The log, or none.
#[derive(Debug)]
pub(super) struct Log(Option<Writer>);

impl Log {
    pub(super) fn open(entry: &Entry, config: &Config) -> Result<Self> {
        let options = Options::new(&config.log)?;
        if options.driver != Driver::JsonFile {
            return Ok(Self(None));
        }
        let subject = Subject {
            labels: &config.labels,
            env: &config.program.env,
            fields: tag_fields(entry, config),
        };
        let attributes = logs::attributes(&config.log, &subject)?;
        let writer = Writer::open(entry.dir(), &options);
        let writer = writer.context(|| "cannot write the log")?;
        Ok(Self(Some(writer.describing(&attributes))))
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
