//! `network create`.

use std::net::IpAddr;
use std::process::ExitCode;

use crate::cli::flags::parse::host;
use crate::cli::flags::parse::pair::{self, Pair};
use crate::cli::listing;
use crate::error::{Error, Result};
use crate::network::cidr::Cidr;
use crate::network::design::Request;
use crate::network::store::Networks;
use crate::store::Store;

/// Make a network
#[derive(Debug, clap::Args)]
pub struct Create {
    /// What it is made of: bridge, macvlan or none
    #[arg(short, long, default_value = "bridge")]
    driver: String,
    /// Its addresses, as 10.1.0.0/16; one of each kind [default: a free range]
    #[arg(long, value_name = "SUBNET")]
    subnet: Vec<Cidr>,
    /// The way out, in that subnet [default: its first address]
    #[arg(long, value_name = "IP", value_parser = host::address)]
    gateway: Vec<IpAddr>,
    /// Give containers only addresses from this part of the subnet [default: all of it]
    #[arg(long, value_name = "RANGE")]
    ip_range: Vec<Cidr>,
    /// Let nothing in or out
    #[arg(long)]
    internal: bool,
    /// Give it IPv6 addresses, too
    #[arg(long)]
    ipv6: bool,
    /// An option: mtu=1400; for macvlan parent=eth0 and mode=bridge [default: none]
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = option)]
    opt: Vec<Pair>,
    /// Note something about it [default: none]
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair::label)]
    label: Vec<Pair>,
    /// What it is called
    name: String,
}

fn option(text: &str) -> Result<Pair> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Error::user(format!("invalid option {text:?}")).hint("KEY=value, as in mtu=1400")),
    }
}

/// `network create`.
pub fn create(store: &Store, args: &Create) -> Result<ExitCode> {
    let network = Networks(store).create(Request {
        name: args.name.clone(),
        driver: args.driver.clone(),
        subnets: args.subnet.clone(),
        gateways: args.gateway.clone(),
        ranges: args.ip_range.clone(),
        internal: args.internal,
        ipv6: args.ipv6,
        options: args.opt.iter().cloned().collect(),
        labels: args.label.iter().cloned().collect(),
    })?;
    super::note(store, "create", &network);
    listing::print(&format!("{}\n", network.id))?;
    Ok(ExitCode::SUCCESS)
}
