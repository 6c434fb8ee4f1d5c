//! A root made of layers.

use std::path::PathBuf;

use serde::Serialize;

use super::IdRange;

/// Layers laid over each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Overlay {
    /// Never written, the uppermost first.
    pub layers: Vec<PathBuf>,
    /// What takes the changes; without it, nothing can be changed.
    pub changes: Option<Changes>,
    /// Under which ids users and groups are shown: what is `inside` on the
    /// disk is `outside` in the overlay. None: as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<IdRange>,
}

/// Where an overlay keeps what was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Laid over all layers.
    pub upper: PathBuf,
    /// Where the kernel prepares a change; on the same file system.
    pub work: PathBuf,
    /// Nobody wants the changes after the machine has failed: they need not
    /// be waited for.
    pub volatile: bool,
}
