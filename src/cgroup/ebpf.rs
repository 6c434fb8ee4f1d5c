//! A device list as an eBPF program, for cgroup v2.
//!
//! The kernel runs the program at every open and mknod of a device node by a
//! process in the cgroup, with a `bpf_cgroup_dev_ctx`: access and type packed
//! in one word, then major and minor. The answer in R0 is 1 for yes.
//!
//! The program is one block for each exception, jumped out of as soon as
//! something does not match, and the default at the end:
//!
//! ```text
//!     r2 = type, r3 = access, r4 = major, r5 = minor
//!   block:
//!     if r2 != type goto next
//!     r1 = r3; r1 &= access; if r1 != r3 goto next   (the default is to deny)
//!     if r4 != major goto next
//!     if r5 != minor goto next
//!     return allow
//!   next: …
//!     return the default
//! ```
//!
//! An exception under a denying default must cover all of the access that is
//! asked; under an allowing default touching some of it is enough. That is
//! how the v1 controller compares, too.

use super::devices::{DeviceList, Kind, MKNOD, READ, Scope, WRITE};

const BPF_DEVCG_DEV_BLOCK: i32 = 1;
const BPF_DEVCG_DEV_CHAR: i32 = 2;

/// `dev_t` has 12 bits of major and 20 of minor: a rule about more matches
/// nothing, and would not fit a signed immediate.
const MAX_MAJOR: u32 = 0xfff;
const MAX_MINOR: u32 = 0xf_ffff;

/// Instruction codes: class, operation and operand kind in one byte.
mod op {
    pub(super) const LOAD_WORD: u8 = 0x61; // dst = *(u32 *)(src + off)
    pub(super) const AND_IMM: u8 = 0x54; // (u32) dst &= imm
    pub(super) const SHIFT_RIGHT_IMM: u8 = 0x74; // (u32) dst >>= imm
    pub(super) const MOVE: u8 = 0xbc; // (u32) dst = src
    pub(super) const MOVE_IMM: u8 = 0xb4; // (u32) dst = imm
    pub(super) const JUMP_EQ_IMM: u8 = 0x15; // if dst == imm, skip off
    pub(super) const JUMP_NE_IMM: u8 = 0x55; // if dst != imm, skip off
    pub(super) const JUMP_NE: u8 = 0x5d; // if dst != src, skip off
    pub(super) const EXIT: u8 = 0x95; // return r0
}

/// One eBPF instruction, laid out as the kernel reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insn {
    /// What to do.
    pub code: u8,
    /// Destination register.
    pub dst: u8,
    /// Source register.
    pub src: u8,
    /// Jump distance or memory offset.
    pub off: i16,
    /// Constant.
    pub imm: i32,
}

impl Insn {
    const fn new(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Self {
        Self {
            code,
            dst,
            src,
            off,
            imm,
        }
    }

    /// The eight bytes, in this machine's byte order.
    pub fn encode(self) -> [u8; 8] {
        let registers = if cfg!(target_endian = "little") {
            self.src << 4 | self.dst
        } else {
            self.dst << 4 | self.src
        };
        let mut out = [self.code, registers, 0, 0, 0, 0, 0, 0];
        out[2..4].copy_from_slice(&self.off.to_ne_bytes());
        out[4..].copy_from_slice(&self.imm.to_ne_bytes());
        out
    }
}

/// Compiles `list`; the program always ends, as it only jumps forward.
pub fn program(list: &DeviceList) -> Vec<Insn> {
    let mut out = vec![
        Insn::new(op::LOAD_WORD, 2, 1, 0, 0),
        Insn::new(op::MOVE, 3, 2, 0, 0),
        Insn::new(op::AND_IMM, 2, 0, 0, 0xffff),
        Insn::new(op::SHIFT_RIGHT_IMM, 3, 0, 0, 16),
        Insn::new(op::LOAD_WORD, 4, 1, 4, 0),
        Insn::new(op::LOAD_WORD, 5, 1, 8, 0),
    ];
    for (scope, access) in &list.exceptions {
        out.extend(block(*scope, *access, !list.default_allow));
    }
    out.extend(answer(list.default_allow));
    out
}

fn block(scope: Scope, access: u8, allow: bool) -> Vec<Insn> {
    if scope.major.is_some_and(|m| m > MAX_MAJOR) || scope.minor.is_some_and(|m| m > MAX_MINOR) {
        return Vec::new();
    }
    let kind = match scope.kind {
        Kind::Block => BPF_DEVCG_DEV_BLOCK,
        Kind::Char => BPF_DEVCG_DEV_CHAR,
    };
    let mut out = vec![Insn::new(op::JUMP_NE_IMM, 2, 0, 0, kind)];
    out.extend(access_test(access, allow));
    for (register, number) in [(4, scope.major), (5, scope.minor)] {
        if let Some(n) = number {
            out.push(Insn::new(op::JUMP_NE_IMM, register, 0, 0, n as i32));
        }
    }
    let end = out.len() + 2;
    for (at, insn) in out.iter_mut().enumerate() {
        if matches!(insn.code, op::JUMP_NE_IMM | op::JUMP_NE | op::JUMP_EQ_IMM) {
            insn.off = (end - at - 1) as i16;
        }
    }
    out.extend(answer(allow));
    out
}

fn access_test(access: u8, allow: bool) -> Vec<Insn> {
    let masked = [
        Insn::new(op::MOVE, 1, 3, 0, 0),
        Insn::new(op::AND_IMM, 1, 0, 0, i32::from(access)),
    ];
    match allow {
        true if access == READ | WRITE | MKNOD => Vec::new(),
        true => [&masked[..], &[Insn::new(op::JUMP_NE, 1, 3, 0, 0)]].concat(),
        false => [&masked[..], &[Insn::new(op::JUMP_EQ_IMM, 1, 0, 0, 0)]].concat(),
    }
}

fn answer(allow: bool) -> [Insn; 2] {
    [
        Insn::new(op::MOVE_IMM, 0, 0, 0, i32::from(allow)),
        Insn::new(op::EXIT, 0, 0, 0, 0),
    ]
}

#[cfg(test)]
mod tests;
