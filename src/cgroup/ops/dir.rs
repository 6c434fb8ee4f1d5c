//! One cgroup directory, held open.
//!
//! Everything that is written to a cgroup goes through here, and so does the
//! one thing that keeps it honest: a directory is reached from a mount whose
//! file system was asked what it is, never through a symlink, it is asked
//! itself, and each file is asked again before it is written. A path that something else
//! was mounted over, or that was swapped for a link into /proc, ends in an
//! error (CVE-2025-52881 was such a write gone astray).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::dir::Type;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, fstatfs};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::cgroup::layout::Version;
use crate::cgroup::paths::CgroupDir;
use crate::sys::{SysError, SysResult, fd};

const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// An open cgroup directory. The path is for messages only.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    version: Version,
    path: PathBuf,
}

impl Dir {
    /// The root of a mounted hierarchy.
    pub(super) fn mount(version: Version, path: &Path) -> SysResult<Self> {
        let fd = openat(AT_FDCWD, path, DIRECTORY, Mode::empty()).map_err(|e| {
            SysError::new(e, format!("open({}, O_DIRECTORY|O_NOFOLLOW)", quoted(path)))
        })?;
        let dir = Self {
            fd,
            version,
            path: path.to_owned(),
        };
        dir.check(&dir.fd, &dir.path)?;
        Ok(dir)
    }

    /// The directory a saved path names. No name on the way may be a link, and
    /// none leads up.
    pub(super) fn open(spec: &CgroupDir) -> SysResult<Self> {
        let mount = Self::mount(spec.version, &spec.mount)?;
        let below: PathBuf = spec.components().collect();
        if below.as_os_str().is_empty() {
            return Ok(mount);
        }
        let how = libc::O_RDONLY | libc::O_DIRECTORY;
        let found = fd::openat2_if_there(&mount.fd, &below, how, fd::NO_LINKS)?;
        let fd = found.ok_or_else(|| mount.error(Errno::ENOENT, "open", &below))?;
        let path = spec.mount.join(below);
        mount.check(&fd, &path)?;
        Ok(Self { fd, path, ..mount })
    }

    /// The cgroup `name` in this one.
    pub(super) fn child(&self, name: impl AsRef<OsStr>) -> SysResult<Self> {
        let name = name.as_ref();
        let path = self.path.join(name);
        let fd = self.openat(name, DIRECTORY)?;
        self.check(&fd, &path)?;
        Ok(Self {
            fd,
            version: self.version,
            path,
        })
    }

    /// The cgroup this one is in. Cgroups never move, so this is the way back.
    pub(super) fn parent(&self) -> SysResult<Self> {
        let up = self.child("..")?;
        Ok(Self {
            path: self.path.parent().unwrap_or(Path::new("/")).to_owned(),
            ..up
        })
    }

    /// Makes the cgroup `name`; false if it is there already.
    pub(super) fn make(&self, name: &str) -> SysResult<bool> {
        match mkdirat(&self.fd, name, Mode::from_bits_truncate(0o755)) {
            Ok(()) => Ok(true),
            Err(Errno::EEXIST) => Ok(false),
            Err(e) => Err(self.error(e, "mkdir", name)),
        }
    }

    /// Removes the cgroup `name`.
    pub(super) fn remove(&self, name: impl AsRef<OsStr>) -> SysResult<()> {
        let name = name.as_ref();
        unlinkat(&self.fd, name, UnlinkatFlags::RemoveDir).map_err(|e| self.error(e, "rmdir", name))
    }

    /// The names of the cgroups in this one.
    pub(super) fn children(&self) -> SysResult<Vec<OsString>> {
        let fail = |e| self.error(e, "getdents", OsStr::new("."));
        let mut names = Vec::new();
        let mut list = nix::dir::Dir::from_fd(self.openat(".", DIRECTORY)?).map_err(fail)?;
        for entry in list.iter() {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_bytes();
            if entry.file_type() == Some(Type::Directory) && name != b"." && name != b".." {
                names.push(OsString::from_vec(name.to_vec()));
            }
        }
        Ok(names)
    }

    /// All of a file.
    pub(super) fn read(&self, file: &str) -> SysResult<String> {
        // Most files fit into that, and none has a length to be asked for.
        let mut text = String::with_capacity(4096);
        self.open_file(file, OFlag::O_RDONLY)?
            .take(u64::MAX)
            .read_to_string(&mut text)
            .map_err(|e| self.error(errno(&e), "read", file))?;
        Ok(text)
    }

    /// Writes `value` in one go, as cgroup files want it.
    pub(super) fn write(&self, file: &str, value: &str) -> SysResult<()> {
        let mut open = self.open_file(file, OFlag::O_WRONLY)?;
        let written = open.write_all(value.as_bytes());
        written.map_err(|e| {
            let path = self.path.join(file);
            SysError::new(errno(&e), format!("write({}, {value:?})", quoted(&path)))
        })
    }

    /// A file of the cgroup, known to be one.
    pub(super) fn open_file(&self, file: &str, how: OFlag) -> SysResult<File> {
        let fd = self.openat(file, how | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)?;
        self.check(&fd, &self.path.join(file))?;
        Ok(File::from(fd))
    }

    /// Which generation this is.
    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// Where it is, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn openat(&self, name: impl AsRef<OsStr>, how: OFlag) -> SysResult<OwnedFd> {
        let name = name.as_ref();
        if name.as_bytes().contains(&b'/') {
            return Err(self.error(Errno::EINVAL, "open", name));
        }
        openat(&self.fd, name, how, Mode::empty()).map_err(|e| self.error(e, "open", name))
    }

    fn check(&self, fd: &OwnedFd, path: &Path) -> SysResult<()> {
        let expected = match self.version {
            Version::V1 => CGROUP_SUPER_MAGIC,
            Version::V2 => CGROUP2_SUPER_MAGIC,
        };
        match fstatfs(fd) {
            Ok(fs) if fs.filesystem_type() == expected => Ok(()),
            Ok(_) => Err(SysError::new(
                Errno::EXDEV,
                format!(
                    "open({}) did not lead to a cgroup {:?} file system",
                    quoted(path),
                    self.version
                ),
            )),
            Err(e) => Err(SysError::new(e, format!("fstatfs({})", quoted(path)))),
        }
    }

    fn error(&self, errno: Errno, call: &str, name: impl AsRef<OsStr>) -> SysError {
        SysError::new(
            errno,
            format!("{call}({})", quoted(&self.path.join(name.as_ref()))),
        )
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Reads an open file from its start. It also tells the kernel that we have
/// seen the last change, so that waiting is for the next one.
pub(super) fn read_again(file: &File) -> SysResult<String> {
    let mut buffer = [0u8; 4096];
    let read = file.read_at(&mut buffer, 0);
    let count =
        read.map_err(|e| SysError::new(errno(&e), format!("pread({})", file.as_raw_fd())))?;
    Ok(String::from_utf8_lossy(&buffer[..count]).into_owned())
}

/// Whether the cgroup went away under our hands.
pub(super) fn is_gone(e: &SysError) -> bool {
    matches!(e.errno, Errno::ENOENT | Errno::ENODEV)
}

fn quoted(path: &Path) -> String {
    format!("{:?}", path.to_string_lossy())
}

fn errno(e: &std::io::Error) -> Errno {
    Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO))
}

/// Walks all cgroups below `top` and `top` itself, children first, with one
/// descriptor at a time: a container may nest them deeper than we may have
/// files open. `leave` gets each cgroup's parent and name once its children
/// are done; `visit` gets the cgroup itself just before.
pub(super) fn walk(
    top: &Dir,
    visit: &mut dyn FnMut(&Dir) -> SysResult<()>,
    leave: &mut dyn FnMut(&Dir, &OsStr) -> SysResult<()>,
) -> SysResult<()> {
    let mut at = top.child(".")?;
    let mut names: Vec<OsString> = Vec::new();
    let mut todo = vec![at.children()?];
    while let Some(children) = todo.last_mut() {
        if let Some(name) = children.pop() {
            match at.child(&name) {
                Ok(child) => at = child,
                Err(e) if is_gone(&e) => continue,
                Err(e) => return Err(e),
            }
            todo.push(
                at.children()
                    .or_else(|e| if is_gone(&e) { Ok(Vec::new()) } else { Err(e) })?,
            );
            names.push(name);
            continue;
        }
        todo.pop();
        visit(&at)?;
        if let Some(name) = names.pop() {
            let parent = at.parent()?;
            leave(&parent, &name)?;
            at = parent;
        }
    }
    Ok(())
}
