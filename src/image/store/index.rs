//! `index.json`: the only list of names.
//!
//! Each entry is a descriptor of an image's outermost document, with its name
//! and the manifest that was chosen within as annotations. Other tools write
//! here, too: what they wrote is understood where it can be, and kept as it
//! is.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Name;
use crate::error::{Error, Result};
use crate::image::manifest::{Descriptor, OCI_INDEX};
use crate::image::reference::{Digest, Reference};
use crate::store::files;

/// The file's name.
pub(super) const FILE: &str = "index.json";
/// What an image is called.
const NAME: &str = "org.opencontainers.image.ref.name";
/// The sum of the manifest that was chosen in an index.
const MANIFEST: &str = "dev.rcon.manifest";

/// The file, to the last field.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Index {
    top: Map<String, Value>,
    entries: Vec<Value>,
}

/// One of its entries, understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    /// The outermost document.
    pub target: Descriptor,
    /// What it is called.
    pub name: Option<Name>,
    /// The manifest that was chosen; another tool says nothing.
    pub manifest: Option<Digest>,
}

impl Index {
    /// Reads the file; where there is none, there are no images.
    pub(super) fn load(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        match path.symlink_metadata() {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Self::empty()),
            _ => {}
        }
        let bytes = files::read(&path)?;
        let text = String::from_utf8_lossy(&bytes);
        Self::parse(&text).map_err(|e| e.context(path.display()))
    }

    fn empty() -> Self {
        let mut top = Map::new();
        top.insert("schemaVersion".to_owned(), json!(2));
        top.insert("mediaType".to_owned(), json!(OCI_INDEX));
        let entries = Vec::new();
        Self { top, entries }
    }

    fn parse(text: &str) -> Result<Self> {
        let bad = |why: &str| {
            Error::environment(format!("not an index of images: {why}"))
                .hint("it was written by something else; nothing is changed in it")
        };
        let mut top: Map<String, Value> =
            serde_json::from_str(text).map_err(|e| bad(&e.to_string()))?;
        if top.get("schemaVersion") != Some(&json!(2)) {
            return Err(bad("its schemaVersion is not 2"));
        }
        match top.remove("manifests") {
            None | Some(Value::Null) => Ok(Self {
                top,
                entries: Vec::new(),
            }),
            Some(Value::Array(entries)) => Ok(Self { top, entries }),
            Some(_) => Err(bad("its manifests are not a list")),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut all = self.top.clone();
        all.insert("manifests".to_owned(), Value::Array(self.entries.clone()));
        serde_json::to_vec_pretty(&all).unwrap_or_default()
    }

    /// What can be understood; the rest is kept all the same.
    pub(super) fn records(&self) -> Vec<Record> {
        self.entries.iter().filter_map(record).collect()
    }

    /// How many entries make no sense.
    pub(super) fn strangers(&self) -> usize {
        self.entries.iter().filter(|e| record(e).is_none()).count()
    }

    /// Gives the image a name. An image that had it before goes without.
    pub(super) fn name(&mut self, target: &Descriptor, manifest: &Digest, name: &Reference) {
        let name = Name::Full(name.clone());
        let has = |r: &Record| r.name.as_ref() == Some(&name);
        let already = |r: &Record| has(r) && is(r, target, manifest);
        if self.records().iter().any(already) {
            return;
        }
        self.unname(&name);
        self.entries
            .retain(|e| !record(e).is_some_and(|r| r.name.is_none() && is(&r, target, manifest)));
        self.entries.push(entry(target, manifest, Some(&name)));
    }

    /// Keeps an image that nobody names.
    pub(super) fn keep(&mut self, target: &Descriptor, manifest: &Digest) {
        if !self.has(target, manifest) {
            self.entries.push(entry(target, manifest, None));
        }
    }

    /// Whether there is an entry for this image, with or without a name.
    pub(super) fn has(&self, target: &Descriptor, manifest: &Digest) -> bool {
        self.records().iter().any(|r| is(r, target, manifest))
    }

    /// What this image is called.
    pub(super) fn names(&self, target: &Descriptor, manifest: &Digest) -> Vec<Name> {
        let of_it = self.records().into_iter();
        let of_it = of_it.filter(|r| is(r, target, manifest));
        of_it.filter_map(|r| r.name).collect()
    }

    /// Takes a name away; the image stays, if need be without any.
    pub(super) fn unname(&mut self, name: &Name) {
        let records: Vec<Option<Record>> = self.entries.iter().map(record).collect();
        let at = records
            .iter()
            .position(|r| r.as_ref().is_some_and(|r| r.name.as_ref() == Some(name)));
        let Some(at) = at else { return };
        let Some(old) = &records[at] else { return };
        let same = |r: &Option<Record>| {
            r.as_ref()
                .is_some_and(|r| r.target.digest == old.target.digest && r.manifest == old.manifest)
        };
        let others = records.iter().enumerate().any(|(i, r)| i != at && same(r));
        if others {
            self.entries.remove(at);
        } else if let Some(Value::Object(notes)) = self.entries[at].get_mut("annotations") {
            notes.remove(NAME);
        }
    }

    /// Forgets an image with all its names.
    pub(super) fn forget(&mut self, target: &Digest, manifest: &Digest) {
        self.entries.retain(|e| {
            !record(e).is_some_and(|r| {
                r.target.digest == *target && r.manifest.as_ref().is_none_or(|m| m == manifest)
            })
        });
    }
}

/// Whether an entry is about this image. One by another tool chooses no
/// manifest, and is about every one.
fn is(record: &Record, target: &Descriptor, manifest: &Digest) -> bool {
    record.target.digest == target.digest && record.manifest.as_ref().is_none_or(|m| m == manifest)
}

fn record(entry: &Value) -> Option<Record> {
    let target: Descriptor = serde_json::from_value(entry.clone()).ok()?;
    let note = |key: &str| target.annotations.get(key).filter(|v| !v.is_empty());
    let manifest = match note(MANIFEST) {
        Some(text) => Some(Digest::parse(text).ok()?),
        None => None,
    };
    let name = note(NAME).map(String::as_str).map(Name::read);
    Some(Record {
        target,
        name,
        manifest,
    })
}

fn entry(target: &Descriptor, manifest: &Digest, name: Option<&Name>) -> Value {
    let mut target = target.clone();
    let notes = &mut target.annotations;
    notes.insert(MANIFEST.to_owned(), manifest.to_string());
    match name {
        Some(name) => notes.insert(NAME.to_owned(), name.stored()),
        None => notes.remove(NAME),
    };
    serde_json::to_value(target).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::manifest::OCI_MANIFEST;

    fn target(text: &str) -> Descriptor {
        Descriptor::new(OCI_MANIFEST, 1, Digest::of(text.as_bytes()))
    }

    fn reference(text: &str) -> Reference {
        Reference::parse(text).unwrap()
    }

    fn names(index: &Index) -> Vec<(String, Option<String>)> {
        let shown = |r: Record| {
            (
                r.target.digest.short().to_owned(),
                r.name.map(|n| n.stored()),
            )
        };
        index.records().into_iter().map(shown).collect()
    }

    #[test]
    fn a_name_has_one_image_and_the_old_one_stays_without() {
        let mut index = Index::empty();
        let (a, b) = (target("a"), target("b"));
        index.name(&a, &a.digest, &reference("x:1"));
        index.name(&a, &a.digest, &reference("x:2"));
        index.name(&b, &b.digest, &reference("x:1"));
        let (a_is, b_is) = (a.digest.short().to_owned(), b.digest.short().to_owned());
        let full = |tag: &str| Some(format!("docker.io/library/x:{tag}"));
        assert_eq!(
            names(&index),
            [(a_is.clone(), full("2")), (b_is.clone(), full("1"))]
        );
        index.name(&b, &b.digest, &reference("x:2"));
        assert_eq!(
            names(&index),
            [
                (a_is.clone(), None),
                (b_is.clone(), full("1")),
                (b_is, full("2"))
            ]
        );
        // A name for one without: no second entry beside it.
        index.name(&a, &a.digest, &reference("y"));
        assert_eq!(names(&index).len(), 3);
        index.forget(&b.digest, &b.digest);
        assert_eq!(
            names(&index),
            [(a_is, Some("docker.io/library/y".to_owned()))]
        );
    }

    #[test]
    fn what_others_wrote_is_understood_and_kept() {
        let digest = Digest::of(b"x").to_string();
        let text = json!({"schemaVersion": 2, "odd": [1], "manifests": [
            {"mediaType": OCI_MANIFEST, "size": 3, "digest": digest, "further": true,
             "annotations": {"org.opencontainers.image.ref.name": "latest", "x": "y"}},
            {"nonsense": 1},
        ]});
        let mut index = Index::parse(&text.to_string()).unwrap();
        let records = index.records();
        assert_eq!(records[0].name, Some(Name::Plain("latest".to_owned())));
        assert_eq!(index.strangers(), 1);
        let t = target("x");
        index.name(&t, &t.digest, &reference("x:1"));
        let again: Value = serde_json::from_slice(&index.to_bytes()).unwrap();
        assert_eq!(again["odd"], json!([1]));
        assert_eq!(again["manifests"][0], text["manifests"][0]);
        assert_eq!(again["manifests"][1], text["manifests"][1]);
        assert_eq!(again["manifests"].as_array().unwrap().len(), 3);
        index.unname(&Name::Plain("latest".to_owned()));
        let again: Value = serde_json::from_slice(&index.to_bytes()).unwrap();
        assert_eq!(again["manifests"][0]["annotations"], json!({"x": "y"}));
        assert_eq!(again["manifests"][0]["further"], true);
    }

    #[test]
    fn what_is_no_index_is_refused() {
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"schemaVersion":1}"#,
            r#"{"schemaVersion":2,"manifests":3}"#,
        ] {
            assert!(Index::parse(bad).is_err(), "{bad}");
        }
    }
}
