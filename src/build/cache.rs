//! What earlier builds have made, found again by what it was made of.
//!
//! A step's key is the sum of everything its outcome depends on: the layers it
//! stands on, what it is to do with all variables worked out, and what it
//! reads. What it does not depend on is not in it: labels, when files were
//! changed, which secret a secret is. The same command on other layers has
//! another key (CVE-2024-24557). An entry is a [`Kept`] of the images' store,
//! which keeps its layer from being taken away.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::apply::{CopySource, CopyTask, RunTask};
use super::files::sum::{field, number};
use super::language::{MountSpec, RunSecurity, Sharing};
use super::state::{Layer, State};
use super::work::Limits;
use super::worker::Done;
use crate::build::state;
use crate::container::NetworkMode;
use crate::error::Result;
use crate::image::make::OCI_LAYER;
use crate::image::manifest::Descriptor;
use crate::image::reference::{Algorithm, Digest, Hasher};
use crate::image::{ImageConfig, Images, Kept, Stage, chain_ids};

/// Other keys, other entries: raised when either means something else.
const VERSION: &[u8] = b"rcon build 2";

/// What is known of a step that was done before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What it was, for people.
    pub step: String,
    /// When.
    pub created: String,
    /// The layer that came of it, if anything changed.
    pub layer: Option<Known>,
    /// What it stood on, if that was anything.
    #[serde(default)]
    pub below: Option<Digest>,
}

impl Entry {
    /// Whether what came of it is in this image.
    pub fn is_in(&self, image: &ImageConfig) -> bool {
        let diffs = &image.rootfs.diff_ids;
        if let Some(layer) = &self.layer {
            return diffs.contains(&layer.diff);
        }
        // Of a step without a layer there is only its date, on those below.
        let chains = chain_ids(diffs);
        let is_it = |layers: usize, created: &Option<String>| {
            let below = layers.checked_sub(1).map(|top| chains.get(top));
            let same = match below {
                None => self.below.is_none(),
                Some(chain) => chain.is_some() && chain == self.below.as_ref(),
            };
            same && created.as_deref() == Some(&*self.created)
        };
        let mut layers = 0;
        let in_history = image.history.iter().any(|step| {
            layers += usize::from(!step.empty_layer);
            step.empty_layer && is_it(layers, &step.created)
        });
        in_history || is_it(diffs.len(), &image.created)
    }
}

/// A layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The sum of its archive.
    pub diff: Digest,
    /// The length of that.
    pub length: u64,
    /// The bytes of its files.
    pub size: u64,
}

/// The name of a step in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(String);

/// Puts a key together.
pub struct Keyed(Hasher);

impl Keyed {
    /// Of a step of this kind, on top of these layers.
    pub fn new(kind: &str, below: Option<&State>, epoch: Option<i64>) -> Self {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        field(&mut hasher, VERSION);
        field(&mut hasher, kind.as_bytes());
        let chain = below.and_then(State::chain);
        let mut key = Self(hasher);
        key.text(&chain.map_or_else(String::new, |chain| chain.to_string()));
        key.text(&epoch.map_or_else(String::new, |epoch| epoch.to_string()));
        key
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) {
        field(&mut self.0, text.as_bytes());
    }

    /// Adds a list of texts.
    pub fn list<'a>(&mut self, list: impl ExactSizeIterator<Item = &'a String>) {
        number(&mut self.0, list.len() as u64);
        for text in list {
            self.text(text);
        }
    }

    /// The whole.
    pub fn done(self) -> Key {
        Key(self.0.finish().hex().to_owned())
    }
}

/// The key of a `RUN`; `sums` are of what is mounted, in order.
pub fn of_run(
    state: &State,
    task: &RunTask,
    network: &NetworkMode,
    limits: &Limits,
    sums: &[String],
    epoch: Option<i64>,
) -> Key {
    let mut key = Keyed::new("run", Some(state), epoch);
    let config = &state.config.config;
    key.list(task.argv.iter());
    key.list(config.env.iter());
    let args: Vec<String> = task.args.iter().map(|(k, v)| format!("{k}={v}")).collect();
    key.list(args.iter());
    key.text(&config.user);
    key.text(&config.working_dir);
    key.text(task.script.as_ref().map_or("", |(name, _)| name));
    key.text(match network {
        NetworkMode::None => "none",
        NetworkMode::Host => "host",
        _ => "",
    });
    key.text(match task.security {
        Some(RunSecurity::Insecure) => "insecure",
        _ => "",
    });
    let hosts: Vec<String> = limits
        .hosts
        .iter()
        .map(|(n, a)| format!("{n}:{a}"))
        .collect();
    key.list(hosts.iter());
    key.list(sums.iter());
    key.done()
}

/// What counts of a mount beside what is in it.
pub fn of_mount(spec: &MountSpec) -> String {
    match spec {
        MountSpec::Bind {
            source,
            target,
            writable,
            ..
        } => format!("bind {source:?} {target:?} {writable}"),
        MountSpec::Cache {
            id,
            target,
            read_only,
            sharing,
            ..
        } => {
            let sharing = match sharing {
                Sharing::Shared => "shared",
                Sharing::Private => "private",
                Sharing::Locked => "locked",
            };
            format!("cache {id:?} {target:?} {read_only} {sharing}")
        }
        MountSpec::Tmpfs { target, size } => format!("tmpfs {target:?} {size:?}"),
        MountSpec::Secret {
            id,
            target,
            env,
            mode,
            uid,
            gid,
            ..
        } => format!("secret {id:?} {target:?} {env:?} {mode:o} {uid} {gid}"),
        MountSpec::Ssh { id, target, .. } => format!("ssh {id:?} {target:?}"),
    }
}

/// The key of a `COPY` or `ADD`; `sums` are of its sources, in order.
pub fn of_copy(state: &State, task: &CopyTask, sums: &[String], epoch: Option<i64>) -> Key {
    // A name means something in the image only.
    let named = task.owner.as_ref();
    let named =
        named.is_some_and(|owner| owner.contains(|c: char| !c.is_ascii_digit() && c != ':'));
    let below = (!task.link || named).then_some(state);
    let mut key = Keyed::new("copy", below, epoch);
    key.list(sums.iter());
    for source in &task.sources {
        match source {
            CopySource::Path(..) => key.text("path"),
            CopySource::Inline(name, text) => {
                key.text("inline");
                key.text(name);
                key.text(text);
            }
        }
    }
    key.text(&task.destination);
    key.text(if task.is_dir { "directory" } else { "" });
    key.text(task.owner.as_deref().unwrap_or("-"));
    key.text(task.mode.as_deref().unwrap_or("-"));
    key.text(if task.link { "link" } else { "" });
    if let Some(add) = &task.add {
        key.text(if add.keep_git_dir { "git" } else { "" });
        key.text(&format!("{:?}", add.unpack));
    }
    key.done()
}

/// The key of a `WORKDIR`.
pub fn of_workdir(state: &State, path: &str, epoch: Option<i64>) -> Key {
    let mut key = Keyed::new("workdir", Some(state), epoch);
    key.text(path);
    key.text(&state.config.config.user);
    key.done()
}

/// The key of the date of an image that no step of its own has dated; it is
/// that of the last layer otherwise. The date it inherits does not count.
pub fn of_date(config: &ImageConfig) -> Result<Key> {
    let config = ImageConfig {
        created: None,
        ..config.clone()
    };
    let mut key = Keyed::new("date", None, None);
    key.text(&String::from_utf8_lossy(&config.to_bytes()?));
    Ok(key.done())
}

/// The date that is remembered by this key.
pub fn find_date(images: &Images, key: &Key) -> Option<String> {
    let entry = read(&images.find_kept(&key.0)?)?;
    touch(images, key);
    Some(entry.created)
}

/// What is to be remembered of a date.
pub fn keep_date(key: &Key, step: &str, created: &str, state: &State) -> Kept {
    let entry = Entry {
        step: step.to_owned(),
        created: created.to_owned(),
        layer: None,
        below: state.chain(),
    };
    kept(key, &entry)
}

fn kept(key: &Key, entry: &Entry) -> Kept {
    let mut kept = Kept {
        name: key.0.clone(),
        ..Kept::default()
    };
    if let Some(layer) = &entry.layer {
        kept.blobs.push(layer.diff.clone());
        kept.layers.push(layer.diff.hex().to_owned());
    }
    if let Ok(Value::Object(says)) = serde_json::to_value(entry) {
        kept.says = says;
    }
    kept
}

/// Finds what a step came to, if all of it is still here, and keeps that from
/// being taken away.
pub fn find(stage: &Stage, state: &State, key: &Key) -> Result<Option<(Entry, Option<Layer>)>> {
    let Some(kept) = stage.images().find_kept(&key.0) else {
        return Ok(None);
    };
    let Some(entry) = read(&kept) else {
        return Ok(None);
    };
    let Some(known) = &entry.layer else {
        return Ok(Some((entry, None)));
    };
    let layer = layer(stage, state, known)?;
    Ok(layer.map(|layer| (entry, Some(layer))))
}

/// What an entry says.
pub fn read(kept: &Kept) -> Option<Entry> {
    serde_json::from_value(Value::Object(kept.says.clone())).ok()
}

fn layer(stage: &Stage, state: &State, known: &Known) -> Result<Option<Layer>> {
    if !stage.has(&known.diff)? {
        return Ok(None);
    }
    let mut diffs = state.diffs();
    diffs.push(known.diff.clone());
    let chain = chain_ids(&diffs)
        .pop()
        .unwrap_or_else(|| known.diff.clone());
    let found = stage.layer(&known.diff, &chain)?;
    Ok(found.map(|(_, dir)| state::Layer {
        diff: known.diff.clone(),
        blob: Descriptor::new(OCI_LAYER, known.length, known.diff.clone()),
        dir,
    }))
}

/// Takes in what a worker has made on top of `below`: the layer, and what is
/// to be remembered.
pub fn take(
    stage: &Stage,
    key: &Key,
    (step, created): (&str, &str),
    below: Option<Digest>,
    done: &Done,
) -> Result<(Option<Layer>, Kept)> {
    let mut entry = Entry {
        step: step.to_owned(),
        created: created.to_owned(),
        layer: None,
        below,
    };
    let mut layer = None;
    if let Some(made) = &done.layer {
        let (diff, dir) = taken(stage, made)?;
        entry.layer = Some(Known {
            diff: diff.clone(),
            length: made.length,
            size: made.size,
        });
        layer = Some(Layer {
            blob: Descriptor::new(OCI_LAYER, made.length, diff.clone()),
            diff,
            dir,
        });
    }
    Ok((layer, kept(key, &entry)))
}

/// What was made goes into the stage, unless it is here already.
fn taken(stage: &Stage, made: &super::layer::Made) -> Result<(Digest, String)> {
    if stage.has(&made.diff)? {
        // The same archive once more.
        let _ = std::fs::remove_file(&made.blob);
    } else {
        stage.take_blob(made.diff.clone(), made.blob.clone());
    }
    if let Some((_, dir)) = stage.layer(&made.diff, &made.diff)? {
        return Ok((made.diff.clone(), dir));
    }
    stage.take_layer(&made.diff, &made.dir, made.size);
    Ok((made.diff.clone(), made.dir.clone()))
}

/// An entry was of use.
pub fn touch(images: &Images, key: &Key) {
    images.touch_kept(&key.0);
}
