//! `--mount`: `type=bind,source=/host,target=/in,readonly` and its relatives.

use std::path::{Component, Path, PathBuf};

use super::volume::{PROPAGATION, check_name};
use super::{csv, pair, paths, units};
use crate::container::{IdMap, Mount, MountKind, TmpfsOptions, VolumeWish};
use crate::error::{Error, Result};

/// Everything that can be said, before it is known whether it fits together.
#[derive(Debug, Default)]
struct Fields {
    kind: Option<String>,
    source: Option<String>,
    target: Option<String>,
    read_only: bool,
    options: Vec<String>,
    propagation: Option<String>,
    recursive: Option<String>,
    create: bool,
    subpath: Option<PathBuf>,
    tmpfs: TmpfsOptions,
    wish: VolumeWish,
    /// Keys that are for one kind of mount only, as they were typed.
    special: Vec<String>,
}

/// Reads one `--mount`. A host's path that begins with a dot stays as it is:
/// where that counts from is known to the second stage only.
pub fn parse(text: &str) -> Result<Mount> {
    let mut fields = Fields::default();
    for field in csv::fields(text)? {
        fields.take(&field)?;
    }
    fields
        .mount()
        .map_err(|e| e.context(format!("invalid mount {text:?}")))
}

impl Fields {
    fn take(&mut self, field: &str) -> Result<()> {
        let (key, value) = csv::key_value(field);
        if self.take_switch(&key, value)? {
            return Ok(());
        }
        let value = value.filter(|v| !v.is_empty()).map(str::to_owned);
        let Some(value) = value else {
            return Err(
                Error::user(format!("invalid field '{field}' must be a key=value pair"))
                    .hint("as in type=bind,source=./data,target=/data,readonly"),
            );
        };
        match key.as_str() {
            "type" => self.kind = Some(value.to_ascii_lowercase()),
            "source" | "src" => self.source = Some(value),
            "target" | "dst" | "destination" => self.target = Some(value),
            "consistency" => {}
            "bind-propagation" => self.propagation = Some(propagation(value)?),
            "bind-recursive" => self.recursive = Some(recursive(value)?),
            "volume-subpath" => self.subpath = Some(subpath(&value)?),
            "volume-driver" => check_driver(&value)?,
            "volume-label" => self.wish.labels.extend([pair::label(&value)?]),
            "volume-opt" => self.wish.options.extend([pair::volume_option(&value)?]),
            "tmpfs-size" => {
                let size = units::size(&value).map_err(|e| e.context("tmpfs-size"))?;
                self.tmpfs.size = Some(size as u64);
            }
            "tmpfs-mode" => self.tmpfs.mode = Some(mode(&value)?),
            _ => return Err(unknown(&key, field)),
        }
        self.remember(key);
        Ok(())
    }

    /// Keys that can stand alone.
    fn take_switch(&mut self, key: &str, value: Option<&str>) -> Result<bool> {
        match key {
            "readonly" | "ro" => self.read_only = csv::truth(key, value)?,
            "bind-nonrecursive" => {
                if csv::truth(key, value)? {
                    self.recursive = Some("disabled".to_owned());
                }
            }
            "bind-create-src" => self.create = csv::truth(key, value)?,
            "volume-nocopy" => {
                if csv::truth(key, value)? {
                    self.options.push("nocopy".to_owned());
                }
            }
            "idmap" => self.owners(value)?,
            _ => return Ok(false),
        }
        self.remember(key.to_owned());
        Ok(true)
    }

    /// As in `idmap`, `idmap=true` or `idmap=uids=…;gids=…`.
    fn owners(&mut self, value: Option<&str>) -> Result<()> {
        let word = match value {
            Some(lists) if lists.contains("ids=") => format!("idmap={lists}"),
            _ if csv::truth("idmap", value)? => "idmap".to_owned(),
            _ => return Ok(()),
        };
        IdMap::parse(&word).transpose()?;
        self.options.push(word);
        Ok(())
    }

    fn remember(&mut self, key: String) {
        if ["bind-", "volume-", "tmpfs-"]
            .iter()
            .any(|p| key.starts_with(p))
        {
            self.special.push(key);
        }
    }

    fn mount(mut self) -> Result<Mount> {
        let kind = self.kind.take().unwrap_or_else(|| "volume".to_owned());
        self.check_keys(&kind)?;
        let target = self.target.as_deref();
        let target =
            target.ok_or_else(|| Error::user("target is required").hint("add target=/…"))?;
        let target = paths::target(target)?;
        let kind = match kind.as_str() {
            "bind" => self.bind()?,
            "volume" => self.volume()?,
            "tmpfs" => self.tmpfs()?,
            "image" => self.image()?,
            _ => {
                return Err(Error::user(format!("type {kind:?} is not known"))
                    .hint("bind, volume, tmpfs or image"));
            }
        };
        Ok(Mount {
            kind,
            target,
            read_only: self.read_only,
            options: self.options,
        })
    }

    fn check_keys(&self, kind: &str) -> Result<()> {
        let own = format!("{kind}-");
        match self.special.iter().find(|key| !key.starts_with(&own)) {
            Some(key) => Err(Error::user(format!(
                "cannot mix '{}-*' options with mount type '{kind}'",
                key.split('-').next().unwrap_or_default()
            ))
            .hint(format!("leave {key} out, or change the type"))),
            None => Ok(()),
        }
    }

    fn bind(&mut self) -> Result<MountKind> {
        let source = self.source.take().ok_or_else(|| {
            Error::user("source is required").hint("add source=, a path of the host")
        })?;
        if !source.starts_with(['/', '.']) {
            return Err(Error::user(format!(
                "invalid mount path: {source:?}: mount path must be absolute"
            ))
            .hint("write ./ in front of a directory of the host"));
        }
        paths::check(&source)?;
        self.recursion()?;
        self.options.extend(self.propagation.take());
        Ok(MountKind::Bind {
            source: PathBuf::from(source),
            create: self.create,
            recursive: self.recursive.as_deref() != Some("disabled"),
        })
    }

    /// `readonly` is about read-only mounts below, and cannot hold if others
    /// may come later.
    fn recursion(&mut self) -> Result<()> {
        let deep = self.recursive.as_deref().unwrap_or_default();
        let rprivate = self.propagation.as_deref() == Some("rprivate");
        let needs = match deep {
            "readonly" | "writable" if !self.read_only => "readonly",
            "readonly" if !rprivate => "bind-propagation=rprivate",
            _ => "",
        };
        if !needs.is_empty() {
            return Err(Error::user(format!(
                "bind-recursive={deep} needs {needs} beside it"
            )));
        }
        if matches!(deep, "readonly" | "writable") {
            self.options.push(format!("bind-recursive={deep}"));
        }
        Ok(())
    }

    fn volume(&mut self) -> Result<MountKind> {
        let name = self.source.take().unwrap_or_default();
        if !name.is_empty() {
            check_name(&name)?;
        }
        Ok(MountKind::Volume {
            anonymous: name.is_empty(),
            name,
            subpath: self.subpath.take(),
            wish: std::mem::take(&mut self.wish),
        })
    }

    fn tmpfs(&mut self) -> Result<MountKind> {
        if self.options.iter().any(|o| o.starts_with("idmap")) {
            return Err(Error::user("a tmpfs has no owners but its own").hint("leave idmap out"));
        }
        if self.source.is_some() {
            return Err(Error::user("a tmpfs has no source").hint("leave source out"));
        }
        Ok(MountKind::Tmpfs(self.tmpfs.clone()))
    }

    fn image(&mut self) -> Result<MountKind> {
        if self.options.iter().any(|o| o.starts_with("idmap")) {
            return Err(Error::user("an image's files keep their owners").hint("leave idmap out"));
        }
        // Whether it is said or not, an image is never written.
        self.read_only = true;
        let reference = self
            .source
            .take()
            .ok_or_else(|| Error::user("source is required").hint("add source=, an image"))?;
        Ok(MountKind::Image {
            reference,
            id: String::new(),
            layers: Vec::new(),
        })
    }
}

/// There is one driver; the name says it, for those who know Docker's.
pub fn check_driver(name: &str) -> Result<()> {
    if name == "local" {
        return Ok(());
    }
    Err(Error::user(format!("no volume driver {name:?}")).hint(
        "rcon keeps volumes itself, as the driver local does, and mounts what its options say",
    ))
}

fn propagation(value: String) -> Result<String> {
    if PROPAGATION.contains(&value.as_str()) {
        return Ok(value);
    }
    Err(Error::user(format!("invalid propagation mode: {value:?}"))
        .hint(format!("one of {}", PROPAGATION.join(", "))))
}

fn recursive(value: String) -> Result<String> {
    if ["enabled", "disabled", "writable", "readonly"].contains(&value.as_str()) {
        return Ok(value);
    }
    Err(
        Error::user(format!("invalid value for bind-recursive: {value:?}"))
            .hint("enabled, disabled, writable or readonly"),
    )
}

/// Somewhere in the volume, and nowhere else.
fn subpath(text: &str) -> Result<PathBuf> {
    let path = Path::new(text);
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if path.components().all(inside) && !text.contains('\0') {
        return Ok(path.to_owned());
    }
    Err(Error::user(format!(
        "volume-subpath {text:?} must be a path inside the volume"
    ))
    .hint("relative, and without .."))
}

/// Octal digits.
fn mode(text: &str) -> Result<u32> {
    super::tmpfs::mode(text).ok_or_else(|| {
        Error::user(format!(
            "tmpfs-mode {text:?} is not a mode in octal, as 1770"
        ))
    })
}

fn unknown(key: &str, field: &str) -> Error {
    let e = Error::user(format!("unexpected key '{key}' in '{field}'"));
    e.hint(match key {
        "image-subpath" => "mount the whole image",
        _ => {
            "known are type, source, target, readonly, idmap, bind-propagation, bind-recursive, \
             bind-nonrecursive, bind-create-src, volume-nocopy, volume-subpath, volume-driver, \
             volume-label, volume-opt, tmpfs-size, tmpfs-mode and consistency"
        }
    })
}

#[cfg(test)]
#[path = "mount_tests.rs"]
mod tests;
