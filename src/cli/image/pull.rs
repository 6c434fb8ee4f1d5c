//! `pull`.

use std::process::ExitCode;

use super::{note, of, platform};
use crate::cli::flags::parse;
use crate::cli::{listing, progress};
use crate::error::{Error, Result};
use crate::image::platform::Platform;
use crate::image::pull::Pulled;
use crate::image::reference::Reference;
use crate::image::{Image, hello};
use crate::registry::{Client, Config, Progress, Silent};
use crate::say;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct Pull {
    /// Fetch all tags of this repository
    #[arg(short, long)]
    all_tags: bool,
    /// The kind of machine it is for, as linux/arm64 [default: this one's]
    #[arg(long, value_name = "PLATFORM", value_parser = parse::platform::parse)]
    platform: Option<String>,
    /// Show only its name when it is there
    #[arg(short, long)]
    quiet: bool,
    /// NAME, NAME:TAG or NAME@DIGEST
    #[arg(value_name = "NAME")]
    name: String,
}

/// `pull`.
pub fn pull(store: &Store, args: &Pull) -> Result<ExitCode> {
    if args.all_tags {
        return all_tags(store, args);
    }
    if args.platform.is_none()
        && hello::is_meant(&args.name)
        && let Some(image) = hello::ensure(&of(store))?
    {
        return built_in(&image, args.quiet);
    }
    let reference = Reference::parse(&args.name)?;
    let usual = reference.tag().is_none() && reference.digest().is_none();
    let reference = reference.or_latest();
    if usual && !args.quiet {
        listing::print("Using default tag: latest\n")?;
    }
    let pulled = fetch(store, &reference, args.platform.as_deref(), args.quiet)?;
    if !args.quiet {
        listing::print(&told(&reference, &pulled))?;
    }
    listing::print(&format!("{}\n", reference.full()))?;
    Ok(ExitCode::SUCCESS)
}

/// One after the other. What cannot be fetched, like a signature that is kept
/// beside the images, is told and does not keep the others away.
fn all_tags(store: &Store, args: &Pull) -> Result<ExitCode> {
    let repository = Reference::parse(&args.name)?;
    if repository.tag().is_some() || repository.digest().is_some() {
        return Err(Error::user("tag can't be used with --all-tags/-a"));
    }
    let from = From::new(args.platform.as_deref(), args.quiet)?;
    let mut code = ExitCode::SUCCESS;
    for name in from.client.tags(&repository)? {
        match from.fetch(store, &name) {
            Ok(pulled) if !args.quiet => listing::print(&told(&name, &pulled))?,
            Ok(_) => {}
            Err(e) => {
                say::error(&e);
                code = ExitCode::FAILURE;
            }
        }
    }
    listing::print(&format!("{}\n", repository.full()))?;
    Ok(code)
}

/// There is nothing to fetch.
fn built_in(image: &Image, quiet: bool) -> Result<ExitCode> {
    if !quiet {
        let digest = &image.target.digest;
        let name = hello::NAME;
        listing::print(&format!(
            "Digest: {digest}\nStatus: Image is built into rcon: {name}\n"
        ))?;
    }
    let name = Reference::parse(hello::NAME)?.full();
    listing::print(&format!("{name}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// The last lines of a pull, as scripts know them.
pub fn told(reference: &Reference, pulled: &Pulled) -> String {
    let status = if pulled.known {
        "Image is up to date"
    } else {
        "Downloaded newer image"
    };
    format!(
        "Digest: {}\nStatus: {status} for {reference}\n",
        pulled.digest
    )
}

/// Fetches an image, telling on standard error how far it is.
pub fn fetch(
    store: &Store,
    reference: &Reference,
    wanted: Option<&str>,
    quiet: bool,
) -> Result<Pulled> {
    From::new(wanted, quiet)?.fetch(store, reference)
}

/// Where images come from, for which machine, and who sees it.
struct From {
    client: Client,
    platform: Option<Platform>,
    progress: Box<dyn Progress>,
}

impl From {
    fn new(wanted: Option<&str>, quiet: bool) -> Result<Self> {
        let progress: Box<dyn Progress> = if quiet {
            Box::new(Silent)
        } else {
            progress::for_stderr()
        };
        Ok(Self {
            platform: platform(wanted)?,
            client: Client::new(Config::load()?),
            progress,
        })
    }

    fn fetch(&self, store: &Store, reference: &Reference) -> Result<Pulled> {
        let wanted = self.platform.as_ref();
        let images = of(store);
        let pulled =
            crate::image::pull::pull(&images, &self.client, reference, wanted, &*self.progress)?;
        let name = reference.familiar();
        note(store, "pull", &name, &name);
        Ok(pulled)
    }
}
