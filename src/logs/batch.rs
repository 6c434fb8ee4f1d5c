//! Records on their way to the disk: gathered, written with one call, and the
//! files changed when the current one is full.
//!
//! Writing to a log may fail, and the container goes on: what cannot be
//! written is dropped and counted, and the log itself tells how much that was
//! once it can. Half a record is never left behind as long as we live: the
//! rest of it waits for room before anything else is written.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{Attributes, Options, Stream, attributes, files, record};

/// How much is gathered before it is written.
const FULL: usize = 64 * 1024;

/// The file that will be the current one, before it has its name.
const NEW: &str = "container.log.new";

#[derive(Debug)]
pub(super) struct Batch {
    dir: PathBuf,
    file: File,
    /// How long the file is.
    size: u64,
    max_size: Option<u64>,
    max_file: u32,
    /// What each record has beside its text.
    attributes: String,
    /// What is to be written.
    ready: Vec<u8>,
    /// `ready` begins with the rest of a record that is half written.
    torn: bool,
    /// Records that were dropped and that the log does not tell of yet.
    lost: u64,
    note: Option<Note>,
    /// Why records are dropped, from the first failure to the batch's end.
    failure: Option<io::Error>,
}

/// The record that tells of lost ones.
#[derive(Debug)]
struct Note {
    /// Where in `ready` it begins.
    at: usize,
    lost: u64,
}

impl Batch {
    /// Goes on behind what is there.
    pub(super) fn open(dir: &Path, options: &Options) -> io::Result<Self> {
        let file = open(&files::path(dir, 0), false)?;
        let size = file.metadata()?.len();
        let torn = !ends_with_newline(&file, size)?;
        Ok(Self {
            dir: dir.to_owned(),
            file,
            size,
            max_size: options.max_size,
            max_file: options.max_file,
            attributes: String::new(),
            // Whoever wrote it was killed in the middle of a record: all that
            // can be done about its rest is to end the line.
            ready: if torn { b"\n".to_vec() } else { Vec::new() },
            torn,
            lost: 0,
            note: None,
            failure: None,
        })
    }

    /// Each record says this of the container from now on.
    pub(super) fn describe(&mut self, attributes: &Attributes) {
        self.attributes = attributes::encoded(attributes);
    }

    /// How many records were lost of which the log does not tell yet.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Before the records that are written with one call.
    pub(super) fn begin(&mut self, time: &str) {
        if self.lost == 0 {
            return;
        }
        let start = self.ready.len();
        let text = format!("rcon: {} records of this log were lost", self.lost);
        let said = (Stream::Stderr, self.attributes.as_str());
        record::encode(&mut self.ready, said, text.as_bytes(), true, time);
        let length = self.ready.len() - start;
        if self.has_room(start) {
            self.note = Some(Note {
                at: self.ready.len() - length,
                lost: self.lost,
            });
        }
    }

    /// One record more.
    pub(super) fn push(&mut self, stream: Stream, text: &[u8], ends: bool, time: &str) {
        if self.failure.is_some() {
            self.lost += 1;
            return;
        }
        let start = self.ready.len();
        let said = (stream, self.attributes.as_str());
        record::encode(&mut self.ready, said, text, ends, time);
        if !self.has_room(start) {
            self.lost += 1;
        }
        if self.ready.len() >= FULL && self.failure.is_none() {
            self.flush(self.ready.len());
        }
    }

    /// After them: what there is goes out, and a failure is told once.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.failure.is_none() {
            self.flush(self.ready.len());
        }
        self.ready.shrink_to(2 * FULL);
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Makes sure that there is room for the record that begins at `start` of
    /// `ready`, in a new file if need be. Where there can be none the record
    /// is taken away: the limit is a promise.
    fn has_room(&mut self, start: usize) -> bool {
        let size = self.size + self.ready.len() as u64;
        let is_first = self.size + start as u64 == 0;
        if is_first || self.max_size.is_none_or(|max| size <= max) {
            return true;
        }
        let record = self.ready.len() - start;
        self.flush(start);
        if self.failure.is_none() {
            self.failure = self.rotate().err();
        }
        if self.failure.is_some() {
            self.ready.truncate(self.ready.len() - record);
        }
        self.failure.is_none()
    }

    /// Writes what lies before `end` of `ready`, or drops it.
    fn flush(&mut self, end: usize) {
        let (written, failure) = write(&self.file, &self.ready[..end]);
        self.size += written as u64;
        let keep = match failure {
            None => end,
            Some(_) => self.drop_unwritten(written, end),
        };
        if let Some(note) = self.note.take_if(|note| written > note.at) {
            self.lost -= note.lost;
        }
        if self.note.take().is_some() {
            // It was counted among the dropped ones, but nobody said it.
            self.lost -= 1;
        }
        self.torn = keep > written;
        self.ready.drain(keep..end);
        self.ready.drain(..written);
        self.failure = failure;
    }

    /// Counts the records that begin between `written` and `end`; gives where
    /// the one ends that is half written.
    fn drop_unwritten(&mut self, written: usize, end: usize) -> usize {
        let is_half = match written {
            0 => self.torn,
            n => self.ready[n - 1] != b'\n',
        };
        let mut rest = self.ready[written..end].split_inclusive(|b| *b == b'\n');
        let half = if is_half { rest.next() } else { None };
        self.lost += rest.count() as u64;
        written + half.map_or(0, <[u8]>::len)
    }

    /// Each file takes the name of the one before; the oldest goes.
    ///
    /// The new file is made first: where that cannot be done, nothing has been
    /// renamed yet. Being killed between any two steps leaves each record in
    /// one place that readers look at.
    fn rotate(&mut self) -> io::Result<()> {
        // Another name for our file means that a rotation before this one
        // stopped half way: only its last step is left.
        let move_on = self.max_file > 1 && self.is_current()?;
        if move_on {
            // It would go in a moment, and a full disk has no room before.
            gone(fs::remove_file(files::path(&self.dir, self.max_file - 1)))?;
        }
        let new = self.dir.join(NEW);
        let file = open(&new, true)?;
        for n in (0..self.max_file - 1).rev().filter(|_| move_on) {
            let (from, to) = (files::path(&self.dir, n), files::path(&self.dir, n + 1));
            gone(fs::rename(from, to))?;
        }
        fs::rename(new, files::path(&self.dir, 0))?;
        self.file = file;
        self.size = 0;
        Ok(())
    }

    fn is_current(&self) -> io::Result<bool> {
        Ok(files::current(&self.dir)? == Some(self.file.metadata()?.ino()))
    }
}

/// That there is none is as good as having moved it.
fn gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn open(path: &Path, empty: bool) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o640)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("the log is not a regular file"));
    }
    if empty {
        file.set_len(0)?;
    }
    Ok(file)
}

fn ends_with_newline(file: &File, size: u64) -> io::Result<bool> {
    let mut last = [b'\n'];
    if size > 0 {
        file.read_exact_at(&mut last, size - 1)?;
    }
    Ok(last == [b'\n'])
}

/// Writes as much as can be; how much that was, and why not all.
fn write(mut file: &File, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Some(ErrorKind::WriteZero.into())),
            Ok(n) => written += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return (written, Some(e)),
        }
    }
    (written, None)
}
