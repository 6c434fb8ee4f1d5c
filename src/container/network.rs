//! How a container is reached and what it reaches.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Id;

/// The name of the network everybody is in who does not say otherwise.
const DEFAULT: &str = "bridge";

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
    /// What is published sees the client's own address.
    pub keep_source: bool,
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

impl Network {
    /// Brings it into one more network.
    pub fn join(&mut self, name: &str, endpoint: Endpoint) {
        let mut names = self.names();
        names.push(name.to_owned());
        if names.len() == 1 {
            self.set_first(endpoint);
        } else {
            self.further.insert(name.to_owned(), endpoint);
        }
        self.mode = NetworkMode::Named(names);
    }

    /// Takes it out of a network. Where that was the first, the next one is
    /// the first now.
    pub fn leave(&mut self, name: &str) {
        let mut names = self.names();
        let Some(at) = names.iter().position(|n| n == name) else {
            return;
        };
        names.remove(at);
        self.further.remove(name);
        if at == 0 {
            let next = names.first().and_then(|n| self.further.remove(n));
            self.set_first(next.unwrap_or_default());
        }
        self.mode = match names.as_slice() {
            [] => NetworkMode::None,
            _ => NetworkMode::Named(names),
        };
    }

    /// The networks it is in, by name; the first is the one with the way out.
    pub fn names(&self) -> Vec<String> {
        match &self.mode {
            NetworkMode::Default => vec![DEFAULT.to_owned()],
            NetworkMode::Named(names) => names.clone(),
            NetworkMode::None | NetworkMode::Host | NetworkMode::Container(_) => Vec::new(),
        }
    }

    /// All ports that are to be published: those that were named, and with
    /// `-P` every exposed one that was not.
    pub fn published(&self) -> Vec<Port> {
        let mut all = self.ports.clone();
        if !self.publish_all {
            return all;
        }
        for (first, last, protocol) in &self.expose {
            for container_port in *first..=*last {
                let same = |p: &Port| (p.container_port, p.protocol) == (container_port, *protocol);
                if !all.iter().any(same) {
                    all.push(Port {
                        host_ip: None,
                        host_port: None,
                        host_last: None,
                        container_port,
                        protocol: *protocol,
                    });
                }
            }
        }
        all
    }

    fn set_first(&mut self, endpoint: Endpoint) {
        self.ip = endpoint.ip;
        self.ip6 = endpoint.ip6;
        self.mac = endpoint.mac;
        self.aliases = endpoint.aliases;
    }
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
    /// The last of those that will do, where it may be one of several: the
    /// first that is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_last: Option<u16>,
    /// Of the container.
    pub container_port: u16,
    /// Over what.
    pub protocol: Protocol,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known_as(alias: &str) -> Endpoint {
        Endpoint {
            aliases: vec![alias.to_owned()],
            ..Endpoint::default()
        }
    }

    #[test]
    fn whatever_is_exposed_is_published_once() {
        let named = Port {
            host_ip: None,
            host_port: Some(8080),
            host_last: None,
            container_port: 80,
            protocol: Protocol::Tcp,
        };
        let mut n = Network {
            ports: vec![named.clone()],
            expose: vec![(80, 81, Protocol::Tcp), (80, 80, Protocol::Udp)],
            ..Network::default()
        };
        assert_eq!(n.published(), [named]);
        n.publish_all = true;
        let all = n.published().into_iter();
        let all: Vec<_> = all
            .map(|p| (p.container_port, p.protocol, p.host_port))
            .collect();
        let free = |port, protocol| (port, protocol, None);
        assert_eq!(
            all,
            [
                (80, Protocol::Tcp, Some(8080)),
                free(81, Protocol::Tcp),
                free(80, Protocol::Udp)
            ]
        );
    }

    #[test]
    fn networks_are_joined_and_left_in_any_order() {
        let mut n = Network {
            aliases: vec!["first".to_owned()],
            ..Network::default()
        };
        n.join("a", known_as("second"));
        n.join("b", known_as("third"));
        assert_eq!(n.names(), ["bridge", "a", "b"]);
        assert_eq!(n.further["b"], known_as("third"));
        n.leave("nowhere");
        n.leave("bridge");
        assert_eq!(
            (n.names(), &n.aliases[..]),
            (
                vec!["a".to_owned(), "b".to_owned()],
                &["second".to_owned()][..]
            )
        );
        assert!(!n.further.contains_key("a"));
        n.leave("b");
        n.leave("a");
        assert_eq!((&n.mode, n.further.len()), (&NetworkMode::None, 0));
        assert!(n.aliases.is_empty());
        n.join("c", known_as("again"));
        assert_eq!((n.names(), n.aliases.len()), (vec!["c".to_owned()], 1));
    }
}
