//! `network connect` and `network disconnect`, of containers that run and of
//! those that do not.

use std::net::IpAddr;
use std::process::ExitCode;

use super::built_in;
use crate::cli::common::{self, Found};
use crate::cli::flags::parse::{host, network};
use crate::container::{Config, Endpoint};
use crate::error::{Error, Result};
use crate::keeper::{self, Request, Wish};
use crate::network::store::Networks;
use crate::store::Store;

/// Connect a container to a network
#[derive(Debug, clap::Args)]
pub struct Connect {
    /// A further name for it in this network [default: none]
    #[arg(long, value_name = "NAME", value_parser = network::alias)]
    alias: Vec<String>,
    /// Its IPv4 address there [default: a free one]
    #[arg(long, value_name = "IP", value_parser = host::v4)]
    ip: Option<IpAddr>,
    /// Its IPv6 address there [default: a free one, if the network has any]
    #[arg(long, value_name = "IP", value_parser = host::v6)]
    ip6: Option<IpAddr>,
    /// Name or id of the network
    network: String,
    /// Name or id of the container
    container: String,
}

/// Take a container out of a network
#[derive(Debug, clap::Args)]
pub struct Disconnect {
    /// No complaint if it is not in it
    #[arg(short, long)]
    force: bool,
    /// Name or id of the network
    network: String,
    /// Name or id of the container
    container: String,
}

/// `network connect`.
pub fn connect(store: &Store, args: &Connect) -> Result<ExitCode> {
    check_changeable(&args.network)?;
    let network = Networks(store).needed(&args.network)?;
    let wish = Wish {
        network: network.name.clone(),
        endpoint: Endpoint {
            ip: args.ip,
            ip6: args.ip6,
            mac: None,
            aliases: args.alias.clone(),
        },
    };
    let found = common::find(store, &args.container)?;
    let json = serde_json::to_vec(&wish).map_err(|e| Error::internal(e.to_string()))?;
    let request = Request::Connect(json);
    change(&found, &request, |config| {
        keeper::check_own_network(&config.network.mode)?;
        if config.network.names().contains(&network.name) {
            let what = format!("the container is in network {} already", network.name);
            return Err(Error::user(what));
        }
        config.network.join(&network.name, wish.endpoint.clone());
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

/// `network disconnect`.
pub fn disconnect(store: &Store, args: &Disconnect) -> Result<ExitCode> {
    check_changeable(&args.network)?;
    // A container that does not run may name a network that is gone.
    let known = Networks(store).find(&args.network);
    let name = known.map_or_else(|_| args.network.clone(), |n| n.name);
    let found = common::find(store, &args.container)?;
    let done = change(&found, &Request::Disconnect(name.clone()), |config| {
        if !config.network.names().contains(&name) {
            let what = format!("the container is not in network {name}");
            return Err(Error::user(what));
        }
        config.network.leave(&name);
        Ok(())
    });
    match done {
        Err(_) if args.force => {}
        done => done?,
    }
    Ok(ExitCode::SUCCESS)
}

fn check_changeable(network: &str) -> Result<()> {
    match built_in::find(network) {
        Some(built_in) => Err(built_in.is_for_life()),
        None => Ok(()),
    }
}

/// Its keeper does it while it is up, and otherwise only the record changes.
fn change(
    found: &Found,
    request: &Request,
    record: impl FnOnce(&mut Config) -> Result<()>,
) -> Result<()> {
    if found.state.status.is_up() {
        return common::ask(found, request);
    }
    let Some(_lock) = common::lock(&found.entry)? else {
        // It has come up meanwhile.
        return common::ask(found, request);
    };
    let mut config = found.entry.config()?;
    record(&mut config)?;
    found.entry.write_config(&config)
}
