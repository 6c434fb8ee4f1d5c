//! `--output`: the result somewhere else than among the images.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::archive::{self, Ownership, Pack, copy};
use crate::build::finish::Described;
use crate::cli::flags::parse::csv;
use crate::error::{Context, Error, Result};
use crate::image::Stage;
use crate::image::archive::save_staged;
use crate::image::reference::Reference;
use crate::sys::fd;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The files, in a directory.
    Local,
    /// The files, as an archive.
    Tar,
    /// The image, as an archive that `load` reads.
    Archive,
    /// Nothing: it is among the images.
    Image,
}

/// One `--output`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    kind: Kind,
    /// None: standard output.
    to: Option<PathBuf>,
}

impl Output {
    /// Reads what was typed.
    pub fn parse(text: &str) -> Result<Self> {
        Self::read(text).map_err(|e| e.context(format!("--output {text}")))
    }

    fn read(text: &str) -> Result<Self> {
        if text == "-" {
            return Ok(Self {
                kind: Kind::Tar,
                to: None,
            });
        }
        if !text.contains('=') {
            return Ok(Self {
                kind: Kind::Local,
                to: Some(PathBuf::from(text)),
            });
        }
        let (mut kind, mut to) = (None, None);
        for field in csv::fields(text)? {
            let (key, value) = csv::key_value(&field);
            let value = value.unwrap_or_default();
            match (key.as_str(), value) {
                ("type", "local") => kind = Some(Kind::Local),
                ("type", "tar") => kind = Some(Kind::Tar),
                ("type", "oci" | "docker") => kind = Some(Kind::Archive),
                ("type", "image") => kind = Some(Kind::Image),
                ("dest" | "dst", value) => to = Some(value.to_owned()),
                _ => {
                    return Err(Error::user(format!("{field:?} is not understood"))
                        .hint("type=local, tar, oci, docker or image, and dest=PATH"));
                }
            }
        }
        let kind = kind.ok_or_else(|| Error::user("it has no type"))?;
        let to = to.filter(|to| to != "-").map(PathBuf::from);
        if kind == Kind::Local && to.is_none() {
            return Err(Error::user("files are not for standard output").hint("add dest=DIR"));
        }
        Ok(Self { kind, to })
    }

    /// Whether it is the files that are wanted, and not the image.
    pub fn is_of_files(&self) -> bool {
        matches!(self.kind, Kind::Local | Kind::Tar)
    }

    /// Whether it has the image be among the others.
    pub fn is_of_store(&self) -> bool {
        self.kind == Kind::Image
    }

    /// Whether it is written to standard output.
    pub fn is_to_stdout(&self) -> bool {
        self.kind != Kind::Image && self.to.is_none()
    }

    /// What is told of it.
    pub fn shown(&self) -> String {
        match &self.to {
            Some(path) => path.display().to_string(),
            None => "standard output".to_owned(),
        }
    }

    /// What cannot be written is known before anything is built.
    pub fn check(&self) -> Result<()> {
        if self.is_to_stdout() && io::stdout().is_terminal() {
            return Err(Error::user("--output: an archive is not for a terminal")
                .hint("redirect it, or add dest=FILE"));
        }
        Ok(())
    }

    /// Writes the files below `root`.
    pub fn write_files(&self, root: &OwnedFd, epoch: Option<i64>) -> Result<()> {
        match (self.kind, &self.to) {
            (Kind::Local, Some(to)) => local(root, to),
            (Kind::Tar, _) => self.to_file(|out| {
                let options = Pack {
                    one_file_system: true,
                    // Times are whole seconds, as in a layer.
                    layer: epoch.is_some(),
                    ..Pack::default()
                };
                archive::pack(root, b".", out, &options).map(drop)
            }),
            _ => Ok(()),
        }
    }

    /// Writes the image.
    pub fn write_image(&self, stage: &Stage, image: &Described, names: &[Reference]) -> Result<()> {
        if self.kind != Kind::Archive {
            return Ok(());
        }
        let image = (&image.manifest, &image.target);
        self.to_file(|out| save_staged(stage, image, names, out))
    }

    fn to_file(&self, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let Some(path) = &self.to else {
            let mut out = BufWriter::new(io::stdout().lock());
            write(&mut out)?;
            return out.flush().context(|| "cannot write the archive");
        };
        let named = || format!("cannot write {}", path.display());
        let is_new = !path.exists();
        let mut out = BufWriter::new(File::create(path).context(named)?);
        let written = write(&mut out).and_then(|()| out.flush().context(named));
        if written.is_err() && is_new {
            // Half an archive is good for nothing.
            let _ = fs::remove_file(path);
        }
        written
    }
}

/// Copies all files into a directory of the host.
fn local(root: &OwnedFd, to: &Path) -> Result<()> {
    let named = || format!("cannot write {}", to.display());
    fs::create_dir_all(to).context(named)?;
    let to = fd::open(to, libc::O_RDONLY | libc::O_DIRECTORY)?;
    let source = copy::copy_from(root, b"/.", false)?;
    let own = if nix::unistd::geteuid().is_root() {
        Ownership::Keep
    } else {
        Ownership::Fixed(
            nix::unistd::geteuid().as_raw(),
            nix::unistd::getegid().as_raw(),
        )
    };
    // Whoever made the image is not to leave powers in a folder of the host's.
    let done = copy::copy(
        (&source, &Ownership::Keep),
        &to,
        b"/",
        &own,
        copy::Trust::Plain,
    );
    done.context(named).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed() {
        let of = |kind, to: Option<&str>| Output {
            kind,
            to: to.map(PathBuf::from),
        };
        for (text, want) in [
            ("-", of(Kind::Tar, None)),
            ("out", of(Kind::Local, Some("out"))),
            ("type=local,dest=a", of(Kind::Local, Some("a"))),
            ("type=tar,dest=-", of(Kind::Tar, None)),
            ("type=oci,dest=x.tar", of(Kind::Archive, Some("x.tar"))),
            ("type=docker", of(Kind::Archive, None)),
        ] {
            assert_eq!(Output::parse(text).unwrap(), want, "{text}");
        }
        for bad in ["type=zip", "dest=x", "type=local", "type=tar,x=y"] {
            assert!(Output::parse(bad).is_err(), "{bad}");
        }
    }
}
