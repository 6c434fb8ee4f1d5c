//! `network rm` and `network prune`.

use std::collections::BTreeSet;
use std::process::ExitCode;

use super::built_in;
use crate::cli::{common, listing};
use crate::error::{Error, Result};
use crate::format::filter::Filters;
use crate::network::record::{DEFAULT_NAME, Network};
use crate::network::store::Networks;
use crate::store::Store;

/// Remove networks nobody is in
#[derive(Debug, clap::Args)]
pub struct Rm {
    /// No complaint about those that are not there
    #[arg(short, long)]
    force: bool,
    /// Names or ids
    #[arg(required = true, value_name = "NETWORK")]
    networks: Vec<String>,
}

/// Remove all networks that no container names
#[derive(Debug, clap::Args)]
pub struct Prune {
    /// Only what fits: until=24h, label=a=1 or label!=keep
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

const KNOWN: &[&str] = &["label", "label!", "until"];

/// `network rm`.
pub fn rm(store: &Store, args: &Rm) -> ExitCode {
    let networks = Networks(store);
    common::each(&args.networks, |name| {
        let network = match networks.find(name) {
            Ok(network) => network,
            Err(e) => match (networks.find_spoilt(name)?, built_in::find(name)) {
                // Also one whose record cannot be read.
                (Some(spoilt), _) => return networks.remove_spoilt(&spoilt),
                (None, Some(built_in)) => return Err(built_in.stays()),
                (None, None) if args.force => return Ok(()),
                (None, None) => return Err(e),
            },
        };
        networks.remove(&network)?;
        super::note(store, "destroy", &network);
        Ok(())
    })
}

/// `network prune`.
pub fn prune(store: &Store, args: &Prune) -> Result<ExitCode> {
    let filters = Filters::parse(&args.filter, KNOWN)?;
    let until = match filters.get("until") {
        [] => None,
        [until] => {
            let read = listing::moment(until);
            Some(read.map_err(|e| e.context("until").wrong_flag())?)
        }
        _ => return Err(Error::user("more than one until filter is given")),
    };
    let question = "WARNING! This will remove all networks that no container names.\n\
                    Are you sure you want to continue?";
    if !args.force && !listing::confirm(question)? {
        return Err(Error::user("network prune has been cancelled"));
    }
    let removed = remove_unused(store, |network| {
        until.is_none_or(|until| network.created < until) && filters.labels(&network.labels)
    })?;
    listing::print(&removed.text())?;
    Ok(ExitCode::from(u8::from(removed.failed)))
}

/// What was taken away.
#[derive(Debug, Default)]
pub struct Removed {
    /// Networks, by name.
    names: Vec<String>,
    /// Networks that stay, but not their bridges.
    resting: Vec<String>,
    /// Something could not be.
    pub failed: bool,
}

impl Removed {
    /// As it is shown.
    pub fn text(&self) -> String {
        let part = |title: &str, names: &[String]| match names {
            [] => String::new(),
            names => format!("{title}:\n{}\n\n", names.join("\n")),
        };
        part("Deleted Networks", &self.names) + &part("Idle bridges taken down", &self.resting)
    }
}

/// Takes away the networks that no container names, whether it runs or not. The
/// default one stays, without its bridge.
pub fn remove_unused(store: &Store, wanted: impl Fn(&Network) -> bool) -> Result<Removed> {
    let networks = Networks(store);
    let named = named(store)?;
    let mut removed = Removed::default();
    for network in networks.all()?.iter().filter(|n| wanted(n)) {
        let done = if network.name == DEFAULT_NAME {
            networks.rest(network).map(|had| {
                let name = had.then(|| network.name.clone());
                removed.resting.extend(name);
            })
        } else if is_named(&named, network) {
            Ok(())
        } else {
            networks.remove(network).map(|()| {
                super::note(store, "destroy", network);
                removed.names.push(network.name.clone());
            })
        };
        if let Err(e) = done {
            crate::say::error(&e);
            removed.failed = true;
        }
    }
    Ok(removed)
}

/// The networks that containers name, whether they run or not.
pub fn named(store: &Store) -> Result<BTreeSet<String>> {
    let mut named = BTreeSet::new();
    for container in listing::all(store, |_| true)? {
        named.extend(container.config.network.names());
    }
    Ok(named)
}

/// Whether a network is among them.
pub fn is_named(named: &BTreeSet<String>, network: &Network) -> bool {
    named.contains(&network.name) || named.iter().any(|n| is_id(network, n))
}

/// A container may name a network by its id.
fn is_id(network: &Network, name: &str) -> bool {
    name.len() >= 4 && network.id.as_str().starts_with(name)
}
