//! Writes an archive that every tool reads: an OCI layout for those that know
//! it, and a list of Docker's beside it for the others.
//!
//! The same images make the same archive, to the byte. Whoever reads it may
//! take their time: the images are kept by a stage's claims meanwhile, and the
//! lock is free.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use serde_json::{Value, json};

use super::docker::{self, Listed};
use super::oci;
use crate::archive::{Entry, Kind, Time, Writer};
use crate::error::{Error, Result};
use crate::image::manifest::{Descriptor, Manifest, OCI_INDEX};
use crate::image::reference::{Digest, Reference};
use crate::image::{Image, Images, Name, Stage};

/// An image, and the names that it is saved under.
struct Chosen {
    manifest: Manifest,
    names: Vec<Reference>,
    /// How the index names its manifest.
    descriptor: Descriptor,
}

impl Chosen {
    /// It is the manifest that is named, also where the image came by an
    /// index: not all images of that are here.
    fn new(images: &Images, image: Image, names: Vec<Reference>) -> Result<Self> {
        let document = images.document(&image.manifest_digest)?;
        let mut descriptor = document.descriptor();
        descriptor.platform = Some(image.config.platform());
        Ok(Self {
            manifest: image.manifest,
            names,
            descriptor,
        })
    }
}

/// Saves images: one by its name under that name, all names of a repository
/// without a tag, and one by its id without a name.
pub fn save(images: &Images, wanted: &[String], out: impl Write) -> Result<()> {
    let all = images.list()?;
    let mut chosen: Vec<Chosen> = Vec::new();
    for name in wanted {
        for found in choose(images, &all, name)? {
            let known = |c: &&mut Chosen| c.descriptor.digest == found.descriptor.digest;
            match chosen.iter_mut().find(known) {
                Some(known) => known.names.extend(found.names),
                None => chosen.push(found),
            }
        }
    }
    for image in &mut chosen {
        image.names.sort();
        image.names.dedup();
    }
    write(&images.stage()?, &chosen, out)
}

/// Saves an image of which the blobs are in a stage or in the store, also
/// while it is not among the images. `target` is its manifest.
pub fn save_staged(
    stage: &Stage,
    (manifest, target): (&Manifest, &Descriptor),
    names: &[Reference],
    out: impl Write,
) -> Result<()> {
    let chosen = Chosen {
        manifest: manifest.clone(),
        names: names.to_vec(),
        descriptor: target.clone(),
    };
    write(stage, &[chosen], out)
}

/// Whether there is such an image.
pub fn check(images: &Images, wanted: &str) -> Result<()> {
    choose(images, &images.list()?, wanted).map(drop)
}

fn choose(images: &Images, all: &[Image], wanted: &str) -> Result<Vec<Chosen>> {
    let reference = Reference::parse(wanted).ok();
    let bare = reference.filter(|r| r.tag().is_none() && r.digest().is_none());
    if let Some(bare) = bare {
        let of_it = |image: &Image| {
            let names = image.names.iter().filter_map(Name::reference);
            let names = names.filter(|n| n.repository() == bare && n.tag().is_some());
            names.cloned().collect::<Vec<_>>()
        };
        let found = all.iter().map(|image| (image, of_it(image)));
        let found: Vec<Chosen> = found
            .filter(|(_, names)| !names.is_empty())
            .map(|(image, names)| Chosen::new(images, image.clone(), names))
            .collect::<Result<_>>()?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let image = images.find(wanted)?;
    let is = |n: &&Reference| Reference::parse(wanted).is_ok_and(|w| w.or_latest() == **n);
    let names = image.names.iter().filter_map(Name::reference).filter(is);
    let names = names.filter(|n| n.tag().is_some()).cloned().collect();
    Ok(vec![Chosen::new(images, image, names)?])
}

fn path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

fn write(stage: &Stage, chosen: &[Chosen], out: impl Write) -> Result<()> {
    let mut writer = Writer::new(out);
    let blobs = blobs(chosen);
    for digest in blobs.keys() {
        if !stage.has(digest)? {
            return Err(Error::environment(format!("the blob {digest} is missing"))
                .hint("if nobody has just removed the image: remove it, and fetch it again"));
        }
    }
    let algorithms: BTreeSet<&str> = blobs.keys().map(|d| d.algorithm().name()).collect();
    writer.bare(&entry("blobs/", Kind::Directory, 0))?;
    for name in algorithms {
        let dir = format!("blobs/{name}/");
        writer.bare(&entry(&dir, Kind::Directory, 0))?;
    }
    for (digest, size) in &blobs {
        let file = stage.open(digest)?;
        let there = file.metadata()?.len();
        if there != *size {
            return Err(Error::environment(format!(
                "the blob {digest} is damaged: {there} bytes instead of {size}"
            ))
            .hint("remove the image and fetch it again"));
        }
        writer.file(&entry(&path(digest), Kind::File, *size), file)?;
    }
    let index = chosen.iter().flat_map(entries).collect::<Vec<_>>();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": index,
    });
    let list: Vec<Listed> = chosen.iter().map(listed).collect();
    let layout = json!({"imageLayoutVersion": "1.0.0"});
    text(&mut writer, oci::INDEX, &index)?;
    text(&mut writer, docker::MANIFEST, &json!(list))?;
    text(&mut writer, "oci-layout", &layout)?;
    writer.finish().map(drop)
}

/// Every blob once, with its length.
fn blobs(chosen: &[Chosen]) -> BTreeMap<Digest, u64> {
    let of = |c: &Chosen| {
        let manifest = &c.manifest;
        let parts = manifest.layers.iter().chain([&manifest.config]);
        let parts: Vec<_> = parts.map(|d| (d.digest.clone(), d.size)).collect();
        let document = (c.descriptor.digest.clone(), c.descriptor.size);
        parts.into_iter().chain([document])
    };
    chosen.iter().flat_map(of).collect()
}

/// An image's entries in the index: one for each name, as Docker writes them.
fn entries(chosen: &Chosen) -> Vec<Value> {
    if chosen.names.is_empty() {
        return vec![json!(chosen.descriptor)];
    }
    let named = |name: &Reference| {
        let tag = name.tag().unwrap_or("latest").to_owned();
        let mut entry = chosen.descriptor.clone();
        entry.annotations = [
            (oci::FULL_NAME.to_owned(), name.full()),
            (oci::REF_NAME.to_owned(), tag),
        ]
        .into();
        json!(entry)
    };
    chosen.names.iter().map(named).collect()
}

fn listed(chosen: &Chosen) -> Listed {
    let manifest = &chosen.manifest;
    let names: Vec<String> = chosen.names.iter().map(Reference::familiar).collect();
    Listed {
        config: path(&manifest.config.digest),
        repo_tags: (!names.is_empty()).then_some(names),
        layers: Some(manifest.layers.iter().map(|l| path(&l.digest)).collect()),
    }
}

fn text(writer: &mut Writer<impl Write>, name: &str, value: &Value) -> Result<()> {
    let bytes = value.to_string();
    writer.file(
        &entry(name, Kind::File, bytes.len() as u64),
        bytes.as_bytes(),
    )
}

fn entry(path: &str, kind: Kind, size: u64) -> Entry {
    Entry {
        path: path.as_bytes().to_vec(),
        kind,
        link: Vec::new(),
        mode: if kind == Kind::Directory {
            0o755
        } else {
            0o644
        },
        uid: 0,
        gid: 0,
        size,
        mtime: Time::default(),
        xattrs: Vec::new(),
    }
}
