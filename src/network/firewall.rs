//! Other tools' packet filters. rcon's own rules stand beside them, and a
//! packet must be let through by all. What others have set up is theirs: rcon
//! changes none of it, but says where it is in the way and what helps.
//!
//! Why not add what Docker documents as the place for it (`DOCKER-USER`)? An
//! `accept` there ends Docker's own filter, too: containers of rcon would
//! reach those of Docker past everything that keeps them apart. Only whoever
//! owns the machine can say that this is wanted.

use std::fs;

use super::cidr::Cidr;
use super::netlink::Socket;
use super::netlink::ruleset::{Chain, Family, Ruleset};
use super::record::{Driver, Network};
use super::store::Networks;
use super::verdict::{Fate, Interface, Packet, fate};
use super::wanted::Bridge;
use super::{health, names};
use crate::error::Result;
use crate::store::Store;

/// Something that is in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What.
    pub what: String,
    /// Commands that help, or words.
    pub remedy: Vec<String>,
    /// It is in the way; or it may only be, of some.
    pub sure: bool,
}

impl Obstacle {
    fn sure(what: String, remedy: Vec<String>) -> Self {
        Self {
            what,
            remedy,
            sure: true,
        }
    }
}

/// Everything that is in the way of a store's networks.
pub fn obstacles(store: &Store) -> Result<Vec<Obstacle>> {
    let networks = Networks(store);
    // Before the first container there is nothing to look at but the default.
    let _ = networks.needed(super::record::DEFAULT_NAME);
    let all = networks.all()?;
    let open: Vec<&Network> = all
        .iter()
        .filter(|n| n.driver == Driver::Bridge && !n.internal)
        .collect();
    let ways = open.iter().map(|n| Way {
        device: n.device.clone(),
        subnets: n.subnets.iter().map(|s| s.subnet).collect(),
    });
    let mut found: Vec<Obstacle> = lost(networks, &all)?;
    found.extend(not_forwarding(&open)?);
    found.extend(filters(&ways.collect::<Vec<_>>())?);
    found.extend(legacy());
    found.extend(clashes(&all)?);
    found.extend(unreachable_servers());
    Ok(found)
}

/// In a word, what would drop the packets of a bridge that was just made.
pub fn in_the_way(bridge: &Bridge) -> Option<String> {
    let way = Way {
        device: bridge.name.clone(),
        subnets: bridge.subnets.clone(),
    };
    // Whoever cannot look has other worries.
    let found = filters(&[way]).ok()?;
    let what = found.into_iter().find(|o| o.sure).map(|o| o.what);
    what.map(|what| format!("{what} (`rcon network doctor` says what helps)"))
}

/// What belongs to a network and is gone while containers are in it.
fn lost(networks: Networks<'_>, all: &[Network]) -> Result<Vec<Obstacle>> {
    let damaged = health::find(networks, all)?;
    let obstacle =
        |d: health::Damage| Obstacle::sure(d.what, vec!["rcon system check --repair".to_owned()]);
    Ok(damaged.into_iter().map(obstacle).collect())
}

/// This machine forwards nothing, though there are bridges that need it.
fn not_forwarding(open: &[&Network]) -> Result<Vec<Obstacle>> {
    let mut socket = Socket::route()?;
    let mut needed = [false; 2];
    for network in open {
        if socket.link(&network.device)?.is_some_and(|l| l.up) {
            needed[0] |= network.subnets.iter().any(|s| s.subnet.address.is_ipv4());
            needed[1] |= network.has_ipv6();
        }
    }
    let switches = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"];
    let off = switches.into_iter().zip(needed).filter(|(switch, needed)| {
        let file = format!("/proc/sys/{}", switch.replace('.', "/"));
        *needed && fs::read_to_string(file).is_ok_and(|text| text.trim() == "0")
    });
    Ok(off
        .map(|(switch, _)| {
            Obstacle::sure(
                format!("{switch} is 0: this machine forwards no packets of containers"),
                vec![
                    format!("sysctl -w {switch}=1"),
                    "and look for what has set it to 0, in /etc/sysctl.conf and /etc/sysctl.d"
                        .to_owned(),
                ],
            )
        })
        .collect())
}

/// A network, as far as others' filters care.
struct Way {
    device: String,
    subnets: Vec<Cidr>,
}

/// What a chain does to a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    None,
    Some,
    All,
}

fn filters(ways: &[Way]) -> Result<Vec<Obstacle>> {
    let set = Socket::netfilter()?.ruleset(|table| table.starts_with("rcon-"))?;
    let mut socket = Socket::route()?;
    let interfaces = ways.iter().map(|way| {
        let index = socket.link(&way.device)?.map_or(0, |link| link.index);
        Ok(Interface {
            name: way.device.clone(),
            index,
        })
    });
    let interfaces = interfaces.collect::<Result<Vec<_>>>()?;
    let uplinks = [uplink(&mut socket, true)?, uplink(&mut socket, false)?];
    let mut found = Vec::new();
    for base in set.chains.iter().filter(|c| c.forward) {
        let (mut shut, mut by) = (Vec::new(), base.name.clone());
        let mut some = None;
        for (way, own) in ways.iter().zip(&interfaces) {
            let (effect, chain) = effect(&set, base, way, own, &uplinks);
            match effect {
                Effect::All => {
                    shut.push(way.device.as_str());
                    by = chain;
                }
                Effect::Some => some = Some(chain),
                Effect::None => {}
            }
        }
        if !shut.is_empty() {
            found.push(obstacle(base, &by, &set.chains, &shut));
        } else if let Some(chain) = some {
            found.push(doubt(base, &chain, &set.chains));
        }
    }
    Ok(found)
}

/// Where packets to the world leave this machine.
fn uplink(socket: &mut Socket, v4: bool) -> Result<Option<Interface>> {
    let routes = socket.routes()?;
    let mut defaults = routes.iter().filter(|r| r.to.prefix == 0);
    let Some(default) = defaults.find(|r| r.to.address.is_ipv4() == v4) else {
        return Ok(None);
    };
    let links = socket.links()?;
    let link = links.into_iter().find(|l| l.index == default.through);
    Ok(link.map(|link| Interface {
        name: link.name,
        index: link.index,
    }))
}

/// What a chain does to a network, and in which chain behind it.
fn effect(
    set: &Ruleset,
    base: &Chain,
    way: &Way,
    own: &Interface,
    uplinks: &[Option<Interface>; 2],
) -> (Effect, String) {
    let mut worst = (Effect::None, String::new());
    for subnet in &way.subnets {
        let uplink = uplinks[usize::from(subnet.address.is_ipv6())].as_ref();
        let out = Packet {
            from: Some(own),
            to: uplink,
            own: *subnet,
            begins: true,
        };
        let back = Packet {
            from: uplink,
            to: Some(own),
            own: *subnet,
            begins: false,
        };
        if !out.comes_to(base.family) {
            continue;
        }
        let (there, back) = (fate(set, base, &out), fate(set, base, &back));
        let answers_dropped = back.dropped.filter(|_| !back.may_pass);
        match there {
            Fate {
                dropped: Some(chain),
                ..
            } => return (Effect::All, chain),
            Fate {
                may_drop: Some(chain),
                ..
            } => worst = (Effect::Some, chain),
            Fate { .. } => {}
        }
        if let Some(chain) = answers_dropped {
            return (Effect::All, chain);
        }
    }
    worst
}

/// Whose rules they are, which is whom to tell.
#[derive(Debug, Clone, Copy)]
enum Tool {
    Docker,
    Ufw,
    Firewalld,
    Iptables,
    Other,
}

impl Tool {
    /// `by` is the chain that drops: `base`, or one that it leads to.
    fn of(base: &Chain, by: &str, all: &[Chain]) -> Self {
        let same = |o: &&Chain| o.table == base.table && o.family == base.family;
        let has = |name: &str| all.iter().filter(same).any(|o| o.name.starts_with(name));
        // What is not dropped for want of a rule, but by one, is dropped
        // before or after what these tools have set up.
        let by_policy = by == base.name && base.drops;
        match (base.table.as_str(), base.name.as_str()) {
            ("firewalld", _) => Tool::Firewalld,
            _ if has("DOCKER-USER") && (by_policy || by.starts_with("DOCKER")) => Tool::Docker,
            _ if has("ufw") && (by_policy || by.starts_with("ufw")) => Tool::Ufw,
            ("filter", "FORWARD") => Tool::Iptables,
            _ => Tool::Other,
        }
    }

    fn whose(self) -> &'static str {
        match self {
            Tool::Docker => "Docker's",
            Tool::Ufw => "ufw's",
            Tool::Firewalld => "firewalld's",
            Tool::Iptables | Tool::Other => "somebody's",
        }
    }

    /// What is to be typed. `iptables` is the program for the kind of address.
    fn commands(self, iptables: &str, device: &str) -> Vec<String> {
        match self {
            Tool::Docker => vec![
                format!("{iptables} -I DOCKER-USER -i {device} ! -o docker0 -j ACCEPT"),
                format!("{iptables} -I DOCKER-USER -o {device} -j ACCEPT"),
            ],
            Tool::Ufw => vec![
                format!("ufw route allow in on {device}"),
                format!("ufw route allow out on {device}"),
            ],
            Tool::Firewalld => vec![
                format!("firewall-cmd --permanent --zone=trusted --add-interface={device}"),
                "firewall-cmd --reload".to_owned(),
            ],
            Tool::Iptables => vec![
                format!("{iptables} -I FORWARD -i {device} -j ACCEPT"),
                format!("{iptables} -I FORWARD -o {device} -j ACCEPT"),
            ],
            Tool::Other => {
                vec![format!(
                    "let packets pass there that come from or go to {device}"
                )]
            }
        }
    }
}

/// The chain in words, and the one behind it that drops.
fn named(tool: Tool, base: &Chain, by: &str) -> String {
    let through = if by == base.name {
        String::new()
    } else {
        format!(" (in its chain {by})")
    };
    format!(
        "{} chain {} {} {}{through}",
        tool.whose(),
        base.family.word(),
        base.table,
        base.name
    )
}

fn obstacle(base: &Chain, by: &str, all: &[Chain], devices: &[&str]) -> Obstacle {
    let tool = Tool::of(base, by, all);
    let iptables = if base.family == Family::Ip6 {
        "ip6tables"
    } else {
        "iptables"
    };
    let remedy = devices
        .iter()
        .flat_map(|d| tool.commands(iptables, d))
        .collect();
    let what = named(tool, base, by) + " drops what containers send to the world";
    Obstacle::sure(what, remedy)
}

/// Rules that drop something, but not all; what, rcon cannot weigh.
fn doubt(base: &Chain, by: &str, all: &[Chain]) -> Obstacle {
    let what = named(Tool::of(base, by, all), base, by)
        + " may be in the way of some of what containers send: look at its conditions";
    let chain = |name: &str| {
        format!(
            "nft list chain {} {} {name}",
            base.family.word(),
            base.table
        )
    };
    Obstacle {
        what,
        remedy: vec![chain(by)],
        sure: false,
    }
}

/// Rules of the older kind cannot be read this way.
fn legacy() -> Option<Obstacle> {
    let tables = fs::read_to_string("/proc/net/ip_tables_names").unwrap_or_default();
    let used = tables.lines().any(|l| l == "filter");
    used.then(|| {
        Obstacle::sure(
            "there are rules of iptables-legacy, which rcon does not read".to_owned(),
            vec!["iptables-legacy -S FORWARD".to_owned()],
        )
    })
}

/// Networks whose addresses this machine has come to use otherwise.
fn clashes(all: &[Network]) -> Result<Vec<Obstacle>> {
    let mut socket = Socket::route()?;
    let links = socket.links()?;
    let routes = socket.routes()?;
    let device = |index| links.iter().find(|l| l.index == index).map(|l| &l.name);
    let mut found = Vec::new();
    for network in all.iter().filter(|n| n.driver == Driver::Bridge) {
        let clash = routes.iter().filter(|r| r.to.prefix > 0).find(|r| {
            let own = device(r.through) == Some(&network.device);
            !own && network.subnets.iter().any(|s| s.subnet.overlaps(&r.to))
        });
        if let Some(route) = clash {
            let through = device(route.through).map_or("?", String::as_str);
            let what = format!(
                "network {} has addresses that this machine reaches through {through}: {}",
                network.name, route.to
            );
            let remedy = format!("rcon network rm {}", network.name);
            found.push(Obstacle::sure(what, vec![remedy]));
        }
    }
    Ok(found)
}

fn unreachable_servers() -> Option<Obstacle> {
    let text = names::of_host();
    let named = text.lines().any(|l| l.starts_with("nameserver"));
    (named && names::servers_of_host().is_empty()).then(|| {
        Obstacle::sure(
            "the name servers in /etc/resolv.conf are on this machine's own loopback, \
             where containers do not reach them"
                .to_owned(),
            vec!["name another for a container: rcon run --dns 9.9.9.9".to_owned()],
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::netlink::ruleset::{Rule, Verdict};

    fn chain(family: Family, table: &str, name: &str) -> Chain {
        Chain {
            family,
            table: table.to_owned(),
            name: name.to_owned(),
            forward: true,
            drops: true,
        }
    }

    #[test]
    fn each_tool_is_told_in_its_own_words() {
        let of = |base: &Chain, all: &[Chain], devices: &[&str]| {
            obstacle(base, &base.name, all, devices)
        };
        let filter = chain(Family::Ip, "filter", "FORWARD");
        let user = [chain(Family::Ip, "filter", "DOCKER-USER")];
        let docker = of(&filter, &user, &["rcon0"]);
        assert!(
            docker.what.starts_with("Docker's chain ip filter FORWARD"),
            "{docker:?}"
        );
        assert!(docker.remedy[1].contains("DOCKER-USER -o rcon0 -j ACCEPT"));
        let filter6 = chain(Family::Ip6, "filter", "FORWARD");
        let ufw = of(
            &filter6,
            &[chain(Family::Ip6, "filter", "ufw-user-forward")],
            &["rcon0"],
        );
        assert!(ufw.remedy[0].contains("ufw route allow in on rcon0"));
        let firewalld = of(
            &chain(Family::Inet, "firewalld", "filter_FORWARD"),
            &[],
            &["rcon0"],
        );
        assert!(firewalld.remedy[0].contains("--add-interface=rcon0"));
        let plain = of(&filter6, &[], &["rcon0", "rc-1"]);
        assert!(plain.remedy[2].starts_with("ip6tables -I FORWARD -i rc-1"));
        let other = of(&chain(Family::Inet, "mine", "fwd"), &[], &["rcon0"]);
        assert!(other.remedy[0].contains("rcon0"));
        // A rule of one's own before Docker's is not mended behind it.
        let mut lets = filter.clone();
        lets.drops = false;
        let own = of(&lets, &user, &["rcon0"]);
        assert!(own.remedy[0].starts_with("iptables -I FORWARD"), "{own:?}");
        let behind = obstacle(&lets, "BLOCK", &user, &["rcon0"]);
        assert!(behind.what.contains("(in its chain BLOCK)"), "{behind:?}");
    }

    #[test]
    fn each_kind_of_address_has_its_own_tables() {
        let drop_all = Rule {
            conditions: Vec::new(),
            verdict: Some(Verdict::Drop),
        };
        let own = Interface {
            name: "rcon0".to_owned(),
            index: 3,
        };
        let of = |family: Family, subnets: &[&str]| {
            let base = chain(family, "t", "c");
            let set = Ruleset::new(vec![(base.clone(), vec![drop_all.clone()])]);
            let way = Way {
                device: "rcon0".to_owned(),
                subnets: subnets.iter().map(|s| s.parse().unwrap()).collect(),
            };
            effect(&set, &base, &way, &own, &[None, None]).0
        };
        assert_eq!(of(Family::Ip, &["172.17.0.0/16"]), Effect::All);
        assert_eq!(of(Family::Ip6, &["172.17.0.0/16"]), Effect::None);
        assert_eq!(
            of(Family::Ip6, &["172.17.0.0/16", "fd00::/64"]),
            Effect::All
        );
        assert_eq!(of(Family::Inet, &["172.17.0.0/16"]), Effect::All);
    }
}
