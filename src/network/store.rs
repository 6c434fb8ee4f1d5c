//! Where networks are kept, beside the containers.
//!
//! ```text
//! <root>/networks/lock               held by whoever makes a network or gives out a subnet
//! <root>/networks/names/<name>       a link to the network of that name
//! <root>/networks/<id>/
//!     config.json                    what it is
//!     lock                           held for an instant by whoever comes or goes
//! ```
//!
//! Who is in a network is the business of [`super::members`].

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::bridge;
use super::design::{Request, check_name, design};
use super::record::{DEFAULT_NAME, Driver, Endpoint, Network, VERSION};
use crate::container::Id;
use crate::error::{Context, Error, Result};
use crate::store::{Lock, Store, files};

/// The store of the machine, whose default bridge has a name of its own.
const MACHINES: &str = "/var/lib/rcon";

/// The networks of a store.
#[derive(Debug, Clone, Copy)]
pub struct Networks<'a>(pub &'a Store);

impl Networks<'_> {
    pub(super) fn dir(self) -> PathBuf {
        self.0.root().join("networks")
    }

    pub(super) fn of(self, id: &Id) -> PathBuf {
        self.dir().join(id.as_str())
    }

    pub(super) fn run(self, id: &Id) -> PathBuf {
        self.0.run_root().join("networks").join(id.as_str())
    }

    /// What is written on what belongs to a network: whose it is. A name of an
    /// interface's owner has room for 255 bytes.
    pub fn mark(self, id: &Id) -> String {
        self.mark_of_short(id.short())
    }

    /// The same, from the beginning of an id.
    pub fn mark_of_short(self, short: &str) -> String {
        let root = self.0.root().display().to_string();
        let start = root.len().saturating_sub(180);
        let start = (start..=root.len()).find(|n| root.is_char_boundary(*n));
        format!("rcon {short} {}", &root[start.unwrap_or(0)..])
    }

    /// The beginning of the id of the network that a mark of this store's is
    /// of.
    pub fn marked(self, mark: &str) -> Option<&str> {
        let short = mark.strip_prefix("rcon ")?.get(..12)?;
        (self.mark_of_short(short) == mark).then_some(short)
    }

    fn device(self, name: &str, id: &Id) -> String {
        if name == DEFAULT_NAME && self.0.root() == Path::new(MACHINES) {
            return bridge::DEFAULT.to_owned();
        }
        format!("{}{}", bridge::PREFIX, id.short())
    }

    /// All networks that can be read; the oldest first. The others are in
    /// [`Networks::spoilt`]: one bad record is not to keep all from working.
    pub fn all(self) -> Result<Vec<Network>> {
        let ids = self.ids()?;
        let mut all: Vec<Network> = ids.iter().filter_map(|id| self.read(id).ok()).collect();
        all.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        Ok(all)
    }

    /// Those that have a place, whatever is in it.
    pub(super) fn ids(self) -> Result<Vec<Id>> {
        let names = files::list(&self.dir())?.into_iter();
        let names = names.filter_map(|e| e.file_name().into_string().ok());
        Ok(names.filter_map(|name| Id::try_from(name).ok()).collect())
    }

    pub(super) fn read(self, id: &Id) -> Result<Network> {
        let path = self.of(id).join("config.json");
        let bytes = files::read_left(&path)?;
        let version = serde_json::from_slice::<serde_json::Value>(&bytes)
            .ok()
            .and_then(|v| v["version"].as_u64());
        if version.is_some_and(|v| v != u64::from(VERSION)) {
            let version = version.unwrap_or_default();
            return Err(Error::environment(format!(
                "{} is of version {version}, this rcon knows version {VERSION}",
                path.display()
            ))
            .hint("use the rcon that made it"));
        }
        serde_json::from_slice(&bytes)
            .map_err(|e| Error::environment(format!("{}: {e}", path.display())))
    }

    pub(super) fn name_link(self, name: &str) -> PathBuf {
        self.dir().join("names").join(name)
    }

    /// The network a link says has this name, if it says so itself.
    fn named(self, name: &str) -> Option<Network> {
        check_name(name).ok()?;
        let target = fs::read_link(self.name_link(name)).ok()?;
        let id = Id::try_from(target.file_name()?.to_str()?.to_owned()).ok()?;
        self.read(&id).ok().filter(|n| n.name == name)
    }

    /// The network that is meant by a name, an id or the beginning of one.
    pub fn find(self, wanted: &str) -> Result<Network> {
        if let Some(network) = self.named(wanted) {
            return Ok(network);
        }
        let mut all = self.all()?;
        if let Some(at) = all
            .iter()
            .position(|n| n.name == wanted || n.id.as_str() == wanted)
        {
            return Ok(all.swap_remove(at));
        }
        all.retain(|n| Id::is_prefix(wanted) && n.id.as_str().starts_with(wanted));
        match all.len() {
            1 => Ok(all.swap_remove(0)),
            0 => Err(match self.find_spoilt(wanted)? {
                Some(spoilt) => spoilt.as_error(),
                None => missing(wanted),
            }),
            _ => Err(
                Error::user(format!("several networks' ids begin with {wanted}"))
                    .hint("give more digits"),
            ),
        }
    }

    /// The network a container names; the default one comes to be when it is
    /// first needed.
    pub fn needed(self, name: &str) -> Result<Network> {
        match self.find(name) {
            Err(_) if name == DEFAULT_NAME => {
                let request = Request {
                    name: name.to_owned(),
                    ..Request::default()
                };
                match self.create(request) {
                    // Another was faster.
                    Err(e) => self.find(name).map_err(|_| e),
                    made => made,
                }
            }
            found => found,
        }
    }

    /// Makes a network. Its bridge comes with the first container.
    pub fn create(self, request: Request) -> Result<Network> {
        self.0.lay_out()?;
        let dir = self.dir();
        files::private_dir_all(&dir).context(|| format!("cannot make {}", dir.display()))?;
        let _choosing = Lock::take(&dir)?;
        let others = self.all()?;
        if let Some(other) = others.iter().find(|n| n.name == request.name) {
            let what = format!("network with name {} already exists", other.name);
            return Err(Error::user(what).hint("choose another name"));
        }
        let mut spoilt = self.spoilt()?.into_iter();
        if let Some(spoilt) = spoilt.find(|s| s.name.as_deref() == Some(&request.name)) {
            return Err(spoilt.as_error());
        }
        let taken = super::room::taken(&others)?;
        let id = Id::random()?;
        let device = self.device(&request.name, &id);
        let network = design(request, id, device, &taken)?;
        let same = |n: &&Network| n.device == network.device && n.driver == Driver::Bridge;
        if network.driver == Driver::Bridge
            && let Some(other) = others.iter().find(same)
        {
            let what = format!(
                "network {} has the bridge {} already",
                other.name, other.device
            );
            return Err(Error::user(what).hint("choose another name for the bridge"));
        }
        self.keep(&network)?;
        Ok(network)
    }

    fn keep(self, network: &Network) -> Result<()> {
        let what = || format!("cannot keep network {}", network.name);
        let fresh = self.dir().join(format!(".new-{}", network.id));
        files::private_dir_all(&fresh).context(what)?;
        // It tells others that somebody is at it.
        let _making = Lock::try_take(&fresh)?;
        let kept = write(&fresh, network)
            .and_then(|()| fs::rename(&fresh, self.of(&network.id)).context(what))
            .and_then(|()| files::sync_dir(&self.dir()).context(what));
        kept.inspect_err(|_| drop(fs::remove_dir_all(&fresh)))?;
        // Without the link it is found all the same, only not so fast.
        let link = self.name_link(&network.name);
        let _ = files::private_dir_all(&self.dir().join("names"));
        let _ = fs::remove_file(&link);
        let _ = symlink(format!("../{}", network.id), &link);
        Ok(())
    }

    /// Keeps others from coming and going.
    pub fn lock(self, network: &Network) -> Result<Lock> {
        let dir = self.of(&network.id);
        let locked = Lock::take(&dir);
        if dir.join("config.json").exists() {
            return locked;
        }
        Err(Error::user(format!("No such network: {}", network.name)))
    }

    /// Forgets a network nobody is in, with its bridge and rules.
    pub fn remove(self, network: &Network) -> Result<()> {
        let _lock = self.lock(network)?;
        if let Some(one) = self.in_use(network)?.first() {
            return Err(used_by(&network.name, one)
                .hint("stop or disconnect those in it first: `rcon network inspect` lists them"));
        }
        self.take_down(network)?;
        self.discard(&network.id, &network.name)
    }

    /// Forgets a network, which is locked. The lock goes along to where it is
    /// taken apart, and tells others that somebody is at it.
    pub(super) fn discard(self, id: &Id, name: &str) -> Result<()> {
        let gone = self.dir().join(format!(".gone-{id}"));
        let what = || format!("cannot remove network {name}");
        fs::rename(self.of(id), &gone).context(what)?;
        let link = self.name_link(name);
        if fs::read_link(&link).is_ok_and(|to| to.ends_with(id.as_str())) {
            let _ = fs::remove_file(link);
        }
        let _ = fs::remove_dir_all(self.run(id));
        files::remove_tree(&gone).map_err(|e| e.context(what()))
    }

    /// Takes away the devices of a network nobody is in, but keeps the
    /// network; whether there was anything.
    pub fn rest(self, network: &Network) -> Result<bool> {
        let _lock = self.lock(network)?;
        if !self.in_use(network)?.is_empty() {
            return Ok(false);
        }
        self.take_down(network)
    }

    fn take_down(self, network: &Network) -> Result<bool> {
        if network.driver != Driver::Bridge {
            return Ok(false);
        }
        bridge::remove(&network.device, &network.table(), &self.mark(&network.id))
    }
}

/// Writes what is to be kept of a network: whole, also after a power failure.
pub(super) fn write(dir: &Path, network: &Network) -> Result<()> {
    let json = serde_json::to_vec_pretty(network).map_err(|e| Error::internal(e.to_string()))?;
    files::replace_for_good(dir, "config.json", &json)
        .context(|| format!("cannot keep network {}", network.name))
}

pub(super) fn used_by(network: &str, one: &Endpoint) -> Error {
    let who = &one.name;
    Error::user(format!("network {network} is in use by container {who}"))
}

pub(super) fn missing(wanted: &str) -> Error {
    let short: String = wanted.chars().take(80).collect();
    Error::user(format!("No such network: {short}")).hint("`rcon network ls` lists all there are")
}
