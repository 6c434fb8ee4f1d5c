//! `port`: where a container's ports are reached.

use std::process::ExitCode;

use super::listing::{self, Listed};
use super::ps::ports::{self, Port};
use crate::error::{Error, Result};
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct PortOf {
    /// Name or id
    container: String,
    /// Only this port of the container's
    #[arg(value_name = "PORT[/PROTOCOL]")]
    port: Option<String>,
}

/// `port`.
pub fn port(store: &Store, args: &PortOf) -> Result<ExitCode> {
    let c = Listed::find(store, &args.container)?;
    let open = ports::of(&c.config, &c.state);
    let text = match &args.port {
        None => all(&open),
        Some(wanted) => one(&open, wanted, &args.container)?,
    };
    listing::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn all(open: &[Port]) -> String {
    let line = |port: &Port| {
        let (ip, public) = port.public.as_ref()?;
        Some(format!(
            "{} -> {}\n",
            port.key(),
            ports::address(ip, public)
        ))
    };
    open.iter().filter_map(line).collect()
}

fn one(open: &[Port], wanted: &str, container: &str) -> Result<String> {
    let (number, protocol) = ports::split(&wanted.to_ascii_lowercase())
        .map(|(number, protocol)| (number, protocol.to_owned()))
        .ok_or_else(|| {
            Error::user(format!("invalid port: {wanted:?}")).hint("as in 80, 80/tcp or 53/udp")
        })?;
    let found = open
        .iter()
        .filter(|p| p.private == number && p.protocol == protocol)
        .filter_map(|p| p.public.as_ref())
        .map(|(ip, public)| ports::address(ip, public) + "\n");
    let text: String = found.collect();
    if text.is_empty() {
        let what = format!("No public port '{number}/{protocol}' published for {container}");
        return Err(Error::user(what));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ports_are_shown_as_they_are_reached() {
        let open = ports::published(&json!({"ports": {
            "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
            "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "53"}],
        }}));
        let text = all(&open);
        assert!(text.contains("80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080\n"));
        assert!(text.contains("53/udp -> 127.0.0.1:53\n"));
        assert_eq!(
            one(&open, "80", "web").unwrap(),
            "0.0.0.0:8080\n[::]:8080\n"
        );
        assert_eq!(one(&open, "53/UDP", "web").unwrap(), "127.0.0.1:53\n");
        let e = one(&open, "53", "web").unwrap_err().to_string();
        assert_eq!(e, "No public port '53/tcp' published for web");
        assert!(one(&open, "x", "web").is_err());
    }
}
