//! An older kernel, as far as one can be played: system calls that this one has
//! and that answer `ENOSYS` all the same.
//!
//! With `RCON_TEST_WITHOUT` set, all tests of a program run so, and with them
//! everything they start. Its value is a list of
//!
//! - `5.11`: whatever came after Linux 5.11, the oldest kernel rcon promises to
//!   run on;
//! - names of calls, such as `openat2`.
//!
//! A single command runs so with [`super::Call::without`]. What a kernel lacks
//! besides whole calls, such as an option of a file system, cannot be played:
//! `tests/vm/run` has an old kernel for that.

use std::io;
use std::str::FromStr;
use std::sync::Once;

#[cfg(target_arch = "aarch64")]
use syscalls::aarch64::Sysno;
#[cfg(target_arch = "x86_64")]
use syscalls::x86_64::Sysno;

/// The variable that makes the whole suite run on an older kernel.
const SWITCH: &str = "RCON_TEST_WITHOUT";

/// The first call of Linux 5.12, `mount_setattr`. New calls have the same, ever
/// higher numbers on all machines, so all that is newer comes after it.
const FIRST_OF_5_12: u32 = 442;

#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;
#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;

/// Does what the switch says, once for this process and all its threads.
pub fn play() {
    static PLAYED: Once = Once::new();
    PLAYED.call_once(|| {
        if let Ok(list) = std::env::var(SWITCH) {
            let everywhere = libc::SECCOMP_FILTER_FLAG_TSYNC;
            let done = hide(&filter(&list), everywhere);
            done.unwrap_or_else(|e| panic!("{SWITCH}={list}: {e}"));
        }
    });
}

/// Whether the switch hides this call.
pub fn hides(call: &str) -> bool {
    let number = Sysno::from_str(call).map(|call| call.id() as u32);
    let newer = number.is_ok_and(|number| number >= FIRST_OF_5_12);
    let list = std::env::var(SWITCH).unwrap_or_default();
    list.split(',')
        .any(|word| word == call || word == "5.11" && newer)
}

/// A program for the kernel, after which the calls in `list` are not there.
pub fn filter(list: &str) -> Vec<libc::sock_filter> {
    let ld = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let jump = |test: u32| (libc::BPF_JMP | test | libc::BPF_K) as u16;
    let ret = (libc::BPF_RET | libc::BPF_K) as u16;
    let line = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    // `struct seccomp_data` begins with the call's number and the machine.
    let mut program = vec![
        line(ld, 0, 0, 4),
        line(jump(libc::BPF_JEQ), 1, 0, ARCH),
        line(ret, 0, 0, libc::SECCOMP_RET_ALLOW),
        line(ld, 0, 0, 0),
    ];
    for word in list.split(',') {
        let (test, number) = match (word, Sysno::from_str(word)) {
            ("5.11", _) => (libc::BPF_JGE, FIRST_OF_5_12),
            (_, Ok(call)) => (libc::BPF_JEQ, call.id() as u32),
            _ => panic!("{word:?} is no system call, nor 5.11"),
        };
        program.push(line(jump(test), 0, 1, number));
        let answer = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
        program.push(line(ret, 0, 0, answer));
    }
    program.push(line(ret, 0, 0, libc::SECCOMP_RET_ALLOW));
    program
}

/// Puts the calling thread under `program`. It allocates nothing, so that a
/// child may call it between fork and exec. It takes `CAP_SYS_ADMIN`: without,
/// it would take no-new-privileges, and tests look at that.
pub fn hide(program: &[libc::sock_filter], flags: libc::c_ulong) -> io::Result<()> {
    let all = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: `all` points to as many instructions as it says, which outlive
    // the call; the kernel copies them and writes nothing.
    let done = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const all,
        )
    };
    match done {
        0 => Ok(()),
        -1 => Err(io::Error::last_os_error()),
        thread => Err(io::Error::other(format!("thread {thread} cannot have it"))),
    }
}
