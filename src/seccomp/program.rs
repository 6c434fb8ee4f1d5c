//! Classic BPF, written back to front.
//!
//! A conditional jump reaches 255 instructions and only goes forward. Written
//! from its end, a program knows where every jump lands before the jump is
//! written, so that one too far away gets a stepping stone at once: another
//! `return`, or an unconditional jump, which reaches everywhere.

use crate::sys::seccomp::SockFilter;

const LD_W_ABS: u16 = 0x20;
const AND_K: u16 = 0x54;
const JA: u16 = 0x05;
const RET_K: u16 = 0x06;
/// The longest conditional jump.
const REACH: usize = 255;

/// Offsets in `seccomp_data`.
pub(super) const NUMBER: u32 = 0;
pub(super) const ARCH: u32 = 4;

/// Where an argument's halves are; every machine known here is little-endian.
pub(super) fn low_half(arg: u32) -> u32 {
    16 + 8 * arg
}

pub(super) fn high_half(arg: u32) -> u32 {
    low_half(arg) + 4
}

/// The jumps that compare the accumulator with a constant.
#[derive(Clone, Copy)]
pub(super) enum Jump {
    Equal = 0x15,
    Greater = 0x25,
    GreaterOrEqual = 0x35,
}

/// Somewhere to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A `return` of this value, wherever there is one.
    Return(u32),
    /// An instruction, counted from the program's end.
    Code {
        /// Its place.
        at: usize,
        /// The word it loads, if it is a load.
        loads: Option<u32>,
    },
}

impl Target {
    /// The same place for someone whose accumulator holds `word` already.
    fn with(self, word: u32) -> Self {
        match self {
            Self::Code { at, loads } if loads == Some(word) => Self::Code {
                at: at - 1,
                loads: None,
            },
            other => other,
        }
    }
}

/// A program in the making.
#[derive(Default)]
pub(super) struct Backwards {
    code: Vec<SockFilter>,
    /// The nearest `return` of each value.
    returns: Vec<(u32, usize)>,
}

impl Backwards {
    /// The program, from its first instruction on.
    pub(super) fn finish(mut self) -> Vec<SockFilter> {
        self.code.reverse();
        self.code
    }

    fn push(&mut self, code: u16, jt: usize, jf: usize, k: u32) -> usize {
        self.code.push(SockFilter {
            code,
            jt: jt as u8,
            jf: jf as u8,
            k,
        });
        self.code.len() - 1
    }

    /// Compares the accumulator and goes one way or the other.
    pub(super) fn branch(&mut self, jump: Jump, k: u32, hit: Target, miss: Target) -> Target {
        if hit == miss {
            return hit;
        }
        let miss = self.near(miss);
        let hit = self.near(hit);
        let here = self.code.len();
        let at = self.push(jump as u16, here - hit - 1, here - miss - 1, k);
        Target::Code { at, loads: None }
    }

    /// Loads a word and branches on the bits of it that `mask` keeps.
    pub(super) fn test(
        &mut self,
        (word, mask): (u32, u32),
        (jump, k): (Jump, u32),
        hit: Target,
        miss: Target,
    ) -> Target {
        let (hit, miss) = if mask == u32::MAX {
            (hit.with(word), miss.with(word))
        } else {
            (hit, miss)
        };
        if hit == miss {
            return hit;
        }
        self.branch(jump, k, hit, miss);
        if mask != u32::MAX {
            self.push(AND_K, 0, 0, mask);
        }
        self.load(word)
    }

    /// Loads a word and goes on with what was written last.
    pub(super) fn load(&mut self, word: u32) -> Target {
        let at = self.push(LD_W_ABS, 0, 0, word);
        Target::Code {
            at,
            loads: Some(word),
        }
    }

    /// Makes `target` what follows: the next instruction leads there.
    pub(super) fn lead_to(&mut self, target: Target) {
        match target {
            Target::Return(value) => {
                self.push_return(value);
            }
            Target::Code { at, .. } if at + 1 == self.code.len() => {}
            Target::Code { at, .. } => {
                self.push_jump(at);
            }
        }
    }

    /// A place that leads to `target` and can be jumped to from here, even if
    /// one more instruction comes first.
    fn near(&mut self, target: Target) -> usize {
        let reachable = |at: &usize| self.code.len() - at <= REACH;
        match target {
            Target::Return(value) => {
                let nearest = self.returns.iter().find(|r| r.0 == value).map(|r| r.1);
                match nearest.filter(reachable) {
                    Some(at) => at,
                    None => self.push_return(value),
                }
            }
            Target::Code { at, .. } if reachable(&at) => at,
            Target::Code { at, .. } => self.push_jump(at),
        }
    }

    fn push_return(&mut self, value: u32) -> usize {
        let at = self.push(RET_K, 0, 0, value);
        match self.returns.iter_mut().find(|r| r.0 == value) {
            Some(known) => known.1 = at,
            None => self.returns.push((value, at)),
        }
        at
    }

    fn push_jump(&mut self, to: usize) -> usize {
        let over = self.code.len() - to - 1;
        self.push(JA, 0, 0, over as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::super::interpreter::{Data, run};
    use super::*;

    fn data(number: u32) -> Data {
        Data {
            number,
            arch: 0,
            args: [0; 6],
        }
    }

    /// A hundred times "not n, and not m": long enough to need stones.
    #[test]
    fn jumps_beyond_the_reach_land_all_the_same() {
        let mut code = Backwards::default();
        let far = code.branch(Jump::Equal, 7, Target::Return(7), Target::Return(8));
        let mut next = Target::Return(1);
        for n in 1000..1400 {
            next = code.branch(Jump::Equal, n, far, next);
        }
        code.load(NUMBER);
        let program = code.finish();
        for n in 1000..1400 {
            assert_eq!(run(&program, &data(n)), 8, "{n}");
        }
        assert_eq!(run(&program, &data(999)), 1);
        assert!(program.iter().any(|i| i.code == JA));
    }

    #[test]
    fn a_word_that_is_loaded_is_not_loaded_again() {
        let mut code = Backwards::default();
        let word = (low_half(0), u32::MAX);
        let mut next = Target::Return(0);
        for n in 0..5 {
            next = code.test(word, (Jump::Equal, n), Target::Return(n + 1), next);
        }
        let loads = code.finish();
        let loads = loads.iter().filter(|i| i.code == LD_W_ABS).count();
        assert_eq!(loads, 5);
    }

    #[test]
    fn a_question_with_one_answer_is_not_asked() {
        let mut code = Backwards::default();
        let yes = Target::Return(1);
        assert_eq!(code.branch(Jump::Equal, 3, yes, yes), yes);
        assert!(code.finish().is_empty());
    }
}
