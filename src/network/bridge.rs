//! A network's bridge on this machine: made when first needed, kept while the
//! network is, and taken away with it.
//!
//! [`ensure`] may be called at any time by any number of processes, and be
//! killed at any instant: the bridge is switched on last of all, so that one
//! that is up is complete, and its rules are made as one.

use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use nix::errno::Errno;

use super::cidr::Cidr;
use super::firewall;
use super::netlink::link::{self, Link, New};
use super::netlink::nftables::{Chain, Expr, Hook, Table};
use super::netlink::{Message, Socket, address};
use super::wanted::{Bridge, parse_mac};
use crate::error::{Context, Error, Result};
use crate::sys::SysResult;

/// What the bridges of user-defined networks begin with, and the default one.
pub const PREFIX: &str = "rc-";
/// The bridge of the default network of the default store.
pub const DEFAULT: &str = "rcon0";

/// Makes sure that the bridge is there with its addresses and rules: all of
/// them, because others may have taken some away. What had to be changed on
/// this machine for it comes back in words.
pub fn ensure(wanted: &Bridge) -> Result<Vec<String>> {
    let what = || format!("bridge {}", wanted.name);
    let mut socket = Socket::route()?;
    let mut news = Vec::new();
    match socket.link(&wanted.name)? {
        Some(link) if !is_ours(&link, wanted) => return Err(foreign(&link)),
        Some(link) if is_complete(&mut socket, &link, wanted)? => {}
        there => {
            check_room(&mut socket, wanted, there.as_ref()).map_err(|e| e.context(what()))?;
            make(&mut socket, wanted, there.is_some()).context(what)?;
            if !wanted.internal {
                news.extend(firewall::in_the_way(wanted));
            }
        }
    }
    let mut filters = Socket::netfilter()?;
    let rules = rules(wanted);
    if !filters.is_whole(&rules)? {
        filters.replace_table(&rules).context(what)?;
    }
    news.extend(forward(wanted)?);
    Ok(news)
}

fn is_complete(socket: &mut Socket, link: &Link, wanted: &Bridge) -> Result<bool> {
    Ok(link.up && missing_addresses(socket, link, wanted)?.is_empty())
}

/// This machine's addresses there that are gone.
pub fn missing_addresses(socket: &mut Socket, link: &Link, wanted: &Bridge) -> Result<Vec<Cidr>> {
    let all = socket.addresses()?;
    let there = |own: &Cidr| {
        all.iter()
            .any(|(index, a)| *index == link.index && a == own)
    };
    let mut missing = wanted.addresses.clone();
    missing.retain(|own| !there(own));
    Ok(missing)
}

/// Takes away what [`ensure`] made: rules first, so that none is ever left
/// whose bridge is gone. Whether there was anything.
pub fn remove(name: &str, table: &str, mark: &str) -> Result<bool> {
    let had_rules = Socket::netfilter()?.delete_table(table)?;
    let mut socket = Socket::route()?;
    let Some(link) = socket.link(name)?.filter(|l| l.alias == mark) else {
        return Ok(had_rules);
    };
    ignore(
        socket.ask(|| format!("RTM_DELLINK {name:?}"), link::delete(link.index)),
        Errno::ENODEV,
    )?;
    Ok(true)
}

/// A bridge of this name without a mark, that is down, was being made by a
/// process that was killed.
fn is_ours(link: &Link, wanted: &Bridge) -> bool {
    let half_made = link.kind == "bridge" && link.alias.is_empty() && !link.up;
    half_made || is_ours_by_mark(link, wanted)
}

fn is_ours_by_mark(link: &Link, wanted: &Bridge) -> bool {
    link.kind == "bridge" && link.alias == wanted.mark
}

fn foreign(link: &Link) -> Error {
    let whose = if link.alias.is_empty() {
        "nobody knows whose".to_owned()
    } else {
        link.alias.clone()
    };
    Error::environment(format!(
        "there is an interface {} already, and it is not this network's ({whose})",
        link.name
    ))
    .hint("remove or rename it")
}

/// A network that this machine has a way to already would be cut off by ours.
fn check_room(socket: &mut Socket, wanted: &Bridge, own: Option<&Link>) -> Result<()> {
    let own = own.map_or(0, |link| link.index);
    let others = socket.routes()?;
    for route in others
        .iter()
        .filter(|r| r.to.prefix > 0 && r.through != own)
    {
        let clash = wanted.subnets.iter().find(|s| s.overlaps(&route.to));
        // Another may have made the very bridge since we looked for it.
        let ours = |link: Link| link.index == route.through && is_ours_by_mark(&link, wanted);
        if let Some(subnet) = clash
            && !socket.link(&wanted.name)?.is_some_and(ours)
        {
            let taken = format!("this machine has a route to {} already", route.to);
            return Err(
                Error::environment(format!("{subnet} cannot be used: {taken}"))
                    .hint("remove the network, and make it anew with another --subnet"),
            );
        }
    }
    Ok(())
}

fn ignore(done: SysResult<()>, but: Errno) -> SysResult<()> {
    match done {
        Err(e) if e.errno == but => Ok(()),
        done => done,
    }
}

fn make(socket: &mut Socket, wanted: &Bridge, there: bool) -> Result<()> {
    if !there {
        let new = New {
            name: &wanted.name,
            mac: parse_mac(&wanted.mac),
            mtu: wanted.mtu,
            up: false,
        };
        let what = || format!("RTM_NEWLINK bridge {:?}", wanted.name);
        ignore(socket.ask(what, link::bridge(&new)), Errno::EEXIST)?;
    }
    let index = socket.needed_link(&wanted.name)?.index;
    let mut ask =
        |what: &str, request: Message| socket.ask(|| format!("{what} {:?}", wanted.name), request);
    ask("RTM_SETLINK alias", link::mark(index, &wanted.mark))?;
    close_to_advertisements(wanted)?;
    for own in &wanted.addresses {
        let what = format!("RTM_NEWADDR {own}");
        ignore(ask(&what, address::add(index, *own)), Errno::EEXIST)?;
    }
    ask("RTM_SETLINK up", link::switch(index, true))?;
    Ok(())
}

/// Whoever is on the bridge could tell this machine where to send everything.
fn close_to_advertisements(wanted: &Bridge) -> Result<()> {
    let v6 = wanted.addresses.iter().any(|a| a.address.is_ipv6());
    let all = Path::new("/proc/sys/net/ipv6/conf").join(&wanted.name);
    if !all.exists() {
        return Ok(());
    }
    let (file, value) = if v6 {
        ("accept_ra", "0")
    } else {
        ("disable_ipv6", "1")
    };
    write(&all.join(file), value)
}

fn write(path: &Path, value: &str) -> Result<()> {
    fs::write(path, value).context(|| format!("cannot write {value} to {}", path.display()))
}

/// What may pass. In all tables a packet must be let through; so these rules
/// only say what may not, and others' rules stand beside them.
pub fn rules(wanted: &Bridge) -> Table {
    let mut chains = vec![
        Chain {
            name: "forward",
            hook: Hook::Forward,
            rules: passers(wanted),
        },
        Chain {
            name: "input",
            hook: Hook::Input,
            rules: visitors(wanted),
        },
    ];
    if !wanted.internal {
        let own = || Expr::NotTo(wanted.name.clone());
        let leaving = |net: &Cidr| vec![Expr::Source(*net), own(), Expr::Masquerade];
        chains.push(Chain {
            name: "postrouting",
            hook: Hook::Postrouting,
            rules: wanted.subnets.iter().map(leaving).collect(),
        });
    }
    Table {
        name: wanted.table.clone(),
        comment: wanted.mark.clone(),
        chains,
    }
}

/// What neighbours on a wire say to each other by the newer kind of IP, before
/// they have an address and to arrange it.
const FROM_NEIGHBOURS: [Cidr; 2] = [LINK_LOCAL, UNSPECIFIED];
const TO_NEIGHBOURS: [Cidr; 2] = [LINK_LOCAL, MULTICAST];
const LINK_LOCAL: Cidr = six(0xfe80, 10);
const MULTICAST: Cidr = six(0xff00, 8);
const UNSPECIFIED: Cidr = six(0, 128);

const fn six(first: u16, prefix: u8) -> Cidr {
    Cidr {
        address: IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0)),
        prefix,
    }
}

/// A container that gives itself the address of somebody else has the answers
/// go there, and would be let through as somebody else. What stays on the
/// bridge is no business of ours; where neighbours speak to this machine, it is
/// only theirs.
fn forged(wanted: &Bridge, by_neighbours: &[Cidr]) -> Vec<Vec<Expr>> {
    let rule = |net: &Cidr| {
        let mut rule = vec![Expr::From(wanted.name.clone()), Expr::NotSource(*net)];
        if net.address.is_ipv6() {
            rule.extend(by_neighbours.iter().copied().map(Expr::NotSource));
        }
        rule.push(Expr::Drop);
        rule
    };
    wanted.subnets.iter().map(rule).collect()
}

/// What this machine hears. From an internal network it is reached at the
/// bridge and nowhere else: its other addresses lead to what is not in the
/// network.
fn visitors(wanted: &Bridge) -> Vec<Vec<Expr>> {
    let own = || Expr::From(wanted.name.clone());
    let mut all = forged(wanted, &FROM_NEIGHBOURS);
    if !wanted.internal {
        return all;
    }
    let mut here: Vec<Cidr> = wanted
        .addresses
        .iter()
        .map(|a| Cidr::host(a.address))
        .collect();
    if has_ipv6(&here) {
        here.extend(TO_NEIGHBOURS);
    }
    all.push(vec![own(), Expr::Established, Expr::Accept]);
    all.extend(
        here.into_iter()
            .map(|net| vec![own(), Expr::Destination(net), Expr::Accept]),
    );
    all.push(vec![own(), Expr::Drop]);
    all
}

fn has_ipv6(nets: &[Cidr]) -> bool {
    nets.iter().any(|n| n.address.is_ipv6())
}

/// What goes through this machine from the bridge or to it.
fn passers(wanted: &Bridge) -> Vec<Vec<Expr>> {
    use Expr::{Accept, Drop, Established, From, NotFrom, NotTo, To};
    let own = || wanted.name.clone();
    // The bridge itself passes nothing between ports that are apart; this is
    // for who goes by way of this machine.
    let among = |verdict| vec![From(own()), To(own()), verdict];
    if wanted.internal {
        let mut all = vec![
            vec![From(own()), NotTo(own()), Drop],
            vec![To(own()), NotFrom(own()), Drop],
        ];
        all.extend(wanted.apart.then(|| among(Drop)));
        return all;
    }
    let mut all = vec![among(if wanted.apart { Drop } else { Accept })];
    all.extend(forged(wanted, &[]));
    let others = [format!("{PREFIX}*"), DEFAULT.to_owned()];
    for other in others.into_iter().filter(|o| *o != wanted.name) {
        all.push(vec![From(own()), To(other), Drop]);
    }
    // Nobody outside begins a conversation: that is what published ports are
    // for.
    all.push(vec![To(own()), Established, Accept]);
    all.push(vec![To(own()), Drop]);
    all
}

/// A machine that does not forward packets has no way out for others'.
fn forward(wanted: &Bridge) -> Result<Vec<String>> {
    let mut changed: Vec<&str> = Vec::new();
    if wanted.internal {
        return Ok(Vec::new());
    }
    let has = |v4: bool| wanted.subnets.iter().any(|s| s.address.is_ipv4() == v4);
    let v4 = Path::new("/proc/sys/net/ipv4/ip_forward");
    let v6 = Path::new("/proc/sys/net/ipv6/conf/all/forwarding");
    if has(true) && !is_on(v4) {
        write(v4, "1")?;
        changed.push("net.ipv4.ip_forward");
    }
    if has(false) && !is_on(v6) && v6.exists() {
        keep_own_routers()?;
        write(v6, "1")?;
        changed.push("net.ipv6.conf.all.forwarding");
    }
    let told = |key| format!("{key} is 1 now: this machine forwards packets of containers");
    Ok(changed.into_iter().map(told).collect())
}

fn is_on(path: &Path) -> bool {
    fs::read(path).is_ok_and(|text| text.first() == Some(&b'1'))
}

/// A machine that forwards no longer listens to routers, unless it is told to
/// do so all the same: its own way out would be gone.
fn keep_own_routers() -> Result<()> {
    let dir = Path::new("/proc/sys/net/ipv6/conf");
    let entries = fs::read_dir(dir).context(|| format!("cannot read {}", dir.display()))?;
    for entry in entries.flatten() {
        let file = entry.path().join("accept_ra");
        let own = !entry.file_name().to_string_lossy().starts_with(PREFIX);
        if own && is_on(&file) {
            write(&file, "2")?;
        }
    }
    Ok(())
}

/// The networks this machine knows a way to or is in: not to be used again.
pub fn taken() -> Result<Vec<Cidr>> {
    let mut socket = Socket::route()?;
    let mut all: Vec<Cidr> = socket.routes()?.iter().map(|r| r.to).collect();
    all.extend(socket.addresses()?.iter().map(|(_, a)| a.network()));
    // What is reached by the default route is everybody's.
    all.retain(|c| c.prefix > 0);
    Ok(all)
}
