//! `network`: networks are made, looked at, joined, left and taken away.

mod built_in;
mod connect;
mod create;
pub mod doctor;
mod inspect;
mod ls;
mod rm;

pub use inspect::one;
pub use rm::remove_unused;

use std::process::ExitCode;

use crate::error::Result;
use crate::store::Store;

/// What connects containers with each other and with the world
#[derive(Debug, clap::Subcommand)]
pub enum Network {
    /// Connect a container to a network
    Connect(connect::Connect),
    /// Make a network
    Create(create::Create),
    /// Take a container out of a network
    Disconnect(connect::Disconnect),
    /// Look for what keeps containers from the world, and say what helps
    Doctor(doctor::Doctor),
    /// Show everything about networks, and who is in them
    Inspect(inspect::Inspect),
    /// List networks
    #[command(visible_alias = "list")]
    Ls(ls::Ls),
    /// Remove all networks that no container names
    Prune(rm::Prune),
    /// Remove networks nobody is in
    #[command(visible_alias = "remove")]
    Rm(rm::Rm),
}

/// `network …`.
pub fn network(store: &Store, command: &Network) -> Result<ExitCode> {
    match command {
        Network::Connect(args) => connect::connect(store, args),
        Network::Create(args) => create::create(store, args),
        Network::Disconnect(args) => connect::disconnect(store, args),
        Network::Doctor(args) => doctor::doctor(store, args),
        Network::Inspect(args) => inspect::inspect(store, args),
        Network::Ls(args) => ls::ls(store, args),
        Network::Prune(args) => rm::prune(store, args),
        Network::Rm(args) => Ok(rm::rm(store, args)),
    }
}

/// Tells those who follow events what has happened to a network.
fn note(store: &Store, action: &str, network: &crate::network::record::Network) {
    let attributes = [
        ("name", network.name.as_str()),
        ("type", network.driver.word()),
    ];
    let attributes = attributes.map(|(k, v)| (k.to_owned(), v.to_owned()));
    let attributes = attributes.into_iter().collect();
    crate::events::record(store, "network", action, network.id.as_str(), &attributes);
}
