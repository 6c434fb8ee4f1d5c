//! From packed layers to directories.
//!
//! Fetching, hashing, decompressing and writing overlap, and layers are
//! unpacked at the same time: one set of threads writes what comes into the
//! stage ([`arriving`]), another follows right behind it, reading the same
//! bytes back while the kernel still has them at hand, and hands what it has
//! decompressed to a third, which makes the files ([`ahead`]). Nothing is kept in
//! memory but a few buffers a thread, and a slow disk does not keep a registry
//! waiting.
//!
//! What is unpacked is checked as it passes ([`stream`]): the sum of the plain
//! archive is the layer's name, and how much it may grow is bounded.

mod ahead;
mod arriving;
mod layer;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use super::Image;
use super::manifest::{Descriptor, Manifest};
use super::reference::Digest;
use super::stage::{Fetch, Stage};
use crate::archive::room_in;
use crate::error::{Error, Result};
use crate::parallel;
use arriving::Blob;

/// As many layers are fetched at once; registries do not like more.
const FETCHES: usize = 4;
/// As many are unpacked at once, at most.
const UNPACKS: usize = 8;

/// For each layer the sum that stands for it and all below it.
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chains: Vec<Digest> = Vec::new();
    for diff in diff_ids {
        let chain = match chains.last() {
            None => diff.clone(),
            Some(below) => {
                let mut text = String::new();
                // A string takes everything.
                let _ = write!(text, "{below} {diff}");
                Digest::of(text.as_bytes())
            }
        };
        chains.push(chain);
    }
    chains
}

/// The manifest and the configuration are not of the same image.
pub(super) fn uneven() -> Error {
    Error::environment("the manifest and the configuration have not the same number of layers")
        .hint("the image is spoilt; tell who made it")
}

/// One layer of the image.
struct Layer {
    blob: Descriptor,
    diff: Digest,
    chain: Digest,
    /// Where the same blob stands for the first time in this image.
    first_blob: usize,
    /// Where the same layer does.
    first: usize,
}

/// What threads at work on one image share.
struct Work<'a> {
    stage: &'a Stage,
    layers: Vec<Layer>,
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
    /// Bytes that may still be written to this disk.
    room: AtomicU64,
    /// Blobs of images that are here, and the layers that they were found to
    /// be; looked up when somebody asks.
    known: OnceLock<HashSet<(Digest, Digest)>>,
}

struct State {
    /// By the place of each layer; only those at `first_blob` are used.
    blobs: Vec<Blob>,
    /// What each layer is called, once it is there.
    names: Vec<Option<String>>,
    failure: Option<Error>,
}

/// Unpacks those layers that are not here yet, fetching what is missing.
pub(super) fn layers(
    stage: &Stage,
    manifest: &Manifest,
    diff_ids: &[Digest],
    fetch: &Fetch<'_>,
) -> Result<()> {
    if manifest.layers.len() != diff_ids.len() {
        return Err(uneven());
    }
    let work = Work::new(stage, manifest, diff_ids)?;
    let all: Vec<usize> = (0..work.layers.len()).collect();
    let threads = parallel::processors();
    let fetches = || each(&work, &all, FETCHES, |at| work.fetch(at, fetch));
    std::thread::scope(|scope| {
        let fetching = std::thread::Builder::new().spawn_scoped(scope, fetches);
        if fetching.is_err() {
            // Without threads, one thing after the other.
            fetches();
        }
        // Without a thread for it, all is written at the end.
        let _ = std::thread::Builder::new().spawn_scoped(scope, || work.write_back());
        each(&work, &all, threads.clamp(2, UNPACKS), |at| work.unpack(at));
    });
    let ended = work.state.into_inner();
    match ended.unwrap_or_else(PoisonError::into_inner).failure {
        Some(e) => Err(e),
        None => Ok(()),
    }
}

fn each(work: &Work<'_>, all: &[usize], limit: usize, act: impl Fn(usize) -> Result<()> + Sync) {
    // Its failure is in the state, where the other set of threads sees it, too.
    let _ = parallel::each(all, limit, |at, _| act(*at).inspect_err(|e| work.fail(e)));
}

impl<'a> Work<'a> {
    fn new(stage: &'a Stage, manifest: &Manifest, diff_ids: &[Digest]) -> Result<Self> {
        let (mut blobs, mut diffs) = (HashMap::new(), HashMap::new());
        let of = manifest
            .layers
            .iter()
            .zip(diff_ids)
            .zip(chain_ids(diff_ids));
        let layers = of.enumerate().map(|(at, ((blob, diff), chain))| Layer {
            first_blob: *blobs.entry(blob.digest.clone()).or_insert(at),
            first: *diffs.entry(diff.clone()).or_insert(at),
            blob: blob.clone(),
            diff: diff.clone(),
            chain,
        });
        let layers: Vec<Layer> = layers.collect();
        let begin = State {
            blobs: layers.iter().map(|_| Blob::default()).collect(),
            names: vec![None; layers.len()],
            failure: None,
        };
        // What is still to be fetched wants to be on the disk, too.
        let mut coming = 0_u64;
        for (at, layer) in layers.iter().enumerate() {
            if layer.first_blob == at && !stage.has(&layer.blob.digest)? {
                coming = coming.saturating_add(layer.blob.size);
            }
        }
        let room = room_in(stage.place().dir())?.saturating_sub(coming);
        Ok(Self {
            stage,
            layers,
            state: Mutex::new(begin),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
            room: AtomicU64::new(room),
            known: OnceLock::new(),
        })
    }

    /// Whether an image that is here has this blob as that very layer: then it
    /// was checked when the image came.
    fn is_known(&self, layer: &Layer) -> bool {
        let find = || {
            let images = self.stage.images().list().unwrap_or_default();
            let whole = images.into_iter().filter(Image::is_unpacked);
            let pairs = whole.flat_map(|image| {
                let blobs = image.manifest.layers.into_iter().map(|blob| blob.digest);
                blobs.zip(image.config.rootfs.diff_ids)
            });
            pairs.collect()
        };
        let pair = (layer.blob.digest.clone(), layer.diff.clone());
        self.known.get_or_init(find).contains(&pair)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `ready` has something to say.
    fn wait<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> Result<T> {
        let mut state = self.state();
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(stopped());
            }
            if let Some(found) = ready(&mut state) {
                return Ok(found);
            }
            let woken = self.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Has the kernel write to the disk what has come so far, while the
    /// processors are at work on the rest. Whoever commits the image waits for
    /// what is left then.
    fn write_back(&self) {
        let Ok(dir) = File::open(self.stage.dir()) else {
            return;
        };
        let mut written = 0;
        loop {
            let fresh = self.stage.fresh();
            if fresh > written {
                written = fresh;
                // It only makes the end come sooner.
                let _ = nix::unistd::syncfs(&dir);
            }
            let more = self.wait(|state| {
                let missing = state.names.iter().filter(|name| name.is_none()).count();
                (missing == 0 || self.stage.fresh() > written).then_some(missing)
            });
            if matches!(more, Ok(0) | Err(_)) {
                return;
            }
        }
    }

    /// The first failure is the one to tell; the others follow from it.
    fn fail(&self, e: &Error) {
        self.change(|state| {
            state.failure.get_or_insert_with(|| e.clone());
            self.stop.store(true, Ordering::Relaxed);
        });
    }
}

fn stopped() -> Error {
    Error::environment("stopped because another layer failed")
}
