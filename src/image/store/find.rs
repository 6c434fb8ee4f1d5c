//! Which image somebody means.

use super::{Image, Images, Name};
use crate::error::{Error, Result};
use crate::image::reference::{Digest, Reference};

/// The shortest beginning of an id that is looked up; as for containers, one
/// digit will do.
const ID: usize = 64;

impl Images {
    /// The image that a name, a digest, an id or the beginning of one means.
    pub fn find(&self, wanted: &str) -> Result<Image> {
        self.find_all(wanted).map(|mut found| found.swap_remove(0))
    }

    /// All entries of the image that is meant: the same one may have come
    /// here in several documents. The one that was named is the first.
    pub fn find_all(&self, wanted: &str) -> Result<Vec<Image>> {
        let all = self.list()?;
        let mut found = by_name(&all, wanted);
        if found.is_empty() {
            found = by_id(&all, wanted)?;
        }
        let Some(first) = found.first().map(|i| (*i).clone()) else {
            return Err(unknown(wanted));
        };
        let others = all.into_iter().filter(|i| i.is_same(&first) && *i != first);
        Ok(std::iter::once(first.clone()).chain(others).collect())
    }
}

pub(super) fn unknown(wanted: &str) -> Error {
    let short: String = wanted.chars().take(80).collect();
    Error::user(format!("No such image: {short}")).hint("`rcon images` lists all there are")
}

fn by_name<'a>(all: &'a [Image], wanted: &str) -> Vec<&'a Image> {
    let plain = |i: &&Image| i.names.contains(&Name::Plain(wanted.to_owned()));
    let Ok(reference) = Reference::parse(wanted) else {
        return all.iter().filter(plain).collect();
    };
    let reference = reference.or_latest();
    let named = |i: &&Image| match reference.digest() {
        Some(digest) => {
            let is = i.target.digest == *digest || i.manifest_digest == *digest;
            let of = |n: &Name| {
                n.reference()
                    .is_some_and(|r| r.repository() == reference.repository())
            };
            is && i.names.iter().any(of)
        }
        None => i.names.iter().any(|n| n.reference() == Some(&reference)),
    };
    let mut found: Vec<&Image> = all.iter().filter(named).collect();
    if found.is_empty() {
        found = all.iter().filter(plain).collect();
    }
    found
}

/// By the configuration's sum, its beginning, or a document's whole sum.
fn by_id<'a>(all: &'a [Image], wanted: &str) -> Result<Vec<&'a Image>> {
    if let Ok(digest) = Digest::parse(wanted) {
        let has = |i: &&Image| {
            [&i.config_digest, &i.target.digest, &i.manifest_digest].contains(&&digest)
        };
        return Ok(all.iter().filter(has).collect());
    }
    let digits = wanted.strip_prefix("sha256:").unwrap_or(wanted);
    let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if digits.is_empty() || digits.len() > ID || !digits.bytes().all(hex) {
        return Ok(Vec::new());
    }
    let found: Vec<&Image> = all
        .iter()
        .filter(|i| i.config_digest.hex().starts_with(digits))
        .collect();
    let differ = |i: &&Image| !i.is_same(found[0]);
    if found.iter().any(differ) {
        return Err(
            Error::user(format!("several images' ids begin with {wanted}"))
                .hint("give more digits"),
        );
    }
    Ok(found)
}
