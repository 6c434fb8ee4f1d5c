//! `network inspect`, in the shape of Docker's.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::built_in;
use crate::cli::inspect::present;
use crate::cli::listing::rfc3339;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::network::cidr::Cidr;
use crate::network::connection::endpoint_id;
use crate::network::record::{DEFAULT_NAME, Endpoint, Network};
use crate::network::store::Networks;
use crate::store::Store;

/// Show everything about networks, and who is in them
#[derive(Debug, clap::Args)]
pub struct Inspect {
    /// Show only this: json, or a template as {{.Driver}}
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names or ids
    #[arg(required = true, value_name = "NETWORK")]
    networks: Vec<String>,
}

/// `network inspect`. Those that are there are shown, also when one is not.
pub fn inspect(store: &Store, args: &Inspect) -> Result<ExitCode> {
    let format = Format::parse(args.format.as_deref().unwrap_or_default())?;
    let mut found = Vec::new();
    let mut failures: Vec<Error> = Vec::new();
    for name in &args.networks {
        match one(store, name) {
            Ok(value) => found.push(value),
            Err(e) => failures.push(e),
        }
    }
    present(&format, args.format.is_some(), found, failures)
}

/// One of them.
pub fn one(store: &Store, name: &str) -> Result<Value> {
    let networks = Networks(store);
    let network = if name == DEFAULT_NAME {
        networks.needed(name)?
    } else {
        match (networks.find(name), built_in::find(name)) {
            (Err(_), Some(built_in)) => return built_in.shape(store),
            (found, _) => found?,
        }
    };
    Ok(shape(&network, &networks.present(&network)))
}

fn shape(network: &Network, endpoints: &[Endpoint]) -> Value {
    let config = network.subnets.iter().map(|s| {
        let mut one = json!({"Subnet": s.subnet, "Gateway": s.gateway});
        if let Some(range) = s.range {
            one["IPRange"] = json!(range);
        }
        if !s.aux.is_empty() {
            one["AuxiliaryAddresses"] = json!(s.aux);
        }
        one
    });
    let containers: Map<String, Value> = endpoints
        .iter()
        .map(|e| (e.container.to_string(), member(network, e)))
        .collect();
    json!({
        "Name": network.name,
        "Id": network.id,
        "Created": rfc3339(Some(network.created)),
        "Scope": "local",
        "Driver": network.driver.word(),
        "EnableIPv4": true,
        "EnableIPv6": network.has_ipv6(),
        "IPAM": {"Driver": "default", "Options": {}, "Config": config.collect::<Vec<_>>()},
        "Internal": network.internal,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": false,
        "Containers": containers,
        "Options": network.options,
        "Labels": network.labels,
        "Interface": network.device,
    })
}

fn member(network: &Network, endpoint: &Endpoint) -> Value {
    let of = |v4: bool| {
        let mut all = endpoint.addresses.iter();
        let found = all.find(|a| a.address.is_ipv4() == v4);
        found.map(Cidr::to_string).unwrap_or_default()
    };
    json!({
        "Name": endpoint.name,
        "EndpointID": endpoint_id(&network.id, &endpoint.container),
        "MacAddress": endpoint.mac,
        "IPv4Address": of(true),
        "IPv6Address": of(false),
    })
}
