//! Files of the layers below, for a layer that has hard links to them.
//!
//! Only builders that compare inodes across layers make such links. The file
//! is brought up into the layer, with all that it is, as overlayfs itself
//! would when somebody links to it; so both names are one file again.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::entry::{Entry, Kind};
use super::overlay;
use super::pack;
use super::place::{Placer, make_special};
use super::root::path;
use crate::error::{Context, Error, Result};
use crate::sys::{SysResult, entry, fd, inside};

/// Opens the layers below, the uppermost first; waits until they are there.
pub type Below<'a> = dyn Fn() -> Result<Vec<OwnedFd>> + 'a;

/// A file, and the directories that lead to it.
struct Found {
    parents: Vec<OwnedFd>,
    file: OwnedFd,
    stat: libc::stat,
}

impl Placer<'_> {
    /// Brings the file of these names up from the layers below, and says
    /// whether there is one.
    pub(super) fn bring_up(&mut self, parts: &[&[u8]]) -> Result<bool> {
        let Some(below) = self.below else {
            return Ok(false);
        };
        let mut layers = vec![inside::child(self.root.fd, path(b"."))?];
        layers.extend(below()?);
        let Some((name, above)) = parts.split_last() else {
            return Ok(false);
        };
        let Some(found) = look(layers, above, name)? else {
            return Ok(false);
        };
        let mut here = inside::child(self.root.fd, path(b"."))?;
        let mut made = Vec::new();
        for (name, model) in above.iter().zip(&found.parents) {
            here = self.like(&here, path(name), model, &mut made)?;
        }
        self.copy(&here, path(name), &found)?;
        for (dir, model) in made.iter().rev() {
            let stat = fd::stat(model)?;
            entry::set_time(dir, stat.st_mtime, stat.st_mtime_nsec as u32)?;
        }
        self.from_below += 1;
        Ok(true)
    }

    /// The directory `name`; made like `model` if it is not there.
    fn like<'m>(
        &mut self,
        here: &OwnedFd,
        name: &Path,
        model: &'m OwnedFd,
        made: &mut Vec<(OwnedFd, &'m OwnedFd)>,
    ) -> Result<OwnedFd> {
        if entry::stat(here, name)?.is_some() {
            return Ok(inside::child(here, name)?);
        }
        let like = describe(model)?;
        fd::mkdirat(here, name, 0o700)?;
        let dir = inside::child(here, name)?;
        self.dress(&dir, &like)?;
        fd::chmod(&dir, like.mode)?;
        made.push((fd::duplicate(&dir)?, model));
        Ok(dir)
    }

    fn copy(&mut self, here: &OwnedFd, name: &Path, found: &Found) -> Result<()> {
        let like = describe(&found.file)?;
        let made = if like.kind == Kind::File {
            let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_NOFOLLOW;
            let mut to = File::from(fd::openat2(here, name, flags, 0o600, fd::NO_LINKS)?);
            let flags = libc::O_RDONLY | libc::O_NOCTTY;
            let mut from = File::from(fd::reopen(&found.file, flags)?);
            std::io::copy(&mut from, &mut to).context(|| "copying it up")?;
            self.bytes_below += found.stat.st_size as u64;
            to.into()
        } else {
            make_special(here, name, &like)?
        };
        self.dress(&made, &like)?;
        if like.kind != Kind::Symlink {
            fd::chmod(&made, like.mode)?;
        }
        Ok(entry::set_time(
            &made,
            found.stat.st_mtime,
            found.stat.st_mtime_nsec as u32,
        )?)
    }
}

fn describe(file: &OwnedFd) -> Result<Entry> {
    let stat = fd::stat(file)?;
    let entry = pack::describe(&pack::Pack::default(), file, &stat, Vec::new())?;
    entry.ok_or_else(|| Error::user("a hard link to a socket"))
}

/// Finds a file as overlayfs would: the uppermost counts, directories are
/// laid over each other, whiteouts and opaque directories hide what is below
/// them. No link is followed.
fn look(layers: Vec<OwnedFd>, above: &[&[u8]], name: &[u8]) -> SysResult<Option<Found>> {
    let mut stack = Vec::new();
    for layer in layers {
        let opaque = overlay::is_opaque(&layer)?;
        stack.push(layer);
        if opaque {
            break;
        }
    }
    let mut parents = Vec::new();
    for part in above {
        stack = directories(&stack, path(part))?;
        let Some(first) = stack.first() else {
            return Ok(None);
        };
        parents.push(fd::duplicate(first)?);
    }
    for dir in &stack {
        let Some(stat) = entry::stat(dir, path(name))? else {
            continue;
        };
        if overlay::is_whiteout(&stat) || is_dir(&stat) {
            return Ok(None);
        }
        let flags = libc::O_PATH | libc::O_NOFOLLOW;
        let file = fd::openat2(dir, path(name), flags, 0, fd::NO_LINKS)?;
        let stat = fd::stat(&file)?;
        return Ok(Some(Found {
            parents,
            file,
            stat,
        }));
    }
    Ok(None)
}

/// The directories of this name that are laid over each other.
fn directories(stack: &[OwnedFd], name: &Path) -> SysResult<Vec<OwnedFd>> {
    let mut found = Vec::new();
    for dir in stack {
        let Some(stat) = entry::stat(dir.as_fd(), name)? else {
            continue;
        };
        if !is_dir(&stat) {
            break;
        }
        let next = inside::child(dir, name)?;
        let opaque = overlay::is_opaque(&next)?;
        found.push(next);
        if opaque {
            break;
        }
    }
    Ok(found)
}

fn is_dir(stat: &libc::stat) -> bool {
    stat.st_mode & libc::S_IFMT == libc::S_IFDIR
}
