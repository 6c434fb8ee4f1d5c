//! Who we are, for a registry that asks: a certificate of our own and its key,
//! named in `registries.toml` or lying where Docker has them.

use std::path::{Path, PathBuf};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use ureq::tls::{ClientCert, PrivateKey};

use super::roots;
use crate::error::{Context, Error, Result};
use crate::registry::config::Config;

/// What is shown to one registry, if anything is. It is looked at here: where
/// it is used, one that is broken could not be told any more.
pub(super) fn for_registry(
    config: &Config,
    authority: &str,
    provider: &CryptoProvider,
) -> Result<Option<ClientCert>> {
    let Some((cert, key_file)) = files(config, authority) else {
        return Ok(None);
    };
    let chain = roots::some(&cert)?;
    let shown = key_file.display();
    let pem = std::fs::read(&key_file).context(|| format!("cannot read the key {shown}"))?;
    let key = PrivateKey::from_pem(&pem).map_err(|_| {
        Error::user(format!("{shown} has no private key in it"))
            .hint("a key begins with BEGIN PRIVATE KEY; one behind a password is not read")
    })?;
    let ders = chain.iter().map(|c| CertificateDer::from(c.der().to_vec()));
    let der = PrivateKeyDer::try_from(key.der().to_vec());
    let fits = der.map_err(str::to_owned).and_then(|der| {
        CertifiedKey::from_der(ders.collect(), der, provider).map_err(|e| e.to_string())
    });
    fits.map_err(|why| {
        Error::user(format!(
            "{} and {shown} cannot be used together: {why}",
            cert.display()
        ))
        .hint("the one is to be the certificate of the other")
    })?;
    Ok(Some(ClientCert::new_with_certs(&chain, key)))
}

/// A certificate and its key: those that are named, or `certs.d/<host>/*.cert`
/// and the `.key` beside it, as Docker has it.
fn files(config: &Config, authority: &str) -> Option<(PathBuf, PathBuf)> {
    let named = config.registry(authority);
    if let Some(named) = named.and_then(|r| Some((r.client_cert.clone()?, r.client_key.clone()?))) {
        return Some(named);
    }
    let key_of = |cert: &Path| cert.with_extension("key");
    let certs = roots::in_dirs(&config.certs, authority, "cert").into_iter();
    certs
        .map(|cert| (key_of(&cert), cert))
        .find_map(|(key, cert)| key.is_file().then_some((cert, key)))
}
