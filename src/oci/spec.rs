//! placeholder
use crate::error::{Error, Result};
/// Flags.
#[derive(Debug, clap::Args)]
pub struct SpecArgs {
    /// The container
    pub id: String,
}
/// Placeholder.
pub fn spec(args: &SpecArgs) -> Result<()> {
    let _ = &args.id;
    Err(Error::internal("being written"))
}
