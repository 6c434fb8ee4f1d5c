//! What a build is given: its context, its Dockerfile, its secrets.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Build;
use crate::build::context::{Arrived, Context as Files, Recipe, Wanted, Which};
use crate::cli::flags::parse::csv;
use crate::error::{Context, Error, Result};
use crate::image::reference::Digest;

/// As Docker's builder has it.
const LARGEST_SECRET: u64 = 500 << 10;

/// What a build is given.
pub struct Given {
    /// Where this command was typed.
    pub directory: PathBuf,
    /// The files that may be copied.
    pub context: Files,
    /// The Dockerfile.
    pub recipe: Recipe,
    /// Under which name sums of this context's files are remembered.
    pub memo: String,
}

impl Given {
    /// Takes all of it. What comes as a stream is kept in `dir`.
    pub fn take(args: &Build, dir: &Path) -> Result<Self> {
        let directory = std::env::current_dir().context(|| "cannot find the current directory")?;
        let wanted = Wanted::parse(&args.context)?;
        if args.file.as_deref() == Some("-") && wanted == Wanted::Stdin {
            return Err(
                Error::user("standard input cannot be both context and Dockerfile")
                    .hint("put the Dockerfile into the archive, and name it with -f"),
            );
        }
        let mut which = match args.file.as_deref() {
            None => Which::Usual,
            Some("-") => Which::read(io::stdin().lock())?,
            Some(path) => Which::Named(PathBuf::from(path)),
        };
        let arrived = match wanted {
            Wanted::Folder(path) => Arrived::Files(Files::folder(&path)?),
            Wanted::Git(repository) => Arrived::Files(Files::git(&repository, dir)?),
            Wanted::Web(url) => Files::web(&url, dir)?,
            Wanted::Stdin => {
                if io::stdin().is_terminal() {
                    return Err(Error::user("a context does not come from a terminal")
                        .hint("redirect an archive or a Dockerfile, or name a folder"));
                }
                Files::arriving(io::stdin().lock(), dir)?
            }
        };
        let mut context = match arrived {
            Arrived::Files(context) => context,
            Arrived::Dockerfile(text) => {
                which = text;
                Files::empty(dir)?
            }
        };
        let recipe = context.recipe(which)?;
        let real = context.path().map(fs::canonicalize).transpose();
        let real = real.context(|| "the context")?;
        let name = real.unwrap_or_default();
        Ok(Self {
            memo: Digest::of(name.as_os_str().as_bytes()).hex().to_owned(),
            directory,
            context,
            recipe,
        })
    }

    /// The secrets that are given, by their ids.
    pub fn secrets(&self, given: &[String]) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut all = BTreeMap::new();
        for text in given {
            let (id, bytes) = self
                .secret(text)
                .map_err(|e| e.context(format!("--secret {text}")))?;
            all.insert(id, bytes);
        }
        Ok(all)
    }

    fn secret(&self, text: &str) -> Result<(String, Vec<u8>)> {
        let (mut id, mut source, mut variable) = (None, None, None);
        for field in csv::fields(text)? {
            let (key, value) = csv::key_value(&field);
            let value = value.unwrap_or_default().to_owned();
            match key.as_str() {
                "id" => id = Some(value),
                "src" | "source" => source = Some(value),
                "env" => variable = Some(value),
                "type" if matches!(value.as_str(), "file" | "env") => {}
                _ => {
                    return Err(Error::user(format!("{field:?} is not understood"))
                        .hint("as in id=token,src=token.txt or id=token,env=TOKEN"));
                }
            }
        }
        let id = id.or_else(|| source.clone()).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| Error::user("a secret needs an id"))?;
        if let Some(path) = source {
            let path = self.directory.join(path);
            return Ok((id, read(&path, LARGEST_SECRET)?));
        }
        let variable = variable.unwrap_or_else(|| id.clone());
        let value = std::env::var_os(&variable);
        let value = value.ok_or_else(|| {
            Error::user(format!("there is no variable {variable}"))
                .hint("src=FILE takes it from a file")
        })?;
        Ok((id, value.into_encoded_bytes()))
    }

    /// The agents that are given, by their ids.
    pub fn agents(&self, given: &[String]) -> Result<BTreeMap<String, PathBuf>> {
        use std::os::unix::fs::FileTypeExt;
        let mut all = BTreeMap::new();
        for text in given {
            let (id, path) = match text.split_once('=') {
                Some((id, path)) => (id, Some(PathBuf::from(path))),
                None => (
                    text.as_str(),
                    std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from),
                ),
            };
            let path = path.ok_or_else(|| {
                Error::user(format!("--ssh {text}: there is no SSH_AUTH_SOCK"))
                    .hint("start an agent with `eval $(ssh-agent)`, and `ssh-add` a key")
            })?;
            let path = self.directory.join(path);
            let meta = fs::metadata(&path).context(|| format!("--ssh {text}"))?;
            if !meta.file_type().is_socket() {
                return Err(
                    Error::user(format!("--ssh {text}: not the socket of an agent"))
                        .hint("keys are for an agent: `ssh-add FILE`, and --ssh default"),
                );
            }
            all.insert(id.to_owned(), path);
        }
        Ok(all)
    }
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let named = || format!("cannot read {}", path.display());
    let file = fs::File::open(path).context(named)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).context(named)?;
    if bytes.len() as u64 > most {
        return Err(Error::user(format!("larger than {most} bytes")).context(named()));
    }
    Ok(bytes)
}
