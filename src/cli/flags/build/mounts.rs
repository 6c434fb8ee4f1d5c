//! What is mounted: what was typed, and what other containers have.

use std::path::Path;

use super::super::parse::paths;
use super::super::request::{Resolve, Surroundings};
use super::super::typed::Files;
use crate::container::{Id, Mount, MountKind};
use crate::error::{Error, Result};

/// All mounts but the image's volumes, and whose were taken over.
///
/// What is typed wins over what another container has, and a volume without a
/// name is only made where nothing else is.
pub fn build(
    typed: &Files,
    here: &Surroundings<'_>,
    others: &dyn Resolve,
) -> Result<(Vec<Mount>, Vec<Id>)> {
    let asked = typed.volume.iter().chain(&typed.mount).chain(&typed.tmpfs);
    let (mut named, mut unnamed) = (Vec::new(), Vec::new());
    for mount in asked {
        let mount = located(mount.clone(), here)?;
        let list = if is_anonymous(&mount) {
            &mut unnamed
        } else {
            &mut named
        };
        list.push(mount);
    }
    if let Some(twice) = duplicate(&named) {
        let shown = twice.display();
        return Err(Error::user(format!("Duplicate mount point: {shown}"))
            .hint("only one of --volume, --mount and --tmpfs can be there"));
    }
    let (theirs, ids) = theirs(&typed.volumes_from, others)?;
    for mount in theirs.into_iter().chain(unnamed) {
        if !named.iter().any(|m| m.target == mount.target) {
            named.push(mount);
        }
    }
    Ok((named, ids))
}

fn is_anonymous(mount: &Mount) -> bool {
    matches!(
        &mount.kind,
        MountKind::Volume {
            anonymous: true,
            ..
        }
    )
}

fn duplicate(mounts: &[Mount]) -> Option<&Path> {
    let twice = |(n, m): (usize, &Mount)| mounts[..n].iter().any(|other| other.target == m.target);
    let found = mounts.iter().enumerate().find(|(n, m)| twice((*n, m)));
    found.map(|(_, m)| m.target.as_path())
}

/// A path of the host is absolute from here on. That of `--mount` must exist:
/// it makes a directory only when it is told to.
fn located(mut mount: Mount, here: &Surroundings<'_>) -> Result<Mount> {
    let MountKind::Bind { source, create, .. } = &mut mount.kind else {
        return Ok(mount);
    };
    *source = paths::of_host(here.directory, source);
    check_link(source)?;
    if !*create && std::fs::metadata(&*source).is_err() {
        let shown = source.display();
        return Err(
            Error::user(format!("bind source path does not exist: {shown}"))
                .hint("make it, or add bind-create-src"),
        );
    }
    Ok(mount)
}

/// A directory that is missing can be made, but not at the end of a link that
/// leads nowhere: what was meant by it, nobody knows.
fn check_link(source: &Path) -> Result<()> {
    let Ok(target) = std::fs::read_link(source) else {
        return Ok(());
    };
    match std::fs::metadata(source) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let (shown, target) = (source.display(), target.display());
            Err(Error::user(format!(
                "bind source {shown} is a link to nowhere: {target}"
            ))
            .hint("make what it leads to, or name another source"))
        }
        _ => Ok(()),
    }
}

/// Of several containers the last has the last word.
fn theirs(typed: &[String], others: &dyn Resolve) -> Result<(Vec<Mount>, Vec<Id>)> {
    let (mut all, mut ids): (Vec<Mount>, Vec<Id>) = (Vec::new(), Vec::new());
    for text in typed {
        let named = |e: Error| e.context(format!("--volumes-from {text}"));
        let (reference, read_only) = volumes_from(text).map_err(named)?;
        let id = others.container(reference).map_err(named)?;
        for mount in others.mounts(&id).map_err(named)? {
            let Some(mount) = borrowed(mount, read_only) else {
                continue;
            };
            all.retain(|m| m.target != mount.target);
            all.push(mount);
        }
        ids.push(id);
    }
    Ok((all, ids))
}

fn volumes_from(text: &str) -> Result<(&str, bool)> {
    let (reference, mode) = text.split_once(':').unwrap_or((text, ""));
    if reference.is_empty() {
        return Err(Error::user("no container is named").hint("CONTAINER[:ro|:rw]"));
    }
    let mut read_only = false;
    for word in mode.split(',') {
        match word {
            "ro" => read_only = true,
            "" | "rw" | "z" | "Z" => {}
            _ => return Err(Error::user(format!("invalid mode: {word}")).hint("ro or rw")),
        }
    }
    Ok((reference, read_only))
}

/// Memory is nobody else's. A volume without a name goes away with the last
/// container that has it.
fn borrowed(mut mount: Mount, read_only: bool) -> Option<Mount> {
    match &mount.kind {
        MountKind::Tmpfs(_) | MountKind::Image { .. } => return None,
        // What the image has there was the other's to copy.
        MountKind::Volume { .. } if !mount.has("nocopy") => mount.options.push("nocopy".to_owned()),
        MountKind::Volume { .. } | MountKind::Bind { .. } => {}
    }
    mount.read_only |= read_only;
    Some(mount)
}
