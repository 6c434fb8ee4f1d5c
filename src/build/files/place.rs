//! Putting files into an image's root.
//!
//! The rules are Docker's. A directory's content goes into the destination,
//! which is made if it is missing; a file goes into the destination if that is
//! a directory or ends in `/`, and takes its place otherwise. Links in the
//! destination's path are followed inside the root. What is in a directory
//! meets what is there already: directories are merged, a file replaces a file
//! or a link, and nothing else replaces or becomes a directory.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::find::{as_path, joined};
use super::mode::Mode;
use super::sum;
use super::{Node, Tree};
use crate::archive::{self, Entry, Kind, Ownership, Time, Unpack};
use crate::error::{Context, Error, Result};
use crate::sys::{SysError, SysResult, entry, fd, inside, xattr};

/// Where files go, and what they are there.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Absolute.
    pub path: Vec<u8>,
    /// It is a directory, even if it is not there.
    pub is_dir: bool,
    /// Whose the files become; none: they are as they come.
    pub owner: Option<(u32, u32)>,
    /// What their modes become.
    pub mode: Option<Mode>,
}

/// Where the content of files comes from.
pub enum Content<'a> {
    /// From the files themselves, below this root.
    Root(&'a OwnedFd),
    /// It is this.
    Bytes(&'a [u8]),
    /// From a file that was fetched.
    File(&'a Path),
}

/// Puts files into a root.
pub struct Placer<'a> {
    root: &'a OwnedFd,
    to: &'a Destination,
    /// Where files of several names are by now, seen from the root.
    links: HashMap<(u64, u64), Vec<u8>>,
    /// Something changed while it was copied.
    pub moved: bool,
}

/// A name in a directory.
struct Spot {
    dir: OwnedFd,
    /// The directory, seen from the root.
    above: Vec<u8>,
    name: Vec<u8>,
}

impl<'a> Placer<'a> {
    /// Into this root.
    pub fn new(root: &'a OwnedFd, to: &'a Destination) -> Self {
        Self {
            root,
            to,
            links: HashMap::new(),
            moved: false,
        }
    }

    /// Puts a tree there.
    pub fn put(&mut self, tree: &Tree, content: &Content<'_>) -> Result<()> {
        if tree.is_file {
            let Some(node) = tree.nodes.first() else {
                return Ok(());
            };
            let spot = self.spot(&tree.name)?;
            return self.one(&spot, node, content);
        }
        let top = self.directory(&self.to.path)?;
        self.all(&top, &tree.nodes, content)
    }

    /// Unpacks an archive into the destination, which becomes a directory.
    pub fn unpack(&mut self, archive: impl Read) -> Result<()> {
        let top = self.directory(&self.to.path)?;
        let options = Unpack {
            ownership: match self.to.owner {
                Some((uid, gid)) => Ownership::Fixed(uid, gid),
                None => Ownership::Keep,
            },
            ..Unpack::default()
        };
        archive::unpack(&top, archive, &options).map(drop)
    }

    /// Makes the destination a directory and is done.
    pub fn make_directory(&mut self) -> Result<()> {
        self.directory(&self.to.path).map(drop)
    }

    fn owner(&self) -> (u32, u32) {
        self.to.owner.unwrap_or((0, 0))
    }

    /// A directory of the root, made with those above it where it is missing.
    fn directory(&self, path: &[u8]) -> Result<OwnedFd> {
        let shown = || format!("the destination {}", as_path(path).display());
        inside::walk(self.root.as_fd(), as_path(path), |here, name, _| {
            make_dir(here, name, 0o755, self.owner())
        })
        .map_err(|e| match e.errno {
            Errno::ENOTDIR | Errno::ELOOP => Error::user("not a directory")
                .hint("something that is not a directory is in its way in the image"),
            _ => e.into(),
        })
        .context(shown)
    }

    /// Where a file goes that is called `name`.
    fn spot(&self, name: &[u8]) -> Result<Spot> {
        if self.to.is_dir {
            return self.in_directory(name);
        }
        let mut found = None;
        let owner = self.owner();
        let walked = inside::walk(
            self.root.as_fd(),
            as_path(&self.to.path),
            |here, name, last| {
                if !last {
                    return make_dir(here, name, 0o755, owner);
                }
                found = Some((fd::duplicate(here)?, name.as_os_str().as_bytes().to_vec()));
                Err(SysError::new(Errno::ENOENT, "the last name"))
            },
        );
        match (walked, found) {
            // It is a directory already.
            (Ok(_), _) => self.in_directory(name),
            (Err(_), Some((dir, name))) => Ok(Spot {
                above: below_root(self.root, &dir)?,
                dir,
                name,
            }),
            (Err(e), None) => {
                Err(e).context(|| format!("the destination {}", as_path(&self.to.path).display()))
            }
        }
    }

    fn in_directory(&self, name: &[u8]) -> Result<Spot> {
        let dir = self.directory(&self.to.path)?;
        Ok(Spot {
            above: below_root(self.root, &dir)?,
            dir,
            name: name.to_vec(),
        })
    }

    /// Everything below a directory.
    fn all(&mut self, top: &OwnedFd, nodes: &[Node], content: &Content<'_>) -> Result<()> {
        let base = below_root(self.root, top)?;
        let mut spot = Spot {
            dir: inside::child(top, Path::new("."))?,
            above: base.clone(),
            name: Vec::new(),
        };
        let mut times: Vec<(&[u8], Time)> = Vec::new();
        for node in nodes {
            let path = &node.entry.path;
            let (above, name) = split(path);
            let above = joined(&base, above);
            if above != spot.above {
                spot.dir = self.reopen(&above)?;
                spot.above = above;
            }
            spot.name = name.to_vec();
            self.one(&spot, node, content)
                .context(|| as_path(path).display().to_string())?;
            if node.entry.kind == Kind::Directory && !node.way {
                times.push((path, node.entry.mtime));
            }
        }
        // What is made in a directory changes its time.
        for (path, time) in times.into_iter().rev() {
            let dir = self.reopen(&joined(&base, path))?;
            entry::set_time(&dir, time.seconds, time.nanoseconds)?;
        }
        Ok(())
    }

    /// A directory that was made here, or found to be one.
    fn reopen(&self, path: &[u8]) -> SysResult<OwnedFd> {
        let path = inside::relative(as_path(path));
        fd::openat2(self.root, path, inside::DIR, 0, fd::NO_LINKS)
    }

    fn one(&mut self, spot: &Spot, node: &Node, content: &Content<'_>) -> Result<()> {
        let name = as_path(&spot.name);
        let there = entry::stat(&spot.dir, name)?;
        let is_dir = there.is_some_and(|s| s.st_mode & libc::S_IFMT == libc::S_IFDIR);
        if node.entry.kind == Kind::Directory {
            return self.one_directory(spot, node, there.is_some(), is_dir);
        }
        if is_dir {
            return Err(Error::user(format!(
                "cannot copy a file over the directory {}",
                name.display()
            ))
            .hint("a destination that ends in / takes files in"));
        }
        if there.is_some() {
            entry::remove_file(&spot.dir, name)?;
        }
        let here = joined(&spot.above, &spot.name);
        if node.linked && self.link(spot, node)? {
            return Ok(());
        }
        let made = match node.entry.kind {
            Kind::File | Kind::HardLink => self.file(&spot.dir, name, node, content)?,
            _ => archive::make_special(&spot.dir, name, &node.entry)?,
        };
        self.dress(&made, &node.entry)?;
        entry::set_time(
            &made,
            node.entry.mtime.seconds,
            node.entry.mtime.nanoseconds,
        )?;
        if node.linked {
            self.links.insert(node.id, here);
        }
        Ok(())
    }

    fn one_directory(&self, spot: &Spot, node: &Node, there: bool, is_dir: bool) -> Result<()> {
        let name = as_path(&spot.name);
        if there && !is_dir {
            return Err(Error::user(format!(
                "cannot copy a directory over {}, which is none",
                name.display()
            ))
            .hint("copy its content to where that link leads, or remove it before"));
        }
        if !there {
            fd::mkdirat(&spot.dir, name, 0o700)?;
        }
        if there && node.way {
            return Ok(());
        }
        let dir = inside::child(&spot.dir, name)?;
        self.dress(&dir, &node.entry)
    }

    /// Makes a further name for a file that is here already.
    fn link(&self, spot: &Spot, node: &Node) -> Result<bool> {
        let Some(first) = self.links.get(&node.id) else {
            return Ok(false);
        };
        let (above, name) = split(first);
        let dir = self.reopen(above)?;
        entry::link(&dir, as_path(name), &spot.dir, as_path(&spot.name))?;
        Ok(true)
    }

    fn file(
        &mut self,
        dir: &OwnedFd,
        name: &Path,
        node: &Node,
        content: &Content<'_>,
    ) -> Result<OwnedFd> {
        let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_NOFOLLOW;
        let mut file = File::from(fd::openat2(dir, name, flags, 0o600, fd::NO_LINKS)?);
        match content {
            Content::Root(root) => {
                io::copy(&mut sum::open(root, node)?, &mut file)?;
                self.moved |= !sum::is_same(root, node);
            }
            Content::Bytes(bytes) => {
                file.write_all(bytes)?;
            }
            Content::File(path) => {
                io::copy(&mut File::open(path)?, &mut file)?;
            }
        }
        Ok(file.into())
    }

    /// Owner, attributes and mode, in this order: a change of owner takes
    /// set-id bits and capabilities away.
    fn dress(&self, file: &OwnedFd, entry: &Entry) -> Result<()> {
        let (uid, gid) = self.to.owner.unwrap_or((entry.uid, entry.gid));
        fd::chown(file, uid, gid)?;
        for (name, value) in &entry.xattrs {
            match xattr::set(file, name, value) {
                Err(e) if e.errno == Errno::EOPNOTSUPP => {}
                done => done?,
            }
        }
        if entry.kind == Kind::Symlink {
            return Ok(());
        }
        let is_dir = entry.kind == Kind::Directory;
        let mode = self.to.mode.as_ref();
        let mode = mode.map_or(entry.mode, |mode| mode.applied(entry.mode, is_dir));
        Ok(fd::chmod(file, mode)?)
    }
}

/// Makes a directory, whatever the umask.
fn make_dir(dir: &OwnedFd, name: &Path, mode: u32, owner: (u32, u32)) -> SysResult<OwnedFd> {
    if entry::stat(dir, name)?.is_some() {
        return Err(SysError::new(Errno::ENOTDIR, format!("{name:?}")));
    }
    fd::mkdirat(dir, name, mode)?;
    let made = inside::child(dir, name)?;
    fd::chown(&made, owner.0, owner.1)?;
    fd::chmod(&made, mode)?;
    Ok(made)
}

/// Where a directory is below its root.
fn below_root(root: &OwnedFd, dir: &OwnedFd) -> Result<Vec<u8>> {
    let named = |file: &OwnedFd| std::fs::read_link(fd::proc_path(file));
    let (root, dir): (PathBuf, PathBuf) = (named(root)?, named(dir)?);
    let below = dir.strip_prefix(&root);
    let below = below.map_err(|_| Error::environment("a directory was moved away meanwhile"))?;
    Ok(below.as_os_str().as_bytes().to_vec())
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}
