//! The events so far, and those to come.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use super::{Event, older, path};
use crate::store::Store;

/// Reads the log, across the change from one file to the next.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    /// The one that is read now.
    file: Option<File>,
    /// Read, but not understood yet: a line may have come in part.
    rest: Vec<u8>,
    ready: VecDeque<Event>,
    /// The file is no longer the newest one, and had nothing more the last
    /// time.
    left: bool,
}

impl Reader {
    /// From the oldest event that is known.
    pub fn from_the_beginning(store: &Store) -> Self {
        let path = path(store);
        let file = open(&older(&path)).or_else(|_| open(&path)).ok();
        Self::at(path, file)
    }

    /// From now on.
    pub fn from_the_end(store: &Store) -> io::Result<Self> {
        let path = path(store);
        let file = match open(&path) {
            Ok(mut file) => {
                io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
                Some(file)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        Ok(Self::at(path, file))
    }

    fn at(path: PathBuf, file: Option<File>) -> Self {
        Self {
            path,
            file,
            rest: Vec::new(),
            ready: VecDeque::new(),
            left: false,
        }
    }

    /// The next event; nothing if none has happened since.
    pub fn next_event(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.read_some()? {
                continue;
            }
            if !self.go_on()? {
                return Ok(None);
            }
        }
    }

    fn read_some(&mut self) -> io::Result<bool> {
        let Some(file) = &mut self.file else {
            return Ok(false);
        };
        let mut buf = vec![0; 1 << 16];
        let n = file.read(&mut buf)?;
        self.rest.extend_from_slice(&buf[..n]);
        self.take_lines();
        Ok(n > 0)
    }

    /// A line that makes no sense is passed over.
    fn take_lines(&mut self) {
        let Some(end) = self.rest.iter().rposition(|b| *b == b'\n') else {
            return;
        };
        let after = self.rest.split_off(end + 1);
        let lines = std::mem::replace(&mut self.rest, after);
        let events = lines.split(|b| *b == b'\n');
        self.ready
            .extend(events.filter_map(|line| serde_json::from_slice(line).ok()));
    }

    /// Takes the next file once this one is no longer written to. Somebody may
    /// have opened it just before it was put aside, so it is looked at once
    /// more before it is left.
    fn go_on(&mut self) -> io::Result<bool> {
        let newest = match open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(e),
        };
        if let Some(file) = &self.file {
            if identity(file)? == identity(&newest)? {
                return Ok(false);
            }
            if !std::mem::replace(&mut self.left, true) {
                return Ok(true);
            }
        }
        self.left = false;
        self.rest.clear();
        self.file = Some(newest);
        Ok(true)
    }
}

fn open(path: &std::path::Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options.open(path)
}

fn identity(file: &File) -> io::Result<(u64, u64)> {
    let meta = file.metadata()?;
    Ok((meta.dev(), meta.ino()))
}
