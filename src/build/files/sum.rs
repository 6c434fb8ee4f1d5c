//! The sum of files that are to be copied: of all that counts for the layer
//! they become, and not of when they were changed.
//!
//! A file's sum is remembered by what the kernel says of it (device, inode,
//! size, times): a build that copies nothing new reads nothing. One that was
//! changed a moment ago is read again next time, for the clock that stamps
//! files is coarse, and two changes can have one time.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::find::as_path;
use super::{Node, Tree};
use crate::archive::Kind;
use crate::error::{Context, Error, Result};
use crate::image::reference::{Algorithm, Digest, Hasher};
use crate::store::files;
use crate::sys::{entry, fd};

/// A file whose change is not older than this may change again unseen.
const FRESH: Duration = Duration::from_secs(1);
/// More than a build needs; all is forgotten then.
const MOST: usize = 1 << 20;
/// In front of the file that has them.
const HEAD: &[u8] = b"rcon sums 1\n";

/// What the kernel says of a file: device, inode, size, when its content and
/// when anything about it was changed.
type Key = [u64; 7];

/// The sums of files that were read before.
#[derive(Debug, Default)]
pub struct Memo {
    known: HashMap<Key, [u8; 32]>,
    changed: bool,
}

impl Memo {
    /// Those of a file; none if there is none.
    pub fn load(path: &Path) -> Self {
        let mut memo = Self::default();
        let Ok(bytes) = files::read(path) else {
            return memo;
        };
        let Some(records) = bytes.strip_prefix(HEAD) else {
            return memo;
        };
        for record in records.chunks_exact(7 * 8 + 32) {
            let (key, sum) = record.split_at(7 * 8);
            let mut numbers = [0; 7];
            for (number, bytes) in numbers.iter_mut().zip(key.chunks_exact(8)) {
                *number = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
            }
            memo.known
                .insert(numbers, sum.try_into().unwrap_or_default());
        }
        memo
    }

    /// The sum of files in layers, which never change.
    pub fn known_tree(&self, key: &Digest) -> Option<String> {
        let found = self.known.get(&tree_key(key))?;
        let digits = found.iter().flat_map(|b| [b >> 4, b & 15]);
        let digits = digits.filter_map(|d| char::from_digit(d.into(), 16));
        Some(digits.collect())
    }

    /// Remembers it.
    pub fn remember_tree(&mut self, key: &Digest, sum: &Digest) {
        self.known.insert(tree_key(key), raw(sum));
        self.changed = true;
    }

    /// Writes them down, if there are new ones. Losing them costs time only.
    pub fn save(&self, dir: &Path, name: &str) {
        if !self.changed || self.known.len() > MOST {
            return;
        }
        let mut bytes = HEAD.to_vec();
        for (key, sum) in &self.known {
            bytes.extend(key.iter().flat_map(|n| n.to_le_bytes()));
            bytes.extend(sum);
        }
        let _ = files::private_dir_all(dir).and_then(|()| files::replace(dir, name, &bytes));
    }

    fn sum(&mut self, root: &OwnedFd, node: &Node, hasher: &mut Hasher) -> Result<()> {
        let key = key(node);
        if let Some(sum) = self.known.get(&key) {
            hasher.update(sum);
            return Ok(());
        }
        let sum = content(root, node)?;
        hasher.update(&sum);
        if is_settled(node) {
            self.known.insert(key, sum);
            self.changed = true;
        }
        Ok(())
    }
}

/// A key that is no file's: no device has this number.
fn tree_key(key: &Digest) -> Key {
    let mut out = [u64::MAX; 7];
    for (number, bytes) in out[1..5].iter_mut().zip(raw(key).chunks_exact(8)) {
        *number = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    }
    out
}

fn key(node: &Node) -> Key {
    let mtime = node.entry.mtime;
    [
        node.id.0,
        node.id.1,
        node.entry.size,
        mtime.seconds as u64,
        mtime.nanoseconds.into(),
        node.changed.0 as u64,
        node.changed.1 as u64,
    ]
}

fn is_settled(node: &Node) -> bool {
    let changed = UNIX_EPOCH + Duration::new(node.changed.0.max(0) as u64, node.changed.1 as u32);
    SystemTime::now()
        .duration_since(changed)
        .is_ok_and(|age| age > FRESH)
}

/// Opens a file for reading that is still the one it was.
pub fn open(root: &OwnedFd, node: &Node) -> Result<File> {
    let path = as_path(&node.from);
    let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = fd::openat2(root, path, flags, 0, fd::NO_LINKS);
    let file = file.context(|| path.display().to_string())?;
    let stat = fd::stat(&file)?;
    if (stat.st_dev, stat.st_ino) != node.id || stat.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err(Error::environment(format!(
            "{} was replaced while it was read",
            path.display()
        ))
        .hint("build again when nobody is changing the files"));
    }
    Ok(File::from(file))
}

fn content(root: &OwnedFd, node: &Node) -> Result<[u8; 32]> {
    let mut file = open(root, node)?;
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut buffer = vec![0; (node.entry.size as usize).clamp(512, 256 << 10)];
    loop {
        let n = file
            .read(&mut buffer)
            .context(|| as_path(&node.from).display().to_string())?;
        if n == 0 {
            return Ok(raw(&hasher.finish()));
        }
        hasher.update(&buffer[..n]);
    }
}

/// A sum as its bytes.
fn raw(digest: &Digest) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (n, pair) in digest.hex().as_bytes().chunks_exact(2).take(32).enumerate() {
        let text = std::str::from_utf8(pair).unwrap_or("0");
        bytes[n] = u8::from_str_radix(text, 16).unwrap_or(0);
    }
    bytes
}

/// Adds all that counts of a tree.
pub fn add(root: &OwnedFd, tree: &Tree, memo: &mut Memo, hasher: &mut Hasher) -> Result<()> {
    let mut names: HashMap<(u64, u64), &[u8]> = HashMap::new();
    field(hasher, &tree.name);
    number(hasher, u64::from(tree.is_file));
    number(hasher, tree.nodes.len() as u64);
    for node in &tree.nodes {
        let e = &node.entry;
        field(hasher, &e.path);
        let (kind, major, minor) = match e.kind {
            Kind::File | Kind::HardLink => (b'f', 0, 0),
            Kind::Symlink => (b'l', 0, 0),
            Kind::Directory => (b'd', 0, 0),
            Kind::Fifo => (b'p', 0, 0),
            Kind::Character(major, minor) => (b'c', major, minor),
            Kind::Block(major, minor) => (b'b', major, minor),
        };
        for n in [
            kind.into(),
            major,
            minor,
            e.mode,
            e.uid,
            e.gid,
            node.way.into(),
        ] {
            number(hasher, n.into());
        }
        field(hasher, &e.link);
        number(hasher, e.xattrs.len() as u64);
        for (name, value) in &e.xattrs {
            field(hasher, name);
            field(hasher, value);
        }
        let first = if node.linked {
            names.insert(node.id, &e.path)
        } else {
            None
        };
        field(hasher, first.unwrap_or_default());
        if e.kind == Kind::File && first.is_none() {
            number(hasher, e.size);
            memo.sum(root, node, hasher)?;
        }
    }
    Ok(())
}

/// Bytes with their length in front, so that no two lists look alike.
pub fn field(hasher: &mut Hasher, bytes: &[u8]) {
    number(hasher, bytes.len() as u64);
    hasher.update(bytes);
}

/// A number.
pub fn number(hasher: &mut Hasher, n: u64) {
    hasher.update(&n.to_le_bytes());
}

/// Whether a file still is what it was when it was looked at.
pub(super) fn is_same(root: &OwnedFd, node: &Node) -> bool {
    let Ok(Some(stat)) = entry::stat(root, as_path(&node.from)) else {
        return false;
    };
    let times = (
        stat.st_mtime,
        stat.st_mtime_nsec as u32,
        stat.st_size as u64,
    );
    let mtime = node.entry.mtime;
    times == (mtime.seconds, mtime.nanoseconds, node.entry.size)
        && (stat.st_ctime, stat.st_ctime_nsec) == node.changed
}
