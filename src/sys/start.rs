//! The very first instructions, before the C library is there.
//!
//! Whoever makes containers executes itself once more through a read-only view
//! of its binary ([`crate::run::protect_own_binary`] says why). All that a
//! program does on the way to `main` would be done twice: setting right some
//! thousand addresses, and asking the processor what it can do, which on a
//! virtual machine takes a quarter of a millisecond. So the linker is told
//! (`build.rs`) to let the program begin here, where the usual case is eight
//! system calls.
//!
//! Nothing relies on it. What is not understood here, or fails, goes on to
//! where programs usually begin; and that its binary is safe every process
//! finds out for itself, later. So this may be wrong about what was typed.
//!
//! No address in the program's data has been set right yet, and there is no
//! memory to allocate, no thread-local variable, and no function of a library,
//! not even of Rust's own: an unoptimised program finds those by addresses in
//! its data. What there is are numbers, of which some are addresses, and
//! system calls. So all of this is one function in the end, words are compared
//! as numbers, and memory is read by hand.

#![allow(
    clippy::inline_always,
    clippy::cast_lossless,
    reason = "without it these would be calls of functions, as `From` is"
)]

use super::raw::{byte, call, word_at};

/// A word of up to sixteen bytes.
type Word = u128;

const fn word(text: &str) -> Word {
    let bytes = text.as_bytes();
    let mut word = [0; 16];
    let mut at = 0;
    while at < bytes.len() {
        word[at] = bytes[at];
        at += 1;
    }
    Word::from_le_bytes(word)
}

const RCON: Word = word("rcon");
const POINTER: usize = 8;

/// Where the program begins: the kernel has left the number of arguments, the
/// arguments and the environment on the stack.
///
/// # Safety
///
/// To be called by nobody.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn rcon_start() -> ! {
    // The C library's beginning is given all registers it looks at as they
    // were: it reads `rsp` and `rdx`.
    std::arch::naked_asm!(
        "mov rbx, rsp",
        "mov r12, rdx",
        "mov rdi, rsp",
        "call {before}",
        "mov rsp, rbx",
        "mov rdx, r12",
        "jmp _start",
        before = sym before,
    )
}

/// Returns where there is nothing to do, or where it could not be done.
///
/// # Safety
///
/// `stack` is as the kernel leaves it for a new program: a count, so many
/// arguments, a null, the environment, and a null.
unsafe extern "C" fn before(stack: usize) {
    // SAFETY: that is what is read.
    unsafe {
        let args = stack + POINTER;
        if makes_processes(args) {
            let count = word_at(stack);
            execute_view(args, args + (count + 1) * POINTER);
        }
    }
}

/// Whether the command is one of those that execute rcon again.
///
/// # Safety
///
/// At `args` are addresses of strings that end with a NUL, and a null behind
/// the last.
#[inline(always)]
unsafe fn makes_processes(args: usize) -> bool {
    // SAFETY: passed on; and nothing behind the null is read.
    unsafe {
        let own = word_at(args);
        if own == 0 {
            return false;
        }
        let name = read(last_part(own));
        let first = args + POINTER;
        if name == const { word("runc") } || name == const { word("rcon-oci") } {
            return is_ocis(command_word(first));
        }
        if name != RCON || word_at(first) == 0 {
            return false;
        }
        if read(word_at(first)) == const { word("oci") } {
            return is_ocis(command_word(first + POINTER));
        }
        is_ours(command_word(first))
    }
}

#[inline(always)]
fn is_ours(command: Word) -> bool {
    command == const { word("run") }
        || command == const { word("exec") }
        || command == const { word("start") }
        || command == const { word("restart") }
}

#[inline(always)]
fn is_ocis(command: Word) -> bool {
    command == const { word("create") }
        || command == const { word("run") }
        || command == const { word("exec") }
}

/// The first word that is no flag, nor the value of one that stands in front
/// of commands.
///
/// # Safety
///
/// As of [`makes_processes`].
#[inline(always)]
unsafe fn command_word(mut at: usize) -> Word {
    // SAFETY: passed on; the null ends it.
    unsafe {
        loop {
            if word_at(at) == 0 {
                return 0;
            }
            let arg = read(word_at(at));
            at += POINTER;
            if takes_a_value(arg) {
                if word_at(at) == 0 {
                    return 0;
                }
                at += POINTER;
            } else if arg as u8 != b'-' && arg != const { word("container") } {
                return arg;
            }
        }
    }
}

#[inline(always)]
fn takes_a_value(flag: Word) -> bool {
    flag == const { word("--root") }
        || flag == const { word("--run-root") }
        || flag == const { word("--log") }
        || flag == const { word("--log-format") }
}

/// What stands behind the last slash.
///
/// # Safety
///
/// At `string` is one that ends with a NUL.
#[inline(always)]
unsafe fn last_part(string: usize) -> usize {
    let (mut at, mut last) = (string, string);
    loop {
        // SAFETY: nothing behind the NUL is read.
        let byte = unsafe { byte(at) };
        if byte == 0 {
            return last;
        }
        at += 1;
        if byte == b'/' {
            last = at;
        }
    }
}

/// The first bytes of a string. A longer one than fits is no word that is
/// known here: those all have zeroes at their end.
///
/// # Safety
///
/// At `string` is one that ends with a NUL.
#[inline(always)]
unsafe fn read(string: usize) -> Word {
    let mut word = 0;
    let mut at = 0;
    while at < 16 {
        // SAFETY: nothing behind the NUL is read.
        let byte = unsafe { byte(string + at) };
        if byte == 0 {
            break;
        }
        word |= (byte as Word) << (8 * at);
        at += 1;
    }
    word
}

/// `struct mount_attr`.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// Executes this program through a view of it that nobody can write to, unless
/// it is such a view already. Returns with nothing left open.
///
/// # Safety
///
/// At both places is what `execve` takes.
#[inline(always)]
unsafe fn execute_view(args: usize, env: usize) {
    const ITSELF: usize = libc::AT_EMPTY_PATH as usize;
    const COPY: usize = (libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC) as usize | ITSELF;
    const SIZE: usize = size_of::<MountAttr>();
    let empty = 0_u8;
    let empty = &raw const empty as usize;
    let change = MountAttr {
        set: libc::MOUNT_ATTR_RDONLY,
        clear: 0,
        propagation: 0,
        userns: 0,
    };
    let change = &raw const change as usize;
    // SAFETY: all addresses are of what the kernel expects there, on this very
    // stack, and the descriptors are ours.
    unsafe {
        let own = open(const { word("/proc/self/exe") });
        if own < 0 || is_read_only(own) {
            return close(own);
        }
        let view = call(libc::SYS_open_tree, own as usize, empty, COPY, 0, 0);
        close(own);
        let set = libc::SYS_mount_setattr;
        if view < 0 || call(set, view as usize, empty, ITSELF, change, SIZE) < 0 {
            return close(view);
        }
        let file = reopen(view);
        close(view);
        if file >= 0 {
            call(libc::SYS_execveat, file as usize, empty, args, env, ITSELF);
            close(file);
        }
    }
}

/// Whether a file can only be read where it is, whoever opens it.
///
/// # Safety
///
/// `file` is a descriptor.
#[inline(always)]
unsafe fn is_read_only(file: isize) -> bool {
    // `struct statfs`, whose flags `libc` has no name for.
    const FLAGS: usize = 10 * size_of::<u64>();
    let mut room = std::mem::MaybeUninit::<[u64; 15]>::uninit();
    let place = &raw mut room as usize;
    // SAFETY: the kernel fills it, or says that it has not.
    unsafe {
        let done = call(libc::SYS_fstatfs, file as usize, place, 0, 0, 0);
        done == 0 && word_at(place + FLAGS) & libc::ST_RDONLY as usize != 0
    }
}

/// Opens, for reading, what an `O_PATH` descriptor stands for.
///
/// # Safety
///
/// `file` is a descriptor.
#[inline(always)]
unsafe fn reopen(file: isize) -> isize {
    const PREFIX: Word = word("/proc/self/fd/");
    const BITS: u32 = 8 * "/proc/self/fd/".len() as u32;
    const ZERO: usize = b'0' as usize;
    let n = file as usize;
    // There are few open yet; otherwise it is done later.
    let number = if n < 10 {
        ZERO + n
    } else if n < 100 {
        (ZERO + n / 10) | (ZERO + n % 10) << 8
    } else {
        return -1;
    };
    // SAFETY: passed on.
    unsafe { open(PREFIX | (number as Word) << BITS) }
}

/// Sixteen bytes, and a NUL behind them.
#[repr(C)]
struct Path {
    bytes: Word,
    end: u64,
}

/// # Safety
///
/// None; it is a system call all the same.
#[inline(always)]
unsafe fn open(path: Word) -> isize {
    const HERE: usize = libc::AT_FDCWD as usize;
    const FLAGS: usize = (libc::O_RDONLY | libc::O_CLOEXEC) as usize;
    let path = Path {
        bytes: path,
        end: 0,
    };
    let path = &raw const path as usize;
    // SAFETY: the path ends with a NUL.
    unsafe { call(libc::SYS_openat, HERE, path, FLAGS, 0, 0) }
}

/// Closes a descriptor, if it is one.
///
/// # Safety
///
/// Nobody else has it.
#[inline(always)]
unsafe fn close(file: isize) {
    if file >= 0 {
        // SAFETY: the caller says so.
        unsafe { call(libc::SYS_close, file as usize, 0, 0, 0, 0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;

    fn makes(line: &str) -> bool {
        let args: Vec<CString> = line.split(' ').map(|a| CString::new(a).unwrap()).collect();
        let mut pointers: Vec<*const u8> = args.iter().map(|a| a.as_ptr().cast()).collect();
        pointers.push(std::ptr::null());
        // SAFETY: strings with a NUL at their end, and a null behind them.
        unsafe { makes_processes(pointers.as_ptr() as usize) }
    }

    #[test]
    fn who_makes_processes_is_known_by_the_first_words() {
        for line in [
            "rcon run img",
            "/usr/local/bin/rcon --root run exec box true",
            "./rcon --root=/x container start box",
            "rcon container --run-root ps restart box",
            "rcon oci --root /x --log /y --log-format json create --bundle . id",
            "/usr/bin/runc --log=/y exec id true",
            "rcon-oci run id",
        ] {
            assert!(makes(line), "{line}");
        }
        for line in [
            "rcon",
            "rcon ps run",
            "rcon --root run",
            "rcon --root",
            "rcon oci",
            "rcon oci state run",
            "rcon runrunrunrunrunrun",
            "rcon create run",
            "rcon-init run",
            "hello run",
            "/rcon/hello run",
        ] {
            assert!(!makes(line), "{line}");
        }
    }

    #[test]
    fn a_descriptor_is_opened_again_by_its_number() {
        let (file, _) = std::io::pipe().unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&file) as isize;
        // SAFETY: it is open, and what comes back is ours.
        unsafe {
            let again = reopen(number);
            assert!(again >= 0 && again != number, "{again}");
            close(again);
            assert_eq!(reopen(12345), -1);
            assert!(!is_read_only(number));
        }
    }
}
