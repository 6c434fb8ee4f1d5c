//! Others' packet filters, read: their chains, and their rules as far as they
//! can be understood. A condition that cannot is one that may hold or not.
//!
//! What becomes of a packet there is worked out in [`crate::network::verdict`].

use std::collections::{BTreeMap, BTreeSet};

use super::decode::{attributes, find, net_number, text};
use super::message::{self, Message};
use super::socket::{Socket, Thing};
use crate::sys::SysResult;

const SUBSYSTEM: u16 = 10 << 8;
const GETCHAIN: u16 = SUBSYSTEM | 4;
const GETRULE: u16 = SUBSYSTEM | 7;
const GETSETELEM: u16 = SUBSYSTEM | 0x0d;

/// `struct nfgenmsg`.
const FIXED: usize = 4;

const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const HOOK_NUMBER: u16 = 1;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const EXPR_NAME: u16 = 1;
const EXPR_DATA: u16 = 2;
const SET_TABLE: u16 = 1;
const SET_NAME: u16 = 2;
const SET_ELEMENTS: u16 = 3;
const ELEMENT_KEY: u16 = 1;
const ELEMENT_FLAGS: u16 = 3;
const VALUE: u16 = 1;
const VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const VERDICT_CHAIN: u16 = 2;
/// Of `NF_INET_FORWARD`.
const FORWARD: u32 = 2;
const NETWORK_HEADER: u32 = 1;

/// The kinds of address a table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Both.
    Inet,
    /// The older.
    Ip,
    /// The newer.
    Ip6,
}

impl Family {
    const ALL: [Self; 3] = [Self::Inet, Self::Ip, Self::Ip6];

    /// As nft(8) says it.
    pub fn word(self) -> &'static str {
        match self {
            Family::Inet => "inet",
            Family::Ip => "ip",
            Family::Ip6 => "ip6",
        }
    }

    fn number(self) -> u8 {
        match self {
            Family::Inet => 1,
            Family::Ip => 2,
            Family::Ip6 => 10,
        }
    }

    fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.number() == number)
    }
}

/// A chain of somebody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Of its table.
    pub family: Family,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// What goes through this machine comes here by itself.
    pub forward: bool,
    /// What no rule speaks of is dropped.
    pub drops: bool,
}

/// What a condition asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The name of the interface it came in through.
    From,
    /// The name of the one it goes out through.
    To,
    /// Its number.
    FromIndex,
    /// The same of the other.
    ToIndex,
    /// The kind of address.
    Kind,
    /// Where its conversation stands.
    State,
    /// The first bytes of its source, for this kind of address.
    Source(Family),
    /// The same of its destination.
    Destination(Family),
    /// Something else.
    Other,
}

/// A condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it asks about.
    pub about: About,
    /// Only these bits count.
    pub mask: Option<Vec<u8>>,
    /// They must be one of `values`, or must not.
    pub equal: bool,
    /// With what it is compared.
    pub values: Vec<Vec<u8>>,
    /// That stands in a set of this name, and is to be looked up there.
    set: Option<String>,
}

/// What becomes of a packet for which all conditions hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass.
    Accept,
    /// It is dropped, or sent back.
    Drop,
    /// Another chain is asked, and then the next rule.
    Jump(String),
    /// Another chain is asked instead of this one.
    Goto(String),
    /// The chain that asked goes on.
    Return,
    /// That depends on what cannot be read.
    Unclear,
}

/// A rule of somebody's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// Nothing: the next rule is asked.
    pub verdict: Option<Verdict>,
}

/// All there is where packets go through this machine.
#[derive(Debug, Clone, Default)]
pub struct Ruleset {
    /// Of all tables.
    pub chains: Vec<Chain>,
    rules: BTreeMap<(Family, String, String), Vec<Rule>>,
}

impl Ruleset {
    /// Chains with their rules.
    pub fn new(all: Vec<(Chain, Vec<Rule>)>) -> Self {
        let mut set = Self::default();
        for (chain, rules) in all {
            let key = (chain.family, chain.table.clone(), chain.name.clone());
            set.rules.insert(key, rules);
            set.chains.push(chain);
        }
        set
    }

    /// The rules of a chain, in their order.
    pub fn rules(&self, family: Family, table: &str, chain: &str) -> &[Rule] {
        let key = (family, table.to_owned(), chain.to_owned());
        self.rules.get(&key).map_or(&[], Vec::as_slice)
    }
}

impl Condition {
    /// It must be `value`, or must not.
    pub fn new(about: About, mask: Option<Vec<u8>>, equal: bool, value: Vec<u8>) -> Self {
        Self {
            about,
            mask,
            equal,
            values: vec![value],
            set: None,
        }
    }

    fn unknown() -> Self {
        Self::new(About::Other, None, true, Vec::new())
    }
}

/// What was loaded into the registers, while a rule is read.
#[derive(Default)]
struct Registers(BTreeMap<u32, (About, Option<Vec<u8>>)>);

impl Registers {
    fn load(&mut self, register: Option<u32>, about: About) {
        if let Some(register) = register {
            self.0.insert(register, (about, None));
        }
    }

    fn get(&self, register: Option<u32>) -> (About, Option<Vec<u8>>) {
        let there = register.and_then(|r| self.0.get(&r)).cloned();
        there.unwrap_or((About::Other, None))
    }
}

impl Rule {
    /// From its expressions, one after the other.
    pub fn read(expressions: &[u8]) -> Self {
        let mut rule = Self::default();
        let mut registers = Registers::default();
        for (_, element) in attributes(expressions) {
            let name = find(element, EXPR_NAME).and_then(text);
            let data = find(element, EXPR_DATA).unwrap_or_default();
            rule.take(&name.unwrap_or_default(), data, &mut registers);
        }
        rule
    }

    fn take(&mut self, name: &str, data: &[u8], registers: &mut Registers) {
        let number = |kind| find(data, kind).and_then(net_number);
        match name {
            "meta" if number(3).is_none() => registers.load(number(1), of_meta(number(2))),
            "ct" if number(4).is_none() => {
                let about = if number(2) == Some(0) {
                    About::State
                } else {
                    About::Other
                };
                registers.load(number(1), about);
            }
            "payload" if number(5).is_none() => registers.load(number(1), of_payload(data)),
            "bitwise" => {
                let masked = masked(registers.get(number(1)), data);
                if let Some(register) = number(2) {
                    registers.0.insert(register, masked);
                }
            }
            "cmp" => self.conditions.push(compared(registers, data)),
            "immediate" if number(1) == Some(0) => self.verdict = Some(verdict(data)),
            "reject" => self.verdict = Some(Verdict::Drop),
            "queue" => self.verdict = Some(Verdict::Unclear),
            // A map that says what becomes of it.
            "lookup" if number(3) == Some(0) => self.verdict = Some(Verdict::Unclear),
            "lookup" if number(3).is_none() => self.conditions.push(looked_up(registers, data)),
            "target" => match find(data, 1).and_then(text).as_deref() {
                Some("REJECT" | "DROP") => self.verdict = Some(Verdict::Drop),
                Some("NFQUEUE") => self.verdict = Some(Verdict::Unclear),
                _ => {}
            },
            // These hold for everybody.
            "counter" | "log" | "objref" | "notrack" | "last" | "immediate" | "meta" | "ct"
            | "payload" => {}
            "match" if find(data, 1).and_then(text).as_deref() == Some("comment") => {}
            _ => {
                self.conditions.push(Condition::unknown());
            }
        }
    }
}

fn of_meta(key: Option<u32>) -> About {
    match key.map(u32::cast_signed) {
        Some(libc::NFT_META_IIFNAME) => About::From,
        Some(libc::NFT_META_OIFNAME) => About::To,
        Some(libc::NFT_META_IIF) => About::FromIndex,
        Some(libc::NFT_META_OIF) => About::ToIndex,
        Some(libc::NFT_META_NFPROTO) => About::Kind,
        _ => About::Other,
    }
}

fn of_payload(data: &[u8]) -> About {
    let number = |kind| find(data, kind).and_then(net_number);
    match (number(2), number(3), number(4)) {
        (Some(NETWORK_HEADER), Some(12), Some(1..=4)) => About::Source(Family::Ip),
        (Some(NETWORK_HEADER), Some(16), Some(1..=4)) => About::Destination(Family::Ip),
        (Some(NETWORK_HEADER), Some(8), Some(5..=16)) => About::Source(Family::Ip6),
        (Some(NETWORK_HEADER), Some(24), Some(5..=16)) => About::Destination(Family::Ip6),
        _ => About::Other,
    }
}

/// Some bits are cleared; where others are turned, it is something else.
fn masked(loaded: (About, Option<Vec<u8>>), data: &[u8]) -> (About, Option<Vec<u8>>) {
    let bytes = |kind| find(data, kind).and_then(|d| find(d, VALUE));
    let turns = bytes(5).is_some_and(|xor| xor.iter().any(|b| *b != 0));
    match (loaded, bytes(4)) {
        ((about, None), Some(mask)) if !turns => (about, Some(mask.to_vec())),
        _ => (About::Other, None),
    }
}

fn compared(registers: &Registers, data: &[u8]) -> Condition {
    let number = |kind| find(data, kind).and_then(net_number);
    let value = find(data, 3).and_then(|d| find(d, VALUE));
    let (about, mask) = registers.get(number(1));
    match (number(2), value) {
        (Some(how @ 0..=1), Some(value)) => Condition::new(about, mask, how == 0, value.to_vec()),
        _ => Condition::unknown(),
    }
}

fn looked_up(registers: &Registers, data: &[u8]) -> Condition {
    const INVERTED: u32 = 1;
    let number = |kind| find(data, kind).and_then(net_number);
    let (about, mask) = registers.get(number(2));
    Condition {
        about,
        mask,
        equal: number(5).unwrap_or(0) & INVERTED == 0,
        values: Vec::new(),
        set: find(data, 1).and_then(text),
    }
}

/// How many bytes are compared as a whole, where a set can be read.
fn width(about: &About) -> Option<usize> {
    match about {
        About::From | About::To => Some(libc::IFNAMSIZ),
        About::FromIndex | About::ToIndex | About::State => Some(4),
        About::Kind => Some(1),
        About::Source(_) | About::Destination(_) | About::Other => None,
    }
}

/// What is in a set; nothing, where that is more than values: ranges, say.
fn read_set(things: &[Thing], width: usize) -> Option<Vec<Vec<u8>>> {
    let mut values = Vec::new();
    for thing in things {
        let list = find(thing.body.get(FIXED..)?, SET_ELEMENTS).unwrap_or_default();
        for (_, element) in attributes(list) {
            let flags = find(element, ELEMENT_FLAGS).and_then(net_number);
            let key = find(element, ELEMENT_KEY).and_then(|k| find(k, VALUE))?;
            if key.len() != width || flags.unwrap_or(0) != 0 {
                return None;
            }
            values.push(key.to_vec());
        }
    }
    Some(values)
}

fn verdict(data: &[u8]) -> Verdict {
    let verdict = find(data, 2).and_then(|d| find(d, VERDICT));
    let verdict = verdict.unwrap_or_default();
    let chain = || find(verdict, VERDICT_CHAIN).and_then(text);
    let code = find(verdict, VERDICT_CODE).and_then(net_number);
    match (code.map(u32::cast_signed), chain()) {
        (Some(0), _) => Verdict::Drop,
        (Some(1), _) => Verdict::Accept,
        (Some(libc::NFT_JUMP), Some(chain)) => Verdict::Jump(chain),
        (Some(libc::NFT_GOTO), Some(chain)) => Verdict::Goto(chain),
        (Some(libc::NFT_RETURN), _) => Verdict::Return,
        _ => Verdict::Unclear,
    }
}

fn read_chain(thing: &Thing) -> Option<Chain> {
    let attributes = thing.body.get(FIXED..)?;
    let words = |kind| find(attributes, kind).and_then(text);
    let hook = find(attributes, CHAIN_HOOK);
    let number = hook.and_then(|h| find(h, HOOK_NUMBER)).and_then(net_number);
    let policy = find(attributes, CHAIN_POLICY).and_then(net_number);
    Some(Chain {
        family: Family::of(*thing.body.first()?)?,
        table: words(CHAIN_TABLE)?,
        name: words(CHAIN_NAME)?,
        forward: number == Some(FORWARD),
        drops: policy == Some(0),
    })
}

fn read_rule(thing: &Thing) -> Option<(String, Rule)> {
    let attributes = thing.body.get(FIXED..)?;
    let chain = find(attributes, RULE_CHAIN).and_then(text)?;
    let expressions = find(attributes, RULE_EXPRESSIONS).unwrap_or_default();
    Some((chain, Rule::read(expressions)))
}

impl Socket {
    /// Looks up what a condition compares with, where that stands in a set.
    fn fill(&mut self, condition: &mut Condition, family: Family, table: &str) {
        let Some(set) = condition.set.take() else {
            return;
        };
        let mut m = Message::new(GETSETELEM, message::DUMP, &[family.number(), 0, 0, 0]);
        m.text(SET_TABLE, table).text(SET_NAME, &set);
        let read = width(&condition.about).and_then(|width| {
            let things = self
                .get(|| format!("NFT_MSG_GETSETELEM {set:?}"), &m)
                .ok()?;
            read_set(&things, width)
        });
        match read {
            Some(values) => condition.values = values,
            None => *condition = Condition::unknown(),
        }
    }

    /// What is set up where packets go through this machine, in all tables but
    /// those whose names `ours` knows.
    pub fn ruleset(&mut self, ours: impl Fn(&str) -> bool) -> SysResult<Ruleset> {
        let all = Message::new(GETCHAIN, message::DUMP, &[0; FIXED]);
        let things = self.get(|| "NFT_MSG_GETCHAIN".to_owned(), &all)?;
        let mut set = Ruleset {
            chains: things.iter().filter_map(read_chain).collect(),
            rules: BTreeMap::new(),
        };
        set.chains.retain(|c| !ours(&c.table));
        let tables = set.chains.iter().filter(|c| c.forward);
        let tables: BTreeSet<(Family, String)> =
            tables.map(|c| (c.family, c.table.clone())).collect();
        for (family, table) in tables {
            let mut m = Message::new(GETRULE, message::DUMP, &[family.number(), 0, 0, 0]);
            m.text(RULE_TABLE, &table);
            for thing in self.get(|| format!("NFT_MSG_GETRULE {table:?}"), &m)? {
                if let Some((chain, mut rule)) = read_rule(&thing) {
                    for condition in &mut rule.conditions {
                        self.fill(condition, family, &table);
                    }
                    let key = (family, table.clone(), chain);
                    set.rules.entry(key).or_default().push(rule);
                }
            }
        }
        Ok(set)
    }
}
