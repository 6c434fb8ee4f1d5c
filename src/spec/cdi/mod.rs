//! Devices by the names that their vendors give them (`vendor.com/class=name`):
//! the Container Device Interface.
//!
//! A vendor's file says what a container needs to use a device: nodes, mounts
//! of libraries, variables, hooks. [`find`] looks names up in the files of this
//! host; [`apply`] writes what they say into a specification, and is pure. The
//! files are the administrator's, as the host's other configuration is: a hook
//! in them runs on the host, as root.

mod apply;
mod find;
#[cfg(test)]
mod tests;
mod yaml;

use std::path::PathBuf;

use serde::Deserialize;

pub use apply::apply;
pub use find::find;

/// A vendor's file. What is not known here is refused, lest a container goes
/// without something that its device needs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    cdi_version: String,
    kind: String,
    devices: Vec<Device>,
    #[serde(default)]
    container_edits: Edits,
    /// Notes for people.
    #[serde(default, rename = "annotations")]
    _annotations: serde_json::Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Device {
    name: String,
    #[serde(default)]
    container_edits: Edits,
    #[serde(default, rename = "annotations")]
    _annotations: serde_json::Value,
}

/// What a container gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Edits {
    env: Vec<String>,
    device_nodes: Vec<DeviceNode>,
    mounts: Vec<Mount>,
    hooks: Vec<Hook>,
    #[serde(rename = "additionalGids")]
    additional_gids: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeviceNode {
    /// In the container.
    path: PathBuf,
    /// On the host, if it is another.
    host_path: Option<PathBuf>,
    /// `c`, `b`, `u` or `p`. With the numbers it is found on the host if it is
    /// not said.
    #[serde(rename = "type")]
    kind: Option<String>,
    major: Option<i64>,
    minor: Option<i64>,
    file_mode: Option<u32>,
    permissions: Option<String>,
    uid: Option<u32>,
    gid: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Mount {
    host_path: PathBuf,
    container_path: PathBuf,
    #[serde(default)]
    options: Vec<String>,
    #[serde(default, rename = "type")]
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Hook {
    #[serde(rename = "hookName")]
    moment: String,
    path: PathBuf,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: Vec<String>,
    timeout: Option<i64>,
}
