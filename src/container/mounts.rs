//! What a container sees of other file systems and devices.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Something mounted into the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// What.
    pub kind: MountKind,
    /// Where, absolute, in the container.
    pub target: PathBuf,
    /// It cannot be written.
    pub read_only: bool,
    /// Further words: `nosuid`, `rslave`, `nocopy`, …
    pub options: Vec<String>,
}

impl Mount {
    /// The name of the volume, if it is one.
    pub fn volume(&self) -> Option<&str> {
        match &self.kind {
            MountKind::Volume { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether this option was given.
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|o| o == option)
    }
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum MountKind {
    /// A file or directory of the host.
    Bind {
        /// Absolute.
        source: PathBuf,
        /// A directory is made where there is nothing.
        create: bool,
        /// What is mounted below the source comes along.
        recursive: bool,
    },
    /// A directory that rcon keeps under a name.
    Volume {
        /// The name; made up where none was given.
        name: String,
        /// Goes away with the container.
        anonymous: bool,
        /// Only this directory of it.
        subpath: Option<PathBuf>,
        /// How it is made, should it not be there yet.
        #[serde(default, skip_serializing_if = "VolumeWish::is_empty")]
        wish: VolumeWish,
    },
    /// Memory.
    Tmpfs(TmpfsOptions),
    /// An image's files, read-only.
    Image {
        /// Its reference.
        reference: String,
        /// `sha256:…` of its configuration, when the container was made.
        #[serde(default)]
        id: String,
        /// Names of its layers in the store, the uppermost first.
        #[serde(default)]
        layers: Vec<String>,
    },
}

/// How a volume is made that is not there yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeWish {
    /// For people to find it by.
    pub labels: BTreeMap<String, String>,
    /// What the driver is told: `type`, `device`, `o`.
    pub options: BTreeMap<String, String>,
}

impl VolumeWish {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A file system in memory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TmpfsOptions {
    /// In bytes.
    pub size: Option<u64>,
    /// In octal when typed.
    pub mode: Option<u32>,
}

/// A device of the host's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// On the host.
    pub source: PathBuf,
    /// In the container.
    pub target: PathBuf,
    /// Of `rwm`.
    pub access: String,
}
