//! How a container is reached and what it reaches.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Id;

/// `--network` and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// Which.
    pub mode: NetworkMode,
    /// What is published.
    pub ports: Vec<Port>,
    /// Every exposed port gets a free one of the host's.
    pub publish_all: bool,
    /// Ports the image or `--expose` names: first, last, protocol.
    pub expose: Vec<(u16, u16, Protocol)>,
    /// Name servers instead of the host's.
    pub dns: Vec<IpAddr>,
    /// Domains that are tried for a name without a dot.
    pub dns_search: Vec<String>,
    /// Options of `resolv.conf`.
    pub dns_options: Vec<String>,
    /// Names in `/etc/hosts`: name and address, or `host-gateway`.
    pub hosts: Vec<(String, String)>,
    /// A fixed address.
    pub ip: Option<IpAddr>,
    /// A fixed address of the newer kind.
    pub ip6: Option<IpAddr>,
    /// A fixed hardware address.
    pub mac: Option<String>,
    /// Further names in its networks.
    pub aliases: Vec<String>,
    /// The same four for networks behind the first, by the network's name.
    pub further: BTreeMap<String, Endpoint>,
}

/// How a container is known in one of its networks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// A fixed address.
    pub ip: Option<IpAddr>,
    /// A fixed address of the newer kind.
    pub ip6: Option<IpAddr>,
    /// A fixed hardware address.
    pub mac: Option<String>,
    /// Further names.
    pub aliases: Vec<String>,
}

/// Where a container's network is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkMode {
    /// The bridge that everybody is on who does not say otherwise.
    #[default]
    Default,
    /// Only a loopback device.
    None,
    /// The host's own.
    Host,
    /// Another container's.
    Container(Id),
    /// Networks by name, the first is the one with the way out.
    Named(Vec<String>),
}

/// TCP or UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// A stream.
    #[default]
    Tcp,
    /// Packets.
    Udp,
}

impl Protocol {
    /// As it is written behind a port.
    pub fn word(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Of the host; none: every one.
    pub host_ip: Option<IpAddr>,
    /// Of the host; none: any free one.
    pub host_port: Option<u16>,
    /// Of the container.
    pub container_port: u16,
    /// Over what.
    pub protocol: Protocol,
}
