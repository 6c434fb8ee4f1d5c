//! placeholder
use crate::error::{Error, Result};
/// Placeholder.
pub fn features() -> Result<String> {
    Err(Error::internal("being written"))
}
