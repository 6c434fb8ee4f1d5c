//! Unpacks an archive into a directory, and touches nothing outside of it,
//! whatever the archive says and whoever changes the directory meanwhile.
//!
//! Every operation is on one name in a directory that is open, or on a file
//! that is open. How the directory is found is [`super::root`]'s, how a file
//! comes to be there [`super::place`]'s; here is the order of things: which
//! entries there are, what a whiteout is, and what has to wait for the end.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use super::below::Below;
use super::entry::{Entry, Kind, Time, shown};
use super::overlay;
use super::owner::Ownership;
use super::place::{Placed, Placer};
use super::reader::Reader;
use super::root::{Root, joined, parts, path};
use crate::error::{Context, Error, Result};
use crate::sys::{entry, fd, inside};

/// What an archive may cost at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries.
    pub entries: u64,
    /// Bytes of all files together, holes included.
    pub bytes: u64,
    /// Bytes of one name.
    pub path: usize,
}

impl Default for Limits {
    /// More than the largest images there are, less than a disk.
    fn default() -> Self {
        Self {
            entries: 10_000_000,
            bytes: 1 << 40,
            path: 4095,
        }
    }
}

/// What happens where a directory and something else want the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conflict {
    /// The archive's replaces what is there.
    #[default]
    Replace,
    /// It is an error, as for `docker cp`.
    Refuse,
}

/// The first part of each name becomes another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// What the names must begin with; `.` stands for nothing.
    pub from: Vec<u8>,
    /// What they begin with then.
    pub to: Vec<u8>,
}

/// How to unpack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpack {
    /// An image layer: `.wh.` files become overlayfs's whiteouts, the entry
    /// for the top gives the directory itself its owner and mode, and the
    /// archive may lack its end mark.
    pub layer: bool,
    /// Who owns the files.
    pub ownership: Ownership,
    /// What the archive may cost.
    pub limits: Limits,
    /// Whether to set `security.capability` and `user.*`. Others never are,
    /// `user.overlay.*` neither; they are counted as left out.
    pub xattrs: bool,
    /// Whether files get the archive's times.
    pub times: bool,
    /// Whether device nodes are made, or left out.
    pub devices: bool,
    /// Whether files may lend whoever runs them the powers of others, by
    /// set-id bits or capabilities.
    pub powers: bool,
    /// What gives way to what.
    pub conflict: Conflict,
    /// Another name for the top.
    pub rename: Option<Rename>,
}

impl Default for Unpack {
    fn default() -> Self {
        Self {
            layer: false,
            ownership: Ownership::Keep,
            limits: Limits::default(),
            xattrs: true,
            times: true,
            devices: true,
            powers: true,
            conflict: Conflict::Replace,
            rename: None,
        }
    }
}

/// What was in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Bytes of all files together.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
    /// Attributes, device nodes and sockets that were left out.
    pub left_out: u64,
    /// Files that were brought up from the layers below.
    pub from_below: u64,
}

/// Unpacks an archive into `dir`.
pub fn unpack(dir: &OwnedFd, reader: impl Read, options: &Unpack) -> Result<Summary> {
    unpack_any(dir, reader, options, None)
}

/// Unpacks a layer that may have hard links to files of the layers below.
pub fn unpack_over(
    dir: &OwnedFd,
    reader: impl Read,
    options: &Unpack,
    below: &Below<'_>,
) -> Result<Summary> {
    unpack_any(dir, reader, options, Some(below))
}

fn unpack_any(
    dir: &OwnedFd,
    reader: impl Read,
    options: &Unpack,
    below: Option<&Below<'_>>,
) -> Result<Summary> {
    let owner = match options.ownership {
        Ownership::Keep => None,
        _ => Some(options.ownership.outward(0, 0)?),
    };
    let root = Root {
        fd: dir.as_fd(),
        layer: options.layer,
        owner,
    };
    let mut run = Run {
        root,
        options,
        summary: Summary::default(),
        directories: Vec::new(),
        reader: Reader::new(reader).open_end(options.layer),
        placer: Placer::new(root, options, below),
        last: None,
    };
    while let Some(entry) = run.reader.next()? {
        let name = entry.path.clone();
        run.one(entry)
            .context(|| format!("unpacking {}", shown(&name)))?;
    }
    run.finish()
}

/// A directory whose mode and time wait for the end: making files in it needs
/// the one and changes the other.
struct Waiting {
    path: Vec<u8>,
    id: (u64, u64),
    mode: u32,
    mtime: Time,
}

struct Run<'a, R> {
    root: Root<'a>,
    options: &'a Unpack,
    summary: Summary,
    directories: Vec<Waiting>,
    reader: Reader<R>,
    placer: Placer<'a>,
    /// The directory that the entry before was in.
    last: Option<(Vec<u8>, OwnedFd)>,
}

impl<R: Read> Run<'_, R> {
    fn one(&mut self, mut entry: Entry) -> Result<()> {
        self.count(&entry)?;
        entry.path = self.renamed(&entry.path)?;
        if entry.kind == Kind::HardLink {
            entry.link = self.renamed(&entry.link).context(|| "the link")?;
        }
        let path = entry.path.clone();
        let parts = parts(&path)?;
        let Some((name, above)) = parts.split_last() else {
            return self.top(&entry);
        };
        let parent = self.parent(above)?;
        if self.options.layer && name.starts_with(overlay::WHITEOUT) {
            self.placer.whiteout(&parent, name)?;
        } else {
            let placed = self.placer.place(&parent, name, &entry, &mut self.reader)?;
            self.remember(placed, path.clone(), &entry)?;
        }
        self.last = Some((joined(above), parent));
        Ok(())
    }

    /// The directory of these names. Mostly it is that of the entry before, and
    /// nothing but an entry that takes something away can make another of it:
    /// nobody else is at work in a layer that is being made.
    fn parent(&mut self, above: &[&[u8]]) -> Result<OwnedFd> {
        let is_new = std::mem::take(&mut self.placer.took_away) || !self.options.layer;
        match self.last.take() {
            Some((path, dir)) if !is_new && path == joined(above) => Ok(dir),
            _ => Ok(self.root.directory(above)?),
        }
    }

    fn count(&mut self, entry: &Entry) -> Result<()> {
        let limits = self.options.limits;
        self.summary.entries += 1;
        self.summary.bytes = self.summary.bytes.saturating_add(entry.size);
        if self.summary.entries > limits.entries {
            return Err(Error::user(format!(
                "the archive has more than {} entries",
                limits.entries
            )));
        }
        if self.summary.bytes > limits.bytes {
            return Err(Error::user(format!(
                "the archive's files have more than {} bytes",
                limits.bytes
            )));
        }
        if entry.path.len() > limits.path || entry.link.len() > limits.path {
            return Err(Error::user(format!(
                "a name of more than {} bytes",
                limits.path
            )));
        }
        Ok(())
    }

    fn renamed(&self, path: &[u8]) -> Result<Vec<u8>> {
        let mut parts = parts(path)?;
        let Some(rename) = &self.options.rename else {
            return Ok(joined(&parts));
        };
        if rename.from == b"." {
            parts.insert(0, &rename.to);
        } else if parts.first() == Some(&&rename.from[..]) {
            parts[0] = &rename.to;
        } else {
            return Err(Error::user("invalid copy source content"));
        }
        Ok(joined(&parts))
    }

    /// An entry for the directory that is unpacked into. Only a layer says what
    /// that one is like; a copy into a directory leaves it as it is.
    fn top(&mut self, entry: &Entry) -> Result<()> {
        if entry.kind != Kind::Directory {
            return Err(Error::user("the top of an archive can only be a directory"));
        }
        if !self.options.layer {
            return Ok(());
        }
        let top = inside::child(self.root.fd, path(b"."))?;
        self.placer.dress(&top, entry)?;
        self.remember(Placed::Directory(top), b".".to_vec(), entry)
    }

    fn remember(&mut self, placed: Placed, path: Vec<u8>, entry: &Entry) -> Result<()> {
        if let Placed::Directory(dir) = placed {
            let stat = fd::stat(dir)?;
            self.directories.push(Waiting {
                path,
                id: (stat.st_dev, stat.st_ino),
                mode: entry.mode,
                mtime: entry.mtime,
            });
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Summary> {
        let left = self.options.limits.bytes - self.summary.bytes;
        self.reader.drain(left)?;
        for waiting in std::mem::take(&mut self.directories).into_iter().rev() {
            self.settle(&waiting)
                .context(|| format!("unpacking {}", shown(&waiting.path)))?;
        }
        self.summary.left_out = self.placer.left_out;
        self.summary.from_below = self.placer.from_below;
        self.summary.bytes += self.placer.bytes_below;
        Ok(self.summary)
    }

    /// Gives a directory what had to wait, if it is still there: a later entry
    /// may have put something else into its place.
    fn settle(&self, waiting: &Waiting) -> Result<()> {
        let parts = parts(&waiting.path)?;
        let found = match parts.split_last() {
            None => inside::child(self.root.fd, path(b".")),
            Some((name, above)) => self
                .root
                .existing(above)
                .and_then(|parent| inside::child(&parent, path(name))),
        };
        let Ok(dir) = found else { return Ok(()) };
        let stat = fd::stat(&dir)?;
        if (stat.st_dev, stat.st_ino) != waiting.id {
            return Ok(());
        }
        if stat.st_mode & 0o7777 != waiting.mode {
            fd::chmod(&dir, waiting.mode)?;
        }
        if self.options.times {
            entry::set_time(&dir, waiting.mtime.seconds, waiting.mtime.nanoseconds)?;
        }
        Ok(())
    }
}
