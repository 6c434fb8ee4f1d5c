//! Which files a `COPY` or `ADD` means: paths and patterns, as seen from the
//! root they are in, and everything below them.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::{Node, Tree, pattern};
use crate::archive::tree::{Item, Next, Visitor, walk};
use crate::archive::{self, Entry, Kind, Pack};
use crate::build::language::near;
use crate::error::{Context, Error, Result};
use crate::sys::{entry, fd, inside};

/// Whether a file is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Take,
    /// It is not, but something in it may be.
    Look,
    /// Nothing of it is.
    Skip,
}

/// Decides that for paths below a root.
pub type Filter<'a> = dyn Fn(&[u8], bool) -> Verdict + 'a;

/// Where files come from.
pub struct Origin<'a> {
    /// Its top, which no path leads out of.
    pub root: &'a OwnedFd,
    /// What a person keeps out of the build.
    pub ignored: &'a Filter<'a>,
    /// Whose files they become; none: they stay whose they are.
    pub owner: Option<(u32, u32)>,
}

/// How paths are meant.
#[derive(Clone, Copy)]
pub struct Manner<'a> {
    /// The directories above a source come along.
    pub parents: bool,
    /// What is left out, by its path below the source, or by its name.
    pub excluded: &'a Filter<'a>,
}

/// Finds what one source means, which may be several trees: none for a pattern
/// that nothing fits.
pub fn find(origin: &Origin<'_>, source: &str, manner: Manner<'_>) -> Result<Vec<Tree>> {
    let parts = parts(source)?;
    let mut found = Vec::new();
    for path in expanded(origin, &parts)? {
        found.extend(tree(origin, &path, &parts, manner, source)?);
    }
    Ok(found)
}

/// The parts of a path, and where `/./` stands in it.
struct Parts<'a> {
    all: Vec<&'a [u8]>,
    /// So many are left out by `--parents`.
    pivot: usize,
    pattern: bool,
}

fn parts(source: &str) -> Result<Parts<'_>> {
    let mut all: Vec<&[u8]> = Vec::new();
    let mut pivot = 0;
    for part in source.as_bytes().split(|b| *b == b'/') {
        match part {
            b"" => {}
            b"." => pivot = all.len(),
            b".." => {
                if all.pop().is_none() {
                    return Err(Error::user(format!(
                        "{source:?} is a forbidden path: it is outside of the build context"
                    ))
                    .hint("only what is below the context can be copied; choose a larger one"));
                }
            }
            part => all.push(part),
        }
    }
    let pattern = all.iter().any(|part| pattern::is_pattern(part));
    Ok(Parts {
        all,
        pivot,
        pattern,
    })
}

/// The paths that a source stands for, in order.
fn expanded(origin: &Origin<'_>, parts: &Parts<'_>) -> Result<Vec<Vec<Vec<u8>>>> {
    if !parts.pattern {
        let plain = parts.all.iter().map(|part| pattern::plain(part)).collect();
        return Ok(vec![plain]);
    }
    let mut found = vec![Vec::new()];
    for (n, part) in parts.all.iter().enumerate() {
        let last = n + 1 == parts.all.len();
        let mut next = Vec::new();
        for path in found {
            step(origin, path, part, last, &mut next)?;
        }
        // Several `**` come to the same directory in many ways.
        next.sort();
        next.dedup();
        found = next;
    }
    Ok(found)
}

fn step(
    origin: &Origin<'_>,
    path: Vec<Vec<u8>>,
    part: &[u8],
    last: bool,
    next: &mut Vec<Vec<Vec<u8>>>,
) -> Result<()> {
    if !pattern::is_pattern(part) {
        next.push(with(&path, pattern::plain(part)));
        return Ok(());
    }
    if part == b"**" {
        return anywhere(origin, path, next);
    }
    for name in listed(origin, &path)? {
        let here = with(&path, name.clone());
        if pattern::fits(part, &name) && (!last || allowed(origin, &here)?) {
            next.push(here);
        }
    }
    Ok(())
}

/// A directory and all directories in it.
fn anywhere(origin: &Origin<'_>, path: Vec<Vec<u8>>, next: &mut Vec<Vec<Vec<u8>>>) -> Result<()> {
    let mut todo = vec![path];
    while let Some(path) = todo.pop() {
        for name in listed(origin, &path)? {
            let here = with(&path, name);
            let flags = inside::DIR | libc::O_NOFOLLOW;
            let joined = here.join(&b'/');
            if fd::openat2(origin.root, as_path(&joined), flags, 0, fd::IN_ROOT).is_ok() {
                todo.push(here);
            }
        }
        next.push(path);
    }
    Ok(())
}

fn with(path: &[Vec<u8>], name: Vec<u8>) -> Vec<Vec<u8>> {
    path.iter().cloned().chain([name]).collect()
}

/// The names in a directory; of what is none, none.
fn listed(origin: &Origin<'_>, path: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
    let joined = path.join(&b'/');
    let flags = libc::O_RDONLY | libc::O_DIRECTORY;
    let path = inside::relative(as_path(&joined));
    match fd::openat2(origin.root, path, flags, 0, fd::IN_ROOT) {
        Ok(dir) => {
            let names = entry::names(dir)?.into_iter();
            let mut names: Vec<Vec<u8>> = names.map(OsString::into_encoded_bytes).collect();
            names.sort_unstable();
            Ok(names)
        }
        Err(e) if matches!(e.errno, Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => {
            Ok(Vec::new())
        }
        Err(e) => Err(e.into()),
    }
}

fn allowed(origin: &Origin<'_>, path: &[Vec<u8>]) -> Result<bool> {
    let joined = path.join(&b'/');
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    let file = fd::openat2(origin.root, as_path(&joined), flags, 0, fd::IN_ROOT)?;
    let is_dir = fd::stat(&file)?.st_mode & libc::S_IFMT == libc::S_IFDIR;
    Ok((origin.ignored)(&joined, is_dir) != Verdict::Skip)
}

/// One path and all below it; `None` if it is left out.
fn tree(
    origin: &Origin<'_>,
    path: &[Vec<u8>],
    parts: &Parts<'_>,
    manner: Manner<'_>,
    source: &str,
) -> Result<Option<Tree>> {
    let Some(file) = opened(origin, path, parts.pattern, source)? else {
        return Ok(None);
    };
    let real = real_path(origin.root, &file)?;
    let stat = fd::stat(&file)?;
    let is_dir = stat.st_mode & libc::S_IFMT == libc::S_IFDIR;
    if (origin.ignored)(&real, is_dir) == Verdict::Skip {
        if parts.pattern {
            return Ok(None);
        }
        return Err(missing(
            source,
            ": the .dockerignore leaves it out",
            SEEN_FROM,
        ));
    }
    let name = path.last().cloned().unwrap_or_default();
    if !is_dir && (manner.excluded)(&name, false) != Verdict::Take {
        return Ok(None);
    }
    let mut scan = Scan {
        origin,
        manner,
        real: &real,
        to: Vec::new(),
        nodes: Vec::new(),
        ways: Vec::new(),
    };
    if manner.parents {
        scan.above(path, parts.pivot.min(path.len()))?;
    }
    if is_dir {
        if manner.parents && !scan.to.is_empty() {
            let mut node = node(origin, &file, &stat, real.clone(), scan.to.clone())?;
            if let Some(node) = &mut node {
                node.way = false;
            }
            scan.nodes.extend(node);
        }
        let list = fd::openat2(&file, Path::new("."), inside::DIR, 0, fd::NO_LINKS)?;
        walk(&list, &mut scan)?;
    } else {
        let to = if manner.parents {
            scan.to.clone()
        } else {
            Vec::new()
        };
        let node = node(origin, &file, &stat, real.clone(), to)?;
        if node.is_none() && !parts.pattern {
            return Err(Error::user(format!("{source:?} is a socket"))
                .hint("a socket means something only to the program that listens at it"));
        }
        scan.nodes.extend(node);
    }
    Ok(Some(Tree {
        name,
        is_file: !is_dir && !manner.parents,
        nodes: scan.nodes,
    }))
}

const SEEN_FROM: &str = "a path is seen from the top of what is copied from";

fn missing(source: &str, why: &str, hint: &str) -> Error {
    Error::user(format!("{source:?} not found{why}")).hint(hint)
}

/// Opens a source; `None` if it is one of several that a pattern means, and is
/// not there.
fn opened(
    origin: &Origin<'_>,
    path: &[Vec<u8>],
    is_pattern: bool,
    source: &str,
) -> Result<Option<OwnedFd>> {
    let joined = path.join(&b'/');
    let at = inside::relative(as_path(&joined));
    let e = match fd::openat2(origin.root, at, libc::O_PATH, 0, fd::IN_ROOT) {
        Ok(file) => return Ok(Some(file)),
        Err(e) => e,
    };
    match e.errno {
        Errno::ELOOP => {
            return Err(missing(source, ": its links lead in a circle", SEEN_FROM));
        }
        Errno::ENOENT | Errno::ENOTDIR => {}
        _ => return Err(e.into()),
    }
    // A link that leads nowhere is a mistake, also among others.
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    if let Ok(link) = fd::openat2(origin.root, at, flags, 0, fd::IN_ROOT) {
        let target = entry::link_target(&link)?;
        return Err(Error::user(format!(
            "{:?} is a link to {target:?}, which is not there",
            as_path(&joined)
        ))
        .hint("a link is followed from the top of what is copied from, and never out of it"));
    }
    if is_pattern {
        return Ok(None);
    }
    let hint = nearby(origin, path);
    let hint = hint.map(|name| format!("did you mean {name:?}?"));
    Err(missing(source, "", hint.as_deref().unwrap_or(SEEN_FROM)))
}

/// What is called almost so, in the same directory.
fn nearby(origin: &Origin<'_>, path: &[Vec<u8>]) -> Option<String> {
    let (name, above) = path.split_last()?;
    let names = listed(origin, above).ok()?.into_iter();
    let names: Vec<String> = names.filter_map(|n| String::from_utf8(n).ok()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = near(std::str::from_utf8(name).ok()?, &names)?;
    let above = above.iter().map(|part| String::from_utf8_lossy(part));
    let parts: Vec<_> = above.chain([found.into()]).collect();
    Some(parts.join("/"))
}

/// Where a file is below its root, without a link in the path.
fn real_path(root: &OwnedFd, file: &OwnedFd) -> Result<Vec<u8>> {
    let named = |file: &OwnedFd| std::fs::read_link(fd::proc_path(file));
    let what = || "finding out where a file is";
    let (root, file) = (named(root).context(what)?, named(file).context(what)?);
    let real = file.strip_prefix(&root).map(Path::to_path_buf);
    let real: PathBuf = real.map_err(|_| Error::environment("a file was moved away meanwhile"))?;
    Ok(real.into_os_string().into_encoded_bytes())
}

/// Collects all below one source.
struct Scan<'a> {
    origin: &'a Origin<'a>,
    manner: Manner<'a>,
    /// Where the source is.
    real: &'a [u8],
    /// Where it goes, below the destination.
    to: Vec<u8>,
    nodes: Vec<Node>,
    /// Directories that are only gone through, as long as nothing in them is
    /// taken.
    ways: Vec<Node>,
}

impl Scan<'_> {
    /// The directories above a source, from the pivot on.
    fn above(&mut self, path: &[Vec<u8>], pivot: usize) -> Result<()> {
        for n in pivot..path.len() {
            self.to = joined(&self.to, &path[n]);
            if n + 1 == path.len() {
                break;
            }
            let from = path[..=n].join(&b'/');
            let flags = libc::O_PATH | libc::O_DIRECTORY;
            let dir = fd::openat2(self.origin.root, as_path(&from), flags, 0, fd::IN_ROOT)?;
            let stat = fd::stat(&dir)?;
            if let Some(mut node) = node(self.origin, &dir, &stat, from, self.to.clone())? {
                node.way = true;
                self.nodes.push(node);
            }
        }
        Ok(())
    }

    fn verdict(&self, from: &[u8], path: &[u8], is_dir: bool) -> Verdict {
        let excluded = (self.manner.excluded)(path, is_dir);
        match ((self.origin.ignored)(from, is_dir), excluded) {
            (Verdict::Skip, _) | (_, Verdict::Skip) => Verdict::Skip,
            (Verdict::Take, Verdict::Take) => Verdict::Take,
            _ => Verdict::Look,
        }
    }
}

impl Visitor for Scan<'_> {
    fn enter(&mut self, item: &Item<'_>) -> Result<Next> {
        let from = joined(self.real, item.path);
        let verdict = self.verdict(&from, item.path, item.is_dir());
        if verdict == Verdict::Skip || (verdict == Verdict::Look && !item.is_dir()) {
            return Ok(Next::Over);
        }
        let to = joined(&self.to, item.path);
        let Some(mut node) = node(self.origin, item.file, &item.stat, from, to)? else {
            return Ok(Next::Over);
        };
        while let Some(way) = self.ways.last() {
            let above = &way.entry.path;
            let inside = node.entry.path.strip_prefix(&above[..]);
            if inside.is_some_and(|rest| rest.starts_with(b"/")) {
                break;
            }
            self.ways.pop();
        }
        if verdict == Verdict::Look {
            node.way = true;
            self.ways.push(node);
        } else {
            self.nodes.append(&mut self.ways);
            self.nodes.push(node);
        }
        Ok(Next::Into)
    }
}

/// What a file is; nothing if it is a socket.
fn node(
    origin: &Origin<'_>,
    file: &OwnedFd,
    stat: &libc::stat,
    from: Vec<u8>,
    to: Vec<u8>,
) -> Result<Option<Node>> {
    // In a layer that is looked at alone this is a file that is gone.
    let is_gone = stat.st_mode & libc::S_IFMT == libc::S_IFCHR && stat.st_rdev == 0;
    if is_gone {
        return Ok(None);
    }
    let described = archive::describe(&Pack::default(), file, stat, to)?;
    Ok(described.map(|entry| Node {
        from,
        entry: owned(entry, origin.owner),
        id: (stat.st_dev, stat.st_ino),
        changed: (stat.st_ctime, stat.st_ctime_nsec),
        linked: stat.st_nlink > 1 && stat.st_mode & libc::S_IFMT != libc::S_IFDIR,
        way: false,
    }))
}

fn owned(entry: Entry, owner: Option<(u32, u32)>) -> Entry {
    match owner {
        None => entry,
        Some((uid, gid)) => Entry { uid, gid, ..entry },
    }
}

/// A file of the build's own making, as a here-document is one.
pub fn made(name: &[u8], text: Vec<u8>, mode: u32) -> (Tree, Vec<u8>) {
    let entry = Entry {
        path: Vec::new(),
        kind: Kind::File,
        link: Vec::new(),
        mode,
        uid: 0,
        gid: 0,
        size: text.len() as u64,
        mtime: archive::Time::default(),
        xattrs: Vec::new(),
    };
    let node = Node {
        from: Vec::new(),
        entry,
        id: (0, 0),
        changed: (0, 0),
        linked: false,
        way: false,
    };
    let tree = Tree {
        name: name.to_vec(),
        is_file: true,
        nodes: vec![node],
    };
    (tree, text)
}

pub(super) fn joined(above: &[u8], name: &[u8]) -> Vec<u8> {
    match (above, name) {
        (b"", name) => name.to_vec(),
        (above, b"") => above.to_vec(),
        (above, name) => [above, b"/", name].concat(),
    }
}

pub(super) fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
