//! The image that `run` and `create` are to start from.

use super::pull;
use super::{of, platform};
use crate::cli::flags::{Pull, Request};
use crate::container::{Image as Origin, Mount, MountKind, Root};
use crate::error::{Error, Fault, Result};
use crate::image::platform::Platform;
use crate::image::pull::other_platform;
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
    // A volume is filled with the image's files, and that takes its time.
    let fills = |m: &Mount| matches!(m.kind, MountKind::Volume { .. });
    if request.config.mounts.iter().any(fills) {
        return guard.for_long(&of(store), image.layers());
    }
    Ok(guard)
}

/// Finds an image, and fetches it if that is wanted.
pub(super) fn obtain(store: &Store, request: &Request, name: &str) -> Result<(Guard, Image)> {
    let images = of(store);
    let built_in =
        request.platform.is_none() && hello::is_meant(name) && hello::ensure(&images)?.is_some();
    if request.pull == Pull::Always && !built_in {
        fetch(store, request, name)?;
    }
    Ok(match here(&images, request, name)? {
        Here::Found(guard, image) => (guard, *image),
        other if request.pull == Pull::Never => return Err(other.as_error(name)),
        other => {
            let shown = shown(name)?;
            if !request.quiet {
                say::err(format_args!("Unable to find image '{shown}' locally"));
            }
            fetch(store, request, name).map_err(|e| other.and_not_fetched(&shown, e))?;
            match here(&images, request, name)? {
                Here::Found(guard, image) => (guard, *image),
                other => return Err(other.as_error(name)),
            }
        }
    })
}

/// Whether the image that is wanted is here.
enum Here {
    /// Unpacked, and kept from going away.
    Found(Guard, Box<Image>),
    /// One of that name is, for another machine than the one asked for.
    Other {
        wanted: Platform,
        is: Platform,
    },
    Absent,
}

impl Here {
    /// Why there is nothing to start from.
    fn as_error(&self, name: &str) -> Error {
        match self {
            Self::Other { wanted, is } => other_platform(name, wanted, is),
            Self::Found(..) | Self::Absent => Error::user(format!("No such image: {name}")).hint(
                "`rcon images` lists what is here, and without --pull never it would be fetched",
            ),
        }
    }

    /// Why the registry was asked at all, before what came of that.
    fn and_not_fetched(&self, name: &str, e: Error) -> Error {
        match self {
            Self::Absent => not_here(name, e),
            Self::Other { is, .. } if e.fault() == Fault::Environment => e.context(format!(
                "the image {name} on this machine is for {is}, and another cannot be fetched"
            )),
            _ => e,
        }
    }
}

/// Somebody without a network wants to know first that the image is not here.
pub fn not_here(name: &str, e: Error) -> Error {
    e.context(format!(
        "no image {name} is on this machine, and it cannot be fetched"
    ))
}

fn here(images: &Images, request: &Request, name: &str) -> Result<Here> {
    let wanted = platform(request.platform.as_deref())?;
    // Unpacking needs the lock that the guard shares, so one looks again then.
    for _ in 0..8 {
        let guard = images.share()?;
        let image = match images.find(name) {
            Ok(image) => image,
            Err(e) if is_absent(&e) => return Ok(Here::Absent),
            Err(e) => return Err(e),
        };
        let is = image.config.platform();
        if let Some(wanted) = wanted.clone().filter(|wanted| wanted.fit(&is).is_none()) {
            return Ok(Here::Other { wanted, is });
        }
        if image.is_unpacked() {
            return Ok(Here::Found(guard, Box::new(image)));
        }
        drop(guard);
        match images.unpack(&image) {
            // Taken away meanwhile: is there another of that name?
            Err(e) if is_absent(&e) => {}
            done => done?,
        }
    }
    Err(Error::environment(format!(
        "the image {name} is being removed again and again"
    )))
}

fn is_absent(e: &Error) -> bool {
    e.what().starts_with("No such image")
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
