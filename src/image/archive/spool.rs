//! The files of an archive: where each lies, or what it has become in the
//! stage.
//!
//! Of an archive that is a regular file only the headers are read first. Its
//! layers lie still and are fetched out of it while they are unpacked, several
//! at once, as if they came from a registry. What comes through a pipe, or is
//! packed as a whole, passes only once: everything goes into the stage as it
//! comes, under its sum, and what no image turns out to need is gone with the
//! stage.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use super::oci::blob_path;
use crate::archive::{Entry, Kind, Reader, is_archive};
use crate::error::{Context, Error, Result};
use crate::image::Stage;
use crate::image::manifest::{Descriptor, Manifest};
use crate::image::opened;
use crate::image::packing::{Packing, is_bomb};
use crate::image::reference::Digest;
use crate::parallel::STOPPED;

/// Files in an archive; images have a few per layer.
const MOST_FILES: usize = 100_000;
/// Bytes that are taken at once.
const BUFFER: usize = 256 << 10;
/// As many bytes of headers.
const HEADERS: usize = 8 << 10;
/// What is smaller is no layer that anybody waits for.
const SMALL: u64 = 64 << 10;
/// Links that lead to links.
const DEEPEST: usize = 8;

/// A part of the archive's file.
#[derive(Clone, Copy)]
struct Part {
    start: u64,
    length: u64,
}

#[derive(Clone)]
enum Item {
    /// In the stage.
    Taken(Descriptor),
    /// Where it was.
    Lies(Part),
    Link(String),
}

/// The files of an archive.
pub(super) struct Spool<'a> {
    pub(super) stage: &'a Stage,
    input: &'a File,
    items: RefCell<BTreeMap<String, Item>>,
    /// What lies in the archive and must have this sum; by it, it is fetched.
    layers: RefCell<BTreeMap<Digest, Part>>,
}

impl<'a> Spool<'a> {
    /// Finds what there is.
    pub(super) fn fill(stage: &'a Stage, input: &'a File) -> Result<Self> {
        let spool = Self {
            stage,
            input,
            items: RefCell::default(),
            layers: RefCell::default(),
        };
        if let Some(still) = Still::of(input).context(unreadable)? {
            let start = still.position;
            let mut reader = Reader::new(BufReader::with_capacity(HEADERS, still));
            spool.read(&mut reader, |reader, entry| {
                spool.look_at(start, reader, entry)
            })?;
        } else {
            let plain = opened(BufReader::with_capacity(BUFFER, input))?;
            let mut reader = Reader::new(BufReader::with_capacity(BUFFER, plain));
            spool.read(&mut reader, |reader, entry| spool.take(reader, entry))?;
        }
        Ok(spool)
    }

    fn read<R: Read>(
        &self,
        reader: &mut Reader<R>,
        file: impl Fn(&mut Reader<R>, &Entry) -> Result<Item>,
    ) -> Result<()> {
        let mut items = self.items.borrow_mut();
        while let Some(entry) = reader.next().context(unreadable)? {
            let Some(path) = normal(&entry.path) else {
                continue;
            };
            if items.len() == MOST_FILES {
                return Err(Error::user(format!(
                    "the archive has more than {MOST_FILES} files"
                )));
            }
            let to = match entry.kind {
                Kind::File => {
                    let item = file(reader, &entry);
                    let item = item.map_err(|e| e.context(format!("reading {path:?}")))?;
                    items.insert(path, item);
                    continue;
                }
                // From the top of the archive on.
                Kind::HardLink => normal(&entry.link),
                Kind::Symlink => beside(&path, &entry.link),
                _ => None,
            };
            if let Some(to) = to {
                items.insert(path, Item::Link(to));
            }
        }
        Ok(())
    }

    /// Notes where a file lies; what is small is taken at once.
    fn look_at(
        &self,
        begin: u64,
        reader: &mut Reader<BufReader<Still<'_>>>,
        entry: &Entry,
    ) -> Result<Item> {
        match reader.place() {
            Some((at, length)) if length == entry.size && length > SMALL => {
                reader.pass_over()?;
                let start = begin + at;
                Ok(Item::Lies(Part { start, length }))
            }
            _ => self.take(reader, entry),
        }
    }

    /// Takes a file as it passes.
    fn take<R: Read>(&self, reader: &mut Reader<R>, entry: &Entry) -> Result<Item> {
        let mut blob = self.stage.fresh_blob("")?;
        copy(reader, entry, self.stage, &mut blob)?;
        Ok(Item::Taken(blob.finish()?))
    }

    /// Whether there is such a file.
    pub(super) fn has(&self, path: &str) -> bool {
        self.find(path).is_ok()
    }

    /// The file of a name, links followed, and the name it has itself.
    fn find(&self, path: &str) -> Result<(String, Item)> {
        let missing = || incomplete(format!("the archive lacks {path:?}"));
        let mut at = normal(path.as_bytes()).ok_or_else(missing)?;
        let items = self.items.borrow();
        for _ in 0..DEEPEST {
            match items.get(&at) {
                Some(Item::Link(to)) => at.clone_from(to),
                Some(item) => return Ok((at, item.clone())),
                None => break,
            }
        }
        Err(missing())
    }

    /// The file of a name, in the stage.
    pub(super) fn file(&self, path: &str) -> Result<Descriptor> {
        let (at, item) = self.find(path)?;
        let part = match item {
            Item::Taken(blob) => return Ok(blob),
            Item::Lies(part) => part,
            Item::Link(_) => return Err(Error::internal("a link that was followed")),
        };
        let mut blob = self.stage.fresh_blob("")?;
        self.stage.check_room(part.length)?;
        let read = copy_part(self.input, part, &mut blob, &AtomicBool::new(false));
        read.map_err(|e| e.context(format!("reading {path:?}")))?;
        let blob = blob.finish()?;
        let taken = Item::Taken(blob.clone());
        self.items.borrow_mut().insert(at, taken);
        Ok(blob)
    }

    /// A small file in memory.
    pub(super) fn small(&self, path: &str, limit: u64) -> Result<Vec<u8>> {
        let large = || Error::user(format!("{path:?} in the archive is too large"));
        if let (_, Item::Lies(part)) = self.find(path)?
            && part.length > limit
        {
            return Err(large());
        }
        let blob = self.file(path)?;
        if blob.size > limit {
            return Err(large());
        }
        self.stage.small(&blob.digest, limit)
    }

    /// How a file begins: enough to tell how it is packed.
    fn begins(&self, part: Part) -> Result<[u8; 8]> {
        let mut first = [0; 8];
        let read = self.input.read_exact_at(&mut first, part.start);
        read.context(unreadable)?;
        Ok(first)
    }

    /// A layer of Docker's, which has no sum of its own there. One that is not
    /// packed can only be what the configuration says of its content.
    pub(super) fn layer(&self, path: &str, diff: Option<&Digest>) -> Result<Descriptor> {
        if let (_, Item::Lies(part)) = self.find(path)?
            && let Some(diff) = diff
        {
            let packing = Packing::of(&self.begins(part)?);
            if packing == Packing::None {
                self.expect(diff, part);
                return Ok(Descriptor::new(
                    packing.of_layer(),
                    part.length,
                    diff.clone(),
                ));
            }
        }
        let blob = self.file(path)?;
        let mut first = Vec::new();
        let file = self.stage.open(&blob.digest)?;
        file.take(8).read_to_end(&mut first)?;
        let media_type = Packing::of(&first).of_layer();
        Ok(Descriptor::new(media_type, blob.size, blob.digest))
    }

    fn expect(&self, digest: &Digest, part: Part) {
        self.layers.borrow_mut().insert(digest.clone(), part);
    }

    /// Makes sure of an image's parts: its configuration is in the stage, and
    /// each layer is there or lies where it can be fetched.
    pub(super) fn provide(&self, manifest: &Manifest) -> Result<()> {
        manifest
            .layers
            .iter()
            .try_for_each(|blob| self.offer(blob))?;
        self.need(&manifest.config)
    }

    fn offer(&self, blob: &Descriptor) -> Result<()> {
        let known = self.layers.borrow().get(&blob.digest).copied();
        let lies = match (known, self.find(&blob_path(&blob.digest))) {
            (Some(part), _) => part,
            (None, Ok((_, Item::Lies(part)))) if !self.stage.has(&blob.digest)? => part,
            _ => return self.need(blob),
        };
        self.expect(&blob.digest, lies);
        blob.check_length(lies.length)
    }

    /// Has a blob in the stage, wherever in the archive it was.
    fn need(&self, blob: &Descriptor) -> Result<()> {
        let path = blob_path(&blob.digest);
        if !self.stage.has(&blob.digest)? && self.has(&path) {
            self.file(&path)?;
        }
        if !self.stage.has(&blob.digest)? {
            self.take_all()?;
        }
        if !self.stage.has(&blob.digest)? {
            let text = format!("the archive lacks the blob {}", blob.digest);
            return Err(incomplete(text));
        }
        self.stage.check_length(blob)
    }

    fn take_all(&self) -> Result<()> {
        let lies = |item: &Item| matches!(item, Item::Lies(_));
        let items = self.items.borrow().clone();
        let mut all = items.iter().filter(|(_, item)| lies(item));
        all.try_for_each(|(path, _)| self.file(path).map(drop))
    }

    /// Where such blobs can be fetched.
    pub(super) fn source(&self) -> Source<'a> {
        Source {
            input: self.input,
            layers: self.layers.borrow().clone(),
        }
    }
}

/// Where layers lie. Threads share it.
pub(super) struct Source<'a> {
    input: &'a File,
    layers: BTreeMap<Digest, Part>,
}

impl Source<'_> {
    /// Fetches one.
    pub(super) fn fetch(
        &self,
        blob: &Descriptor,
        out: &mut dyn Write,
        stop: &AtomicBool,
    ) -> Result<()> {
        match self.layers.get(&blob.digest) {
            Some(part) => copy_part(self.input, *part, out, stop),
            None => Err(Error::environment(format!(
                "the layer {} is missing",
                blob.digest
            ))),
        }
    }
}

fn copy_part(input: &File, part: Part, out: &mut dyn Write, stop: &AtomicBool) -> Result<()> {
    let mut buffer = vec![0; BUFFER];
    let (mut at, mut left) = (part.start, part.length);
    while left > 0 {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::environment(STOPPED));
        }
        let most = left.min(BUFFER as u64) as usize;
        let n = match input.read_at(&mut buffer[..most], at) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            n => n.context(unreadable)?,
        };
        if n == 0 {
            return Err(Error::user("the archive became shorter while it was read"));
        }
        out.write_all(&buffer[..n])?;
        at += n as u64;
        left -= n as u64;
    }
    Ok(())
}

/// Copies a file's data; where it has holes, zeros. A hole costs its maker
/// nothing and is written out here, so it may not be beyond measure.
fn copy<R: Read>(
    reader: &mut Reader<R>,
    entry: &Entry,
    stage: &Stage,
    out: &mut impl Write,
) -> Result<()> {
    stage.check_room(entry.size)?;
    let mut buffer = vec![0; BUFFER];
    let (mut at, mut stored) = (0, 0);
    let fill = |out: &mut dyn Write, from: u64, to: u64, stored: u64| {
        if is_bomb(stored, to) {
            return Err(Error::user("its holes are larger than any honest file's"));
        }
        Ok(io::copy(&mut io::repeat(0).take(to - from), out).map(drop)?)
    };
    while let Some((start, length)) = reader.data(&mut buffer)? {
        stored += length as u64;
        fill(out, at, start.max(at), stored)?;
        out.write_all(&buffer[..length])?;
        at = start + length as u64;
    }
    fill(out, at, entry.size.max(at), stored)
}

/// An archive that lies still: a regular file that is not packed as a whole.
struct Still<'a> {
    file: &'a File,
    position: u64,
    length: u64,
}

impl<'a> Still<'a> {
    /// From where the file stands, if it is one.
    fn of(file: &'a File) -> io::Result<Option<Self>> {
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Ok(None);
        }
        let mut still = Still {
            file,
            position: (&*file).stream_position()?,
            length: meta.len(),
        };
        let start = still.position;
        let mut first = Vec::new();
        still
            .by_ref()
            .take(HEADERS as u64)
            .read_to_end(&mut first)?;
        still.position = start;
        // What says it is empty, and is not, is one of the kernel's.
        let lies = is_archive(&first) && start < still.length;
        Ok(lies.then_some(still))
    }
}

impl Read for Still<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buffer, self.position)?;
        self.position += n as u64;
        Ok(n)
    }
}

impl Seek for Still<'_> {
    /// Never beyond the end: an archive that says more is cut short.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(to) => Some(to),
            SeekFrom::Current(far) => self.position.checked_add_signed(far),
            SeekFrom::End(far) => self.length.checked_add_signed(far),
        };
        let to = to.filter(|to| *to <= self.length);
        self.position = to.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(self.position)
    }
}

fn unreadable() -> String {
    "cannot read the archive".to_owned()
}

fn incomplete(what: String) -> Error {
    Error::user(what).hint("it is incomplete: make it again, or pull the image")
}

/// A name in the archive, from its top on. Names that lead out of it, or are
/// no text, are nobody's.
fn normal(path: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(path).ok()?;
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// What a link beside `path` leads to.
fn beside(path: &str, link: &[u8]) -> Option<String> {
    let link = std::str::from_utf8(link).ok()?;
    if link.starts_with('/') {
        return None;
    }
    let above = path.rsplit_once('/').map_or("", |(above, _)| above);
    normal(format!("{above}/{link}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_but_into_the_archive() {
        for (path, want) in [
            ("./a/b", Some("a/b")),
            ("a//b/", Some("a/b")),
            ("a/../b", Some("b")),
            ("/etc/passwd", Some("etc/passwd")),
            ("../a", None),
            ("a/../../b", None),
            (".", None),
        ] {
            assert_eq!(normal(path.as_bytes()).as_deref(), want, "{path}");
        }
        assert_eq!(normal(b"\xff"), None);
    }

    #[test]
    fn links_are_relative_to_their_place() {
        let to = |link: &str| beside("x/layer.tar", link.as_bytes());
        assert_eq!(to("../y/layer.tar").as_deref(), Some("y/layer.tar"));
        assert_eq!(to("z").as_deref(), Some("x/z"));
        assert_eq!(to("/etc/passwd"), None);
        assert_eq!(to("../../out"), None);
    }
}
