//! What `ps` shows of a process: a short name, and the line it was started
//! with.
//!
//! A process that outlives the command that made it would go on showing that
//! command's line, to everybody on the machine, with the value of every `-e` in
//! it. So it shows something else, in the same place.

use std::ffi::{CStr, c_char, c_int};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{SysResult, identity};

/// Where the words of the line are, one behind the other, and how many bytes
/// that is; nothing, where they are not in a row.
static START: AtomicUsize = AtomicUsize::new(0);
static LENGTH: AtomicUsize = AtomicUsize::new(0);

/// The C library calls what stands in this section with the arguments of
/// `main`, before that. Others than GNU's do not hand them over.
#[cfg(target_env = "gnu")]
#[used]
#[unsafe(link_section = ".init_array.01000")]
static AT_START: extern "C" fn(c_int, *const *const c_char) = remember;

#[cfg_attr(not(target_env = "gnu"), allow(dead_code, reason = "nobody calls it"))]
extern "C" fn remember(count: c_int, words: *const *const c_char) {
    let mut end = 0;
    for n in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: there are `count` words, each ended by a NUL, for as long as
        // the process lives.
        let (at, length) = unsafe {
            let word = *words.add(n);
            (word as usize, CStr::from_ptr(word).count_bytes() + 1)
        };
        if n == 0 {
            START.store(at, Ordering::Relaxed);
        } else if at != end {
            return;
        }
        end = at + length;
    }
    LENGTH.store(end - START.load(Ordering::Relaxed), Ordering::Relaxed);
}

/// Shows `name` as the name, and `name` and `more` in place of the line, as far
/// as there is room. Whoever asks for the arguments after that finds this.
pub fn set(name: &CStr, more: &str) -> SysResult<()> {
    let length = LENGTH.load(Ordering::Relaxed);
    if length > 0 {
        let start = START.load(Ordering::Relaxed) as *mut u8;
        let line = [name.to_bytes(), b" ", more.as_bytes()].concat();
        let shown = line.len().min(length - 1);
        // SAFETY: so many bytes are the words of the line, which nobody else
        // changes; the last one stays a NUL.
        unsafe {
            std::ptr::write_bytes(start, 0, length);
            std::ptr::copy_nonoverlapping(line.as_ptr(), start, shown);
        }
    }
    identity::set_name(name)
}
