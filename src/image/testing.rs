//! What the tests of images stand on: a store of their own that goes away,
//! and archives written by hand.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::config::{ImageConfig, OCI_CONFIG, RootFs};
use super::manifest::{Descriptor, Manifest, OCI_MANIFEST};
use super::reference::{Digest, Reference};
use super::{Image, Images};
use crate::archive::{Entry, Kind, Time, Writer};
use crate::error::Result;
use crate::store::Store;

/// A store that goes away with the test.
pub(super) struct Bed {
    dir: PathBuf,
    pub(super) images: Images,
}

impl Bed {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rcon-test-image-{}-{n}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        let store = Store::open(Some(dir.clone()), Some(dir.join("run"))).unwrap();
        let images = Images::open(&store);
        Self { dir, images }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A layer as it is packed, and as a plain archive.
pub(super) struct Packed {
    pub(super) packed: Vec<u8>,
    pub(super) plain: Vec<u8>,
}

impl Packed {
    pub(super) fn plain(plain: Vec<u8>) -> Self {
        Self {
            packed: plain.clone(),
            plain,
        }
    }
}

/// Brings an image of these layers into the store, each by `fetch_layers`.
pub(super) fn bring(images: &Images, layers: &[Packed]) -> Result<Image> {
    bring_as(images, layers, &["x"])
}

/// The same under other names.
pub(super) fn bring_as(images: &Images, layers: &[Packed], names: &[&str]) -> Result<Image> {
    let stage = images.stage()?;
    let config = ImageConfig {
        architecture: "amd64".to_owned(),
        os: "linux".to_owned(),
        rootfs: RootFs {
            diff_ids: layers.iter().map(|l| Digest::of(&l.plain)).collect(),
            ..Default::default()
        },
        ..ImageConfig::default()
    };
    let config_blob = stage.bytes(OCI_CONFIG, &config.to_bytes()?)?;
    let media = "application/vnd.oci.image.layer.v1.tar+gzip";
    let blobs = layers
        .iter()
        .map(|l| Descriptor::new(media, l.packed.len() as u64, Digest::of(&l.packed)));
    let manifest = Manifest {
        config: config_blob,
        layers: blobs.collect(),
    };
    stage.fetch_layers(&manifest, &config, &|blob, sink, _| {
        let is = |l: &&Packed| Digest::of(&l.packed) == blob.digest;
        let layer = layers.iter().find(is).expect("one of ours");
        // In small pieces, so that the reader has to wait for the writer.
        for piece in layer.packed.chunks(700) {
            sink.write_all(piece)?;
        }
        Ok(())
    })?;
    let document = serde_json::json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": manifest.config, "layers": manifest.layers});
    let document = stage.bytes(OCI_MANIFEST, document.to_string().as_bytes())?;
    let digest = document.digest.clone();
    let names = names.iter().map(|n| Reference::parse(n));
    let names: Vec<Reference> = names.collect::<Result<_>>()?;
    stage.commit(&names, &document, &digest)
}

/// One file of an archive.
pub(super) struct Made {
    entry: Entry,
    data: Vec<u8>,
}

/// A file, or with a slash at its end a directory.
pub(super) fn entry(path: &str, data: &[u8]) -> Made {
    let directory = path.ends_with('/');
    Made {
        entry: Entry {
            path: path.as_bytes().to_vec(),
            kind: if directory {
                Kind::Directory
            } else {
                Kind::File
            },
            link: Vec::new(),
            mode: if directory { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            size: data.len() as u64,
            mtime: Time::new(1_000_000_000, 0),
            xattrs: Vec::new(),
        },
        data: data.to_vec(),
    }
}

impl Made {
    pub(super) fn mode(mut self, mode: u32) -> Self {
        self.entry.mode = mode;
        self
    }

    pub(super) fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.entry.uid, self.entry.gid) = (uid, gid);
        self
    }

    pub(super) fn link(self, to: &str) -> Self {
        self.leads(Kind::HardLink, to)
    }

    pub(super) fn symlink(self, to: &str) -> Self {
        self.leads(Kind::Symlink, to)
    }

    fn leads(mut self, kind: Kind, to: &str) -> Self {
        self.entry.kind = kind;
        self.entry.link = to.as_bytes().to_vec();
        self
    }
}

/// An archive of these.
pub(super) fn tar(files: &[Made]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    for file in files {
        let written = match file.entry.kind {
            Kind::File => writer.file(&file.entry, &file.data[..]),
            _ => writer.bare(&file.entry),
        };
        written.unwrap();
    }
    writer.finish().unwrap();
    bytes
}
