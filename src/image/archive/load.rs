//! Reads an archive of images.
//!
//! What lies where in it is known only at its end, so every file goes into
//! the stage as it comes, under its sum; what no image turns out to need is
//! gone with the stage.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};

use super::{docker, oci};
use crate::archive::{Entry, Kind, Reader};
use crate::error::{Error, Result};
use crate::image::manifest::{Content, Descriptor, Document, LARGEST_CONFIG, Manifest};
use crate::image::opened;
use crate::image::packing::is_bomb;
use crate::image::platform::Platform;
use crate::image::reference::{Digest, Reference};
use crate::image::{Image, ImageConfig, Images, Stage};
use crate::say;

/// Files in an archive; images have a few per layer.
const MOST_FILES: usize = 100_000;
/// Bytes that are taken at once.
const BUFFER: usize = 256 << 10;
/// Links that lead to links.
const DEEPEST: usize = 8;

/// An image that has come.
#[derive(Debug)]
pub struct Loaded {
    /// As it is here now.
    pub image: Image,
    /// The names that the archive gave it.
    pub names: Vec<Reference>,
}

/// Takes all images of an archive, or those for one kind of machine.
pub fn load(images: &Images, input: impl Read, wanted: Option<&Platform>) -> Result<Vec<Loaded>> {
    let stage = images.stage()?;
    let spool = Spool::fill(&stage, input)?;
    let found = if spool.has(oci::INDEX) {
        oci::images(&spool, wanted)?
    } else if spool.has(docker::MANIFEST) {
        docker::images(&spool)?
    } else {
        return Err(Error::user("the archive holds no images")
            .hint("a root file system becomes an image with `rcon import`"));
    };
    let fits = |f: &&Found| wanted.is_none_or(|w| w.fit(&f.config.platform()).is_some());
    let chosen: Vec<&Found> = found.iter().filter(fits).collect();
    if let (Some(wanted), true) = (wanted, chosen.is_empty()) {
        return Err(Error::user(format!(
            "the archive has no image for {wanted}"
        )));
    }
    chosen.into_iter().map(|f| keep(&stage, f)).collect()
}

fn keep(stage: &Stage, found: &Found) -> Result<Loaded> {
    stage.layers(&found.manifest, &found.config)?;
    let image = stage.commit(&found.names, &found.target, &found.digest)?;
    Ok(Loaded {
        image,
        names: found.names.clone(),
    })
}

/// An image in the archive, all of whose parts are in the stage.
pub(super) struct Found {
    /// The outermost document.
    pub(super) target: Descriptor,
    /// The manifest within.
    pub(super) digest: Digest,
    pub(super) manifest: Manifest,
    pub(super) config: ImageConfig,
    pub(super) names: Vec<Reference>,
}

impl Found {
    /// The image of a manifest, if nothing of it is missing.
    pub(super) fn new(
        spool: &Spool<'_>,
        target: Descriptor,
        document: &Document,
        names: Vec<Reference>,
    ) -> Result<Self> {
        let Content::Manifest(manifest) = document.content()? else {
            return Err(Error::environment("an index where a manifest should be"));
        };
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            if !spool.stage.has(&blob.digest)? {
                return Err(
                    Error::user(format!("the archive lacks the blob {}", blob.digest))
                        .hint("it is incomplete: make it again, or pull the image"),
                );
            }
        }
        spool.stage.check_lengths(&manifest)?;
        let config = spool.stage.small(&manifest.config.digest, LARGEST_CONFIG)?;
        let own = [&target.digest, &document.digest];
        let names = names.into_iter().filter_map(|name| honest(name, own));
        Ok(Self {
            names: names.collect(),
            digest: document.digest.clone(),
            config: ImageConfig::parse(&config)?,
            target,
            manifest,
        })
    }
}

/// A name as the image may have it. One with a digest is a claim about what is
/// in the image, and only the image can prove it.
fn honest(name: Reference, own: [&Digest; 2]) -> Option<Reference> {
    let Some(digest) = name.digest() else {
        return Some(name);
    };
    if own.contains(&digest) {
        return Some(name.with_digest(digest.clone()));
    }
    say::warning(format_args!(
        "the archive calls an image {name}, which it is not: its digest is {}",
        own[0]
    ));
    None
}

enum Item {
    File(Descriptor),
    Link(String),
}

/// The files of an archive, in a stage.
pub(super) struct Spool<'a> {
    pub(super) stage: &'a Stage,
    items: BTreeMap<String, Item>,
}

impl<'a> Spool<'a> {
    fn fill(stage: &'a Stage, input: impl Read) -> Result<Self> {
        let plain = opened(BufReader::with_capacity(BUFFER, input))?;
        let mut reader = Reader::new(BufReader::with_capacity(BUFFER, plain));
        let mut items = BTreeMap::new();
        while let Some(entry) = reader.next().map_err(|e| e.context(unreadable()))? {
            let Some(path) = normal(&entry.path) else {
                continue;
            };
            if items.len() == MOST_FILES {
                return Err(Error::user(format!(
                    "the archive has more than {MOST_FILES} files"
                )));
            }
            let item = match entry.kind {
                Kind::File => {
                    let mut blob = stage.fresh_blob("")?;
                    copy(&mut reader, &entry, stage, &mut blob)
                        .map_err(|e| e.context(format!("reading {path:?}")))?;
                    Item::File(blob.finish()?)
                }
                // From the top of the archive on.
                Kind::HardLink => match normal(&entry.link) {
                    Some(to) => Item::Link(to),
                    None => continue,
                },
                Kind::Symlink => match beside(&path, &entry.link) {
                    Some(to) => Item::Link(to),
                    None => continue,
                },
                _ => continue,
            };
            items.insert(path, item);
        }
        Ok(Self { stage, items })
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.file(path).is_ok()
    }

    /// The file of a name, links followed.
    pub(super) fn file(&self, path: &str) -> Result<&Descriptor> {
        let missing = || {
            Error::user(format!("the archive lacks {path:?}"))
                .hint("it is incomplete: make it again, or pull the image")
        };
        let mut at = normal(path.as_bytes()).ok_or_else(missing)?;
        for _ in 0..DEEPEST {
            match self.items.get(&at) {
                Some(Item::File(blob)) => return Ok(blob),
                Some(Item::Link(to)) => at.clone_from(to),
                None => break,
            }
        }
        Err(missing())
    }

    /// A small file in memory.
    pub(super) fn small(&self, path: &str, limit: u64) -> Result<Vec<u8>> {
        let blob = self.file(path)?;
        if blob.size > limit {
            return Err(Error::user(format!("{path:?} in the archive is too large")));
        }
        self.stage.small(&blob.digest, limit)
    }
}

/// Copies a file's data; where it has holes, zeros. A hole costs its maker
/// nothing and is written out here, so it may not be beyond measure.
fn copy<R: Read>(
    reader: &mut Reader<R>,
    entry: &Entry,
    stage: &Stage,
    out: &mut impl Write,
) -> Result<()> {
    stage.check_room(entry.size)?;
    let mut buffer = vec![0; BUFFER];
    let (mut at, mut stored) = (0, 0);
    let fill = |out: &mut dyn Write, from: u64, to: u64, stored: u64| {
        if is_bomb(stored, to) {
            return Err(Error::user("its holes are larger than any honest file's"));
        }
        Ok(io::copy(&mut io::repeat(0).take(to - from), out).map(drop)?)
    };
    while let Some((start, length)) = reader.data(&mut buffer)? {
        stored += length as u64;
        fill(out, at, start.max(at), stored)?;
        out.write_all(&buffer[..length])?;
        at = start + length as u64;
    }
    fill(out, at, entry.size.max(at), stored)
}

fn unreadable() -> String {
    "cannot read the archive".to_owned()
}

/// A name in the archive, from its top on. Names that lead out of it, or are
/// no text, are nobody's.
fn normal(path: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(path).ok()?;
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// What a link beside `path` leads to.
fn beside(path: &str, link: &[u8]) -> Option<String> {
    let link = std::str::from_utf8(link).ok()?;
    if link.starts_with('/') {
        return None;
    }
    let above = path.rsplit_once('/').map_or("", |(above, _)| above);
    normal(format!("{above}/{link}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_but_into_the_archive() {
        for (path, want) in [
            ("./a/b", Some("a/b")),
            ("a//b/", Some("a/b")),
            ("a/../b", Some("b")),
            ("/etc/passwd", Some("etc/passwd")),
            ("../a", None),
            ("a/../../b", None),
            (".", None),
        ] {
            assert_eq!(normal(path.as_bytes()).as_deref(), want, "{path}");
        }
        assert_eq!(normal(b"\xff"), None);
    }

    #[test]
    fn links_are_relative_to_their_place() {
        let to = |link: &str| beside("x/layer.tar", link.as_bytes());
        assert_eq!(to("../y/layer.tar").as_deref(), Some("y/layer.tar"));
        assert_eq!(to("z").as_deref(), Some("x/z"));
        assert_eq!(to("/etc/passwd"), None);
        assert_eq!(to("../../out"), None);
    }
}
