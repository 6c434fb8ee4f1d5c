//! Who is in a network, and which addresses they have.
//!
//! ```text
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

use super::cidr::Cidr;
use super::record::{Endpoint, Network, Subnet};
use super::store::Networks;
use super::subnets;
use crate::container::Id;
use crate::error::{Context, Error, Result};
use crate::store::files;

impl Networks<'_> {
    /// Where the records of those in a network are.
    pub fn endpoints_dir(self, network: &Network) -> PathBuf {
        self.run(&network.id).join("endpoints")
    }

    fn leases_dir(self, network: &Network) -> PathBuf {
        self.run(&network.id).join("leases")
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
    pub fn choose(self, network: &Network, container: &Id, fixed: &[IpAddr]) -> Result<Vec<Cidr>> {
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
            given.push(Cidr::new(address, subnet.subnet.prefix));
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

fn note_name(container: &Id) -> String {
    format!("{container}.json")
}

fn check_fixed(
    network: &Network,
    subnet: &Subnet,
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

fn full(network: &Network, subnet: &Subnet) -> Error {
    let range = subnet.range.unwrap_or(subnet.subnet);
    Error::environment(format!(
        "network {} has no address left in {range}",
        network.name
    ))
    .hint("stop containers in it, or make a larger network")
}
