//! `container prune` and `system prune`: what nobody uses is taken away.

use std::process::ExitCode;
use std::time::Duration;

use crate::cli::listing::{self, Listed};
use crate::cli::{builder, image, network, rm, sizes, volume};
use crate::container::{State, Status, Timestamp};
use crate::error::{Error, Result};
use crate::format::filter::Filters;
use crate::format::units::size;
use crate::say;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct Prune {
    /// Only what fits: until=24h, label=a=1 or label!=keep
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

// The same, and images.
#[derive(Debug, clap::Args)]
pub struct Everything {
    /// Volumes without a name that no container has, too
    #[arg(long)]
    volumes: bool,
    /// All images that no container was made from, not only those without a name
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    what: Prune,
}

const KNOWN: &[&str] = &["label", "label!", "until"];

/// `container prune`.
pub fn containers(store: &Store, args: &Prune) -> Result<ExitCode> {
    let chosen = Chosen::new(&args.filter)?;
    let warning =
        "WARNING! This will remove all stopped containers.\nAre you sure you want to continue?";
    agree(args, warning, "container prune")?;
    let (removed, code) = remove_containers(store, &chosen)?;
    report(&removed, "", code)
}

/// `system prune`.
pub fn system(store: &Store, args: &Everything) -> Result<ExitCode> {
    let chosen = Chosen::new(&args.what.filter)?;
    let images = image::prune::Chosen::new(&args.what.filter, args.all)?;
    let which = if args.all {
        "all images without at least one container associated to them"
    } else {
        "all dangling images"
    };
    let volumes = if args.volumes {
        "\n  - all anonymous volumes not used by at least one container"
    } else {
        ""
    };
    let cache = if args.all {
        "all build cache"
    } else {
        "unused build cache"
    };
    let warning = format!(
        "WARNING! This will remove:\n  - all stopped containers\n  - all networks that no container names{volumes}\n  - {which}\n  - {cache}\n\nAre you sure you want to continue?"
    );
    agree(&args.what, &warning, "system prune")?;
    let (mut removed, code) = remove_containers(store, &chosen)?;
    let plain = args.what.filter.is_empty();
    // What is chosen by labels or time says nothing of steps.
    let forgotten = if plain {
        builder::forget(store, args.all, Duration::ZERO, 0)?
    } else {
        (Vec::new(), 0)
    };
    removed.bytes += forgotten.1;
    // After the containers: what only those used may go, too.
    let gone = image::of(store).prune(&|i| images.has(i))?;
    image::note_removed(store, &gone);
    removed.bytes += gone.bytes;
    removed.images = image::prune::told(&gone);
    let networks = network::remove_unused(store, |n| {
        chosen.until.is_none_or(|until| n.created < until) && chosen.filters.labels(&n.labels)
    })?;
    let volumes = remove_volumes(store, args, &chosen)?;
    removed.bytes += volumes.bytes;
    let code = if networks.failed || volumes.failed {
        ExitCode::FAILURE
    } else {
        code
    };
    report(&removed, &(networks.text() + &volumes.text()), code)
}

/// Only those without a name, and only if they are wanted gone: they hold what
/// nobody can make again.
fn remove_volumes(store: &Store, args: &Everything, chosen: &Chosen) -> Result<volume::Removed> {
    if !args.volumes {
        return Ok(volume::Removed::default());
    }
    volume::remove_unused(store, |v| {
        v.anonymous
            && chosen.until.is_none_or(|until| v.created < until)
            && chosen.filters.labels(&v.labels)
    })
}

fn agree(args: &Prune, question: &str, what: &str) -> Result<()> {
    if args.force || listing::confirm(question)? {
        return Ok(());
    }
    Err(Error::user(format!("{what} has been cancelled")))
}

/// Which are meant.
struct Chosen {
    filters: Filters,
    until: Option<Timestamp>,
}

impl Chosen {
    fn new(given: &[String]) -> Result<Self> {
        let filters = Filters::parse(given, KNOWN)?;
        let until = match filters.get("until") {
            [] => None,
            [until] => {
                let read = listing::moment(until);
                Some(read.map_err(|e| e.context("until").wrong_flag())?)
            }
            _ => return Err(Error::user("more than one until filter is given")),
        };
        Ok(Self { filters, until })
    }

    fn has(&self, c: &Listed) -> bool {
        let early = self.until.is_none_or(|until| c.config.created < until);
        early && self.filters.labels(&c.config.labels)
    }
}

/// What was taken away.
#[derive(Default)]
struct Removed {
    ids: Vec<String>,
    /// Lines about images.
    images: String,
    bytes: u64,
}

fn is_over(state: &State) -> bool {
    matches!(
        state.status,
        Status::Created | Status::Exited | Status::Dead
    )
}

fn remove_containers(store: &Store, chosen: &Chosen) -> Result<(Removed, ExitCode)> {
    let mut removed = Removed::default();
    let mut code = ExitCode::SUCCESS;
    for c in listing::all(store, is_over)? {
        // One that is held is just being made, started or removed.
        if !chosen.has(&c) || c.entry.is_held() {
            continue;
        }
        let bytes = sizes::changed(&c) + sizes::logged(&c);
        match rm::remove(store, &c.entry, false) {
            Ok(()) => {
                removed.ids.push(c.id().to_string());
                removed.bytes += bytes;
            }
            Err(e) => {
                say::error(e);
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok((removed, code))
}

fn report(removed: &Removed, more: &str, code: ExitCode) -> Result<ExitCode> {
    let mut text = String::new();
    if !removed.ids.is_empty() {
        text = format!("Deleted Containers:\n{}\n\n", removed.ids.join("\n"));
    }
    text.push_str(&removed.images);
    let space = size::decimal(removed.bytes);
    listing::print(&format!("{text}{more}Total reclaimed space: {space}\n"))?;
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sample;

    #[test]
    fn only_what_fits_is_meant() {
        let c = sample::listed();
        let has = |filter: &str| Chosen::new(&[filter.to_owned()]).unwrap().has(&c);
        assert!(Chosen::new(&[]).unwrap().has(&c));
        assert!(has("until=2026-01-02T03:04:06Z"));
        assert!(!has("until=2026-01-02T03:04:05Z"));
        assert!(has("label=a"));
        assert!(!has("label!=a"));
        let two = ["until=1h", "until=2h"].map(str::to_owned);
        assert!(Chosen::new(&two).is_err());
        assert!(Chosen::new(&["name=x".to_owned()]).is_err());
    }
}
