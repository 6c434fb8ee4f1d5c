//! The documents a registry hands out: manifests, which name the parts of one
//! image, and indexes, which name manifests.
//!
//! Whoever can write to a registry writes them: nothing in them is believed
//! that has not been checked here. What a [`Document`] is must be beyond
//! doubt: one that is both is how a scanner and a runtime come to see
//! different images (CVE-2021-41190).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::platform::Platform;
use crate::error::{Error, Result};
use crate::image::reference::Digest;

/// An OCI manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// A manifest as Docker writes it.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// An index as Docker writes it.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// What a document may weigh, as registries themselves have it.
pub const LARGEST_DOCUMENT: u64 = 4 << 20;
/// What an image's configuration may weigh.
pub const LARGEST_CONFIG: u64 = 8 << 20;
/// More layers than overlayfs can stack.
const MOST_LAYERS: usize = 500;
/// No honest size is beyond.
const LARGEST_BLOB: u64 = 1 << 40;

const CONFIGS: &[&str] = &[
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

const LAYERS: &[&str] = &[
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
];

/// What some content is, how large, and its sum. Addresses it may carry
/// (`urls`) are not even read: content comes from the registry it was asked
/// from (CVE-2020-15157).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// The sum of its bytes.
    pub digest: Digest,
    /// In an index: for which machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Whatever else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// One with the necessary alone.
    pub fn new(media_type: &str, size: u64, digest: Digest) -> Self {
        Self {
            media_type: media_type.to_owned(),
            size,
            digest,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Refuses a blob of another length.
    pub(super) fn check_length(&self, there: u64) -> Result<()> {
        if there == self.size {
            return Ok(());
        }
        Err(Error::environment(format!(
            "the blob {} is {there} bytes long, and its manifest says {}",
            self.digest, self.size
        ))
        .hint("the image is spoilt; tell who made it"))
    }

    /// Whether it names an index.
    pub fn is_index(&self) -> bool {
        kind_of(&self.media_type) == Some(Kind::Index)
    }
}

/// A manifest or an index, to the byte as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it is.
    pub media_type: String,
    /// The sum of its bytes.
    pub digest: Digest,
    /// Exactly what the digest is of.
    pub bytes: Vec<u8>,
}

/// What a [`Document`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The parts of one image.
    Manifest(Manifest),
    /// Images for several machines.
    Index(Vec<Descriptor>),
}

/// The parts of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// How it wants to be run.
    pub config: Descriptor,
    /// What its root file system is made of, the lowest first.
    pub layers: Vec<Descriptor>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Manifest,
    Index,
}

fn kind_of(media_type: &str) -> Option<Kind> {
    match media_type {
        OCI_MANIFEST | DOCKER_MANIFEST => Some(Kind::Manifest),
        OCI_INDEX | DOCKER_LIST => Some(Kind::Index),
        _ => None,
    }
}

impl Document {
    /// Takes bytes for a document, if it is beyond doubt which. `told` is what
    /// the registry calls them.
    pub fn read(bytes: Vec<u8>, told: Option<&str>) -> Result<Self> {
        let media_type = media_type(&object(&bytes)?, told)?;
        Ok(Self {
            media_type,
            digest: Digest::of(&bytes),
            bytes,
        })
    }

    /// The document of a manifest that is made here.
    pub fn of_manifest(manifest: &Manifest) -> Result<Self> {
        let fields = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": manifest.config,
            "layers": manifest.layers,
        });
        Self::read(fields.to_string().into_bytes(), None)
    }

    /// How other documents name it.
    pub fn descriptor(&self) -> Descriptor {
        let size = self.bytes.len() as u64;
        Descriptor::new(&self.media_type, size, self.digest.clone())
    }

    /// What it says, checked.
    pub fn content(&self) -> Result<Content> {
        let fields = object(&self.bytes)?;
        match kind_of(&self.media_type) {
            Some(Kind::Index) => index(fields).map(Content::Index),
            Some(Kind::Manifest) => manifest(fields).map(Content::Manifest),
            None => Err(unknown_type(&self.media_type)),
        }
    }
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>> {
    if bytes.len() as u64 > LARGEST_DOCUMENT {
        return Err(bad("it is larger than 4 MiB"));
    }
    serde_json::from_slice(bytes).map_err(|e| bad(&format!("not a JSON object: {e}")))
}

/// What the document is, by its own word and the registry's.
fn media_type(fields: &Map<String, Value>, told: Option<&str>) -> Result<String> {
    let told = told.map(|t| t.split(';').next().unwrap_or_default().trim());
    let told = told.filter(|t| !t.is_empty());
    refuse_schema_1(fields, told)?;
    let own = match fields.get("mediaType") {
        None => None,
        Some(Value::String(own)) if !own.is_empty() => Some(own.as_str()),
        Some(_) => return Err(bad("its mediaType is not a text")),
    };
    let by_shape = shape(fields)?;
    let media_type = match (own, told.filter(|t| kind_of(t).is_some())) {
        (Some(own), Some(told)) if own != told => {
            return Err(bad(&format!("it is sent as {told} and says it is {own}")));
        }
        (Some(own), _) => own,
        (None, Some(told)) => told,
        (None, None) if by_shape == Kind::Index => OCI_INDEX,
        (None, None) => OCI_MANIFEST,
    };
    match kind_of(media_type) {
        Some(kind) if kind == by_shape => Ok(media_type.to_owned()),
        Some(_) => Err(bad(&format!("its fields are not those of {media_type}"))),
        None => Err(unknown_type(media_type)),
    }
}

fn refuse_schema_1(fields: &Map<String, Value>, told: Option<&str>) -> Result<()> {
    let old = |t: &str| t.contains("manifest.v1+") && t.contains("docker");
    let version = fields.get("schemaVersion").and_then(Value::as_u64);
    if version == Some(1) || told.is_some_and(old) {
        return Err(
            Error::user("the image's manifest has the withdrawn schema 1")
                .hint("push it again with a Docker newer than 1.10"),
        );
    }
    if version != Some(2) {
        return Err(bad("its schemaVersion is not 2"));
    }
    Ok(())
}

/// What the fields make of it; never both.
fn shape(fields: &Map<String, Value>) -> Result<Kind> {
    let has = |name: &str| fields.contains_key(name);
    match (
        has("manifests"),
        has("config") || has("layers") || has("fsLayers"),
    ) {
        (true, true) => Err(bad("it is both a manifest and an index (CVE-2021-41190)")),
        (true, false) => Ok(Kind::Index),
        (false, true) => Ok(Kind::Manifest),
        (false, false) => Err(bad("it is neither a manifest nor an index")),
    }
}

fn index(mut fields: Map<String, Value>) -> Result<Vec<Descriptor>> {
    let entries: Vec<Descriptor> = take(&mut fields, "manifests")?;
    entries.iter().try_for_each(check_size)?;
    Ok(entries)
}

fn manifest(mut fields: Map<String, Value>) -> Result<Manifest> {
    let config: Descriptor = take(&mut fields, "config")?;
    let layers: Vec<Descriptor> = take(&mut fields, "layers")?;
    if !CONFIGS.contains(&config.media_type.as_str()) {
        return Err(Error::user(format!(
            "not an image that can run: its configuration is {}",
            config.media_type
        ))
        .hint("it is something else that is kept in a registry"));
    }
    if config.size > LARGEST_CONFIG {
        return Err(bad("its configuration is larger than 8 MiB"));
    }
    if layers.len() > MOST_LAYERS {
        return Err(bad(&format!("it has more than {MOST_LAYERS} layers")));
    }
    for layer in &layers {
        if !LAYERS.contains(&layer.media_type.as_str()) {
            return Err(bad(&format!("a layer is {:?}", layer.media_type)));
        }
        check_size(layer)?;
    }
    Ok(Manifest { config, layers })
}

fn check_size(d: &Descriptor) -> Result<()> {
    if d.size > LARGEST_BLOB {
        return Err(bad(&format!(
            "{} cannot be {} bytes long",
            d.digest, d.size
        )));
    }
    Ok(())
}

fn take<T: serde::de::DeserializeOwned>(fields: &mut Map<String, Value>, name: &str) -> Result<T> {
    let value = fields.remove(name).unwrap_or(Value::Null);
    serde_json::from_value(value).map_err(|e| bad(&format!("{name}: {e}")))
}

fn bad(why: &str) -> Error {
    Error::environment(format!("invalid manifest: {why}"))
}

fn unknown_type(media_type: &str) -> Error {
    bad(&format!("its media type {media_type:?} is unknown"))
}

#[cfg(test)]
mod tests;
