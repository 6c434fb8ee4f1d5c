//! A profile's rules, gathered per ABI and settled per system call.
//!
//! Several rules may name one call. As in libseccomp, the first one without
//! conditions decides it alone; with conditions only, they are asked in a
//! fixed order (see [`Condition::rank`]) and the default action is what is
//! left. A rule that wants what happens anyway is dropped first, as runc does.
//!
//! 32-bit x86 has two ways to a socket: `socket`, and number 1 of
//! `socketcall`, whose arguments lie in memory where a filter cannot look.
//! libseccomp copies the rules of `socket` to the second way *without* what
//! they say about the family, so that a profile allowing all families but
//! `AF_ALG` lets a 32-bit program have `AF_ALG` too (CVE-2026-31431). Here:
//!
//! - a call with conditions is, by way of its carrier, what the harshest of
//!   its rules and of the default says: what cannot be checked is not allowed;
//! - a profile that names the carrier itself has decided the matter, and is
//!   obeyed. Docker's and podman's profiles allow `socketcall`, because 32-bit
//!   Go programs know no other way. [`Gathered::bypassed`] then lists the
//!   calls whose conditions are moot for 32-bit programs.

use oci_spec::runtime::LinuxSyscall;

use super::action;
use super::arch::{ARCHES, Arch};
use super::condition::{Condition, Question, Then, alternatives, insert};
use super::names::{self, Call, X86_IPC, X86_SOCKETCALL};
use crate::error::{Error, Result};

/// What happens to one system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Always this.
    Act(u32),
    /// These questions, and the default action if none holds.
    Ask(Vec<Question>),
}

/// A rule for one number of one ABI.
#[derive(Clone, Copy)]
struct Rule {
    number: u32,
    action: u32,
    /// Where its conditions are in the pool.
    when: Option<usize>,
}

/// A rule for a call that a carrier leads to, too.
#[derive(Clone, Copy)]
struct Carried<'a> {
    carrier: u32,
    sub: u32,
    action: u32,
    conditional: bool,
    name: &'a str,
}

/// The rules of a profile, sorted out.
pub(super) struct Gathered<'a> {
    arches: &'a [Arch],
    default: u32,
    rules: [Vec<Rule>; ARCHES],
    carried: Vec<Carried<'a>>,
    pool: Vec<Vec<Condition>>,
    largest: [Option<u32>; ARCHES],
    /// The calls that are named, one bit each.
    named: [u64; names::MAX_CALLS / 64],
    /// Names that none of the ABIs has.
    pub(super) unknown: Vec<String>,
    /// Calls that an allowed carrier leads to whatever their rules ask.
    pub(super) bypassed: Vec<String>,
}

impl<'a> Gathered<'a> {
    pub(super) fn new(arches: &'a [Arch], default: u32) -> Self {
        Self {
            arches,
            default,
            rules: Default::default(),
            carried: Vec::new(),
            pool: Vec::new(),
            largest: [None; ARCHES],
            named: [0; names::MAX_CALLS / 64],
            unknown: Vec::new(),
            bypassed: Vec::new(),
        }
    }

    /// Takes in one entry of the profile.
    pub(super) fn add(&mut self, entry: &'a LinuxSyscall) -> Result<()> {
        let action = action::encode(entry.action(), entry.errno_ret())?;
        let args = entry.args().as_deref().unwrap_or_default();
        for name in entry.names() {
            if name.is_empty() {
                return Err(Error::user("seccomp: a rule names no system call"));
            }
            let Some(call) = self.find(name) else {
                continue;
            };
            if args.is_empty() {
                self.place(call, name, action, None);
                continue;
            }
            for conditions in alternatives(args, call.narrow)? {
                self.pool.push(conditions);
                self.place(call, name, action, Some(self.pool.len() - 1));
            }
        }
        Ok(())
    }

    fn find(&mut self, name: &str) -> Option<&'static Call> {
        let call = names::lookup(name).filter(|call| {
            self.arches.iter().any(|&arch| {
                call.number(arch).is_some() || arch == Arch::X86 && call.carried_by().is_some()
            })
        });
        match call {
            Some(call) => {
                let at = call.index();
                self.named[at / 64] |= 1 << (at % 64);
            }
            None if self.unknown.iter().any(|known| known == name) => {}
            None => self.unknown.push(name.to_owned()),
        }
        call
    }

    /// How many calls are named, each counted once.
    pub(super) fn calls(&self) -> usize {
        let known: u32 = self.named.iter().map(|word| word.count_ones()).sum();
        known as usize + self.unknown.len()
    }

    fn place(&mut self, call: &Call, name: &'a str, action: u32, when: Option<usize>) {
        for &arch in self.arches {
            if let Some(number) = call.number(arch) {
                self.speaks_about(arch, number);
                if action != self.default || is_carrier(arch, number) {
                    self.rules[arch as usize].push(Rule {
                        number,
                        action,
                        when,
                    });
                }
            }
        }
        if let Some((carrier, sub)) = call.carried_by() {
            self.speaks_about(Arch::X86, carrier);
            if action != self.default {
                self.carried.push(Carried {
                    carrier,
                    sub,
                    action,
                    conditional: when.is_some(),
                    name,
                });
            }
        }
    }

    fn speaks_about(&mut self, arch: Arch, number: u32) {
        let largest = &mut self.largest[arch as usize];
        *largest = (*largest).max(Some(number));
    }

    /// The largest number that the profile speaks about, if any.
    pub(super) fn largest(&self, arch: Arch) -> Option<u32> {
        self.largest[arch as usize]
    }

    /// The calls of `arch` whose fate is not the default action, by number.
    pub(super) fn settle(&mut self, arch: Arch) -> Result<Vec<(u32, Verdict)>> {
        let mut rules = std::mem::take(&mut self.rules[arch as usize]);
        // Stable: the order in the profile counts among equal numbers.
        rules.sort_by_key(|rule| rule.number);
        let mut settled = Vec::with_capacity(rules.len() + 2);
        for group in rules.chunk_by(|a, b| a.number == b.number) {
            if !is_carrier(arch, group[0].number) {
                settled.push((group[0].number, self.verdict(arch, group)?));
            }
        }
        if arch == Arch::X86 {
            for carrier in [X86_SOCKETCALL, X86_IPC] {
                let own: Vec<Rule> = of_number(&rules, carrier);
                let verdict = self.carrier(carrier, &own)?;
                if verdict != Verdict::Ask(Vec::new()) {
                    let at = settled.partition_point(|(number, _)| *number < carrier);
                    settled.insert(at, (carrier, verdict));
                }
            }
        }
        Ok(settled)
    }

    fn verdict(&self, arch: Arch, rules: &[Rule]) -> Result<Verdict> {
        if let Some(rule) = rules.iter().find(|rule| rule.when.is_none()) {
            return Ok(Verdict::Act(rule.action));
        }
        let mut level = Vec::new();
        for rule in rules {
            let conditions = rule.when.map_or(&[][..], |at| &self.pool[at]);
            insert(&mut level, conditions, rule.action).map_err(|_| {
                Error::user(format!(
                    "seccomp: rules with the same conditions want different actions \
                     for system call {} of {arch:?}",
                    rule.number
                ))
            })?;
        }
        Ok(Verdict::Ask(level))
    }

    /// What happens to `socketcall` or `ipc`: what the profile says about it
    /// by name, then what follows from the rules of the calls it carries.
    fn carrier(&mut self, carrier: u32, own: &[Rule]) -> Result<Verdict> {
        let own = self.verdict(Arch::X86, own)?;
        match own {
            Verdict::Act(action) => {
                self.note_bypassed(carrier, action);
                Ok(own)
            }
            Verdict::Ask(mut level) => {
                level.extend(self.by_way_of(carrier));
                Ok(Verdict::Ask(level))
            }
        }
    }

    fn by_way_of(&self, carrier: u32) -> Vec<Question> {
        self.subs(carrier)
            .into_iter()
            .map(|sub| (sub, self.harshest(carrier, sub)))
            .filter(|&(_, action)| action != self.default)
            .map(|(sub, action)| Question {
                condition: Condition::carries(sub),
                then: Then::Act(action),
            })
            .collect()
    }

    fn subs(&self, carrier: u32) -> Vec<u32> {
        let mut subs: Vec<u32> = self.carried(carrier).map(|c| c.sub).collect();
        subs.sort_unstable();
        subs.dedup();
        subs
    }

    fn carried(&self, carrier: u32) -> impl Iterator<Item = &Carried<'a>> {
        self.carried.iter().filter(move |c| c.carrier == carrier)
    }

    /// The action that a carried call gets when its arguments are unseen.
    fn harshest(&self, carrier: u32, sub: u32) -> u32 {
        let rules = || self.carried(carrier).filter(|c| c.sub == sub);
        if let Some(plain) = rules().find(|c| !c.conditional) {
            return plain.action;
        }
        rules()
            .map(|c| c.action)
            .chain([self.default])
            .min_by_key(|&action| action::mildness(action))
            .unwrap_or(self.default)
    }

    fn note_bypassed(&mut self, carrier: u32, action: u32) {
        for sub in self.subs(carrier) {
            if action::mildness(action) > action::mildness(self.harshest(carrier, sub)) {
                let name = self.carried(carrier).find(|c| c.sub == sub).map(|c| c.name);
                self.bypassed.extend(name.map(str::to_owned));
            }
        }
    }
}

fn of_number(rules: &[Rule], number: u32) -> Vec<Rule> {
    let from = rules.partition_point(|rule| rule.number < number);
    rules[from..]
        .iter()
        .take_while(|rule| rule.number == number)
        .copied()
        .collect()
}

/// Rules for a carrier are kept even if they want the default action: they
/// say that nothing is to be derived for it.
fn is_carrier(arch: Arch, number: u32) -> bool {
    arch == Arch::X86 && (number == X86_SOCKETCALL || number == X86_IPC)
}
