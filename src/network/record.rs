//! What is kept of a network, and of each container in it. Plain data.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::cidr::Cidr;
use crate::container::{Id, Timestamp};
use crate::format::switch;

/// The version of the records this rcon writes, and the only one it reads.
pub const VERSION: u32 = 1;

/// The network everybody is in who does not say otherwise.
pub const DEFAULT_NAME: &str = "bridge";

/// Docker's option of a bridge whose containers may speak to each other, or
/// not.
pub const ICC: &str = "com.docker.network.bridge.enable_icc";

/// What a network is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// A bridge of this machine's.
    Bridge,
    /// The wire of one of its interfaces.
    Macvlan,
    /// Nothing: who is in it is alone.
    None,
}

impl Driver {
    /// As it is typed and shown.
    pub fn word(self) -> &'static str {
        match self {
            Driver::Bridge => "bridge",
            Driver::Macvlan => "macvlan",
            Driver::None => "none",
        }
    }
}

/// One range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// All of it.
    pub subnet: Cidr,
    /// The way out.
    pub gateway: Option<IpAddr>,
    /// Containers get theirs from this part only.
    pub range: Option<Cidr>,
    /// Addresses in it that no container gets, and what has them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aux: BTreeMap<String, IpAddr>,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Of this record's form; see [`VERSION`].
    pub version: u32,
    /// For ever.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// What it is made of.
    pub driver: Driver,
    /// Its addresses; at most one range of each kind.
    pub subnets: Vec<Subnet>,
    /// Nobody has said which the older ones are: they were found for it, and
    /// others are as good.
    #[serde(default)]
    pub found_room: bool,
    /// Nothing goes in or out.
    pub internal: bool,
    /// The interface on this machine: its bridge, or whose wire is shared.
    pub device: String,
    /// The largest packet; 0: what is usual.
    pub mtu: u32,
    /// As they were typed.
    pub options: BTreeMap<String, String>,
    /// For people to find it by.
    pub labels: BTreeMap<String, String>,
}

impl Network {
    /// Its table of packet filters.
    pub fn table(&self) -> String {
        format!("rcon-{}", self.id.short())
    }

    /// Whether it has addresses of the newer kind.
    pub fn has_ipv6(&self) -> bool {
        self.subnets.iter().any(|s| s.subnet.address.is_ipv6())
    }

    /// Whether those in it do not reach each other.
    pub fn keeps_apart(&self) -> bool {
        self.option(ICC).and_then(switch::parse) == Some(false)
    }

    /// An option of it.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }
}

/// A container in a network, for as long as it is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Of this record's form; see [`VERSION`].
    pub version: u32,
    /// Which container.
    pub container: Id,
    /// What people call it.
    pub name: String,
    /// What it calls itself.
    pub hostname: String,
    /// Further names of it in this network.
    pub aliases: Vec<String>,
    /// Its interface's name, inside.
    pub interface: String,
    /// Its addresses, with the length of their subnet.
    pub addresses: Vec<Cidr>,
    /// Where the rest of the world is, from there.
    pub gateways: Vec<IpAddr>,
    /// Its hardware address.
    pub mac: String,
}
