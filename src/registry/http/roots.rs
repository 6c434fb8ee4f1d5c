//! Whom to believe: the certificates of this machine, and those that are for
//! one registry alone.

use std::path::{Path, PathBuf};

use ureq::tls::{Certificate, PemItem, parse_pem};

use crate::error::{Context, Error, Result};
use crate::registry::config::Config;

/// Where the families of Linux keep theirs.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The certificates that this machine believes; none if there are none.
pub(super) fn of_host() -> Vec<Certificate<'static>> {
    let own = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let usual = BUNDLES.iter().map(PathBuf::from);
    let mut all = own.into_iter().chain(usual);
    all.find_map(|path| read(&path).ok().filter(|c| !c.is_empty()))
        .unwrap_or_default()
}

/// What is believed beside them for one registry.
pub(super) fn for_registry(config: &Config, authority: &str) -> Result<Vec<Certificate<'static>>> {
    let named = config.registry(authority).and_then(|r| r.ca.clone());
    let mut roots = Vec::new();
    let placed = in_dirs(&config.certs, authority, "crt");
    for path in named.into_iter().chain(placed) {
        roots.extend(some(&path)?);
    }
    Ok(roots)
}

/// The certificates in a file, which is there because it has some.
pub(super) fn some(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let found = read(path)?;
    if found.is_empty() {
        let text = format!("{} has no certificate in it", path.display());
        return Err(Error::user(text).hint("a certificate begins with BEGIN CERTIFICATE"));
    }
    Ok(found)
}

/// `certs.d/<host>/*.crt`, as Docker has it, or files of another kind there.
pub(super) fn in_dirs(dirs: &[PathBuf], authority: &str, kind: &str) -> Vec<PathBuf> {
    let listed = dirs
        .iter()
        .filter_map(|dir| dir.join(authority).read_dir().ok());
    let files = listed.flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = files
        .filter(|p| p.extension().is_some_and(|e| e == kind))
        .collect();
    files.sort();
    files
}

fn read(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let what = || format!("cannot read certificates from {}", path.display());
    let pem = std::fs::read(path).context(what)?;
    Ok(parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect())
}
