//! A network's bridge on this machine: made when first needed, kept while the
//! network is, and taken away with it.
//!
//! [`ensure`] may be called at any time by any number of processes, and be
//! killed at any instant: the bridge is switched on last of all, so that one
//! that is up is complete, and its rules are made as one.

use std::fs;
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

/// Makes sure that the bridge is there with its addresses and rules. What had
/// to be changed on this machine for it comes back in words.
pub fn ensure(wanted: &Bridge) -> Result<Vec<String>> {
    let what = || format!("bridge {}", wanted.name);
    let mut socket = Socket::route()?;
    let mut news = Vec::new();
    match socket.link(&wanted.name)? {
        Some(link) if !is_ours(&link, wanted) => return Err(foreign(&link)),
        Some(link) if link.up => {}
        there => {
            check_room(&mut socket, wanted, there.as_ref()).map_err(|e| e.context(what()))?;
            make(&mut socket, wanted, there.is_some()).context(what)?;
            if !wanted.internal {
                news.extend(firewall::in_the_way(&wanted.name));
            }
        }
    }
    let mut filters = Socket::netfilter()?;
    if !filters.has_table(&wanted.table)? {
        filters.replace_table(&rules(wanted)).context(what)?;
    }
    news.extend(forward(wanted)?);
    Ok(news)
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
    let half_made = link.alias.is_empty() && !link.up;
    link.kind == "bridge" && (link.alias == wanted.mark || half_made)
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
        if let Some(subnet) = clash {
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
    use Expr::{Accept, Drop, Established, From, Masquerade, NotFrom, NotTo, Source, To};
    let own = || wanted.name.clone();
    let mut forward = Vec::new();
    let mut leaving = Vec::new();
    if wanted.internal {
        forward.push(vec![From(own()), NotTo(own()), Drop]);
        forward.push(vec![To(own()), NotFrom(own()), Drop]);
    } else {
        forward.push(vec![From(own()), To(own()), Accept]);
        let others = [format!("{PREFIX}*"), DEFAULT.to_owned()];
        for other in others.into_iter().filter(|o| *o != wanted.name) {
            forward.push(vec![From(own()), To(other), Drop]);
        }
        // Nobody outside begins a conversation: that is what published ports
        // are for.
        forward.push(vec![To(own()), Established, Accept]);
        forward.push(vec![To(own()), Drop]);
        for subnet in &wanted.subnets {
            leaving.push(vec![Source(*subnet), NotTo(own()), Masquerade]);
        }
    }
    let mut chains = vec![Chain {
        name: "forward",
        hook: Hook::Forward,
        rules: forward,
    }];
    if !leaving.is_empty() {
        chains.push(Chain {
            name: "postrouting",
            hook: Hook::Postrouting,
            rules: leaving,
        });
    }
    Table {
        name: wanted.table.clone(),
        comment: wanted.mark.clone(),
        chains,
    }
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
