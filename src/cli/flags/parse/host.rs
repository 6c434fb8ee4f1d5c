//! Names and addresses: `--add-host`, `--dns`, `--mac-address`, `--hostname`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::pair::Pair;
use crate::error::{Error, Result};

/// What stands for the host's own address.
pub const GATEWAY: &str = "host-gateway";

/// `name:ip`, `name=ip`, and `host-gateway` in place of an address.
pub fn extra(text: &str) -> Result<Pair> {
    // A name has neither; an address of the newer kind has colons.
    let split = text.split_once('=').or_else(|| text.split_once(':'));
    let Some((name, ip)) = split.filter(|(name, _)| is_name(name)) else {
        return Err(Error::user(format!("bad format for add-host: {text:?}"))
            .hint("NAME:IP, as in db:10.0.0.2, or NAME:host-gateway"));
    };
    if ip == GATEWAY {
        return Ok((name.to_owned(), ip.to_owned()));
    }
    let bare = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']'));
    let parsed: Option<IpAddr> = match bare {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => ip.parse().ok(),
    };
    let ip = parsed.ok_or_else(|| {
        Error::user(format!("invalid IP address in add-host: {ip:?}"))
            .hint("an address as 10.0.0.2 or ::1, or host-gateway for this machine")
    })?;
    Ok((name.to_owned(), ip.to_string()))
}

/// It becomes a word in a line of `/etc/hosts`.
fn is_name(text: &str) -> bool {
    let fine = |c: char| !c.is_whitespace() && !c.is_control() && c != '#';
    !text.is_empty() && text.len() <= 255 && text.chars().all(fine)
}

/// The address of a name server.
pub fn address(text: &str) -> Result<IpAddr> {
    text.parse().map_err(|_| {
        Error::user(format!("{text:?} is not an ip address"))
            .hint("a number as 10.0.0.2 or fd00::2")
    })
}

/// An address of the older kind.
pub fn v4(text: &str) -> Result<IpAddr> {
    let ip = text.parse::<Ipv4Addr>().map(IpAddr::V4);
    ip.map_err(|_| {
        Error::user(format!("{text:?} is not an IPv4 address")).hint("four numbers, as 10.0.0.2")
    })
}

/// An address of the newer kind.
pub fn v6(text: &str) -> Result<IpAddr> {
    let ip = text.parse::<Ipv6Addr>().map(IpAddr::V6);
    ip.map_err(|_| Error::user(format!("{text:?} is not an IPv6 address")).hint("as in fd00::2"))
}

/// A domain to look names up in; `.` is none.
pub fn domain(text: &str) -> Result<String> {
    let bare = text.trim();
    let label = |label: &str| {
        let fine = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        !label.is_empty() && label.len() <= 63 && label.chars().all(fine)
    };
    let inner = bare.strip_suffix('.').unwrap_or(bare);
    if bare == "." || (bare.len() <= 254 && inner.split('.').all(label)) {
        return Ok(bare.to_owned());
    }
    Err(Error::user(format!("{text:?} is not a valid domain")).hint("as in example.com"))
}

/// A word in the line `options` of `resolv.conf`.
pub fn resolver_option(text: &str) -> Result<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_:".contains(c);
    if !text.is_empty() && text.chars().all(fine) {
        return Ok(text.to_owned());
    }
    Err(Error::user(format!("invalid DNS option {text:?}")).hint("one word, as in ndots:2"))
}

/// `02:42:ac:11:00:02`, with `-` or in fours with dots as well.
pub fn mac(text: &str) -> Result<String> {
    let bad =
        |hint: &str| Error::user(format!("invalid MAC address {text:?}")).hint(hint.to_owned());
    let digits: String = text.chars().filter(|c| !":-.".contains(*c)).collect();
    let hex = digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let groups = |by: char, of: usize| text.split(by).all(|g| g.len() == of) && text.contains(by);
    if !hex || !(groups(':', 2) || groups('-', 2) || groups('.', 4)) {
        return Err(bad("six pairs of digits, as 02:42:ac:11:00:02"));
    }
    let digits = digits.to_ascii_lowercase();
    let first = u8::from_str_radix(&digits[..2], 16).unwrap_or(1);
    if first & 1 == 1 {
        return Err(bad("the first pair must be even: odd ones are for groups"));
    }
    let pairs: Vec<&str> = (0..6).map(|n| &digits[n * 2..n * 2 + 2]).collect();
    Ok(pairs.join(":"))
}

/// What `sethostname` takes and programs can live with.
pub fn hostname(text: &str) -> Result<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if text.len() <= 64 && text.chars().all(fine) {
        return Ok(text.to_owned());
    }
    Err(Error::user(format!("invalid hostname format: {text:?}"))
        .hint("at most 64 letters, digits and - . _"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_addresses() {
        for (text, name, ip) in [
            ("db:10.0.0.2", "db", "10.0.0.2"),
            ("db=10.0.0.2", "db", "10.0.0.2"),
            ("db:::1", "db", "::1"),
            ("db=::1", "db", "::1"),
            ("db:[::1]", "db", "::1"),
            (
                "host.docker.internal:host-gateway",
                "host.docker.internal",
                "host-gateway",
            ),
        ] {
            assert_eq!(
                extra(text).unwrap(),
                (name.to_owned(), ip.to_owned()),
                "{text}"
            );
        }
        for (text, why) in [
            ("", "bad format"),
            ("db", "bad format"),
            (":10.0.0.2", "bad format"),
            ("a b:10.0.0.2", "bad format"),
            ("a\n:10.0.0.2", "bad format"),
            ("#a:10.0.0.2", "bad format"),
            ("db:", "invalid IP address"),
            ("db:10.0.0", "invalid IP address"),
            ("db:[10.0.0.2]", "invalid IP address"),
            ("db:host", "invalid IP address"),
        ] {
            let e = extra(text).unwrap_err().to_string();
            assert!(e.contains(why), "{text:?}: {e}");
        }
    }

    #[test]
    fn addresses() {
        assert!(address("::1").is_ok() && address("1.1.1.1").is_ok());
        assert!(address("dns.example").is_err());
        assert!(v4("10.0.0.2").is_ok() && v4("::1").is_err());
        assert!(v6("fd00::2").is_ok() && v6("10.0.0.2").is_err());
    }

    #[test]
    fn what_goes_into_resolv_conf_is_one_word() {
        for text in ["example.com", "a.b.c.", ".", "_x.local"] {
            assert!(domain(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "a b",
            "a..b",
            "a\nnameserver 1.1.1.1",
            "..",
            &"a".repeat(64),
        ] {
            assert!(domain(text).is_err(), "{text:?}");
        }
        assert!(resolver_option("ndots:2").is_ok() && resolver_option("use-vc").is_ok());
        assert!(resolver_option("a b").is_err() && resolver_option("").is_err());
    }

    #[test]
    fn hardware_addresses() {
        for text in ["02:42:AC:11:00:02", "02-42-ac-11-00-02", "0242.ac11.0002"] {
            assert_eq!(mac(text).unwrap(), "02:42:ac:11:00:02", "{text}");
        }
        for text in [
            "",
            "02:42:ac:11:00",
            "02:42:ac:11:00:0g",
            "0242ac110002",
            "02:42-ac:11:00:02",
            "03:42:ac:11:00:02",
            "2:42:ac:11:00:002",
            "é2:42:ac:11:00:02",
        ] {
            assert!(mac(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn host_names() {
        assert!(hostname("web-1.example_x").is_ok() && hostname("").is_ok());
        for text in ["a b", "a/b", "ä", "a\n", &"a".repeat(65)] {
            assert!(hostname(text).is_err(), "{text:?}");
        }
    }
}
