//! Bridges and interfaces with ip(8) and nft(8).

use std::fmt::Write;

use super::quote::quote;
use crate::network::bridge::rules;
use crate::network::cidr::{self, Cidr};
use crate::network::interface::switches;
use crate::network::netlink::nftables::{Expr, Hook, Side, Table, Transport};
use crate::network::wanted::{Bridge, Interface, Wire};

/// Enters the network namespace of init.
const INSIDE: &str = "nsenter --net=\"/proc/$init/ns/net\"";

pub(super) fn bridge(bridge: &Bridge) -> Vec<String> {
    let name = quote(&bridge.name);
    let mtu = mtu(bridge.mtu);
    let mac = quote(&bridge.mac);
    let mut lines = vec![
        format!(
            "ip link show dev {name} > /dev/null 2>&1 || \
             ip link add {name} address {mac}{mtu} type bridge"
        ),
        format!("ip link set {name} alias {}", quote(&bridge.mark)),
    ];
    let v6 = bridge.addresses.iter().any(|a| a.address.is_ipv6());
    let (file, value) = if v6 {
        ("accept_ra", 0)
    } else {
        ("disable_ipv6", 1)
    };
    lines.push(format!(
        "echo {value} > /proc/sys/net/ipv6/conf/{name}/{file}"
    ));
    for address in &bridge.addresses {
        lines.push(address_line("ip address replace", *address, &name));
    }
    lines.push(format!("ip link set {name} up"));
    let rules = table(&rules(bridge));
    lines.push(format!("nft -f - <<'RULES'\n{rules}RULES"));
    if !bridge.internal {
        lines.push("echo 1 > /proc/sys/net/ipv4/ip_forward".to_owned());
    }
    if v6 && !bridge.internal {
        lines.push("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding".to_owned());
    }
    lines
}

fn mtu(mtu: u32) -> String {
    match mtu {
        0 => String::new(),
        n => format!(" mtu {n}"),
    }
}

fn address_line(command: &str, address: crate::network::cidr::Cidr, name: &str) -> String {
    let kind = if address.address.is_ipv4() {
        "broadcast +"
    } else {
        "nodad"
    };
    format!("{command} {address} {kind} dev {name}")
}

pub(super) fn make(interface: &Interface) -> Vec<String> {
    let switches = switches(interface.has_ipv6()).into_iter();
    let switches: Vec<String> = switches
        .map(|(file, value)| format!("echo {value} > /proc/sys/net/{file}"))
        .collect();
    let (name, mac) = (quote(&interface.name), quote(&interface.mac));
    let mtu = mtu(interface.mtu);
    let link = match &interface.wire {
        Wire::Bridge { bridge, port, .. } => format!(
            "ip link add {}{mtu} up master {} type veth peer name {name} address {mac}{mtu} \
             netns \"$init\"",
            quote(port),
            quote(bridge)
        ),
        Wire::Macvlan { parent, mode } => format!(
            "ip link add link {} name {name} address {mac}{mtu} netns \"$init\" \
             type macvlan mode {}",
            quote(parent),
            quote(mode)
        ),
    };
    let mut lines = vec![format!("{INSIDE} sh -c '{}'", switches.join("; ")), link];
    if let Wire::Bridge { port, apart, .. } = &interface.wire
        && *apart
    {
        let port = quote(port);
        lines.push(format!("ip link set {port} type bridge_slave isolated on"));
    }
    lines
}

pub(super) fn arrange(interface: &Interface) -> Vec<String> {
    let name = quote(&interface.name);
    let add = format!("{INSIDE} ip address add");
    let mut lines: Vec<String> = interface
        .addresses
        .iter()
        .map(|a| address_line(&add, *a, &name))
        .collect();
    lines.push(format!("{INSIDE} ip link set {name} up"));
    for gateway in &interface.gateways {
        let kind = if gateway.is_ipv4() { "" } else { " -6" };
        lines.push(format!("{INSIDE} ip{kind} route add default via {gateway}"));
    }
    lines
}

/// As nft(8) reads it.
fn table(table: &Table) -> String {
    let mut out = format!(
        "table inet {}\ndelete table inet {}\n",
        table.name, table.name
    );
    // A string takes everything.
    let _ = writeln!(out, "table inet {} {{", table.name);
    let harmless = |c: char| if c == '"' || c.is_control() { '_' } else { c };
    let comment: String = table.comment.chars().map(harmless).collect();
    let _ = writeln!(out, "  comment \"{comment}\"");
    for chain in &table.chains {
        let hook = match chain.hook {
            Hook::Input => "type filter hook input priority filter;",
            Hook::Forward => "type filter hook forward priority filter;",
            Hook::Output => "type filter hook output priority raw;",
            Hook::Reroute => "type route hook output priority mangle;",
            Hook::Postrouting => "type nat hook postrouting priority srcnat;",
        };
        let _ = writeln!(out, "  chain {} {{\n    {hook}", chain.name);
        for rule in &chain.rules {
            let words: Vec<String> = rule.iter().map(expr).collect();
            let _ = writeln!(out, "    {}", words.join(" "));
        }
        out.push_str("  }\n");
    }
    out + "}\n"
}

fn kind(net: &Cidr) -> &'static str {
    if net.address.is_ipv4() { "ip" } else { "ip6" }
}

fn range(net: &Cidr) -> String {
    if net.prefix == cidr::bits(net.address) {
        net.address.to_string()
    } else {
        net.to_string()
    }
}

fn field(transport: Transport, side: Side) -> &'static str {
    match (transport, side) {
        (Transport::Tcp, Side::Source) => "tcp sport",
        (Transport::Tcp, Side::Destination) => "tcp dport",
        (Transport::Udp, Side::Source) => "udp sport",
        (Transport::Udp, Side::Destination) => "udp dport",
    }
}

fn expr(expr: &Expr) -> String {
    match expr {
        Expr::From(name) => format!("iifname \"{name}\""),
        Expr::NotFrom(name) => format!("iifname != \"{name}\""),
        Expr::To(name) => format!("oifname \"{name}\""),
        Expr::NotTo(name) => format!("oifname != \"{name}\""),
        Expr::Source(net) => format!("{} saddr {}", kind(net), range(net)),
        Expr::NotSource(net) => format!("{} saddr != {}", kind(net), range(net)),
        Expr::Destination(net) => format!("{} daddr {}", kind(net), range(net)),
        Expr::Port(transport, side, port) => format!("{} {port}", field(*transport, *side)),
        Expr::SetPort(transport, side, port) => {
            format!("{} set {port}", field(*transport, *side))
        }
        Expr::Established => "ct state established,related".to_owned(),
        Expr::Masquerade => "masquerade".to_owned(),
        Expr::Accept => "accept".to_owned(),
        Expr::Marked(mark) => format!("meta mark {mark:#x}"),
        Expr::RememberMark => "ct mark set meta mark".to_owned(),
        Expr::Remembered(mark) => format!("ct mark {mark:#x}"),
        Expr::SetMark(mark) => format!("meta mark set {mark:#x}"),
        Expr::Drop => "drop".to_owned(),
    }
}
