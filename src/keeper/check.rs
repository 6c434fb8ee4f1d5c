//! Everything that could be left over, looked for.
//!
//! Each command repairs what it meets. This is for what none of them meets,
//! and for whoever wants to be sure.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::{ending, truth};
use crate::cgroup::ops;
use crate::error::Result;
use crate::network::leftovers::{self, Leftover};
use crate::network::store::Networks;
use crate::store::{Entry, Store, files};
use crate::volume;

/// Something that should not be there.
#[derive(Debug, Clone)]
pub struct Finding {
    what: String,
    remedy: Remedy,
}

/// What can be done about it.
#[derive(Debug, Clone)]
enum Remedy {
    /// A directory or file is removed.
    Remove(PathBuf),
    /// An empty cgroup is removed.
    RemoveCgroup(PathBuf),
    /// What a dead keeper left open is settled.
    Settle(Entry),
    /// Names are swept.
    FreeNames,
    /// Something of a network's is taken away.
    Network(Box<Leftover>),
    /// Something of a volume's is taken away, or done to its end.
    Volume(Box<volume::leftovers::Leftover>),
    /// That is for a person to decide.
    Person,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Looks for everything that could be left over.
pub fn check(store: &Store) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for path in store.unfinished()? {
        found.push(Finding {
            what: format!("{}: a container half made or half removed", path.display()),
            remedy: Remedy::Remove(path),
        });
    }
    let entries = store.all()?;
    for entry in &entries {
        found.extend(check_entry(entry));
    }
    let dangling = store.dangling_names()?;
    if !dangling.is_empty() {
        found.push(Finding {
            what: format!("names that lead nowhere: {}", dangling.join(", ")),
            remedy: Remedy::FreeNames,
        });
    }
    let ids: BTreeSet<&str> = entries.iter().map(|e| e.id().as_str()).collect();
    found.extend(check_run_dirs(store.run_root(), &ids, &entries));
    found.extend(check_cgroups(&ids)?);
    let networks = leftovers::find(Networks(store))?.into_iter();
    found.extend(networks.map(|leftover| Finding {
        what: leftover.what.clone(),
        remedy: Remedy::Network(Box::new(leftover)),
    }));
    let volumes = volume::leftovers::find(store)?.into_iter();
    found.extend(volumes.map(|leftover| Finding {
        what: leftover.what.clone(),
        remedy: Remedy::Volume(Box::new(leftover)),
    }));
    Ok(found)
}

/// Takes one thing away; whether that was possible.
pub fn repair(store: &Store, finding: &Finding) -> Result<bool> {
    match &finding.remedy {
        Remedy::Remove(path) => files::remove_tree(path)?,
        Remedy::RemoveCgroup(path) => gone(fs::remove_dir(path))?,
        Remedy::Settle(entry) => {
            if let Err(e) = truth(store, entry)
                && entry.exists()
            {
                return Err(e);
            }
        }
        Remedy::Network(leftover) => leftovers::take_away(Networks(store), leftover)?,
        Remedy::Volume(leftover) => volume::leftovers::take_away(store, leftover)?,
        Remedy::FreeNames => drop(store.sweep_names()?),
        Remedy::Person => return Ok(false),
    }
    Ok(true)
}

/// What another has taken away meanwhile is gone, too.
fn gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn check_entry(entry: &Entry) -> Option<Finding> {
    let short = entry.id().short();
    let finding = |what: String, remedy| Some(Finding { what, remedy });
    if let Err(e) = entry.config() {
        return finding(format!("container {short}: {e}"), Remedy::Person);
    }
    match entry.recorded() {
        Err(e) => finding(format!("container {short}: {e}"), Remedy::Person),
        Ok(state) if !entry.is_held() && (ending::is_open(&state) || ending::is_orphan(entry)) => {
            finding(
                format!("container {short}: its keeper was killed"),
                Remedy::Settle(entry.clone()),
            )
        }
        Ok(_) => None,
    }
}

/// Directories of sockets without a keeper.
fn check_run_dirs(run: &Path, ids: &BTreeSet<&str>, entries: &[Entry]) -> Vec<Finding> {
    let Ok(dirs) = fs::read_dir(run) else {
        return Vec::new();
    };
    let names = dirs.flatten().filter(|e| e.path().is_dir());
    let stale = names.filter(|e| {
        let name = e.file_name();
        let name = name.to_string_lossy();
        let is_id = name.len() == 64;
        let held = entries
            .iter()
            .any(|e| e.id().as_str() == name && e.is_held());
        is_id && (!ids.contains(&*name) || !held)
    });
    let finding = |e: fs::DirEntry| Finding {
        what: format!("{}: sockets without a keeper", e.path().display()),
        remedy: Remedy::Remove(e.path()),
    };
    stale.map(finding).collect()
}

/// Cgroups of containers that are gone. Those of another store cannot be told
/// from ours, but for one thing: while their container is up they are not
/// empty.
fn check_cgroups(ids: &BTreeSet<&str>) -> Result<Vec<Finding>> {
    let layout = ops::observe()?;
    let mut found = Vec::new();
    for hierarchy in &layout.hierarchies {
        let parent = hierarchy.mount.join("rcon");
        let Ok(dirs) = fs::read_dir(&parent) else {
            continue;
        };
        for dir in dirs.flatten() {
            let name = dir.file_name();
            let name = name.to_string_lossy();
            let path = dir.path();
            let ours = name.len() == 64 && !ids.contains(&*name);
            if ours && is_empty(&path) && is_old(&path) {
                found.push(Finding {
                    what: format!("{}: a cgroup without a container", path.display()),
                    remedy: Remedy::RemoveCgroup(path),
                });
            }
        }
    }
    Ok(found)
}

fn is_empty(cgroup: &Path) -> bool {
    fs::read_to_string(cgroup.join("cgroup.procs")).is_ok_and(|t| t.is_empty())
}

/// A container takes far less time from its cgroup to its first process.
fn is_old(path: &Path) -> bool {
    let made = fs::metadata(path).and_then(|m| m.modified());
    made.is_ok_and(|t| t.elapsed().is_ok_and(|age| age.as_secs() >= 10))
}
