//! `tag`.

use std::process::ExitCode;

use super::{note, of};
use crate::error::Result;
use crate::image::reference::Reference;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct Tag {
    /// Name or id
    #[arg(value_name = "IMAGE")]
    source: String,
    /// NAME or NAME:TAG
    #[arg(value_name = "NAME")]
    target: String,
}

/// `tag`.
pub fn tag(store: &Store, args: &Tag) -> Result<ExitCode> {
    let images = of(store);
    let name = Reference::parse(&args.target)?.or_latest();
    let image = images.find(&args.source)?;
    images.tag(&image, &name)?;
    note(store, "tag", &image.id().to_string(), &name.familiar());
    Ok(ExitCode::SUCCESS)
}
