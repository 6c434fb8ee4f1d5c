//! `image prune`: images that nobody uses are taken away.

use std::process::ExitCode;

use super::{note_removed, of};
use crate::cli::listing;
use crate::container::Timestamp;
use crate::error::{Error, Result};
use crate::format::filter::Filters;
use crate::format::units::size;
use crate::image::{Image, Removed};
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct Prune {
    /// All that no container was made from, not only those without a name
    #[arg(short, long)]
    all: bool,
    /// Only what fits: until=24h, label=a=1 or label!=keep
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

const KNOWN: &[&str] = &["dangling", "label", "label!", "until"];

/// `image prune`.
pub fn prune(store: &Store, args: &Prune) -> Result<ExitCode> {
    let chosen = Chosen::new(&args.filter, args.all)?;
    let what = if chosen.all {
        "images without at least one container associated to them"
    } else {
        "dangling images"
    };
    let question =
        format!("WARNING! This will remove all {what}.\nAre you sure you want to continue?");
    if !args.force && !listing::confirm(&question)? {
        return Err(Error::user("image prune has been cancelled"));
    }
    let removed = of(store).prune(&|image| chosen.has(image))?;
    note_removed(store, &removed);
    let space = size::decimal(removed.bytes);
    listing::print(&format!(
        "{}Total reclaimed space: {space}\n",
        told(&removed)
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Which are meant.
pub struct Chosen {
    filters: Filters,
    all: bool,
    until: Option<Timestamp>,
}

impl Chosen {
    /// Reads the filters; `all` are those with names, too.
    pub fn new(given: &[String], all: bool) -> Result<Self> {
        let filters = Filters::parse(given, KNOWN)?;
        let until = match filters.get("until") {
            [] => None,
            [until] => {
                let read = listing::moment(until);
                Some(read.map_err(|e| e.context("until").wrong_flag())?)
            }
            _ => return Err(Error::user("more than one until filter is given")),
        };
        let all = filters.flag("dangling")?.map_or(all, |dangling| !dangling);
        Ok(Self {
            filters,
            all,
            until,
        })
    }

    /// Whether this one is meant, if nobody uses it.
    pub fn has(&self, image: &Image) -> bool {
        let created = image.config.created_at();
        let early = self
            .until
            .is_none_or(|until| created.is_some_and(|c| c < until));
        let meant = self.all || image.names.is_empty();
        meant && early && self.filters.labels(&image.config.config.labels)
    }
}

/// What was taken away, as Docker says it.
pub fn told(removed: &Removed) -> String {
    if removed.images.is_empty() && removed.documents.is_empty() {
        return String::new();
    }
    let names = removed.untagged.iter().map(|n| format!("untagged: {n}\n"));
    let ids = removed.images.iter().chain(&removed.documents);
    let ids = ids.map(|id| format!("deleted: {id}\n"));
    let layers = removed.layers.iter().map(|l| format!("deleted: {l}\n"));
    let lines: String = names.chain(ids).chain(layers).collect();
    format!("Deleted Images:\n{lines}\n")
}
