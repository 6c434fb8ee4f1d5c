//! A place where somebody is at work for a while, without the lock: a
//! directory below `stage`, locked by its maker, and directories below
//! `layers` that carry its name. Whatever is in a place whose lock is free was
//! left by somebody who died.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{Images, gone};
use crate::archive;
use crate::error::{Context, Error, Result};
use crate::image::reference::Digest;
use crate::parallel;
use crate::store::sweep::is_old;
use crate::store::{Lock, files};
use crate::sys::fd;

/// What a place's directories below `layers` begin with.
const TEMPORARY: &str = ".tmp-";
/// Where a place says what of the store it needs.
const CLAIMS: &str = "claims";

/// A place of one's own.
#[derive(Debug)]
pub(in crate::image) struct Place {
    images: Images,
    name: String,
    dir: PathBuf,
    _lock: Lock,
}

/// Something in the store that must not be taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    Blob(Digest),
    Layer(String),
}

impl Place {
    /// A new one.
    pub(in crate::image) fn new(images: &Images) -> Result<Self> {
        let mut random = [0; 8];
        crate::sys::random(&mut random)?;
        let name = format!("{:016x}", u64::from_le_bytes(random));
        let dir = images.dir().join("stage").join(&name);
        let what = || format!("cannot make {}", dir.display());
        files::private_dir(&dir).context(what)?;
        let made = files::private_dir(&dir.join(CLAIMS)).context(what);
        let locked = made.and_then(|()| Lock::try_take(&dir));
        match locked.and_then(|l| l.ok_or_else(|| Error::internal("a new place is locked"))) {
            Ok(lock) => Ok(Self {
                images: images.clone(),
                name,
                dir,
                _lock: lock,
            }),
            Err(e) => {
                let _ = fs::remove_dir_all(&dir);
                Err(e)
            }
        }
    }

    pub(in crate::image) fn images(&self) -> &Images {
        &self.images
    }

    /// For files.
    pub(in crate::image) fn dir(&self) -> &Path {
        &self.dir
    }

    /// For a layer: a name that nobody else uses, beside the other layers.
    pub(in crate::image) fn layer(&self, name: &str) -> PathBuf {
        let name = format!("{TEMPORARY}{}-{name}", self.name);
        self.images.store().layer(&name)
    }

    /// Keeps a blob, if it is there, from being taken away.
    pub(in crate::image) fn claim_blob(&self, digest: &Digest) -> Result<bool> {
        let _guard = self.images.share()?;
        let there = self.images.blob_path(digest).is_file();
        if there {
            self.keep_blob(digest)?;
        }
        Ok(there)
    }

    /// The same for a layer: the name it has, if it is there.
    pub(in crate::image) fn claim_layer(
        &self,
        diff: &Digest,
        chain: &Digest,
    ) -> Result<Option<String>> {
        let _guard = self.images.share()?;
        let name = self.images.layer_name(diff, chain);
        if let Some(name) = &name {
            self.keep_layer(name)?;
        }
        Ok(name)
    }

    /// Keeps a blob. The caller has the lock of the images, shared or not.
    pub(in crate::image) fn keep_blob(&self, digest: &Digest) -> Result<()> {
        let (algorithm, hex) = (digest.algorithm().name(), digest.hex());
        self.claim(&format!("blob-{algorithm}-{hex}"))
    }

    /// The same for a layer, by the name it has here.
    pub(in crate::image) fn keep_layer(&self, name: &str) -> Result<()> {
        self.claim(&format!("layer-{name}"))
    }

    fn claim(&self, name: &str) -> Result<()> {
        File::create(self.dir.join(CLAIMS).join(name))
            .map(drop)
            .context(|| "cannot write to the store of images")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed now is tried again by the next command.
        let _ = remove(&self.images, &self.name);
    }
}

/// Takes a place away with all that is in it, the lock last.
fn remove(images: &Images, name: &str) -> Result<()> {
    let own = format!("{TEMPORARY}{name}-");
    remove_layers(images, |layer| layer.starts_with(&own))?;
    let dir = images.dir().join("stage").join(name);
    for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.file_name() != Some("lock".as_ref()) {
            let is_dir = entry.file_type().is_ok_and(|t| t.is_dir());
            let removed = if is_dir {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            gone(removed)?;
        }
    }
    Ok(gone(fs::remove_dir_all(&dir))?)
}

/// Removes half layers.
fn remove_layers(images: &Images, which: impl Fn(&str) -> bool) -> Result<()> {
    let dir = images.store().layers();
    let mut names = names(&dir);
    names.retain(|n| which(n));
    if names.is_empty() {
        return Ok(());
    }
    let layers = fd::open(&dir, libc::O_RDONLY | libc::O_DIRECTORY)?;
    parallel::each(&names, parallel::processors(), |name, _| {
        archive::remove_all(&layers, Path::new(name))
    })
}

/// What is in a directory that perhaps is not there.
pub(in crate::image) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|e| e.file_name().into_string().ok())
        .collect()
}

/// The same for whoever takes away what has no name there: what cannot be read
/// is not empty.
pub(in crate::image) fn read_names(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
    let names: io::Result<Vec<Option<String>>> = names.collect();
    Ok(names?.into_iter().flatten().collect())
}

/// Everything that is needed by somebody at work. Who has died needs nothing
/// any more: what a change of theirs was about is nobody's, once it is settled.
pub(super) fn claims(images: &Images) -> Result<Vec<Claim>> {
    let stages = images.dir().join("stage");
    let mut all = Vec::new();
    let what = || format!("cannot read {}", stages.display());
    for stage in read_names(&stages).context(what)? {
        let stage = stages.join(stage);
        if !Lock::is_held(&stage) {
            continue;
        }
        for name in read_names(&stage.join(CLAIMS)).context(what)? {
            all.extend(claim(&name)?);
        }
    }
    Ok(all)
}

fn claim(name: &str) -> Result<Option<Claim>> {
    if let Some(layer) = name.strip_prefix("layer-") {
        return Ok(Some(Claim::Layer(layer.to_owned())));
    }
    let digest = name.strip_prefix("blob-").map(|d| d.replacen('-', ":", 1));
    digest
        .map(|d| Digest::parse(&d).map(Claim::Blob))
        .transpose()
}

/// Places whose makers are gone, and half layers without a place.
pub(super) fn abandoned(images: &Images) -> Vec<PathBuf> {
    let stages = images.dir().join("stage");
    let mut found: Vec<PathBuf> = Vec::new();
    let mut alive: Vec<String> = Vec::new();
    // The layers first: a place is made before its layers.
    let layers = names(&images.store().layers());
    for name in names(&stages) {
        let dir = stages.join(&name);
        if Lock::is_held(&dir) || !is_old(&dir) {
            alive.push(format!("{TEMPORARY}{name}-"));
        } else {
            found.push(dir);
        }
    }
    for name in layers.iter().filter(|n| n.starts_with(TEMPORARY)) {
        if !alive.iter().any(|a| name.starts_with(a)) {
            found.push(images.store().layer(name));
        }
    }
    found
}

/// Takes those away.
pub(super) fn sweep(images: &Images) -> Result<()> {
    let found = abandoned(images);
    for path in &found {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(TEMPORARY) {
            remove_layers(images, |layer| layer == name)?;
        } else {
            remove(images, &name)?;
        }
    }
    Ok(())
}
