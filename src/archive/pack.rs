//! Packs a file, or a tree of files, into an archive.
//!
//! Everything is looked at through a descriptor that is no link and opened for
//! reading only once it is known to be a regular file, so that neither a link
//! nor a device put into its place can be read instead.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use super::entry::{Entry, Kind, Time, shown};
use super::overlay;
use super::owner::{Ownership, capability_inward};
use super::root::path as as_path;
use super::tree::{Item, Next, Visitor, walk};
use super::unpack::Summary;
use super::writer::Writer;
use crate::error::{Context, Error, Result};
use crate::sys::{entry, fd, xattr};

/// No honest file of procfs or sysfs is longer.
const MOST_MADE_UP: u64 = 64 << 20;

/// How to pack.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pack {
    /// What the top is called in the archive: `.` or a name. Empty leaves the
    /// top out and packs only what is in it.
    pub name: Vec<u8>,
    /// Whether the top, where it is a link, stands for what it leads to inside
    /// the directory given.
    pub follow_top: bool,
    /// Whether to leave out what is in mounted directories.
    pub one_file_system: bool,
    /// Whose the files are said to be.
    pub ownership: Ownership,
    /// The upper directory of an overlayfs, as an OCI layer: whiteouts become
    /// `.wh.` files, and times are whole seconds.
    pub layer: bool,
    /// What is left out with all that is in it, by its path from the top.
    pub leave_out: Vec<Vec<u8>>,
    /// How many bytes the files may have together, if there is only so much
    /// room for them: what is a hole in a file is zeros in an archive.
    pub room: Option<u64>,
}

/// Packs what is at `path` below `dir` and writes a whole archive.
///
/// Files come in the order of their names, a file of several names has its
/// data once, and sockets are left out.
pub fn pack(dir: &OwnedFd, path: &[u8], writer: impl Write, options: &Pack) -> Result<Summary> {
    let nofollow = if options.follow_top {
        0
    } else {
        libc::O_NOFOLLOW
    };
    let flags = libc::O_PATH | nofollow;
    let top = fd::openat2(dir, as_path(path), flags, 0, fd::IN_ROOT)?;
    pack_file(&top, writer, options)
}

/// Packs what an `O_PATH` descriptor stands for.
pub(super) fn pack_file(top: &OwnedFd, writer: impl Write, options: &Pack) -> Result<Summary> {
    let stat = fd::stat(top)?;
    let is_dir = stat.st_mode & libc::S_IFMT == libc::S_IFDIR;
    let mut run = Run {
        writer: Writer::new(writer),
        options,
        links: HashMap::new(),
        summary: Summary::default(),
    };
    if !(is_dir && options.name.is_empty()) {
        let name = options.name.clone();
        let shown = shown(&name);
        run.add(top, &stat, name)
            .context(|| format!("packing {shown}"))?;
    }
    if is_dir {
        run.opaque(top, &[], &stat)?;
        walk(top, &mut run)?;
    }
    run.writer.finish()?;
    Ok(run.summary)
}

struct Run<'a, W> {
    writer: Writer<W>,
    options: &'a Pack,
    /// The first name of each file that has several.
    links: HashMap<(u64, u64), Vec<u8>>,
    summary: Summary,
}

impl<W: Write> Visitor for Run<'_, W> {
    fn enter(&mut self, item: &Item<'_>) -> Result<Next> {
        self.item(item)
            .context(|| format!("packing {}", shown(item.path)))
    }
}

impl<W: Write> Run<'_, W> {
    fn item(&mut self, item: &Item<'_>) -> Result<Next> {
        if self.options.leave_out.iter().any(|path| path == item.path) {
            return Ok(Next::Over);
        }
        if self.options.layer
            && item
                .name
                .as_os_str()
                .as_bytes()
                .starts_with(overlay::WHITEOUT)
        {
            return Err(Error::user(
                "a file of this name cannot be in an image: it means a removed one",
            ));
        }
        if self.options.layer && overlay::is_whiteout(&item.stat) {
            self.marker(&hidden(item.path), &item.stat)?;
            return Ok(Next::Over);
        }
        self.add(item.file, &item.stat, self.name(item.path))?;
        if item.is_dir() {
            self.opaque(item.file, item.path, &item.stat)?;
        }
        let over = item.mounted && self.options.one_file_system;
        Ok(if over { Next::Over } else { Next::Into })
    }

    /// What something below the top is called in the archive.
    fn name(&self, path: &[u8]) -> Vec<u8> {
        if self.options.name.is_empty() {
            path.to_vec()
        } else {
            [&self.options.name, &b"/"[..], path].concat()
        }
    }

    fn opaque(&mut self, dir: &OwnedFd, path: &[u8], stat: &libc::stat) -> Result<()> {
        if !self.options.layer || !overlay::is_opaque(dir)? {
            return Ok(());
        }
        let parts: Vec<&[u8]> = [path, overlay::OPAQUE]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        self.marker(&parts.join(&b'/'), stat)
    }

    /// An empty file whose name says something.
    fn marker(&mut self, path: &[u8], stat: &libc::stat) -> Result<()> {
        let entry = Entry {
            path: self.name(path),
            kind: Kind::File,
            link: Vec::new(),
            mode: 0o600,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: time(self.options, stat),
            xattrs: Vec::new(),
        };
        self.summary.entries += 1;
        self.writer.bare(&entry)
    }

    fn add(&mut self, file: &OwnedFd, stat: &libc::stat, name: Vec<u8>) -> Result<()> {
        let Some(mut entry) = describe(self.options, file, stat, name)? else {
            self.summary.left_out += 1;
            return Ok(());
        };
        self.summary.entries += 1;
        if entry.kind == Kind::Directory {
            entry.path.push(b'/');
            return self.writer.bare(&entry);
        }
        if stat.st_nlink > 1 {
            let id = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&id) {
                entry.kind = Kind::HardLink;
                entry.link.clone_from(first);
                entry.size = 0;
                entry.xattrs.clear();
                return self.writer.bare(&entry);
            }
            self.links.insert(id, entry.path.clone());
        }
        if entry.kind != Kind::File {
            return self.writer.bare(&entry);
        }
        let flags = libc::O_RDONLY | libc::O_NOCTTY | libc::O_NONBLOCK;
        let data = File::from(fd::reopen(file, flags)?);
        if is_made_up(stat, &data)? {
            let mut text = Vec::new();
            data.take(MOST_MADE_UP).read_to_end(&mut text)?;
            entry.size = text.len() as u64;
            self.summary.bytes += entry.size;
            return self.writer.file(&entry, &text[..]);
        }
        self.summary.bytes += entry.size;
        self.check_room()?;
        self.writer.file(&entry, data)
    }

    /// Before the file is written, and not when the disk is full.
    fn check_room(&self) -> Result<()> {
        match self.options.room {
            Some(room) if self.summary.bytes > room => Err(Error::environment(format!(
                "with it the files have {} bytes, holes included, and {room} are free on the disk",
                self.summary.bytes
            ))),
            _ => Ok(()),
        }
    }
}

/// Whether the kernel makes up the content when it is read, as in procfs and
/// sysfs, so that the length which it tells means nothing.
fn is_made_up(stat: &libc::stat, file: &File) -> Result<bool> {
    if stat.st_size != 0 && stat.st_size != 4096 {
        return Ok(false);
    }
    let kind = fd::statfs(file)?.f_type;
    Ok([libc::PROC_SUPER_MAGIC, libc::SYSFS_MAGIC].contains(&kind))
}

/// What an entry says about a file; nothing about a socket.
pub fn describe(
    options: &Pack,
    file: &OwnedFd,
    stat: &libc::stat,
    path: Vec<u8>,
) -> Result<Option<Entry>> {
    let Some(kind) = kind(stat) else {
        return Ok(None);
    };
    let (uid, gid) = options.ownership.inward(stat.st_uid, stat.st_gid)?;
    let link = match kind {
        Kind::Symlink => entry::link_target(file)?
            .into_os_string()
            .into_encoded_bytes(),
        _ => Vec::new(),
    };
    let xattrs = match kind {
        Kind::File | Kind::Directory => attributes(file)?,
        _ => Vec::new(),
    };
    Ok(Some(Entry {
        path,
        kind,
        link,
        mode: stat.st_mode & 0o7777,
        uid,
        gid,
        size: if kind == Kind::File {
            stat.st_size as u64
        } else {
            0
        },
        mtime: time(options, stat),
        xattrs,
    }))
}

fn attributes(file: &OwnedFd) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = xattr::list(file)?;
    names.retain(|name| overlay::is_carried(name));
    names.sort_unstable();
    let mut found = Vec::new();
    for name in names {
        match xattr::get(file, &name)? {
            Some(value) if name == overlay::CAPABILITY => {
                let value = capability_inward(&value)?;
                found.push((name, value));
            }
            Some(value) => found.push((name, value)),
            None => {}
        }
    }
    Ok(found)
}

fn time(options: &Pack, stat: &libc::stat) -> Time {
    let part = if options.layer {
        0
    } else {
        stat.st_mtime_nsec as u32
    };
    Time::new(stat.st_mtime, part)
}

fn kind(stat: &libc::stat) -> Option<Kind> {
    let (major, minor) = (libc::major(stat.st_rdev), libc::minor(stat.st_rdev));
    Some(match stat.st_mode & libc::S_IFMT {
        libc::S_IFREG => Kind::File,
        libc::S_IFDIR => Kind::Directory,
        libc::S_IFLNK => Kind::Symlink,
        libc::S_IFCHR => Kind::Character(major, minor),
        libc::S_IFBLK => Kind::Block(major, minor),
        libc::S_IFIFO => Kind::Fifo,
        _ => return None,
    })
}

/// The name that hides `a/b` in the layers below: `a/.wh.b`.
fn hidden(path: &[u8]) -> Vec<u8> {
    let name = path.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
    [&path[..name], overlay::WHITEOUT, &path[name..]].concat()
}
