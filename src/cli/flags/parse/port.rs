//! `--publish`: `8000:80`, `127.0.0.1:80:80/tcp`, `[::1]:80:80`, `80`,
//! `3000-3005`, `8000-8005:3000-3005`, `8000-8005:80`, `127.0.0.1::80`, each with
//! `/udp`; or spelled out as `published=8000,target=80,protocol=udp`.

use std::net::{IpAddr, Ipv6Addr};

use super::csv;
use crate::container::image::{parse_port_range, parse_protocol};
use crate::container::{Port, Protocol};
use crate::error::{Error, Result};

const FORM: &str = "[HOST_IP:][HOST_PORT:]CONTAINER_PORT[/udp], as in 8000:80 or 127.0.0.1:8000:80";

/// A range is many ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(pub Vec<Port>);

/// Reads one `--publish`.
pub fn parse(text: &str) -> Result<Ports> {
    // No short form has one.
    if text.contains('=') {
        let short = short_form(text)?;
        return short_parse(&short).map_err(|e| e.context(format!("{text:?}")));
    }
    short_parse(text)
}

/// What is spelled out, in short.
fn short_form(text: &str) -> Result<String> {
    let [mut published, mut target, mut protocol, mut ip] = [const { String::new() }; 4];
    for field in csv::fields(text)? {
        let (key, value) = csv::key_value(&field);
        let value = value.unwrap_or_default().trim();
        match key.trim() {
            "published" => value.clone_into(&mut published),
            "target" => value.clone_into(&mut target),
            "protocol" => protocol = format!("/{value}"),
            "host_ip" if value.contains(':') => ip = format!("[{value}]"),
            "host_ip" => value.clone_into(&mut ip),
            // On one machine both are the same.
            "mode" if matches!(value, "host" | "ingress") => {}
            other => {
                return Err(Error::user(format!("{text:?}: unknown field {other:?}"))
                    .hint("as in published=8000,target=80,protocol=udp,host_ip=127.0.0.1"));
            }
        }
    }
    if target.is_empty() {
        return Err(Error::user(format!("{text:?}: no target is given"))
            .hint("it is the container's port, as in published=8000,target=80"));
    }
    Ok(format!("{ip}:{published}:{target}{protocol}"))
}

fn short_parse(text: &str) -> Result<Ports> {
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
    let one_of = host.filter(|(from, to)| first == last && from < to);
    if let Some((from, to)) = host
        && one_of.is_none()
        && to - from != last - first
    {
        return Err(Error::user(format!(
            "invalid ranges specified for container and host ports: {text:?}"
        ))
        .hint("both ranges must have as many ports, or the container's be a single one"));
    }
    if let Some((0, _)) = one_of {
        return Err(Error::user(format!("{text:?}: there is no port 0"))
            .hint("leave the host's ports out, and a free one is taken"));
    }
    let port = |n: u16| Port {
        host_ip,
        // Port 0 of the host is any that is free.
        host_port: host.map(|(from, _)| from + (n - first)).filter(|p| *p != 0),
        host_last: one_of.map(|(_, to)| to),
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
            let last = p.host_last.map(|p| format!("-{p}")).unwrap_or_default();
            let protocol = p.protocol.word();
            format!("{ip}{host}{last}>{}/{protocol}", p.container_port)
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
            ("8000-8010:80/udp", "8000-8010>80/udp"),
            ("127.0.0.1:8000-8010:80", "127.0.0.1 8000-8010>80/tcp"),
            ("8000-8000:80", "8000>80/tcp"),
            ("published=8000,target=80", "8000>80/tcp"),
            ("target=80,protocol=udp", "any>80/udp"),
            (
                "target=80,mode=host,published=8000-8002",
                "8000-8002>80/tcp",
            ),
            (
                "published=80-81,target=90-91,host_ip=::1",
                "::1 80>90/tcp ::1 81>91/tcp",
            ),
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
            ("8000-8005:80-82", "the container's be a single one"),
            ("0-5:80", "there is no port 0"),
            ("published=80", "no target is given"),
            ("published=80,target=x", "invalid port: \"x\""),
            (
                "published=80,target=80,colour=red",
                "unknown field \"colour\"",
            ),
            ("target=80,mode=swarm", "unknown field \"mode\""),
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
