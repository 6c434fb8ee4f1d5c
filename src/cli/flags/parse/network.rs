//! `--network`: a name, or `name=x,ip=…,ip6=…,mac-address=…,alias=…`.

use super::{csv, host};
use crate::container::Endpoint;
use crate::error::{Error, Result};

/// One network, and how the container is known in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name, or `host`, `none`, `container:NAME`.
    pub name: String,
    /// What the long form says.
    pub endpoint: Endpoint,
}

/// Reads one `--network`.
pub fn parse(text: &str) -> Result<Attachment> {
    let mut all = Attachment {
        name: String::new(),
        endpoint: Endpoint::default(),
    };
    // No network's name has one of these.
    if text.contains(['=', ',', '"']) {
        for field in csv::fields(text)? {
            take(&mut all, &field)?;
        }
    } else {
        text.clone_into(&mut all.name);
    }
    check(&all.name).map_err(|e| e.context(format!("invalid network {text:?}")))?;
    Ok(all)
}

fn take(all: &mut Attachment, field: &str) -> Result<()> {
    let (key, value) = csv::key_value(field);
    let Some(value) = value.map(str::trim).filter(|v| !v.is_empty()) else {
        return Err(Error::user(format!(
            "invalid key/value pair format in network: {field:?}"
        ))
        .hint("as in name=web,alias=db,ip=10.1.0.5"));
    };
    let endpoint = &mut all.endpoint;
    match key.trim() {
        "name" => value.clone_into(&mut all.name),
        "alias" => endpoint.aliases.push(alias(value)?),
        "ip" => endpoint.ip = Some(host::v4(value)?),
        "ip6" => endpoint.ip6 = Some(host::v6(value)?),
        "mac-address" => endpoint.mac = Some(host::mac(value)?),
        other => {
            return Err(Error::user(format!("invalid network field key: {other:?}"))
                .hint("known are name, alias, ip, ip6 and mac-address"));
        }
    }
    Ok(())
}

/// A further name for the container.
pub fn alias(text: &str) -> Result<String> {
    host::hostname(text)
        .ok()
        .filter(|name| !name.is_empty())
        .ok_or_else(|| {
            Error::user(format!("invalid network alias {text:?}"))
                .hint("at most 64 letters, digits and - . _")
        })
}

fn check(name: &str) -> Result<()> {
    if let Some(of) = name.strip_prefix("container:") {
        return if of.is_empty() {
            Err(Error::user(
                "container: needs the name of a container behind it",
            ))
        } else {
            Ok(())
        };
    }
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let fine = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if starts_well && name.len() <= 255 && name.chars().all(fine) {
        return Ok(());
    }
    Err(Error::user("that is not a network's name")
        .hint("bridge, none, host, container:NAME, or a name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_the_long_form() {
        for name in ["host", "none", "bridge", "my-net_1.x", "container:web"] {
            let all = parse(name).unwrap();
            assert_eq!(
                (all.name.as_str(), all.endpoint),
                (name, Endpoint::default())
            );
        }
        let all = parse(
            "name=web,alias=db,alias=sql,ip=10.1.0.5,ip6=fd00::5,mac-address=02-42-ac-11-00-02",
        );
        let want = Endpoint {
            ip: Some("10.1.0.5".parse().unwrap()),
            ip6: Some("fd00::5".parse().unwrap()),
            mac: Some("02:42:ac:11:00:02".into()),
            aliases: vec!["db".into(), "sql".into()],
        };
        let all = all.unwrap();
        assert_eq!((all.name.as_str(), all.endpoint), ("web", want));
        assert_eq!(parse("name=web").unwrap().name, "web");
    }

    #[test]
    fn what_is_no_network() {
        for (text, why) in [
            ("", "not a network's name"),
            ("a b", "not a network's name"),
            ("../x", "not a network's name"),
            ("container:", "needs the name of a container"),
            ("ns:/run/netns/x", "not a network's name"),
            ("alias=db", "not a network's name"),
            ("name=", "invalid key/value pair"),
            ("web,alias=db", "invalid key/value pair"),
            (
                "name=web,colour=red",
                "invalid network field key: \"colour\"",
            ),
            ("name=web,ip=::1", "not an IPv4 address"),
            ("name=web,alias=a b", "invalid network alias"),
        ] {
            let e = parse(text).unwrap_err().to_string();
            assert!(e.contains(why), "{text:?}: {e}");
        }
    }
}
