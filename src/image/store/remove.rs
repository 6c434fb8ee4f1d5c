//! Taking images away, by Docker's rules: a name first, and the image with its
//! last name; never what a container uses.

use std::collections::HashSet;

use super::change::{Candidates, Change, Collected};
use super::used::Used;
use super::{Image, Images, Name};
use crate::error::{Error, Result};
use crate::image::reference::{Digest, Reference};

/// What was taken away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removed {
    /// Names that no image has any more.
    pub untagged: Vec<String>,
    /// Ids of images that are gone.
    pub images: Vec<Digest>,
    /// Sums of documents that are gone, while the image is still here by
    /// another one.
    pub documents: Vec<Digest>,
    /// Sums of layers that are gone.
    pub layers: Vec<String>,
    /// Bytes that are free again.
    pub bytes: u64,
}

/// A container that was made from an image.
struct User {
    id: String,
    up: bool,
}

impl Images {
    /// Takes a name away, or an image. With `force` also what containers that
    /// are not up were made from; their layers stay as long as they do.
    pub fn remove(&self, wanted: &str, force: bool) -> Result<Removed> {
        if !self.store().is_there() {
            // A store is not made only to find nothing in it.
            self.find_all(wanted)?;
        }
        let mut change = Change::begin(self)?;
        let all = match self.find_all(wanted) {
            Ok(all) => all,
            Err(e) => return self.forget(change, wanted).unwrap_or(Err(e)),
        };
        let names: Vec<Name> = all.iter().flat_map(|i| i.names.iter().cloned()).collect();
        match meant(&all[0], wanted) {
            Some(name) if names.len() > 1 => self.untag(change, &all, &name),
            Some(name) => {
                let users = self.users(&all[0])?;
                if let Some(user) = users.first().filter(|_| !force) {
                    return Err(in_use_by_name(wanted, user, &all[0]));
                }
                if users.iter().any(|u| u.up) {
                    return self.untag(change, &all, &name);
                }
                self.delete(&mut change, &all)
            }
            None => {
                check(&all[0], &names, &self.users(&all[0])?, force)?;
                self.delete(&mut change, &all)
            }
        }
    }

    /// Takes away all images that `chosen` says, if no container was made
    /// from them, and whatever else no image needs.
    pub fn prune(&self, chosen: &dyn Fn(&Image) -> bool) -> Result<Removed> {
        if !self.dir().exists() {
            return Ok(Removed::default());
        }
        let mut change = Change::begin(self)?;
        let (mut doomed, mut staying) = (Vec::new(), HashSet::new());
        for image in self.list()? {
            if chosen(&image) && self.users(&image)?.is_empty() {
                doomed.push(image);
            } else {
                staying.insert(image.config_digest);
            }
        }
        let mut removed = self.delete(&mut change, &doomed)?;
        let (other, gone): (Vec<Digest>, _) = removed
            .images
            .into_iter()
            .partition(|id| staying.contains(id));
        removed.images = gone;
        let of_them = |image: &&Image| other.contains(image.id());
        let documents = doomed.iter().filter(of_them);
        removed.documents = documents.map(|i| i.target.digest.clone()).collect();
        let unused = self.unused(&change)?;
        change.announce(&unused)?;
        let more = change.collect(&unused)?;
        removed.bytes += more.bytes;
        removed.layers.extend(more.layers.iter().map(|l| sum(l)));
        change.end();
        Ok(removed)
    }

    /// An entry whose image cannot be read any more has a name all the same.
    fn forget(&self, mut change: Change, wanted: &str) -> Option<Result<Removed>> {
        let full = Reference::parse(wanted)
            .ok()
            .map(|r| Name::Full(r.or_latest()));
        let plain = Name::Plain(wanted.to_owned());
        let mut records = change.index.records().into_iter();
        let record = records.find(|r| {
            r.target.digest.to_string() == wanted
                || r.name == full
                || r.name.as_ref() == Some(&plain)
        })?;
        let digest = &record.target.digest;
        let manifest = record.manifest.as_ref().unwrap_or(digest);
        let candidates = match Used::by(self, digest) {
            Ok(candidates) => candidates,
            Err(e) => return Some(Err(e)),
        };
        change.index.forget(digest, manifest);
        let mut done = || {
            change.announce(&candidates)?;
            change.write()?;
            let done = change.collect(&candidates)?;
            change.forget_journal();
            Ok(Removed {
                untagged: record.name.iter().map(Name::to_string).collect(),
                bytes: done.bytes,
                ..Removed::default()
            })
        };
        Some(done())
    }

    fn untag(&self, mut change: Change, all: &[Image], name: &Name) -> Result<Removed> {
        let holder = all.iter().find(|i| i.names.contains(name));
        let alone = holder.filter(|h| h.names.len() == 1);
        let candidates = alone
            .map(|h| Used::by(self, &h.target.digest))
            .transpose()?;
        change.announce(&candidates.clone().unwrap_or_default())?;
        change.index.unname(name);
        // Another document of the same image still has a name.
        if let Some(holder) = alone
            && all.iter().any(|i| i != holder && !i.names.is_empty())
        {
            change
                .index
                .forget(&holder.target.digest, &holder.manifest_digest);
        }
        change.write()?;
        let done = change.collect(&candidates.unwrap_or_default())?;
        change.end();
        Ok(Removed {
            untagged: vec![name.to_string()],
            bytes: done.bytes,
            ..Removed::default()
        })
    }

    fn delete(&self, change: &mut Change, doomed: &[Image]) -> Result<Removed> {
        let mut candidates = Candidates::default();
        let mut removed = Removed::default();
        for image in doomed {
            let own = Used::by(self, &image.target.digest)?;
            candidates.blobs.extend(own.blobs);
            candidates.layers.extend(own.layers);
            removed
                .untagged
                .extend(image.names.iter().map(Name::to_string));
            removed
                .untagged
                .extend(image.digests().iter().map(Reference::familiar));
            change
                .index
                .forget(&image.target.digest, &image.manifest_digest);
            if !removed.images.contains(&image.config_digest) {
                removed.images.push(image.config_digest.clone());
            }
        }
        if doomed.is_empty() {
            return Ok(removed);
        }
        change.announce(&candidates)?;
        change.write()?;
        let Collected { layers, bytes, .. } = change.collect(&candidates)?;
        change.forget_journal();
        removed.layers = layers.iter().map(|l| sum(l)).collect();
        removed.bytes = bytes;
        Ok(removed)
    }

    /// The containers that were made from an image, or have it mounted.
    fn users(&self, image: &Image) -> Result<Vec<User>> {
        let id = image.id().to_string();
        let mut users = Vec::new();
        for entry in self.store.all()? {
            let Ok(config) = entry.config() else { continue };
            if config.images().any(|image| image == id) {
                users.push(User {
                    id: entry.id().short().to_owned(),
                    up: entry.is_held(),
                });
            }
        }
        users.sort_by_key(|u| !u.up);
        Ok(users)
    }
}

/// As a digest, however the layer is named here.
fn sum(layer: &str) -> String {
    format!("sha256:{}", layer.strip_prefix("chain-").unwrap_or(layer))
}

/// The very name that was typed, if it was one.
fn meant(image: &Image, wanted: &str) -> Option<Name> {
    let full = Reference::parse(wanted)
        .ok()
        .map(|r| Name::Full(r.or_latest()));
    let plain = Name::Plain(wanted.to_owned());
    let mut names = image.names.iter();
    let found = names.find(|n| Some(*n) == full.as_ref() || **n == plain);
    found.cloned()
}

fn in_use_by_name(wanted: &str, user: &User, image: &Image) -> Error {
    let (container, id) = (&user.id, image.id().short());
    Error::user(format!(
        "conflict: unable to remove repository reference {wanted:?} (must force) - \
         container {container} is using its referenced image {id}"
    ))
    .hint(format!("`rcon rm {container}` removes that container"))
}

/// Whether an image that was named by its id may go.
fn check(image: &Image, names: &[Name], users: &[User], force: bool) -> Result<()> {
    let id = image.id().short();
    let conflict = |force: &str, why: &str| {
        Err(Error::user(format!(
            "conflict: unable to delete {id} ({force}) - {why}"
        )))
    };
    if let Some(user) = users.first() {
        let kind = if user.up { "running" } else { "stopped" };
        let why = format!("image is being used by {kind} container {}", user.id);
        if user.up {
            return conflict("cannot be forced", &why);
        }
        if !force {
            return conflict("must be forced", &why);
        }
    }
    let repository = |n: &Name| {
        n.reference()
            .map_or_else(|| n.to_string(), Reference::familiar_name)
    };
    let first = names.first().map(repository);
    if !force && names.iter().any(|n| Some(repository(n)) != first) {
        return conflict(
            "must be forced",
            "image is referenced in multiple repositories",
        );
    }
    Ok(())
}
