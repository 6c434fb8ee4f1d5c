//! `__complete`: what a shell asks while a line is typed.

use std::process::ExitCode;

use super::wanted::{Kind, wanted};
use crate::cli::{image, listing, volume};
use crate::error::Result;
use crate::network::record::DEFAULT_NAME;
use crate::network::store::Networks;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct Complete {
    /// All words behind the program's name; the last as far as it is typed
    #[arg(last = true, value_name = "WORD")]
    words: Vec<String>,
}

/// Prints the words that could stand there, one a line. A shell has no use for
/// complaints.
pub fn complete(args: &Complete, mut command: clap::Command) -> Result<ExitCode> {
    command.build();
    let wanted = wanted(&command, &args.words);
    let (Some(kind), Some(last)) = (wanted.kind, args.words.last()) else {
        return Ok(ExitCode::SUCCESS);
    };
    let path = |text: Option<String>| text.map(Into::into);
    let store = Store::open(path(wanted.root), path(wanted.run_root))?;
    let mut names = of(&store, kind);
    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    let words = names.iter().map(|name| format!("{}{name}", wanted.front));
    let fitting = words.filter(|word| word.starts_with(last.as_str()));
    let lines: String = fitting.map(|word| word + "\n").collect();
    listing::print(&lines)?;
    Ok(ExitCode::SUCCESS)
}

fn of(store: &Store, kind: Kind) -> Vec<String> {
    match kind {
        Kind::Container => containers(store),
        Kind::Image => images(store),
        Kind::Network { built_in } => networks(store, built_in),
        Kind::Volume => volumes(store),
        Kind::Any => {
            let all = [containers(store), images(store), networks(store, true)];
            all.into_iter().flatten().chain(volumes(store)).collect()
        }
    }
}

fn containers(store: &Store) -> Vec<String> {
    let all = listing::all(store, |_| true).unwrap_or_default();
    all.into_iter().map(|c| c.name).collect()
}

fn images(store: &Store) -> Vec<String> {
    let all = image::of(store).list().unwrap_or_default();
    let names = all.iter().flat_map(|image| &image.names);
    names.map(ToString::to_string).collect()
}

fn networks(store: &Store, built_in: bool) -> Vec<String> {
    let all = Networks(store).all().unwrap_or_default();
    let mut names: Vec<String> = all.into_iter().map(|n| n.name).collect();
    if built_in {
        names.extend([DEFAULT_NAME, "host", "none"].map(str::to_owned));
    }
    names
}

fn volumes(store: &Store) -> Vec<String> {
    let all = volume::readable(store).unwrap_or_default();
    all.into_iter().map(|v| v.name).collect()
}
