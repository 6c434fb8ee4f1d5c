//! What an image says about how it wants to be run.
//!
//! Anybody can make an image: these are wishes, and none of them grants
//! power. [`super::merge()`] puts them together with what was asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Protocol;
use crate::error::{Error, Result};

/// Defaults of an image's configuration, as they stand there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageDefaults {
    /// Comes before the command.
    pub entrypoint: Vec<String>,
    /// The command, if none is typed.
    pub cmd: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Where the program starts.
    pub workdir: String,
    /// `user[:group]`, by name or number.
    pub user: String,
    /// `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// Directories whose files are to outlive the container.
    pub volumes: Vec<String>,
    /// For people to read.
    pub labels: BTreeMap<String, String>,
    /// What its program takes for a request to end.
    pub stop_signal: String,
    /// How one knows that it is well.
    pub healthcheck: Option<ImageHealthcheck>,
    /// What a command given as text is run by; empty: `/bin/sh -c`.
    pub shell: Vec<String>,
}

/// An image's own health check; what is absent is as usual.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageHealthcheck {
    /// `CMD` and a program, `CMD-SHELL` and a text, or `NONE`.
    pub test: Vec<String>,
    /// Between the end of one and the next.
    pub interval: Option<Duration>,
    /// How long one may take.
    pub timeout: Option<Duration>,
    /// Failures this long after the start do not count.
    pub start_period: Option<Duration>,
    /// Between two of them in that time.
    pub start_interval: Option<Duration>,
    /// So many failures in a row, and it is unhealthy.
    pub retries: Option<u32>,
}

/// A port or a range of them: `80`, `53/udp`, `3000-3005/tcp`.
pub fn parse_exposed(text: &str) -> Result<(u16, u16, Protocol)> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, ""));
    let protocol = parse_protocol(protocol)?;
    let (first, last) = parse_port_range(range)?;
    if first == 0 {
        return Err(Error::user(format!(
            "invalid port {text:?}: there is no port 0"
        )));
    }
    Ok((first, last, protocol))
}

/// `tcp` or `udp` in any case; nothing is `tcp`.
pub fn parse_protocol(text: &str) -> Result<Protocol> {
    match text.to_ascii_lowercase().as_str() {
        "" | "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => Err(
            Error::user("invalid proto: \"sctp\": rcon does not forward SCTP")
                .hint("use tcp or udp, or --network host"),
        ),
        _ => Err(Error::user(format!("invalid proto: {text:?}")).hint("use tcp or udp")),
    }
}

/// `80` or `3000-3005`, the ends being part of it.
pub fn parse_port_range(text: &str) -> Result<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (parse_port(first, text)?, parse_port(last, text)?);
    if first > last {
        return Err(Error::user(format!("invalid port range: {text:?}"))
            .hint("the lower port comes first, as in 3000-3005"));
    }
    Ok((first, last))
}

fn parse_port(text: &str, all: &str) -> Result<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let port = digits.then(|| text.parse().ok()).flatten();
    port.ok_or_else(|| {
        Error::user(format!("invalid port: {all:?}"))
            .hint("a number up to 65535, or a range as 3000-3005")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exposed_ports() {
        for (text, want) in [
            ("80", (80, 80, Protocol::Tcp)),
            ("80/", (80, 80, Protocol::Tcp)),
            ("53/udp", (53, 53, Protocol::Udp)),
            ("53/UDP", (53, 53, Protocol::Udp)),
            ("3000-3005/tcp", (3000, 3005, Protocol::Tcp)),
            ("65535", (65535, 65535, Protocol::Tcp)),
        ] {
            assert_eq!(parse_exposed(text).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn ports_that_cannot_be() {
        for (text, why) in [
            ("", "invalid port"),
            ("0", "no port 0"),
            ("65536", "up to 65535"),
            ("+80", "invalid port"),
            ("-80", "invalid port"),
            ("80-", "invalid port"),
            ("80-79", "the lower port comes first"),
            ("1-2-3", "invalid port"),
            ("80/sctp", "SCTP"),
            ("80/icmp", "invalid proto"),
            ("80/tcp/udp", "invalid proto"),
        ] {
            let e = parse_exposed(text).unwrap_err().to_string();
            assert!(e.contains(why), "{text:?}: {e}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,12}|[0-9/-]{0,12}") {
            let _ = parse_exposed(&text);
        }
    }
}
