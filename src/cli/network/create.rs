//! `network create`.

use std::net::IpAddr;
use std::process::ExitCode;

use clap::ArgAction;

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
    /// Keep this address of the subnet from containers, as router=10.1.0.9 [default: none]
    #[arg(long, value_name = "NAME=IP", value_parser = auxiliary)]
    aux_address: Vec<(String, IpAddr)>,
    /// Let nothing in or out
    #[arg(long)]
    internal: bool,
    /// Give it IPv6 addresses, too
    #[arg(long)]
    ipv6: bool,
    /// Give it IPv4 addresses, which every network has
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", action = ArgAction::Set)]
    ipv4: bool,
    /// Nothing more: containers can be connected to any network here
    #[arg(long)]
    attachable: bool,
    /// Who gives out addresses: default, which is all there is
    #[arg(long, value_name = "DRIVER", default_value = "default")]
    ipam_driver: String,
    /// An option: mtu=1400, com.docker.network.bridge.name=br0; for macvlan parent=eth0 and mode=bridge [default: none]
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

fn auxiliary(text: &str) -> Result<(String, IpAddr)> {
    let (name, address) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| {
            Error::user(format!("invalid auxiliary address {text:?}"))
                .hint("NAME=IP, as in router=10.1.0.9")
        })?;
    Ok((name.to_owned(), host::address(address)?))
}

/// What Docker has and there is only one kind of here.
fn check_only_kind(args: &Create) -> Result<()> {
    if args.ipam_driver != "default" {
        let what = format!("no IPAM driver {:?}", args.ipam_driver);
        return Err(Error::user(what)
            .hint("rcon gives out addresses itself, as the driver default does: leave it out"));
    }
    if !args.ipv4 {
        return Err(
            Error::user("a network without IPv4 addresses cannot be had")
                .hint("leave out --ipv4=false; --ipv6 adds IPv6 addresses"),
        );
    }
    Ok(())
}

/// `network create`.
pub fn create(store: &Store, args: &Create) -> Result<ExitCode> {
    check_only_kind(args)?;
    let network = Networks(store).create(Request {
        name: args.name.clone(),
        driver: args.driver.clone(),
        subnets: args.subnet.clone(),
        gateways: args.gateway.clone(),
        ranges: args.ip_range.clone(),
        aux: args.aux_address.clone(),
        internal: args.internal,
        ipv6: args.ipv6,
        options: args.opt.iter().cloned().collect(),
        labels: args.label.iter().cloned().collect(),
    })?;
    super::note(store, "create", &network);
    listing::print(&format!("{}\n", network.id))?;
    Ok(ExitCode::SUCCESS)
}
