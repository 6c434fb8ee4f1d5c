//! `spec`: a `config.json` to start from.

pub(super) mod config;

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use crate::error::{Context, Error, Result};
use crate::sys::identity;

// Flags of `spec`.
#[derive(Debug, clap::Args)]
pub struct SpecArgs {
    /// The folder to write config.json to
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub bundle: PathBuf,
    /// For a container that a user without privileges can run
    #[arg(long)]
    pub rootless: bool,
}

/// `spec`. A file that is already there is somebody's work.
pub fn spec(args: &SpecArgs) -> Result<()> {
    let path = args.bundle.join("config.json");
    let what = || format!("cannot write {}", path.display());
    let caller = args.rootless.then(identity::effective_ids);
    let text = config::text(caller)?;
    // Exclusive, so that between looking and writing nothing can come in.
    let mut file = match File::create_new(&path) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            return Err(Error::user("File config.json exists. Remove it first"));
        }
        file => file.context(what)?,
    };
    file.write_all(text.as_bytes()).context(what)
}
