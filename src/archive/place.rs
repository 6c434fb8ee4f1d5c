//! Puts one entry of an archive into an open directory: makes room, makes the
//! file, gives it its owner, mode, attributes and time.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::errno::Errno;

use super::below::Below;
use super::entry::{Entry, Kind};
use super::overlay;
use super::reader::Reader;
use super::remove::remove_all;
use super::room::Room;
use super::root::{Root, parts, path};
use super::unpack::{Conflict, Unpack};
use crate::error::{Context, Error, Result};
use crate::sys::{SysResult, entry, fd, inside, xattr};

/// What an entry has become.
pub(super) enum Placed {
    /// A directory, whose mode and time are still to be set.
    Directory(OwnedFd),
    /// Something that is done.
    Other,
}

/// What is in an entry's way.
enum Way {
    Free,
    /// A whiteout of the same layer, now removed: what the layers below have
    /// there stays hidden.
    WasWhiteout,
    /// A directory, where a directory is wanted.
    Directory,
}

pub(super) struct Placer<'a> {
    pub(super) root: Root<'a>,
    options: &'a Unpack,
    /// The layers below, where links may lead there.
    pub(super) below: Option<&'a Below<'a>>,
    buffer: Vec<u8>,
    room: Room,
    pub(super) left_out: u64,
    pub(super) from_below: u64,
    pub(super) bytes_below: u64,
    /// Something that was there has given way.
    pub(super) took_away: bool,
}

impl<'a> Placer<'a> {
    pub(super) fn new(root: Root<'a>, options: &'a Unpack, below: Option<&'a Below<'a>>) -> Self {
        Self {
            root,
            options,
            below,
            buffer: vec![0; 256 * 1024],
            room: Room::default(),
            left_out: 0,
            from_below: 0,
            bytes_below: 0,
            took_away: false,
        }
    }

    pub(super) fn place<R: Read>(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        entry: &Entry,
        reader: &mut Reader<R>,
    ) -> Result<Placed> {
        let name = path(name);
        let device = matches!(entry.kind, Kind::Character(..) | Kind::Block(..));
        if device && !self.options.devices {
            self.left_out += 1;
            return Ok(Placed::Other);
        }
        // Looked for first: what is in the way may be the target itself.
        if entry.kind == Kind::HardLink {
            return self.hard_link(parent, name, entry);
        }
        let made = match entry.kind {
            Kind::Directory => {
                let way = self.clear(parent, name, entry.kind)?;
                let dir = make_directory(parent, name, self.first_mode(entry) | 0o700, &way)?;
                self.dress(&dir, entry)?;
                return Ok(Placed::Directory(dir));
            }
            Kind::File => self.file(parent, name, entry, reader)?,
            _ => {
                let make = || make_node(parent, name, entry);
                self.fresh(parent, name, entry.kind, make)?;
                made_node(parent, name, entry)?
            }
        };
        let mode = self.dress(&made, entry)?;
        if entry.kind != Kind::Symlink {
            let powers = libc::S_ISUID | libc::S_ISGID;
            let without = if self.options.powers { 0 } else { powers };
            let wanted = entry.mode & !without;
            if mode != Some(wanted) {
                fd::chmod(&made, wanted)?;
            }
        }
        if self.options.times {
            entry::set_time(&made, entry.mtime.seconds, entry.mtime.nanoseconds)?;
        }
        Ok(Placed::Other)
    }

    /// An OCI whiteout, as one of overlayfs.
    pub(super) fn whiteout(&mut self, parent: &OwnedFd, name: &[u8]) -> Result<()> {
        if name == overlay::OPAQUE {
            return Ok(overlay::make_opaque(parent)?);
        }
        if name.starts_with(overlay::AUFS) {
            self.left_out += 1;
            return Ok(());
        }
        let hidden = &name[overlay::WHITEOUT.len()..];
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(Error::user("a whiteout of no file"));
        }
        let hidden = path(hidden);
        // A whiteout is about the layers below. What this layer has itself
        // stays, and already hides theirs; a directory must be told to.
        match entry::stat(parent, hidden)? {
            None => Ok(overlay::make_whiteout(parent, hidden)?),
            Some(stat) if stat.st_mode & libc::S_IFMT == libc::S_IFDIR => {
                Ok(overlay::make_opaque(inside::child(parent, hidden)?)?)
            }
            Some(_) => Ok(()),
        }
    }

    /// Owner and attributes. The owner comes first, for a change of owner
    /// takes set-id bits and capabilities away. Gives the mode that the file
    /// has, if that has been seen.
    ///
    /// Each change goes through the file system's journal, and most files are
    /// as they should be from the start: to look takes a tenth of the time.
    pub(super) fn dress(&mut self, file: &OwnedFd, entry: &Entry) -> Result<Option<u32>> {
        let (uid, gid) = self.options.ownership.outward(entry.uid, entry.gid)?;
        let stat = fd::stat(file)?;
        let is_theirs = (stat.st_uid, stat.st_gid) == (uid, gid);
        if !is_theirs {
            fd::chown(file, uid, gid)?;
        }
        for (name, value) in &entry.xattrs {
            let takes = matches!(entry.kind, Kind::File | Kind::Directory);
            let is_power = name == overlay::CAPABILITY && !self.options.powers;
            if !self.options.xattrs || !takes || is_power || !overlay::is_carried(name) {
                self.left_out += 1;
            } else if name == overlay::CAPABILITY {
                let value = self.options.ownership.capability_outward(value)?;
                self.attribute(file, name, &value)?;
            } else {
                self.attribute(file, name, value)?;
            }
        }
        Ok(is_theirs.then_some(stat.st_mode & 0o7777))
    }

    /// The mode that a file is made with. Nobody else looks at a layer that is
    /// being made; elsewhere a file is its owner's until it is whole.
    fn first_mode(&self, entry: &Entry) -> u32 {
        if self.options.layer {
            entry.mode & 0o777
        } else {
            0o600
        }
    }

    /// Makes what must not be there before. Mostly nothing is in its way, so
    /// one looks only where something was.
    fn fresh<T>(
        &mut self,
        parent: &OwnedFd,
        name: &Path,
        kind: Kind,
        make: impl Fn() -> SysResult<T>,
    ) -> Result<T> {
        match make() {
            Err(e) if e.errno == Errno::EEXIST => {
                self.clear(parent, name, kind)?;
                Ok(make()?)
            }
            made => Ok(made?),
        }
    }

    fn attribute(&mut self, file: &OwnedFd, name: &[u8], value: &[u8]) -> Result<()> {
        match xattr::set(file, name, value) {
            Err(e) if e.errno == Errno::EOPNOTSUPP => {
                self.left_out += 1;
                Ok(())
            }
            done => Ok(done?),
        }
    }

    fn clear(&mut self, parent: &OwnedFd, name: &Path, kind: Kind) -> Result<Way> {
        let Some(stat) = entry::stat(parent, name)? else {
            return Ok(Way::Free);
        };
        let is_dir = stat.st_mode & libc::S_IFMT == libc::S_IFDIR;
        let want_dir = kind == Kind::Directory;
        if is_dir && want_dir {
            return Ok(Way::Directory);
        }
        if is_dir != want_dir && self.options.conflict == Conflict::Refuse {
            return Err(Error::user(if is_dir {
                "cannot overwrite directory with non-directory"
            } else {
                "cannot overwrite non-directory with directory"
            }));
        }
        remove_all(parent, name)?;
        self.took_away = true;
        if self.options.layer && overlay::is_whiteout(&stat) {
            return Ok(Way::WasWhiteout);
        }
        Ok(Way::Free)
    }

    fn file<R: Read>(
        &mut self,
        parent: &OwnedFd,
        name: &Path,
        entry: &Entry,
        reader: &mut Reader<R>,
    ) -> Result<OwnedFd> {
        let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_NOFOLLOW;
        let mode = self.first_mode(entry);
        let make = || fd::openat2(parent, name, flags, mode, fd::NO_LINKS);
        let file = File::from(self.fresh(parent, name, entry.kind, make)?);
        let mut end = 0;
        while let Some((offset, length)) = reader.data(&mut self.buffer)? {
            self.room.take(length as u64, &file)?;
            file.write_all_at(&self.buffer[..length], offset)
                .context(|| "writing it")?;
            end = offset + length as u64;
        }
        if end < entry.size {
            file.set_len(entry.size).context(|| "writing it")?;
        }
        Ok(file.into())
    }

    fn hard_link(&mut self, parent: &OwnedFd, name: &Path, entry: &Entry) -> Result<Placed> {
        let target = parts(&entry.link).context(|| "the link")?;
        let Some((old, above)) = target.split_last() else {
            return Err(Error::user("a hard link to the top of the archive"));
        };
        let old = path(old);
        if self.is_missing(above, old)? && !self.bring_up(&target)? {
            return Err(Error::user(format!(
                "it is a hard link to {old:?}, which is not there"
            )));
        }
        let from = self.root.existing(above).context(|| "the link")?;
        let Some(stat) = entry::stat(&from, old)? else {
            return Err(Error::environment("the link's target was taken away"));
        };
        let same_place = same_file(&from, parent)? && old == name;
        if stat.st_mode & libc::S_IFMT == libc::S_IFDIR || same_place {
            return Err(Error::user("a hard link to a directory or to itself"));
        }
        let make = || entry::link(&from, old, parent, name);
        self.fresh(parent, name, entry.kind, make)?;
        Ok(Placed::Other)
    }
}

impl Placer<'_> {
    /// Whether a link leads to nothing in this archive.
    fn is_missing(&self, above: &[&[u8]], name: &Path) -> Result<bool> {
        match self.root.existing(above) {
            Ok(dir) => {
                // A whiteout is nothing: it stands for a file that is gone.
                let nothing = |s: &libc::stat| self.options.layer && overlay::is_whiteout(s);
                Ok(entry::stat(dir, name)?.is_none_or(|s| nothing(&s)))
            }
            // Not a directory: a whiteout of one, or a link, which is not followed.
            Err(e) if matches!(e.errno, Errno::ENOENT | Errno::ENOTDIR) => Ok(true),
            Err(e) => Err(Error::from(e).context("the link")),
        }
    }
}

fn make_directory(parent: &OwnedFd, name: &Path, mode: u32, way: &Way) -> Result<OwnedFd> {
    if !matches!(way, Way::Directory) {
        fd::mkdirat(parent, name, mode)?;
    }
    let dir = inside::child(parent, name)?;
    if matches!(way, Way::WasWhiteout) {
        overlay::make_opaque(&dir)?;
    }
    Ok(dir)
}

/// A link, a pipe or a device.
pub fn make_special(parent: &OwnedFd, name: &Path, entry: &Entry) -> Result<OwnedFd> {
    make_node(parent, name, entry)?;
    made_node(parent, name, entry)
}

/// What the kernel calls this kind of file, and the device it stands for.
fn format_of(entry: &Entry) -> (u32, u64) {
    match entry.kind {
        Kind::Character(major, minor) => (libc::S_IFCHR, libc::makedev(major, minor)),
        Kind::Block(major, minor) => (libc::S_IFBLK, libc::makedev(major, minor)),
        Kind::Fifo => (libc::S_IFIFO, 0),
        _ => (libc::S_IFLNK, 0),
    }
}

fn make_node(parent: &OwnedFd, name: &Path, entry: &Entry) -> SysResult<()> {
    match format_of(entry) {
        (libc::S_IFLNK, _) => fd::symlinkat(path(&entry.link), parent, name),
        (format, device) => fd::mknodat(parent, name, format | 0o600, device),
    }
}

/// Opens it. Somebody else may put another file into its place before, so it
/// has to be of the kind just made, and ours.
fn made_node(parent: &OwnedFd, name: &Path, entry: &Entry) -> Result<OwnedFd> {
    let (format, device) = format_of(entry);
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    let made = fd::openat2(parent, name, flags, 0, fd::NO_LINKS)?;
    let stat = fd::stat(&made)?;
    let same_device = format == libc::S_IFLNK || stat.st_rdev == device;
    if stat.st_mode & libc::S_IFMT == format && same_device && stat.st_nlink == 1 {
        Ok(made)
    } else {
        Err(Error::environment("was replaced while it was made"))
    }
}

fn same_file(a: &OwnedFd, b: &OwnedFd) -> Result<bool> {
    let (a, b) = (fd::stat(a)?, fd::stat(b)?);
    Ok((a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}
