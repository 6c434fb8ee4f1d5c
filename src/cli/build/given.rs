//! What a build is given: its context, its Dockerfile, its secrets.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Build;
use crate::build::ignore::Ignore;
use crate::cli::flags::parse::csv;
use crate::error::{Context, Error, Result};
use crate::image::reference::Digest;
use crate::store::Store;
use crate::sys::fd;

/// A longer Dockerfile nobody has written.
const LARGEST: u64 = 16 << 20;
/// As Docker's builder has it.
const LARGEST_SECRET: u64 = 500 << 10;
/// Where a Dockerfile is looked for.
const USUAL: [&str; 2] = ["Dockerfile", "Containerfile"];

/// What a build is given.
pub struct Given {
    /// Where this command was typed.
    pub directory: PathBuf,
    /// The top of the context.
    pub context: Rc<OwnedFd>,
    /// What is left out of it.
    pub ignore: Ignore,
    /// The text of the Dockerfile.
    pub dockerfile: String,
    /// What that is called.
    pub name: String,
    /// Under which name sums of this context's files are remembered.
    pub memo: String,
}

impl Given {
    /// Takes all of it.
    pub fn take(_store: &Store, args: &Build) -> Result<Self> {
        let directory = std::env::current_dir().context(|| "cannot find the current directory")?;
        let path = directory.join(&args.context);
        let named = || format!("the context {}", path.display());
        let real = fs::canonicalize(&path).context(named)?;
        if !real.is_dir() {
            return Err(Error::user("not a directory").context(named()));
        }
        let top = fd::open(&real, libc::O_RDONLY | libc::O_DIRECTORY)?;
        let (name, dockerfile, beside) = dockerfile(args, &directory, &real)?;
        Ok(Self {
            ignore: ignore(&top, &name, beside.as_deref())?,
            context: Rc::new(top),
            dockerfile,
            name,
            memo: Digest::of(real.as_os_str().as_bytes()).hex().to_owned(),
            directory,
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

/// What the Dockerfile is called, its text, and where it is if it is a file.
fn dockerfile(
    args: &Build,
    directory: &Path,
    context: &Path,
) -> Result<(String, String, Option<PathBuf>)> {
    let path = match args.file.as_deref() {
        Some("-") => {
            let mut bytes = Vec::new();
            let read = io::stdin().take(LARGEST + 1).read_to_end(&mut bytes);
            read.context(|| "reading the Dockerfile")?;
            return Ok(("Dockerfile".to_owned(), text(bytes)?, None));
        }
        Some(path) => {
            let typed = directory.join(path);
            // Docker sees it from the context, too.
            let inside = context.join(path);
            if typed.exists() || !inside.exists() {
                typed
            } else {
                inside
            }
        }
        None => {
            let usual = USUAL.iter().map(|name| context.join(name));
            let mut there = usual.filter(|path| path.exists());
            there.next().ok_or_else(|| {
                Error::user(format!("there is no Dockerfile in {}", context.display()))
                    .hint("-f FILE names another one")
            })?
        }
    };
    let bytes = read(&path, LARGEST)?;
    let name = path.strip_prefix(context).unwrap_or(&path);
    Ok((name.display().to_string(), text(bytes)?, Some(path)))
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| Error::user("the Dockerfile is not text in UTF-8"))
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

/// The rules beside the Dockerfile, else those of the context.
fn ignore(top: &OwnedFd, _name: &str, beside: Option<&Path>) -> Result<Ignore> {
    if let Some(path) = beside {
        let mut own = path.as_os_str().to_owned();
        own.push(".dockerignore");
        let own = PathBuf::from(own);
        if own.exists() {
            let bytes = read(&own, LARGEST)?;
            return Ignore::parse(&String::from_utf8_lossy(&bytes))
                .map_err(|e| e.context(own.display()));
        }
    }
    let name = Path::new(".dockerignore");
    let flags = libc::O_RDONLY | libc::O_NONBLOCK;
    match fd::openat2_if_there(top, name, flags, fd::IN_ROOT)? {
        None => Ok(Ignore::default()),
        Some(file) => {
            let mut bytes = Vec::new();
            let read = fs::File::from(file).take(LARGEST).read_to_end(&mut bytes);
            read.context(|| "reading the .dockerignore")?;
            Ignore::parse(&String::from_utf8_lossy(&bytes)).map_err(|e| e.context(".dockerignore"))
        }
    }
}
