//! Files from the web, for `ADD`.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::{Done, Teller, Word};
use crate::build::context::{Context as Files, Repository};
use crate::build::layer::Summed;
use crate::build::work::Fetch;
use crate::error::{Context, Error, Result};
use crate::registry::{Config, download};
use crate::sys::fd;

/// Fetches a file.
pub(super) fn fetch(fetch: &Fetch, teller: &Teller<'_>) -> Result<Done> {
    if let Some((repository, whole)) = &fetch.repository {
        return clone(repository, *whole, &fetch.path);
    }
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

/// Fetches a repository, and tells where its files are.
fn clone(repository: &Repository, whole: bool, dir: &Path) -> Result<Done> {
    let what = || "fetching a repository";
    fs::create_dir(dir).context(what)?;
    let files = if whole {
        Files::whole_git(repository, dir)?
    } else {
        Files::git(repository, dir)?
    };
    let path = fs::read_link(fd::proc_path(files.root())).context(what)?;
    // They are still to be copied, by another worker.
    std::mem::forget(files);
    Ok(Done {
        fetched: Some((path.to_string_lossy().into_owned(), 0)),
        ..Done::default()
    })
}
