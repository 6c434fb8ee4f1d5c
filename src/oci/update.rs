//! placeholder
use crate::error::{Error, Result};
/// Flags.
#[derive(Debug, clap::Args)]
pub struct Update {
    /// The container
    pub id: String,
}
/// Placeholder.
pub fn update(root: &super::record::Root, args: &Update) -> Result<()> {
    let _ = (&args.id, root);
    Err(Error::internal("being written"))
}
