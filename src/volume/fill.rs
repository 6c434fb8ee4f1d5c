//! The image's files go into an empty volume, all of them or none.
//!
//! They are copied to a place beside the volume's own files first (`filling`).
//! When all are there and on the disk, that place gets another name (`filled`),
//! and from then on the way is only forward: one after the
//! other is moved into the volume, by whoever comes next if need be. A volume
//! that is on a file system of its own has these two places inside.
//!
//! The image decides what its path leads to, and that is looked up inside of
//! its root: a link to `/etc` means its own. Copying is done by descriptors, in
//! this process.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{RenameFlags, renameat2};

use crate::archive::copy::Trust;
use crate::archive::{Ownership, copy, remove_all};
use crate::error::{Context, Error, Result};
use crate::sys::{SysError, SysResult, entry, fd, xattr};

/// A volume that is to be filled.
#[derive(Debug)]
pub(super) struct Place {
    /// Its files.
    data: OwnedFd,
    /// Where they are brought together.
    beside: OwnedFd,
    /// What that place is called, and what when all are there.
    names: [&'static str; 2],
    /// It must be whole after a power failure, too.
    lasting: bool,
}

impl Place {
    /// A volume that is kept in `dir`. One with a file system of its own has
    /// everything inside, where a container that has it already can do what it
    /// likes: nothing there is reached by a path or through a link.
    pub fn open(dir: &Path, mounted: bool, lasting: bool) -> Result<Self> {
        let data = dir.join("_data");
        let (beside, names) = if mounted {
            (&data, [".rcon-filling", ".rcon-filled"])
        } else {
            (&dir.to_owned(), ["filling", "filled"])
        };
        let open = |path: &PathBuf| {
            let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
            fd::open(path, flags)
        };
        Ok(Self {
            data: open(&data)?,
            beside: open(beside)?,
            names,
            lasting,
        })
    }

    fn filling(&self) -> &'static Path {
        Path::new(self.names[0])
    }

    fn filled(&self) -> &'static Path {
        Path::new(self.names[1])
    }

    /// Nothing is in it.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(names_in(&self.data)?.is_empty())
    }

    /// Takes up again what somebody had to leave.
    pub fn recover(&self) -> Result<()> {
        match entry::stat(&self.beside, self.filled())? {
            Some(stat) if stat.st_mode & libc::S_IFMT == libc::S_IFDIR => self.finish()?,
            // Nothing of ours.
            Some(_) => remove_all(&self.beside, self.filled())?,
            None => {}
        }
        remove_all(&self.beside, self.filling())
    }

    /// Copies what `root` has at `path`. The caller keeps others away.
    pub fn fill(&self, root: &OwnedFd, path: &Path) -> Result<()> {
        let Some(source) = find(root, path)? else {
            return Ok(());
        };
        match fd::mkdirat(&self.beside, self.filling(), 0o700) {
            // What cannot be written stays as empty as it is.
            Err(e) if e.errno == Errno::EROFS => return Ok(()),
            made => drop(made?),
        }
        let copied = self.copy(root, path, &source);
        if copied.is_err() {
            // The failure that led here is the one to tell.
            let _ = remove_all(&self.beside, self.filling());
        }
        copied.map_err(|e| e.context(format!("copying the image's {}", path.display())))?;
        self.finish()
    }

    fn copy(&self, root: &OwnedFd, path: &Path, source: &OwnedFd) -> Result<()> {
        let to = child(&self.beside, self.filling())?;
        copy_all(root, path, &to)?;
        dress(source, &to)?;
        if self.lasting && !names_in(&to)?.is_empty() {
            nix::unistd::syncfs(&to).map_err(|e| Error::environment(e.desc()))?;
        }
        let (from, to) = (self.filling(), self.filled());
        Ok(rename(&self.beside, from, &self.beside, to)?)
    }

    /// From here on the way is only forward.
    fn finish(&self) -> Result<()> {
        let filled = child(&self.beside, self.filled())?;
        for name in names_in(&filled)? {
            self.take(&filled, Path::new(&name))?;
        }
        dress(&filled, &self.data)?;
        remove_all(&self.beside, self.filled())
    }

    /// Moves one thing. What a container has made there meanwhile stays.
    fn take(&self, filled: &OwnedFd, name: &Path) -> SysResult<()> {
        match rename(filled, name, &self.data, name) {
            Err(e) if e.errno == Errno::EEXIST => Ok(()),
            done => done,
        }
    }
}

/// A directory that is no link, and on the same mount.
fn child(dir: &OwnedFd, name: &Path) -> SysResult<OwnedFd> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    fd::openat2(dir, name, flags, 0, fd::SAME_MOUNT)
}

fn names_in(dir: &OwnedFd) -> SysResult<Vec<std::ffi::OsString>> {
    entry::names(child(dir, Path::new("."))?)
}

/// Moves something to where nothing is.
fn rename(from: &OwnedFd, old: &Path, to: &OwnedFd, new: &Path) -> SysResult<()> {
    let flags = RenameFlags::RENAME_NOREPLACE;
    let done = match renameat2(from.as_fd(), old, to.as_fd(), new, flags) {
        // Not every file system can be told so.
        Err(Errno::EINVAL | Errno::ENOSYS) => match entry::stat(to, new)? {
            Some(_) => Err(Errno::EEXIST),
            None => nix::fcntl::renameat(from.as_fd(), old, to.as_fd(), new),
        },
        done => done,
    };
    done.map_err(|e| SysError::new(e, format!("renameat2({old:?}, {new:?})")))
}

/// What the image has there; `None` where there is nothing.
fn find(root: &OwnedFd, path: &Path) -> Result<Option<OwnedFd>> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY;
    let shown = path.display();
    match fd::openat2(root, &inside(path), flags, 0, fd::IN_ROOT) {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.errno == Errno::ENOENT => Ok(None),
        Err(e) if e.errno == Errno::ENOTDIR => Err(Error::user(format!(
            "a volume cannot be mounted at {shown}: the image has a file there"
        ))),
        Err(e) => Err(e).context(|| format!("looking for the image's {shown}")),
    }
}

fn inside(path: &Path) -> PathBuf {
    Path::new(".").join(path.strip_prefix("/").unwrap_or(path))
}

fn copy_all(root: &OwnedFd, path: &Path, to: &OwnedFd) -> Result<()> {
    let path: &OsStr = path.as_os_str();
    let contents = [path.as_bytes(), b"/."].concat();
    let source = copy::copy_from(root, &contents, true)?;
    let keep = Ownership::Keep;
    copy::copy((&source, &keep), to, b"/", &keep, Trust::All).map(drop)
}

/// Gives one directory the owner, attributes, mode and time of another.
fn dress(like: &OwnedFd, dir: &OwnedFd) -> Result<()> {
    let stat = fd::stat(like)?;
    fd::chown(dir, stat.st_uid, stat.st_gid)?;
    for name in xattr::list(like)? {
        let plain = name.starts_with(b"user.") && !name.starts_with(b"user.overlay.");
        if let Some(value) = xattr::get(like, &name)?.filter(|_| plain) {
            match xattr::set(dir, &name, &value) {
                Err(e) if e.errno == Errno::EOPNOTSUPP => {}
                done => done?,
            }
        }
    }
    fd::chmod(dir, stat.st_mode & 0o7777)?;
    Ok(entry::set_time(
        dir,
        stat.st_mtime,
        u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
    )?)
}
