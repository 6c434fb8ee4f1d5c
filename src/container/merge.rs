//! What was asked for, and what the image wants where nothing was.
//!
//! Pure, and Docker's rules: what is typed wins; an entrypoint that is typed
//! takes the image's command away, because that was written for another
//! program; variables and labels are replaced one by one.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::image::parse_exposed;
use super::{Config, Healthcheck, ImageDefaults, ImageHealthcheck, Mount, MountKind, VolumeWish};
use crate::error::{Error, Result};

/// What was typed and cannot be told from a [`Config`]: there, "not given"
/// and "given as nothing" look the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides {
    /// Given: instead of the image's, even if it is empty.
    pub entrypoint: Option<Vec<String>>,
    /// What was said about health checks.
    pub health: HealthOverride,
}

/// What was said about health checks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HealthOverride {
    /// There shall be none.
    Off,
    /// These parts replace the image's.
    Parts(ImageHealthcheck),
    /// Nothing.
    #[default]
    Unsaid,
}

/// Completes a configuration with its image's defaults.
///
/// Names of anonymous volumes stay empty: making them up takes chance.
pub fn merge(config: &mut Config, typed: &Overrides, image: &ImageDefaults) -> Result<()> {
    argv(config, typed, image)?;
    let program = &mut config.program;
    program.env = env(&image.env, &program.env);
    if program.workdir.is_empty() {
        program.workdir = workdir(&image.workdir);
    }
    if program.user.is_empty() {
        program.user.clone_from(&image.user);
    }
    if program.stop_signal.is_empty() {
        program.stop_signal.clone_from(&image.stop_signal);
    }
    for (key, value) in &image.labels {
        let entry = config.labels.entry(key.clone());
        entry.or_insert_with(|| value.clone());
    }
    config.health = health(&typed.health, image)?;
    expose(config, image)?;
    volumes(config, image)
}

fn argv(config: &mut Config, typed: &Overrides, image: &ImageDefaults) -> Result<()> {
    let program = &mut config.program;
    if let Some(entrypoint) = &typed.entrypoint {
        program.entrypoint.clone_from(entrypoint);
    } else {
        program.entrypoint.clone_from(&image.entrypoint);
        if program.command.is_empty() {
            program.command.clone_from(&image.cmd);
        }
    }
    if program.argv().first().is_none_or(String::is_empty) {
        return Err(Error::user("no command specified")
            .hint("the image names none; type one behind the image"));
    }
    Ok(())
}

/// The image's in their order, each replaced in its place; then the new ones.
/// A name alone takes the image's away, and stays to take rcon's own.
fn env(image: &[String], typed: &[String]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for entry in image.iter().chain(typed) {
        let name = entry.split('=').next().unwrap_or_default();
        if let Some(n) = places.get(name) {
            all[*n].clone_from(entry);
        } else {
            places.insert(name, all.len());
            all.push(entry.clone());
        }
    }
    all
}

/// From the root, if an old image has it otherwise.
fn workdir(image: &str) -> String {
    if image.is_empty() || image.starts_with('/') {
        return image.to_owned();
    }
    format!("/{image}")
}

fn health(typed: &HealthOverride, image: &ImageDefaults) -> Result<Option<Healthcheck>> {
    let parts = match typed {
        HealthOverride::Off => return Ok(None),
        HealthOverride::Parts(parts) => parts.clone(),
        HealthOverride::Unsaid => ImageHealthcheck::default(),
    };
    let own = image.healthcheck.clone().unwrap_or_default();
    let test = if parts.test.is_empty() {
        own.test
    } else {
        parts.test
    };
    let Some(command) = health_command(&test, &image.shell)? else {
        return Ok(None);
    };
    let seconds = Duration::from_secs;
    let usual = |typed: Option<Duration>, own: Option<Duration>, usual: Duration| {
        typed.or(own).filter(|d| !d.is_zero()).unwrap_or(usual)
    };
    let retries = parts.retries.or(own.retries).filter(|n| *n > 0);
    Ok(Some(Healthcheck {
        command,
        interval: usual(parts.interval, own.interval, seconds(30)),
        timeout: usual(parts.timeout, own.timeout, seconds(30)),
        start_period: usual(parts.start_period, own.start_period, Duration::ZERO),
        start_interval: usual(parts.start_interval, own.start_interval, seconds(5)),
        retries: retries.unwrap_or(3),
    }))
}

/// What is to be executed, if anything is.
fn health_command(test: &[String], shell: &[String]) -> Result<Option<Vec<String>>> {
    let Some((kind, rest)) = test.split_first() else {
        return Ok(None);
    };
    match (kind.as_str(), rest) {
        ("NONE", _) => Ok(None),
        ("CMD", [_, ..]) => Ok(Some(rest.to_vec())),
        ("CMD-SHELL", [line, ..]) => {
            let usual = ["/bin/sh".to_owned(), "-c".to_owned()];
            let shell = if shell.is_empty() { &usual } else { shell };
            let argv = shell.iter().chain([line]);
            Ok(Some(argv.cloned().collect()))
        }
        _ => Err(
            Error::user(format!("unknown kind of health check: {test:?}")).hint(
                "the image's is broken; --no-healthcheck does without, --health-cmd replaces it",
            ),
        ),
    }
}

fn expose(config: &mut Config, image: &ImageDefaults) -> Result<()> {
    let mut known: std::collections::BTreeSet<_> = config.network.expose.iter().copied().collect();
    for text in &image.exposed_ports {
        let port = parse_exposed(text).map_err(|e| e.context("the image's exposed ports"))?;
        if known.insert(port) {
            config.network.expose.push(port);
        }
    }
    Ok(())
}

/// The image's volumes, unless something is mounted there.
fn volumes(config: &mut Config, image: &ImageDefaults) -> Result<()> {
    let mut taken: HashSet<PathBuf> = config.mounts.iter().map(|m| m.target.clone()).collect();
    for text in &image.volumes {
        let target = volume_target(text)?;
        if taken.insert(target.clone()) {
            config.mounts.push(anonymous(target));
        }
    }
    Ok(())
}

fn anonymous(target: PathBuf) -> Mount {
    Mount {
        kind: MountKind::Volume {
            name: String::new(),
            anonymous: true,
            subpath: None,
            wish: VolumeWish::default(),
        },
        target,
        read_only: false,
        options: Vec::new(),
    }
}

/// A path in the container. One that climbs out of the root is no slip: with
/// `../../etc` an image had containerd copy the host's files (CVE-2022-23648).
fn volume_target(text: &str) -> Result<PathBuf> {
    let refused = |why: &str| {
        Error::user(format!("the image's volume {text:?} {why}"))
            .hint("do not trust this image; its maker can repair the VOLUME line")
    };
    if text.contains('\0') {
        return Err(refused("is not a path"));
    }
    let mut out = PathBuf::from("/");
    for part in Path::new(text).components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir if !out.pop() => return Err(refused("leads out of the image")),
            _ => {}
        }
    }
    if out == Path::new("/") {
        return Err(refused("is the whole file system"));
    }
    Ok(out)
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
