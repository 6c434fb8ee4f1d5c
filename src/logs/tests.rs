//! Writer and reader on real files, alone and against each other.

mod follow;
mod read;
mod rotate;
mod together;

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{Driver, Event, Options, Reader, Stream, Wanted, Writer};
use crate::container::Timestamp;

/// A directory that goes when the test ends.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rcon-test-logs-{}-{count}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    fn names(&self) -> Vec<String> {
        let name = |e: std::io::Result<fs::DirEntry>| e.unwrap().file_name();
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries.map(|e| name(e).into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Deref for Scratch {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn kept(max_size: u64, max_file: u32) -> Options {
    Options {
        driver: Driver::JsonFile,
        max_size: Some(max_size),
        max_file,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::at(seconds)
}

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    stream: Stream,
    text: String,
    begins: bool,
}

/// Reads what there is now, and how often something was said to be spoilt.
fn read_spoilt(dir: &Path, wanted: Wanted) -> (Vec<Said>, u32) {
    let mut reader = Reader::open(dir, &Options::default(), wanted).unwrap();
    let (mut said, mut spoilt) = (Vec::new(), 0);
    let mut each = |event: Event<'_>| {
        match event {
            Event::Entry(e) => said.push(Said {
                stream: e.stream,
                text: e.text.to_owned(),
                begins: e.begins,
            }),
            Event::Spoilt => spoilt += 1,
            Event::Pause => {}
        }
        Ok(())
    };
    reader.run(None, || true, &mut each).unwrap();
    (said, spoilt)
}

fn read(dir: &Path, wanted: Wanted) -> Vec<Said> {
    let (said, spoilt) = read_spoilt(dir, wanted);
    assert_eq!(spoilt, 0);
    said
}

/// The texts alone.
fn texts(dir: &Path, wanted: Wanted) -> Vec<String> {
    read(dir, wanted).into_iter().map(|s| s.text).collect()
}

fn all(dir: &Path) -> Vec<String> {
    texts(dir, Wanted::default())
}

fn tail(lines: u64) -> Wanted {
    Wanted {
        tail: Some(lines),
        ..Wanted::default()
    }
}

pub(super) fn record(text: &str) -> String {
    let mut out = Vec::new();
    let time = at(0).to_string();
    super::record::encode(&mut out, (Stream::Stdout, ""), text.as_bytes(), true, &time);
    String::from_utf8(out).unwrap()
}
