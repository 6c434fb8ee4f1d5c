//! What a container has changed, from the upper directory of its overlayfs and
//! the layers below: added, changed or deleted, as `docker diff` says it.
//!
//! Of a directory that is gone or new in one piece, a deletion names only the
//! top. A directory that is in both counts as changed if something in it is
//! reported, or its own mode, owner or time differs: overlayfs copies it up
//! for every file in it that is merely written to. Directories renamed with
//! `redirect_dir` are not followed; overlayfs does not do that by default.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::entry::shown;
use super::overlay;
use super::root::path as as_path;
use super::tree::{Item, Next, Visitor, walk};
use crate::error::{Context, Result};
use crate::sys::{SysResult, entry, fd, inside};

/// What has happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is another than before.
    Changed,
    /// It is gone.
    Deleted,
}

impl ChangeKind {
    /// The letter `docker diff` shows.
    pub fn letter(self) -> char {
        match self {
            Self::Added => 'A',
            Self::Changed => 'C',
            Self::Deleted => 'D',
        }
    }
}

/// A file that is not as it was in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What has happened to it.
    pub kind: ChangeKind,
    /// Where it is, from the container's root on: `/etc/hosts`.
    pub path: PathBuf,
}

/// The changes in `upper` over `lowers`, the topmost of which comes first, in
/// the order of paths.
pub fn changes(upper: &OwnedFd, lowers: &[OwnedFd]) -> Result<Vec<Change>> {
    let mut run = Run {
        lowers,
        found: BTreeMap::new(),
        hidden: None,
        parent: None,
    };
    walk(upper, &mut run)?;
    Ok(run
        .found
        .into_iter()
        .map(|(path, kind)| Change {
            kind,
            path: Path::new("/").join(OsString::from_vec(path)),
        })
        .collect())
}

struct Run<'a> {
    lowers: &'a [OwnedFd],
    found: BTreeMap<Vec<u8>, ChangeKind>,
    /// The opaque directory the walk is in, if it is in one.
    hidden: Option<Vec<u8>>,
    /// The layers' directories that were last asked for, and their path.
    parent: Option<(Vec<u8>, Vec<OwnedFd>)>,
}

impl Visitor for Run<'_> {
    fn enter(&mut self, item: &Item<'_>) -> Result<Next> {
        let below = self
            .below(item.path)
            .context(|| format!("the layers' {}", shown(item.path)))?;
        match &below {
            Some(_) if overlay::is_whiteout(&item.stat) => {
                self.note(item.path, ChangeKind::Deleted);
            }
            None if overlay::is_whiteout(&item.stat) => {}
            None => self.note(item.path, ChangeKind::Added),
            Some(below) => self.both(item, below)?,
        }
        Ok(Next::Into)
    }

    fn leave(&mut self, _dir: &OwnedFd, _name: &Path, path: &[u8]) -> Result<()> {
        if self.hidden.as_deref() == Some(path) {
            self.hidden = None;
        }
        Ok(())
    }
}

impl Run<'_> {
    /// Something that was there before and still is.
    fn both(&mut self, item: &Item<'_>, below: &libc::stat) -> Result<()> {
        let was_dir = below.st_mode & libc::S_IFMT == libc::S_IFDIR;
        if !(item.is_dir() && was_dir) {
            self.note(item.path, ChangeKind::Changed);
            return Ok(());
        }
        let facts = |s: &libc::stat| (s.st_mode, s.st_uid, s.st_gid, s.st_mtime, s.st_mtime_nsec);
        if facts(&item.stat) != facts(below) {
            self.note(item.path, ChangeKind::Changed);
        }
        if self.hidden.is_none() && overlay::is_opaque(item.file)? {
            self.hidden = Some(item.path.to_vec());
        }
        if self.hidden.is_some() {
            self.deleted_in(item)?;
        }
        Ok(())
    }

    /// Everything that the layers have in a directory they can no longer be
    /// seen through, and that is not there any more.
    fn deleted_in(&mut self, item: &Item<'_>) -> Result<()> {
        for dir in descend(self.lowers, item.path)? {
            let list = fd::openat2(
                &dir,
                Path::new("."),
                libc::O_RDONLY | libc::O_DIRECTORY,
                0,
                fd::NO_LINKS,
            )?;
            for name in entry::names(list)? {
                let path = [item.path, b"/", name.as_bytes()].concat();
                let here = entry::stat(item.file, Path::new(&name))?;
                if here.is_none() && self.below(&path)?.is_some() {
                    self.note(&path, ChangeKind::Deleted);
                }
            }
        }
        Ok(())
    }

    /// Notes a change, and with it that of the directory it is in.
    fn note(&mut self, path: &[u8], kind: ChangeKind) {
        self.found.insert(path.to_vec(), kind);
        let mut path = path;
        while let Some(end) = path.iter().rposition(|b| *b == b'/') {
            path = &path[..end];
            if self.found.contains_key(path) {
                return;
            }
            self.found.insert(path.to_vec(), ChangeKind::Changed);
        }
    }

    /// What the layers together have at a path.
    fn below(&mut self, path: &[u8]) -> Result<Option<libc::stat>> {
        let split = path.iter().rposition(|b| *b == b'/');
        let (above, name) = match split {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&b""[..], path),
        };
        if self.parent.as_ref().is_none_or(|(known, _)| known != above) {
            self.parent = Some((above.to_vec(), descend(self.lowers, above)?));
        }
        let dirs = self.parent.iter().flat_map(|(_, dirs)| dirs);
        for dir in dirs {
            match entry::stat(dir, as_path(name))? {
                None => {}
                Some(stat) if overlay::is_whiteout(&stat) => return Ok(None),
                Some(stat) => return Ok(Some(stat)),
            }
        }
        Ok(None)
    }
}

/// The layers' directories that together are the directory `path`.
pub(super) fn descend(lowers: &[OwnedFd], path: &[u8]) -> Result<Vec<OwnedFd>> {
    let mut dirs = lowers
        .iter()
        .map(fd::duplicate)
        .collect::<SysResult<Vec<_>>>()?;
    for name in path.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
        dirs = merged(&dirs, as_path(name))?;
    }
    Ok(dirs)
}

/// The directories `name`, down to the layer that hides those below it.
fn merged(dirs: &[OwnedFd], name: &Path) -> Result<Vec<OwnedFd>> {
    let mut found = Vec::new();
    for dir in dirs {
        match inside::child(dir, name) {
            Ok(dir) => {
                let last = overlay::is_opaque(&dir)?;
                found.push(dir);
                if last {
                    break;
                }
            }
            Err(e) if e.errno == Errno::ENOENT => {}
            // A file, a link or a whiteout hides what is below it.
            Err(e) if matches!(e.errno, Errno::ENOTDIR | Errno::ELOOP) => break,
            Err(e) => return Err(e.into()),
        }
    }
    Ok(found)
}
