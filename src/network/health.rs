//! What belongs to a network and is lost while containers are in it: its
//! bridge, an address of that, its filters, or the containers' place at it.
//! Whoever restarts a firewall or tidies up interfaces takes such things away.
//!
//! [`bridge::ensure`] makes good what it can see at the next start in the
//! network. What it cannot is who was at a bridge that was removed: that is
//! known by the container's end of each pair.

use std::os::fd::AsFd;

use super::netlink::Socket;
use super::netlink::link::{self, Link};
use super::record::{Endpoint, Network};
use super::store::Networks;
use super::wanted::Bridge;
use super::{bridge, connection, interface};
use crate::error::Result;
use crate::sys::namespace;

/// A network that has lost something.
#[derive(Debug, Clone)]
pub struct Damage {
    /// What, in words.
    pub what: String,
    /// Whose.
    pub network: Network,
}

/// Looks at all networks in which somebody is.
pub fn find(networks: Networks<'_>, all: &[Network]) -> Result<Vec<Damage>> {
    let mut found = Vec::new();
    for network in all {
        let Some(wanted) = connection::bridge_of(network, networks.mark(&network.id)) else {
            continue;
        };
        let inside = running(networks, network);
        if inside.is_empty() {
            continue;
        }
        let lost = lost(&wanted, &inside)?;
        if !lost.is_empty() {
            let what = format!("network {}: {}", network.name, lost.join("; "));
            let network = network.clone();
            found.push(Damage { what, network });
        }
    }
    Ok(found)
}

/// Makes good what is lost, while somebody is in it.
pub fn mend(networks: Networks<'_>, network: &Network) -> Result<()> {
    let Some(wanted) = connection::bridge_of(network, networks.mark(&network.id)) else {
        return Ok(());
    };
    // It stays while we are at it, and so do its devices.
    let _lock = networks.lock(network)?;
    let inside = running(networks, network);
    if inside.is_empty() {
        return Ok(());
    }
    bridge::ensure(&wanted)?;
    let mut socket = Socket::route()?;
    let bridge = socket.needed_link(&wanted.name)?;
    for (_, port) in cut_off(&mut socket, &inside)? {
        let what = || format!("RTM_SETLINK master {:?} {:?}", wanted.name, port.name);
        socket.ask(what, link::join(port.index, bridge.index))?;
    }
    Ok(())
}

/// Makes good that a bridge is gone which others were at, before one more comes:
/// a new one alone would not be theirs.
pub fn bring_back(networks: Networks<'_>, network: &Network) -> Result<()> {
    if Socket::route()?.link(&network.device)?.is_some() || running(networks, network).is_empty() {
        return Ok(());
    }
    mend(networks, network)
}

/// A container in a network whose program runs, with its first process.
type Inside = (Endpoint, i32);

/// Those that have their interface by now.
fn running(networks: Networks<'_>, network: &Network) -> Vec<Inside> {
    let present = networks.present(network).into_iter();
    let with_pid = present.filter_map(|endpoint| {
        let entry = networks.0.entry(endpoint.container.clone());
        let pid = entry.recorded().ok()?.pid;
        (pid != 0).then_some((endpoint, pid))
    });
    with_pid.collect()
}

fn lost(wanted: &Bridge, inside: &[Inside]) -> Result<Vec<String>> {
    let mut socket = Socket::route()?;
    let mut lost = Vec::new();
    let link = socket.link(&wanted.name)?;
    match link.filter(|link| link.alias == wanted.mark) {
        None => lost.push(format!("its bridge {} is gone", wanted.name)),
        Some(link) if !link.up => {
            lost.push(format!("its bridge {} is switched off", wanted.name));
        }
        Some(link) => {
            for address in bridge::missing_addresses(&mut socket, &link, wanted)? {
                let name = &wanted.name;
                lost.push(format!("its bridge {name} has lost the address {address}"));
            }
        }
    }
    for (name, _) in cut_off(&mut socket, inside)? {
        lost.push(format!("container {name} is at no bridge any more"));
    }
    if !Socket::netfilter()?.is_whole(&bridge::rules(wanted))? {
        let table = &wanted.table;
        lost.push(format!(
            "rules of its table inet {table} are gone, which keep networks apart"
        ));
    }
    Ok(lost)
}

/// Those whose far end is in no bridge, and that end.
fn cut_off(socket: &mut Socket, inside: &[Inside]) -> Result<Vec<(String, Link)>> {
    let mut ports = socket.links()?;
    ports.retain(|l| l.kind == "veth" && l.master == 0 && l.name.starts_with(interface::PORT));
    let mut found = Vec::new();
    if ports.is_empty() {
        return Ok(found);
    }
    for (endpoint, pid) in inside {
        // One that has just ended has no place to lose.
        let Ok(namespace) = interface::namespace_of(*pid) else {
            continue;
        };
        // What is believed is what the kernel says on this side: which
        // namespace the far end is in, and which interface there.
        let number = socket.number_of(namespace.as_fd())?;
        let own =
            namespace::inside_network(&namespace, || Socket::route()?.link(&endpoint.interface))??;
        let Some(own) = own.filter(|_| number.is_some()) else {
            continue;
        };
        let far = |port: &&Link| port.peer == own.index && port.peer_namespace == number;
        if let Some(port) = ports.iter().find(far) {
            found.push((endpoint.name.clone(), port.clone()));
        }
    }
    Ok(found)
}
