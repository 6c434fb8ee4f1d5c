//! Locks that the kernel takes back when their holder is gone.
//!
//! They belong to the open file, not to the process: a command takes one and
//! the keeper it makes inherits it. And they can be asked about without being
//! taken, so that looking never gets in the way.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use crate::error::{Context, Error, Result};

/// A container's lock: while it is held, the container is up, or somebody is
/// changing it.
#[derive(Debug)]
pub struct Lock(File);

/// What lies in a lock's place is not waited for and not followed, be it a
/// pipe or a link.
const UNTRUSTED: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;

static WHOLE: libc::flock = whole(libc::F_WRLCK);
static SHARED: libc::flock = whole(libc::F_RDLCK);

const fn whole(kind: i32) -> libc::flock {
    libc::flock {
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

impl Lock {
    /// Takes the lock in `dir`; `None` when another has it.
    pub fn try_take(dir: &Path) -> Result<Option<Self>> {
        try_for(&dir.join("lock"))
    }

    /// Takes the lock in `dir` beside others who take it like this; waits for
    /// one who has it alone.
    pub fn share(dir: &Path) -> Result<Self> {
        wait(&dir.join("lock"), &SHARED)
    }

    /// Takes the lock in `dir`, waiting for whoever has it.
    pub fn take(dir: &Path) -> Result<Self> {
        wait_for(&dir.join("lock"))
    }

    /// Whether somebody has the lock in `dir`. A directory that is gone has
    /// nobody.
    pub fn is_held(dir: &Path) -> bool {
        let mut options = File::options();
        let options = options.read(true).custom_flags(UNTRUSTED);
        let Ok(file) = options.open(dir.join("lock")) else {
            return false;
        };
        let mut seen = WHOLE;
        let asked = fcntl(file.as_fd(), FcntlArg::F_OFD_GETLK(&mut seen));
        asked.is_ok() && i32::from(seen.l_type) != libc::F_UNLCK
    }
}

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Takes the lock at `path`; `None` when another has it.
pub(crate) fn try_for(path: &Path) -> Result<Option<Lock>> {
    let (file, most) = open(path)?;
    match fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(most)) {
        Ok(_) => Ok(Some(Lock(file))),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(None),
        Err(e) => Err(failed(path, e)),
    }
}

/// Takes the lock at `path`, waiting for whoever has it.
pub(crate) fn wait_for(path: &Path) -> Result<Lock> {
    wait(path, &WHOLE)
}

fn wait(path: &Path, kind: &libc::flock) -> Result<Lock> {
    let (file, most) = open(path)?;
    let kind = if most.l_type == SHARED.l_type {
        most
    } else {
        kind
    };
    loop {
        match fcntl(file.as_fd(), FcntlArg::F_OFD_SETLKW(kind)) {
            Ok(_) => return Ok(Lock(file)),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(failed(path, e)),
        }
    }
}

/// A lock's file, and the most that can be had of it. Where nothing can be
/// written, all is the same for all: a shared lock keeps away who could write
/// by another way, and every change fails of itself.
fn open(path: &Path) -> Result<(File, &'static libc::flock)> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600).custom_flags(UNTRUSTED);
    let opened = options.open(path);
    if is_spoilt(path) {
        return Err(spoilt(path));
    }
    let what = || format!("cannot open {}", path.display());
    match opened {
        Err(e) if e.kind() == ErrorKind::ReadOnlyFilesystem => {
            let mut options = File::options();
            let read = options.read(true).custom_flags(UNTRUSTED).open(path);
            // That nothing can be made there is the better reason.
            read.map_err(|_| e).context(what).map(|f| (f, &SHARED))
        }
        opened => opened.context(what).map(|f| (f, &WHOLE)),
    }
}

/// Whether something else than a file lies where a lock should be.
pub(crate) fn is_spoilt(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| !meta.is_file())
}

fn spoilt(path: &Path) -> Error {
    Error::environment(format!("{} is no file, as a lock must be", path.display()))
        .hint("remove what lies there, or, for a container's, use `rcon system check --repair`")
}

/// Takes away what lies in a lock's place and is none. Whoever takes the lock
/// then makes it anew.
pub(crate) fn clear_spoilt(path: &Path) -> Result<()> {
    if is_spoilt(path) {
        super::files::remove_tree(path)?;
    }
    Ok(())
}

fn failed(path: &Path, e: Errno) -> Error {
    Error::environment(format!("cannot lock {}: {}", path.display(), e.desc()))
}
