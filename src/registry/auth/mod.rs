//! Being let in: nothing at all, a name and a password, or a token that was
//! got for them from the registry's realm.
//!
//! Passwords belong to the registry they were given for. Who else may see
//! them is decided in [`realm`]; what a token is good for is never taken from
//! the network, but asked for as narrow as the work at hand needs it.

mod challenge;
mod files;
mod helper;
mod realm;
mod token;

pub use challenge::{Challenge, parse as challenges};
pub use files::Kept;
pub(crate) use files::files_from_environment;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::config::Config;
use super::http::{Http, Response, Trouble};
use super::url::Url;
use crate::error::{Error, Result};

/// What lets one in.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token that is exchanged for others.
    Token(String),
}

impl fmt::Debug for Credentials {
    /// A secret has no place in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => write!(f, "password of {user:?}"),
            Self::Token(_) => f.write_str("token"),
        }
    }
}

/// What somebody wants to do where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Purpose {
    /// The registry as references name it: whose passwords count.
    pub domain: String,
    /// The repository in it; empty for none.
    pub path: String,
    /// `repository:a/b:pull`, one for each repository that is touched.
    pub scopes: Vec<String>,
}

impl Purpose {
    /// Reading images from a repository.
    pub fn pull(domain: &str, path: &str) -> Self {
        Self::new(domain, path, &[(path, "pull")])
    }

    /// Writing images into a repository, perhaps with blobs of others.
    pub fn push(domain: &str, path: &str, others: &[&str]) -> Self {
        let others = others.iter().map(|other| (*other, "pull"));
        let all: Vec<_> = std::iter::once((path, "pull,push")).chain(others).collect();
        Self::new(domain, path, &all)
    }

    /// Nothing but being known.
    pub fn login(domain: &str) -> Self {
        Self::new(domain, "", &[])
    }

    fn new(domain: &str, path: &str, scopes: &[(&str, &str)]) -> Self {
        let scopes = scopes.iter();
        Self {
            domain: domain.to_owned(),
            path: path.to_owned(),
            scopes: scopes
                .map(|(path, what)| format!("repository:{path}:{what}"))
                .collect(),
        }
    }
}

/// Something that has let us in.
#[derive(Clone)]
struct Pass {
    header: String,
    until: Option<Instant>,
    /// The realm that was not shown the password there is.
    withheld_from: Option<String>,
}

/// Passes and where to get them.
pub(crate) struct Auth {
    config: Arc<Config>,
    given: Option<Credentials>,
    passes: Mutex<BTreeMap<Purpose, Pass>>,
    looked_up: Mutex<BTreeMap<(String, String), Option<Credentials>>>,
}

impl Auth {
    /// With the passwords that are kept on this machine.
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            given: None,
            passes: Mutex::default(),
            looked_up: Mutex::default(),
        }
    }

    /// With these and no others.
    pub fn given(config: Arc<Config>, credentials: Credentials) -> Self {
        let mut auth = Self::new(config);
        auth.given = Some(credentials);
        auth
    }

    /// What has let us in before, if it is still good.
    pub fn header(&self, purpose: &Purpose) -> Option<String> {
        let passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        let pass = passes.get(purpose)?;
        let good = pass.until.is_none_or(|until| Instant::now() < until);
        good.then(|| pass.header.clone())
    }

    /// What a refusal at this point comes from, if it is of our own making.
    pub fn withheld_from(&self, purpose: &Purpose) -> Option<String> {
        let passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        passes.get(purpose)?.withheld_from.clone()
    }

    /// Whether there is a password to show at all.
    pub fn has_credentials(&self, purpose: &Purpose) -> bool {
        matches!(self.credentials(purpose), Ok(Some(_)))
    }

    /// Gets what the host at `home` has just asked for.
    pub fn answer(
        &self,
        http: &Http,
        home: &Url,
        purpose: &Purpose,
        asked: &Response,
    ) -> std::result::Result<String, Trouble> {
        let challenges: Vec<_> = asked
            .headers("www-authenticate")
            .flat_map(challenge::parse)
            .collect();
        let find = |scheme| challenges.iter().find(|c| c.scheme == scheme);
        let credentials = self.credentials(purpose).map_err(Trouble::Own)?;
        let pass = match (find("bearer"), find("basic")) {
            (Some(bearer), _) => token::Desk::new(&self.config, http, home, bearer)
                .map_err(Trouble::Own)?
                .ask(purpose, credentials.as_ref())?,
            (None, Some(_)) => basic(home, credentials).map_err(Trouble::Own)?,
            (None, None) => return Err(Trouble::Own(no_way_in(home))),
        };
        let header = pass.header.clone();
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        passes.insert(purpose.clone(), pass);
        Ok(header)
    }

    /// Looked up once: a helper may ask a person.
    fn credentials(&self, purpose: &Purpose) -> Result<Option<Credentials>> {
        if self.given.is_some() {
            return Ok(self.given.clone());
        }
        let key = (purpose.domain.clone(), purpose.path.clone());
        let mut known = self
            .looked_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&key) {
            return Ok(found.clone());
        }
        let found = files::find(&self.config.auth_files, &purpose.domain, &purpose.path)?;
        known.insert(key, found.clone());
        Ok(found)
    }
}

fn basic(home: &Url, credentials: Option<Credentials>) -> Result<Pass> {
    match credentials {
        Some(Credentials::Password { user, password }) => Ok(Pass {
            header: basic_header(&user, &password),
            until: None,
            withheld_from: None,
        }),
        Some(Credentials::Token(_)) => Err(Error::user(format!(
            "{} wants a password, and there is only a token",
            home.authority()
        ))
        .hint(format!("rcon login {}", home.authority()))),
        None => Err(log_in(home.authority())),
    }
}

fn basic_header(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn log_in(host: &str) -> Error {
    Error::user(format!("{host} wants to know who asks")).hint(format!("rcon login {host}"))
}

fn no_way_in(home: &Url) -> Error {
    let text = format!(
        "{} lets nobody in and does not say how it would",
        home.authority()
    );
    Error::environment(text).hint("is it a registry?")
}

/// Keeps a password for a registry.
pub(crate) fn keep(config: &Config, domain: &str, user: &str, password: &str) -> Result<Kept> {
    files::keep(first_file(config)?, domain, user, password)
}

/// Forgets what is known about a registry; says whether anything was.
pub(crate) fn forget(config: &Config, domain: &str) -> Result<bool> {
    files::forget(&config.auth_files, domain)
}

fn first_file(config: &Config) -> Result<&Path> {
    let first = config.auth_files.first().map(PathBuf::as_path);
    first.ok_or_else(|| {
        Error::environment("there is no place to keep a password")
            .hint("set HOME, or name a file in REGISTRY_AUTH_FILE")
    })
}
