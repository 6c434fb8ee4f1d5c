//! `rmi`.

use std::process::ExitCode;

use super::{note_removed, of};
use crate::cli::listing;
use crate::error::Result;
use crate::image::Removed;
use crate::say;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct Rmi {
    /// Also images with several names, or that stopped containers were made from; no complaint about those that are not there
    #[arg(short, long)]
    force: bool,
    /// As with Docker; here no image has parents that would go with it
    #[arg(long)]
    no_prune: bool,
    /// Names or ids
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

/// `rmi`.
pub fn rmi(store: &Store, args: &Rmi) -> Result<ExitCode> {
    let images = of(store);
    let mut code = ExitCode::SUCCESS;
    for name in &args.images {
        match images.remove(name, args.force) {
            Ok(removed) => {
                note_removed(store, &removed);
                listing::print(&told(&removed))?;
            }
            Err(e) => {
                let absent = e.what().starts_with("No such image");
                if !(args.force && absent) {
                    say::error(&e);
                    code = ExitCode::FAILURE;
                }
            }
        }
    }
    Ok(code)
}

/// As Docker says it.
pub fn told(removed: &Removed) -> String {
    let names = removed.untagged.iter().map(|n| format!("Untagged: {n}\n"));
    let ids = removed.images.iter().map(|id| format!("Deleted: {id}\n"));
    let layers = removed.layers.iter().map(|l| format!("Deleted: {l}\n"));
    names.chain(ids).chain(layers).collect()
}
