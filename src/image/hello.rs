//! The built-in image: rcon's own binary, which under the name `hello` tells
//! what a container sees ([`crate::hello`]).
//!
//! It is made when it is asked for, of what is on the machine anyway, so that
//! a first container needs neither network nor set-up. It is an image like any
//! other from then on: it can be listed, tagged, saved and removed.
//!
//! An image that is called `hello` and came from elsewhere comes first. And
//! only the short name means the built-in one: `docker.io/library/hello`
//! spelled out is asked for at the registry.

use std::fs::File;
use std::io::{Read, Write};

use super::config::{Execution, History, ImageConfig, OCI_CONFIG, RootFs};
use super::manifest::{Descriptor, Manifest, OCI_MANIFEST};
use super::platform::Platform;
use super::reference::{Digest, Reference};
use super::store::{Image, Images};
use crate::archive::{Entry, Kind, Time, Writer};
use crate::error::{Context, Error, Result};

/// What it is called.
pub const NAME: &str = "hello:latest";
/// A plain archive: nobody has to carry it anywhere.
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// By which it is told from others of its name.
const MARK: &str = "dev.rcon.built-in";
/// Where the program is.
const PROGRAM: &str = "hello";

const PASSWD: &str = "root:x:0:0:root:/root:/hello\nnobody:x:65534:65534:nobody:/:/hello\n";
const GROUP: &str = "root:x:0:\nnogroup:x:65534:\n";

/// Whether somebody who types `name` means the built-in image, if there is no
/// other of that name.
pub fn is_meant(name: &str) -> bool {
    matches!(name, "hello" | "hello:latest")
}

/// The built-in image, made if it is not there or of another rcon. `None` if
/// an image from elsewhere has its name.
pub fn ensure(images: &Images) -> Result<Option<Image>> {
    let old = match images.find(NAME) {
        Ok(image) if !is_built_in(&image) => return Ok(None),
        Ok(image) if is_current(images, &image) => return Ok(Some(image)),
        Ok(image) => Some(image),
        Err(e) if e.what().starts_with("No such image") => None,
        Err(e) => return Err(e),
    };
    let image = make(images)?;
    if let Some(old) = old.filter(|old| old.id() != image.id() && old.names.len() == 1) {
        // What a container was made from stays until that is gone.
        let _ = images.remove(&old.id().to_string(), false);
    }
    Ok(Some(image))
}

fn is_built_in(image: &Image) -> bool {
    image.config.config.labels.contains_key(MARK)
}

/// Whether its program is this very binary: after an upgrade the old one would
/// tell an old story.
fn is_current(images: &Images, image: &Image) -> bool {
    let [layer] = image.layers() else {
        return false;
    };
    let there = File::open(images.store().layer(layer).join(PROGRAM));
    let (Ok(there), Ok(own)) = (there, own_binary()) else {
        return false;
    };
    same(there, own).unwrap_or(false)
}

fn same(mut a: File, mut b: File) -> std::io::Result<bool> {
    let mut left = a.metadata()?.len();
    if left != b.metadata()?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (vec![0; 256 * 1024], vec![0; 256 * 1024]);
    while left > 0 {
        let size = left.min(one.len() as u64) as usize;
        a.read_exact(&mut one[..size])?;
        b.read_exact(&mut other[..size])?;
        if one[..size] != other[..size] {
            return Ok(false);
        }
        left -= size as u64;
    }
    Ok(true)
}

fn own_binary() -> Result<File> {
    File::open("/proc/self/exe").context(|| "cannot read rcon's own binary")
}

fn make(images: &Images) -> Result<Image> {
    let binary = own_binary()?;
    let size = binary
        .metadata()
        .context(|| "cannot read rcon's own binary")?
        .len();
    let stage = images.stage()?;
    let writer = layer(stage.fresh_blob(LAYER)?, binary, size)?;
    let layer = writer.finish()?;
    let config = config(&layer.digest);
    let blob = stage.bytes(OCI_CONFIG, &config.to_bytes()?)?;
    let document = stage.bytes(OCI_MANIFEST, &document(&blob, &layer)?)?;
    let manifest = Manifest {
        config: blob,
        layers: vec![layer],
    };
    stage.layers(&manifest, &config)?;
    let name = Reference::parse(NAME)?;
    stage.commit(&[name], &document, &document.digest)
}

/// Writes the layer: the same bytes for the same binary.
fn layer<W: Write>(out: W, binary: impl Read, size: u64) -> Result<W> {
    let mut archive = Writer::new(out);
    for (path, mode) in [
        ("dev/", 0o755),
        ("etc/", 0o755),
        ("proc/", 0o555),
        ("root/", 0o700),
        ("sys/", 0o555),
        ("tmp/", 0o1777),
    ] {
        archive.bare(&entry(path, Kind::Directory, mode, 0))?;
    }
    for (path, text) in [("etc/group", GROUP), ("etc/passwd", PASSWD)] {
        let entry = entry(path, Kind::File, 0o644, text.len() as u64);
        archive.file(&entry, text.as_bytes())?;
    }
    archive.file(&entry(PROGRAM, Kind::File, 0o755, size), binary)?;
    archive.finish()
}

fn entry(path: &str, kind: Kind, mode: u32, size: u64) -> Entry {
    Entry {
        path: path.into(),
        kind,
        link: Vec::new(),
        mode,
        uid: 0,
        gid: 0,
        size,
        mtime: Time::default(),
        xattrs: Vec::new(),
    }
}

/// How it is run. It has no date: one would differ from build to build.
fn config(diff_id: &Digest) -> ImageConfig {
    let host = Platform::host();
    let version = env!("CARGO_PKG_VERSION");
    let labels = [
        ("org.opencontainers.image.title", "hello"),
        (
            "org.opencontainers.image.description",
            "Tells what a container sees from inside; --serve shows it on port 8000",
        ),
        ("org.opencontainers.image.version", version),
        (MARK, "hello"),
    ];
    let port = crate::hello::PORT;
    ImageConfig {
        architecture: host.architecture,
        variant: host.variant,
        os: host.os,
        config: Execution {
            entrypoint: vec![format!("/{PROGRAM}")],
            exposed_ports: [(format!("{port}/tcp"), serde_json::json!({}))]
                .into_iter()
                .collect(),
            labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            ..Execution::default()
        },
        rootfs: RootFs {
            diff_ids: vec![diff_id.clone()],
            ..RootFs::default()
        },
        history: vec![History {
            created_by: format!("rcon {version}: its own binary as /{PROGRAM}"),
            ..History::default()
        }],
        ..ImageConfig::default()
    }
}

/// The manifest.
fn document(config: &Descriptor, layer: &Descriptor) -> Result<Vec<u8>> {
    let document = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config,
        "layers": [layer],
    });
    serde_json::to_vec(&document).map_err(|e| Error::internal(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::manifest::{Content, Document};
    use super::*;
    use crate::archive::Reader;

    #[test]
    fn only_the_short_name_means_it() {
        for name in ["hello", "hello:latest"] {
            assert!(is_meant(name), "{name}");
        }
        for name in [
            "docker.io/library/hello",
            "docker.io/hello",
            "hello:1",
            "me/hello",
            "hello@sha256:x",
            "Hello",
        ] {
            assert!(!is_meant(name), "{name}");
        }
    }

    #[test]
    fn the_layer_is_the_same_for_the_same_binary_and_holds_what_it_must() {
        let one = layer(Vec::new(), &b"ELF"[..], 3).unwrap();
        assert_eq!(one, layer(Vec::new(), &b"ELF"[..], 3).unwrap());
        assert_ne!(one, layer(Vec::new(), &b"elf"[..], 3).unwrap());
        let mut reader = Reader::new(&one[..]);
        let mut found = Vec::new();
        while let Some(entry) = reader.next().unwrap() {
            assert_eq!((entry.uid, entry.gid, entry.mtime.seconds), (0, 0, 0));
            found.push((String::from_utf8(entry.path).unwrap(), entry.mode & 0o7777));
        }
        for (path, mode) in [("hello", 0o755), ("tmp/", 0o1777), ("etc/passwd", 0o644)] {
            let has = |(p, m): &(String, u32)| {
                p.trim_end_matches('/') == path.trim_end_matches('/') && *m == mode
            };
            assert!(found.iter().any(has), "{path}: {found:?}");
        }
    }

    #[test]
    fn its_documents_are_understood() {
        let digest = Digest::of(b"layer");
        let config = config(&digest);
        let again = ImageConfig::parse(&config.to_bytes().unwrap()).unwrap();
        assert_eq!(again, config);
        let defaults = config.defaults();
        assert_eq!(defaults.entrypoint, ["/hello"]);
        assert_eq!(defaults.exposed_ports, ["8000/tcp"]);
        let bytes = config.to_bytes().unwrap();
        let blob = Descriptor::new(OCI_CONFIG, bytes.len() as u64, Digest::of(&bytes));
        let layer = Descriptor::new(LAYER, 5, digest);
        let document = Document::read(document(&blob, &layer).unwrap(), None).unwrap();
        let Content::Manifest(manifest) = document.content().unwrap() else {
            panic!("not a manifest");
        };
        assert_eq!((manifest.config, manifest.layers), (blob, vec![layer]));
    }
}
