//! From what somebody wants of a network to what is kept of it. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::cidr::Cidr;
use super::record::{Driver, ICC, Network, Subnet, VERSION};
use super::{subnets, wanted};
use crate::container::{Id, Timestamp};
use crate::error::{Error, Result};
use crate::format::switch;

/// A network as it is asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// What people will call it.
    pub name: String,
    /// `bridge`, `macvlan` or `none`; empty: the first.
    pub driver: String,
    /// Its addresses; none: some are chosen.
    pub subnets: Vec<Cidr>,
    /// This machine's addresses in them.
    pub gateways: Vec<IpAddr>,
    /// From where containers get theirs.
    pub ranges: Vec<Cidr>,
    /// Addresses no container gets, and what has them.
    pub aux: Vec<(String, IpAddr)>,
    /// Nothing goes in or out.
    pub internal: bool,
    /// It has addresses of the newer kind, too.
    pub ipv6: bool,
    /// `--opt`.
    pub options: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
}

/// What is to be kept. `device` is what its bridge is called; `taken` is not
/// to be used again.
pub fn design(request: Request, id: Id, device: String, taken: &[Cidr]) -> Result<Network> {
    check_name(&request.name)?;
    check_reserved(&request.name)?;
    let driver = driver(&request.driver)?;
    let (mtu, named) = options(driver, &request.options)?;
    let found_room = driver == Driver::Bridge && is_free_to_choose(&request);
    let subnets = match driver {
        Driver::None => no_subnets(&request)?,
        _ => choose(&request, driver, &id, taken)?,
    };
    Ok(Network {
        version: VERSION,
        id,
        name: request.name,
        created: Timestamp::now(),
        driver,
        subnets,
        found_room,
        internal: request.internal,
        device: named.unwrap_or(match driver {
            Driver::Bridge => device,
            _ => String::new(),
        }),
        mtu,
        options: request.options,
        labels: request.labels,
    })
}

/// Nobody has said which addresses of the older kind it is to have.
fn is_free_to_choose(request: &Request) -> bool {
    let nets = request.subnets.iter().chain(&request.ranges);
    let mut all = nets
        .map(|n| n.address)
        .chain(request.gateways.iter().copied());
    !all.any(|address| address.is_ipv4())
}

/// Words that mean something else where a network is named.
const RESERVED: [&str; 3] = ["host", "none", "default"];

fn check_reserved(name: &str) -> Result<()> {
    if RESERVED.contains(&name) {
        return Err(Error::user(format!("a network cannot be called {name}"))
            .hint("that word has a meaning of its own behind --network"));
    }
    Ok(())
}

/// A name is a word that can stand in a path and on a command line.
pub fn check_name(name: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well && name.len() <= 253 && name.chars().all(fine) {
        return Ok(());
    }
    let short: String = name.chars().take(64).collect();
    Err(Error::user(format!("invalid network name {short:?}"))
        .hint("a name has letters, digits, and _ . - which it does not begin with"))
}

fn driver(word: &str) -> Result<Driver> {
    match word {
        "" | "bridge" => Ok(Driver::Bridge),
        "macvlan" => Ok(Driver::Macvlan),
        "none" | "null" => Ok(Driver::None),
        other => Err(Error::user(format!("there is no network driver {other:?}"))
            .hint("bridge, macvlan and none are there")),
    }
}

/// What Docker's options of a bridge begin with.
const OF_BRIDGE: &str = "com.docker.network.bridge.";

/// The options that mean something: the largest packet, and which interface of
/// this machine's it is.
fn options(driver: Driver, given: &BTreeMap<String, String>) -> Result<(u32, Option<String>)> {
    let (mut mtu, mut device) = (0, None);
    for (key, value) in given {
        match key.as_str() {
            "mtu" | "com.docker.network.driver.mtu" => mtu = read_mtu(value)?,
            "parent" if driver == Driver::Macvlan => device = Some(interface(value)?),
            "com.docker.network.bridge.name" if driver == Driver::Bridge => {
                device = Some(interface(value)?);
            }
            ICC if driver == Driver::Bridge => {
                switch::parse(value).ok_or_else(|| {
                    Error::user(format!("{key}={value} is neither on nor off"))
                        .hint("true or false")
                })?;
            }
            of_bridge if driver == Driver::Bridge && of_bridge.starts_with(OF_BRIDGE) => {
                check_of_bridge(&of_bridge[OF_BRIDGE.len()..], value)?;
            }
            "mode" | "macvlan_mode" if driver == Driver::Macvlan => {
                wanted::macvlan_mode(value).ok_or_else(|| {
                    Error::user(format!("there is no macvlan mode {value:?}"))
                        .hint("bridge, private, vepa and passthru are there")
                })?;
            }
            other => {
                let what = format!("a {} network has no option {other:?}", driver.word());
                return Err(Error::user(what).hint(match driver {
                    Driver::Macvlan => "mtu, parent and mode are there",
                    Driver::Bridge => {
                        "mtu, com.docker.network.bridge.name and \
                         com.docker.network.bridge.enable_icc are there"
                    }
                    Driver::None => "mtu is there",
                }));
            }
        }
    }
    if driver == Driver::Macvlan && device.is_none() {
        return Err(
            Error::user("a macvlan network shares an interface of this machine")
                .hint("say which: --opt parent=eth0"),
        );
    }
    Ok((mtu, device))
}

/// Docker's other options of a bridge can be given where they say what is so
/// anyway.
fn check_of_bridge(option: &str, value: &str) -> Result<()> {
    let (so, instead) = match option {
        "enable_ip_masquerade" => ("true", "--internal keeps everything in"),
        "host_binding_ipv4" => (
            "0.0.0.0",
            "say with each port where it is open: -p 127.0.0.1:8000:80",
        ),
        _ => ("", "leave it out"),
    };
    if !so.is_empty() && value == so {
        return Ok(());
    }
    let what = format!("{OF_BRIDGE}{option}={value} cannot be had");
    Err(Error::user(what).hint(instead))
}

fn read_mtu(value: &str) -> Result<u32> {
    // Below 68 there is no IPv4; above, no interface takes it.
    let mtu = value.parse().ok().filter(|n| (68..=65_535).contains(n));
    mtu.ok_or_else(|| Error::user(format!("invalid mtu {value:?}")).hint("as in 1400"))
}

fn interface(name: &str) -> Result<String> {
    let fine = |c: char| c.is_ascii_graphic() && c != '/';
    if !name.is_empty() && name.len() < libc::IFNAMSIZ && name.chars().all(fine) {
        return Ok(name.to_owned());
    }
    Err(Error::user(format!(
        "{name:?} is not the name of an interface"
    )))
}

fn no_subnets(request: &Request) -> Result<Vec<Subnet>> {
    let asked = !request.subnets.is_empty()
        || request.ipv6
        || !request.gateways.is_empty()
        || !request.aux.is_empty();
    if asked {
        return Err(Error::user("a network of driver none has no addresses"));
    }
    Ok(Vec::new())
}

fn choose(request: &Request, driver: Driver, id: &Id, taken: &[Cidr]) -> Result<Vec<Subnet>> {
    let mut chosen: Vec<Cidr> = Vec::new();
    for subnet in &request.subnets {
        check_subnet(*subnet, driver, &chosen, taken)?;
        chosen.push(*subnet);
    }
    let lacks = |chosen: &[Cidr], v4: bool| !chosen.iter().any(|s| s.address.is_ipv4() == v4);
    if lacks(&chosen, true) {
        if driver == Driver::Macvlan {
            return Err(
                Error::user("a macvlan network has the addresses of its wire")
                    .hint("say which: --subnet 192.168.1.0/24"),
            );
        }
        let found = subnets::choose(taken).ok_or_else(|| {
            Error::environment("no subnet is free on this machine")
                .hint("choose one with --subnet, or take away networks with rcon network prune")
        })?;
        chosen.insert(0, found);
    }
    if request.ipv6 && lacks(&chosen, false) {
        chosen.push(subnets::of_id(id));
    }
    chosen.sort_by_key(|s| s.address.is_ipv6());
    with_gateways(request, &chosen)
}

fn check_subnet(subnet: Cidr, driver: Driver, chosen: &[Cidr], taken: &[Cidr]) -> Result<()> {
    let network = subnet.network();
    if subnet != network {
        return Err(Error::user(format!("{subnet} is an address in a subnet"))
            .hint(format!("its subnet is {network}")));
    }
    if chosen.iter().any(|c| c.is_like(subnet.address)) {
        return Err(Error::user(
            "a network has one subnet of each kind of address, not two",
        ));
    }
    // A wire that is shared has its addresses already.
    let clash = taken.iter().find(|t| t.overlaps(&subnet));
    match clash.filter(|_| driver == Driver::Bridge) {
        Some(other) => Err(Error::user(format!(
            "subnet {subnet} overlaps {other}, which this machine or another network uses"
        ))
        .hint("choose another, or leave out --subnet")),
        None => Ok(()),
    }
}

fn with_gateways(request: &Request, chosen: &[Cidr]) -> Result<Vec<Subnet>> {
    let nowhere = |what: String| {
        Err(
            Error::user(format!("{what} is in none of the network's subnets"))
                .hint("give the subnet, too, with --subnet"),
        )
    };
    if let Some(gateway) =
        (request.gateways.iter()).find(|g| !chosen.iter().any(|s| s.contains(**g)))
    {
        return nowhere(format!("gateway {gateway}"));
    }
    let inside = |s: &Cidr, r: &Cidr| s.contains(r.network().address) && r.prefix >= s.prefix;
    if let Some(range) = (request.ranges.iter()).find(|r| !chosen.iter().any(|s| inside(s, r))) {
        return nowhere(format!("range {range}"));
    }
    if let Some((name, aux)) =
        (request.aux.iter()).find(|(_, aux)| !chosen.iter().any(|s| s.contains(*aux)))
    {
        return nowhere(format!("auxiliary address {name}={aux}"));
    }
    let subnet = |subnet: &Cidr| {
        let given = request.gateways.iter().find(|g| subnet.contains(**g));
        let aux = request.aux.iter().filter(|(_, a)| subnet.contains(*a));
        Subnet {
            subnet: *subnet,
            gateway: given.copied().or_else(|| subnets::first_host(*subnet)),
            range: request.ranges.iter().copied().find(|r| inside(subnet, r)),
            aux: aux.cloned().collect(),
        }
    };
    chosen
        .iter()
        .map(|s| without_clash(request, subnet(s)))
        .collect()
}

/// An address is one machine's.
fn without_clash(request: &Request, subnet: Subnet) -> Result<Subnet> {
    for (name, aux) in &subnet.aux {
        let again = request.aux.iter().filter(|(_, a)| a == aux).count() > 1;
        if again || subnet.gateway == Some(*aux) {
            let whose = if again { "another's" } else { "the gateway's" };
            return Err(
                Error::user(format!("auxiliary address {name}={aux} is {whose}, too"))
                    .hint("choose another address for it, or another --gateway"),
            );
        }
    }
    Ok(subnet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &str) -> Request {
        Request {
            name: name.to_owned(),
            ..Request::default()
        }
    }

    fn made(request: Request) -> Result<Network> {
        let taken = ["172.17.0.0/16".parse().unwrap()];
        design(request, Id::random()?, "rc-0".to_owned(), &taken)
    }

    #[track_caller]
    fn refused(request: Request, why: &str) {
        let e = made(request).unwrap_err().to_string();
        assert!(e.contains(why), "{e}");
    }

    fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        pairs.iter().map(own).collect()
    }

    #[test]
    fn a_plain_network_gets_the_first_free_subnet() {
        let n = made(request("one")).unwrap();
        assert_eq!((n.driver, n.device.as_str()), (Driver::Bridge, "rc-0"));
        assert_eq!(n.subnets.len(), 1);
        assert_eq!(n.subnets[0].subnet.to_string(), "172.18.0.0/16");
        assert_eq!(n.subnets[0].gateway.unwrap().to_string(), "172.18.0.1");
        assert!(n.found_room);
        let mut chosen = request("two");
        chosen.subnets = vec!["10.1.0.0/24".parse().unwrap()];
        assert!(!made(chosen).unwrap().found_room);
    }

    #[test]
    fn both_kinds_of_address() {
        let mut r = request("six");
        r.ipv6 = true;
        let n = made(r.clone()).unwrap();
        assert_eq!(n.subnets.len(), 2);
        assert!(n.has_ipv6() && n.subnets[0].subnet.address.is_ipv4());
        r.subnets = vec!["fd00:9::/64".parse().unwrap()];
        r.gateways = vec!["fd00:9::9".parse().unwrap()];
        r.ranges = vec!["fd00:9::8000/113".parse().unwrap()];
        let n = made(r).unwrap();
        assert_eq!(n.subnets[1].subnet.to_string(), "fd00:9::/64");
        assert_eq!(n.subnets[1].gateway.unwrap().to_string(), "fd00:9::9");
        assert!(n.found_room, "the older ones were not said");
        assert!(n.subnets[1].range.is_some() && n.subnets[0].range.is_none());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for name in ["", "a/b", "-a", "..", "host", "none", "default", "a b"] {
            assert!(made(request(name)).is_err(), "{name:?}");
        }
        let subnet = |list: &[&str]| Request {
            subnets: list.iter().map(|s| s.parse().unwrap()).collect(),
            ..request("net")
        };
        refused(subnet(&["172.17.4.0/24"]), "overlaps 172.17.0.0/16");
        refused(subnet(&["10.1.2.3/24"]), "its subnet is 10.1.2.0/24");
        refused(
            subnet(&["10.1.0.0/24", "10.2.0.0/24"]),
            "one subnet of each kind",
        );
        let mut r = subnet(&["10.1.0.0/24"]);
        r.gateways = vec!["10.2.0.1".parse().unwrap()];
        refused(r, "gateway 10.2.0.1 is in none");
        let mut r = subnet(&["10.1.0.0/24"]);
        r.ranges = vec!["10.1.0.0/16".parse().unwrap()];
        refused(r, "range 10.1.0.0/16 is in none");
        let with = |driver: &str, pairs: &[(&str, &str)]| Request {
            driver: driver.to_owned(),
            options: options(pairs),
            ..request("net")
        };
        refused(with("overlay", &[]), "no network driver");
        refused(with("bridge", &[("colour", "red")]), "no option \"colour\"");
        refused(with("", &[("mtu", "10")]), "invalid mtu");
        refused(with("macvlan", &[]), "shares an interface");
        refused(with("macvlan", &[("parent", "eth0")]), "--subnet");
        refused(with("macvlan", &[("parent", "e/0")]), "not the name");
        refused(
            with("macvlan", &[("parent", "e0"), ("mode", "x")]),
            "macvlan mode",
        );
        let mut r = with("none", &[]);
        r.ipv6 = true;
        refused(r, "has no addresses");
    }

    #[test]
    fn addresses_that_something_else_has() {
        let with = |aux: &[(&str, &str)]| {
            made(Request {
                subnets: vec!["10.1.0.0/24".parse().unwrap()],
                aux: aux
                    .iter()
                    .map(|(n, a)| ((*n).to_owned(), a.parse().unwrap()))
                    .collect(),
                ..request("net")
            })
        };
        let n = with(&[("router", "10.1.0.9"), ("nas", "10.1.0.2")]).unwrap();
        assert_eq!(n.subnets[0].aux.len(), 2);
        for (aux, why) in [
            (&[("r", "10.2.0.9")][..], "r=10.2.0.9 is in none"),
            (&[("r", "10.1.0.1")], "is the gateway's, too"),
            (&[("r", "10.1.0.9"), ("s", "10.1.0.9")], "is another's, too"),
        ] {
            let e = with(aux).unwrap_err().to_string();
            assert!(e.contains(why), "{e}");
        }
    }

    #[test]
    fn options_that_docker_has_for_bridges() {
        let with = |key: &str, value: &str| {
            let key = format!("com.docker.network.{key}");
            made(Request {
                options: options(&[(&key, value)]),
                ..request("net")
            })
        };
        assert_eq!(with("bridge.name", "br0").unwrap().device, "br0");
        for (key, value) in [
            ("bridge.enable_icc", "true"),
            ("bridge.enable_icc", "false"),
            ("bridge.enable_ip_masquerade", "true"),
            ("bridge.host_binding_ipv4", "0.0.0.0"),
        ] {
            assert_eq!(with(key, value).unwrap().device, "rc-0", "{key}");
        }
        for (value, apart) in [("false", true), ("0", true), ("true", false)] {
            let network = with("bridge.enable_icc", value).unwrap();
            assert_eq!(network.keeps_apart(), apart, "{value}");
        }
        for (key, value, why) in [
            ("bridge.name", "a/b", "not the name of an interface"),
            ("bridge.enable_icc", "maybe", "neither on nor off"),
            ("bridge.enable_ip_masquerade", "false", "--internal"),
            ("bridge.host_binding_ipv4", "127.0.0.1", "-p 127.0.0.1"),
            ("bridge.colour", "red", "cannot be had"),
            ("container_iface_prefix", "x", "has no option"),
        ] {
            let e = with(key, value).unwrap_err().to_string();
            assert!(e.contains(why), "{key}: {e}");
        }
    }

    #[test]
    fn other_drivers() {
        let n = made(Request {
            driver: "macvlan".to_owned(),
            // What the machine uses is just what it is to have.
            subnets: vec!["172.17.0.0/16".parse().unwrap()],
            options: options(&[("parent", "eth0"), ("mtu", "1400")]),
            ..request("wire")
        });
        let n = n.unwrap();
        assert_eq!((n.device.as_str(), n.mtu), ("eth0", 1400));
        let n = made(Request {
            driver: "none".to_owned(),
            ..request("alone")
        });
        assert_eq!(n.unwrap().subnets, []);
    }
}
