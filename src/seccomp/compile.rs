//! From a settled profile to a program.
//!
//! The program looks at the ABI, then searches the number among ranges that
//! share a fate, then asks about arguments where a rule does. The ranges of
//! Docker's profile are found in eight comparisons; and what is always allowed
//! costs none at all on Linux 5.11 and later, which keeps such answers in a
//! bitmap.

use super::action::KILL_THREAD;
use super::arch::{Arch, X32_BIT};
use super::condition::{Condition, Question, Test, Then};
use super::program::{ARCH, Backwards, Jump, NUMBER, Target, high_half, low_half};
use super::rules::Verdict;
use crate::sys::seccomp::SockFilter;

/// What one ABI does.
pub(super) struct Table {
    pub(super) arch: Arch,
    /// Calls with a fate of their own, by number.
    pub(super) calls: Vec<(u32, Verdict)>,
    /// The largest number that the profile knows, and what numbers beyond it
    /// get.
    pub(super) beyond: Option<(u32, u32)>,
}

/// The fate of the numbers from `from` on.
struct Range<'a> {
    from: u32,
    fate: Fate<'a>,
}

#[derive(Clone, Copy, PartialEq)]
enum Fate<'a> {
    Act(u32),
    Ask(&'a [Question]),
}

/// Writes the program; the first table is the native ABI's.
pub(super) fn program(tables: &[Table], default: u32) -> Vec<SockFilter> {
    let mut code = Backwards::default();
    // One search for each value of `seccomp_data.arch`; x32 shares x86-64's.
    let searches: Vec<&Table> = tables
        .iter()
        .enumerate()
        .filter(|(i, t)| {
            tables[..*i]
                .iter()
                .all(|u| u.arch.audit() != t.arch.audit())
        })
        .map(|(_, table)| table)
        .collect();
    let mut next = Target::Return(KILL_THREAD);
    // Back to front: the native ABI's search is written last, to be nearest.
    let starts: Vec<Target> = searches
        .iter()
        .rev()
        .map(|table| search_for(&mut code, table.arch, tables, default))
        .collect();
    for (table, start) in searches.iter().rev().zip(starts) {
        next = code.branch(Jump::Equal, table.arch.audit(), start, next);
    }
    code.lead_to(next);
    code.load(ARCH);
    code.finish()
}

/// The search among the numbers of `arch` and of what shares its value.
fn search_for(code: &mut Backwards, arch: Arch, tables: &[Table], default: u32) -> Target {
    let ranges = ranges(arch, tables, default);
    let writer = &mut Writer {
        code,
        default,
        narrow: arch.has_32_bit_registers(),
    };
    let start = writer.search(&ranges);
    writer.code.lead_to(start);
    writer.code.load(NUMBER)
}

fn ranges(arch: Arch, tables: &[Table], default: u32) -> Vec<Range<'_>> {
    let table = |arch| tables.iter().find(|table| table.arch == arch);
    let mut ranges = Vec::new();
    if !matches!(arch, Arch::X86_64 | Arch::X32) {
        fill(&mut ranges, 0, table(arch), default);
        return ranges;
    }
    // An ABI that is not listed ends the caller, and x32 is one.
    fill(&mut ranges, 0, table(Arch::X86_64), default);
    fill(&mut ranges, X32_BIT, table(Arch::X32), default);
    // -1 is no x32 call: a tracer puts it there to have a call skipped.
    let none = table(Arch::X86_64).and_then(|table| table.beyond);
    let none = none.map_or(default, |(_, action)| action);
    push(&mut ranges, u32::MAX, Fate::Act(none));
    ranges
}

fn fill<'a>(ranges: &mut Vec<Range<'a>>, from: u32, table: Option<&'a Table>, default: u32) {
    let Some(table) = table else {
        push(ranges, from, Fate::Act(KILL_THREAD));
        return;
    };
    push(ranges, from, Fate::Act(default));
    for (number, verdict) in &table.calls {
        let fate = match verdict {
            Verdict::Act(action) => Fate::Act(*action),
            Verdict::Ask(level) => Fate::Ask(level),
        };
        push(ranges, *number, fate);
        push(ranges, number + 1, Fate::Act(default));
    }
    if let Some((largest, action)) = table.beyond {
        push(ranges, largest + 1, Fate::Act(action));
    }
}

/// Lets `fate` begin at `from`, which is no smaller than any start before it.
fn push<'a>(ranges: &mut Vec<Range<'a>>, from: u32, fate: Fate<'a>) {
    debug_assert!(ranges.last().is_none_or(|last| last.from <= from));
    if ranges.last().is_some_and(|last| last.from == from) {
        ranges.pop();
    }
    if ranges.last().is_none_or(|last| last.fate != fate) {
        ranges.push(Range { from, fate });
    }
}

struct Writer<'c> {
    code: &'c mut Backwards,
    default: u32,
    narrow: bool,
}

impl Writer<'_> {
    /// Finds the range that the number is in; the accumulator holds it.
    fn search(&mut self, ranges: &[Range<'_>]) -> Target {
        match ranges {
            [] => Target::Return(self.default),
            [only] => self.fate(only.fate),
            // One number among others: equality says it in one question.
            [before, one, after] if before.fate == after.fate && one.from + 1 == after.from => {
                let others = self.fate(before.fate);
                let one_fate = self.fate(one.fate);
                self.code.branch(Jump::Equal, one.from, one_fate, others)
            }
            _ => {
                let middle = ranges.len() / 2;
                let upper = self.search(&ranges[middle..]);
                let lower = self.search(&ranges[..middle]);
                let from = ranges[middle].from;
                self.code.branch(Jump::GreaterOrEqual, from, upper, lower)
            }
        }
    }

    fn fate(&mut self, fate: Fate<'_>) -> Target {
        match fate {
            Fate::Act(action) => Target::Return(action),
            Fate::Ask(level) => self.questions(level, Target::Return(self.default)),
        }
    }

    fn questions(&mut self, level: &[Question], mut next: Target) -> Target {
        for question in level.iter().rev() {
            let hit = match &question.then {
                Then::Act(action) => Target::Return(*action),
                Then::Ask(inner) => self.questions(inner, next),
            };
            next = self.condition(&question.condition, hit, next);
        }
        next
    }

    fn condition(&mut self, c: &Condition, hit: Target, miss: Target) -> Target {
        let (hit, miss) = if c.negated { (miss, hit) } else { (hit, miss) };
        let (mask, value) = ((c.mask >> 32) as u32, (c.value >> 32) as u32);
        let low = self.low_half(c, hit, miss);
        if c.low_half_decides(self.narrow) || mask == 0 {
            return low;
        }
        let high = (high_half(c.arg), mask);
        let low = match c.test {
            Test::Equal => return self.code.test(high, (Jump::Equal, value), low, miss),
            Test::Greater | Test::GreaterOrEqual => self.code.branch(Jump::Equal, value, low, miss),
        };
        self.code.test(high, (Jump::Greater, value), hit, low)
    }

    fn low_half(&mut self, c: &Condition, hit: Target, miss: Target) -> Target {
        let jump = match c.test {
            Test::Equal => Jump::Equal,
            Test::Greater => Jump::Greater,
            Test::GreaterOrEqual => Jump::GreaterOrEqual,
        };
        let word = (low_half(c.arg), c.mask as u32);
        self.code.test(word, (jump, c.value as u32), hit, miss)
    }
}
