//! A stage that is done becomes an image.

use super::ask::Ask;
use super::state::State;
use crate::error::Result;
use crate::image::config::OCI_CONFIG;
use crate::image::manifest::{Descriptor, Document, Manifest};
use crate::image::reference::Digest;
use crate::image::{Images, Kept, Stage};

/// An image as documents, which are in the stage.
pub struct Described {
    /// What it is made of.
    pub manifest: Manifest,
    /// Where that is written down.
    pub target: Descriptor,
}

impl Described {
    /// Its id: the sum of its configuration.
    pub fn id(&self) -> &Digest {
        &self.manifest.config.digest
    }
}

/// Writes down what the image is.
pub fn describe(stage: &Stage, ask: &Ask<'_>, state: &State) -> Result<Described> {
    let mut config = state.finished();
    config.config.labels.extend(ask.labels.iter().cloned());
    let manifest = Manifest {
        config: stage.bytes(OCI_CONFIG, &config.to_bytes()?)?,
        layers: state
            .layers
            .iter()
            .map(|layer| layer.blob.clone())
            .collect(),
    };
    let document = Document::of_manifest(&manifest)?;
    let mut target = stage.bytes(&document.media_type, &document.bytes)?;
    target.platform = Some(config.platform());
    Ok(Described { manifest, target })
}

/// Makes the image, and has stay what is to be remembered.
pub fn commit(
    images: &Images,
    stage: &Stage,
    ask: &Ask<'_>,
    described: &Described,
    kept: &[Kept],
) -> Result<()> {
    let target = &described.target;
    if kept.is_empty() && is_known(images, ask, target)? {
        return Ok(());
    }
    let bare = Descriptor::new(&target.media_type, target.size, target.digest.clone());
    let done = stage.commit_and_keep(&ask.names, &bare, &target.digest, kept);
    done.map(drop)
}

/// Whether the same image is here already and has these names.
fn is_known(images: &Images, ask: &Ask<'_>, target: &Descriptor) -> Result<bool> {
    let all = images.list()?;
    let same = all
        .into_iter()
        .find(|image| image.target.digest == target.digest);
    Ok(same.is_some_and(|image| {
        ask.names.iter().all(|name| {
            let mut names = image.names.iter();
            names.any(|known| known.reference() == Some(name))
        })
    }))
}
