//! `volume prune`.

use std::process::ExitCode;

use super::ls::readable;
use crate::cli::listing;
use crate::error::{Error, Result};
use crate::format::filter::Filters;
use crate::format::units::size;
use crate::say;
use crate::store::Store;
use crate::volume::{Volume, Volumes, users};

/// Remove volumes without a name that no container has
#[derive(Debug, clap::Args)]
pub struct Prune {
    /// Those with a name, too
    #[arg(short, long)]
    all: bool,
    /// Only what fits: label=a=1, label!=keep, all=true
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

const KNOWN: &[&str] = &["all", "label", "label!"];

/// `volume prune`.
pub fn prune(store: &Store, args: &Prune) -> Result<ExitCode> {
    let filters = Filters::parse(&args.filter, KNOWN)?;
    let all = filters.flag("all")?.unwrap_or(false) || args.all;
    let which = if all { "all" } else { "anonymous" };
    let question = format!(
        "WARNING! This will remove {which} local volumes not used by at least one container.\n\
         Are you sure you want to continue?"
    );
    if !args.force && !listing::confirm(&question)? {
        return Err(Error::user("volume prune has been cancelled"));
    }
    let removed = remove_unused(store, |volume| {
        (all || volume.anonymous) && filters.labels(&volume.labels)
    })?;
    let space = size::decimal(removed.bytes);
    let text = removed.text();
    listing::print(&format!("{text}Total reclaimed space: {space}\n"))?;
    Ok(ExitCode::from(u8::from(removed.failed)))
}

/// What was taken away.
#[derive(Debug, Default)]
pub struct Removed {
    names: Vec<String>,
    /// How much room they took.
    pub bytes: u64,
    /// Something could not be.
    pub failed: bool,
}

impl Removed {
    /// As it is shown.
    pub fn text(&self) -> String {
        match self.names.as_slice() {
            [] => String::new(),
            names => format!("Deleted Volumes:\n{}\n\n", names.join("\n")),
        }
    }
}

/// Takes away the volumes that no container has.
pub fn remove_unused(store: &Store, wanted: impl Fn(&Volume) -> bool) -> Result<Removed> {
    let users = users::all(store)?;
    let volumes = Volumes(store);
    let mut removed = Removed::default();
    for volume in readable(store)? {
        if !wanted(&volume) || users.contains_key(&volume.name) {
            continue;
        }
        let bytes = super::size(&volume, &volumes.data(&volume.name));
        match volumes.remove(&volume.name, None) {
            Ok(()) => {
                removed.names.push(volume.name);
                removed.bytes += bytes;
            }
            // A container has come to be, or another was faster.
            Err(e) if is_none_of_ours(&e) => {}
            Err(e) => {
                say::error(e);
                removed.failed = true;
            }
        }
    }
    Ok(removed)
}

fn is_none_of_ours(e: &Error) -> bool {
    e.what().contains(" is in use by ") || e.what().starts_with("No such volume")
}
