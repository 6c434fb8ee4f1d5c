//! What this machine's owner says about registries: `/etc/rcon/registries.toml`
//! and the user's own `~/.config/rcon/registries.toml`, whose entries count
//! first.
//!
//! ```toml
//! [registry."docker.io"]
//! mirrors = ["mirror.example.net", "cache.example.net:5000"]
//!
//! [registry."cache.example.net:5000"]
//! insecure = true                     # plain HTTP, or TLS that nobody vouches for
//!
//! [registry."registry.example.net"]
//! ca = "/etc/ssl/our-ca.pem"          # whom else to believe
//! token-hosts = ["login.example.org"] # who may see this registry's password
//! client-cert = "/etc/ssl/me.pem"     # who we are, if it asks
//! client-key = "/etc/ssl/private/me.key"
//! ```

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::url;
use crate::error::{Error, Result};
use crate::image::platform::Platform;
use crate::image::reference::api_host;

/// The machine's file.
const SYSTEM: &str = "/etc/rcon/registries.toml";
/// Where certificates per host lie, rcon's own and Docker's.
const CERTS: &[&str] = &["/etc/rcon/certs.d", "/etc/docker/certs.d"];

/// What is said about one registry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Registry {
    /// Asked before the registry itself, in this order.
    pub mirrors: Vec<String>,
    /// Plain HTTP will do, and a certificate nobody vouches for.
    pub insecure: bool,
    /// A file of certificates to believe beside the usual ones.
    pub ca: Option<PathBuf>,
    /// Hosts of other domains that may see this registry's password in
    /// exchange for a token.
    pub token_hosts: Vec<String>,
    /// A file with the certificate that says who we are.
    pub client_cert: Option<PathBuf>,
    /// The file with its key.
    pub client_key: Option<PathBuf>,
}

/// How patient to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// For a connection, and for a handshake.
    pub connect: Duration,
    /// For the next bytes.
    pub stall: Duration,
    /// Failures in a row without a byte between them.
    pub attempts: u32,
    /// The wait before the second attempt; each further one is twice as long.
    pub backoff: Duration,
    /// The longest wait that a registry may ask for.
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            attempts: 5,
            backoff: Duration::from_millis(300),
            longest_wait: Duration::from_secs(60),
        }
    }
}

/// Everything a [`super::Client`] goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// By host, perhaps with a port.
    pub registries: BTreeMap<String, Registry>,
    /// Directories with certificates in a subdirectory per host.
    pub certs: Vec<PathBuf>,
    /// Where passwords are read from, the first first.
    pub auth_files: Vec<PathBuf>,
    /// How patient to be.
    pub patience: Patience,
    /// A larger blob is uploaded in pieces of this size.
    pub chunk: u64,
    /// For which machine images are wanted.
    pub platform: Platform,
}

impl Default for Config {
    /// Nothing from files: what is compiled in.
    fn default() -> Self {
        Self {
            registries: BTreeMap::new(),
            certs: CERTS.iter().map(PathBuf::from).collect(),
            auth_files: Vec::new(),
            patience: Patience::default(),
            chunk: 64 << 20,
            platform: Platform::host(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    registry: BTreeMap<String, Registry>,
}

impl Config {
    /// What this machine and this user have set up.
    pub fn load() -> Result<Self> {
        let mut config = Self {
            auth_files: super::auth::files_from_environment(),
            ..Self::default()
        };
        config.add_file(Path::new(SYSTEM))?;
        if let Some(path) = user_file() {
            config.add_file(&path)?;
        }
        Ok(config)
    }

    /// Adds what stands in a file, if there is one; it counts before what is
    /// there already.
    pub fn add_file(&mut self, path: &Path) -> Result<()> {
        match std::fs::read_to_string(path) {
            Ok(text) => self.add(&text, &path.display().to_string()),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            Err(e) => Err(Error::from(e).context(path.display())),
        }
    }

    /// Adds what stands in a text that came from `name`.
    pub fn add(&mut self, text: &str, name: &str) -> Result<()> {
        let file: File = toml::from_str(text).map_err(|e| {
            let at = e.span().map_or(0, |span| span.start);
            let line = text[..at.min(text.len())].matches('\n').count() + 1;
            Error::user(format!("{name}:{line}: {}", e.message()))
        })?;
        for (host, registry) in file.registry {
            check(&host, &registry).map_err(|e| e.context(name))?;
            self.registries.insert(host, registry);
        }
        Ok(())
    }

    /// What is said about a host, by the name it has in references or the one
    /// it is spoken to at.
    pub fn registry(&self, host: &str) -> Option<&Registry> {
        let known = |name: &String| name == host || api_host(name) == host;
        self.registries
            .iter()
            .find(|(name, _)| known(name))
            .map(|(_, registry)| registry)
    }

    /// Whether `host` may be spoken to without TLS.
    pub(crate) fn plain_allowed(&self, host: &str) -> bool {
        url::is_loopback(url::host_of(host)) || self.insecure(host)
    }

    /// Whether it has been said that `host` is not to be trusted to keep
    /// anything from anybody.
    pub(crate) fn insecure(&self, host: &str) -> bool {
        self.registry(host).is_some_and(|r| r.insecure)
    }

    /// The hosts to ask for images of `domain`, mirrors first.
    pub(crate) fn sources(&self, domain: &str) -> Vec<String> {
        let mirrors = self.registry(domain).map_or(&[][..], |r| &r.mirrors);
        let own = std::iter::once(api_host(domain).to_owned());
        mirrors.iter().cloned().chain(own).collect()
    }
}

fn check(host: &str, registry: &Registry) -> Result<()> {
    if registry.client_cert.is_some() != registry.client_key.is_some() {
        return Err(Error::user(format!(
            "{host:?} has only one of client-cert and client-key"
        ))
        .hint("a certificate is of use only with its key"));
    }
    let hosts = registry.mirrors.iter().chain(&registry.token_hosts);
    for name in hosts.chain([&host.to_owned()]) {
        let text = format!("https://{name}");
        if url::Url::parse(&text).is_err() || name.contains(['/', '?', '#']) {
            return Err(Error::user(format!("{name:?} is not a host"))
                .hint("a host and perhaps a port, without https:// and without a path"));
        }
    }
    Ok(())
}

fn user_file() -> Option<PathBuf> {
    let dir = |name| std::env::var_os(name).map(PathBuf::from);
    let base = dir("XDG_CONFIG_HOME").filter(|p| p.is_absolute());
    let base = base.or_else(|| dir("HOME").map(|home| home.join(".config")))?;
    Some(base.join("rcon/registries.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config> {
        let mut config = Config::default();
        config.add(text, "registries.toml").map(|()| config)
    }

    #[test]
    fn what_is_said_is_found_under_both_names() {
        let c = read(
            "[registry.\"docker.io\"]\nmirrors = [\"m:5000\"]\n\
             [registry.\"m:5000\"]\ninsecure = true\nca = \"/x\"\ntoken-hosts = [\"t\"]\n",
        )
        .unwrap();
        assert_eq!(c.sources("docker.io"), ["m:5000", "registry-1.docker.io"]);
        assert_eq!(
            c.registry("registry-1.docker.io").unwrap().mirrors,
            ["m:5000"]
        );
        assert!(c.plain_allowed("m:5000") && !c.plain_allowed("m:5001"));
        assert!(!c.plain_allowed("docker.io"));
        assert_eq!(c.registry("m:5000").unwrap().token_hosts, ["t"]);
    }

    #[test]
    fn loopback_alone_may_be_plain_unasked() {
        let c = Config::default();
        for (host, may) in [
            ("localhost:5000", true),
            ("127.0.0.1", true),
            ("[::1]:5000", true),
            ("localhost.example.net", false),
            ("10.0.0.1:5000", false),
        ] {
            assert_eq!(c.plain_allowed(host), may, "{host}");
            assert!(!c.insecure(host));
        }
    }

    #[test]
    fn a_mistake_is_told_with_file_and_line() {
        for (text, place) in [
            (
                "\n[registry.\"a\"]\ninsecur = true\n",
                "registries.toml:3: ",
            ),
            ("[registry.\"a\"]\ninsecure = 7\n", "registries.toml:2: "),
            ("\n\nnonsense", "registries.toml:3: "),
            ("[registry.\"https://a\"]\n", "is not a host"),
            ("[registry.\"a\"]\nmirrors = [\"a/b\"]\n", "is not a host"),
            ("[registry.\"a\"]\nclient-key = \"/k\"\n", "only one of"),
        ] {
            let e = read(text).unwrap_err().to_string();
            assert!(e.contains(place), "{e}");
        }
    }

    #[test]
    fn the_user_is_heard_before_the_machine() {
        let mut c = read("[registry.\"a\"]\nmirrors = [\"one\"]\n").unwrap();
        c.add("[registry.\"a\"]\nmirrors = [\"two\"]\n", "user")
            .unwrap();
        assert_eq!(c.sources("a"), ["two", "a"]);
    }

    #[test]
    fn a_file_that_is_not_there_says_nothing() {
        let mut c = Config::default();
        c.add_file(Path::new("/nonexistent/registries.toml"))
            .unwrap();
        assert!(c.registries.is_empty());
    }
}
