//! Which Dockerfile, and which `.dockerignore`.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Context, all, decoded, read_host};
use crate::build::ignore::Ignore;
use crate::error::{Context as _, Error, Result};
use crate::sys::fd;

/// Where a Dockerfile is looked for if none is named.
const USUAL: [&str; 3] = ["Dockerfile", "dockerfile", "Containerfile"];
const IGNORE: &str = ".dockerignore";
/// Of these the first that is there counts.
const IGNORES: [&str; 2] = [".containerignore", IGNORE];

/// What `-f` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Nothing: the usual one.
    Usual,
    /// A file. For a folder as context it is one of the host, as everywhere on
    /// a command line; for another context, one in there.
    Named(PathBuf),
    /// `-`, or a lone Dockerfile on standard input: this text.
    Text(String),
}

/// A Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// What it is called in messages.
    pub name: String,
    /// What it says.
    pub text: String,
}

impl Which {
    /// Reads a Dockerfile from standard input or another stream.
    pub fn read(from: impl Read) -> Result<Self> {
        let path = Path::new("-");
        decoded(all(from, path)?, path).map(Self::Text)
    }
}

impl Context {
    /// Finds the Dockerfile, and from then on keeps out what its
    /// `.dockerignore` says: the one named after it if there is one beside it,
    /// otherwise that of the context. Both files can be read even if they keep
    /// themselves out.
    pub fn recipe(&mut self, which: Which) -> Result<Recipe> {
        let found = match which {
            Which::Text(text) => {
                let name = "-".to_owned();
                return self.with_ignore(Recipe { name, text }, None);
            }
            Which::Usual => self.usual()?,
            Which::Named(path) => self.named(&path)?,
        };
        let beside = PathBuf::from(found.name.clone() + IGNORE);
        let rules = match (&self.folder, found.in_context) {
            (Some(_), false) => read_host(&beside)?,
            _ => self.read(&beside)?,
        };
        let rules = rules.map(|text| (beside.display().to_string(), text));
        let Found { name, text, .. } = found;
        self.with_ignore(Recipe { name, text }, rules)
    }

    fn usual(&self) -> Result<Found> {
        for name in USUAL {
            if let Some(text) = self.read(Path::new(name))? {
                return Ok(Found {
                    name: name.to_owned(),
                    text,
                    in_context: true,
                });
            }
        }
        let error = Error::user("there is no Dockerfile in the context");
        let is_link = |name: &&&str| {
            let flags = libc::O_PATH | libc::O_NOFOLLOW;
            fd::openat2(&self.root, Path::new(name), flags, 0, fd::NO_LINKS).is_ok()
        };
        Err(match USUAL.iter().find(is_link) {
            Some(name) => error.hint(format!(
                "{name} is a link that leads out of the context, or nowhere; -f names its target"
            )),
            None => error.hint("-f names another file, - takes it from standard input"),
        })
    }

    fn named(&self, path: &Path) -> Result<Found> {
        let shown = || path.display().to_string();
        let (text, in_context) = match &self.folder {
            Some(_) => (read_host(path)?, false),
            None => (self.read(path)?, true),
        };
        if let Some(text) = text {
            let name = shown();
            return Ok(Found {
                name,
                text,
                in_context,
            });
        }
        let missing = Error::user(format!("there is no Dockerfile {path:?}"));
        let hint = match &self.folder {
            Some(folder) if path.is_relative() && folder.join(path).exists() => {
                format!(
                    "it is seen from here, not from the context: -f {:?}",
                    folder.join(path)
                )
            }
            _ => "check the name behind -f".to_owned(),
        };
        Err(missing.hint(hint))
    }

    fn with_ignore(&mut self, recipe: Recipe, beside: Option<(String, String)>) -> Result<Recipe> {
        let own = || -> Result<_> {
            for name in IGNORES {
                if let Some(text) = self.read(Path::new(name))? {
                    return Ok(Some((name.to_owned(), text)));
                }
            }
            Ok(None)
        };
        let rules = match beside {
            Some(rules) => Some(rules),
            None => own()?,
        };
        self.ignore = match rules {
            Some((name, text)) => Ignore::parse(&text).context(|| name)?,
            None => Ignore::default(),
        };
        Ok(recipe)
    }
}

struct Found {
    name: String,
    text: String,
    /// It was found in the context and not by a path of the host.
    in_context: bool,
}
