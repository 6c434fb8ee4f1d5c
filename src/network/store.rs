//! Where networks are kept, beside the containers.
//!
//! ```text
//! <root>/networks/lock               held by whoever makes a network or gives out a subnet
//! <root>/networks/names/<name>       a link to the network of that name
//! <root>/networks/<id>/
//!     config.json                    what it is
//!     lock                           held for an instant by whoever comes or goes
//! <run>/networks/<id>/
//!     endpoints/<container>.json     who is in it, and under which names
//!     leases/<address>               a link to whoever has that address
//! ```
//!
//! A container is in a network only while it is up; so who is in it lies with
//! the sockets, and is gone with a restart of the machine as they are. What a
//! keeper that was killed has left is taken away by whoever notices its end,
//! or by the next who needs the address.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::design::{Request, check_name, design};
use super::record::{DEFAULT_NAME, Driver, Endpoint, Network, VERSION};
use super::{bridge, subnets};
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

    /// Where the records of those in a network are.
    pub fn endpoints_dir(self, network: &Network) -> PathBuf {
        self.run(&network.id).join("endpoints")
    }

    fn leases_dir(self, network: &Network) -> PathBuf {
        self.run(&network.id).join("leases")
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
        let bytes = files::read(&path)?;
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

    /// All that are said to be in a network.
    pub fn endpoints(self, network: &Network) -> Vec<Endpoint> {
        self.endpoints_of(&network.id)
    }

    fn endpoints_of(self, id: &Id) -> Vec<Endpoint> {
        let entries = fs::read_dir(self.run(id).join("endpoints"));
        let entries = entries.into_iter().flatten().flatten();
        let records = entries.filter(|e| !e.file_name().to_string_lossy().starts_with('.'));
        let mut all: Vec<Endpoint> = records
            .filter_map(|e| serde_json::from_slice(&files::read(&e.path()).ok()?).ok())
            .collect();
        all.sort_by(|a, b| a.addresses.cmp(&b.addresses));
        all
    }

    /// Those that are in a network and are up.
    pub fn present(self, network: &Network) -> Vec<Endpoint> {
        self.present_in(&network.id)
    }

    /// The same, also where no more is known of the network.
    pub(super) fn present_in(self, id: &Id) -> Vec<Endpoint> {
        let mut all = self.endpoints_of(id);
        all.retain(|e| self.is_up(&e.container));
        all
    }

    /// Those of whom something is noted, and who are not up.
    pub fn absent(self, network: &Network) -> Vec<Id> {
        let endpoints = self.endpoints(network).into_iter().map(|e| e.container);
        let leases = self.leases(network).unwrap_or_default();
        let holders = leases.into_iter().filter_map(|(_, holder)| holder);
        let all: BTreeSet<Id> = endpoints.chain(holders).collect();
        all.into_iter().filter(|id| !self.is_up(id)).collect()
    }

    /// Takes out of a network whoever is not up.
    pub fn forget_absent(self, network: &Network, container: &Id) -> Result<()> {
        let _lock = self.lock(network)?;
        if !self.is_up(container) {
            self.forget(network, container);
        }
        self.sweep_leases(network)
    }

    /// Where something is noted of those in a network, whether there is such a
    /// network or not.
    pub fn run_dirs(self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.0.run_root().join("networks"));
        let entries = entries.into_iter().flatten().flatten();
        entries.map(|e| e.path()).collect()
    }

    /// Those that are in a network, as far as they are up; what others have
    /// left is taken away. The network is locked.
    pub(super) fn in_use(self, network: &Network) -> Result<Vec<Endpoint>> {
        let mut all = self.endpoints(network);
        all.retain(|e| {
            let up = self.is_up(&e.container);
            if !up {
                self.forget(network, &e.container);
            }
            up
        });
        self.sweep_leases(network)?;
        Ok(all)
    }

    /// A container is up, or about to be, while its lock is held.
    fn is_up(self, container: &Id) -> bool {
        self.0.entry(container.clone()).is_held()
    }

    /// Addresses of containers that are gone.
    fn sweep_leases(self, network: &Network) -> Result<()> {
        for (path, holder) in self.leases(network)? {
            if !holder.is_some_and(|id| self.is_up(&id)) {
                let _ = fs::remove_file(path);
            }
        }
        Ok(())
    }

    fn leases(self, network: &Network) -> Result<Vec<(PathBuf, Option<Id>)>> {
        let dir = self.leases_dir(network);
        let entries = match fs::read_dir(&dir) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.context(|| format!("cannot read {}", dir.display()))?,
        };
        let holder = |path: &Path| {
            let target = fs::read_link(path).ok()?;
            Id::try_from(target.to_str()?.to_owned()).ok()
        };
        let paths = entries.flatten().map(|e| e.path());
        Ok(paths
            .map(|p| (holder(&p), p))
            .map(|(h, p)| (p, h))
            .collect())
    }

    /// Addresses that are given out.
    fn used(self, network: &Network) -> Result<BTreeSet<IpAddr>> {
        let dir = self.leases_dir(network);
        files::private_dir_all(&dir).context(|| format!("cannot make {}", dir.display()))?;
        let entries = fs::read_dir(&dir).context(|| format!("cannot read {}", dir.display()))?;
        let names = entries
            .flatten()
            .filter_map(|e| e.file_name().into_string().ok());
        Ok(names.filter_map(|name| name.parse().ok()).collect())
    }

    /// Addresses for a container in a network that is locked: `fixed` ones
    /// where they are wanted.
    pub fn choose(
        self,
        network: &Network,
        container: &Id,
        fixed: &[IpAddr],
    ) -> Result<Vec<super::cidr::Cidr>> {
        let mut used = self.used(network)?;
        let mut given = Vec::new();
        for subnet in &network.subnets {
            let wanted = fixed.iter().find(|a| subnet.subnet.contains(**a));
            let free = |used: &BTreeSet<IpAddr>| match wanted {
                Some(wanted) => check_fixed(network, subnet, *wanted, used),
                None => subnets::free(subnet, used).ok_or_else(|| full(network, subnet)),
            };
            let address = if let Ok(address) = free(&used) {
                address
            } else {
                // Maybe it only was somebody's who is gone.
                if let Some(wanted) = wanted {
                    self.give_back(network, container, *wanted);
                }
                self.sweep_leases(network)?;
                used = self.used(network)?;
                free(&used)?
            };
            given.push(super::cidr::Cidr::new(address, subnet.subnet.prefix));
        }
        Ok(given)
    }

    /// Takes back what an earlier keeper of this container was given.
    fn give_back(self, network: &Network, container: &Id, address: IpAddr) {
        let lease = self.leases_dir(network).join(address.to_string());
        if fs::read_link(&lease).is_ok_and(|to| to == Path::new(container.as_str())) {
            let _ = fs::remove_file(lease);
        }
    }

    /// Brings a container into a network that is locked: its addresses are its
    /// own until [`Networks::forget`]. The note comes first, so that whoever
    /// is killed in between leaves nothing that it does not tell of.
    pub fn enter(self, network: &Network, endpoint: &Endpoint) -> Result<()> {
        let what = || format!("cannot note who is in network {}", network.name);
        let dir = self.endpoints_dir(network);
        files::private_dir_all(&dir).context(what)?;
        let json = serde_json::to_vec(endpoint).map_err(|e| Error::internal(e.to_string()))?;
        // Not by way of another file, which would be one more to be left.
        let note = note_name(&endpoint.container);
        files::write_new(&dir.join(note), &json).context(what)?;
        for address in &endpoint.addresses {
            let link = self.leases_dir(network).join(address.address.to_string());
            symlink(endpoint.container.as_str(), &link).context(what)?;
        }
        Ok(())
    }

    /// What is noted of a container in a network.
    pub fn endpoint(self, network: &Network, container: &Id) -> Option<Endpoint> {
        let path = self.endpoints_dir(network).join(note_name(container));
        serde_json::from_slice(&files::read(&path).ok()?).ok()
    }

    /// Notes another name of a container in all networks it is in.
    pub fn rename(self, container: &Id, name: &str) -> Result<()> {
        for network in self.all()? {
            if let Some(mut endpoint) = self.endpoint(&network, container) {
                name.clone_into(&mut endpoint.name);
                let json =
                    serde_json::to_vec(&endpoint).map_err(|e| Error::internal(e.to_string()))?;
                files::replace(&self.endpoints_dir(&network), &note_name(container), &json)
                    .context(|| format!("cannot note the name in network {}", network.name))?;
            }
        }
        Ok(())
    }

    /// Takes a container out of a network: its note, and its addresses.
    pub fn forget(self, network: &Network, container: &Id) {
        Self::forget_in(&self.run(&network.id), container);
    }

    fn forget_in(run: &Path, container: &Id) {
        let note = run.join("endpoints").join(note_name(container));
        let endpoint = files::read(&note).ok();
        let endpoint = endpoint.and_then(|b| serde_json::from_slice::<Endpoint>(&b).ok());
        // What is left of it is swept away when the address is needed.
        for address in endpoint.iter().flat_map(|e| &e.addresses) {
            let lease = run.join("leases").join(address.address.to_string());
            if fs::read_link(&lease).is_ok_and(|to| to == Path::new(container.as_str())) {
                let _ = fs::remove_file(lease);
            }
        }
        let _ = fs::remove_file(note);
    }

    /// Takes a container out of all networks it is in.
    pub fn forget_everywhere(self, container: &Id) {
        for dir in self.run_dirs() {
            Self::forget_in(&dir, container);
        }
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

fn note_name(container: &Id) -> String {
    format!("{container}.json")
}

fn check_fixed(
    network: &Network,
    subnet: &super::record::Subnet,
    wanted: IpAddr,
    used: &BTreeSet<IpAddr>,
) -> Result<IpAddr> {
    if !subnets::is_usable(subnet, wanted) {
        let what = format!("{wanted} of network {} is not for containers", network.name);
        return Err(Error::user(what).hint(
            "it is the gateway's or kept for something else, or stands for the whole subnet",
        ));
    }
    if used.contains(&wanted) {
        let what = format!("address {wanted} of network {} is in use", network.name);
        return Err(Error::user(what).hint("`rcon network inspect` shows whose it is"));
    }
    Ok(wanted)
}

fn full(network: &Network, subnet: &super::record::Subnet) -> Error {
    let range = subnet.range.unwrap_or(subnet.subnet);
    Error::environment(format!(
        "network {} has no address left in {range}",
        network.name
    ))
    .hint("stop containers in it, or make a larger network")
}
