//! The files by which programs find names: `/etc/hosts` and
//! `/etc/resolv.conf`. Pure: text in, text out.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use nix::net::if_::if_nametoindex;

use super::cidr::Cidr;
use super::resolver;
use crate::container::Network;

/// What every machine knows of itself.
const LOCAL: &str = "127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
";

/// `/etc/hosts`: the container itself under its names at each address, and
/// what was asked for. `gateway` is what `host-gateway` means.
pub fn hosts(network: &Network, own: &[(IpAddr, Vec<String>)], gateway: Option<IpAddr>) -> String {
    let mut text = LOCAL.to_owned();
    for (name, address) in &network.hosts {
        let address = match (address.as_str(), gateway) {
            ("host-gateway", Some(gateway)) => gateway.to_string(),
            ("host-gateway", None) => "127.0.0.1".to_owned(),
            (address, _) => address.to_owned(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{address}\t{name}");
    }
    for (address, names) in own {
        let _ = writeln!(text, "{address}\t{}", names.join(" "));
    }
    text
}

/// Who answers a container's look-ups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Servers {
    /// Whoever the host asks: the container has the host's network.
    Hosts,
    /// Those of them that can be reached from another network namespace: not a
    /// name server on the host's own loopback.
    Reachable,
    /// Its own name server, which asks the others.
    Own,
}

/// `/etc/resolv.conf`: the host's, with what was asked for in place of it.
pub fn resolv_conf(host: &str, network: &Network, asked: Servers) -> String {
    let of = |word: &str| {
        let lines = host.lines().filter_map(move |line| {
            let mut parts = line.split_whitespace();
            (parts.next()? == word).then(|| parts.map(str::to_owned).collect::<Vec<_>>())
        });
        lines.flatten().collect::<Vec<String>>()
    };
    let reachable = |server: &String| {
        let address = server.split('%').next().unwrap_or(server).parse::<IpAddr>();
        address.is_ok_and(|a| asked == Servers::Hosts || !a.to_canonical().is_loopback())
    };
    let mut servers: Vec<String> = network.dns.iter().map(ToString::to_string).collect();
    if asked == Servers::Own {
        servers = vec![resolver::ADDRESS.to_string()];
    } else if servers.is_empty() {
        servers = of("nameserver").into_iter().filter(reachable).collect();
    }
    let instead = |asked: &[String], word: &str| match asked {
        [] => of(word),
        // A single dot is how one asks for none.
        [dot] if dot == "." => Vec::new(),
        asked => asked.to_vec(),
    };
    let search = instead(&network.dns_search, "search");
    let mut options = instead(&network.dns_options, "options");
    if asked == Servers::Own && !options.iter().any(|o| o.starts_with("ndots:")) {
        // The names of a network have no dots: they are asked for as they are
        // first, whatever the domains that are tried.
        options.push("ndots:0".to_owned());
    }
    let mut text = String::new();
    for server in servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    for (word, list) in [("search", search), ("options", options)] {
        if !list.is_empty() {
            let _ = writeln!(text, "{word} {}", list.join(" "));
        }
    }
    text
}

/// Where a host that answers look-ups itself writes down whom it asks.
const BEHIND_STUB: &str = "/run/systemd/resolve/resolv.conf";

/// The host's `/etc/resolv.conf`; where that leads to a server on the host's
/// own loopback only, the one which that asks.
pub fn of_host() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let text = read("/etc/resolv.conf");
    let servers = servers(&text);
    if servers.is_empty() || servers.iter().any(|s| !s.is_loopback()) {
        return text;
    }
    match read(BEHIND_STUB) {
        behind if behind.is_empty() => text,
        behind => behind,
    }
}

/// Where the name servers of a `resolv.conf` are asked.
pub fn resolvers(text: &str) -> Vec<SocketAddr> {
    const PORT: u16 = 53;
    let words = text.lines().map(str::split_whitespace);
    let server = |mut words: std::str::SplitWhitespace<'_>| {
        let address = words
            .next()
            .filter(|w| *w == "nameserver")
            .and(words.next())?;
        let (address, interface) = address.split_once('%').unwrap_or((address, ""));
        let address = address.parse::<IpAddr>().ok()?.to_canonical();
        let scope = match interface {
            "" => 0,
            // It is a number, or it has one.
            name => name.parse().or_else(|_| if_nametoindex(name)).ok()?,
        };
        Some(match address {
            IpAddr::V4(v4) => SocketAddr::from((v4, PORT)),
            IpAddr::V6(v6) => SocketAddrV6::new(v6, PORT, 0, scope).into(),
        })
    };
    words.filter_map(server).collect()
}

/// An IPv4 address in the clothes of IPv6 is one of IPv4.
fn servers(text: &str) -> Vec<IpAddr> {
    let words = text
        .lines()
        .map(|l| l.split_whitespace().collect::<Vec<_>>());
    let server = |words: Vec<&str>| match words[..] {
        ["nameserver", address, ..] => {
            let address: IpAddr = address.split('%').next()?.parse().ok()?;
            Some(address.to_canonical())
        }
        _ => None,
    };
    words.filter_map(server).collect()
}

/// The name servers of this machine: a network with their addresses would
/// hide them.
pub fn servers_of_host() -> Vec<Cidr> {
    let all = servers(&of_host()).into_iter();
    all.filter(|a| !a.is_loopback()).map(Cidr::host).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "# made by somebody\nnameserver 127.0.0.53\nnameserver 192.0.2.1\n\
                        nameserver fe80::1%eth0\nsearch example.org lan\noptions edns0 trust-ad\n";

    #[test]
    fn a_server_on_the_hosts_loopback_is_left_out() {
        let text = resolv_conf(HOST, &Network::default(), Servers::Reachable);
        let want = "nameserver 192.0.2.1\nnameserver fe80::1%eth0\n\
                    search example.org lan\noptions edns0 trust-ad\n";
        assert_eq!(text, want);
        assert!(resolv_conf(HOST, &Network::default(), Servers::Hosts).contains("127.0.0.53"));
    }

    #[test]
    fn the_loopback_is_known_in_every_form() {
        let host = "nameserver ::ffff:127.0.0.1\nnameserver ::1\nnameserver ::ffff:192.0.2.1\n";
        let text = resolv_conf(host, &Network::default(), Servers::Reachable);
        assert_eq!(text, "nameserver ::ffff:192.0.2.1\n");
        assert!(resolv_conf(host, &Network::default(), Servers::Hosts).starts_with(host));
        let told = servers(host).into_iter().filter(|a| !a.is_loopback());
        let told: Vec<String> = told.map(|a| a.to_string()).collect();
        assert_eq!(told, ["192.0.2.1"]);
        let asked: Vec<String> = resolvers(host).iter().map(ToString::to_string).collect();
        assert_eq!(asked, ["127.0.0.1:53", "[::1]:53", "192.0.2.1:53"]);
    }

    #[test]
    fn a_server_of_its_own_asks_all_others() {
        let text = resolv_conf(HOST, &Network::default(), Servers::Own);
        let want = "nameserver 127.0.0.11\nsearch example.org lan\n\
                    options edns0 trust-ad ndots:0\n";
        assert_eq!(text, want);
        let network = Network {
            dns: vec!["9.9.9.9".parse().unwrap()],
            dns_options: vec!["ndots:2".to_owned()],
            ..Network::default()
        };
        let text = resolv_conf(HOST, &network, Servers::Own);
        assert!(text.starts_with("nameserver 127.0.0.11\n"), "{text}");
        assert!(text.ends_with("options ndots:2\n"), "{text}");
    }

    #[test]
    fn name_servers_are_asked_where_they_are() {
        let text = "nameserver 192.0.2.1\n#nameserver 192.0.2.2\nnameserver fe80::1%lo\n\
                    nameserver fe80::1%nowhere0\nnameserver 127.0.0.53 x\nnameserver\n";
        let all: Vec<String> = resolvers(text).iter().map(ToString::to_string).collect();
        assert_eq!(all, ["192.0.2.1:53", "[fe80::1%1]:53", "127.0.0.53:53"]);
    }

    #[test]
    fn servers_are_found_among_other_lines() {
        let found: Vec<String> = servers(HOST).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["127.0.0.53", "192.0.2.1", "fe80::1"]);
    }

    #[test]
    fn what_was_asked_for_takes_the_place_of_the_hosts() {
        let network = Network {
            dns: vec!["9.9.9.9".parse().unwrap()],
            dns_search: vec![".".to_owned()],
            dns_options: vec!["ndots:2".to_owned()],
            ..Network::default()
        };
        let text = resolv_conf(HOST, &network, Servers::Reachable);
        assert_eq!(text, "nameserver 9.9.9.9\noptions ndots:2\n");
    }

    #[test]
    fn the_container_knows_itself_and_what_was_added() {
        let network = Network {
            hosts: vec![
                ("db".to_owned(), "192.0.2.7".to_owned()),
                ("outside".to_owned(), "host-gateway".to_owned()),
            ],
            ..Network::default()
        };
        let own = [(
            "10.0.0.2".parse().unwrap(),
            vec!["abc".to_owned(), "web".to_owned()],
        )];
        let text = hosts(&network, &own, Some("10.0.0.1".parse().unwrap()));
        assert!(text.starts_with("127.0.0.1\tlocalhost\n"));
        assert!(text.ends_with("192.0.2.7\tdb\n10.0.0.1\toutside\n10.0.0.2\tabc web\n"));
    }
}
