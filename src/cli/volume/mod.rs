//! `volume`: volumes are made, looked at and taken away.

mod create;
mod inspect;
mod ls;
mod prune;
mod rm;

pub use inspect::one;
pub use ls::{count, readable, row};
pub use prune::{Removed, remove_unused};

use std::path::Path;
use std::process::ExitCode;

use crate::cli::sizes;
use crate::error::Result;
use crate::store::Store;

/// Directories that outlive the containers that write to them
#[derive(Debug, clap::Subcommand)]
pub enum Volume {
    /// Make a volume
    Create(create::Create),
    /// Show everything about volumes
    Inspect(inspect::Inspect),
    /// List volumes
    #[command(visible_alias = "list")]
    Ls(ls::Ls),
    /// Remove volumes without a name that no container has
    Prune(prune::Prune),
    /// Remove volumes that no container has
    #[command(visible_alias = "remove")]
    Rm(rm::Rm),
}

/// `volume …`.
pub fn volume(store: &Store, command: &Volume) -> Result<ExitCode> {
    match command {
        Volume::Create(args) => create::create(store, args),
        Volume::Inspect(args) => inspect::inspect(store, args),
        Volume::Ls(args) => ls::ls(store, args),
        Volume::Prune(args) => prune::prune(store, args),
        Volume::Rm(args) => Ok(rm::rm(store, args)),
    }
}

/// What a volume's own files take on the disk; those of a file system that is
/// mounted there are somebody else's.
pub fn size(volume: &crate::volume::Volume, data: &Path) -> u64 {
    if volume.options.is_empty() {
        sizes::usage(data)
    } else {
        0
    }
}
