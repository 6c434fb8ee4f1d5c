//! A root made of layers.

use std::path::PathBuf;

use serde::Serialize;

/// Layers laid over each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overlay {
    /// Never written, the uppermost first.
    pub layers: Vec<PathBuf>,
    /// What takes the changes; without it, nothing can be changed.
    pub changes: Option<Changes>,
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
