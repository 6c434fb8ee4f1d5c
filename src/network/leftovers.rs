//! What could be left over of networks, looked for.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::netlink::Socket;
use super::store::Networks;
use super::{bridge, record::Network};
use crate::container::Id;
use crate::error::Result;
use crate::store::Lock;

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
}

/// Finds them.
pub fn find(networks: Networks<'_>) -> Result<Vec<Leftover>> {
    let all = networks.all()?;
    let mut found = Vec::new();
    for path in networks
        .unfinished()
        .into_iter()
        .filter(|p| !Lock::is_held(p) && crate::store::sweep::is_old(p))
    {
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
    found.extend(run_dirs(networks, &all));
    found.extend(devices(networks, &all)?);
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
    }
}

fn run_dirs(networks: Networks<'_>, all: &[Network]) -> Vec<Leftover> {
    let known: BTreeSet<&str> = all.iter().map(|n| n.id.as_str()).collect();
    let paths = networks.run_dirs().into_iter();
    let stale = paths.filter(|p| {
        let name = p.file_name().unwrap_or_default().to_string_lossy();
        !known.contains(&*name)
    });
    let leftover = |path: PathBuf| Leftover {
        what: format!("{}: of a network that is gone", path.display()),
        remedy: Remedy::Directory(path),
    };
    stale.map(leftover).collect()
}

/// Bridges and tables with this store's mark, whose network is gone.
fn devices(networks: Networks<'_>, all: &[Network]) -> Result<Vec<Leftover>> {
    let known: BTreeSet<&str> = all.iter().map(|n| n.id.short()).collect();
    let mut found = Vec::new();
    for link in Socket::route()?.links()? {
        if let Some(short) = networks.marked(&link.alias).filter(|s| !known.contains(s)) {
            found.push(Leftover {
                what: format!("bridge {}: of a network that is gone", link.name),
                remedy: Remedy::Devices {
                    name: link.name.clone(),
                    short: short.to_owned(),
                },
            });
        }
    }
    // A kernel without packet filters has none left over.
    let tables = Socket::netfilter().and_then(|mut s| s.tables());
    for (table, comment) in tables.unwrap_or_default() {
        if let Some(short) = networks.marked(&comment).filter(|s| !known.contains(s)) {
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
