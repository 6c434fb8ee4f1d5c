//! Ports: which are open to the outside, and Docker's notation for them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::container::{Config, NetworkMode, State};

/// A port of a container; without `public` it is only exposed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// Of the container.
    pub private: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Of the host.
    pub public: Option<(String, u16)>,
}

impl Port {
    /// `80/tcp`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.private, self.protocol)
    }
}

/// All ports of a container that is up: what its keeper says it holds open,
/// and what is exposed besides. A container that is not up has none.
pub fn of(config: &Config, state: &State) -> Vec<Port> {
    if !state.status.is_up() || config.network.mode == NetworkMode::Host {
        return Vec::new();
    }
    let mut ports = published(&state.network);
    for (private, protocol) in exposed(config) {
        let named = |p: &Port| p.private == private && p.protocol == protocol;
        if !ports.iter().any(named) {
            ports.push(Port {
                private,
                protocol: protocol.to_owned(),
                public: None,
            });
        }
    }
    ports.sort();
    ports
}

/// What the keeper has written down:
/// `{"ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}}`.
pub fn published(network: &Value) -> Vec<Port> {
    let mut ports = Vec::new();
    let all = network.get("ports").and_then(Value::as_object);
    for (key, bindings) in all.into_iter().flatten() {
        let Some((private, protocol)) = split(key) else {
            continue;
        };
        for binding in bindings.as_array().into_iter().flatten() {
            let ip = binding["HostIp"].as_str().unwrap_or_default();
            let port = binding["HostPort"].as_str().and_then(|p| p.parse().ok());
            ports.push(Port {
                private,
                protocol: protocol.to_owned(),
                public: port.map(|port| (ip.to_owned(), port)),
            });
        }
    }
    ports
}

/// `80/tcp`; a bare number is TCP.
pub fn split(key: &str) -> Option<(u16, &str)> {
    let (port, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
    let fine = matches!(protocol, "tcp" | "udp" | "sctp");
    Some((port.parse().ok()?, protocol)).filter(|_| fine)
}

/// Everything that is exposed or to be published.
pub fn exposed(config: &Config) -> Vec<(u16, &'static str)> {
    let network = &config.network;
    let named = network.expose.iter().flat_map(|(first, last, protocol)| {
        (*first..=*last).map(move |port| (port, protocol.word()))
    });
    let published = network
        .ports
        .iter()
        .map(|p| (p.container_port, p.protocol.word()));
    let mut all: Vec<_> = named.chain(published).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// As `inspect` has them: every port, and where it is reached; null: nowhere.
pub fn json(ports: &[Port]) -> Value {
    let mut map: BTreeMap<String, Value> = BTreeMap::new();
    for port in ports {
        let list = map.entry(port.key()).or_insert(Value::Null);
        let Some((ip, public)) = &port.public else {
            continue;
        };
        let binding = json!({"HostIp": ip, "HostPort": public.to_string()});
        match list {
            Value::Array(list) => list.push(binding),
            _ => *list = json!([binding]),
        }
    }
    json!(map)
}

/// `0.0.0.0:8080-8081->80-81/tcp, 9000/udp`: neighbours whose numbers outside
/// are neighbours, too, are drawn together. Those that have another number
/// outside come last.
pub fn shown(ports: &[Port]) -> String {
    let mut sorted: Vec<&Port> = ports.iter().collect();
    sorted.sort_by_key(|p| (p.private, p.public.clone(), p.protocol.clone()));
    let mut groups: Vec<Group<'_>> = Vec::new();
    for port in sorted {
        let next = Group::of(port);
        // An earlier one of that kind has a gap behind it.
        let mut latest = groups.iter_mut().rev();
        match latest.find(|group| group.is_like(&next)) {
            Some(group) if u32::from(group.last) + 1 == u32::from(next.first) => {
                group.last = next.last;
            }
            _ => groups.push(next),
        }
    }
    groups.sort_by_key(|group| group.shift != 0);
    let words: Vec<String> = groups.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// `0.0.0.0:80`, `[::]:80`.
pub fn address(ip: &str, port: impl std::fmt::Display) -> String {
    if ip.contains(':') {
        return format!("[{ip}]:{port}");
    }
    format!("{ip}:{port}")
}

/// Ports from `first` to `last`, each as far from its number outside.
struct Group<'a> {
    ip: Option<&'a str>,
    protocol: &'a str,
    shift: i32,
    first: u16,
    last: u16,
}

impl<'a> Group<'a> {
    fn of(port: &'a Port) -> Self {
        let outside = |(_, public): &(String, u16)| i32::from(*public) - i32::from(port.private);
        Self {
            ip: port.public.as_ref().map(|(ip, _)| ip.as_str()),
            protocol: &port.protocol,
            shift: port.public.as_ref().map_or(0, outside),
            first: port.private,
            last: port.private,
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        (self.ip, self.protocol, self.shift) == (other.ip, other.protocol, other.shift)
    }
}

fn range(first: i32, last: i32) -> String {
    if first == last {
        return first.to_string();
    }
    format!("{first}-{last}")
}

impl std::fmt::Display for Group<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (first, last) = (i32::from(self.first), i32::from(self.last));
        if let Some(ip) = self.ip {
            let outside = range(first + self.shift, last + self.shift);
            write!(f, "{}->", address(ip, outside))?;
        }
        write!(f, "{}/{}", range(first, last), self.protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(private: u16, protocol: &str, public: Option<(&str, u16)>) -> Port {
        Port {
            private,
            protocol: protocol.to_owned(),
            public: public.map(|(ip, port)| (ip.to_owned(), port)),
        }
    }

    #[test]
    fn neighbours_are_drawn_together() {
        let any = |n| Some(("0.0.0.0", n));
        for (ports, words) in [
            (vec![], ""),
            (vec![port(80, "tcp", None)], "80/tcp"),
            (
                vec![
                    port(81, "tcp", None),
                    port(80, "tcp", None),
                    port(80, "udp", None),
                ],
                "80-81/tcp, 80/udp",
            ),
            (
                vec![
                    port(80, "tcp", any(80)),
                    port(81, "tcp", any(81)),
                    port(83, "tcp", any(83)),
                ],
                "0.0.0.0:80-81->80-81/tcp, 0.0.0.0:83->83/tcp",
            ),
            (
                vec![
                    port(80, "tcp", any(8080)),
                    port(80, "tcp", Some(("::", 8080))),
                ],
                "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp",
            ),
            (
                vec![port(80, "tcp", any(8080)), port(443, "tcp", None)],
                "443/tcp, 0.0.0.0:8080->80/tcp",
            ),
            (
                vec![
                    port(9000, "tcp", any(46103)),
                    port(9000, "tcp", Some(("::", 46103))),
                    port(9001, "tcp", any(46104)),
                    port(9001, "tcp", Some(("::", 46104))),
                    port(9002, "tcp", any(46106)),
                    port(9002, "udp", any(46105)),
                ],
                "0.0.0.0:46103-46104->9000-9001/tcp, [::]:46103-46104->9000-9001/tcp, \
                 0.0.0.0:46105->9002/udp, 0.0.0.0:46106->9002/tcp",
            ),
            (
                vec![port(80, "tcp", any(80)), port(80, "tcp", Some(("::", 80)))],
                "0.0.0.0:80->80/tcp, [::]:80->80/tcp",
            ),
        ] {
            assert_eq!(shown(&ports), words);
        }
    }

    #[test]
    fn what_a_keeper_wrote_is_read_and_shown_the_same() {
        let bound = json!({"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]});
        let ports = published(&json!({"ports": bound}));
        assert_eq!(ports, [port(80, "tcp", Some(("0.0.0.0", 8080)))]);
        assert_eq!(json(&ports), bound);
        assert_eq!(json(&[port(53, "udp", None)]), json!({"53/udp": null}));
        for broken in [
            json!(null),
            json!({"ports": {"x": 1, "99999/tcp": [], "1/x": [{}]}}),
        ] {
            assert_eq!(published(&broken), []);
        }
    }
}
