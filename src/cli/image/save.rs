//! `save`.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::of;
use crate::error::{Context, Error, Result};
use crate::image::archive;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct Save {
    /// The file to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Names or ids; a name without a tag means all its tags
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

/// `save`.
pub fn save(store: &Store, args: &Save) -> Result<ExitCode> {
    let images = of(store);
    let Some(path) = args.output.as_deref().filter(|p| *p != Path::new("-")) else {
        let out = io::stdout().lock();
        if out.is_terminal() {
            return Err(Error::user("an archive is not for a terminal")
                .hint("redirect it, or use --output"));
        }
        let mut out = BufWriter::new(out);
        archive::save(&images, &args.images, &mut out)?;
        out.flush().context(|| "cannot write the archive")?;
        return Ok(ExitCode::SUCCESS);
    };
    // What is not wanted is known before there is a file.
    for name in &args.images {
        archive::check(&images, name)?;
    }
    let named = || format!("cannot write {}", path.display());
    let is_new = !path.exists();
    let file = File::create(path).context(named)?;
    let mut out = BufWriter::new(file);
    let written = archive::save(&images, &args.images, &mut out);
    let written = written.and_then(|()| out.flush().context(named));
    if written.is_err() && is_new {
        // Half an archive is good for nothing.
        let _ = fs::remove_file(path);
    }
    written.map(|()| ExitCode::SUCCESS)
}
