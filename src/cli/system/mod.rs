//! `system`: the machine, what is on its disk, and taking away what nobody
//! uses.

pub mod check;
pub mod df;
pub mod info;
pub mod prune;
pub mod version;

use std::process::ExitCode;

use super::events;
use crate::error::Result;
use crate::store::Store;

// What stands behind `system`.
#[derive(Debug, clap::Subcommand)]
#[command(defer = true)]
pub enum System {
    /// Look for anything left over or damaged: half-made containers and images, dead keepers, cgroups, names
    Check(check::Check),
    /// Show how much room everything takes
    Df(df::Df),
    /// Show what happens to containers
    Events(events::EventsOf),
    /// Show this machine, and what there is on it
    Info(info::Info),
    /// Take away everything nobody uses
    Prune(prune::Everything),
}

/// `system …`.
pub fn system(store: &Store, command: &System) -> Result<ExitCode> {
    // Nothing is swept before a check: what is left over is to be seen.
    if !matches!(command, System::Check(_)) {
        crate::cli::sweep(store)?;
    }
    match command {
        System::Check(args) => check::check(store, args),
        System::Df(args) => df::df(store, args),
        System::Events(args) => events::events(store, args),
        System::Info(args) => info::info(store, args),
        System::Prune(args) => prune::system(store, args),
    }
}
