//! From what was asked for to a plan: the last of what must be looked up.

use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;

use super::protocol::Size;
use crate::container::{Config, Root};
use crate::error::{Context, Error, Result};
use crate::facts::{self, BundleFacts};
use crate::plan::{self, Changes, Options, Overlay, Plan};
use crate::run::State;
use crate::store::{Entry, Store};

/// Everything a start needs.
pub(super) struct Prepared {
    pub plan: Plan,
    pub state: State,
}

/// Works out how the container is started.
pub(super) fn prepare(
    store: &Store,
    entry: &Entry,
    config: &Config,
    size: Size,
) -> Result<Prepared> {
    let (rootfs, overlay) = root(store, entry, config)?;
    let spec = spec(entry, config, &rootfs, size)?;
    let bundle = BundleFacts {
        overlay,
        ..facts::observe_sources(entry.dir(), &rootfs, &spec)
    };
    let options = Options {
        id: entry.id().to_string(),
        die_with_launcher: true,
        ..Options::default()
    };
    let plan = plan::container(&spec, &facts::observe()?, &bundle, &options)?;
    let state = State {
        oci_version: spec.version().clone(),
        id: entry.id().to_string(),
        status: "creating".to_owned(),
        pid: 0,
        bundle: entry.dir().to_owned(),
        annotations: spec.annotations().clone().unwrap_or_default(),
    };
    Ok(Prepared { plan, state })
}

/// Where the root is, and what is laid over each other there.
fn root(store: &Store, entry: &Entry, config: &Config) -> Result<(PathBuf, Option<Overlay>)> {
    let layers = match &config.root {
        Root::Directory {
            path,
            overlay: false,
        } => return Ok((existing(path)?, None)),
        Root::Directory { path, .. } => vec![existing(path)?],
        Root::Layers { layers } => layers.iter().map(|name| store.layer(name)).collect(),
    };
    let (place, upper, work) = entry.make_overlay_dirs()?;
    // What is changed goes with the container; it need not survive a crash.
    let volatile = config.auto_remove;
    let changes = Some(Changes {
        upper,
        work,
        volatile,
    });
    Ok((place, Some(Overlay { layers, changes })))
}

fn existing(path: &Path) -> Result<PathBuf> {
    let named = || format!("the root file system {}", path.display());
    let real = std::fs::canonicalize(path).context(named)?;
    if !real.is_dir() {
        return Err(Error::user("not a directory").context(named()));
    }
    if real == Path::new("/") {
        return Err(Error::user("the host's own root cannot be a container's"));
    }
    Ok(real)
}

fn spec(_entry: &Entry, config: &Config, rootfs: &Path, _size: Size) -> Result<Spec> {
    let mut json: serde_json::Value = crate::oci::default_spec();
    json["root"]["path"] = rootfs.to_str().into();
    json["root"]["readonly"] = false.into();
    json["process"]["args"] = config.program.argv().into();
    json["process"]["terminal"] = config.program.tty.into();
    json["linux"]["cgroupsPath"] = format!("/rcon/{}", config.id).into();
    serde_json::from_value(json).map_err(|e| Error::internal(e.to_string()))
}
