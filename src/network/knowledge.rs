//! What a container's name server knows: who is in the same networks, under
//! which names, and whom to ask about the rest of the world.
//!
//! All of it is on record (see [`super::store`]), so whoever comes, goes or is
//! renamed is seen at the next question; nobody has to be told. The records
//! are read again only when one of their directories has changed.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::connection::dns_names;
use super::names;
use super::record::{Driver, Network};
use super::store::Networks;
use super::worker::dns::Names;
use crate::container::Id;
use crate::store::Store;

/// The names under which a program finds the machine it runs on.
pub const HOST_NAMES: [&str; 3] = [
    "host.rcon.internal",
    "host.docker.internal",
    "gateway.docker.internal",
];

/// Where name servers are asked.
const PORT: u16 = 53;

/// A change of a directory can hide behind another one that was seen in the
/// same tick of the clock files are stamped with.
const TICK: Duration = Duration::from_millis(20);

/// What one container's networks know.
pub struct Knowledge {
    store: Store,
    container: Id,
    /// Asked instead of the host's.
    servers: Vec<IpAddr>,
    seen: RefCell<Seen>,
    turn: Cell<usize>,
}

/// Who is there, and with which address.
type Found = (Id, IpAddr);

/// What was on record when it was last read.
#[derive(Default)]
struct Seen {
    stamps: BTreeMap<PathBuf, SystemTime>,
    settled: bool,
    by_name: HashMap<String, Vec<Found>>,
    by_address: HashMap<IpAddr, (Id, String)>,
    networks: Vec<Network>,
}

impl Knowledge {
    /// That of a container. `servers` are asked instead of the host's.
    pub fn of(store: &Store, container: &Id, servers: &[IpAddr]) -> Self {
        Self {
            store: store.clone(),
            container: container.clone(),
            servers: servers.to_vec(),
            seen: RefCell::default(),
            turn: Cell::new(0),
        }
    }

    fn networks(&self) -> Networks<'_> {
        Networks(&self.store)
    }

    /// Reads the records where that could tell anything new.
    fn look(&self) {
        let stamps = self.stamps();
        let mut seen = self.seen.borrow_mut();
        if seen.settled && seen.stamps == stamps {
            return;
        }
        let now = SystemTime::now();
        let is_old = |at: &SystemTime| now.duration_since(*at).is_ok_and(|age| age > TICK);
        *seen = self.read();
        seen.settled = stamps.values().all(is_old);
        seen.stamps = stamps;
    }

    /// When there last was a change in each place where one could be.
    fn stamps(&self) -> BTreeMap<PathBuf, SystemTime> {
        let dirs = self.networks().run_dirs().into_iter();
        let dirs = dirs.map(|dir| dir.join("endpoints"));
        dirs.filter_map(|dir| Some((fs::metadata(&dir).ok()?.modified().ok()?, dir)))
            .map(|(time, dir)| (dir, time))
            .collect()
    }

    fn read(&self) -> Seen {
        let mut seen = Seen::default();
        // What cannot be read is not known.
        for network in self.networks().all().unwrap_or_default() {
            let here = self.networks().endpoint(&network, &self.container);
            if here.is_none() {
                continue;
            }
            for endpoint in self.networks().endpoints(&network) {
                let names = dns_names(&endpoint);
                for address in endpoint.addresses.iter().map(|a| a.address) {
                    let found = (endpoint.container.clone(), address);
                    for name in &names {
                        let name = name.to_ascii_lowercase();
                        let full = format!("{name}.{}", network.name.to_ascii_lowercase());
                        for name in [name, full] {
                            seen.by_name.entry(name).or_default().push(found.clone());
                        }
                    }
                    let name = format!("{}.{}", endpoint.name, network.name);
                    seen.by_address
                        .insert(address, (endpoint.container.clone(), name));
                }
            }
            seen.networks.push(network);
        }
        seen
    }

    /// A keeper that was killed could not take its container's names back.
    fn is_up(&self, id: &Id) -> bool {
        *id == self.container || self.store.entry(id.clone()).is_held()
    }
}

impl Names for Knowledge {
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        self.look();
        let seen = self.seen.borrow();
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if let Some(found) = seen.by_name.get(&name) {
            let up = found.iter().filter(|(id, _)| self.is_up(id));
            let mut addresses: Vec<IpAddr> = up.map(|(_, address)| *address).collect();
            addresses.dedup();
            if !addresses.is_empty() {
                // Most take the first: each has its turn.
                let turn = self.turn.get();
                self.turn.set(turn.wrapping_add(1));
                let length = addresses.len();
                addresses.rotate_left(turn % length);
                return Some(addresses);
            }
        }
        if HOST_NAMES.contains(&name.as_str()) {
            return Some(gateways(&seen.networks));
        }
        None
    }

    fn names(&self, address: IpAddr) -> Option<Vec<String>> {
        self.look();
        let seen = self.seen.borrow();
        if let Some((id, name)) = seen.by_address.get(&address)
            && self.is_up(id)
        {
            return Some(vec![name.clone()]);
        }
        let subnets = seen.networks.iter().flat_map(|n| &n.subnets);
        // Nobody else knows who has an address of ours.
        let ours = subnets.into_iter().any(|s| s.subnet.contains(address));
        ours.then(Vec::new)
    }

    fn resolvers(&self) -> Vec<SocketAddr> {
        self.look();
        let seen = self.seen.borrow();
        if !seen.networks.iter().any(|n| !n.internal) {
            return Vec::new();
        }
        if self.servers.is_empty() {
            // Asked from the host's side, where its own loopback is at hand.
            return names::resolvers(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default());
        }
        let asked = self.servers.iter();
        asked.map(|ip| SocketAddr::new(*ip, PORT)).collect()
    }
}

/// This machine, as it is seen from those networks.
fn gateways(networks: &[Network]) -> Vec<IpAddr> {
    let bridges = networks.iter().filter(|n| n.driver == Driver::Bridge);
    let mut all: Vec<IpAddr> = bridges
        .flat_map(|n| n.subnets.iter().filter_map(|s| s.gateway))
        .collect();
    all.sort_by_key(IpAddr::is_ipv6);
    all
}
