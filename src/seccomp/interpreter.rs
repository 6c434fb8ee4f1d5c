//! Classic BPF as the kernel runs it, for tests.

use super::SockFilter;

/// `struct seccomp_data`, without the instruction pointer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Data {
    pub(super) number: u32,
    pub(super) arch: u32,
    pub(super) args: [u64; 6],
}

impl Data {
    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.arch,
            8 | 12 => 0,
            _ => {
                let arg = self.args[(offset as usize - 16) / 8];
                (arg >> (8 * (offset % 8))) as u32
            }
        }
    }
}

/// The program's answer, and a panic where the kernel would refuse to load it.
pub(super) fn run(program: &[SockFilter], data: &Data) -> u32 {
    trace(program, data).0
}

/// The answer, and after how many instructions it came.
pub(super) fn trace(program: &[SockFilter], data: &Data) -> (u32, usize) {
    let (mut at, mut a, mut steps) = (0, 0u32, 0);
    loop {
        let i = program[at];
        steps += 1;
        at += 1;
        let jump = |holds: bool| usize::from(if holds { i.jt } else { i.jf });
        match i.code {
            0x20 => {
                assert!(i.k.is_multiple_of(4) && i.k < 64, "load of {}", i.k);
                a = data.word(i.k);
            }
            0x54 => a &= i.k,
            0x05 => at += i.k as usize,
            0x15 => at += jump(a == i.k),
            0x25 => at += jump(a > i.k),
            0x35 => at += jump(a >= i.k),
            0x06 => return (i.k, steps),
            code => panic!("instruction {code:#x} at {}", at - 1),
        }
    }
}
