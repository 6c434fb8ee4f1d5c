//! Which containers have a volume: their records say so.

use std::collections::BTreeMap;

use crate::container::Id;
use crate::error::{Context, Result};
use crate::store::{Entry, Store};

/// A container with a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: Id,
    /// What people call it.
    pub name: String,
}

/// The containers with this volume, but for one. A record that cannot be read
/// is an error: it could be one of them.
pub fn of(store: &Store, volume: &str, but: Option<&Id>) -> Result<Vec<User>> {
    let mut found = Vec::new();
    for entry in store.all()? {
        if but == Some(entry.id()) {
            continue;
        }
        let Some(names) = volumes_of(&entry)? else {
            continue;
        };
        if names.iter().any(|name| name == volume) {
            found.push(user(&entry));
        }
    }
    Ok(found)
}

/// The same for all volumes at once.
pub fn all(store: &Store) -> Result<BTreeMap<String, Vec<User>>> {
    let mut found: BTreeMap<String, Vec<User>> = BTreeMap::new();
    for entry in store.all()? {
        for name in volumes_of(&entry)?.unwrap_or_default() {
            let users = found.entry(name).or_default();
            let user = user(&entry);
            if !users.contains(&user) {
                users.push(user);
            }
        }
    }
    Ok(found)
}

/// `None` of one that was removed while we looked.
fn volumes_of(entry: &Entry) -> Result<Option<Vec<String>>> {
    match entry.config() {
        Err(_) if !entry.exists() => Ok(None),
        config => {
            let what = || format!("container {} may have volumes", entry.id().short());
            let mounts = config.context(what)?.mounts;
            let names = mounts.iter().filter_map(|m| m.volume());
            Ok(Some(names.map(str::to_owned).collect()))
        }
    }
}

fn user(entry: &Entry) -> User {
    User {
        id: entry.id().clone(),
        name: entry
            .name()
            .unwrap_or_else(|_| entry.id().short().to_owned()),
    }
}
