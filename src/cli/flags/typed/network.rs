//! How a container is reached and what it reaches.

use std::net::IpAddr;

use clap::Args;

use super::super::parse::host;
use super::super::parse::network::{self, Attachment};
use super::super::parse::pair::Pair;
use super::super::parse::port::{self, Ports};
use crate::container::Protocol;
use crate::container::image::parse_exposed;

/// How it is reached.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Network")]
pub struct Network {
    /// Connect it to this network; also none, host, container:NAME, and name=N,alias=A,ip=I for details [default: bridge]
    #[arg(long, visible_alias = "net", value_name = "NETWORK", value_parser = network::parse)]
    pub network: Vec<Attachment>,
    /// A further name for it in its network [default: none]
    #[arg(long, value_name = "NAME", value_parser = network::alias)]
    pub network_alias: Vec<String>,
    /// Let a port of this machine lead to one of the container [default: none]
    #[arg(short, long, value_name = "[[IP:]HOST:]CONTAINER[/udp]", value_parser = port::parse)]
    pub publish: Vec<Ports>,
    /// Let a free port of this machine lead to each exposed one [default: none]
    #[arg(short = 'P', long)]
    pub publish_all: bool,
    /// Show the program who speaks to a published port [default: its bridge]
    #[arg(long)]
    pub publish_keep_source: bool,
    /// Note that it listens on a port or range, for -P, ps and inspect [default: the image's]
    #[arg(long, value_name = "PORT[/udp]", value_parser = parse_exposed)]
    pub expose: Vec<(u16, u16, Protocol)>,
    /// Ask this name server [default: the host's]
    #[arg(long, value_name = "IP", value_parser = host::address)]
    pub dns: Vec<IpAddr>,
    /// Try names without a dot in this domain [default: the host's]
    #[arg(long, value_name = "DOMAIN", value_parser = host::domain)]
    pub dns_search: Vec<String>,
    /// An option of resolv.conf, as ndots:2 [default: the host's]
    #[arg(long, alias = "dns-opt", value_name = "OPTION", value_parser = host::resolver_option)]
    pub dns_option: Vec<String>,
    /// Put a name into /etc/hosts; host-gateway stands for this machine [default: none]
    #[arg(long, value_name = "NAME:IP", value_parser = host::extra)]
    pub add_host: Vec<Pair>,
    /// Its IPv4 address [default: a free one of its network]
    #[arg(long, value_name = "IP", value_parser = host::v4)]
    pub ip: Option<IpAddr>,
    /// Its IPv6 address [default: a free one of its network, if that has any]
    #[arg(long, value_name = "IP", value_parser = host::v6)]
    pub ip6: Option<IpAddr>,
    /// Its hardware address [default: made up]
    #[arg(long, value_name = "MAC", value_parser = host::mac)]
    pub mac_address: Option<String>,
}
