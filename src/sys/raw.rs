//! System calls without the C library, for where it is not there yet or had
//! better stay where it is.

#![allow(
    clippy::inline_always,
    reason = "a call of a function would go somewhere else"
)]

use std::arch::asm;

/// A system call; a negative number is an error's.
///
/// # Safety
///
/// That call's own conditions.
#[inline(always)]
pub(super) unsafe fn call(
    number: libc::c_long,
    first: usize,
    second: usize,
    third: usize,
    fourth: usize,
    fifth: usize,
) -> isize {
    let result: isize;
    // SAFETY: so the kernel is called on this machine: it changes these
    // registers, and memory that the arguments point to.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") first,
            in("rsi") second,
            in("rdx") third,
            in("r10") fourth,
            in("r8") fifth,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// The byte at an address.
///
/// # Safety
///
/// There is one.
#[inline(always)]
pub(super) unsafe fn byte(at: usize) -> u8 {
    let byte: u32;
    // SAFETY: the caller says so.
    unsafe {
        asm!(
            "movzx {byte:e}, byte ptr [{at}]",
            at = in(reg) at,
            byte = lateout(reg) byte,
            options(nostack, readonly, preserves_flags),
        );
    }
    byte as u8
}

/// The eight bytes at an address.
///
/// # Safety
///
/// There are as many, and the address is a multiple of eight.
#[inline(always)]
pub(super) unsafe fn word_at(at: usize) -> usize {
    let word: usize;
    // SAFETY: the caller says so.
    unsafe {
        asm!(
            "mov {word}, qword ptr [{at}]",
            at = in(reg) at,
            word = lateout(reg) word,
            options(nostack, readonly, preserves_flags),
        );
    }
    word
}
