//! `push`.

use std::process::ExitCode;

use super::{note, of};
use crate::cli::{listing, progress};
use crate::error::{Error, Result};
use crate::image::push;
use crate::image::reference::Reference;
use crate::registry::{Client, Config, Progress, Silent};
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct Push {
    /// Send all tags of this repository
    #[arg(short, long)]
    all_tags: bool,
    /// Show only its name when it is there
    #[arg(short, long)]
    quiet: bool,
    /// NAME or NAME:TAG
    #[arg(value_name = "NAME")]
    name: String,
}

/// `push`.
pub fn push(store: &Store, args: &Push) -> Result<ExitCode> {
    let reference = Reference::parse(&args.name)?;
    if reference.digest().is_some() {
        return Err(Error::user("cannot push a digest reference")
            .hint("give the image a tag with `rcon tag`, and push that"));
    }
    let names = if args.all_tags {
        all_tags(store, &reference)?
    } else {
        vec![reference.clone().or_latest()]
    };
    let client = Client::new(Config::load()?);
    let progress: Box<dyn Progress> = if args.quiet {
        Box::new(Silent)
    } else {
        progress::for_stderr()
    };
    let images = of(store);
    for name in names {
        let image = images.find(&name.full()).map_err(|_| absent(&name))?;
        if !args.quiet {
            let repository = name.repository().full();
            listing::print(&format!("The push refers to repository [{repository}]\n"))?;
        }
        let pushed = push::push(&images, &client, &image, &name, &*progress)?;
        note(store, "push", &name.familiar(), &name.familiar());
        listing::print(&if args.quiet {
            format!("{}\n", name.full())
        } else {
            let tag = name.tag().unwrap_or_default();
            format!("{tag}: digest: {} size: {}\n", pushed.digest, pushed.size)
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

fn absent(name: &Reference) -> Error {
    Error::user(format!(
        "An image does not exist locally with the tag: {}",
        name.repository().familiar()
    ))
    .hint("`rcon images` lists all there are")
}

fn all_tags(store: &Store, reference: &Reference) -> Result<Vec<Reference>> {
    if reference.tag().is_some() {
        return Err(Error::user("tag can't be used with --all-tags/-a"));
    }
    let all = of(store).list()?;
    let names = all
        .iter()
        .flat_map(|i| &i.names)
        .filter_map(|n| n.reference());
    let same = names.filter(|n| n.repository() == *reference && n.tag().is_some());
    let found: Vec<Reference> = same.cloned().collect();
    if found.is_empty() {
        return Err(absent(reference));
    }
    Ok(found)
}
