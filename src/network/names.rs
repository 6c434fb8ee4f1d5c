//! The files by which programs find names: `/etc/hosts` and
//! `/etc/resolv.conf`. Pure: text in, text out.

use std::fmt::Write;
use std::net::IpAddr;

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

/// `/etc/resolv.conf`: the host's, with what was asked for in place of it. A
/// name server on the host's own loopback cannot be reached from another
/// network namespace and is left out.
pub fn resolv_conf(host: &str, network: &Network, own_namespace: bool) -> String {
    let of = |word: &str| {
        let lines = host.lines().filter_map(move |line| {
            let mut parts = line.split_whitespace();
            (parts.next()? == word).then(|| parts.map(str::to_owned).collect::<Vec<_>>())
        });
        lines.flatten().collect::<Vec<String>>()
    };
    let reachable = |server: &String| {
        let address = server.split('%').next().unwrap_or(server).parse::<IpAddr>();
        address.is_ok_and(|a| !(own_namespace && a.is_loopback()))
    };
    let mut servers: Vec<String> = network.dns.iter().map(ToString::to_string).collect();
    if servers.is_empty() {
        servers = of("nameserver").into_iter().filter(reachable).collect();
    }
    let instead = |asked: &[String], word: &str| match asked {
        [] => of(word),
        // A single dot is how one asks for none.
        [dot] if dot == "." => Vec::new(),
        asked => asked.to_vec(),
    };
    let search = instead(&network.dns_search, "search");
    let options = instead(&network.dns_options, "options");
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

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "# made by somebody\nnameserver 127.0.0.53\nnameserver 192.0.2.1\n\
                        nameserver fe80::1%eth0\nsearch example.org lan\noptions edns0 trust-ad\n";

    #[test]
    fn a_server_on_the_hosts_loopback_is_left_out() {
        let text = resolv_conf(HOST, &Network::default(), true);
        let want = "nameserver 192.0.2.1\nnameserver fe80::1%eth0\n\
                    search example.org lan\noptions edns0 trust-ad\n";
        assert_eq!(text, want);
        assert!(resolv_conf(HOST, &Network::default(), false).contains("127.0.0.53"));
    }

    #[test]
    fn what_was_asked_for_takes_the_place_of_the_hosts() {
        let network = Network {
            dns: vec!["9.9.9.9".parse().unwrap()],
            dns_search: vec![".".to_owned()],
            dns_options: vec!["ndots:2".to_owned()],
            ..Network::default()
        };
        let text = resolv_conf(HOST, &network, true);
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
