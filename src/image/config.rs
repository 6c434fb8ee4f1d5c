//! An image's configuration: how it wants to be run, and what it is made of.
//!
//! OCI's and Docker's are the same document for our purposes. What is not
//! known here survives being read and written again. Whoever made the image
//! wrote it: [`ImageDefaults`] are wishes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::manifest::LARGEST_CONFIG;
use super::platform::Platform;
use super::reference::Digest;
use crate::container::{ImageDefaults, ImageHealthcheck, Timestamp};
use crate::error::{Error, Result};

/// The media type of a configuration that is written here.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// More layers than overlayfs can stack.
const MOST_LAYERS: usize = 500;
/// More words, variables, labels, ports or volumes than anybody has set.
const MOST_ENTRIES: usize = 10_000;
/// More steps than any build had.
const MOST_HISTORY: usize = 10_000;

/// The whole document.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    /// When it was made, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// For which processor, as Go names it.
    pub architecture: String,
    /// Of which generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// For which system.
    pub os: String,
    /// How its program is run.
    #[serde(deserialize_with = "or_default")]
    pub config: Execution,
    /// What its root file system is made of.
    pub rootfs: RootFs,
    /// How it was made, the first step first.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
    /// Whatever else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// How the program is run: the part that is called `config`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Execution {
    /// `user[:group]`.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub user: String,
    /// `80/tcp`; the values mean nothing.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Map::is_empty")]
    pub exposed_ports: Map<String, Value>,
    /// `NAME=value`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Comes before the command.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// The command, if none is typed.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// Directories whose files are to outlive the container; the values mean
    /// nothing.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Map::is_empty")]
    pub volumes: Map<String, Value>,
    /// Where the program starts.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub working_dir: String,
    /// For people to read.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
    /// What its program takes for a request to end.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub stop_signal: String,
    /// How one knows that it is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// What a command given as text is run by.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub shell: Vec<String>,
    /// What a build that begins with this image does first.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
    /// Whatever else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Docker's health check; lengths of time are nanoseconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `CMD` and a program, `CMD-SHELL` and a text, or `NONE`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Between the end of one and the next.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// How long one may take.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// Failures this long after the start do not count.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Between two of them in that time.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// So many failures in a row, and it is unhealthy.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
    /// Whatever else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// What the root file system is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The sums of the layers as plain archives, the lowest first.
    #[serde(default, deserialize_with = "or_default")]
    pub diff_ids: Vec<Digest>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self {
            kind: "layers".to_owned(),
            diff_ids: Vec::new(),
        }
    }
}

/// One step of how an image was made.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// When, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// What was done.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub created_by: String,
    /// By whom.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub author: String,
    /// Why.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub comment: String,
    /// No layer came of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
    /// Whatever else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_zero(n: &i64) -> bool {
    *n == 0
}

/// Go writes `null` for what is empty.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    d: D,
) -> std::result::Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

impl ImageConfig {
    /// Reads one, within bounds.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() as u64 > LARGEST_CONFIG {
            return Err(bad("it is larger than 8 MiB"));
        }
        let config: Self = serde_json::from_slice(bytes).map_err(|e| bad(&e.to_string()))?;
        if config.rootfs.kind != "layers" {
            return Err(bad(&format!(
                "its rootfs is of type {:?}",
                config.rootfs.kind
            )));
        }
        if config.rootfs.diff_ids.len() > MOST_LAYERS {
            return Err(bad(&format!("it has more than {MOST_LAYERS} layers")));
        }
        if config.history.len() > MOST_HISTORY {
            return Err(bad(&format!(
                "its history has more than {MOST_HISTORY} steps"
            )));
        }
        for (name, count) in config.config.counts() {
            if count > MOST_ENTRIES {
                return Err(bad(&format!(
                    "its {name} has {count} entries, and more than {MOST_ENTRIES} are not read"
                )));
            }
        }
        Ok(config)
    }

    /// As it is stored.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::internal(e.to_string()))
    }

    /// When it was made, if that can be understood.
    pub fn created_at(&self) -> Option<Timestamp> {
        moment(self.created.as_deref()?)
    }

    /// For which machine it is.
    pub fn platform(&self) -> Platform {
        let or = |text: &str, usual: &str| match text {
            "" => usual.to_owned(),
            text => text.to_owned(),
        };
        let host = Platform::host();
        Platform {
            os: or(&self.os, &host.os),
            architecture: or(&self.architecture, &host.architecture),
            variant: self.variant.clone().filter(|v| !v.is_empty()),
        }
    }

    /// How it wants to be run.
    pub fn defaults(&self) -> ImageDefaults {
        let c = &self.config;
        ImageDefaults {
            entrypoint: c.entrypoint.clone(),
            cmd: c.cmd.clone(),
            env: c.env.clone(),
            workdir: c.working_dir.clone(),
            user: c.user.clone(),
            exposed_ports: c.exposed_ports.keys().cloned().collect(),
            volumes: c.volumes.keys().cloned().collect(),
            labels: c.labels.clone(),
            stop_signal: c.stop_signal.clone(),
            healthcheck: c.healthcheck.as_ref().map(Healthcheck::wish),
            shell: c.shell.clone(),
        }
    }
}

impl Execution {
    /// How much of each there is, by the names in the document.
    fn counts(&self) -> [(&'static str, usize); 9] {
        let test = self.healthcheck.as_ref().map_or(0, |h| h.test.len());
        [
            ("Env", self.env.len()),
            ("Cmd", self.cmd.len()),
            ("Entrypoint", self.entrypoint.len()),
            ("Labels", self.labels.len()),
            ("ExposedPorts", self.exposed_ports.len()),
            ("Volumes", self.volumes.len()),
            ("Shell", self.shell.len()),
            ("OnBuild", self.on_build.len()),
            ("Healthcheck", test),
        ]
    }
}

impl Healthcheck {
    fn wish(&self) -> ImageHealthcheck {
        let time = |nanos: i64| {
            let nanos = u64::try_from(nanos).ok().filter(|n| *n > 0);
            nanos.map(Duration::from_nanos)
        };
        ImageHealthcheck {
            test: self.test.clone(),
            interval: time(self.interval),
            timeout: time(self.timeout),
            start_period: time(self.start_period),
            start_interval: time(self.start_interval),
            retries: u32::try_from(self.retries).ok().filter(|n| *n > 0),
        }
    }
}

/// A time as a configuration has it.
pub fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

fn bad(why: &str) -> Error {
    Error::environment(format!("invalid image configuration: {why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_nobody_would_write_is_not_read() {
        let many = |n: usize| (0..n).map(|i| format!("A{i}=1")).collect::<Vec<_>>();
        let map = |n: usize| {
            many(n)
                .into_iter()
                .map(|k| (k, json!("x")))
                .collect::<Map<_, _>>()
        };
        let fields = |n: usize| {
            [
                ("Env", json!(many(n))),
                ("Cmd", json!(many(n))),
                ("Labels", json!(map(n))),
                ("ExposedPorts", json!(map(n))),
                ("Volumes", json!(map(n))),
                ("Healthcheck", json!({"Test": many(n)})),
            ]
        };
        let read = |name: &str, value: Value| {
            let config = json!({"config": {name: value}, "rootfs": {"type": "layers"}});
            ImageConfig::parse(config.to_string().as_bytes())
        };
        for (name, value) in fields(MOST_ENTRIES) {
            assert!(read(name, value).is_ok(), "{name}");
        }
        for (name, value) in fields(MOST_ENTRIES + 1) {
            let e = read(name, value).unwrap_err().to_string();
            assert!(e.contains(&format!("its {name} has 10001 entries")), "{e}");
        }
    }
}
