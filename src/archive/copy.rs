//! Copying as `docker cp` does: which file is meant, what it is called in the
//! archive, and where that ends up.
//!
//! Both sides are a path in a root: the host's `/`, or a container's root as
//! it is mounted. Each is resolved in its root, so that a container's link to
//! `/etc` means its own. The rules, which are older than `cp -T`:
//!
//! | source | destination | result |
//! |---|---|---|
//! | file | missing | made with that name; its directory must exist |
//! | file | missing, ends in `/` | error: no such directory |
//! | file | file | replaced |
//! | any | directory | put into it |
//! | directory | missing | made; what was in the source is in it |
//! | directory | file | error: cannot copy directory |
//! | directory with `/.` | directory | what is in it is put there |

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;

use super::owner::Ownership;
use super::pack::{Pack, pack_file};
use super::root::{joined, path as as_path};
use super::unpack::{Conflict, Rename, Summary, Unpack, unpack};
use crate::error::{Context, Error, Result};
use crate::sys::{SysError, entry, fd};

/// More links in a row than any honest destination has.
const MOST_LINKS: usize = 40;

/// Something that is to be copied.
pub struct Source {
    file: OwnedFd,
    /// Its name in the archive: `.` if only what is in it is meant.
    name: Vec<u8>,
    is_dir: bool,
}

impl Source {
    /// What its top is called in the archive.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.is_dir
    }

    /// Writes it as an archive.
    pub fn write(&self, writer: impl Write, ownership: &Ownership) -> Result<Summary> {
        let options = Pack {
            name: self.name.clone(),
            ownership: ownership.clone(),
            ..Pack::default()
        };
        pack_file(&self.file, writer, &options)
    }
}

/// A path as it was typed: what its ending says is not in its parts.
struct Typed<'a> {
    whole: &'a [u8],
    /// Ends in `/` or in `.`: it can only be a directory.
    wants_dir: bool,
    /// Ends in `/.`: what is in the directory, not the directory.
    contents: bool,
}

impl<'a> Typed<'a> {
    fn new(whole: &'a [u8]) -> Self {
        let contents = whole == b"." || whole.ends_with(b"/.");
        Self {
            whole,
            wants_dir: contents || whole.ends_with(b"/"),
            contents,
        }
    }

    /// The path without what its ending says.
    fn bare(&self) -> &'a [u8] {
        let mut bare = self.whole;
        loop {
            bare = match bare.strip_suffix(b"/.").or(bare.strip_suffix(b"/")) {
                Some(shorter) => shorter,
                None => return bare,
            };
        }
    }

    /// The directory it is in, and its name there; no name for a root.
    fn split(&self) -> (&'a [u8], &'a [u8]) {
        let bare = self.bare();
        match bare.iter().rposition(|b| *b == b'/') {
            Some(at) => (&bare[..at], &bare[at + 1..]),
            None => (&b""[..], bare),
        }
    }

    fn fails(&self, errno: Errno) -> Error {
        let what = match errno {
            Errno::ENOENT => "no such file or directory".to_owned(),
            Errno::ENOTDIR => "not a directory".to_owned(),
            Errno::ELOOP => "too many levels of symbolic links".to_owned(),
            other => other.desc().to_lowercase(),
        };
        let shown = String::from_utf8_lossy(self.whole);
        Error::user(format!("{shown}: {what}"))
    }
}

/// A path for a lookup in a root.
fn inside(path: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = path
        .split(|b| *b == b'/')
        .filter(|part| !part.is_empty())
        .collect();
    joined(&parts)
}

/// Finds what is to be copied. A link in last place is copied itself, unless
/// `follow` is asked for or the path ends in `/`.
pub fn copy_from(root: &OwnedFd, path: &[u8], follow: bool) -> Result<Source> {
    let typed = Typed::new(path);
    let (_, name) = typed.split();
    let through = follow || typed.wants_dir || name == b"..";
    let flags = libc::O_PATH | if through { 0 } else { libc::O_NOFOLLOW };
    let bare = inside(typed.bare());
    let file = fd::openat2(root, as_path(&bare), flags, 0, fd::IN_ROOT)
        .map_err(|e| typed.fails(e.errno))?;
    let is_dir = is_dir(&file)?;
    if typed.wants_dir && !is_dir {
        return Err(typed.fails(Errno::ENOTDIR));
    }
    let nameless = name.is_empty() || name == b"." || name == b"..";
    let name = if typed.contents || nameless {
        b"."
    } else {
        name
    };
    Ok(Source {
        file,
        name: name.to_vec(),
        is_dir,
    })
}

fn is_dir(file: &OwnedFd) -> Result<bool> {
    Ok(fd::stat(file)?.st_mode & libc::S_IFMT == libc::S_IFDIR)
}

/// What comes to a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// An archive from elsewhere (`-`), for a directory that is there.
    Archive,
    /// An archive that [`Source::write`] writes.
    Named {
        /// What its top is called.
        name: Vec<u8>,
        /// Whether its top is a directory.
        is_dir: bool,
    },
}

impl From<&Source> for Incoming {
    fn from(source: &Source) -> Self {
        Self::Named {
            name: source.name.clone(),
            is_dir: source.is_dir,
        }
    }
}

/// Where a copy goes, once that has been decided.
pub struct Destination {
    dir: OwnedFd,
    rename: Option<Rename>,
}

/// Decides where a copy goes, before anything is read.
pub fn destination(root: &OwnedFd, path: &[u8], incoming: &Incoming) -> Result<Destination> {
    let typed = Typed::new(path);
    let place = place(root, &typed)?;
    let (Place::Directory(dir) | Place::File(dir, _) | Place::Missing(dir, _)) = &place;
    if fd::mount_flags(dir)? & libc::ST_RDONLY != 0 {
        return Err(typed.fails(Errno::EROFS));
    }
    let (name, (dir, to)) = match (incoming, place) {
        (_, Place::Directory(dir)) => return Ok(Destination { dir, rename: None }),
        (Incoming::Archive, Place::File(..)) => return Err(typed.fails(Errno::ENOTDIR)),
        (Incoming::Archive, Place::Missing(..)) => return Err(typed.fails(Errno::ENOENT)),
        (Incoming::Named { is_dir: true, .. }, Place::File(..)) => {
            let shown = String::from_utf8_lossy(path);
            return Err(Error::user(format!(
                "cannot copy directory: {shown} is a file"
            )));
        }
        (Incoming::Named { is_dir: false, .. }, Place::Missing(..)) if typed.wants_dir => {
            let shown = String::from_utf8_lossy(typed.bare());
            return Err(Error::user(format!("no such directory: {shown}")));
        }
        (Incoming::Named { name, .. }, Place::File(dir, to) | Place::Missing(dir, to)) => {
            (name, (dir, to))
        }
    };
    let rename = Some(Rename {
        from: name.clone(),
        to,
    });
    Ok(Destination { dir, rename })
}

/// What is at a destination: where there is no directory, its parent and the
/// name in it.
enum Place {
    Directory(OwnedFd),
    File(OwnedFd, Vec<u8>),
    Missing(OwnedFd, Vec<u8>),
}

/// Links are followed to the end; one that leads nowhere is made where it
/// leads to.
fn place(root: &OwnedFd, typed: &Typed<'_>) -> Result<Place> {
    let mut at = inside(typed.bare());
    for _ in 0..MOST_LINKS {
        let flags = libc::O_PATH;
        match fd::openat2(root, as_path(&at), flags, 0, fd::IN_ROOT) {
            Ok(file) if is_dir(&file)? => return Ok(Place::Directory(file)),
            Ok(_) if typed.wants_dir => return Err(typed.fails(Errno::ENOTDIR)),
            Ok(_) => {}
            Err(e) if e.errno == Errno::ENOENT => {}
            Err(e) => return Err(typed.fails(e.errno)),
        }
        let (above, name) = split(&at);
        let dir = open_parent(root, above).map_err(|e| typed.fails(e.errno))?;
        match entry::read_link(&dir, as_path(name))? {
            Some(target) if target.is_absolute() => at = inside(target.as_os_str().as_bytes()),
            Some(target) => {
                at = inside(&[above, b"/", target.as_os_str().as_bytes()].concat());
            }
            None if matches!(name, b"" | b"." | b"..") => {
                return Err(typed.fails(Errno::ENOENT));
            }
            None => {
                let there = entry::stat(&dir, as_path(name))?.is_some();
                let name = name.to_vec();
                return Ok(if there {
                    Place::File(dir, name)
                } else {
                    Place::Missing(dir, name)
                });
            }
        }
    }
    Err(typed.fails(Errno::ELOOP))
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b".", path),
    }
}

fn open_parent(root: &OwnedFd, above: &[u8]) -> std::result::Result<OwnedFd, SysError> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    fd::openat2(root, as_path(above), flags, 0, fd::IN_ROOT)
}

impl Destination {
    /// Unpacks an archive there.
    pub fn unpack(&self, reader: impl Read, ownership: &Ownership) -> Result<Summary> {
        self.take(reader, ownership, Trust::All)
    }

    fn take(&self, reader: impl Read, ownership: &Ownership, trust: Trust) -> Result<Summary> {
        let options = Unpack {
            devices: trust == Trust::All,
            powers: trust == Trust::All,
            ownership: ownership.clone(),
            conflict: Conflict::Refuse,
            rename: self.rename.clone(),
            ..Unpack::default()
        };
        unpack(&self.dir, reader, &options)
    }
}

/// Finds the destination and unpacks an archive there.
pub fn copy_to(
    root: &OwnedFd,
    path: &[u8],
    incoming: &Incoming,
    reader: impl Read,
    ownership: &Ownership,
) -> Result<Summary> {
    destination(root, path, incoming)?.unpack(reader, ownership)
}

/// What is taken of the files of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// As they are.
    All,
    /// No device nodes, and nothing that lends powers: who gives files a new
    /// owner would make them lend that one's.
    Plain,
}

/// Copies from one root to another. `from` says whose the files are in between
/// and `to` whose they are then.
pub fn copy(
    (source, from): (&Source, &Ownership),
    to_root: &OwnedFd,
    to_path: &[u8],
    to: &Ownership,
    trust: Trust,
) -> Result<Summary> {
    let destination = destination(to_root, to_path, &Incoming::from(source))?;
    let (reader, writer) = std::io::pipe().context(|| "making a pipe")?;
    std::thread::scope(|scope| {
        let pack = move || source.write(writer, from);
        let packing = std::thread::Builder::new().spawn_scoped(scope, pack);
        let packing = packing.context(|| "cannot start a thread to read the files")?;
        let unpacked = destination.take(reader, to, trust);
        let packed = packing
            .join()
            .unwrap_or_else(|_| Err(Error::internal("packing failed")));
        // What went wrong first is why the other side found the pipe closed.
        match (packed, unpacked) {
            (Err(e), Err(u)) if u.what().contains("cut short") => Err(e),
            (Err(e), Ok(_)) => Err(e),
            (_, unpacked) => unpacked,
        }
    })
}
