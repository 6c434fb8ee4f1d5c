//! How much room containers take on the disk.

use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::fstatat;

use super::listing::Listed;
use crate::container::Root;
use crate::store::Store;
use crate::sys::fd;

/// What a container has changed in its root, and all it sees there, if that
/// can be told.
pub fn of(store: &Store, c: &Listed) -> (u64, Option<u64>) {
    let own = changed(c);
    let below: Vec<PathBuf> = match &c.config.root {
        Root::Directory { path, .. } => vec![path.clone()],
        Root::Layers { layers } => layers.iter().map(|l| store.layer(l)).collect(),
    };
    let below: u64 = below.iter().map(|dir| usage(dir)).sum();
    (own, Some(own + below))
}

/// What a container has changed in its root.
pub fn changed(c: &Listed) -> u64 {
    usage(&c.entry.upper_dir())
}

/// What a container has said that is still kept.
pub fn logged(c: &Listed) -> u64 {
    let files = std::fs::read_dir(c.entry.dir()).into_iter().flatten();
    let logs = files.flatten().filter(|file| {
        let name = file.file_name();
        name.as_encoded_bytes()
            .starts_with(crate::logs::FILE.as_bytes())
    });
    logs.filter_map(|log| Some(log.metadata().ok()?.len()))
        .sum()
}

/// The sizes of all files below a directory, one with several names counted
/// once. A container that runs may change the tree meanwhile: nothing is
/// reached through a link, and what goes away is passed over.
pub fn usage(dir: &Path) -> u64 {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let Ok(top) = fd::open(dir, flags) else {
        return 0;
    };
    let mut tree = Tree {
        top,
        seen: HashSet::new(),
        size: 0,
        todo: vec![PathBuf::from(".")],
    };
    while let Some(next) = tree.todo.pop() {
        // A directory that has gone, or whose path has grown beyond what the
        // kernel takes.
        let _ = tree.look_into(&next);
    }
    tree.size
}

struct Tree {
    top: OwnedFd,
    /// Files that have several names.
    seen: HashSet<(u64, u64)>,
    size: u64,
    todo: Vec<PathBuf>,
}

impl Tree {
    fn look_into(&mut self, path: &Path) -> nix::Result<()> {
        let resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        let opened = fd::openat2(&self.top, path, flags.bits(), 0, resolve);
        let mut dir = Dir::from_fd(opened.map_err(|e| e.errno)?)?;
        let names: Vec<_> = dir.iter().flatten().collect();
        for entry in names {
            let name = entry.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                let found = fstatat(dir.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW);
                // Gone since it was listed.
                let Ok(found) = found else { continue };
                self.count(&found, || path.join(name_of(name)));
            }
        }
        Ok(())
    }

    fn count(&mut self, found: &libc::stat, path: impl Fn() -> PathBuf) {
        match found.st_mode & libc::S_IFMT {
            libc::S_IFDIR => self.todo.push(path()),
            libc::S_IFREG | libc::S_IFLNK => {
                let first = found.st_nlink < 2 || self.seen.insert((found.st_dev, found.st_ino));
                if first {
                    self.size += u64::try_from(found.st_size).unwrap_or(0);
                }
            }
            _ => {}
        }
    }
}

fn name_of(name: &std::ffi::CStr) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_counts_once_and_links_lead_nowhere() {
        let dir = std::env::temp_dir().join(format!("rcon-test-usage-{}", std::process::id()));
        fs::create_dir_all(dir.join("a/b")).unwrap();
        fs::write(dir.join("a/b/one"), [0; 1000]).unwrap();
        fs::write(dir.join("two"), [0; 200]).unwrap();
        fs::hard_link(dir.join("two"), dir.join("a/again")).unwrap();
        std::os::unix::fs::symlink("/usr", dir.join("out")).unwrap();
        let size = usage(&dir);
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(size, 1200 + "/usr".len() as u64);
        assert_eq!(usage(&dir), 0, "it is gone");
    }
}
