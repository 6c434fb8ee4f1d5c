//! What is wanted of a build: everything the command line says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::work::Limits;
use crate::container::NetworkMode;
use crate::error::Result;
use crate::image::platform::Platform;
use crate::image::reference::Reference;

/// When images are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pull {
    /// If they are not here.
    #[default]
    Missing,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A build that is wanted.
pub struct Ask<'a> {
    /// `--build-arg`.
    pub args: BTreeMap<String, String>,
    /// `--target`.
    pub target: Option<String>,
    /// Nothing is taken from the cache.
    pub no_cache: bool,
    /// Nothing in these stages is.
    pub no_cache_in: BTreeSet<String>,
    /// When images are fetched.
    pub pull: Pull,
    /// Fetches an image.
    pub fetch: &'a Fetch<'a>,
    /// `--label`.
    pub labels: Vec<(String, String)>,
    /// `--secret`, by their ids.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// `--ssh`, by their ids: the sockets of agents.
    pub agents: BTreeMap<String, PathBuf>,
    /// Where programs have their network.
    pub network: NetworkMode,
    /// `--allow network.host`.
    pub allow_host: bool,
    /// `--allow security.insecure`.
    pub allow_insecure: bool,
    /// For which machine.
    pub platform: Option<Platform>,
    /// What programs get.
    pub limits: Limits,
    /// Nothing in the image is younger than so many seconds after 1970.
    pub epoch: Option<i64>,
    /// What the image is called.
    pub names: Vec<Reference>,
}

/// Fetches an image for a machine.
pub type Fetch<'a> = dyn Fn(&Reference, Option<&Platform>) -> Result<()> + 'a;
