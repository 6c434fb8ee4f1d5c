//! What becomes of a packet in somebody's filters. Pure.
//!
//! Not every condition can be weighed: a rule may ask for a port, a time of
//! day, a set of addresses. So the question here is what becomes of a usual
//! packet, one that no such condition is about; and, beside it, whether another
//! might fare otherwise.

use super::cidr::Cidr;
use super::netlink::ruleset::{About, Chain, Condition, Family, Rule, Ruleset, Verdict};

/// Rules that are looked at before we give up: more say nothing more.
const MOST: usize = 50_000;
/// Chains within chains, as many as the kernel follows.
const DEEPEST: usize = 16;

const KIND_IPV4: u8 = 2;
const KIND_IPV6: u8 = 10;
/// Bits of a conversation's state.
const ESTABLISHED: u32 = 2;
const NEW: u32 = 8;

/// An interface, as rules name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its number, or 0.
    pub index: u32,
}

/// Packets of one kind.
#[derive(Debug, Clone)]
pub struct Packet<'a> {
    /// From where; nothing: not known.
    pub from: Option<&'a Interface>,
    /// Where to; nothing: not known.
    pub to: Option<&'a Interface>,
    /// One end is in this network.
    pub own: Cidr,
    /// It begins a conversation, and comes from that network; or it answers,
    /// and goes there.
    pub begins: bool,
}

/// How a packet fares at a chain that it comes to by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fate {
    /// A usual packet is dropped; in this chain.
    pub dropped: Option<String>,
    /// An unusual one may be dropped; in this chain.
    pub may_drop: Option<String>,
    /// An unusual one may pass.
    pub may_pass: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fits {
    Yes,
    No,
    Maybe,
}

impl Fits {
    fn of(equal: bool, wanted: bool) -> Self {
        if equal == wanted { Fits::Yes } else { Fits::No }
    }

    fn not(self) -> Self {
        match self {
            Fits::Yes => Fits::No,
            Fits::No => Fits::Yes,
            Fits::Maybe => Fits::Maybe,
        }
    }
}

/// What is known of a packet, asked about something.
enum Known {
    Bytes(Vec<u8>),
    Within(Cidr),
    Nothing,
}

impl Packet<'_> {
    /// Whether a table is for such packets.
    pub fn comes_to(&self, family: Family) -> bool {
        match family {
            Family::Inet => true,
            Family::Ip => self.own.address.is_ipv4(),
            Family::Ip6 => self.own.address.is_ipv6(),
        }
    }

    fn known(&self, about: &About) -> Known {
        let name = |of: Option<&Interface>| {
            of.map_or(Known::Nothing, |i| {
                let mut bytes = i.name.clone().into_bytes();
                bytes.resize(libc::IFNAMSIZ, 0);
                Known::Bytes(bytes)
            })
        };
        let index = |of: Option<&Interface>| {
            of.map_or(Known::Nothing, |i| {
                Known::Bytes(i.index.to_ne_bytes().to_vec())
            })
        };
        let own = |family: Family, end: bool| {
            let here = self.comes_to(family) && end;
            if here {
                Known::Within(self.own)
            } else {
                Known::Nothing
            }
        };
        match about {
            About::From => name(self.from),
            About::To => name(self.to),
            About::FromIndex => index(self.from),
            About::ToIndex => index(self.to),
            About::Kind if self.own.address.is_ipv4() => Known::Bytes(vec![KIND_IPV4]),
            About::Kind => Known::Bytes(vec![KIND_IPV6]),
            About::State => {
                let state = if self.begins { NEW } else { ESTABLISHED };
                Known::Bytes(state.to_ne_bytes().to_vec())
            }
            About::Source(family) => own(*family, self.begins),
            About::Destination(family) => own(*family, !self.begins),
            About::Other => Known::Nothing,
        }
    }

    fn fits(&self, condition: &Condition) -> Fits {
        match self.known(&condition.about) {
            Known::Nothing => Fits::Maybe,
            Known::Within(own) => {
                let [value] = condition.values.as_slice() else {
                    return Fits::Maybe;
                };
                let there = within(own, value, condition.mask.as_deref());
                if condition.equal { there } else { there.not() }
            }
            Known::Bytes(mut bytes) => {
                if let Some(mask) = &condition.mask {
                    for (byte, bits) in bytes.iter_mut().zip(mask) {
                        *byte &= bits;
                    }
                }
                // The beginning of a name is compared without its end.
                let same = |value: &Vec<u8>| bytes.get(..value.len()) == Some(value);
                Fits::of(condition.values.iter().any(same), condition.equal)
            }
        }
    }

    fn fits_rule(&self, rule: &Rule) -> Fits {
        let mut all = Fits::Yes;
        for condition in &rule.conditions {
            match self.fits(condition) {
                Fits::No => return Fits::No,
                Fits::Maybe => all = Fits::Maybe,
                Fits::Yes => {}
            }
        }
        all
    }

    /// The rule speaks of the bridge itself: whoever wrote it knew.
    fn is_meant(&self, rule: &Rule) -> bool {
        let about = |c: &&Condition| {
            let from = matches!(c.about, About::From | About::FromIndex) && self.begins;
            let to = matches!(c.about, About::To | About::ToIndex) && !self.begins;
            (from || to) && c.equal
        };
        let mut named = rule.conditions.iter().filter(about);
        named.any(|c| self.fits(c) == Fits::Yes)
    }
}

/// Whether an address in `own` has the bytes that are asked for.
fn within(own: Cidr, value: &[u8], mask: Option<&[u8]>) -> Fits {
    let length = super::cidr::octets(own.address).len();
    let mut bytes = value.to_vec();
    let Some(prefix) = prefix_of(value, mask).filter(|_| bytes.len() <= length) else {
        return Fits::Maybe;
    };
    bytes.resize(length, 0);
    let number = bytes.iter().fold(0u128, |n, b| n << 8 | u128::from(*b));
    let asked = Cidr::new(super::cidr::address(number, own.address), prefix);
    if !asked.overlaps(&own) {
        Fits::No
    } else if asked.prefix <= own.prefix {
        Fits::Yes
    } else {
        Fits::Maybe
    }
}

/// How many of the first bits count, if it is the first ones that do.
fn prefix_of(value: &[u8], mask: Option<&[u8]>) -> Option<u8> {
    let Some(mask) = mask else {
        return u8::try_from(value.len() * 8).ok();
    };
    let ones = mask.iter().map(|b| b.count_ones()).sum::<u32>();
    let mut left = ones;
    let first_ones = mask.iter().all(|byte| {
        let here = left.min(8);
        left -= here;
        byte.leading_ones() == here && byte.count_ones() == here
    });
    u8::try_from(ones).ok().filter(|_| first_ones)
}

enum End {
    Passed,
    Dropped(String),
    FellThrough,
}

struct Walk<'a> {
    set: &'a Ruleset,
    base: &'a Chain,
    packet: &'a Packet<'a>,
    fate: Fate,
    left: usize,
}

/// What becomes of such packets at a chain that they come to by themselves.
pub fn fate(set: &Ruleset, base: &Chain, packet: &Packet<'_>) -> Fate {
    let mut walk = Walk {
        set,
        base,
        packet,
        fate: Fate::default(),
        left: MOST,
    };
    walk.fate.dropped = match walk.through(&base.name, true, DEEPEST) {
        End::Passed => None,
        End::Dropped(chain) => Some(chain),
        End::FellThrough => base.drops.then(|| base.name.clone()),
    };
    walk.fate
}

impl Walk<'_> {
    /// One chain from its first rule. `sure`: a usual packet comes here.
    fn through(&mut self, chain: &str, sure: bool, depth: usize) -> End {
        if depth == 0 {
            return End::FellThrough;
        }
        let set = self.set;
        for rule in set.rules(self.base.family, &self.base.table, chain) {
            let fits = self.packet.fits_rule(rule);
            let Some(verdict) = rule.verdict.as_ref().filter(|_| fits != Fits::No) else {
                continue;
            };
            self.left = self.left.saturating_sub(1);
            if self.left == 0 {
                return End::FellThrough;
            }
            let meant = *verdict == Verdict::Accept && self.packet.is_meant(rule);
            let sure_here = sure && (fits == Fits::Yes || meant);
            match self.heed(verdict, chain, sure_here, depth) {
                Some(end) if sure_here || fits == Fits::Yes => return end,
                _ => {}
            }
        }
        End::FellThrough
    }

    /// What a rule says that fits, or may fit: the end of its chain, if it is.
    fn heed(&mut self, verdict: &Verdict, chain: &str, sure: bool, depth: usize) -> Option<End> {
        match verdict {
            Verdict::Accept => {
                self.fate.may_pass |= !sure;
                Some(End::Passed)
            }
            Verdict::Drop => {
                if !sure {
                    self.fate.may_drop.get_or_insert_with(|| chain.to_owned());
                }
                Some(End::Dropped(chain.to_owned()))
            }
            Verdict::Jump(to) => match self.through(to, sure, depth - 1) {
                End::FellThrough => None,
                end => Some(end),
            },
            Verdict::Goto(to) => Some(self.through(to, sure, depth - 1)),
            Verdict::Return => Some(End::FellThrough),
            Verdict::Unclear => {
                self.fate.may_pass = true;
                self.fate.may_drop.get_or_insert_with(|| chain.to_owned());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(about: About, name: &str, equal: bool) -> Condition {
        let mut value = name.as_bytes().to_vec();
        value.resize(libc::IFNAMSIZ, 0);
        Condition::new(about, None, equal, value)
    }

    fn unreadable() -> Condition {
        Condition::new(About::Other, None, true, vec![1])
    }

    fn state(bits: u32) -> Condition {
        let mask = bits.to_ne_bytes().to_vec();
        Condition::new(About::State, Some(mask), false, vec![0; 4])
    }

    fn source(bytes: &[u8], mask: Option<&[u8]>) -> Condition {
        let mask = mask.map(<[u8]>::to_vec);
        Condition::new(About::Source(Family::Ip), mask, true, bytes.to_vec())
    }

    fn rule(conditions: Vec<Condition>, verdict: Verdict) -> Rule {
        Rule {
            conditions,
            verdict: Some(verdict),
        }
    }

    fn chain(name: &str, drops: bool) -> Chain {
        Chain {
            family: Family::Ip,
            table: "filter".to_owned(),
            name: name.to_owned(),
            forward: name == "FORWARD",
            drops,
        }
    }

    /// How a packet of rcon0's fares, and an answer to it.
    fn fates(drops: bool, rules: Vec<Rule>, other: Vec<Rule>) -> (Fate, Fate) {
        let set = Ruleset::new(vec![
            (chain("FORWARD", drops), rules),
            (chain("OTHER", false), other),
        ]);
        let interface = |name: &str, index| Interface {
            name: name.to_owned(),
            index,
        };
        let (bridge, up) = (interface("rcon0", 5), interface("eth0", 2));
        let packet = |begins| Packet {
            from: Some(if begins { &bridge } else { &up }),
            to: Some(if begins { &up } else { &bridge }),
            own: "172.17.0.0/16".parse().unwrap(),
            begins,
        };
        let of = |begins| fate(&set, &set.chains[0], &packet(begins));
        (of(true), of(false))
    }

    fn dropped(rules: Vec<Rule>, other: Vec<Rule>) -> Option<String> {
        fates(false, rules, other).0.dropped
    }

    #[test]
    fn a_rule_for_all_drops_all() {
        assert_eq!(
            dropped(vec![rule(vec![], Verdict::Drop)], vec![]).as_deref(),
            Some("FORWARD")
        );
        let jump = rule(vec![], Verdict::Jump("OTHER".to_owned()));
        let drop = || rule(vec![], Verdict::Drop);
        assert_eq!(
            dropped(vec![jump.clone()], vec![drop()]).as_deref(),
            Some("OTHER")
        );
        // One that was let through before is not asked again.
        let accept = rule(vec![named(About::From, "rcon0", true)], Verdict::Accept);
        assert_eq!(dropped(vec![accept.clone(), drop()], vec![]), None);
        let back = rule(vec![], Verdict::Return);
        assert_eq!(dropped(vec![jump], vec![back, drop()]), None);
        let elsewhere = rule(vec![], Verdict::Goto("OTHER".to_owned()));
        assert_eq!(dropped(vec![elsewhere, drop()], vec![]), None);
    }

    #[test]
    fn what_is_about_others_does_not_count() {
        for condition in [
            named(About::From, "docker0", true),
            named(About::To, "eth0", false),
            state(1),
            source(&[192, 168], None),
            source(&[10, 0, 0, 0], Some(&[255, 0, 0, 0])),
        ] {
            let rules = vec![rule(vec![condition.clone()], Verdict::Drop)];
            let (out, _) = fates(false, rules, vec![]);
            assert_eq!((out.dropped, out.may_drop), (None, None), "{condition:?}");
        }
        for condition in [
            named(About::From, "docker0", false),
            state(NEW),
            source(&[172, 17], None),
            source(&[172, 16, 0, 0], Some(&[255, 240, 0, 0])),
        ] {
            let rules = vec![rule(vec![condition.clone()], Verdict::Drop)];
            assert!(dropped(rules, vec![]).is_some(), "{condition:?}");
        }
    }

    #[test]
    fn what_cannot_be_weighed_may_be_in_the_way() {
        let one = source(&[172, 17, 0, 9], None);
        for condition in [unreadable(), one] {
            let rules = vec![rule(vec![condition], Verdict::Drop)];
            let (out, back) = fates(false, rules, vec![]);
            assert_eq!(out.dropped, None);
            assert_eq!(out.may_drop.as_deref(), Some("FORWARD"));
            assert_eq!(back.dropped, None);
        }
        // Behind a jump that may be taken, all is only possible.
        let jump = rule(vec![unreadable()], Verdict::Jump("OTHER".to_owned()));
        let (out, _) = fates(false, vec![jump], vec![rule(vec![], Verdict::Drop)]);
        assert_eq!(out.dropped, None);
        assert_eq!(out.may_drop.as_deref(), Some("OTHER"));
    }

    #[test]
    fn whoever_speaks_of_the_bridge_has_thought_of_it() {
        let meant = vec![named(About::From, "rcon0", true), unreadable()];
        let (out, back) = fates(true, vec![rule(meant, Verdict::Accept)], vec![]);
        assert_eq!(out.dropped, None);
        assert!(back.dropped.is_some() && !back.may_pass);
        let some = vec![unreadable()];
        let (out, back) = fates(true, vec![rule(some, Verdict::Accept)], vec![]);
        assert!(out.dropped.is_some());
        // It may be just for answers.
        assert!(back.may_pass);
    }

    #[test]
    fn answers_are_known_as_such() {
        let answers = rule(vec![state(ESTABLISHED)], Verdict::Accept);
        let (out, back) = fates(true, vec![answers], vec![]);
        assert!(out.dropped.is_some() && back.dropped.is_none());
    }
}
