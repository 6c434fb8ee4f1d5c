//! The files that a build may copy from: a folder, an archive on standard
//! input or in the web, or a git repository.
//!
//! The top is opened once, and everything is reached from that descriptor; no
//! link leads out of it. What came as an archive or from a repository lies in
//! a private folder, which goes away with the [`Context`]. Which Dockerfile is
//! meant, and which `.dockerignore` goes with it, is known here, too.

mod arrival;
mod git;
mod private;
mod recipe;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use self::private::Private;
use super::ignore::Ignore;
use crate::error::{Context as _, Error, Result};
use crate::sys::{fd, inside};

pub use arrival::Arrived;
pub use git::Repository;
pub use recipe::{Recipe, Which};

/// A Dockerfile or a `.dockerignore` may not be larger.
const LARGEST: u64 = 4 << 20;

/// What the command line gives as context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// `-`: an archive, or a lone Dockerfile, on standard input.
    Stdin,
    /// A folder.
    Folder(PathBuf),
    /// A git repository.
    Git(Repository),
    /// An archive, or a lone Dockerfile, in the web.
    Web(String),
}

impl Wanted {
    /// Reads the argument. A folder that is there is meant before anything
    /// else; a repository has an address that says so.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "-" {
            return Ok(Self::Stdin);
        }
        let path = PathBuf::from(text);
        if path.is_dir() {
            return Ok(Self::Folder(path));
        }
        if let Some(repository) = Repository::parse(text)? {
            return Ok(Self::Git(repository));
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Self::Web(text.to_owned()));
        }
        Ok(Self::Folder(path))
    }
}

/// The files of a build.
#[derive(Debug)]
pub struct Context {
    root: OwnedFd,
    ignore: Ignore,
    /// The folder on the host, if it is one of a person's own.
    folder: Option<PathBuf>,
    /// What goes away with this.
    private: Option<Private>,
}

impl Context {
    /// A folder of the host.
    pub fn folder(path: &Path) -> Result<Self> {
        let root = fd::open(path, inside::DIR).map_err(|e| match e.errno {
            Errno::ENOENT => Error::user(format!("the context {path:?} is not there"))
                .hint("the last argument is a folder, -, or the address of an archive or a git repository"),
            Errno::ENOTDIR => Error::user(format!("the context {path:?} is no folder"))
                .hint("name the folder; -f names the Dockerfile"),
            _ => Error::from(e).context("opening the context"),
        })?;
        Ok(Self {
            root,
            ignore: Ignore::default(),
            folder: Some(path.to_owned()),
            private: None,
        })
    }

    /// No files at all. A folder of its own is made in `dir`.
    pub fn empty(dir: &Path) -> Result<Self> {
        Self::of_private(Private::new(dir)?, "files")
    }

    fn of_private(private: Private, name: &str) -> Result<Self> {
        Ok(Self {
            root: private.make(name)?,
            ignore: Ignore::default(),
            folder: None,
            private: Some(private),
        })
    }

    /// Its top.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// What is kept out of it, once [`Context::recipe`] has looked.
    pub fn ignore(&self) -> &Ignore {
        &self.ignore
    }

    /// Where it is on the host, if it is a folder of a person's own.
    pub fn path(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Removes what is private to it. Dropping it does the same, but has
    /// nobody to tell that it did not work.
    pub fn close(mut self) -> Result<()> {
        match self.private.take() {
            Some(private) => private.remove(),
            None => Ok(()),
        }
    }

    /// The text of a small file, whether it is kept out or not; `None` if
    /// there is none. Links are followed, but not out of the context.
    pub fn read(&self, path: &Path) -> Result<Option<String>> {
        let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY;
        let path = inside::relative(path);
        match fd::openat2(&self.root, path, flags, 0, fd::IN_ROOT) {
            Ok(file) => {
                // Who has made the context may have put a pipe there, at which
                // a reader waits for ever.
                if fd::stat(&file)?.st_mode & libc::S_IFMT != libc::S_IFREG {
                    return Err(Error::user(format!("{path:?} is no regular file")));
                }
                text(file.into(), path).map(Some)
            }
            Err(e) if matches!(e.errno, Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(e) => Err(e).context(|| format!("opening {path:?} in the context")),
        }
    }
}

/// The text of a small file of the host, or of a pipe as the shell's `<(...)`
/// is one; `None` if there is none.
fn read_host(path: &Path) -> Result<Option<String>> {
    match fd::open(path, libc::O_RDONLY | libc::O_NOCTTY) {
        Ok(file) => text(file.into(), path).map(Some),
        Err(e) if matches!(e.errno, Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn text(file: File, path: &Path) -> Result<String> {
    decoded(all(file, path)?, path)
}

fn all(from: impl Read, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.take(LARGEST + 1).read_to_end(&mut bytes);
    read.context(|| format!("reading {path:?}"))?;
    if bytes.len() as u64 > LARGEST {
        return Err(Error::user(format!(
            "{path:?} has more than {LARGEST} bytes"
        )));
    }
    Ok(bytes)
}

fn decoded(bytes: Vec<u8>, path: &Path) -> Result<String> {
    String::from_utf8(bytes).map_err(|e| {
        let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = before.split(|b| *b == b'\n').count();
        Error::user(format!("{path:?}: line {line} is no text in UTF-8"))
            .hint("save it as UTF-8, as with: iconv -f latin1 -t utf8")
    })
}
