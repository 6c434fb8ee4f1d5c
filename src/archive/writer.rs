//! Writes a tar archive as a stream: POSIX headers, with a PAX header before
//! those that have no room for what is to be said.

use std::io::{Read, Write};

use super::entry::{Entry, Kind, Time};
use super::header::{BLOCK, Fields, MOST_OCTAL_ID, MOST_OCTAL_SIZE, ZERO, encode};
use super::pax;
use crate::error::{Error, Result};

/// A tar archive that is being written.
pub struct Writer<W> {
    inner: W,
    buffer: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes an archive to `inner`.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            buffer: vec![0; 128 * 1024],
        }
    }

    /// Writes an entry that has no data.
    pub fn bare(&mut self, entry: &Entry) -> Result<()> {
        debug_assert_eq!(entry.size, 0);
        self.header(entry)
    }

    /// Writes a file: exactly as many bytes as its entry says. One that has
    /// become longer meanwhile is cut, one that has become shorter is filled
    /// with zeros: the header is already out. Reading fails with `Err`,
    /// writing too.
    pub fn file(&mut self, entry: &Entry, mut data: impl Read) -> Result<()> {
        self.header(entry)?;
        let mut left = entry.size;
        while left > 0 {
            let most = left.min(self.buffer.len() as u64) as usize;
            let read = read_some(&mut data, &mut self.buffer[..most])?;
            let used = if read == 0 {
                self.buffer[..most].fill(0);
                most
            } else {
                read
            };
            self.inner
                .write_all(&self.buffer[..used])
                .map_err(not_written)?;
            left -= used as u64;
        }
        self.fill(entry.size)
    }

    /// Writes the end mark.
    pub fn finish(mut self) -> Result<W> {
        self.put(&ZERO)?;
        self.put(&ZERO)?;
        self.inner.flush().map_err(not_written)?;
        Ok(self.inner)
    }

    fn header(&mut self, entry: &Entry) -> Result<()> {
        let records = records(entry);
        if !records.is_empty() {
            self.put(&encode(&Fields {
                flag: b'x',
                path: b"PaxHeader",
                link: b"",
                mode: 0o644,
                uid: 0,
                gid: 0,
                size: records.len() as u64,
                mtime: 0,
                device: None,
            }))?;
            self.put(&records)?;
            self.fill(records.len() as u64)?;
        }
        self.put(&encode(&fields(entry)))
    }

    fn fill(&mut self, size: u64) -> Result<()> {
        let over = (size % BLOCK as u64) as usize;
        if over == 0 {
            return Ok(());
        }
        self.put(&ZERO[over..])
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.inner.write_all(bytes).map_err(not_written)
    }
}

fn not_written(e: std::io::Error) -> Error {
    Error::from(e).context("writing the archive")
}

fn read_some(data: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match data.read(buffer) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            other => return Ok(other?),
        }
    }
}

fn fields(entry: &Entry) -> Fields<'_> {
    let (flag, device) = match entry.kind {
        Kind::File => (b'0', None),
        Kind::HardLink => (b'1', None),
        Kind::Symlink => (b'2', None),
        Kind::Character(major, minor) => (b'3', Some((major, minor))),
        Kind::Block(major, minor) => (b'4', Some((major, minor))),
        Kind::Directory => (b'5', None),
        Kind::Fifo => (b'6', None),
    };
    Fields {
        flag,
        path: &entry.path,
        link: &entry.link,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        size: entry.size,
        mtime: entry.mtime.seconds,
        device,
    }
}

/// What the header has no room for.
fn records(entry: &Entry) -> Vec<u8> {
    let mut data = Vec::new();
    if entry.path.len() > 100 {
        pax::put(&mut data, b"path", &entry.path);
    }
    if entry.link.len() > 100 {
        pax::put(&mut data, b"linkpath", &entry.link);
    }
    if entry.size > MOST_OCTAL_SIZE {
        pax::put(&mut data, b"size", entry.size.to_string().as_bytes());
    }
    for (key, id) in [(&b"uid"[..], entry.uid), (b"gid", entry.gid)] {
        if id > MOST_OCTAL_ID {
            pax::put(&mut data, key, id.to_string().as_bytes());
        }
    }
    if needs_record(entry.mtime) {
        pax::put_time(&mut data, entry.mtime);
    }
    for (name, value) in &entry.xattrs {
        pax::put_xattr(&mut data, name, value);
    }
    data
}

fn needs_record(time: Time) -> bool {
    time.nanoseconds != 0 || time.seconds < 0 || time.seconds as u64 > MOST_OCTAL_SIZE
}
