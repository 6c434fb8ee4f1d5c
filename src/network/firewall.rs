//! Other tools' packet filters. rcon's own rules stand beside them, and a
//! packet must be let through by all. What others have set up is theirs: rcon
//! changes none of it, but says where it is in the way and what helps.
//!
//! Why not add what Docker documents as the place for it (`DOCKER-USER`)? An
//! `accept` there ends Docker's own filter, too: containers of rcon would
//! reach those of Docker past everything that keeps them apart. Only whoever
//! owns the machine can say that this is wanted.

use std::fs;

use super::names;
use super::netlink::Socket;
use super::netlink::nftables::Base;
use super::record::{Driver, Network};
use super::store::Networks;
use crate::error::Result;
use crate::store::Store;

/// Something that is in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What.
    pub what: String,
    /// Commands that help, or words.
    pub remedy: Vec<String>,
}

/// Everything that is in the way of a store's networks.
pub fn obstacles(store: &Store) -> Result<Vec<Obstacle>> {
    let networks = Networks(store);
    // Before the first container there is nothing to look at but the default.
    let _ = networks.needed(super::record::DEFAULT_NAME);
    let all = networks.all()?;
    let open = all
        .iter()
        .filter(|n| n.driver == Driver::Bridge && !n.internal);
    let devices: Vec<&str> = open.map(|n| n.device.as_str()).collect();
    let mut found = filters(&devices)?;
    found.extend(legacy());
    found.extend(clashes(&all)?);
    found.extend(unreachable_servers());
    Ok(found)
}

/// In a word, what would drop the packets of a bridge that was just made.
pub fn in_the_way(device: &str) -> Option<String> {
    // Whoever cannot look has other worries.
    let found = filters(&[device]).ok()?;
    let what = found.first().map(|o| o.what.clone());
    what.map(|what| format!("{what} (`rcon network doctor` says what helps)"))
}

fn filters(devices: &[&str]) -> Result<Vec<Obstacle>> {
    let mut socket = Socket::netfilter()?;
    let (base, others) = socket.chains()?;
    let mut found = Vec::new();
    for chain in base.iter().filter(|c| is_obstacle(c)) {
        let mut shut = Vec::new();
        for device in devices {
            if !socket.has_rule_naming(chain.family, &chain.table, device)? {
                shut.push(*device);
            }
        }
        if !shut.is_empty() {
            found.push(obstacle(chain, &others, &shut));
        }
    }
    Ok(found)
}

fn is_obstacle(chain: &Base) -> bool {
    let ours = chain.table.starts_with("rcon-");
    let kind = matches!(chain.family, "ip" | "ip6" | "inet");
    chain.forward && chain.drops && kind && !ours
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
    fn of(chain: &Base, others: &[Base]) -> Self {
        let same = |o: &&Base| o.table == chain.table && o.family == chain.family;
        let has = |name: &str| {
            others
                .iter()
                .filter(same)
                .any(|o| o.chain.starts_with(name))
        };
        match (chain.table.as_str(), chain.chain.as_str()) {
            ("firewalld", _) => Tool::Firewalld,
            _ if has("DOCKER-USER") => Tool::Docker,
            _ if has("ufw") => Tool::Ufw,
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

fn obstacle(chain: &Base, others: &[Base], devices: &[&str]) -> Obstacle {
    let tool = Tool::of(chain, others);
    let iptables = if chain.family == "ip6" {
        "ip6tables"
    } else {
        "iptables"
    };
    let what = format!(
        "{} chain {} {} {} drops what containers send to the world",
        tool.whose(),
        chain.family,
        chain.table,
        chain.chain
    );
    let remedy = devices
        .iter()
        .flat_map(|d| tool.commands(iptables, d))
        .collect();
    Obstacle { what, remedy }
}

/// Rules of the older kind cannot be read this way.
fn legacy() -> Option<Obstacle> {
    let tables = fs::read_to_string("/proc/net/ip_tables_names").unwrap_or_default();
    let used = tables.lines().any(|l| l == "filter");
    used.then(|| Obstacle {
        what: "there are rules of iptables-legacy, which rcon does not read".to_owned(),
        remedy: vec!["iptables-legacy -S FORWARD".to_owned()],
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
            found.push(Obstacle {
                what: format!(
                    "network {} has addresses that this machine reaches through {through}: {}",
                    network.name, route.to
                ),
                remedy: vec![format!("rcon network rm {}", network.name)],
            });
        }
    }
    Ok(found)
}

fn unreachable_servers() -> Option<Obstacle> {
    let text = names::of_host();
    let named = text.lines().any(|l| l.starts_with("nameserver"));
    (named && names::servers_of_host().is_empty()).then(|| Obstacle {
        what: "the name servers in /etc/resolv.conf are on this machine's own loopback, \
               where containers do not reach them"
            .to_owned(),
        remedy: vec!["name another for a container: rcon run --dns 9.9.9.9".to_owned()],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(family: &'static str, table: &str, chain: &str) -> Base {
        Base {
            family,
            table: table.to_owned(),
            chain: chain.to_owned(),
            forward: true,
            drops: true,
        }
    }

    #[test]
    fn each_tool_is_told_in_its_own_words() {
        let docker = obstacle(
            &chain("ip", "filter", "FORWARD"),
            &[chain("ip", "filter", "DOCKER-USER")],
            &["rcon0"],
        );
        assert!(
            docker.what.starts_with("Docker's chain ip filter FORWARD"),
            "{docker:?}"
        );
        assert!(docker.remedy[1].contains("DOCKER-USER -o rcon0 -j ACCEPT"));
        let ufw = obstacle(
            &chain("ip6", "filter", "FORWARD"),
            &[chain("ip6", "filter", "ufw-user-forward")],
            &["rcon0"],
        );
        assert!(ufw.remedy[0].contains("ufw route allow in on rcon0"));
        let firewalld = obstacle(
            &chain("inet", "firewalld", "filter_FORWARD"),
            &[],
            &["rcon0"],
        );
        assert!(firewalld.remedy[0].contains("--add-interface=rcon0"));
        let plain = obstacle(&chain("ip6", "filter", "FORWARD"), &[], &["rcon0", "rc-1"]);
        assert!(plain.remedy[2].starts_with("ip6tables -I FORWARD -i rc-1"));
        let other = obstacle(&chain("inet", "mine", "fwd"), &[], &["rcon0"]);
        assert!(other.remedy[0].contains("rcon0"));
    }

    #[test]
    fn only_what_drops_in_between_is_in_the_way() {
        assert!(is_obstacle(&chain("ip", "filter", "FORWARD")));
        assert!(!is_obstacle(&chain("inet", "rcon-0", "forward")));
        assert!(!is_obstacle(&chain("bridge", "filter", "FORWARD")));
        let mut lets = chain("ip", "filter", "FORWARD");
        lets.drops = false;
        assert!(!is_obstacle(&lets));
        let mut input = chain("ip", "filter", "INPUT");
        input.forward = false;
        assert!(!is_obstacle(&input));
    }
}
