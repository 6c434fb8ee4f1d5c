//! What has happened to containers: a log that keepers and commands add to,
//! and that `rcon events` reads.
//!
//! ```text
//! <run>/events.jsonl      one JSON object a line, the newest last
//! <run>/events.jsonl.1    the ones before; older ones are forgotten
//! ```
//!
//! There is no server that could hand events around, so each line is written
//! by whoever did the deed, with one call, at the end of the file: the kernel
//! keeps such lines apart. Losing one is no reason to fail: nobody's container
//! depends on it. The log goes with the machine's memory, as what runs does.
//!
//! [`record`] takes Docker's words for what happened to a container:
//! `create`, `start`, `die` (with `exitCode`), `stop`, `kill` (with `signal`),
//! `pause`, `unpause`, `restart`, `rename` (with `oldName`), `update`, `oom`,
//! `attach`, `detach`, `resize`, `destroy`, `exec_create: CMD`,
//! `exec_start: CMD`, `exec_die` (with `exitCode` and `execID`), `copy`,
//! `export`, `top`, `commit`, `prune`, `health_status: healthy`.

mod reader;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

pub use self::reader::Reader;

use crate::container::{Config, Root, Timestamp};
use crate::store::Store;

/// A line that a kernel writes as a whole, whatever else is going on.
const LONGEST: usize = 4096;
/// A log so large gives way to a fresh one.
const LARGEST: u64 = 4 << 20;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub time: Timestamp,
    /// To what kind of thing: `container`, `image`, `volume`, `network`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What, in Docker's words.
    pub action: String,
    /// To which.
    pub id: String,
    /// What else is to be known: `name`, `image`, `exitCode`, labels, …
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// Notes that something happened.
pub fn record(
    store: &Store,
    kind: &str,
    action: &str,
    id: &str,
    attributes: &BTreeMap<String, String>,
) {
    let event = Event {
        time: Timestamp::now(),
        kind: kind.to_owned(),
        action: action.to_owned(),
        id: id.to_owned(),
        attributes: attributes.clone(),
    };
    // On a full disk the container goes on all the same.
    let _ = append(&path(store), &line(event));
}

/// What Docker tells about every container: its labels, its name, its image,
/// and `more`.
pub fn attributes(name: &str, config: &Config, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut all = config.labels.clone();
    let image = match (&config.image, &config.root) {
        (Some(image), _) => image.reference.clone(),
        (None, Root::Directory { path, .. }) => path.display().to_string(),
        (None, Root::Layers { .. }) => String::new(),
    };
    all.insert("image".to_owned(), image);
    all.insert("name".to_owned(), name.to_owned());
    for (key, value) in more {
        all.insert((*key).to_owned(), (*value).to_owned());
    }
    all
}

/// The log's newest file.
fn path(store: &Store) -> PathBuf {
    store.run_root().join("events.jsonl")
}

/// The file before that.
fn older(path: &Path) -> PathBuf {
    path.with_extension("jsonl.1")
}

/// What stays when a line has become too long.
const IMPORTANT: [&str; 6] = ["name", "image", "exitCode", "signal", "oldName", "execID"];

fn line(mut event: Event) -> Vec<u8> {
    let text = |event: &Event| {
        let mut line = serde_json::to_vec(event).unwrap_or_default();
        line.push(b'\n');
        line
    };
    let whole = text(&event);
    if whole.len() <= LONGEST {
        return whole;
    }
    let keep = |key: &str, value: &str| IMPORTANT.contains(&key) && value.len() < 256;
    event.attributes.retain(|key, value| keep(key, value));
    event.action = event.action.chars().take(128).collect();
    text(&event)
}

fn append(path: &Path, line: &[u8]) -> io::Result<()> {
    let file = match open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let dir = path.parent().unwrap_or(Path::new("/"));
            DirBuilder::new().mode(0o700).recursive(true).create(dir)?;
            open(path)?
        }
        opened => opened?,
    };
    if file.metadata()?.len() < LARGEST {
        return (&file).write_all(line);
    }
    make_room(path, file)?;
    open(path)?.write_all(line)
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.append(true).create(true).mode(0o600);
    options.custom_flags(libc::O_NOFOLLOW).open(path)
}

/// Puts a full log aside. Of several who want to, the first does: for the
/// others the name leads to another file by then.
fn make_room(path: &Path, full: File) -> io::Result<()> {
    let full = Flock::lock(full, FlockArg::LockExclusive).map_err(|(_, e)| e)?;
    let same = fs::metadata(path).is_ok_and(|now| {
        let ours = full.metadata();
        ours.is_ok_and(|ours| (ours.dev(), ours.ino()) == (now.dev(), now.ino()))
    });
    if same {
        fs::rename(path, older(path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
