//! Everything that could be left over, looked for.
//!
//! Each command repairs what it meets. This is for what none of them meets,
//! and for whoever wants to be sure.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::reach::keeper_of;
use super::{connect, ending};
use crate::cgroup::layout::{Hierarchy, Mode};
use crate::cgroup::ops::{self, Cgroup};
use crate::cgroup::paths::{CgroupDir, CgroupPaths, OWN_PREFIX};
use crate::container::Id;
use crate::error::{Error, Result};
use crate::network::leftovers::{self, Leftover};
use crate::network::store::Networks;
use crate::store::{Entry, Store, files, sweep};
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
    RemoveCgroup(CgroupPaths),
    /// What a dead keeper left open is settled.
    Settle(Entry),
    /// The directory of a container's sockets is removed.
    Sockets(Entry),
    /// What lies in a lock's place is removed.
    Lock(Entry),
    /// Names are swept.
    FreeNames,
    /// A container gets a name.
    Name(Entry),
    /// What is left of a container that nothing is known of is taken away.
    Lost(Entry),
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
    found.extend(check_run_dirs(store));
    found.extend(check_cgroups(&ids)?);
    found.extend(check_networks(Networks(store))?);
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
        Remedy::RemoveCgroup(cgroup) => remove_cgroup(cgroup)?,
        Remedy::Settle(entry) => {
            if let Err(e) = ending::note_truth(store, entry)
                && entry.exists()
            {
                return Err(e);
            }
        }
        Remedy::Sockets(entry) => return remove_sockets(entry),
        // A keeper that is up has its own lock still; it is to be ended first.
        Remedy::Lock(entry) if connect(entry).is_ok() => return Ok(false),
        Remedy::Lock(entry) => entry.clear_spoilt_lock()?,
        Remedy::Network(leftover) => leftovers::take_away(Networks(store), leftover)?,
        Remedy::Volume(leftover) => volume::leftovers::take_away(store, leftover)?,
        Remedy::FreeNames => drop(store.sweep_names()?),
        Remedy::Name(entry) => store.name_anew(entry)?,
        Remedy::Lost(entry) => return remove_lost(store, entry),
        Remedy::Person => return Ok(false),
    }
    Ok(true)
}

/// What is seen twice: a network that was made or removed between a look at the
/// networks and one at what belongs to them is no leftover at the second time.
fn check_networks(networks: Networks<'_>) -> Result<Vec<Finding>> {
    let mut found = leftovers::find(networks)?;
    if !found.is_empty() {
        let again = leftovers::find(networks)?;
        found.retain(|leftover| again.iter().any(|other| other.what == leftover.what));
    }
    let finding = |leftover: Leftover| Finding {
        what: leftover.what.clone(),
        remedy: Remedy::Network(Box::new(leftover)),
    };
    Ok(found.into_iter().map(finding).collect())
}

fn check_entry(entry: &Entry) -> Option<Finding> {
    let short = entry.id().short();
    let finding = |what: String, remedy| Some(Finding { what, remedy });
    let spoilt = |e: &Error| {
        // One that is gone meanwhile was removed by its owner.
        let what = format!("container {short}: {e}");
        entry.exists().then(|| finding(what, Remedy::Person))?
    };
    if entry.has_spoilt_lock() {
        let what = format!("container {short}: its lock is no file");
        return finding(what, Remedy::Lock(entry.clone()));
    }
    if entry.has_lost("config.json") && !entry.is_held() {
        let what = format!(
            "container {short}: the power failed when it was made, and nothing is known of it"
        );
        return finding(what, Remedy::Lost(entry.clone()));
    }
    if let Err(e) = entry.config() {
        return spoilt(&e);
    }
    if entry.has_lost("name") {
        let what = format!("container {short}: its name was lost");
        return finding(what, Remedy::Name(entry.clone()));
    }
    match entry.recorded() {
        Err(e) => spoilt(&e),
        Ok(_) if entry.is_held() || !is_left_open(entry) => None,
        Ok(state) => finding(
            format!("container {short}: {}", ending::what_was_cut_short(&state)),
            Remedy::Settle(entry.clone()),
        ),
    }
}

/// Removes a container that nobody can start, or say what it was.
fn remove_lost(store: &Store, entry: &Entry) -> Result<bool> {
    let Some(lock) = entry.try_lock()? else {
        return Ok(false);
    };
    if !entry.has_lost("config.json") {
        return Ok(false);
    }
    ending::clear_away(store, entry);
    store.remove(entry, lock)?;
    Ok(true)
}

/// Whether a keeper is gone without a word. Only who has the lock can tell: a
/// keeper notes the end and gives the lock back between any two looks, and
/// another may have come up.
fn is_left_open(entry: &Entry) -> bool {
    let Ok(Some(_lock)) = entry.try_lock() else {
        return false;
    };
    let open = entry.recorded().is_ok_and(|state| ending::is_open(&state));
    open || ending::is_orphan(entry)
}

/// Directories of sockets without a keeper. They are made by whoever has the
/// container's lock already, so one that is there without it is nobody's.
fn check_run_dirs(store: &Store) -> Vec<Finding> {
    let Ok(dirs) = fs::read_dir(store.run_root()) else {
        return Vec::new();
    };
    let ids = dirs
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok());
    let ids = ids.filter_map(|name| Id::try_from(name).ok());
    let idle = ids.map(|id| store.entry(id)).filter(|e| !e.is_held());
    // It may have gone with its container while we looked.
    let stale = idle.filter(|e| e.run_dir().is_dir());
    let finding = |entry: Entry| match keeper_at(&entry) {
        None => Finding {
            what: format!("{}: sockets without a keeper", entry.run_dir().display()),
            remedy: Remedy::Sockets(entry),
        },
        Some(pid) => Finding {
            what: format!(
                "container {}: it is up, and its record is gone (`kill -9 {pid}` ends it)",
                entry.id().short()
            ),
            remedy: Remedy::Person,
        },
    };
    stale.map(finding).collect()
}

/// The process that listens at a container's socket.
fn keeper_at(entry: &Entry) -> Option<i32> {
    let connection = connect(entry).ok()?;
    keeper_of(&connection).ok()
}

/// With the lock of their container, so that no keeper comes up meanwhile. Of
/// one that is gone there will never be a keeper again: no id is given twice.
fn remove_sockets(entry: &Entry) -> Result<bool> {
    let _lock = match entry.try_lock() {
        Ok(Some(lock)) => Some(lock),
        Ok(None) => return Ok(true),
        Err(_) if !entry.exists() => None,
        Err(e) => return Err(e),
    };
    files::remove_tree(entry.run_dir())?;
    Ok(true)
}

/// Cgroups of containers that are gone. Those of another store cannot be told
/// from ours, but for one thing: while their container is up they are not
/// empty.
fn check_cgroups(ids: &BTreeSet<&str>) -> Result<Vec<Finding>> {
    let layout = ops::observe()?;
    let mut found = Vec::new();
    for hierarchy in &layout.hierarchies {
        let Ok(dirs) = fs::read_dir(&hierarchy.mount) else {
            continue;
        };
        for dir in dirs.flatten() {
            let name = dir.file_name();
            let Some(name) = name.to_str() else { continue };
            let id = name.strip_prefix(OWN_PREFIX);
            if id.is_none_or(|id| id.len() != 64 || ids.contains(id)) {
                continue;
            }
            let (path, cgroup) = (dir.path(), one(layout.mode, hierarchy, name));
            if is_empty(&cgroup) && is_old(&path) {
                found.push(Finding {
                    what: format!("{}: a cgroup without a container", path.display()),
                    remedy: Remedy::RemoveCgroup(cgroup),
                });
            }
        }
    }
    Ok(found)
}

/// One cgroup of one hierarchy, right below its mount.
fn one(mode: Mode, hierarchy: &Hierarchy, name: &str) -> CgroupPaths {
    let dir = CgroupDir {
        version: hierarchy.version,
        controllers: hierarchy.controllers.clone(),
        name: hierarchy.name.clone(),
        mount: hierarchy.mount.clone(),
        path: name.to_owned(),
        made: true,
    };
    CgroupPaths {
        mode,
        dirs: vec![dir],
    }
}

/// Whether no process is in it, nor in a cgroup that a container has made in
/// its own.
fn is_empty(cgroup: &CgroupPaths) -> bool {
    let pids = Cgroup::open(cgroup).and_then(|cgroup| cgroup.pids());
    pids.is_ok_and(|pids| pids.is_empty())
}

/// The kernel refuses while a process is in it.
fn remove_cgroup(cgroup: &CgroupPaths) -> Result<()> {
    ops::destroy_empty(cgroup).map_err(|mut all| all.remove(0))
}

/// A container takes far less time from its cgroup to its first process.
fn is_old(path: &Path) -> bool {
    sweep::is_older(path, Duration::from_secs(10))
}
