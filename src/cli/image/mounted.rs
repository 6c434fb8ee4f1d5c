//! The images that `run` and `create` are to mount, with `--mount type=image`.
//!
//! In two steps around finding the container's own image: whatever must be
//! fetched or unpacked needs the images' lock for itself, and what has been
//! found stays only while it is shared.

use super::of;
use super::wanted::obtain;
use crate::cli::flags::Request;
use crate::container::MountKind;
use crate::error::{Error, Result};
use crate::image::Guard;
use crate::store::Store;

/// Has them all here, fetching what is wanted and missing.
pub fn bring(store: &Store, request: &Request) -> Result<()> {
    names(request).try_for_each(|name| obtain(store, request, name).map(drop))
}

/// Notes of each what it is. Until the guard is dropped they stay.
pub fn complete(store: &Store, request: &mut Request) -> Result<Option<Guard>> {
    if names(request).next().is_none() {
        return Ok(None);
    }
    let images = of(store);
    let guard = images.share()?;
    for mount in &mut request.config.mounts {
        let MountKind::Image {
            reference,
            id,
            layers,
        } = &mut mount.kind
        else {
            continue;
        };
        let image = images.find(reference)?;
        if !image.is_unpacked() {
            return Err(
                Error::environment(format!("the image {reference} is just being removed"))
                    .hint("try again"),
            );
        }
        *id = image.id().to_string();
        *layers = image.layers().to_vec();
    }
    Ok(Some(guard))
}

fn names(request: &Request) -> impl Iterator<Item = &String> {
    let mounts = request.config.mounts.iter();
    mounts.filter_map(|mount| match &mount.kind {
        MountKind::Image { reference, .. } => Some(reference),
        _ => None,
    })
}
