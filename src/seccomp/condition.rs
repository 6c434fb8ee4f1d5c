//! One comparison of an argument, and how a rule's comparisons are read.

use oci_spec::runtime::{LinuxSeccompArg, LinuxSeccompOperator as Op};

use crate::error::{Error, Result};

const MAX_ARGS: usize = 6;

/// What a filter can ask of a number; the other comparisons are these, turned
/// round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    Equal,
    Greater,
    GreaterOrEqual,
}

/// `(argument & mask) test value`, or its opposite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) arg: u32,
    pub(super) test: Test,
    pub(super) negated: bool,
    pub(super) mask: u64,
    pub(super) value: u64,
    /// The kernel uses the low half of this argument only.
    pub(super) narrow: bool,
}

impl Condition {
    fn new(arg: &LinuxSeccompArg, narrow: u8) -> Result<Self> {
        let index = arg.index();
        if index >= MAX_ARGS {
            return Err(Error::user(format!(
                "seccomp: a rule compares argument {index}, but a system call has 0 to 5"
            )));
        }
        let (test, negated) = match arg.op() {
            Op::ScmpCmpEq | Op::ScmpCmpMaskedEq => (Test::Equal, false),
            Op::ScmpCmpNe => (Test::Equal, true),
            Op::ScmpCmpGe => (Test::GreaterOrEqual, false),
            Op::ScmpCmpLt => (Test::GreaterOrEqual, true),
            Op::ScmpCmpGt => (Test::Greater, false),
            Op::ScmpCmpLe => (Test::Greater, true),
        };
        let (mask, value) = match arg.op() {
            // The mask cuts both sides, as in libseccomp.
            Op::ScmpCmpMaskedEq => (arg.value(), arg.value_two().unwrap_or(0) & arg.value()),
            _ => (u64::MAX, arg.value()),
        };
        Ok(Self {
            arg: index as u32,
            test,
            negated,
            mask,
            value,
            narrow: narrow & (1 << index) != 0,
        })
    }

    /// The carrier's own number must be `sub`. The kernel lets a caller put a
    /// version above the low 16 bits of the number that `ipc` takes.
    pub(super) fn carries(sub: u32) -> Self {
        Self {
            arg: 0,
            test: Test::Equal,
            negated: false,
            mask: 0xffff,
            value: u64::from(sub),
            narrow: true,
        }
    }

    /// Whether looking at the low 32 bits is enough, and right.
    ///
    /// Right, because the kernel drops the high half of such an argument: a
    /// program can put anything there, and a filter that compared it would
    /// be talked into "not 38" by 38 with a bit set that nobody reads. An
    /// author who wrote a small negative number means its low half, too.
    pub(super) fn low_half_decides(&self, registers_are_32_bit: bool) -> bool {
        let high = (self.value >> 32) as u32;
        let sign_extended = self.test == Test::Equal && high == (self.mask >> 32) as u32;
        (self.narrow || registers_are_32_bit) && (high == 0 || sign_extended)
    }

    /// Of two conditions on one level, the one with the higher rank is asked
    /// first: libseccomp's order, so that overlapping rules end the same way.
    pub(super) fn rank(&self) -> (u32, u8, u64) {
        match (self.test, self.negated) {
            (Test::Equal, _) => (self.arg, 3, self.value),
            (_, true) => (self.arg, 2, !self.value),
            (_, false) => (self.arg, 1, self.value),
        }
    }
}

/// The ways in which a rule's comparisons can all hold.
///
/// They must hold together, unless one argument is compared twice: then each
/// comparison is a way of its own. That is runc's reading; profiles rely on
/// it.
pub(super) fn alternatives(args: &[LinuxSeccompArg], narrow: u8) -> Result<Vec<Vec<Condition>>> {
    let mut all = args
        .iter()
        .map(|arg| Condition::new(arg, narrow))
        .collect::<Result<Vec<_>>>()?;
    let seen = all.iter().fold(0u8, |seen, c| seen | 1 << c.arg);
    if (seen.count_ones() as usize) < all.len() {
        return Ok(all.into_iter().map(|c| vec![c]).collect());
    }
    all.sort_by_key(|c| c.arg);
    Ok(vec![all])
}

/// What a rule does once its conditions hold up to here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Then {
    /// Answer.
    Act(u32),
    /// Ask these, in order; where none holds, go on after this one.
    Ask(Vec<Question>),
}

/// A condition and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) condition: Condition,
    pub(super) then: Then,
}

impl Question {
    fn chain(first: Condition, rest: &[Condition], action: u32) -> Self {
        let then = match rest.split_first() {
            None => Then::Act(action),
            Some((next, rest)) => Then::Ask(vec![Self::chain(*next, rest, action)]),
        };
        Self {
            condition: first,
            then,
        }
    }
}

/// Two rules with the same conditions want different things.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conflict;

/// Adds a rule to the questions asked about a call.
pub(super) fn insert(
    level: &mut Vec<Question>,
    conditions: &[Condition],
    action: u32,
) -> std::result::Result<(), Conflict> {
    let Some((first, rest)) = conditions.split_first() else {
        return Ok(());
    };
    let Some(same) = level.iter_mut().find(|q| q.condition == *first) else {
        let at = level.partition_point(|q| q.condition.rank() >= first.rank());
        level.insert(at, Question::chain(*first, rest, action));
        return Ok(());
    };
    match (&mut same.then, rest.is_empty()) {
        (Then::Act(old), true) if *old != action => Err(Conflict),
        // A rule that asks less already answers.
        (Then::Act(_), _) => Ok(()),
        (Then::Ask(next), false) => insert(next, rest, action),
        (Then::Ask(next), true) if all_are(next, action) => {
            same.then = Then::Act(action);
            Ok(())
        }
        (Then::Ask(_), true) => Err(Conflict),
    }
}

fn all_are(level: &[Question], action: u32) -> bool {
    level.iter().all(|q| match &q.then {
        Then::Act(old) => *old == action,
        Then::Ask(next) => all_are(next, action),
    })
}
