//! A container in its networks: what it is given there, what that wants of
//! the kernel, and how it is told.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::cidr::Cidr;
use super::interface;
use super::record::{DEFAULT_NAME, Driver, Endpoint, Network, VERSION};
use super::store::Networks;
use super::wanted::{Bridge, Interface, Wanted, Wire, mac_of};
use crate::container::{self, Id, NetworkMode};
use crate::error::{Error, Result};
use crate::sys;

/// The container, as far as its networks care.
#[derive(Debug, Clone)]
pub struct Who {
    /// Its id.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// What it calls itself.
    pub hostname: String,
}

/// A container in one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The network.
    pub network: Network,
    /// The container in it.
    pub endpoint: Endpoint,
    /// What is written on what belongs to the network.
    mark: String,
}

/// The names of the networks a container is to be in, and how it wants to be
/// known there; the first is the one with the way out.
pub fn names(config: &container::Network) -> Vec<(String, container::Endpoint)> {
    let first = container::Endpoint {
        ip: config.ip,
        ip6: config.ip6,
        mac: config.mac.clone(),
        aliases: config.aliases.clone(),
    };
    let further = |name: &String| config.further.get(name).cloned().unwrap_or_default();
    match &config.mode {
        NetworkMode::Default => vec![(DEFAULT_NAME.to_owned(), first)],
        NetworkMode::Named(names) => {
            let mut all: Vec<_> = names.iter().map(|n| (n.clone(), further(n))).collect();
            if let Some(one) = all.first_mut() {
                one.1 = first;
            }
            all
        }
        NetworkMode::None | NetworkMode::Host | NetworkMode::Container(_) => Vec::new(),
    }
}

/// Brings a container into all its networks, or into none. What it is given is
/// noted before anything is made, and its own until it is taken out again.
pub fn enter_all(
    networks: Networks<'_>,
    who: &Who,
    config: &container::Network,
) -> Result<Vec<Connection>> {
    // What a keeper that was killed has left.
    networks.forget_everywhere(&who.id);
    let mut all: Vec<Connection> = Vec::new();
    for (name, wanted) in names(config) {
        let interface = format!("eth{}", all.len());
        match enter(networks, who, &name, &wanted, interface) {
            Ok(connection) => all.push(connection),
            Err(e) => {
                networks.forget_everywhere(&who.id);
                return Err(e);
            }
        }
    }
    Ok(all)
}

/// Brings a container into one network.
pub fn enter(
    networks: Networks<'_>,
    who: &Who,
    name: &str,
    wanted: &container::Endpoint,
    interface: String,
) -> Result<Connection> {
    let fixed: Vec<IpAddr> = [wanted.ip, wanted.ip6].into_iter().flatten().collect();
    let (network, _lock) = networks.with_room(&networks.needed(name)?, &fixed)?;
    check_fixed(&network, &fixed)?;
    let addresses = networks.choose(&network, &who.id, &fixed)?;
    let gateways = if network.internal {
        Vec::new()
    } else {
        network.subnets.iter().filter_map(|s| s.gateway).collect()
    };
    let first = addresses.first().map(|a| mac_of(a.address));
    let endpoint = Endpoint {
        version: VERSION,
        container: who.id.clone(),
        name: who.name.clone(),
        hostname: who.hostname.clone(),
        aliases: wanted.aliases.clone(),
        interface,
        addresses,
        gateways,
        mac: wanted.mac.clone().or(first).unwrap_or_default(),
    };
    networks.enter(&network, &endpoint)?;
    Ok(Connection {
        mark: networks.mark(&network.id),
        network,
        endpoint,
    })
}

/// An address that is asked for must be one of the network's.
fn check_fixed(network: &Network, fixed: &[IpAddr]) -> Result<()> {
    let outside = fixed
        .iter()
        .find(|a| !network.subnets.iter().any(|s| s.subnet.contains(**a)));
    let Some(address) = outside else {
        return Ok(());
    };
    let subnets: Vec<String> = network
        .subnets
        .iter()
        .map(|s| s.subnet.to_string())
        .collect();
    let what = format!("{address} is no address of network {}", network.name);
    Err(Error::user(what).hint(if subnets.is_empty() {
        "it has none at all".to_owned()
    } else {
        format!("they are {}", subnets.join(" and "))
    }))
}

impl Connection {
    /// The bridge that must be there for it.
    pub fn bridge(&self) -> Option<Bridge> {
        bridge_of(&self.network, self.mark.clone())
    }

    /// Its interface, with a far end that nobody else has: that of an earlier
    /// start may still be on its way out. `gateways` are those that nothing
    /// else goes through yet.
    pub fn interface(&self, gateways: Vec<IpAddr>) -> Result<Option<Interface>> {
        let wire = match self.network.driver {
            Driver::None => return Ok(None),
            Driver::Macvlan => Wire::Macvlan {
                parent: self.network.device.clone(),
                mode: mode(&self.network).to_owned(),
            },
            Driver::Bridge => Wire::Bridge {
                bridge: self.network.device.clone(),
                port: port_name()?,
                apart: self.network.keeps_apart(),
            },
        };
        Ok(Some(Interface {
            name: self.endpoint.interface.clone(),
            wire,
            mac: self.endpoint.mac.clone(),
            mtu: self.network.mtu,
            addresses: self.endpoint.addresses.clone(),
            gateways,
        }))
    }

    /// What Docker tells of it.
    fn describe(&self) -> Value {
        let endpoint = &self.endpoint;
        let of = |v4: bool| {
            let mut all = endpoint.addresses.iter();
            all.find(|a| a.address.is_ipv4() == v4)
        };
        let gateway = |v4: bool| {
            let found = endpoint.gateways.iter().find(|g| g.is_ipv4() == v4);
            found.map(ToString::to_string).unwrap_or_default()
        };
        let text = |a: Option<&Cidr>| a.map(|a| a.address.to_string()).unwrap_or_default();
        let length = |a: Option<&Cidr>| a.map_or(0, |a| a.prefix);
        json!({
            "IPAMConfig": null,
            "Links": null,
            "Aliases": if endpoint.aliases.is_empty() { Value::Null } else { json!(endpoint.aliases) },
            "MacAddress": endpoint.mac,
            "DriverOpts": null,
            "NetworkID": self.network.id,
            "EndpointID": endpoint_id(&self.network.id, &endpoint.container),
            "Gateway": gateway(true),
            "IPAddress": text(of(true)),
            "IPPrefixLen": length(of(true)),
            "IPv6Gateway": gateway(false),
            "GlobalIPv6Address": text(of(false)),
            "GlobalIPv6PrefixLen": length(of(false)),
            "DNSNames": dns_names(endpoint),
        })
    }
}

/// The bridge of a network. `mark` is what is written on it.
pub fn bridge_of(network: &Network, mark: String) -> Option<Bridge> {
    if network.driver != Driver::Bridge {
        return None;
    }
    let own = |s: &super::record::Subnet| Some(Cidr::new(s.gateway?, s.subnet.prefix));
    let addresses: Vec<Cidr> = network.subnets.iter().filter_map(own).collect();
    Some(Bridge {
        name: network.device.clone(),
        mark,
        mtu: network.mtu,
        mac: addresses
            .first()
            .map(|a| mac_of(a.address))
            .unwrap_or_default(),
        addresses,
        table: network.table(),
        subnets: network.subnets.iter().map(|s| s.subnet).collect(),
        internal: network.internal,
        apart: network.keeps_apart(),
    })
}

/// Under which names it is found.
pub fn dns_names(endpoint: &Endpoint) -> Vec<&str> {
    let mut names = vec![endpoint.name.as_str()];
    names.extend(endpoint.aliases.iter().map(String::as_str));
    names.push(endpoint.container.short());
    names.push(&endpoint.hostname);
    let mut seen = Vec::new();
    for name in names {
        if !name.is_empty() && !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

/// A container is in a network once: both ids together say which endpoint.
pub fn endpoint_id(network: &Id, container: &Id) -> String {
    format!("{}{}", &network.as_str()[..32], &container.as_str()[..32])
}

/// How a wire is shared.
fn mode(network: &Network) -> &str {
    let asked = network.option("mode").or(network.option("macvlan_mode"));
    asked.unwrap_or("bridge")
}

fn port_name() -> Result<String> {
    let mut bytes = [0; 6];
    sys::random(&mut bytes)?;
    let digits: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    Ok(format!("{}{}", interface::PORT, digits.concat()))
}

/// What all of them together want of the kernel. The first that leads
/// anywhere has the way out.
pub fn wanted(connections: &[Connection]) -> Result<Wanted> {
    let mut all = Wanted::default();
    let (mut v4, mut v6) = (false, false);
    for connection in connections {
        all.bridges.extend(connection.bridge());
        let mut gateways = connection.endpoint.gateways.clone();
        gateways.retain(|g| {
            let out = if g.is_ipv4() { &mut v4 } else { &mut v6 };
            !std::mem::replace(out, true)
        });
        all.interfaces.extend(connection.interface(gateways)?);
    }
    Ok(all)
}

/// As it stands in the container's record, and is shown by `inspect`.
pub fn describe(connections: &[Connection]) -> Value {
    let all: Map<String, Value> = connections
        .iter()
        .map(|c| (c.network.name.clone(), c.describe()))
        .collect();
    json!({"networks": all})
}

/// The container's own lines in `/etc/hosts`, and what `host-gateway` means.
pub fn hosts(
    connections: &[Connection],
    names: &[String],
) -> (Vec<(IpAddr, Vec<String>)>, Option<IpAddr>) {
    let addresses = connections.iter().flat_map(|c| &c.endpoint.addresses);
    let own = addresses.map(|a| (a.address, names.to_vec())).collect();
    let bridges = connections
        .iter()
        .filter(|c| c.network.driver == Driver::Bridge);
    let gateways = bridges.flat_map(|c| c.network.subnets.iter().filter_map(|s| s.gateway));
    let mut gateways: Vec<IpAddr> = gateways.collect();
    gateways.sort_by_key(IpAddr::is_ipv6);
    (own, gateways.first().copied())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::container::Timestamp;
    use crate::network::record::Subnet;

    fn connection(name: &str, subnet: &str, internal: bool) -> Connection {
        let id = Id::try_from("ab".repeat(32)).unwrap();
        let subnet: Cidr = subnet.parse().unwrap();
        let gateway = subnet.nth(1);
        let network = Network {
            version: VERSION,
            id: id.clone(),
            name: name.to_owned(),
            created: Timestamp::now(),
            driver: Driver::Bridge,
            subnets: vec![Subnet {
                subnet,
                gateway,
                range: None,
                aux: BTreeMap::default(),
            }],
            found_room: false,
            internal,
            device: format!("rc-{name}"),
            mtu: 0,
            options: BTreeMap::default(),
            labels: BTreeMap::default(),
        };
        let address = subnet.nth(2).unwrap();
        Connection {
            network,
            endpoint: Endpoint {
                version: VERSION,
                container: id,
                name: "web".to_owned(),
                hostname: "web".to_owned(),
                aliases: vec!["www".to_owned()],
                interface: "eth0".to_owned(),
                addresses: vec![Cidr::new(address, subnet.prefix)],
                gateways: gateway.filter(|_| !internal).into_iter().collect(),
                mac: mac_of(address),
            },
            mark: "rcon abababababab /somewhere".to_owned(),
        }
    }

    #[test]
    fn the_first_that_leads_anywhere_has_the_way_out() {
        let all = [
            connection("shut", "10.1.0.0/24", true),
            connection("open", "10.2.0.0/24", false),
            connection("third", "10.3.0.0/24", false),
            connection("six", "fd00::/64", false),
        ];
        let wanted = wanted(&all).unwrap();
        let out: Vec<Vec<String>> = wanted
            .interfaces
            .iter()
            .map(|i| i.gateways.iter().map(ToString::to_string).collect())
            .collect();
        assert_eq!(
            out,
            [
                vec![],
                vec!["10.2.0.1".to_owned()],
                vec![],
                vec!["fd00::1".to_owned()]
            ]
        );
        assert_eq!(wanted.bridges.len(), 4);
        assert_eq!(wanted.bridges[0].addresses[0].to_string(), "10.1.0.1/24");
        assert_ne!(wanted.interfaces[0].wire, wanted.interfaces[1].wire);
    }

    #[test]
    fn it_is_told_in_docker_s_words() {
        let all = [connection("net", "10.1.0.0/24", false)];
        let told = &describe(&all)["networks"]["net"];
        assert_eq!(told["IPAddress"], "10.1.0.2");
        assert_eq!(told["IPPrefixLen"], 24);
        assert_eq!(told["Gateway"], "10.1.0.1");
        assert_eq!(told["MacAddress"], "02:42:0a:01:00:02");
        assert_eq!(told["DNSNames"], json!(["web", "www", "abababababab"]));
        assert_eq!(told["EndpointID"].as_str().unwrap().len(), 64);
    }

    #[test]
    fn it_knows_its_own_names_and_its_host() {
        let six = connection("six", "fd00::/64", false);
        let all = [six, connection("net", "10.1.0.0/24", false)];
        let (own, gateway) = hosts(&all, &["web".to_owned()]);
        assert_eq!(own.len(), 2);
        assert_eq!(gateway.unwrap().to_string(), "10.1.0.1");
    }

    #[test]
    fn a_container_is_in_the_networks_it_names() {
        let mut config = container::Network {
            aliases: vec!["one".to_owned()],
            ..container::Network::default()
        };
        let of = |c: &container::Network| {
            let all = names(c).into_iter();
            all.map(|(n, e)| format!("{n}:{}", e.aliases.join(",")))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&config), ["bridge:one"]);
        config.mode = NetworkMode::Named(vec!["a".to_owned(), "b".to_owned()]);
        config.further.insert(
            "b".to_owned(),
            container::Endpoint {
                aliases: vec!["two".to_owned()],
                ..Default::default()
            },
        );
        assert_eq!(of(&config), ["a:one", "b:two"]);
        config.mode = NetworkMode::Host;
        assert!(of(&config).is_empty());
    }

    #[test]
    fn a_fixed_address_must_be_the_networks() {
        let network = connection("net", "10.1.0.0/24", false).network;
        assert!(check_fixed(&network, &["10.1.0.9".parse().unwrap()]).is_ok());
        let e = check_fixed(&network, &["10.9.0.9".parse().unwrap()]).unwrap_err();
        assert!(e.to_string().contains("they are 10.1.0.0/24"), "{e}");
    }
}
