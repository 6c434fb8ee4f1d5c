//! What images are called: `busybox`, `host:5000/team/app:1.2@sha256:…`.
//!
//! The grammar is that of Docker's registries, and so are the short names: one
//! without a host means Docker Hub. Nothing here asks whether such an image
//! exists.

mod digest;
mod grammar;
#[cfg(test)]
mod tests;

pub use digest::{Algorithm, Digest, Hasher};

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The registry that names without a host mean.
pub const DOCKER_HUB: &str = "docker.io";

/// Where Docker Hub's images of one word live.
const LIBRARY: &str = "library/";

/// The longest name of a repository, its host not counted.
const LONGEST: usize = 255;

/// The name of an image, complete with its registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Reads a name as a person types it.
    pub fn parse(text: &str) -> Result<Self> {
        parse(text).map_err(|why| {
            Error::user(format!("invalid image name {text:?}: {why}"))
                .hint("a name is like busybox, debian:12 or host:5000/team/app@sha256:…")
        })
    }

    /// The registry's host, perhaps with a port: `docker.io`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The host that is spoken to for it.
    pub fn host(&self) -> &str {
        api_host(&self.domain)
    }

    /// The repository within its registry: `library/busybox`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, if one was named.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was named.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What the registry is asked for: the digest before the tag, which may
    /// have moved on; `latest` where nothing was said.
    pub fn identifier(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }

    /// The same with the tag `latest`, if it has neither tag nor digest.
    #[must_use]
    pub fn or_latest(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".to_owned());
        }
        self
    }

    /// The same repository under another tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self> {
        if !grammar::is_tag(tag) {
            return Err(Error::user(format!("invalid tag {tag:?}"))
                .hint("letters, digits, _ . and -, at most 128, not beginning with . or -"));
        }
        Ok(Self {
            tag: Some(tag.to_owned()),
            digest: None,
            ..self.clone()
        })
    }

    /// The same repository by what is in the image.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self {
            tag: None,
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// The repository alone, without tag and digest.
    #[must_use]
    pub fn repository(&self) -> Self {
        Self {
            tag: None,
            digest: None,
            ..self.clone()
        }
    }

    /// With everything spelled out: `docker.io/library/busybox:latest`.
    pub fn full(&self) -> String {
        self.with_name(format!("{}/{}", self.domain, self.path))
    }

    /// As people write it: `busybox:latest`.
    pub fn familiar(&self) -> String {
        self.with_name(self.familiar_name())
    }

    /// The repository as people write it: `busybox`. What would be read as
    /// something else keeps its registry.
    pub fn familiar_name(&self) -> String {
        let short = match self.path.strip_prefix(LIBRARY) {
            // library/a/b must keep its prefix, or it would be read as a/b.
            Some(short) if !short.contains('/') => short,
            _ => self.path.as_str(),
        };
        // On Docker Hub somebody can be called a.b, which looks like a host.
        let host = short
            .split_once('/')
            .is_some_and(|(first, _)| looks_like_host(first));
        if self.domain != DOCKER_HUB || host || is_image_id(short) {
            return format!("{}/{}", self.domain, self.path);
        }
        short.to_owned()
    }

    fn with_name(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name.push(':');
            name.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            name.push('@');
            name.push_str(&digest.to_string());
        }
        name
    }
}

/// Docker Hub is spoken to at another name than the one in references.
pub fn api_host(domain: &str) -> &str {
    match domain {
        DOCKER_HUB | "index.docker.io" => "registry-1.docker.io",
        other => other,
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.familiar())
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

type Parsed<T> = std::result::Result<T, String>;

fn parse(text: &str) -> Parsed<Reference> {
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if is_image_id(text) {
        return Err("64 hexadecimal digits are an image's id".into());
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (
            rest,
            Some(Digest::parse(digest).map_err(|e| e.what().to_owned())?),
        ),
        None => (text, None),
    };
    let (name, tag) = split_tag(rest);
    if let Some(tag) = tag.filter(|tag| !grammar::is_tag(tag)) {
        return Err(format!("{tag:?} cannot be a tag"));
    }
    let (domain, path) = split_domain(name);
    check_name(&domain, &path)?;
    Ok(Reference {
        domain,
        path,
        tag: tag.map(str::to_owned),
        digest,
    })
}

/// A tag follows the last colon, unless that is the port of a host.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (text, None),
    }
}

/// The first part is a host if it looks like one; else all of it is a path on
/// Docker Hub.
fn split_domain(name: &str) -> (String, String) {
    let (domain, path) = match name.split_once('/') {
        Some((first, rest)) if looks_like_host(first) => (first, rest),
        _ => (DOCKER_HUB, name),
    };
    if domain != DOCKER_HUB && domain != "index.docker.io" {
        return (domain.to_owned(), path.to_owned());
    }
    let prefix = if path.contains('/') { "" } else { LIBRARY };
    (DOCKER_HUB.to_owned(), format!("{prefix}{path}"))
}

/// A repository has no capitals, dots or colons in its first part, so what
/// has them is a host.
fn looks_like_host(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':'])
        || first.bytes().any(|b| b.is_ascii_uppercase())
}

fn check_name(domain: &str, path: &str) -> Parsed<()> {
    if !grammar::is_domain(domain) {
        return Err(format!("{domain:?} cannot be a host"));
    }
    if path.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} characters"));
    }
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("the repository must be in lower case".into());
    }
    if !path.split('/').all(grammar::is_component) {
        return Err(format!("{path:?} cannot be a repository"));
    }
    Ok(())
}

fn is_image_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(grammar::is_lower_hex)
}
