//! A container's networks while it is up: entered before its first start, left
//! with its keeper, and changed in between.
//!
//! Addresses are the container's for as long as its keeper lives, so a program
//! that is started again keeps its own.

use std::fs;
use std::os::fd::AsFd;

use serde::{Deserialize, Serialize};

use super::Keeper;
use super::prepare;
use crate::container::{Endpoint, NetworkMode, Sharing};
use crate::error::{Error, Result};
use crate::network::connection::{self, Connection, Who};
use crate::network::record::Driver;
use crate::network::store::Networks;
use crate::network::{bridge, health, interface};
use crate::sys::identity::{self, CapSet};

/// A network to be connected to, as it crosses to a keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Its name or id.
    pub network: String,
    /// How the container is to be known there.
    pub endpoint: Endpoint,
}

impl Keeper {
    /// Enters all networks, before anything is made. Once for a keeper's life.
    pub(super) fn enter_networks(&mut self) -> Result<()> {
        if self.connections.is_some() {
            return Ok(());
        }
        let entered = if self.config.network.mode == NetworkMode::Default && !may_connect() {
            self.warnings.push(
                "the container has no network: only root can make one (--network host shares \
                 this machine's)"
                    .to_owned(),
            );
            Vec::new()
        } else {
            let networks = Networks(&self.store);
            connection::enter_all(networks, &self.who()?, &self.config.network)?
        };
        bring_back(Networks(&self.store), &entered);
        self.state.network = connection::describe(&entered);
        self.connections = Some(entered);
        Ok(())
    }

    /// Leaves all networks. The interfaces go with the container's namespace.
    pub(super) fn leave_networks(&mut self) {
        Networks(&self.store).forget_everywhere(self.entry.id());
        self.connections = None;
        self.state.network = serde_json::Value::Null;
    }

    fn who(&self) -> Result<Who> {
        Ok(Who {
            id: self.entry.id().clone(),
            name: self.entry.name()?,
            hostname: self.hostname(),
        })
    }

    fn hostname(&self) -> String {
        // Asked for only where it is the name.
        let host = match self.config.isolation.uts {
            Sharing::Host => fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default(),
            _ => String::new(),
        };
        prepare::hostname(&self.config, host.trim())
    }

    /// All it is connected to.
    pub(super) fn connections(&self) -> &[Connection] {
        self.connections.as_deref().unwrap_or_default()
    }

    /// Connects the running container to one more network.
    pub(super) fn connect(&mut self, json: &[u8]) -> Result<()> {
        let wish: Wish =
            serde_json::from_slice(json).map_err(|e| Error::internal(e.to_string()))?;
        check_own_network(&self.config.network.mode)?;
        let networks = Networks(&self.store);
        let network = networks.needed(&wish.network)?;
        if self.connection_to(&network.name).is_some() {
            let what = format!("the container is in network {} already", network.name);
            return Err(Error::user(what));
        }
        let taken = |name: &String| {
            let mut all = self.connections().iter();
            all.any(|c| c.endpoint.interface == *name)
        };
        let most = self.connections().len();
        let free = (0..=most).map(|n| format!("eth{n}")).find(|n| !taken(n));
        let entered = connection::enter(
            networks,
            &self.who()?,
            &network.name,
            &wish.endpoint,
            free.unwrap_or_default(),
        )?;
        if let Err(e) = self.plug_in(&entered) {
            networks.forget(&network, self.entry.id());
            return Err(e);
        }
        self.connections.get_or_insert_default().push(entered);
        self.config.network.join(&network.name, wish.endpoint);
        self.tell_networks()?;
        self.note_network("connect", &network);
        Ok(())
    }

    /// Takes the running container out of a network.
    pub(super) fn disconnect(&mut self, name: &str) -> Result<()> {
        let networks = Networks(&self.store);
        let network = networks.find(name)?;
        let at = self.connection_to(&network.name).ok_or_else(|| {
            Error::user(format!("the container is not in network {}", network.name))
        })?;
        let connection = &self.connections()[at];
        if self.state.pid != 0 {
            let namespace = interface::namespace_of(self.state.pid)?;
            interface::remove(&namespace, &connection.endpoint.interface)?;
        }
        networks.forget(&network, self.entry.id());
        self.connections.get_or_insert_default().remove(at);
        self.config.network.leave(&network.name);
        self.find_way_out()?;
        self.tell_networks()?;
        self.note_network("disconnect", &network);
        Ok(())
    }

    fn connection_to(&self, name: &str) -> Option<usize> {
        self.connections()
            .iter()
            .position(|c| c.network.name == name)
    }

    /// Makes the interface of a new connection.
    fn plug_in(&self, connection: &Connection) -> Result<()> {
        if self.state.pid == 0 {
            return Ok(());
        }
        bring_back(Networks(&self.store), std::slice::from_ref(connection));
        if let Some(bridge) = connection.bridge() {
            bridge::ensure(&bridge)?;
        }
        let namespace = interface::namespace_of(self.state.pid)?;
        let others = self.connections().iter().flat_map(|c| &c.endpoint.gateways);
        let has = |v4: bool| others.clone().any(|g| g.is_ipv4() == v4);
        let mut gateways = connection.endpoint.gateways.clone();
        gateways.retain(|g| !has(g.is_ipv4()));
        let Some(wanted) = connection.interface(gateways)? else {
            return Ok(());
        };
        interface::make(namespace.as_fd(), &wanted)?;
        interface::arrange(namespace.as_fd(), &wanted).inspect_err(|_| {
            // The failure that led here is the one to tell.
            let _ = interface::remove(&namespace, &wanted.name);
        })
    }

    /// Another network may have the way out now.
    fn find_way_out(&self) -> Result<()> {
        if self.state.pid == 0 {
            return Ok(());
        }
        let wanted = connection::wanted(self.connections())?;
        let gateways = wanted.interfaces.into_iter().flat_map(|i| i.gateways);
        let namespace = interface::namespace_of(self.state.pid)?;
        interface::set_way_out(&namespace, &gateways.collect::<Vec<_>>())
    }

    /// Writes down what has changed, for the container and for the others.
    fn tell_networks(&mut self) -> Result<()> {
        let told = connection::describe(self.connections());
        match &mut self.state.network {
            // What else is noted there stays.
            serde_json::Value::Object(old) => old["networks"] = told["networks"].clone(),
            other => *other = told,
        }
        self.write_state();
        self.change_doors()?;
        let hosts = prepare::own_hosts(&self.config, &self.hostname(), self.connections());
        self.entry.write_file("hosts", &hosts)?;
        self.entry.write_config(&self.config)
    }

    fn note_network(&self, action: &str, network: &crate::network::record::Network) {
        let attributes = [
            ("container", self.entry.id().as_str()),
            ("name", &network.name),
            ("type", network.driver.word()),
        ];
        let attributes = attributes.map(|(k, v)| (k.to_owned(), v.to_owned()));
        crate::events::record(
            &self.store,
            "network",
            action,
            network.id.as_str(),
            &attributes.into_iter().collect(),
        );
    }
}

/// Others in the same networks may have lost their bridge. Where that cannot
/// be mended, the start that follows says what is wrong.
fn bring_back(networks: Networks<'_>, connections: &[Connection]) {
    let bridged = connections.iter().map(|c| &c.network);
    for network in bridged.filter(|n| n.driver == Driver::Bridge) {
        let _ = health::bring_back(networks, network);
    }
}

/// Who shares a network cannot change it.
pub fn check_own_network(mode: &NetworkMode) -> Result<()> {
    let whose = match mode {
        NetworkMode::Host => "this machine's",
        NetworkMode::Container(_) => "another container's",
        NetworkMode::Default | NetworkMode::None | NetworkMode::Named(_) => return Ok(()),
    };
    Err(Error::user(format!(
        "the container shares {whose} network, and cannot be connected to others"
    )))
}

/// Interfaces are made by whoever has power over this machine's network.
fn may_connect() -> bool {
    CapSet::bit("CAP_NET_ADMIN").is_some_and(|bit| identity::effective().0 & bit != 0)
}
