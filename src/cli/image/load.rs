//! `load`.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{note, of, platform};
use crate::cli::flags::parse;
use crate::cli::listing;
use crate::error::{Context, Error, Result};
use crate::image::archive;
use crate::store::Store;
use crate::sys::fd;

#[derive(Debug, clap::Args)]
pub struct Load {
    /// The file to read [default: standard input]
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Only the image for this kind of machine, as linux/arm64
    #[arg(long, value_name = "PLATFORM", value_parser = parse::platform::parse)]
    platform: Option<String>,
    /// Show nothing but the names
    #[arg(short, long)]
    quiet: bool,
}

/// `load`.
pub fn load(store: &Store, args: &Load) -> Result<ExitCode> {
    let wanted = platform(args.platform.as_deref())?;
    let input = match args.input.as_deref().filter(|p| *p != Path::new("-")) {
        Some(path) => {
            let named = || format!("cannot read {}", path.display());
            File::open(path).context(named)?
        }
        None if io::stdin().is_terminal() => {
            return Err(Error::user("an archive does not come from a terminal")
                .hint("redirect one, or use --input"));
        }
        None => fd::duplicate(io::stdin())?.into(),
    };
    for loaded in archive::load(&of(store), &input, wanted.as_ref())? {
        let id = loaded.image.id().to_string();
        note(store, "load", &id, &id);
        if loaded.names.is_empty() {
            listing::print(&format!("Loaded image ID: {id}\n"))?;
        }
        for name in &loaded.names {
            listing::print(&format!("Loaded image: {name}\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
