//! What the tests share: a room with an outside, archives made block by block,
//! and a look at a tree. No test is here.

use rcon::archive::{Entry, Kind, Summary, Time, Unpack, Writer, unpack};
use rcon::error::Result;
use rcon::sys::fd;
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory to unpack into, and one beside it that nobody may touch.
pub(crate) struct Room(PathBuf);

/// A room, if this is root; elsewhere the test is skipped, or fails where a
/// skip is forbidden.
pub(crate) fn room() -> Option<Room> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if !nix::unistd::geteuid().is_root() {
        let is = |name, value| std::env::var(name).is_ok_and(|v| v == value);
        let must = is("CI", "true") || is("RCON_TEST_MUST_RUN", "1");
        assert!(
            !must,
            "this test needs root, and skipping is forbidden here"
        );
        eprintln!("skipped: it needs root");
        return None;
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("rcon-test-archive-{}-{number}", std::process::id());
    let room = Room(std::env::temp_dir().join(name));
    for dir in ["in", "outside/dir"] {
        fs::create_dir_all(room.path(dir)).unwrap();
    }
    fs::write(room.path("outside/secret"), "only the host has this").unwrap();
    Some(room)
}

impl Room {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn open(&self, name: &str) -> OwnedFd {
        open(&self.path(name))
    }

    pub(crate) fn unpack(&self, archive: &[u8], options: &Unpack) -> Result<Summary> {
        unpack(&self.open("in"), archive, options)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Runs a shell script in the room.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        let mut command = Command::new("sh");
        command.args(["-euc", script]).current_dir(&self.0);
        let out = command.output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let errors = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{script}\n{text}{errors}");
        text
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // Not with what is tested here: a broken one must not do harm.
        let _ = Command::new("rm").arg("-rf").arg(&self.0).status();
    }
}

pub(crate) fn open(path: &Path) -> OwnedFd {
    fd::open(path, libc::O_PATH | libc::O_DIRECTORY).unwrap()
}

/// An entry with nothing special about it.
pub(crate) fn entry(path: &str, kind: Kind) -> Entry {
    Entry {
        path: path.as_bytes().to_vec(),
        kind,
        link: Vec::new(),
        mode: if kind == Kind::Directory {
            0o755
        } else {
            0o644
        },
        uid: 0,
        gid: 0,
        size: 0,
        mtime: Time::new(1_000_000_000, 0),
        xattrs: Vec::new(),
    }
}

/// An archive, made entry by entry.
pub(crate) struct Builder(Writer<Vec<u8>>);

impl Builder {
    pub(crate) fn new() -> Self {
        Self(Writer::new(Vec::new()))
    }

    pub(crate) fn bare(mut self, entry: &Entry) -> Self {
        self.0.bare(entry).unwrap();
        self
    }

    pub(crate) fn dir(self, path: &str) -> Self {
        self.bare(&entry(path, Kind::Directory))
    }

    pub(crate) fn link(self, path: &str, kind: Kind, target: &str) -> Self {
        self.bare(&Entry {
            link: target.into(),
            ..entry(path, kind)
        })
    }

    pub(crate) fn symlink(self, path: &str, target: &str) -> Self {
        self.link(path, Kind::Symlink, target)
    }

    pub(crate) fn file(self, path: &str, data: &str) -> Self {
        self.data(&entry(path, Kind::File), data)
    }

    pub(crate) fn data(mut self, entry: &Entry, data: &str) -> Self {
        let entry = Entry {
            size: data.len() as u64,
            ..entry.clone()
        };
        self.0.file(&entry, data.as_bytes()).unwrap();
        self
    }

    pub(crate) fn end(self) -> Vec<u8> {
        self.0.finish().unwrap()
    }
}

/// One block as an old program would write it, with nothing checked.
pub(crate) fn block(flag: u8, name: &[u8], size: &str) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..107].copy_from_slice(b"0000644");
    block[108..115].copy_from_slice(b"0000000");
    block[116..123].copy_from_slice(b"0000000");
    block[124..124 + size.len()].copy_from_slice(size.as_bytes());
    block[136..147].copy_from_slice(b"00000000000");
    block[156] = flag;
    block[257..265].copy_from_slice(b"ustar\x0000");
    seal(&mut block);
    block
}

/// Puts the right checksum into a header.
pub(crate) fn seal(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Data filled up to whole blocks.
pub(crate) fn filled(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    data.resize(data.len().div_ceil(512) * 512, 0);
    data
}

/// A PAX header with these records.
pub(crate) fn pax(flag: u8, records: &[u8]) -> Vec<u8> {
    let size = format!("{:011o}", records.len());
    [block(flag, b"PaxHeader", &size), filled(records)].concat()
}

/// One PAX record shorter than 100 bytes.
pub(crate) fn record(key: &str, value: &str) -> Vec<u8> {
    let bare = key.len() + value.len() + 3;
    let length = if bare + 1 < 10 { bare + 1 } else { bare + 2 };
    format!("{length} {key}={value}\n").into_bytes()
}

pub(crate) fn end() -> Vec<u8> {
    vec![0; 1024]
}

/// A tree of files by path: kind, mode, owner, size, time, target or content.
pub(crate) type Tree = BTreeMap<PathBuf, String>;

pub(crate) fn tree(dir: &Path) -> Tree {
    let mut found = Tree::new();
    look(dir, dir, &mut found);
    found
}

fn look(top: &Path, path: &Path, found: &mut Tree) {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return;
    };
    let kind = meta.file_type();
    let content = match (kind.is_file(), kind.is_symlink()) {
        (true, _) => format!("{:?}", fs::read(path).map(|data| digest(&data))),
        (_, true) => format!("{:?}", fs::read_link(path)),
        _ => String::new(),
    };
    let links = if kind.is_dir() { 0 } else { meta.nlink() };
    let size = if kind.is_dir() { 0 } else { meta.size() };
    let line = format!(
        "{:o} {}:{} rdev {} links {links} {size} at {}.{:09} {content}",
        meta.mode(),
        meta.uid(),
        meta.gid(),
        meta.rdev(),
        meta.mtime(),
        meta.mtime_nsec()
    );
    found.insert(path.strip_prefix(top).unwrap().to_owned(), line);
    if kind.is_dir() {
        for child in fs::read_dir(path).into_iter().flatten().flatten() {
            look(top, &child.path(), found);
        }
    }
}

fn digest(data: &[u8]) -> u64 {
    use std::hash::Hasher;
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(data);
    hasher.finish()
}

/// The names in a tree, without its top.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    tree(dir)
        .into_keys()
        .filter(|path| !path.as_os_str().is_empty())
        .map(|path| String::from_utf8_lossy(path.as_os_str().as_bytes()).into_owned())
        .collect()
}
