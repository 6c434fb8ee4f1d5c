//! One container's directory.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;
use serde::de::DeserializeOwned;

use super::{Lock, files, lock, names};
use crate::container::{Config, Id, Name, SCHEMA, State, Status};
use crate::error::{Context, Error, Result};

/// More than what is ever said of a container, but for what its checks print.
const ROOM: u64 = 16 * 1024;

/// What is to be done about a record that is none.
const SPOILT: &str = "the record is spoilt; `rcon rm --force` removes the container";

/// One container, as it is kept.
#[derive(Debug, Clone)]
pub struct Entry {
    dir: PathBuf,
    run: PathBuf,
    id: Id,
}

impl Entry {
    pub(super) fn new(dir: PathBuf, run: PathBuf, id: Id) -> Self {
        Self { dir, run, id }
    }

    /// Its id.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where its sockets are while it is up.
    pub fn run_dir(&self) -> &Path {
        &self.run
    }

    /// Makes that place.
    pub fn make_run_dir(&self) -> Result<()> {
        files::private_dir_all(&self.run).context(|| format!("cannot make {}", self.run.display()))
    }

    /// Where its keeper listens.
    pub fn socket(&self) -> PathBuf {
        self.run.join("keeper.sock")
    }

    /// Where its own `/etc/hosts` and the like are.
    pub fn files_dir(&self) -> PathBuf {
        self.dir.join("files")
    }

    /// What it changed in its root: the overlay's upper directory.
    pub fn upper_dir(&self) -> PathBuf {
        self.dir.join("fs/upper")
    }

    /// Makes the directories of an overlay: the place where it is laid out in
    /// the container's own mount namespace, the upper one, and the one in
    /// which the kernel prepares a change. The root looks like the upper one
    /// from inside, so that gets the owner and mode of `model`, the uppermost
    /// of what it is laid over.
    pub fn make_overlay_dirs(&self, model: Option<&Path>) -> Result<(PathBuf, PathBuf, PathBuf)> {
        let fs = self.dir.join("fs");
        let all = (fs.join("root"), fs.join("upper"), fs.join("work"));
        if !all.2.exists() {
            for dir in [&all.0, &all.1] {
                files::public_dir_all(dir).context(|| format!("cannot make {}", dir.display()))?;
            }
            if let Some(model) = model {
                dress(&all.1, model).context(|| format!("cannot make {}", all.1.display()))?;
            }
            // The last, for it tells that the others are done.
            let work = &all.2;
            files::public_dir_all(work).context(|| format!("cannot make {}", work.display()))?;
        }
        // Left by an overlay that promised nothing; see `Changes::volatile`.
        let _ = std::fs::remove_dir_all(all.2.join("work/incompat"));
        Ok(all)
    }

    /// Makes the directory of its own files.
    pub fn make_files_dir(&self) -> Result<()> {
        let dir = self.files_dir();
        if dir.exists() {
            return Ok(());
        }
        files::public_dir_all(&dir).context(|| format!("cannot make {}", dir.display()))
    }

    /// Writes one of its own files, to be shown in its `/etc`. A container that
    /// runs sees the new text, for the file stays the same one.
    pub fn write_file(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.files_dir().join(name);
        let what = || format!("cannot write {}", path.display());
        files::write_public(&path, text.as_bytes()).context(what)?;
        Ok(path)
    }

    /// Keeps what it was last started with.
    pub fn write_spec(&self, spec: &Spec) -> Result<()> {
        let json = serde_json::to_vec_pretty(spec).map_err(|e| Error::internal(e.to_string()))?;
        files::replace(&self.dir, "spec.json", &json)
            .context(|| format!("cannot write {}", self.dir.join("spec.json").display()))
    }

    /// What it was last started with.
    pub fn spec(&self) -> Result<Spec> {
        self.record("spec.json")
    }

    /// Whether it has not been removed.
    pub fn exists(&self) -> bool {
        self.dir.is_dir()
    }

    /// Whether something of it is left, be it only what is being removed.
    pub fn is_leaving(&self) -> bool {
        let gone = format!(".gone-{}", self.id);
        self.exists() || self.dir.with_file_name(gone).exists()
    }

    /// What people call it.
    pub fn name(&self) -> Result<Name> {
        names::read(&self.dir)
    }

    /// What was asked for.
    pub fn config(&self) -> Result<Config> {
        let config: Config = self.record("config.json")?;
        self.check_version("config.json", config.version)?;
        if config.id != self.id {
            let (path, other) = (self.dir.join("config.json"), config.id.short());
            let what = format!("{}: the record of container {other}", path.display());
            return Err(Error::environment(what).hint(SPOILT));
        }
        Ok(config)
    }

    /// Replaces what was asked for; only `update` does.
    pub fn write_config(&self, config: &Config) -> Result<()> {
        let json = serde_json::to_vec_pretty(config).map_err(|e| Error::internal(e.to_string()))?;
        files::replace_soon(&self.dir, "config.json", &json)
            .context(|| format!("cannot write the record of container {}", self.id.short()))
    }

    /// What its record says became of it. Whether that is still true is
    /// another matter: see [`Entry::is_held`].
    ///
    /// One that the power took is written often, and only of a container that
    /// does something: it was up, until the machine was not.
    pub fn recorded(&self) -> Result<State> {
        let bytes = self.bytes("state.json")?;
        if files::is_void(&bytes) {
            return Ok(State {
                status: Status::Running,
                ..State::new()
            });
        }
        let state: State = self.understand("state.json", &bytes)?;
        self.check_version("state.json", state.version)?;
        Ok(state)
    }

    /// Whether nothing is in one of its records, as a power failure leaves it.
    pub fn has_lost(&self, name: &str) -> bool {
        files::read_left(&self.dir.join(name)).is_ok_and(|bytes| files::is_void(&bytes))
    }

    /// Whether somebody keeps or changes it right now.
    pub fn is_held(&self) -> bool {
        Lock::is_held(&self.dir)
    }

    /// Whether something that is no file lies where its lock should be.
    pub fn has_spoilt_lock(&self) -> bool {
        lock::is_spoilt(&self.dir.join("lock"))
    }

    /// Takes away what lies where its lock should be and is none.
    pub fn clear_spoilt_lock(&self) -> Result<()> {
        lock::clear_spoilt(&self.dir.join("lock"))
    }

    /// Takes its lock; `None` if another has it.
    pub fn try_lock(&self) -> Result<Option<Lock>> {
        self.still_there(Lock::try_take(&self.dir))
    }

    /// Takes its lock, waiting for whoever has it.
    pub fn lock(&self) -> Result<Lock> {
        self.still_there(Lock::take(&self.dir))
    }

    /// Something about it, unless it has been removed meanwhile.
    pub fn still_there<T>(&self, found: Result<T>) -> Result<T> {
        if self.exists() {
            return found;
        }
        Err(Error::user(format!(
            "No such container: {}",
            self.id.short()
        )))
    }

    /// Replaces what became of it. The lock shows that it is ours to say.
    /// What only `passes` need not outlive a power failure.
    pub fn write_state(&self, _lock: &Lock, state: &State, passes: bool) -> Result<()> {
        let write = if passes {
            files::pass_in_need
        } else {
            files::replace_in_need
        };
        write_first_state(&self.dir, state, write)
    }

    /// Keeps room on the disk to say how it ended.
    pub fn keep_room(&self) -> Result<()> {
        let room = files::keep_room(&self.dir, "state.json", ROOM);
        room.context(|| format!("cannot write into {}", self.dir.display()))
    }

    fn record<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        self.understand(name, &self.bytes(name)?)
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        files::read_left(&self.dir.join(name)).map_err(|e| {
            if self.dir.exists() {
                e
            } else {
                Error::user(format!("No such container: {}", self.id.short()))
            }
        })
    }

    fn understand<T: DeserializeOwned>(&self, name: &str, bytes: &[u8]) -> Result<T> {
        serde_json::from_slice(bytes).map_err(|e| {
            Error::environment(format!("{}: {e}", self.dir.join(name).display())).hint(SPOILT)
        })
    }

    fn check_version(&self, name: &str, version: u32) -> Result<()> {
        if version == SCHEMA {
            return Ok(());
        }
        let path = self.dir.join(name);
        Err(Error::environment(format!(
            "{} is of version {version}, this rcon knows version {SCHEMA}",
            path.display()
        ))
        .hint("use the rcon that made it"))
    }
}

/// Gives a directory the owner and mode of another.
fn dress(dir: &Path, model: &Path) -> std::io::Result<()> {
    let like = std::fs::metadata(model)?;
    std::os::unix::fs::chown(dir, Some(like.uid()), Some(like.gid()))?;
    std::fs::set_permissions(dir, like.permissions())
}

/// Writes it, in a way that suits where it is.
pub(super) fn write_first_state(
    dir: &Path,
    state: &State,
    write: fn(&Path, &str, &[u8]) -> std::io::Result<()>,
) -> Result<()> {
    let json = serde_json::to_vec_pretty(state).map_err(|e| Error::internal(e.to_string()))?;
    write(dir, "state.json", &json)
        .context(|| format!("cannot write {}", dir.join("state.json").display()))
}
