//! Packet filters: a table with chains of rules, made as one.
//!
//! A rule is a list of expressions that work on registers: one loads something
//! of the packet, one compares it, and where it does not fit the rule is over;
//! the last says what becomes of a packet that came so far.

use nix::errno::Errno;

use super::decode::{find, text};
use super::message::{self, Message};
use super::socket::{Socket, Thing};
use crate::network::cidr::{self, Cidr};
use crate::sys::SysResult;

const SUBSYSTEM: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NEWTABLE: u16 = SUBSYSTEM;
const GETTABLE: u16 = SUBSYSTEM | 1;
const DELTABLE: u16 = SUBSYSTEM | 2;
const NEWCHAIN: u16 = SUBSYSTEM | 3;
const NEWRULE: u16 = SUBSYSTEM | 6;
const GETRULE: u16 = SUBSYSTEM | 7;

/// Both kinds of IP at once.
const INET: u8 = 1;
const IPV4: u8 = 2;
const IPV6: u8 = 10;

/// `struct nfgenmsg`.
const FIXED: usize = 4;

const TABLE_NAME: u16 = 1;
const TABLE_USERDATA: u16 = 6;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const ELEMENT: u16 = 1;
const EXPR_NAME: u16 = 1;
const EXPR_DATA: u16 = 2;
const VALUE: u16 = 1;
const VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;

/// What is counted from where the header above IP begins.
const TRANSPORT_HEADER: u32 = 2;
/// The one register that is needed.
const REGISTER: u32 = 1;
/// A mark that all packets of a conversation share.
const CONVERSATION_MARK: u32 = 3;
/// What nft(8) shows as a table's comment.
const COMMENT: u8 = 0;

const LONGEST: usize = 250;

/// Where in a packet's way a chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// What is for this machine itself.
    Input,
    /// What goes through this machine, from one interface to another.
    Forward,
    /// What comes from a program of this machine's, before anything else is
    /// done with it.
    Output,
    /// The same, and where it goes is looked up once more if it was marked.
    Reroute,
    /// What leaves it, where its source can still be changed.
    Postrouting,
}

/// A chain that packets come to by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: &'static str,
    /// Where it stands.
    pub hook: Hook,
    /// In order.
    pub rules: Vec<Vec<Expr>>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// What is written on it.
    pub comment: String,
    /// Its chains.
    pub chains: Vec<Chain>,
}

/// A part of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// It came in through an interface of this name. One that ends in `*` is
    /// a beginning.
    From(String),
    /// It came in through another one.
    NotFrom(String),
    /// It goes out through an interface of this name.
    To(String),
    /// It goes out through another one.
    NotTo(String),
    /// Its source is in this network.
    Source(Cidr),
    /// Its source is not, though of the same kind.
    NotSource(Cidr),
    /// Its destination is in this network.
    Destination(Cidr),
    /// It is of this kind, and goes to or comes from this port there.
    Port(Transport, Side, u16),
    /// From here on it has another port. Only behind an [`Expr::Port`].
    SetPort(Transport, Side, u16),
    /// It belongs to a conversation that has begun.
    Established,
    /// It has this mark.
    Marked(u32),
    /// Its conversation has its mark from here on. Only behind an
    /// [`Expr::Marked`].
    RememberMark,
    /// Its conversation has this mark.
    Remembered(u32),
    /// From here on it has this mark.
    SetMark(u32),
    /// It goes on with this machine's address as its source.
    Masquerade,
    /// It may pass.
    Accept,
    /// It is dropped.
    Drop,
}

/// What is above IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A stream.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Transport {
    fn number(self) -> u8 {
        match self {
            Transport::Tcp => 6,
            Transport::Udp => 17,
        }
    }

    /// Where its header has the sum over everything.
    fn sum_at(self) -> u32 {
        match self {
            Transport::Tcp => 16,
            Transport::Udp => 6,
        }
    }
}

/// One end of a packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Destination,
}

impl Side {
    /// Where both kinds of header have its port.
    fn port_at(self) -> u32 {
        match self {
            Side::Source => 0,
            Side::Destination => 2,
        }
    }
}

fn fixed(family: u8, resource: u16) -> [u8; FIXED] {
    let resource = resource.to_be_bytes();
    [family, 0, resource[0], resource[1]]
}

fn request(kind: u16, flags: u16, family: u8) -> Message {
    Message::new(kind, flags, &fixed(family, 0))
}

/// All messages between the two that hold a batch together.
fn batch(requests: Vec<Message>) -> Vec<Message> {
    let mark = |kind| Message::new(kind, 0, &fixed(0, SUBSYSTEM >> 8));
    let mut all = vec![mark(BATCH_BEGIN)];
    all.extend(requests);
    all.push(mark(BATCH_END));
    all
}

fn new_table(name: &str, how: u16) -> Message {
    let mut m = request(NEWTABLE, message::CREATE | how, INET);
    m.text(TABLE_NAME, name);
    m
}

fn delete_table(name: &str) -> Message {
    let mut m = request(DELTABLE, 0, INET);
    m.text(TABLE_NAME, name);
    m
}

impl Table {
    /// What makes it, where there is none.
    pub fn create(&self) -> Vec<Message> {
        batch(self.content(message::EXCLUSIVE))
    }

    /// What makes it anew, whether or not there is one: made so that it can
    /// be deleted, deleted so that it is empty, and made.
    pub fn replace(&self) -> Vec<Message> {
        let mut all = vec![new_table(&self.name, 0), delete_table(&self.name)];
        all.extend(self.content(0));
        batch(all)
    }

    fn content(&self, how: u16) -> Vec<Message> {
        let mut with_comment = new_table(&self.name, how);
        // The length of a comment is one byte, and its end is a zero.
        let text = self.comment.as_bytes();
        let text = [&text[..text.len().min(LONGEST)], &[0]].concat();
        let data = [&[COMMENT, text.len() as u8][..], &text].concat();
        with_comment.attribute(TABLE_USERDATA, &data);
        let mut all = vec![with_comment];
        for chain in &self.chains {
            all.push(chain.create(&self.name));
            all.extend(chain.rules.iter().map(|r| chain.rule(&self.name, r)));
        }
        all
    }
}

impl Chain {
    fn create(&self, table: &str) -> Message {
        let (kind, number, priority): (_, _, i32) = match self.hook {
            Hook::Input => ("filter", 1, 0),
            Hook::Forward => ("filter", 2, 0),
            Hook::Output => ("filter", 3, -300),
            Hook::Reroute => ("route", 3, -150),
            Hook::Postrouting => ("nat", 4, 100),
        };
        let mut m = request(NEWCHAIN, message::CREATE, INET);
        m.text(CHAIN_TABLE, table).text(CHAIN_NAME, self.name);
        m.nest(CHAIN_HOOK, |m| {
            m.net_number(HOOK_NUMBER, number);
            m.net_number(HOOK_PRIORITY, priority as u32);
        });
        m.text(CHAIN_TYPE, kind);
        m
    }

    fn rule(&self, table: &str, exprs: &[Expr]) -> Message {
        let mut m = request(NEWRULE, message::CREATE | message::APPEND, INET);
        m.text(RULE_TABLE, table).text(RULE_CHAIN, self.name);
        m.nest(RULE_EXPRESSIONS, |m| {
            for expr in exprs {
                expr.write(m);
            }
        });
        m
    }
}

fn part(m: &mut Message, name: &str, fill: impl FnOnce(&mut Message)) {
    m.nest(ELEMENT, |m| {
        m.text(EXPR_NAME, name).nest(EXPR_DATA, fill);
    });
}

/// Loads what the kernel knows of a packet.
fn meta(m: &mut Message, key: i32) {
    part(m, "meta", |m| {
        m.net_number(1, REGISTER).net_number(2, key as u32);
    });
}

/// Goes on where the register holds `value`, or where it does not.
fn compare(m: &mut Message, equal: bool, value: &[u8]) {
    part(m, "cmp", |m| {
        m.net_number(1, REGISTER).net_number(2, u32::from(!equal));
        m.nest(3, |m| {
            m.attribute(VALUE, value);
        });
    });
}

/// Clears all bits that are not in `mask`.
fn keep(m: &mut Message, mask: &[u8]) {
    part(m, "bitwise", |m| {
        m.net_number(1, REGISTER).net_number(2, REGISTER);
        m.net_number(3, mask.len() as u32);
        m.nest(4, |m| {
            m.attribute(VALUE, mask);
        });
        m.nest(5, |m| {
            m.attribute(VALUE, &vec![0; mask.len()]);
        });
    });
}

fn interface(m: &mut Message, key: i32, equal: bool, name: &str) {
    meta(m, key);
    let mut value = name.as_bytes().to_vec();
    match value.last() {
        Some(b'*') => value.truncate(value.len() - 1),
        _ => value.resize(libc::IFNAMSIZ, 0),
    }
    compare(m, equal, &value);
}

fn address(m: &mut Message, side: Side, equal: bool, net: &Cidr) {
    // Which kind of IP, and where it has the address.
    let (kind, offset) = match (net.address.is_ipv4(), side) {
        (true, Side::Source) => (IPV4, 12),
        (true, Side::Destination) => (IPV4, 16),
        (false, Side::Source) => (IPV6, 8),
        (false, Side::Destination) => (IPV6, 24),
    };
    meta(m, libc::NFT_META_NFPROTO);
    compare(m, true, &[kind]);
    let network = cidr::octets(net.network().address);
    part(m, "payload", |m| {
        m.net_number(1, REGISTER).net_number(2, 1);
        m.net_number(3, offset);
        m.net_number(4, network.len() as u32);
    });
    // One address is compared as a whole.
    if net.prefix < cidr::bits(net.address) {
        keep(m, &cidr::octets(net.mask_address()));
    }
    compare(m, equal, &network);
}

fn port(m: &mut Message, transport: Transport, side: Side, number: u16) {
    meta(m, libc::NFT_META_L4PROTO);
    compare(m, true, &[transport.number()]);
    part(m, "payload", |m| {
        m.net_number(1, REGISTER).net_number(2, TRANSPORT_HEADER);
        m.net_number(3, side.port_at()).net_number(4, 2);
    });
    compare(m, true, &number.to_be_bytes());
}

fn set_port(m: &mut Message, transport: Transport, side: Side, number: u16) {
    const SUM_OF_THE_INTERNET: u32 = 1;
    part(m, "immediate", |m| {
        m.net_number(1, REGISTER).nest(2, |m| {
            m.attribute(VALUE, &number.to_be_bytes());
        });
    });
    part(m, "payload", |m| {
        m.net_number(2, TRANSPORT_HEADER);
        m.net_number(3, side.port_at()).net_number(4, 2);
        m.net_number(5, REGISTER);
        m.net_number(6, SUM_OF_THE_INTERNET);
        m.net_number(7, transport.sum_at());
    });
}

fn set_mark(m: &mut Message, mark: u32) {
    part(m, "immediate", |m| {
        m.net_number(1, REGISTER).nest(2, |m| {
            m.attribute(VALUE, &mark.to_ne_bytes());
        });
    });
    part(m, "meta", |m| {
        m.net_number(2, libc::NFT_META_MARK as u32);
        m.net_number(3, REGISTER);
    });
}

fn established(m: &mut Message) {
    const ESTABLISHED_OR_RELATED: u32 = 0x6;
    part(m, "ct", |m| {
        m.net_number(1, REGISTER).net_number(2, 0);
    });
    keep(m, &ESTABLISHED_OR_RELATED.to_ne_bytes());
    compare(m, false, &[0; 4]);
}

fn verdict(m: &mut Message, code: u32) {
    part(m, "immediate", |m| {
        m.net_number(1, 0);
        m.nest(2, |m| {
            m.nest(VERDICT, |m| {
                m.net_number(VERDICT_CODE, code);
            });
        });
    });
}

impl Expr {
    fn write(&self, m: &mut Message) {
        match self {
            Expr::From(name) => interface(m, libc::NFT_META_IIFNAME, true, name),
            Expr::NotFrom(name) => interface(m, libc::NFT_META_IIFNAME, false, name),
            Expr::To(name) => interface(m, libc::NFT_META_OIFNAME, true, name),
            Expr::NotTo(name) => interface(m, libc::NFT_META_OIFNAME, false, name),
            Expr::Source(net) => address(m, Side::Source, true, net),
            Expr::NotSource(net) => address(m, Side::Source, false, net),
            Expr::Destination(net) => address(m, Side::Destination, true, net),
            Expr::Port(transport, side, number) => port(m, *transport, *side, *number),
            Expr::SetPort(transport, side, number) => set_port(m, *transport, *side, *number),
            Expr::Established => established(m),
            Expr::Marked(mark) => {
                meta(m, libc::NFT_META_MARK);
                compare(m, true, &mark.to_ne_bytes());
            }
            Expr::RememberMark => part(m, "ct", |m| {
                m.net_number(2, CONVERSATION_MARK).net_number(4, REGISTER);
            }),
            Expr::Remembered(mark) => {
                part(m, "ct", |m| {
                    m.net_number(1, REGISTER).net_number(2, CONVERSATION_MARK);
                });
                compare(m, true, &mark.to_ne_bytes());
            }
            Expr::SetMark(mark) => set_mark(m, *mark),
            Expr::Masquerade => part(m, "masq", |_| {}),
            Expr::Drop => verdict(m, 0),
            Expr::Accept => verdict(m, 1),
        }
    }
}

/// A table that is there: its name, and what is written on it.
fn read_table(thing: &Thing) -> Option<(String, String)> {
    if thing.kind != NEWTABLE || thing.body.first() != Some(&INET) {
        return None;
    }
    let attributes = thing.body.get(FIXED..)?;
    let name = find(attributes, TABLE_NAME).and_then(text)?;
    let data = find(attributes, TABLE_USERDATA).unwrap_or_default();
    let comment = match data {
        [COMMENT, length, rest @ ..] => rest.get(..usize::from(*length)).and_then(text),
        _ => None,
    };
    Some((name, comment.unwrap_or_default()))
}

impl Socket {
    /// Makes a table, or makes it anew.
    ///
    /// Where anything was deleted, the kernel waits, when the socket is closed,
    /// until no processor can still look at it: ten milliseconds and more. So
    /// nothing is, but where there was a table.
    pub fn replace_table(&mut self, table: &Table) -> SysResult<()> {
        let what = || format!("NFT_MSG_NEWTABLE inet {:?}", table.name);
        match self.batch(what, table.create()) {
            Err(e) if e.errno == Errno::EEXIST => self.batch(what, table.replace()),
            done => done,
        }
    }

    /// Takes a table away with all that is in it; whether there was one.
    pub fn delete_table(&mut self, name: &str) -> SysResult<bool> {
        let what = || format!("NFT_MSG_DELTABLE inet {name:?}");
        match self.batch(what, batch(vec![delete_table(name)])) {
            Err(e) if e.errno == Errno::ENOENT => Ok(false),
            done => done.map(|()| true),
        }
    }

    /// Whether a table is there with all its rules. What others have added to
    /// it does not count; what somebody has thrown out of a chain does.
    pub fn is_whole(&mut self, table: &Table) -> SysResult<bool> {
        let mut m = request(GETRULE, message::DUMP, INET);
        m.text(RULE_TABLE, &table.name);
        let things = match self.get(|| format!("NFT_MSG_GETRULE {:?}", table.name), &m) {
            Err(e) if e.errno == Errno::ENOENT => return Ok(false),
            things => things?,
        };
        let in_chain = |thing: &&Thing, name: &str| {
            let attributes = thing.body.get(FIXED..).unwrap_or_default();
            let words = |kind| find(attributes, kind).and_then(text);
            words(RULE_TABLE).is_some_and(|t| t == table.name)
                && words(RULE_CHAIN).is_some_and(|c| c == name)
        };
        Ok(table.chains.iter().all(|chain| {
            let found = things.iter().filter(|t| in_chain(t, chain.name));
            found.count() >= chain.rules.len()
        }))
    }

    /// Whether there is a table of this name.
    pub fn has_table(&mut self, name: &str) -> SysResult<bool> {
        let mut m = request(GETTABLE, 0, INET);
        m.text(TABLE_NAME, name);
        match self.get(|| format!("NFT_MSG_GETTABLE inet {name:?}"), &m) {
            Ok(things) => Ok(!things.is_empty()),
            Err(e) if e.errno == Errno::ENOENT => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// All tables for both kinds of IP: their names, and what is written on
    /// them.
    pub fn tables(&mut self) -> SysResult<Vec<(String, String)>> {
        let m = request(GETTABLE, message::DUMP, 0);
        let things = self.get(|| "NFT_MSG_GETTABLE".to_owned(), &m)?;
        Ok(things.iter().filter_map(read_table).collect())
    }
}
