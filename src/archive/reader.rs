//! Reads a tar archive as a stream: one [`Entry`] after the other, and the
//! data of each.
//!
//! Strict where leniency has been a hole elsewhere. How long an entry is, is
//! decided in one place, from the PAX record if there is one and from the
//! header if not, and both what is read and what is skipped follow from it:
//! where those two differed, a file's content was taken for headers
//! (CVE-2025-62518, CVE-2026-33055). What can be read in two ways is refused.

use std::collections::VecDeque;
use std::io::{Read, Seek};

use super::entry::{Entry, Kind, Time};
use super::header::{BLOCK, Block, Header, ZERO};
use super::pax::Pax;
use super::sparse::{self, Piece};
use crate::error::{Error, Result};

/// An extended header or a long name may not be larger.
const MOST_EXTENSION: u64 = 1 << 20;
/// Headers that only say something about the next, in a row. Two names, one
/// extended and a few global ones is what writers produce.
const MOST_IN_A_ROW: usize = 16;

/// A tar archive that is being read.
pub struct Reader<R> {
    inner: R,
    position: u64,
    /// Bytes of the current entry's data not read yet, without filling.
    stored: u64,
    filling: u64,
    pieces: VecDeque<Piece>,
    global: Pax,
    open_end: bool,
    ended: bool,
}

/// What the headers before an entry's own have said about it.
#[derive(Default)]
struct Before {
    pax: Option<Pax>,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Before {
    fn is_empty(&self) -> bool {
        self.pax.is_none() && self.path.is_none() && self.link.is_none()
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Goes past the current entry's data without reading it.
    pub fn pass_over(&mut self) -> Result<()> {
        let far = i64::try_from(self.stored).map_err(|_| cut_short())?;
        self.inner.seek_relative(far).map_err(broken)?;
        self.position += self.stored;
        self.stored = 0;
        self.pieces.clear();
        Ok(())
    }
}

impl<R: Read> Reader<R> {
    /// Reads an archive that ends with its end mark.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            position: 0,
            stored: 0,
            filling: 0,
            pieces: VecDeque::new(),
            global: Pax::default(),
            open_end: false,
            ended: false,
        }
    }

    /// Takes the end of the stream between two entries for the archive's, too,
    /// and behind the last one's data. Some builders forget the end mark, and where a digest has been given
    /// for the whole it says nothing more.
    #[must_use]
    pub fn open_end(mut self, yes: bool) -> Self {
        self.open_end = yes;
        self
    }

    /// The next entry, or `None` at the end. What has not been read of the
    /// current one is skipped.
    #[allow(
        clippy::should_implement_trait,
        reason = "an Iterator cannot stop at its first error"
    )]
    pub fn next(&mut self) -> Result<Option<Entry>> {
        self.skip()?;
        let start = self.position;
        self.headers()
            .map_err(|e| e.context(format!("the archive's header at byte {start}")))
    }

    /// The next piece of the current entry's data: where in the file it
    /// belongs and how much of `buffer` it fills. What no piece covers is zero.
    pub fn data(&mut self, buffer: &mut [u8]) -> Result<Option<(u64, usize)>> {
        while let Some(piece) = self.pieces.front_mut() {
            if piece.length == 0 {
                self.pieces.pop_front();
                continue;
            }
            let length = piece.length.min(buffer.len() as u64) as usize;
            let offset = piece.offset;
            piece.offset += length as u64;
            piece.length -= length as u64;
            self.fill(&mut buffer[..length])?;
            self.stored -= length as u64;
            return Ok(Some((offset, length)));
        }
        Ok(None)
    }

    /// Where in the stream the current entry's data lies and how much it is:
    /// asked before any of it is read. What has holes lies nowhere as a whole.
    pub fn place(&self) -> Option<(u64, u64)> {
        let mut pieces = self.pieces.iter();
        match (pieces.next(), pieces.next()) {
            (Some(piece), None) if piece.offset == 0 => Some((self.position, piece.length)),
            _ => None,
        }
    }

    /// Reads what comes after the end mark, at most so many bytes, so that
    /// whoever writes the archive into a pipe can finish.
    pub fn drain(&mut self, most: u64) -> Result<u64> {
        std::io::copy(&mut (&mut self.inner).take(most), &mut std::io::sink())
            .map_err(|e| Error::from(e).context("reading the archive"))
    }

    fn headers(&mut self) -> Result<Option<Entry>> {
        let mut before = Before::default();
        for _ in 0..MOST_IN_A_ROW {
            let Some(block) = self.header_block()? else {
                return if before.is_empty() {
                    Ok(None)
                } else {
                    Err(Error::user("the archive ends before the file it announces"))
                };
            };
            let header = Header::check(&block)?;
            match header.flag() {
                b'x' => {
                    let mut pax = self.global.clone();
                    pax.add(&self.extension(&header)?)?;
                    once(&mut before.pax, pax)?;
                }
                b'g' => {
                    let data = self.extension(&header)?;
                    self.global.add_global(&data)?;
                }
                b'L' => once(&mut before.path, long_name(self.extension(&header)?)?)?,
                b'K' => once(&mut before.link, long_name(self.extension(&header)?)?)?,
                _ => return self.entry(&header, before).map(Some),
            }
        }
        Err(Error::user("too many extended headers before one file"))
    }

    /// A block that is no end mark. The mark is two blocks of zeros; one alone
    /// at the very end is taken for it as well.
    fn header_block(&mut self) -> Result<Option<Block>> {
        if self.ended {
            return Ok(None);
        }
        match self.block()? {
            Some(ZERO) => {}
            Some(block) => return Ok(Some(block)),
            None if self.open_end => {
                self.ended = true;
                return Ok(None);
            }
            None => return Err(Error::user("the archive is cut short: no end mark")),
        }
        match self.block()? {
            Some(ZERO) | None => self.ended = true,
            Some(_) => return Err(Error::user("a block of zeros between two headers")),
        }
        Ok(None)
    }

    /// A block, or `None` where the stream ends.
    fn block(&mut self) -> Result<Option<Block>> {
        let mut block = ZERO;
        let mut have = 0;
        while have < BLOCK {
            match self.inner.read(&mut block[have..]) {
                Ok(0) if have == 0 => return Ok(None),
                Ok(0) => return Err(cut_short()),
                Ok(n) => have += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::from(e).context("reading the archive")),
            }
        }
        self.position += BLOCK as u64;
        Ok(Some(block))
    }

    fn needed_block(&mut self) -> Result<Block> {
        self.block()?.ok_or_else(cut_short)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.inner.read_exact(buffer).map_err(broken)?;
        self.position += buffer.len() as u64;
        Ok(())
    }

    /// The data of a header that is about the next one. Its size is always its
    /// own header's.
    fn extension(&mut self, header: &Header<'_>) -> Result<Vec<u8>> {
        let size = header.size()?;
        if size > MOST_EXTENSION {
            return Err(Error::user(format!(
                "an extended header of {size} bytes; more than {MOST_EXTENSION} are not read"
            )));
        }
        let mut data = vec![0; size as usize];
        self.fill(&mut data)?;
        self.filling = filling(size);
        self.skip()?;
        Ok(data)
    }

    fn skip(&mut self) -> Result<()> {
        let (stored, left) = (self.stored, self.stored.saturating_add(self.filling));
        self.pieces.clear();
        if left == 0 {
            return Ok(());
        }
        let mut rest = (&mut self.inner).take(left);
        let read = std::io::copy(&mut rest, &mut std::io::sink())
            .map_err(|e| Error::from(e).context("reading the archive"))?;
        self.position += read;
        (self.stored, self.filling) = (0, 0);
        if read == left {
            Ok(())
        } else if read == stored && self.open_end {
            // Who forgets the end mark forgets to fill the last block up, too.
            self.ended = true;
            Ok(())
        } else {
            Err(cut_short())
        }
    }

    fn entry(&mut self, header: &Header<'_>, before: Before) -> Result<Entry> {
        let pax = before.pax.unwrap_or_else(|| self.global.clone());
        let path = pax.sparse.name.clone();
        let path = path.or(pax.path.clone()).or(before.path);
        let path = path.unwrap_or_else(|| header.path());
        let kind = kind(header, &path)?;
        let link = pax.link.clone().or(before.link);
        let link = link.unwrap_or_else(|| header.link());
        let is_link = matches!(kind, Kind::Symlink | Kind::HardLink);
        if path.is_empty() || (is_link && link.is_empty()) {
            return Err(Error::user("a file or a link without a name"));
        }
        let size = self.measure(header, &pax, kind)?;
        let mtime = match pax.mtime {
            Some(time) => time,
            None => Time::new(header.mtime()?, 0),
        };
        Ok(Entry {
            path,
            kind,
            link: if is_link { link } else { Vec::new() },
            mode: header.mode()?,
            uid: pax.uid.map_or_else(|| header.uid(), Ok)?,
            gid: pax.gid.map_or_else(|| header.gid(), Ok)?,
            size,
            mtime,
            xattrs: pax.xattrs,
        })
    }

    /// The one place that decides how much data follows; gives the size of the
    /// file, which is another only for one with holes.
    fn measure(&mut self, header: &Header<'_>, pax: &Pax, kind: Kind) -> Result<u64> {
        let stored = pax.size.map_or_else(|| header.size(), Ok)?;
        if kind != Kind::File && stored != 0 {
            return Err(Error::user(
                "something that is no regular file has data of its own",
            ));
        }
        self.filling = filling(stored);
        let announced = sparse::announced(&pax.sparse)?;
        if kind != Kind::File || (announced.is_none() && header.flag() != b'S') {
            self.stored = stored;
            self.pieces = sparse::dense(stored);
            return Ok(stored);
        }
        let (pieces, size, map) = match announced {
            Some(_) if header.flag() == b'S' => {
                return Err(Error::user("a sparse file of two forms at once"));
            }
            Some(size) => {
                let (pieces, map) = sparse::version_1(|| self.needed_block())?;
                (pieces, size, map)
            }
            None => {
                let (pieces, size) = sparse::old(header.block(), || self.needed_block())?;
                (pieces, size, 0)
            }
        };
        self.stored = stored
            .checked_sub(map)
            .ok_or_else(|| Error::user("the map of a sparse file is longer than its data"))?;
        sparse::check(&pieces, size, self.stored)?;
        self.pieces = pieces;
        Ok(size)
    }
}

fn kind(header: &Header<'_>, path: &[u8]) -> Result<Kind> {
    let slash = path.ends_with(b"/");
    Ok(match header.flag() {
        // Before POSIX a directory was a file whose name ended so.
        0 if slash => Kind::Directory,
        b'0' | 0 | b'7' | b'S' if !slash => Kind::File,
        b'0' | b'7' | b'S' => return Err(Error::user("a file whose name ends in a slash")),
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => header.device().map(|(a, b)| Kind::Character(a, b))?,
        b'4' => header.device().map(|(a, b)| Kind::Block(a, b))?,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        other => {
            let shown = char::from(other).escape_default();
            return Err(Error::user(format!(
                "an entry of the unknown kind '{shown}'"
            )));
        }
    })
}

/// How many bytes fill the last block up.
fn filling(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

fn broken(e: std::io::Error) -> Error {
    match e.kind() {
        std::io::ErrorKind::UnexpectedEof => cut_short(),
        _ => Error::from(e).context("reading the archive"),
    }
}

fn cut_short() -> Error {
    Error::user("the archive is cut short")
}

/// Two headers of one kind for one file: which one counts is anybody's guess.
fn once<T>(place: &mut Option<T>, value: T) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::user("two extended headers of one kind for one file")),
    }
}

/// GNU's long name: ends with a NUL and has no other.
fn long_name(mut data: Vec<u8>) -> Result<Vec<u8>> {
    while data.last() == Some(&0) {
        data.pop();
    }
    if data.is_empty() || data.contains(&0) {
        return Err(Error::user("a long name with a NUL byte in it, or none"));
    }
    Ok(data)
}
