//! Room for a network whose addresses nobody has chosen. They are on record
//! from its making on, but nobody else on this machine can see them before its
//! bridge is there: another store, or a VPN, may come to use them first. Then
//! it moves, if it can: nobody is in it, and nobody has said where it is to be.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::cidr::Cidr;
use super::netlink::Socket;
use super::record::{Driver, Network, Subnet};
use super::store::{Networks, write};
use super::{bridge, names, subnets};
use crate::error::Result;
use crate::store::Lock;

/// What is not to be used again: by networks, and otherwise on this machine.
pub fn taken(networks: &[Network]) -> Result<Vec<Cidr>> {
    let mut taken = bridge::taken()?;
    let subnets = networks.iter().flat_map(|n| &n.subnets);
    taken.extend(subnets.map(|s| s.subnet));
    taken.extend(names::servers_of_host());
    Ok(taken)
}

impl Networks<'_> {
    /// The network as it is now that it is locked, at another place if its own
    /// was taken. Who wants one of the addresses in `fixed` wants it there.
    pub fn with_room(self, network: &Network, fixed: &[IpAddr]) -> Result<(Network, Lock)> {
        if fixed.is_empty() && is_in_the_way_of_others(network)? {
            self.move_away(network)?;
        }
        let lock = self.lock(network)?;
        Ok((self.read(&network.id)?, lock))
    }

    fn move_away(self, network: &Network) -> Result<()> {
        let _choosing = Lock::take(&self.dir())?;
        let _lock = self.lock(network)?;
        let mut network = self.read(&network.id)?;
        // Another may have seen to it, or have come into it, while we waited.
        if !is_in_the_way_of_others(&network)? || !self.in_use(&network)?.is_empty() {
            return Ok(());
        }
        let mut others = self.all()?;
        others.retain(|n| n.id != network.id);
        // Where there is none, whoever makes the bridge says what is wrong.
        let Some(free) = subnets::choose(&taken(&others)?) else {
            return Ok(());
        };
        for subnet in network.subnets.iter_mut().filter(|s| is_old_kind(s)) {
            *subnet = Subnet {
                subnet: free,
                gateway: subnets::first_host(free),
                range: None,
                aux: BTreeMap::new(),
            };
        }
        write(&self.of(&network.id), &network)
    }
}

fn is_old_kind(subnet: &Subnet) -> bool {
    subnet.subnet.address.is_ipv4()
}

/// It has no bridge yet, and its addresses, which were found for it, are
/// somebody's.
fn is_in_the_way_of_others(network: &Network) -> Result<bool> {
    let may_move = network.driver == Driver::Bridge && network.found_room;
    if !may_move || Socket::route()?.link(&network.device)?.is_some() {
        return Ok(false);
    }
    let taken = bridge::taken()?;
    let mut own = network.subnets.iter().filter(|s| is_old_kind(s));
    Ok(own.any(|s| taken.iter().any(|t| t.overlaps(&s.subnet))))
}
