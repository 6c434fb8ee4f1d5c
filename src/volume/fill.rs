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

use std::ffi::OsString;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::archive::{Ownership, copy};
use crate::error::{Context, Error, Result};
use crate::store::files;
use crate::sys::{entry, fd, xattr};

/// Where a volume is filled.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Its files.
    pub data: PathBuf,
    /// Where they are brought together.
    pub filling: PathBuf,
    /// That place when all are there.
    pub filled: PathBuf,
    /// It must be whole after a power failure, too.
    pub lasting: bool,
}

impl Place {
    /// Nothing is in it, and nothing is on the way.
    pub fn is_empty(&self) -> Result<bool> {
        let what = || format!("cannot read {}", self.data.display());
        let own = [self.filling.file_name(), self.filled.file_name()];
        let inside = self.filling.parent() == Some(&self.data);
        for name in fs::read_dir(&self.data).context(what)? {
            let name = name.context(what)?.file_name();
            if !(inside && own.contains(&Some(&name))) {
                return Ok(false);
            }
        }
        Ok(!self.filled.exists())
    }

    /// Takes up again what somebody had to leave.
    pub fn recover(&self) -> Result<()> {
        if self.filled.exists() {
            self.finish()?;
        }
        if self.filling.exists() {
            files::remove_tree(&self.filling)?;
        }
        Ok(())
    }

    /// Copies what `root` has at `path`. The caller keeps others away.
    pub fn fill(&self, root: &OwnedFd, path: &Path) -> Result<()> {
        let Some(source) = find(root, path)? else {
            return Ok(());
        };
        let what = || format!("copying the image's {}", path.display());
        match files::private_dir(&self.filling) {
            // What cannot be written stays as empty as it is.
            Err(e) if e.raw_os_error() == Some(libc::EROFS) => return Ok(()),
            made => made.context(what)?,
        }
        let copied = self.copy(root, path, &source);
        if copied.is_err() {
            // The failure that led here is the one to tell.
            let _ = files::remove_tree(&self.filling);
        }
        copied.map_err(|e| e.context(what()))?;
        self.finish()
    }

    fn copy(&self, root: &OwnedFd, path: &Path, source: &OwnedFd) -> Result<()> {
        let to = fd::open(&self.filling, libc::O_RDONLY | libc::O_DIRECTORY)?;
        copy_all(root, path, &to)?;
        dress(source, &to)?;
        if self.lasting && fs::read_dir(&self.filling)?.next().is_some() {
            nix::unistd::syncfs(&to).map_err(|e| Error::environment(e.desc()))?;
        }
        fs::rename(&self.filling, &self.filled)?;
        Ok(())
    }

    fn finish(&self) -> Result<()> {
        let what = || format!("filling {}", self.data.display());
        let names = fs::read_dir(&self.filled).context(what)?;
        for name in names {
            self.take(&name.context(what)?.file_name()).context(what)?;
        }
        let from = fd::open(&self.filled, libc::O_RDONLY | libc::O_DIRECTORY)?;
        let to = fd::open(&self.data, libc::O_RDONLY | libc::O_DIRECTORY)?;
        dress(&from, &to)?;
        files::remove_tree(&self.filled)
    }

    /// Moves one thing. What a container has made there meanwhile stays.
    fn take(&self, name: &OsString) -> std::io::Result<()> {
        let (from, to) = (self.filled.join(name), self.data.join(name));
        let flags = RenameFlags::RENAME_NOREPLACE;
        match renameat2(AT_FDCWD, &from, AT_FDCWD, &to, flags) {
            // Not every file system can do that.
            Err(Errno::EINVAL | Errno::ENOSYS) if to.symlink_metadata().is_err() => {
                fs::rename(from, to)
            }
            Err(Errno::EEXIST | Errno::EINVAL | Errno::ENOSYS) => Ok(()),
            done => Ok(done?),
        }
    }
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
    let contents = [path.as_os_str().as_bytes(), b"/."].concat();
    let source = copy::copy_from(root, &contents, true)?;
    let keep = Ownership::Keep;
    copy::copy(&source, &keep, to, b"/", &keep).map(drop)
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
