//! The state root: one directory for each container, with
//!
//! ```text
//! <root>/<id>/state.json    who it is and where: replaced as a whole
//! <root>/<id>/config.json   the bundle's configuration as it was
//! <root>/<id>/start.sock    there until the program is started
//! ```
//!
//! What stands in `state.json` is [`Record`]'s.

use std::fs::{self, DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use oci_spec::runtime::Spec;

use super::bundle;
use super::record::Record;
use crate::error::{Context, Error, Result};
use crate::sys::fd;

const LONGEST_ID: usize = 1024;

/// The directory of all records.
#[derive(Debug, Clone)]
pub struct Root {
    dir: PathBuf,
    /// Somebody named it, and means that one.
    given: bool,
}

/// One container's directory, locked against other commands that change it.
#[derive(Debug)]
pub struct Locked {
    dir: PathBuf,
    _lock: Flock<File>,
}

impl Root {
    /// `--root`, or the usual place for this user.
    pub fn new(given: Option<PathBuf>) -> Self {
        let usual = || match std::env::var_os("XDG_RUNTIME_DIR") {
            Some(dir) if crate::sys::identity::effective_ids().0 != 0 => {
                PathBuf::from(dir).join("rcon/oci")
            }
            _ => PathBuf::from("/run/rcon/oci"),
        };
        Self {
            given: given.is_some(),
            dir: given.unwrap_or_else(usual),
        }
    }

    fn dir(&self, id: &str) -> Result<PathBuf> {
        check_id(id)?;
        Ok(self.dir.join(id))
    }

    /// Takes a new name, for as long as its directory is there.
    pub fn claim(&self, id: &str) -> Result<Locked> {
        let dir = self.dir(id)?;
        let private = |recursive| {
            let mut builder = DirBuilder::new();
            builder.mode(0o700).recursive(recursive);
            builder
        };
        let named = || {
            format!(
                "cannot keep the state of containers in {}",
                self.dir.display()
            )
        };
        let made = match private(false).create(&dir) {
            // The root itself is missing at the very first start only.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let made = private(true).create(&self.dir);
                made.map_err(|e| forbidden(e.into()).context(named()))?;
                private(false).create(&dir)
            }
            made => made,
        };
        let taken = || {
            Error::user(format!("container {id} already exists"))
                .hint("choose another name, or delete that one first")
        };
        match made {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => return Err(taken()),
            made => made.map_err(|e| forbidden(e.into()).context(named()))?,
        }
        // Before we had the lock, `delete --force` may have removed what looked
        // like a start that was given up, and somebody else taken the name.
        match Locked::lock(dir)? {
            Some(locked) if locked.is_empty()? => Ok(locked),
            _ => Err(taken()),
        }
    }

    /// Locks an existing container's directory.
    pub fn lock(&self, id: &str) -> Result<Locked> {
        let dir = self.dir(id)?;
        self.require(id)?;
        Locked::lock(dir)?.ok_or_else(|| unknown(id))
    }

    /// Reads a record without locking it.
    pub fn read(&self, id: &str) -> Result<Record> {
        let dir = self.dir(id)?;
        self.require(id)?;
        if !dir.join("state.json").exists() {
            return Err(Error::user(format!("container {id} is not made yet"))
                .hint("if whoever made it is gone, remove it with delete --force"));
        }
        Record::read(&dir, id)
    }

    /// Whether there is such a container. Not to be allowed to look is an
    /// error: it must not read as "no".
    pub fn has(&self, id: &str) -> Result<bool> {
        let what = || format!("cannot look for container {id} in {}", self.dir.display());
        match fs::symlink_metadata(self.dir(id)?) {
            Ok(meta) if meta.is_dir() => may_enter(&self.dir.join(id)).context(what).map(|()| true),
            Ok(_) => Ok(false),
            Err(e) if is_absent(&e) => Ok(false),
            Err(e) => Err(forbidden(e.into()).context(what())),
        }
    }

    /// That there is none is an error.
    pub fn require(&self, id: &str) -> Result<()> {
        if self.has(id)? {
            Ok(())
        } else {
            Err(unknown(id))
        }
    }

    /// Whose container it is: the owner of its directory.
    pub fn owner(&self, id: &str) -> String {
        let meta = self.dir(id).ok().and_then(|d| fs::symlink_metadata(d).ok());
        meta.map_or_else(String::new, |m| user_name(m.uid()))
    }

    /// The names of all containers.
    pub fn ids(&self) -> Result<Vec<String>> {
        let entries = match fs::read_dir(&self.dir) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !self.given => {
                return Ok(Vec::new());
            }
            Err(e) => {
                let what = format!("cannot read {}", self.dir.display());
                return Err(forbidden(e.into()).context(what));
            }
            Ok(entries) => entries,
        };
        let mut ids: Vec<String> = entries
            .flatten()
            .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
            .filter_map(|e| e.file_name().into_string().ok())
            .filter(|id| check_id(id).is_ok())
            .collect();
        ids.sort();
        Ok(ids)
    }

    /// The configuration a container was made from.
    pub fn spec(&self, id: &str) -> Result<Spec> {
        let bytes = read_no_links(&self.dir(id)?, "config.json")?;
        // Its warnings were told when the container was made.
        Ok(bundle::parse_spec(&bytes)?.0)
    }

    /// The socket on which a created container waits.
    pub fn start_socket(&self, id: &str) -> Result<PathBuf> {
        Ok(self.dir(id)?.join("start.sock"))
    }
}

fn unknown(id: &str) -> Error {
    Error::user(format!("container {id} does not exist"))
}

fn is_absent(e: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(e.kind(), NotFound | NotADirectory)
}

/// A directory of another user can be seen without what is in it.
fn may_enter(dir: &Path) -> Result<()> {
    match fs::symlink_metadata(dir.join("state.json")) {
        Err(e) if !is_absent(&e) => Err(forbidden(e.into())),
        _ => Ok(()),
    }
}

/// What to do about records that are not this user's.
fn forbidden(e: Error) -> Error {
    if e.what() != Errno::EACCES.desc() {
        return e;
    }
    e.hint("run as root, give --root with a directory of your own, or set XDG_RUNTIME_DIR to one")
}

/// The host's name for a user, or its number as runc writes it.
fn user_name(uid: u32) -> String {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("#{uid}"))
}

/// Ids are names of directories, so they must not lead anywhere else.
pub(super) fn check_id(id: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
    let why = if id.is_empty() {
        "it is empty"
    } else if id.len() > LONGEST_ID {
        "it is too long"
    } else if id.starts_with('.') && id.chars().all(|c| c == '.') {
        "it is a directory's own name"
    } else if !id.chars().all(fine) {
        "only letters, digits and _ + - . may be in it"
    } else {
        return Ok(());
    };
    let short: String = id.chars().take(64).collect();
    Err(Error::user(format!(
        "invalid container id {short:?}: {why}"
    )))
}

impl Locked {
    /// `None` if the directory was deleted before we had the lock; one that
    /// others have made in its place is theirs.
    fn lock(dir: PathBuf) -> Result<Option<Self>> {
        let what = || format!("cannot lock {}", dir.display());
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let file = match fd::open(&dir, flags) {
            Err(e) if e.errno == Errno::ENOENT => return Ok(None),
            file => File::from(file.context(what)?),
        };
        let lock = Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, e)| Error::environment(e.desc()).context(what()))?;
        let ours = lock.metadata().context(what)?;
        let named = fs::symlink_metadata(&dir);
        let same = named.is_ok_and(|m| (m.dev(), m.ino()) == (ours.dev(), ours.ino()));
        Ok(same.then_some(Self { dir, _lock: lock }))
    }

    fn is_empty(&self) -> Result<bool> {
        let mut entries =
            fs::read_dir(&self.dir).context(|| format!("cannot read {}", self.dir.display()))?;
        Ok(entries.next().is_none())
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads the record; `None` if its maker died before writing one.
    pub fn record(&self) -> Result<Option<Record>> {
        if !self.dir.join("state.json").exists() {
            return Ok(None);
        }
        let id = self.dir.file_name().unwrap_or_default().to_string_lossy();
        Record::read(&self.dir, &id).map(Some)
    }

    /// Replaces the record: whoever reads it sees the old one or the new one.
    pub fn write(&self, record: &Record) -> Result<()> {
        let json = serde_json::to_vec(record).map_err(|e| Error::internal(e.to_string()))?;
        let what = || format!("cannot write {}", self.dir.join("state.json").display());
        let fresh = self.dir.join(".state.json.new");
        write_private(&fresh, &json).context(what)?;
        fs::rename(&fresh, self.dir.join("state.json")).context(what)
    }

    /// The configuration with every field, known or not.
    pub fn config(&self) -> Result<serde_json::Value> {
        bundle::parse(&read_no_links(&self.dir, "config.json")?, "config.json")
    }

    /// Keeps the configuration as it is now, replaced as a whole like the
    /// record itself: others read it without a lock.
    pub fn write_config(&self, bytes: &[u8]) -> Result<()> {
        let path = self.dir.join("config.json");
        let what = || format!("cannot write {}", path.display());
        let fresh = self.dir.join(".config.json.new");
        write_private(&fresh, bytes).context(what)?;
        fs::rename(&fresh, &path).context(what)
    }

    /// Gives the name back.
    pub fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.dir).context(|| format!("cannot remove {}", self.dir.display()))
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC | libc::O_NOFOLLOW;
    Ok(File::from(fd::open_mode(path, flags, 0o600)?).write_all(bytes)?)
}

/// A file of a record; a link in its place is not followed.
pub(super) fn read_no_links(dir: &Path, name: &str) -> Result<Vec<u8>> {
    let path = dir.join(name);
    if fs::symlink_metadata(&path).is_ok_and(|m| m.is_symlink()) {
        return Err(Error::environment(format!(
            "{} is a symbolic link",
            path.display()
        )));
    }
    bundle::read_bounded(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_never_lead_out_of_the_root() {
        for bad in [
            "", ".", "..", "...", "a/b", "../x", "/abs", "a b", "a\n", "é",
        ] {
            assert!(check_id(bad).is_err(), "{bad:?}");
        }
        assert!(check_id(&"x".repeat(1025)).is_err());
        for good in ["a", "A-b_c.d+e", ".hidden", "1"] {
            assert!(check_id(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_lock_on_a_directory_that_was_replaced_meanwhile_is_none() {
        let top = std::env::temp_dir().join(format!("rcon-test-record-{}", std::process::id()));
        let root = Root::new(Some(top.clone()));
        let first = root.claim("a").unwrap();
        let other = root.clone();
        let waiting = std::thread::spawn(move || other.lock("a").map(drop));
        // Long enough for the other to stand in line.
        std::thread::sleep(std::time::Duration::from_millis(200));
        fs::remove_dir_all(first.dir()).unwrap();
        let second = root.claim("a").unwrap();
        drop(first);
        let told = waiting.join().unwrap();
        second.remove().unwrap();
        fs::remove_dir(top).unwrap();
        let told = told.unwrap_err().to_string();
        assert!(told.contains("does not exist"), "{told}");
    }
}
