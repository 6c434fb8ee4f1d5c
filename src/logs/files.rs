//! The files of a log: their names, their order, and how to look at them while
//! the writer renames them.
//!
//! A file is known by its inode: names move on with each rotation.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::FILE;

/// A rotation takes microseconds: whoever needs more looks than this at a
/// directory that stands still has met something else.
const LOOKS: usize = 1000;

/// Somewhere in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) ino: u64,
    pub(super) at: u64,
}

/// A place in a file that is held open, so that no other file gets its inode
/// when it is removed.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) place: Place,
    pub(super) file: File,
}

/// A file of a log, by both its names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) ino: u64,
    path: PathBuf,
}

/// The path of the file that was current `n` rotations ago.
pub(super) fn path(dir: &Path, n: u32) -> PathBuf {
    match n {
        0 => dir.join(FILE),
        n => dir.join(format!("{FILE}.{n}")),
    }
}

/// How many rotations ago a file of this name was current.
fn age(name: &OsStr) -> Option<u32> {
    match name.to_str()?.strip_prefix(FILE)? {
        "" => Some(0),
        // Only as we write it: `.01` and `.+1` are somebody else's.
        n => {
            let n = n.strip_prefix('.')?;
            let age: u32 = n.parse().ok().filter(|age| *age > 0)?;
            (n == age.to_string()).then_some(age)
        }
    }
}

/// All files, the oldest first. There may be gaps, as a rotation that was cut
/// short leaves them; a container that was removed under its reader has none.
pub(super) fn list(dir: &Path) -> io::Result<Vec<Found>> {
    // Names read while a rotation goes on may show a file twice or not at
    // all; what two looks agree about was so.
    let mut before = look(dir)?;
    for _ in 0..LOOKS {
        let now = look(dir)?;
        if now == before {
            return Ok(now);
        }
        before = now;
    }
    Err(io::Error::other("the files of the log do not stand still"))
}

fn look(dir: &Path) -> io::Result<Vec<Found>> {
    let mut files = Vec::new();
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let Some(age) = age(&entry.file_name()) else {
            continue;
        };
        // Not the inode that the directory tells: overlayfs has another there.
        if let Ok(meta) = entry.metadata()
            && meta.is_file()
        {
            files.push((age, meta.ino(), entry.path()));
        }
    }
    files.sort_by_key(|(age, ..)| std::cmp::Reverse(*age));
    let found = |(_, ino, path)| Found { ino, path };
    Ok(files.into_iter().map(found).collect())
}

/// Opens the file with this inode, whatever its name is by now; nothing if it
/// is gone.
pub(super) fn open(dir: &Path, ino: u64) -> io::Result<Option<File>> {
    for _ in 0..LOOKS {
        let files = list(dir)?;
        let Some(found) = files.iter().find(|f| f.ino == ino) else {
            return Ok(None);
        };
        match open_path(&found.path) {
            Ok(file) if file.metadata()?.ino() == ino => return Ok(Some(file)),
            // Renamed in between.
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::Error::other("the files of the log do not stand still"))
}

/// Never follows a link and never waits for the other end of a FIFO: what is
/// not a regular file is no log.
fn open_path(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    File::options().read(true).custom_flags(flags).open(path)
}

/// The inode of the current file, if there is one just now.
pub(super) fn current(dir: &Path) -> io::Result<Option<u64>> {
    match fs::symlink_metadata(path(dir, 0)) {
        Ok(meta) => Ok(Some(meta.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Where the log ends now.
pub(super) fn end(dir: &Path) -> io::Result<Option<Held>> {
    while let Some(newest) = list(dir)?.last() {
        if let Some(held) = open_end(dir, newest.ino)? {
            return Ok(Some(held));
        }
    }
    Ok(None)
}

/// The end of the file before the one with this inode.
pub(super) fn end_before(dir: &Path, ino: u64) -> io::Result<Option<Held>> {
    loop {
        let files = list(dir)?;
        let Some(n) = files.iter().position(|f| f.ino == ino).filter(|n| *n > 0) else {
            return Ok(None);
        };
        if let Some(held) = open_end(dir, files[n - 1].ino)? {
            return Ok(Some(held));
        }
    }
}

fn open_end(dir: &Path, ino: u64) -> io::Result<Option<Held>> {
    let Some(file) = open(dir, ino)? else {
        return Ok(None);
    };
    let at = file.metadata()?.len();
    let place = Place { ino, at };
    Ok(Some(Held { place, file }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_we_give_are_ours() {
        let age = |name: &str| age(OsStr::new(name));
        assert_eq!(age("container.log"), Some(0));
        assert_eq!(age("container.log.12"), Some(12));
        for other in [
            "container.log.new",
            "container.log.0",
            "container.log.01",
            "container.log.+1",
            "container.log.",
            "container.log1",
            "x.log",
        ] {
            assert_eq!(age(other), None, "{other}");
        }
    }
}
