//! A stage of a build as far as it has come: how the image wants to be run,
//! and the layers it is made of.

use crate::build::scope::Scope;
use crate::error::{Error, Result};
use crate::image::config::History;
use crate::image::make::{as_oci, empty_config};
use crate::image::manifest::Descriptor;
use crate::image::platform::Platform;
use crate::image::reference::Digest;
use crate::image::{Image, ImageConfig, Stage, chain_ids};

/// Who is said to have made an image's steps.
const COMMENT: &str = "rcon build";

/// A layer of a stage.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The sum of its archive.
    pub diff: Digest,
    /// Its archive, packed or not.
    pub blob: Descriptor,
    /// Where its files are now: a name beside the other layers.
    pub dir: String,
}

/// A stage as far as it has come.
#[derive(Debug, Clone)]
pub struct State {
    /// How it wants to be run. What it is made of is in `layers`.
    pub config: ImageConfig,
    /// The lowest first.
    pub layers: Vec<Layer>,
    /// Its arguments.
    pub scope: Scope,
    /// `CMD` was said in this stage.
    pub own_cmd: bool,
    /// When its last layer was made.
    pub created: Option<String>,
    /// That was in this build, or in one before it that is in the cache: it
    /// is not only the date of an image that is built on.
    pub dated: bool,
    /// So many notes in its history are those of such an image.
    inherited: usize,
}

impl State {
    /// Nothing.
    pub fn scratch(platform: &Platform) -> Self {
        Self {
            config: empty_config(Some(platform.clone())),
            layers: Vec::new(),
            scope: Scope::default(),
            own_cmd: false,
            created: None,
            dated: false,
            inherited: 0,
        }
    }

    /// What an image is, whose layers are kept from now on.
    pub fn of_image(image: &Image, stage: &Stage) -> Result<Self> {
        let gone = || {
            Error::environment("an image was taken away while it was to be built on")
                .hint("try again")
        };
        let config = image.config.clone();
        let diffs = &config.rootfs.diff_ids;
        let mut layers = Vec::new();
        let parts = diffs.iter().zip(chain_ids(diffs));
        for ((diff, chain), blob) in parts.zip(&image.manifest.layers) {
            let (_, dir) = stage.layer(diff, &chain)?.ok_or_else(gone)?;
            if !stage.has(&blob.digest)? {
                return Err(gone());
            }
            layers.push(Layer {
                diff: diff.clone(),
                blob: as_oci(blob)?,
                dir,
            });
        }
        Ok(Self {
            created: config.created.clone(),
            dated: false,
            inherited: config.history.len(),
            config,
            layers,
            scope: Scope::default(),
            own_cmd: false,
        })
    }

    /// What a stage that begins with this one begins with.
    #[must_use]
    pub fn as_base(&self) -> Self {
        Self {
            scope: Scope::default(),
            own_cmd: false,
            ..self.clone()
        }
    }

    /// The sums of its layers.
    pub fn diffs(&self) -> Vec<Digest> {
        self.layers.iter().map(|layer| layer.diff.clone()).collect()
    }

    /// The sum that stands for all its layers together.
    pub fn chain(&self) -> Option<Digest> {
        chain_ids(&self.diffs()).pop()
    }

    /// The directories of its layers, the uppermost first, none twice:
    /// overlayfs refuses that.
    pub fn dirs(&self) -> Vec<String> {
        let mut dirs: Vec<String> = Vec::new();
        for layer in self.layers.iter().rev() {
            if !dirs.contains(&layer.dir) {
                dirs.push(layer.dir.clone());
            }
        }
        dirs
    }

    /// Notes a step that has only changed how the image wants to be run.
    pub fn note(&mut self, text: String) {
        self.history(text, self.created.clone(), true);
    }

    /// Notes a step that had work to do.
    pub fn add(&mut self, text: String, created: &str, layer: Option<Layer>) {
        self.created = Some(created.to_owned());
        self.dated = true;
        self.history(text, Some(created.to_owned()), layer.is_none());
        self.layers.extend(layer);
    }

    fn history(&mut self, created_by: String, created: Option<String>, empty_layer: bool) {
        self.config.history.push(History {
            created,
            created_by,
            comment: COMMENT.to_owned(),
            empty_layer,
            ..History::default()
        });
    }

    /// Whether it still is the image that is built on, and nothing else.
    pub fn is_base(&self) -> bool {
        self.inherited > 0 && self.config.history.len() == self.inherited
    }

    /// Dates it, and all its own notes, which have no date of their own.
    pub fn date(&mut self, created: &str) {
        self.created = Some(created.to_owned());
        for note in &mut self.config.history[self.inherited..] {
            note.created = Some(created.to_owned());
        }
        self.dated = true;
    }

    /// The whole configuration.
    pub fn finished(&self) -> ImageConfig {
        let mut config = self.config.clone();
        config.rootfs.diff_ids = self.diffs();
        config.created.clone_from(&self.created);
        config
    }
}
