//! `COPY`, `ADD` and `WORKDIR`.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::fd::{AsFd, OwnedFd};

use super::{Done, Job};
use crate::build::files::place::{Content, Destination, Placer};
use crate::build::layer::Writable;
use crate::build::work::{Archive, Copy, Piece};
use crate::error::{Context, Error, Result};
use crate::image::decoded;
use crate::spec::users;
use crate::sys::fd;

/// Bytes that are taken at once.
const BUFFER: usize = 256 << 10;

/// Brings files.
pub(super) fn copy(job: &Job<'_>, copy: &Copy) -> Result<Done> {
    let lowers = if copy.link { &[] } else { job.lowers };
    let writable = Writable::new(job.store, &job.to_be, lowers)?;
    let destination = Destination {
        path: copy.destination.clone(),
        is_dir: copy.is_dir,
        owner: owner(job, &writable, copy)?,
        mode: copy.mode.clone(),
    };
    let mut placer = Placer::new(&writable.root, &destination);
    for piece in &copy.pieces {
        put(&mut placer, piece)?;
    }
    if copy.pieces.is_empty() {
        placer.make_directory()?;
    }
    let moved = placer.moved;
    writable.close()?;
    Ok(Done {
        layer: job.finish(lowers)?,
        moved,
        fetched: None,
    })
}

/// Whose the files become, as the image itself knows names.
fn owner(job: &Job<'_>, writable: &Writable, copy: &Copy) -> Result<Option<(u32, u32)>> {
    let Some(text) = &copy.owner else {
        return Ok(None);
    };
    let below;
    // Without looking at what is below, only numbers mean something there; but
    // whoever writes a name means one of the image's.
    let root = if copy.link {
        below = crate::build::layer::view(job.store, job.lowers, &job.path("-empty"))?;
        below.as_fd()
    } else {
        writable.root.as_fd()
    };
    let resolved = resolve(root, text).map_err(|e| e.context(format!("--chown={text}")));
    resolved.map(Some)
}

/// A user without a group brings its own; a number nobody has, itself.
fn resolve(root: std::os::fd::BorrowedFd<'_>, text: &str) -> Result<(u32, u32)> {
    let found = users::resolve(root, text, &[])?;
    let alone = !text.contains(':') && text.bytes().all(|b| b.is_ascii_digit());
    let gid = if alone { found.uid } else { found.gid };
    Ok((found.uid, gid))
}

fn put(placer: &mut Placer<'_>, piece: &Piece) -> Result<()> {
    match piece {
        Piece::Trees(root, trees) => {
            for tree in trees {
                placer.put(tree, &Content::Root(root))?;
            }
            Ok(())
        }
        Piece::Text(tree, bytes) => placer.put(tree, &Content::Bytes(bytes)),
        Piece::File(tree, path) => placer.put(tree, &Content::File(path)),
        Piece::Archive(archive) => placer.unpack(open(archive)?),
    }
}

fn open(archive: &Archive) -> Result<Box<dyn Read>> {
    let what = || "cannot read the archive";
    let file = match archive {
        Archive::Fetched(path) => File::open(path).context(what)?,
        Archive::Below(root, tree) => below(root, tree.nodes.first().map(|n| &n.from[..]))?,
    };
    decoded(BufReader::with_capacity(BUFFER, file)).context(what)
}

fn below(root: &OwnedFd, path: Option<&[u8]>) -> Result<File> {
    use std::os::unix::ffi::OsStrExt;
    let path = path.ok_or_else(|| Error::internal("an archive without a file"))?;
    let path = std::path::Path::new(std::ffi::OsStr::from_bytes(path));
    let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK;
    Ok(File::from(fd::openat2(root, path, flags, 0, fd::NO_LINKS)?))
}

/// Makes a directory for everybody to see. It is the user's, who is to work in
/// it.
pub(super) fn workdir(job: &Job<'_>, path: &str, user: &str) -> Result<Done> {
    let writable = Writable::new(job.store, &job.to_be, job.lowers)?;
    let owner = match user {
        "" => None,
        user => Some(
            resolve(writable.root.as_fd(), user).map_err(|e| e.context(format!("USER {user}")))?,
        ),
    };
    let destination = Destination {
        path: path.as_bytes().to_vec(),
        is_dir: true,
        owner,
        mode: None,
    };
    Placer::new(&writable.root, &destination).make_directory()?;
    writable.close()?;
    Ok(Done {
        layer: job.finish(job.lowers)?,
        ..Done::default()
    })
}
