//! A layer that is being made: an overlay whose upper directory takes what is
//! written, and then is the layer.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::archive::tree::{Item, Next, Visitor, walk};
use crate::archive::{Pack, pack, room_beside};
use crate::error::{Context, Result};
use crate::image::SummedFile;
use crate::image::reference::{Algorithm, Digest};
use crate::plan::{Changes, Overlay};
use crate::run;
use crate::store::{Store, files};
use crate::sys::{entry, fd};

/// Bytes that are hashed and written at once.
const BUFFER: usize = 256 << 10;

/// A layer, as one process tells another of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The sum of its archive.
    pub diff: Digest,
    /// The length of its archive.
    pub length: u64,
    /// The bytes of its files.
    pub size: u64,
    /// Where its archive is.
    pub blob: PathBuf,
    /// Where its files are: a name beside the other layers.
    pub dir: String,
}

/// A root that can be written to.
#[derive(Debug)]
pub struct Writable {
    /// Its top.
    pub root: OwnedFd,
    work: PathBuf,
}

impl Writable {
    /// Lays a new directory, `to_be` beside the other layers, over `lowers`,
    /// the uppermost of which comes first.
    pub fn new(store: &Store, to_be: &str, lowers: &[String]) -> Result<Self> {
        let what = || "cannot make a layer";
        let upper = store.layer(to_be);
        let work = store.layer(&format!("{to_be}w"));
        files::public_dir_all(&upper).context(what)?;
        let lowers: Vec<PathBuf> = lowers.iter().map(|name| store.layer(name)).collect();
        let Some(model) = lowers.first() else {
            // Nothing is below: the directory is the root.
            let root = fd::open(&upper, libc::O_RDONLY | libc::O_DIRECTORY)?;
            return Ok(Self { root, work });
        };
        dress(&upper, model).context(what)?;
        files::private_dir(&work).context(what)?;
        let changes = Changes {
            upper,
            work: work.clone(),
            volatile: true,
        };
        let overlay = Overlay {
            layers: lowers,
            changes: Some(changes),
            ..Overlay::default()
        };
        let root = run::mount_overlay(&overlay)?;
        Ok(Self { root, work })
    }

    /// Nothing more is written.
    pub fn close(self) -> Result<()> {
        drop(self.root);
        match files::remove_tree(&self.work) {
            Err(_) if !self.work.exists() => Ok(()),
            done => done,
        }
    }
}

/// Gives a directory the owner and mode of another.
fn dress(dir: &Path, model: &Path) -> io::Result<()> {
    let like = fs::metadata(model)?;
    chown(dir, Some(like.uid()), Some(like.gid()))?;
    fs::set_permissions(dir, Permissions::from_mode(like.mode() & 0o7777))
}

/// Layers laid over each other, to be looked at. Of none at all, an empty
/// directory.
pub fn view(store: &Store, lowers: &[String], empty: &Path) -> Result<OwnedFd> {
    let open = |path: &Path| fd::open(path, libc::O_RDONLY | libc::O_DIRECTORY);
    match lowers {
        [] => {
            fs::create_dir_all(empty).context(|| "cannot make an empty root")?;
            Ok(open(empty)?)
        }
        [one] => Ok(open(&store.layer(one))?),
        lowers => Ok(run::mount_overlay(&Overlay {
            layers: lowers.iter().map(|name| store.layer(name)).collect(),
            ..Overlay::default()
        })?),
    }
}

/// Packs the directory `to_be`, so that it is a layer; `None` where nothing
/// has changed. `model` is the uppermost layer below. With an `epoch`, no file
/// is younger than that.
pub fn finish(
    store: &Store,
    to_be: &str,
    model: Option<&String>,
    blob: PathBuf,
    epoch: Option<i64>,
) -> Result<Option<Made>> {
    let path = store.layer(to_be);
    let dir = fd::open(&path, libc::O_RDONLY | libc::O_DIRECTORY)?;
    if is_unchanged(&dir, model.map(|name| store.layer(name)).as_deref())? {
        files::remove_tree(&path)?;
        return Ok(None);
    }
    if let Some(epoch) = epoch {
        clamp(&dir, epoch)?;
    }
    let mut out = Summed::create(&blob)?;
    let options = Pack {
        name: b".".to_vec(),
        layer: true,
        room: Some(room_beside(&dir)?),
        ..Pack::default()
    };
    let summary = pack(&dir, b".", &mut out, &options)?;
    let (diff, length) = out.finish()?;
    Ok(Some(Made {
        diff,
        length,
        size: summary.bytes,
        blob,
        dir: to_be.to_owned(),
    }))
}

/// Whether a layer has nothing to say.
fn is_unchanged(dir: &OwnedFd, model: Option<&Path>) -> Result<bool> {
    let list = fd::reopen(dir, libc::O_RDONLY | libc::O_DIRECTORY)?;
    if !entry::names(list)?.is_empty() {
        return Ok(false);
    }
    let facts = |mode: u32, uid: u32, gid: u32| (mode & 0o7777, uid, gid);
    let own = fd::stat(dir)?;
    let below = match model {
        None => facts(0o755, 0, 0),
        Some(model) => {
            let below = fs::metadata(model).context(|| "cannot look at a layer")?;
            facts(below.mode(), below.uid(), below.gid())
        }
    };
    Ok(facts(own.st_mode, own.st_uid, own.st_gid) == below)
}

/// Sees to it that no file is younger than so many seconds after 1970.
fn clamp(dir: &OwnedFd, epoch: i64) -> Result<()> {
    walk(dir, &mut Clamp(epoch))?;
    Clamp(epoch).one(dir, &fd::stat(dir)?)
}

struct Clamp(i64);

impl Clamp {
    fn one(&self, file: &OwnedFd, stat: &libc::stat) -> Result<()> {
        if stat.st_mtime >= self.0 {
            entry::set_time(file, self.0, 0)?;
        }
        Ok(())
    }
}

impl Visitor for Clamp {
    fn enter(&mut self, item: &Item<'_>) -> Result<Next> {
        self.one(item.file, &item.stat)?;
        Ok(Next::Into)
    }
}

/// A file whose sum is found while it is written.
pub struct Summed(BufWriter<SummedFile>);

impl Summed {
    /// A new file.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create_new(path).context(|| "cannot write to the store of images")?;
        let sums = SummedFile::new(file, Algorithm::Sha256);
        Ok(Self(BufWriter::with_capacity(BUFFER, sums)))
    }

    /// The sum, and how long it is.
    pub fn finish(self) -> Result<(Digest, u64)> {
        let sums = self.0.into_inner().map_err(io::IntoInnerError::into_error);
        let sums = sums.context(|| "cannot write to the store of images")?;
        Ok((sums.sum(), sums.length()))
    }
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
