//! `--output`: the result somewhere else than among the images.

use super::Build;
use crate::error::Result;
use crate::image::{Image, Images};

/// Writes the result where it is wanted.
pub fn write(_images: &Images, _args: &Build, _image: &Image) -> Result<()> {
    Ok(())
}
