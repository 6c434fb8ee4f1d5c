//! placeholder
use crate::error::{Error, Result};
/// Flags.
#[derive(Debug, clap::Args)]
pub struct Events {
    /// The container
    pub id: String,
}
/// Placeholder.
pub fn events(root: &super::record::Root, args: &Events) -> Result<()> {
    let _ = (&args.id, root);
    Err(Error::internal("being written"))
}
