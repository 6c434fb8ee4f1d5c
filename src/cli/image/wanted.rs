//! The image that `run` and `create` are to start from.

use super::pull;
use super::{of, platform};
use crate::cli::flags::{Pull, Request};
use crate::container::{Image as Origin, Root};
use crate::error::{Error, Result};
use crate::image::reference::Reference;
use crate::image::{Guard, Image, Images, hello};
use crate::say;
use crate::store::Store;

/// Finds the image, fetches it if that is wanted, and completes the request
/// with it. Until the guard is dropped the image stays.
pub fn complete(store: &Store, request: &mut Request, name: &str) -> Result<Guard> {
    let (guard, image) = obtain(store, request, name)?;
    request.config.image = Some(Origin {
        reference: name.to_owned(),
        id: image.id().to_string(),
    });
    request.config.root = Root::Layers {
        layers: image.layers().to_vec(),
    };
    request.merge(&image.defaults())?;
    Ok(guard)
}

/// Finds an image, and fetches it if that is wanted. It stays as `complete`
/// says.
pub(super) fn obtain(store: &Store, request: &Request, name: &str) -> Result<(Guard, Image)> {
    let images = of(store);
    let built_in =
        request.platform.is_none() && hello::is_meant(name) && hello::ensure(&images)?.is_some();
    if request.pull == Pull::Always && !built_in {
        fetch(store, request, name)?;
    }
    match here(&images, request, name)? {
        Some(found) => Ok(found),
        None if request.pull == Pull::Never => Err(missing(name)),
        None => {
            let shown = shown(name)?;
            if !request.quiet {
                say::err(format_args!("Unable to find image '{shown}' locally"));
            }
            fetch(store, request, name)?;
            here(&images, request, name)?.ok_or_else(|| missing(name))
        }
    }
}

/// The image, unpacked and kept from going away, if it is here and fits.
fn here(images: &Images, request: &Request, name: &str) -> Result<Option<(Guard, Image)>> {
    // Unpacking needs the lock that the guard shares, so one looks again then.
    for _ in 0..8 {
        let guard = images.share()?;
        let image = match images.find(name) {
            Ok(image) => image,
            Err(e) if e.what().starts_with("No such image") => return Ok(None),
            Err(e) => return Err(e),
        };
        if !fits(&image, request)? {
            return Ok(None);
        }
        if image.is_unpacked() {
            return Ok(Some((guard, image)));
        }
        drop(guard);
        images.unpack(&image)?;
    }
    Err(Error::environment(format!(
        "the image {name} is being removed again and again"
    )))
}

fn fits(image: &Image, request: &Request) -> Result<bool> {
    let wanted = platform(request.platform.as_deref())?;
    let is = image.config.platform();
    Ok(wanted.is_none_or(|wanted| wanted.fit(&is).is_some()))
}

/// A name with its tag, as it is looked for.
fn shown(name: &str) -> Result<String> {
    Ok(Reference::parse(name)?.or_latest().familiar())
}

fn fetch(store: &Store, request: &Request, name: &str) -> Result<()> {
    let reference = Reference::parse(name)?.or_latest();
    let platform = request.platform.as_deref();
    let pulled = pull::fetch(store, &reference, platform, request.quiet)?;
    if !request.quiet {
        say::err(pull::told(&reference, &pulled).trim_end());
    }
    Ok(())
}

fn missing(name: &str) -> Error {
    Error::user(format!("No such image: {name}"))
        .hint("`rcon images` lists what is here, and without --pull never it would be fetched")
}
