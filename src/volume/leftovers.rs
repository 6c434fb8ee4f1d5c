//! What killed commands have left of volumes: taken up or taken away.

use std::path::{Path, PathBuf};

use super::fill::Place;
use super::store::{Volumes, remove_tree};
use super::{attach, users};
use crate::error::Result;
use crate::store::{Lock, Store, sweep};

/// Something that should not be there.
#[derive(Debug, Clone)]
pub struct Leftover {
    /// In words.
    pub what: String,
    remedy: Remedy,
}

#[derive(Debug, Clone)]
enum Remedy {
    /// A volume half made: with a container's record, it is wanted.
    Unborn { path: PathBuf, name: String },
    /// A volume half removed.
    Gone(PathBuf),
    /// A volume half filled.
    Half(String),
    /// A file system nobody uses is mounted in it.
    Mounted(String),
    /// A volume whose record cannot be read.
    Unknown(String),
}

/// What every command takes away before it begins. What cannot be is tried
/// again by the next.
pub fn sweep(store: &Store) -> Result<()> {
    let volumes = Volumes(store);
    for name in volumes.names()? {
        if let Some(leftover) = of_directory(volumes, &name) {
            let _ = take_away(store, &leftover);
        }
    }
    Ok(())
}

/// Finds all, with what takes longer to find.
pub fn find(store: &Store) -> Result<Vec<Leftover>> {
    let volumes = Volumes(store);
    let names = volumes.names()?;
    let mut found: Vec<Leftover> = names
        .iter()
        .filter_map(|name| of_directory(volumes, name))
        .collect();
    for name in names.iter().filter(|n| !n.starts_with('.')) {
        if let Some(why) = volumes.why_unreadable(name) {
            found.push(Leftover {
                what: format!("volume {name}: {why}"),
                remedy: Remedy::Unknown(name.clone()),
            });
        }
        if attach::is_left(volumes, name) {
            found.push(Leftover {
                what: format!("volume {name}: mounted, and nobody uses it"),
                remedy: Remedy::Mounted(name.clone()),
            });
        }
    }
    Ok(found)
}

/// What a name in the place of volumes says, if nobody is at it.
fn of_directory(volumes: Volumes<'_>, name: &str) -> Option<Leftover> {
    let path = volumes.of(name);
    let shown = path.display();
    let idle = |path: &Path| !Lock::is_held(path) && sweep::is_old(path);
    if let Some(rest) = name.strip_prefix(".new-") {
        return idle(&path).then(|| Leftover {
            what: format!("{shown}: a volume half made"),
            remedy: Remedy::Unborn {
                name: rest.to_owned(),
                path: path.clone(),
            },
        });
    }
    if name.starts_with(".gone-") {
        return idle(&path).then(|| Leftover {
            what: format!("{shown}: a volume half removed"),
            remedy: Remedy::Gone(path.clone()),
        });
    }
    let half = ["filling", "filled"].iter().any(|p| path.join(p).exists());
    let idle = half && matches!(volumes.try_hold_content(name), Ok(Some(_)));
    idle.then(|| Leftover {
        what: format!("volume {name}: half filled"),
        remedy: Remedy::Half(name.to_owned()),
    })
}

/// Takes one away, or what is left to do is done.
pub fn take_away(store: &Store, leftover: &Leftover) -> Result<()> {
    let volumes = Volumes(store);
    match &leftover.remedy {
        Remedy::Unborn { path, name } => unborn(volumes, path, name),
        Remedy::Gone(path) => remove_tree(path),
        Remedy::Half(name) => half(volumes, name),
        Remedy::Mounted(name) => attach::settle(volumes, name),
        Remedy::Unknown(name) => volumes.record_anew(name),
    }
}

/// One that a container's record names was as good as made.
fn unborn(volumes: Volumes<'_>, path: &Path, name: &str) -> Result<()> {
    let Some(_lock) = Lock::try_take(path)? else {
        return Ok(());
    };
    let wanted = name.len() == 64 && !users::of(volumes.0, name, None)?.is_empty();
    if wanted && path.join("config.json").exists() && path.join("_data").is_dir() {
        match std::fs::rename(path, volumes.of(name)) {
            Ok(()) => return Ok(()),
            // Made anew meanwhile.
            Err(_) if volumes.of(name).exists() => {}
            Err(e) => return Err(e.into()),
        }
    }
    remove_tree(path)
}

fn half(volumes: Volumes<'_>, name: &str) -> Result<()> {
    match volumes.try_hold_content(name)? {
        Some(_content) => Place::open(&volumes.of(name), false, true)?.recover(),
        None => Ok(()),
    }
}
