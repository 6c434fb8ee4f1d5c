//! A stage that is done becomes an image.

use super::ask::Ask;
use super::state::State;
use crate::container::Timestamp;
use crate::error::Result;
use crate::image::config::OCI_CONFIG;
use crate::image::manifest::{Document, Manifest};
use crate::image::{Image, Images, Kept, Stage};

/// Makes the image, and has stay what is to be remembered.
pub fn commit(
    images: &Images,
    stage: &Stage,
    ask: &Ask<'_>,
    state: &State,
    kept: &[Kept],
) -> Result<Image> {
    let now = ask
        .epoch
        .map_or_else(Timestamp::now, |seconds| Timestamp { seconds, nanos: 0 });
    let mut config = state.finished(now);
    config.config.labels.extend(ask.labels.iter().cloned());
    let bytes = config.to_bytes()?;
    let manifest = Manifest {
        config: stage.bytes(OCI_CONFIG, &bytes)?,
        layers: state
            .layers
            .iter()
            .map(|layer| layer.blob.clone())
            .collect(),
    };
    let document = Document::of_manifest(&manifest)?;
    if kept.is_empty()
        && let Some(image) = known(images, ask, &document)?
    {
        return Ok(image);
    }
    let target = stage.bytes(&document.media_type, &document.bytes)?;
    stage.commit_and_keep(&ask.names, &target, &document.digest, kept)
}

/// The same image, if it is here already and has these names.
fn known(images: &Images, ask: &Ask<'_>, document: &Document) -> Result<Option<Image>> {
    let all = images.list()?;
    let same = all
        .into_iter()
        .find(|image| image.target.digest == document.digest);
    Ok(same.filter(|image| {
        ask.names.iter().all(|name| {
            let mut names = image.names.iter();
            names.any(|known| known.reference() == Some(name))
        })
    }))
}
