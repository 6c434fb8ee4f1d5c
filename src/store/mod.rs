//! Where containers are kept: a directory one can read.
//!
//! ```text
//! <root>/version                   of this layout
//! <root>/lock                      held for an instant by whoever gives out a name
//! <root>/names/<name>              a link to the container of that name
//! <root>/images/                   what containers are made from: see `crate::image`
//! <root>/layers/                   the same, unpacked
//! <root>/build/                    what builds remember: see `crate::build`
//! <root>/build/steps/<id>          the container of that id is a step of a build
//! <root>/containers/<id>/
//!     config.json                  what was asked for: written once
//!     name                         what people call it
//!     state.json                   what became of it: replaced as a whole
//!     lock                         held by its keeper for as long as that lives
//!     container.log                what it said
//!     fs/upper, fs/work            what it changed in its root
//!     files/                       its own /etc/hosts, /etc/hostname, /etc/resolv.conf
//! <run>/<id>/                      sockets; gone after a reboot
//! ```
//!
//! A container appears by one rename and goes by one rename, so none is ever
//! seen half-made; what a killed command leaves has a name that begins with a
//! dot, and is swept away by the next. Whether a container is up is not
//! believed of any file or number: it is up while its keeper holds the lock,
//! which the kernel takes back however the keeper ends.
//!
//! Every path below the root is made here and nowhere else. What is in an
//! image is kept beside it; what a container is, is [`crate::container`]'s.

mod entry;
pub(crate) mod files;
pub(crate) mod lock;
mod names;
pub(crate) mod sweep;

pub use entry::Entry;
pub use lock::Lock;

use std::fs;
use std::path::{Path, PathBuf};

use crate::container::{Config, Id, Name, SCHEMA, State, check_name};
use crate::error::{Context, Error, Result};

/// All that rcon keeps.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    run: PathBuf,
}

/// Who is about to start a new container.
#[derive(Debug)]
pub struct Starter {
    /// Its process.
    pub pid: i32,
    /// In this boot.
    pub boot: String,
}

impl Store {
    /// Opens the store. Where there is none, it is an empty one, and made by
    /// [`Store::lay_out`] when there is something to keep.
    ///
    /// `root` and `run` are what the command line says; without them
    /// `RCON_ROOT` moves both, so that a test or a learner has a private one.
    pub fn open(root: Option<PathBuf>, run: Option<PathBuf>) -> Result<Self> {
        // As with other variables, nothing is the same as none.
        let variable = std::env::var_os("RCON_ROOT").filter(|dir| !dir.is_empty());
        let moved = root.or_else(|| variable.map(PathBuf::from));
        let run = run.or_else(|| moved.as_ref().map(|root| root.join("run")));
        let absolute =
            |path: PathBuf| std::path::absolute(&path).context(|| path.display().to_string());
        let store = Self {
            root: absolute(moved.unwrap_or_else(|| "/var/lib/rcon".into()))?,
            run: absolute(run.unwrap_or_else(|| "/run/rcon".into()))?,
        };
        store.check_version()?;
        Ok(store)
    }

    /// Everything below it is made and named here.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Sockets and what else does not outlive the machine.
    pub fn run_root(&self) -> &Path {
        &self.run
    }

    fn containers(&self) -> PathBuf {
        self.root.join("containers")
    }

    /// Where an unpacked layer is.
    pub fn layer(&self, name: &str) -> PathBuf {
        self.layers().join(name)
    }

    /// Where unpacked layers are; see [`crate::image`].
    pub fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    /// The OCI image layout.
    pub fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// What builds remember; see [`crate::build`].
    pub fn build(&self) -> PathBuf {
        self.root.join("build")
    }

    fn names(&self) -> PathBuf {
        self.root.join("names")
    }

    /// A layout of another version is left alone.
    fn check_version(&self) -> Result<()> {
        let path = self.root.join("version");
        match fs::read_to_string(&path) {
            Ok(text) if text.trim() == SCHEMA.to_string() => Ok(()),
            // The power failed when the store was made. It is written anew
            // with the next thing that is kept.
            Ok(text) if files::is_void(text.as_bytes()) => Ok(()),
            Ok(text) => Err(Error::environment(format!(
                "{} is a store of version {:?}, this rcon knows version {SCHEMA}",
                self.root.display(),
                text.trim()
            ))
            .hint("use the rcon that made it, or another store with --root")),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(self.not_opened(e)),
        }
    }

    fn not_opened(&self, e: std::io::Error) -> Error {
        let denied = e.kind() == std::io::ErrorKind::PermissionDenied;
        let what = format!("cannot open the store {}", self.root.display());
        let e = Error::from(e).context(what);
        if denied {
            return e.hint("it is another user's; rcon needs root");
        }
        e
    }

    /// Whether it was made already.
    pub fn is_there(&self) -> bool {
        let version = fs::metadata(self.root.join("version"));
        version.is_ok_and(|file| file.len() > 0)
    }

    /// Makes the store where there is none: a mistyped `--root` of a command
    /// that only looks leaves nothing behind.
    pub fn lay_out(&self) -> Result<()> {
        // Somebody may have taken a part of it away by hand.
        if self.is_there() && self.containers().is_dir() && self.names().is_dir() {
            return Ok(());
        }
        let what = || format!("cannot make the store {}", self.root.display());
        for dir in [&self.root, &self.containers(), &self.names(), &self.run] {
            files::private_dir_all(dir).context(what)?;
        }
        if self.is_there() {
            return Ok(());
        }
        let version = format!("{SCHEMA}\n");
        files::replace_soon(&self.root, "version", version.as_bytes()).context(what)
    }

    /// Keeps a new container, under `name` or one that is made up. It comes
    /// locked, so that whoever made it can start it.
    pub fn add(&self, config: &Config, name: Option<&str>) -> Result<(Entry, Lock)> {
        self.add_as(config, name, &State::new())
    }

    /// The same for one that is started at once: `starter` is about to become
    /// its keeper. If that is killed before, the container counts as one that
    /// has lost its keeper, and does not stay `created` for ever where it was
    /// to go with its program.
    pub fn add_to_start(
        &self,
        config: &Config,
        name: Option<&str>,
        starter: Starter,
    ) -> Result<(Entry, Lock)> {
        let state = State {
            keeper: starter.pid,
            boot: starter.boot,
            ..State::new()
        };
        self.add_as(config, name, &state)
    }

    fn add_as(&self, config: &Config, name: Option<&str>, state: &State) -> Result<(Entry, Lock)> {
        name.map_or(Ok(()), check_name)?;
        self.lay_out()?;
        let what = || "cannot keep the new container".to_owned();
        let fresh = self.containers().join(format!(".new-{}", config.id));
        files::private_dir(&fresh).context(what)?;
        let kept = fill(&fresh, config, state).and_then(|lock| {
            let entry = self.entry(config.id.clone());
            if config.build.is_some() {
                // Nobody will ask for it.
                let name = format!("build-{}", config.id.short());
                files::replace(&fresh, "name", name.as_bytes()).context(what)?;
                files::private_dir_all(&self.build_marks()).context(what)?;
                fs::write(self.build_mark(&config.id), "").context(what)?;
                fs::rename(&fresh, entry.dir()).context(what)?;
                return Ok((entry, lock));
            }
            let _naming = lock::wait_for(&self.root.join("lock"))?;
            let name = match name {
                Some(name) => name.to_owned(),
                None => names::invent(|name| names::owner(self, name).is_none())?,
            };
            names::take(self, &name, &config.id)?;
            let named = keep(config)(&fresh, "name", name.as_bytes());
            let kept = named.and_then(|()| fs::rename(&fresh, entry.dir()));
            // Nobody else can have taken it meanwhile.
            let kept = kept.inspect_err(|_| names::give_back(self, &name, &config.id));
            kept.context(what)?;
            Ok((entry, lock))
        });
        kept.inspect_err(|_| {
            // The failure that led here is the one to tell.
            let _ = fs::remove_dir_all(&fresh);
        })
    }

    fn build_marks(&self) -> PathBuf {
        self.build().join("steps")
    }

    /// Tells that a container is a step of a build. So a command that looks
    /// for those whose build was killed need not read everybody's record.
    fn build_mark(&self, id: &Id) -> PathBuf {
        self.build_marks().join(id.as_str())
    }

    /// Steps of builds that nobody keeps; they are to be settled. A mark
    /// without a container is taken away once it cannot be one in the making.
    pub fn abandoned_steps(&self) -> Result<Vec<Entry>> {
        let mut abandoned = Vec::new();
        for found in files::list(&self.build_marks())? {
            let name = found.file_name().into_string();
            let Some(id) = name.ok().and_then(|name| Id::try_from(name).ok()) else {
                continue;
            };
            let entry = self.entry(id);
            if !entry.exists() && sweep::is_old(&found.path()) {
                let _ = fs::remove_file(found.path());
            } else if entry.exists() && !entry.is_held() {
                abandoned.push(entry);
            }
        }
        Ok(abandoned)
    }

    pub(crate) fn entry(&self, id: Id) -> Entry {
        Entry::new(
            self.containers().join(id.as_str()),
            self.run.join(id.as_str()),
            id,
        )
    }

    /// The container that is meant by a name, an id or the beginning of one.
    pub fn find(&self, wanted: &str) -> Result<Entry> {
        let unknown = || {
            let short: String = wanted.chars().take(80).collect();
            Error::user(format!("No such container: {short}"))
                .hint("`rcon ps -a` lists all there are")
        };
        if let Ok(id) = Id::try_from(wanted.to_owned()) {
            let entry = self.entry(id);
            return if entry.exists() {
                Ok(entry)
            } else {
                Err(unknown())
            };
        }
        let named = check_name(wanted)
            .ok()
            .and_then(|()| names::owner(self, wanted));
        if let Some(id) = named {
            return Ok(self.entry(id));
        }
        if !Id::is_prefix(wanted) {
            return Err(unknown());
        }
        let mut like = self
            .ids()?
            .into_iter()
            .filter(|id| id.as_str().starts_with(wanted));
        match (like.next(), like.next()) {
            (None, _) => Err(unknown()),
            (Some(id), None) => Ok(self.entry(id)),
            (Some(_), Some(_)) => Err(Error::user(format!(
                "several containers' ids begin with {wanted}"
            ))
            .hint("give more digits")),
        }
    }

    /// All containers, in no order.
    pub fn all(&self) -> Result<Vec<Entry>> {
        Ok(self.ids()?.into_iter().map(|id| self.entry(id)).collect())
    }

    fn ids(&self) -> Result<Vec<Id>> {
        let dir = self.containers();
        let names = files::list(&dir)?
            .into_iter()
            .filter_map(|e| e.file_name().into_string().ok());
        Ok(names.filter_map(|name| Id::try_from(name).ok()).collect())
    }

    /// Gives a container another name.
    pub fn rename(&self, entry: &Entry, name: &str) -> Result<()> {
        check_name(name)?;
        let _naming = lock::wait_for(&self.root.join("lock"))?;
        let old: Name = entry.name()?;
        if old == name {
            return Err(Error::user(format!(
                "the container is called {name} already"
            )));
        }
        names::take(self, name, entry.id())?;
        let replaced = files::replace_soon(entry.dir(), "name", name.as_bytes());
        // Whichever of the two it does not have now is free again.
        let free = if replaced.is_ok() { &old } else { name };
        names::give_back(self, free, entry.id());
        replaced.context(|| format!("cannot rename {old}"))
    }

    /// Gives a container whose name was lost the one that leads to it, or one
    /// that is made up.
    pub fn name_anew(&self, entry: &Entry) -> Result<()> {
        let _naming = lock::wait_for(&self.root.join("lock"))?;
        if !entry.has_lost("name") {
            return Ok(());
        }
        let name = match names::leading_to(self, entry.id())? {
            Some(name) => name,
            None => names::invent(|name| names::owner(self, name).is_none())?,
        };
        names::take(self, &name, entry.id())?;
        files::replace_soon(entry.dir(), "name", name.as_bytes())
            .context(|| format!("cannot name container {}", entry.id().short()))
    }

    /// Forgets a container and everything kept of it.
    pub fn remove(&self, entry: &Entry, lock: Lock) -> Result<()> {
        let gone = self.containers().join(format!(".gone-{}", entry.id()));
        let what = || format!("cannot remove {}", entry.dir().display());
        {
            let _naming = lock::wait_for(&self.root.join("lock"))?;
            let name = entry.name().ok();
            fs::rename(entry.dir(), &gone).context(what)?;
            if let Some(name) = name {
                names::give_back(self, &name, entry.id());
            }
        }
        let _ = fs::remove_dir_all(entry.run_dir());
        let _ = fs::remove_file(self.build_mark(entry.id()));
        let removed = files::remove_tree(&gone).context(what);
        drop(lock);
        removed
    }

    /// Takes away what killed commands have left.
    pub fn sweep(&self) -> Result<()> {
        sweep::sweep(&self.containers())
    }

    /// What killed commands have left, and nobody is at work on.
    pub fn unfinished(&self) -> Result<Vec<PathBuf>> {
        sweep::unfinished(&self.containers())
    }

    /// Names that lead nowhere. The lock keeps those away that are just being
    /// given; where there is no store, there is none to be taken.
    pub fn dangling_names(&self) -> Result<Vec<Name>> {
        if !self.is_there() {
            return Ok(Vec::new());
        }
        let _naming = lock::wait_for(&self.root.join("lock"))?;
        names::dangling(self)
    }

    /// Frees names that lead nowhere. The lock keeps those away that are just
    /// being given.
    pub fn sweep_names(&self) -> Result<Vec<Name>> {
        let _naming = lock::wait_for(&self.root.join("lock"))?;
        let left = names::dangling(self)?;
        for name in &left {
            names::forget(self, name);
        }
        Ok(left)
    }
}

/// Writes the records of a container that nobody can see yet.
fn fill(dir: &Path, config: &Config, state: &State) -> Result<Lock> {
    let what = || "cannot keep the new container".to_owned();
    let lock =
        Lock::try_take(dir)?.ok_or_else(|| Error::internal("a new container is locked already"))?;
    let json = serde_json::to_vec_pretty(config).map_err(|e| Error::internal(e.to_string()))?;
    keep(config)(dir, "config.json", &json).context(what)?;
    entry::write_first_state(dir, state, keep(config))?;
    Ok(lock)
}

/// How the records of a new container are written. One that goes with its
/// program has no use for a disk.
fn keep(config: &Config) -> fn(&Path, &str, &[u8]) -> std::io::Result<()> {
    if config.auto_remove || config.build.is_some() {
        files::replace
    } else {
        files::replace_soon
    }
}

#[cfg(test)]
mod tests;
