//! How a container is reached and what it reaches.

use std::collections::HashSet;

use super::super::parse::network::Attachment;
use super::super::request::Resolve;
use super::super::typed::Network as Typed;
use crate::container::{Endpoint, Network, NetworkMode};
use crate::error::{Error, Result};

/// Docker's name for the network everybody is on.
const BRIDGE: &str = "bridge";

/// All of it.
pub fn build(typed: &Typed, others: &dyn Resolve) -> Result<Network> {
    let mode = mode(&typed.network, others)?;
    let first = first_endpoint(typed)?;
    check_mode(typed, &mode, &first)?;
    let ports = ports(typed);
    crate::network::publish::check(&ports)?;
    let further = typed.network.iter().skip(1);
    let further = further.map(|a| (name(a).to_owned(), a.endpoint.clone()));
    Ok(Network {
        mode,
        ports,
        publish_all: typed.publish_all,
        keep_source: typed.publish_keep_source,
        expose: typed.expose.clone(),
        dns: typed.dns.clone(),
        dns_search: typed.dns_search.clone(),
        dns_options: typed.dns_option.clone(),
        hosts: typed.add_host.clone(),
        ip: first.ip,
        ip6: first.ip6,
        mac: first.mac,
        aliases: first.aliases,
        further: further.collect(),
    })
}

/// The same port twice is one.
fn ports(typed: &Typed) -> Vec<crate::container::Port> {
    let mut all = Vec::new();
    for port in typed.publish.iter().flat_map(|p| &p.0) {
        if !all.contains(port) {
            all.push(port.clone());
        }
    }
    all
}

fn name(attachment: &Attachment) -> &str {
    match attachment.name.as_str() {
        "default" => BRIDGE,
        name => name,
    }
}

fn mode(asked: &[Attachment], others: &dyn Resolve) -> Result<NetworkMode> {
    let names: Vec<&str> = asked.iter().map(name).collect();
    match names[..] {
        [] | [BRIDGE] => return Ok(NetworkMode::Default),
        ["host"] => return Ok(NetworkMode::Host),
        ["none"] => return Ok(NetworkMode::None),
        [one] => {
            if let Some(of) = one.strip_prefix("container:") {
                let id = others.container(of);
                let id = id.map_err(|e| e.context(format!("--network {one}")))?;
                return Ok(NetworkMode::Container(id));
            }
        }
        _ => {}
    }
    let mut seen = HashSet::new();
    for name in &names {
        if matches!(*name, "host" | "none") || name.starts_with("container:") {
            return Err(Error::user(format!(
                "conflicting options: --network {name} cannot be had together with another network"
            )));
        }
        if !seen.insert(*name) {
            return Err(Error::user(format!(
                "network {name:?} is specified more than once"
            )));
        }
    }
    Ok(NetworkMode::Named(
        names.into_iter().map(str::to_owned).collect(),
    ))
}

/// The flags are about the first network, as its own long form is.
fn first_endpoint(typed: &Typed) -> Result<Endpoint> {
    let mut all = typed
        .network
        .first()
        .map_or_else(Endpoint::default, |a| a.endpoint.clone());
    let twice = |flag: &str, part: &str| {
        Error::user(format!(
            "conflicting options: cannot specify both {flag} and per-network {part}"
        ))
    };
    for (given, flag, own, part) in [
        (typed.ip, "--ip", &mut all.ip, "ip"),
        (typed.ip6, "--ip6", &mut all.ip6, "ip6"),
    ] {
        if given.is_some() && own.is_some() {
            return Err(twice(flag, part));
        }
        *own = given.or(*own);
    }
    if typed.mac_address.is_some() && all.mac.is_some() {
        return Err(twice("--mac-address", "mac-address"));
    }
    if !typed.network_alias.is_empty() && !all.aliases.is_empty() {
        return Err(twice("--network-alias", "alias"));
    }
    all.mac = typed.mac_address.clone().or(all.mac);
    all.aliases.extend(typed.network_alias.iter().cloned());
    Ok(all)
}

/// Who has no network of its own cannot arrange it.
fn check_mode(typed: &Typed, mode: &NetworkMode, first: &Endpoint) -> Result<()> {
    let conflict = |what: &str, with: &str| {
        Err(Error::user(format!(
            "conflicting options: {what} and {with}"
        )))
    };
    let named = matches!(mode, NetworkMode::Named(_));
    if !named && !first.aliases.is_empty() {
        return Err(Error::user(
            "network-scoped alias is supported only for containers in user defined networks",
        )
        .hint("make a network with rcon network create, and name it with --network"));
    }
    let address = first.ip.is_some() || first.ip6.is_some();
    let own = named || *mode == NetworkMode::Default;
    if !own && address {
        return conflict(
            "a fixed address",
            "a network that is not the container's own",
        );
    }
    if let NetworkMode::Host = mode
        && first.mac.is_some()
    {
        return conflict("mac-address", "the host network mode");
    }
    if !matches!(mode, NetworkMode::Container(_)) {
        return Ok(());
    }
    for (given, what) in [
        (!typed.expose.is_empty(), "port exposing"),
        (!typed.dns.is_empty(), "dns"),
        (!typed.dns_search.is_empty(), "dns search"),
        (!typed.dns_option.is_empty(), "dns options"),
        (!typed.add_host.is_empty(), "custom host-to-IP mapping"),
        (first.mac.is_some(), "mac-address"),
    ] {
        if given {
            return conflict(what, "the container type network mode");
        }
    }
    Ok(())
}
