//! What could be left over of networks, looked for, and what could be lost.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::netlink::Socket;
use super::spoilt::Spoilt;
use super::store::Networks;
use super::{bridge, health, record::Network};
use crate::container::Id;
use crate::error::Result;
use crate::store::{files, sweep};

/// Something of a network's that should not be there.
#[derive(Debug, Clone)]
pub struct Leftover {
    /// In words.
    pub what: String,
    remedy: Remedy,
}

#[derive(Debug, Clone)]
enum Remedy {
    /// A directory that nobody needs.
    Directory(PathBuf),
    /// A bridge, a table, or both: of the network with this beginning of an id.
    Devices { name: String, short: String },
    /// What is noted of a container that is gone.
    Endpoint(Box<Network>, Id),
    /// A network that cannot be read.
    Spoilt(Box<Spoilt>),
    /// What belongs to a network is brought back.
    Mend(Box<Network>),
}

impl Networks<'_> {
    /// What is left of networks that were being made or removed, and nobody is
    /// at any more.
    fn unfinished(self) -> Result<Vec<PathBuf>> {
        sweep::unfinished(&self.dir())
    }

    /// Ids of those that somebody is just removing.
    fn being_removed(self) -> Result<Vec<String>> {
        let idle = self.unfinished()?;
        let mut entries = files::list(&self.dir())?;
        entries.retain(|e| !idle.contains(&e.path()));
        let names = entries
            .iter()
            .filter_map(|e| e.file_name().into_string().ok());
        Ok(names
            .filter_map(|name| Some(name.strip_prefix(".gone-")?.to_owned()))
            .collect())
    }
}

/// What every command takes away before it begins. What cannot be is tried
/// again by the next.
pub fn sweep(networks: Networks<'_>) -> Result<()> {
    for path in networks.unfinished()? {
        let _ = files::remove_tree(&path);
    }
    Ok(())
}

/// Finds them.
pub fn find(networks: Networks<'_>) -> Result<Vec<Leftover>> {
    let all = networks.all()?;
    let mut found = Vec::new();
    for path in networks.unfinished()? {
        found.push(Leftover {
            what: format!("{}: a network half made or half removed", path.display()),
            remedy: Remedy::Directory(path),
        });
    }
    for network in &all {
        for container in networks.absent(network) {
            found.push(Leftover {
                what: format!(
                    "network {}: container {} is noted there, and is not up",
                    network.name,
                    container.short()
                ),
                remedy: Remedy::Endpoint(Box::new(network.clone()), container),
            });
        }
    }
    found.extend(run_dirs(networks)?);
    found.extend(devices(networks)?);
    found.extend(networks.spoilt()?.into_iter().map(|spoilt| Leftover {
        what: spoilt.as_error().what().to_owned(),
        remedy: Remedy::Spoilt(Box::new(spoilt)),
    }));
    let damaged = health::find(networks, &all)?.into_iter();
    found.extend(damaged.map(|damage| Leftover {
        what: damage.what,
        remedy: Remedy::Mend(Box::new(damage.network)),
    }));
    Ok(found)
}

/// Takes one of them away.
pub fn take_away(networks: Networks<'_>, leftover: &Leftover) -> Result<()> {
    match &leftover.remedy {
        Remedy::Directory(path) => match fs::remove_dir_all(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
            _ => Ok(()),
        },
        Remedy::Devices { name, short } => {
            let mark = networks.mark_of_short(short);
            bridge::remove(name, &format!("rcon-{short}"), &mark).map(drop)
        }
        Remedy::Endpoint(network, container) => networks.forget_absent(network, container),
        // What another rcon can read is not for this one to throw away unasked.
        Remedy::Spoilt(spoilt) if spoilt.is_anothers => Err(spoilt.as_error()),
        Remedy::Spoilt(spoilt) => networks.remove_spoilt(spoilt),
        Remedy::Mend(network) => health::mend(networks, network),
    }
}

fn run_dirs(networks: Networks<'_>) -> Result<Vec<Leftover>> {
    let mut paths = networks.run_dirs();
    let known = known(networks)?;
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !known.contains(&*name) && path.exists()
    });
    let leftover = |path: PathBuf| Leftover {
        what: format!("{}: of a network that is gone", path.display()),
        remedy: Remedy::Directory(path),
    };
    Ok(paths.into_iter().map(leftover).collect())
}

/// Ids of all networks, also of one that somebody is just removing. A network
/// is on record before anything of it is made, and is so until that is gone:
/// whoever asks has to look at what there is first.
fn known(networks: Networks<'_>) -> Result<BTreeSet<String>> {
    let mut known: BTreeSet<String> = networks.ids()?.iter().map(Id::to_string).collect();
    known.extend(networks.being_removed()?);
    Ok(known)
}

/// Bridges and tables with this store's mark, whose network is gone.
fn devices(networks: Networks<'_>) -> Result<Vec<Leftover>> {
    let mut route = Socket::route()?;
    let links = route.links()?;
    // A kernel without packet filters has none left over.
    let tables = Socket::netfilter().and_then(|mut s| s.tables());
    let known = known(networks)?;
    let known: BTreeSet<&str> = known.iter().filter_map(|id| id.get(..12)).collect();
    let mut found = Vec::new();
    for link in links {
        let stale = networks.marked(&link.alias).filter(|s| !known.contains(s));
        // It may have gone, and its network after it, since we looked.
        if let Some(short) = stale
            && route.link(&link.name)?.is_some()
        {
            found.push(Leftover {
                what: format!("bridge {}: of a network that is gone", link.name),
                remedy: Remedy::Devices {
                    name: link.name.clone(),
                    short: short.to_owned(),
                },
            });
        }
    }
    for (table, comment) in tables.unwrap_or_default() {
        let stale = networks.marked(&comment).filter(|s| !known.contains(s));
        if let Some(short) = stale
            && Socket::netfilter()?.has_table(&table)?
        {
            found.push(Leftover {
                what: format!("table inet {table}: of a network that is gone"),
                remedy: Remedy::Devices {
                    name: format!("{}{short}", bridge::PREFIX),
                    short: short.to_owned(),
                },
            });
        }
    }
    Ok(found)
}
