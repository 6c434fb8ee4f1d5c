//! Where passwords are kept: `~/.docker/config.json`, as Docker and podman
//! have it. What else stands in that file is left as it is.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{Credentials, helper};
use crate::error::{Context, Error, Result};
use crate::image::reference::DOCKER_HUB;

/// The name that Docker gives Docker Hub in its file.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// Larger is no file of passwords.
const LARGEST: u64 = 4 << 20;

/// Where passwords are looked for, the first first; also where a new one goes.
pub(crate) fn files_from_environment() -> Vec<PathBuf> {
    let var = |name| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    // Who names a file means that one.
    if let Some(file) = var("REGISTRY_AUTH_FILE") {
        return vec![file];
    }
    if let Some(dir) = var("DOCKER_CONFIG") {
        return vec![dir.join("config.json")];
    }
    let docker = var("HOME").map(|home| home.join(".docker/config.json"));
    let podman = var("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json"));
    docker.into_iter().chain(podman).collect()
}

/// What is known for a repository: the most exact entry of the first file that
/// has any.
pub(super) fn find(files: &[PathBuf], domain: &str, path: &str) -> Result<Option<Credentials>> {
    for file in files {
        let config = read(file)?;
        let found = in_config(&config, domain, path);
        if let Some(found) = found.map_err(|e| e.context(file.display()))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Where a password has gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Into a file, where whoever can read it can read the password.
    File(PathBuf),
    /// To a credential helper of this name.
    Helper(String),
}

/// Keeps a password where Docker would.
pub(super) fn keep(file: &Path, domain: &str, user: &str, password: &str) -> Result<Kept> {
    let mut config = read(file)?;
    let key = key_of(domain);
    if let Some(name) = helper_for(&config, domain) {
        helper::store(&name, key, user, password)?;
        return Ok(Kept::Helper(name));
    }
    let auth = STANDARD.encode(format!("{user}:{password}"));
    let auths = config.entry("auths").or_insert_with(|| json!({}));
    let Value::Object(auths) = auths else {
        return Err(Error::user(format!(
            "{}: auths is not an object",
            file.display()
        )));
    };
    auths.insert(key.to_owned(), json!({ "auth": auth }));
    write(file, &config)?;
    Ok(Kept::File(file.to_owned()))
}

/// Forgets what is known about a registry; says whether anything was.
pub(super) fn forget(files: &[PathBuf], domain: &str) -> Result<bool> {
    let mut known = false;
    for file in files {
        let mut config = read(file)?;
        let helper = helper_for(&config, domain);
        if let Some(name) = helper
            && helper::get(&name, key_of(domain))?.is_some()
        {
            helper::erase(&name, key_of(domain))?;
            known = true;
        }
        let auths = config.get_mut("auths").and_then(Value::as_object_mut);
        let Some(auths) = auths else { continue };
        let before = auths.len();
        auths.retain(|key, _| !same(key, domain));
        if auths.len() != before {
            write(file, &config)?;
            known = true;
        }
    }
    Ok(known)
}

fn key_of(domain: &str) -> &str {
    if domain == DOCKER_HUB {
        DOCKER_HUB_KEY
    } else {
        domain
    }
}

fn in_config(config: &Map<String, Value>, domain: &str, path: &str) -> Result<Option<Credentials>> {
    if let Some(name) = helper_for(config, domain)
        && let Some(found) = helper::get(&name, key_of(domain))?
    {
        return Ok(Some(found));
    }
    let Some(auths) = config.get("auths").and_then(Value::as_object) else {
        return Ok(None);
    };
    // Podman's entries may be for a part of a registry: the longest first.
    let mut exact = format!("{domain}/{path}");
    loop {
        let entry = auths.iter().find(|(key, _)| {
            if exact.contains('/') {
                **key == exact
            } else {
                same(key, &exact)
            }
        });
        if let Some(found) = entry.map(|(_, v)| of_entry(v)).transpose()?.flatten() {
            return Ok(Some(found));
        }
        match exact.rfind('/') {
            Some(at) => exact.truncate(at),
            None => return Ok(None),
        }
    }
}

fn helper_for(config: &Map<String, Value>, domain: &str) -> Option<String> {
    let own = config.get("credHelpers").and_then(Value::as_object);
    let own = own.and_then(|all| all.iter().find(|(key, _)| same(key, domain)));
    let name = own
        .map(|(_, name)| name)
        .or_else(|| config.get("credsStore"));
    let name = name.and_then(Value::as_str).unwrap_or_default();
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

/// Whether a key of the file, perhaps an address, means that registry.
fn same(key: &str, domain: &str) -> bool {
    let bare = key.split_once("://").map_or(key, |(_, rest)| rest);
    let is_address = bare.len() != key.len();
    let host = match bare.split_once('/') {
        // Without a scheme, a path is podman's and means a part.
        Some((host, _)) if is_address => host,
        Some((host, "" | "v1/" | "v2/" | "v1" | "v2")) => host,
        Some(_) => return false,
        None => bare,
    };
    let hub = ["index.docker.io", "registry-1.docker.io", DOCKER_HUB];
    host.eq_ignore_ascii_case(domain) || hub.contains(&domain) && hub.contains(&host)
}

fn of_entry(entry: &Value) -> Result<Option<Credentials>> {
    let text = |name| {
        entry
            .get(name)
            .and_then(Value::as_str)
            .filter(|t| !t.is_empty())
    };
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credentials::Token(token.to_owned())));
    }
    if let Some(auth) = text("auth") {
        let bad = || Error::user("an entry's auth is not the name and password it should be");
        let bytes = STANDARD.decode(auth.trim()).map_err(|_| bad())?;
        let plain = String::from_utf8(bytes).map_err(|_| bad())?;
        let (user, password) = plain.split_once(':').ok_or_else(bad)?;
        return Ok(Some(password_of(user, password.trim_end_matches('\0'))));
    }
    let (user, password) = (text("username"), text("password"));
    Ok(user.zip(password).map(|(u, p)| password_of(u, p)))
}

fn password_of(user: &str, password: &str) -> Credentials {
    Credentials::Password {
        user: user.to_owned(),
        password: password.to_owned(),
    }
}

fn read(path: &Path) -> Result<Map<String, Value>> {
    let what = || format!("cannot read {}", path.display());
    let file = match File::open(path) {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Map::new());
        }
        file => file.context(what)?,
    };
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).context(what)?;
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(&text).map_err(|e| Error::user(format!("{}: {e}", path.display())))
}

/// Replaces the file as a whole. Where it is a link into somebody's
/// collection of such files, the one it points to is replaced.
fn write(path: &Path, config: &Map<String, Value>) -> Result<()> {
    let what = || format!("cannot write {}", path.display());
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut private = fs::DirBuilder::new();
    let made = private.recursive(true).mode(0o700).create(dir);
    made.context(what)?;
    let mut json = serde_json::to_vec_pretty(config).map_err(|e| Error::internal(e.to_string()))?;
    json.push(b'\n');
    let fresh = dir.join(format!(".config.json.{}", std::process::id()));
    let write = || {
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(&json)?;
        fs::rename(&fresh, path)
    };
    // One that a killed process of the same number has left.
    let _ = fs::remove_file(&fresh);
    write()
        .inspect_err(|_| drop(fs::remove_file(&fresh)))
        .context(what)
}

#[cfg(test)]
mod tests;
