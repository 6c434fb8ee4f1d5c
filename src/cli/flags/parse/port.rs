//! `--publish`: `8000:80`, `127.0.0.1:80:80/tcp`, `[::1]:80:80`, `80`,
//! `3000-3005`, `8000-8005:3000-3005`, `127.0.0.1::80`, each with `/udp`.

use std::net::{IpAddr, Ipv6Addr};

use crate::container::image::{parse_port_range, parse_protocol};
use crate::container::{Port, Protocol};
use crate::error::{Error, Result};

const FORM: &str = "[HOST_IP:][HOST_PORT:]CONTAINER_PORT[/udp], as in 8000:80 or 127.0.0.1:8000:80";

/// A range is many ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(pub Vec<Port>);

/// Reads one `--publish`.
pub fn parse(text: &str) -> Result<Ports> {
    let (rest, protocol) = text.split_once('/').unwrap_or((text, ""));
    let protocol = parse_protocol(protocol)?;
    let (front, container) = rest.rsplit_once(':').unwrap_or(("", rest));
    if container.is_empty() {
        return Err(Error::user(format!("no port specified: {text:?}")).hint(FORM));
    }
    let (host_ip, host) = host(front, text)?;
    let range = parse_port_range(container)?;
    if range.0 == 0 {
        return Err(Error::user(format!(
            "invalid containerPort in {text:?}: there is no port 0"
        )));
    }
    let host = if host.is_empty() {
        None
    } else {
        Some(parse_port_range(host)?)
    };
    expand(text, host_ip, host, range, protocol)
}

/// The address, if there is one, and what is in front of the last colon.
fn host<'t>(front: &'t str, text: &str) -> Result<(Option<IpAddr>, &'t str)> {
    let (ip, port) = match front.rsplit_once(':') {
        // The last colon of an address in brackets is its own.
        Some((ip, port)) if !port.ends_with(']') => (ip, port),
        _ => ("", front),
    };
    if ip.is_empty() {
        return Ok((None, port));
    }
    let bad = || {
        Error::user(format!("invalid IP address in {text:?}: {ip:?}"))
            .hint("a number as 127.0.0.1, or [::1] in brackets; host names are not looked up")
    };
    let inner = ip.strip_prefix('[').and_then(|i| i.strip_suffix(']'));
    let parsed = match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().map(IpAddr::V6).ok(),
        None => ip.parse().ok(),
    };
    Ok((Some(parsed.ok_or_else(bad)?), port))
}

fn expand(
    text: &str,
    host_ip: Option<IpAddr>,
    host: Option<(u16, u16)>,
    (first, last): (u16, u16),
    protocol: Protocol,
) -> Result<Ports> {
    if let Some((from, to)) = host
        && to - from != last - first
    {
        let hint = if first == last {
            "choose one port of the host, or none and a free one is taken"
        } else {
            "both ranges must have as many ports"
        };
        return Err(Error::user(format!(
            "invalid ranges specified for container and host ports: {text:?}"
        ))
        .hint(hint));
    }
    let port = |n: u16| Port {
        host_ip,
        // Port 0 of the host is any that is free.
        host_port: host.map(|(from, _)| from + (n - first)).filter(|p| *p != 0),
        container_port: n,
        protocol,
    };
    Ok(Ports((first..=last).map(port).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let show = |p: &Port| {
            let ip = p.host_ip.map(|ip| format!("{ip} ")).unwrap_or_default();
            let host = p.host_port.map_or("any".to_owned(), |p| p.to_string());
            format!("{ip}{host}>{}/{}", p.container_port, p.protocol.word())
        };
        let ports = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        ports.0.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_form() {
        for (text, want) in [
            ("80", "any>80/tcp"),
            ("80/udp", "any>80/udp"),
            ("80/TCP", "any>80/tcp"),
            (":80", "any>80/tcp"),
            ("::80", "any>80/tcp"),
            ("0:80", "any>80/tcp"),
            ("8000:80", "8000>80/tcp"),
            ("127.0.0.1:80:81/tcp", "127.0.0.1 80>81/tcp"),
            ("127.0.0.1::80", "127.0.0.1 any>80/tcp"),
            ("0.0.0.0:80:80", "0.0.0.0 80>80/tcp"),
            ("[::1]:80:81", "::1 80>81/tcp"),
            ("[::1]::81", "::1 any>81/tcp"),
            ("::1:80:81", "::1 80>81/tcp"),
            ("3000-3002", "any>3000/tcp any>3001/tcp any>3002/tcp"),
            ("8000-8001:3000-3001/udp", "8000>3000/udp 8001>3001/udp"),
            ("65534-65535:1-2", "65534>1/tcp 65535>2/tcp"),
        ] {
            assert_eq!(shown(text), want, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_published() {
        for (text, why) in [
            ("", "no port specified"),
            ("80:", "no port specified"),
            ("/udp", "no port specified"),
            ("80:0", "no port 0"),
            ("x:80", "invalid port: \"x\""),
            ("80:x", "invalid port: \"x\""),
            ("80:70000", "up to 65535"),
            ("8000-8002:80-81", "as many ports"),
            ("8000-8005:80", "choose one port of the host"),
            ("80:90-80", "the lower port comes first"),
            ("80:80/sctp", "SCTP"),
            ("80:80/x", "invalid proto"),
            ("localhost:80:80", "not looked up"),
            ("::1:80", "in brackets"),
            ("[::1:80:80", "in brackets"),
            ("[127.0.0.1]:80:80", "invalid IP address"),
            ("[::1]:80", "invalid port"),
            ("1.2.3.4.5:80:80", "invalid IP address"),
        ] {
            let e = parse(text).map(|p| p.0).unwrap_err().to_string();
            assert!(e.contains(why), "{text:?}: {e}");
        }
    }
}
