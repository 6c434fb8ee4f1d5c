//! Registries: images from and to other machines, by the OCI distribution
//! protocol.
//!
//! A [`Client`] finds an image for a platform ([`Client::resolve`]) or all tags
//! of a repository ([`Client::tags`]), fetches an image's blobs ([`Client::fetch_blob`], several at once with [`crate::parallel::each`]),
//! and pushes. It keeps nothing: where bytes go is up to whoever calls, and
//! what was fetched before an error is to be thrown away. Everything is
//! synchronous, and every thread has ended when a call returns, because the
//! caller forks afterwards.
//!
//! From the bottom up: `url`, `http` (one request), `retry`, `auth` (being let
//! in), `session` (a request with redirects and passes), `pull` and `push`.
//! Nothing from the network is believed: sums, lengths and media types are
//! checked as the bytes come in, and passwords go nowhere but where
//! `auth/realm.rs` says.

mod auth;
mod config;
mod download;
mod failure;
mod http;
mod progress;
mod pull;
mod push;
mod retry;
mod session;
mod tags;
mod url;

pub use auth::{Challenge, Credentials, Kept, challenges};
pub use config::{Config, Patience, Registry};
pub use download::download;
pub use progress::{Progress, Silent, Watch};
pub use pull::Resolved;
pub use push::Pushed;
pub use session::Source;

use std::sync::Arc;

use auth::{Auth, Purpose};
use failure::What;
use retry::{Attempts, Failed};
use session::{Call, Session, Upload};

use crate::error::{Error, Result};
use crate::image::reference::{DOCKER_HUB, Reference};

/// Speaks to registries; may be used by several threads at once.
pub struct Client {
    session: Session,
}

impl Client {
    /// One that goes by this configuration.
    pub fn new(config: Config) -> Self {
        let config = Arc::new(config);
        let auth = Auth::new(config.clone());
        Self {
            session: Session::new(config, auth),
        }
    }

    /// What it goes by.
    pub fn config(&self) -> &Config {
        &self.session.config
    }

    /// Tries a name and a password, and keeps them if they are right. An
    /// empty `domain` means Docker Hub.
    pub fn login(config: &Config, domain: &str, user: &str, password: &str) -> Result<Kept> {
        let domain = registry_of(domain)?;
        if user.is_empty() || user.contains(':') || password.is_empty() {
            return Err(Error::user(
                "a login needs a name without a colon, and a password",
            ));
        }
        let credentials = Credentials::Password {
            user: user.to_owned(),
            password: password.to_owned(),
        };
        let config = Arc::new(config.clone());
        let auth = Auth::given(config.clone(), credentials);
        let session = Session::new(config.clone(), auth);
        greet(&session, &domain)?;
        auth::keep(&config, &domain, user, password)
    }

    /// Forgets what is known about a registry; says whether anything was.
    pub fn logout(config: &Config, domain: &str) -> Result<bool> {
        auth::forget(config, &registry_of(domain)?)
    }
}

/// The registry that somebody means who types its host.
fn registry_of(text: &str) -> Result<String> {
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    let bare = bare.trim_end_matches('/').trim_end_matches("/v1");
    let hub = ["", DOCKER_HUB, "index.docker.io", "registry-1.docker.io"];
    if hub.contains(&bare) {
        return Ok(DOCKER_HUB.to_owned());
    }
    // A host is one that could stand before an image's name.
    match Reference::parse(&format!("{bare}/x")) {
        Ok(reference) if reference.domain() == bare => Ok(bare.to_owned()),
        _ => Err(Error::user(format!("{text:?} is not a registry"))
            .hint("a host and perhaps a port, like registry.example.com:5000")),
    }
}

/// Asks whether there is a registry that lets us in.
fn greet(session: &Session, domain: &str) -> Result<()> {
    let purpose = Purpose::login(domain);
    Attempts::new(&session.config.patience, Watch::none()).until(|| {
        let url = session.url(crate::image::reference::api_host(domain), "/v2/")?;
        let answer = session.call(Call {
            method: "GET",
            url: url.clone(),
            purpose: &purpose,
            headers: Vec::new(),
            body: Upload::Nothing,
        })?;
        match answer.status {
            200 => Ok(()),
            _ => Err(Failed::Final(session.explain(
                answer,
                &url,
                &purpose,
                What::Login,
            ))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_as_people_type_it() {
        for (text, domain) in [
            ("", "docker.io"),
            ("docker.io", "docker.io"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("quay.io", "quay.io"),
            ("https://h:5000/", "h:5000"),
            ("localhost:5000", "localhost:5000"),
        ] {
            assert_eq!(registry_of(text).unwrap(), domain, "{text:?}");
        }
        for text in ["a/b", "word", "h:x", "u@h.x"] {
            assert!(registry_of(text).is_err(), "{text:?}");
        }
    }
}
