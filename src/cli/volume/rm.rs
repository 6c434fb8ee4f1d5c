//! `volume rm`.

use std::process::ExitCode;

use crate::cli::common;
use crate::store::Store;
use crate::volume::Volumes;

/// Remove volumes that no container has
#[derive(Debug, clap::Args)]
pub struct Rm {
    /// No complaint about those that are not there
    #[arg(short, long)]
    force: bool,
    /// Names
    #[arg(required = true, value_name = "VOLUME")]
    volumes: Vec<String>,
}

/// `volume rm`.
pub fn rm(store: &Store, args: &Rm) -> ExitCode {
    common::each(&args.volumes, |name| {
        match Volumes(store).remove(name, None) {
            Err(e) if args.force && e.what().starts_with("No such volume") => Ok(()),
            removed => removed,
        }
    })
}
