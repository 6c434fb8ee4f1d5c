//! Files from the web, for `ADD`.

use std::io::Write;

use super::{Done, Teller, Word};
use crate::build::layer::Summed;
use crate::build::work::Fetch;
use crate::error::{Error, Result};
use crate::registry::{Config, download};

/// Fetches a file.
pub(super) fn fetch(fetch: &Fetch, teller: &Teller<'_>) -> Result<Done> {
    teller.tell(&Word::Note(format!("fetching {}", fetch.url)))?;
    let mut out = Summed::create(&fetch.path)?;
    let changed = download(Config::load()?, &fetch.url, &mut out)?;
    out.flush()?;
    let (digest, _) = out.finish()?;
    if let Some(wanted) = &fetch.checksum
        && digest != *wanted
    {
        return Err(Error::user(format!(
            "{} is not what --checksum says: it has the sum {digest}",
            fetch.url
        ))
        .hint("check that this is what you want, and then change --checksum"));
    }
    Ok(Done {
        fetched: Some((digest.to_string(), changed.unwrap_or(0))),
        ..Done::default()
    })
}
