//! Paths inside a container's root, resolved by descriptor.
//!
//! An image can make any of its paths a symbolic link, and a volume shared
//! with a running container can change while we look. So no path is ever put
//! together as a string and handed to the kernel: each is resolved by
//! `openat2` as seen from the root's own descriptor, from which neither `..`
//! nor a link leads out, and what is done next is done to the descriptor.

use std::ffi::OsString;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;

use crate::sys::inside::{self, relative};
use crate::sys::{SysError, SysResult, fd};

/// The root of a container, open.
#[derive(Clone, Copy)]
pub(super) struct Root<'a>(pub BorrowedFd<'a>);

impl Root<'_> {
    /// What `path` leads to, links followed, as an `O_PATH` descriptor.
    pub(super) fn find(self, path: &Path) -> SysResult<OwnedFd> {
        self.open(path, libc::O_PATH)
    }

    /// The same, or `None` where nothing is there.
    pub(super) fn find_if_there(self, path: &Path) -> SysResult<Option<OwnedFd>> {
        fd::openat2_if_there(self.0, relative(path), libc::O_PATH, fd::IN_ROOT)
    }

    /// Opens `path` for use. Never blocks: a FIFO in its place opens at once.
    pub(super) fn open(self, path: &Path, flags: i32) -> SysResult<OwnedFd> {
        let flags = if flags & libc::O_PATH == 0 {
            flags | libc::O_NOCTTY
        } else {
            flags
        };
        fd::openat2(self.0, relative(path), flags, 0, fd::IN_ROOT)
    }

    /// The directory `path`, made where it is missing, parents and all.
    pub(super) fn make_directory(self, path: &Path) -> SysResult<OwnedFd> {
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        match fd::openat2_if_there(self.0, relative(path), flags, fd::IN_ROOT)? {
            Some(found) => Ok(found),
            None => match inside::make_last(self.0, path, 0o755)? {
                Some(made) => Ok(made),
                None => inside::walk(self.0, path, |dir, name, _| make_and_enter(dir, name)),
            },
        }
    }

    /// The file `path`, made (empty) where it is missing.
    pub(super) fn make_file(self, path: &Path) -> SysResult<OwnedFd> {
        if let Some(found) = self.find_if_there(path)? {
            return Ok(found);
        }
        inside::walk(self.0, path, |dir, name, last| {
            if last {
                make_and_find(dir, name)
            } else {
                make_and_enter(dir, name)
            }
        })
    }

    /// As [`Self::find`], but refuses to follow any link.
    pub(super) fn find_no_links(self, path: &Path) -> SysResult<OwnedFd> {
        fd::openat2(self.0, relative(path), libc::O_PATH, 0, fd::NO_LINKS)
    }

    /// The directory that `path` is in, made where it is missing, and the
    /// name of `path` in it.
    pub(super) fn parent(self, path: &Path) -> SysResult<(OwnedFd, OsString)> {
        let name = path
            .file_name()
            .ok_or_else(|| SysError::new(Errno::EINVAL, format!("{path:?} names no file")))?;
        let parent = self.make_directory(path.parent().unwrap_or(Path::new("/")))?;
        Ok((parent, name.to_owned()))
    }
}

/// The directory `name`, made if it is not there.
fn make_and_enter(dir: &OwnedFd, name: &Path) -> SysResult<OwnedFd> {
    fd::mkdirat(dir, name, 0o755)?;
    inside::child(dir, name)
}

/// An empty file, unless something is there.
fn make_and_find(dir: &OwnedFd, name: &Path) -> SysResult<OwnedFd> {
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_NOFOLLOW;
    match fd::openat2(dir, name, flags, 0o644, fd::NO_LINKS) {
        Ok(_) => {}
        Err(e) if e.errno == Errno::EEXIST => {}
        Err(e) => return Err(e),
    }
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    fd::openat2(dir, name, flags, 0, fd::NO_LINKS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let dir =
                std::env::temp_dir().join(format!("rcon-test-root-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&dir);
            fs::create_dir_all(dir.join("root/etc")).unwrap();
            Self(dir)
        }

        fn open(&self) -> OwnedFd {
            fd::open(&self.0.join("root"), libc::O_PATH | libc::O_DIRECTORY).unwrap()
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn missing_directories_are_made_inside() {
        let tree = Tree::new("make");
        let root = tree.open();
        Root(root.as_fd())
            .make_directory(Path::new("/a/b/../c"))
            .unwrap();
        assert!(tree.0.join("root/a/c").is_dir());
    }

    #[test]
    fn a_dangling_link_to_the_host_is_made_inside() {
        let tree = Tree::new("dangling");
        let outside = tree.0.join("outside");
        symlink(&outside, tree.0.join("root/link")).unwrap();
        symlink("../../../../up", tree.0.join("root/climb")).unwrap();
        let root = tree.open();
        Root(root.as_fd())
            .make_directory(Path::new("/link/deep"))
            .unwrap();
        Root(root.as_fd())
            .make_file(Path::new("/climb/file"))
            .unwrap();
        assert!(!outside.exists(), "made on the host");
        assert!(!tree.0.join("up").exists(), "made on the host");
        assert!(tree.0.join("root/up/file").is_file());
    }

    #[test]
    fn a_file_behind_a_dangling_link_is_made_where_it_points() {
        let tree = Tree::new("file");
        symlink("/jump/deep/hosts", tree.0.join("root/etc/hosts")).unwrap();
        symlink("/tmp/far", tree.0.join("root/jump")).unwrap();
        let root = tree.open();
        Root(root.as_fd())
            .make_file(Path::new("/etc/hosts"))
            .unwrap();
        assert!(tree.0.join("root/tmp/far/deep/hosts").is_file());
    }

    #[test]
    fn a_circle_of_links_ends() {
        let tree = Tree::new("circle");
        symlink("b", tree.0.join("root/a")).unwrap();
        symlink("a", tree.0.join("root/b")).unwrap();
        let root = tree.open();
        let e = Root(root.as_fd())
            .make_directory(Path::new("/a/x"))
            .unwrap_err();
        assert_eq!(e.errno, Errno::ELOOP);
    }

    #[test]
    fn links_can_be_refused() {
        let tree = Tree::new("nolinks");
        symlink("etc", tree.0.join("root/proc")).unwrap();
        let root = tree.open();
        let e = Root(root.as_fd())
            .find_no_links(Path::new("/proc"))
            .unwrap_err();
        assert_eq!(e.errno, Errno::ELOOP);
    }
}
