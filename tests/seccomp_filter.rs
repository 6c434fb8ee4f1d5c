//! Compiled filters, loaded into the real kernel and asked with real calls.
//!
//! Each test forks a child that binds itself, makes its calls without the C
//! library, and leaves what the kernel answered in memory that both share.
//! 32-bit calls are made from 64-bit code by `int 0x80`.
#![cfg(target_arch = "x86_64")]
#![allow(
    unsafe_code,
    reason = "forking, and calls that the C library would not make"
)]

#[path = "seccomp_filter/profiles.rs"]
mod profiles;

use std::arch::asm;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use oci_spec::runtime::LinuxSeccomp;
use profiles::{docker_sized, podmans, socket_rules, x86};
use rcon::seccomp::{Arch, Filter, MAX_INSTRUCTIONS, compile};
use rcon::sys::seccomp as kernel;
use serde_json::{Value, json};

const EPERM: i64 = -(libc::EPERM as i64);
const ENOSYS: i64 = -(libc::ENOSYS as i64);
const EBADF: i64 = -(libc::EBADF as i64);

fn filter(profile: &Value) -> Filter {
    let profile: LinuxSeccomp = serde_json::from_value(profile.clone()).unwrap();
    compile(&profile, Arch::native().unwrap()).unwrap()
}

/// Calls without libc: the answer is what the kernel put into the register.
fn call(number: i64, args: [u64; 4]) -> i64 {
    let answer;
    // SAFETY: the calls made here take numbers, or pointers that the caller
    // vouches for; the clobbered registers are the ABI's.
    unsafe {
        asm!("syscall", inlateout("rax") number => answer, in("rdi") args[0], in("rsi") args[1],
             in("rdx") args[2], in("r10") args[3], out("rcx") _, out("r11") _);
    }
    answer
}

/// The same by the way that 32-bit programs take.
fn call32(number: u32, args: [u32; 3]) -> i64 {
    let answer: u64;
    // SAFETY: as above. LLVM keeps rbx for itself, so it is put back.
    unsafe {
        asm!("xchg rbx, {first}", "int 0x80", "xchg rbx, {first}",
             first = inout(reg) u64::from(args[0]) => _,
             inlateout("rax") u64::from(number) => answer,
             in("rcx") u64::from(args[1]), in("rdx") u64::from(args[2]),
             out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    i64::from(answer as i32)
}

/// Memory that a child shares with its parent, within reach of 32-bit code.
struct Shared(*mut libc::c_void);

impl Shared {
    const SLOTS: usize = 64;

    fn new() -> Self {
        // SAFETY: a new anonymous mapping; its address is checked.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_32BIT,
                -1,
                0,
            )
        };
        assert_ne!(at, libc::MAP_FAILED);
        Self(at)
    }

    fn slots(&self) -> &[AtomicI64] {
        // SAFETY: the mapping is larger, zeroed, aligned, and lives as long.
        unsafe { std::slice::from_raw_parts(self.0.cast(), Self::SLOTS) }
    }

    fn set(&self, slot: usize, value: i64) {
        self.slots()[slot].store(value, Ordering::SeqCst);
    }

    fn get(&self, slot: usize) -> i64 {
        self.slots()[slot].load(Ordering::SeqCst)
    }

    /// 32-bit words behind the slots, and their address.
    fn words(&self, words: &[u32]) -> u32 {
        let at = self.0 as usize + 2048;
        for (i, word) in words.iter().enumerate() {
            // SAFETY: inside the page, after the slots.
            unsafe { *(at as *mut u32).add(i) = *word };
        }
        at as u32
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: our own mapping.
        unsafe { libc::munmap(self.0, 4096) };
    }
}

/// How a child ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Exit(i32),
    Signal(i32),
}

/// The status of a child that caught SIGSYS, which a trap sends.
const CAUGHT: i32 = 42;

extern "C" fn caught(_: libc::c_int) {
    // SAFETY: ends the process, and is fit for a signal handler.
    unsafe { libc::_exit(CAUGHT) };
}

/// Forks a child that is bound by `filter` and runs `probe`.
fn spawn(filter: &Filter, probe: impl FnOnce(Option<OwnedFd>)) -> libc::pid_t {
    // SAFETY: the child calls nothing that allocates or takes a lock.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid > 0 {
        return pid;
    }
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: plain calls with valid arguments.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        libc::signal(libc::SIGSYS, caught as *const () as libc::sighandler_t);
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    }
    match kernel::load(&filter.program, filter.flags) {
        Ok(listener) => probe(listener),
        // SAFETY: ends the child.
        Err(_) => unsafe { libc::_exit(99) },
    }
    call(libc::SYS_exit_group, [0; 4]);
    unreachable!("exit_group returned")
}

fn wait(pid: libc::pid_t) -> End {
    let mut status = 0;
    // SAFETY: our own child, and a place for its status.
    let got = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(got, pid);
    if libc::WIFSIGNALED(status) {
        End::Signal(libc::WTERMSIG(status))
    } else {
        End::Exit(libc::WEXITSTATUS(status))
    }
}

/// What `calls` answer, in order, to someone bound by `profile`.
fn answers<const N: usize>(profile: &Value, calls: [&dyn Fn(&Shared) -> i64; N]) -> [i64; N] {
    let filter = filter(profile);
    let shared = Shared::new();
    let pid = spawn(&filter, |_| {
        for (slot, call) in calls.iter().enumerate() {
            shared.set(slot, call(&shared));
        }
    });
    assert_eq!(wait(pid), End::Exit(0), "{profile}");
    std::array::from_fn(|slot| shared.get(slot))
}

/// How someone bound by `profile` ends who makes this call.
fn end(profile: &Value, one: impl Fn()) -> End {
    wait(spawn(&filter(profile), |_| one()))
}

fn getppid(_: &Shared) -> i64 {
    call(libc::SYS_getppid, [0; 4])
}

fn rule(name: &str, action: &str) -> Value {
    json!([{"names": [name], "action": format!("SCMP_ACT_{action}")}])
}

#[test]
fn an_errno_comes_back_and_nothing_else_changes() {
    let rules = json!([{"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 100}]);
    let got = answers(
        &x86("ALLOW", &rules),
        [&getppid, &|_| call(libc::SYS_getpid, [0; 4])],
    );
    assert_eq!(got[0], -100);
    assert!(got[1] > 0);
}

#[test]
fn the_default_holds_for_the_rest_and_new_calls_do_not_exist() {
    let rules = json!([{"names": ["exit_group", "openat2"], "action": "SCMP_ACT_ALLOW"}]);
    let got = answers(
        &x86("ERRNO", &rules),
        [
            &getppid,
            &|_| call(libc::SYS_futex_waitv, [0; 4]),
            &|_| call(1000, [0; 4]),
            &|_| call32(64, [0; 3]),
            &|_| call32(1000, [0; 3]),
        ],
    );
    assert_eq!(got, [EPERM, ENOSYS, ENOSYS, EPERM, ENOSYS]);
}

#[test]
fn killing_cannot_be_caught_and_a_trap_can() {
    let end = |action| {
        end(&x86("ALLOW", &rule("getppid", action)), || {
            call(libc::SYS_getppid, [0; 4]);
        })
    };
    for action in ["KILL", "KILL_THREAD", "KILL_PROCESS"] {
        assert_eq!(end(action), End::Signal(libc::SIGSYS), "{action}");
    }
    assert_eq!(end("TRAP"), End::Exit(CAUGHT));
}

#[test]
fn a_logged_call_is_made_and_a_traced_one_needs_a_tracer() {
    let got = |action| answers(&x86("ALLOW", &rule("getppid", action)), [&getppid])[0];
    assert!(got("LOG") > 0);
    assert_eq!(got("TRACE"), ENOSYS);
}

#[test]
fn arguments_are_compared_as_the_kernel_reads_them() {
    const ASK: u64 = 0xffff_ffff;
    let rules = json!([{
        "names": ["personality"], "action": "SCMP_ACT_ERRNO",
        "args": [{"index": 0, "op": "SCMP_CMP_NE", "value": ASK}],
    }, {
        "names": ["lseek"], "action": "SCMP_ACT_ERRNO",
        "args": [{"index": 1, "op": "SCMP_CMP_GT", "value": 0x1_0000_0000_u64}],
    }]);
    let personality = |v| move |_: &Shared| call(libc::SYS_personality, [v, 0, 0, 0]);
    let seek = |v| move |_: &Shared| call(libc::SYS_lseek, [u64::MAX, v, 0, 0]);
    let got = answers(
        &x86("ALLOW", &rules),
        [
            &personality(ASK),
            &personality(ASK + (7 << 32)),
            &personality(8),
            &seek(0xffff_ffff),
            &seek(0x1_0000_0000),
            &seek(0x1_0000_0001),
            &seek(0x2_0000_0000),
        ],
    );
    assert_eq!(got, [0, 0, EPERM, EBADF, EBADF, EPERM, EPERM]);
}

/// CVE-2026-31431: `AF_ALG` (38) and `AF_VSOCK` (40) stay out of reach.
#[test]
fn socket_families_stay_blocked_whatever_the_high_bits_are() {
    let none = x86("ALLOW", &json!([]));
    let socket = |family| move |_: &Shared| call(libc::SYS_socket, [family, 1, 0, 0]);
    let high = 1 << 32;
    let [plain, unread] = answers(&none, [&socket(1), &socket(1 + high)]);
    assert!(plain >= 0 && unread >= 0, "this kernel reads 64 bits");

    let got = answers(
        &x86("ERRNO", &socket_rules()),
        [
            &socket(1),
            &socket(1 + high),
            &socket(38),
            &socket(38 + high),
            &socket(40 + (0xffff_ffff << 32)),
            &socket(0xffff),
        ],
    );
    assert!(got[0] >= 0 && got[1] >= 0, "{got:?}");
    assert_eq!(got[2..5], [EPERM; 3]);
    assert_eq!(
        got[5],
        -i64::from(libc::EAFNOSUPPORT),
        "the kernel's own no"
    );
}

#[test]
fn the_32_bit_way_to_a_socket_opens_no_more() {
    const SOCKETCALL: u32 = 102;
    let by_way = |sub, family| {
        move |shared: &Shared| call32(SOCKETCALL, [sub, shared.words(&[family, 1, 0]), 0])
    };
    let direct = |family| move |_: &Shared| call32(359, [family, 1, 0]);
    let none = answers(&x86("ALLOW", &json!([])), [&by_way(1, 1), &direct(1)]);
    assert!(none.iter().all(|&fd| fd >= 0), "no 32-bit calls: {none:?}");

    let got = answers(
        &x86("ERRNO", &socket_rules()),
        [
            &direct(1),
            &direct(38),
            &by_way(1, 1),
            &by_way(1, 38),
            &by_way(2, u32::MAX),
            &by_way(3, u32::MAX),
        ],
    );
    assert!(got[0] >= 0);
    assert_eq!(got[1..4], [EPERM; 3]);
    assert_eq!(got[4], EBADF, "bind is let through to the kernel");
    assert_eq!(got[5], EPERM, "connect is not allowed");
}

#[test]
fn the_version_in_a_call_to_ipc_is_no_way_round() {
    let ipc = |call| move |_: &Shared| call32(117, [call, 0, 0]);
    let got = answers(
        &x86("ALLOW", &rule("shmget", "ERRNO")),
        [&ipc(23), &ipc(23 + (1 << 16)), &ipc(1 << 16)],
    );
    assert_eq!(got[..2], [EPERM; 2]);
    assert_ne!(got[2], EPERM);
}

#[test]
fn an_abi_that_is_not_listed_ends_the_caller() {
    let native = json!({"defaultAction": "SCMP_ACT_ALLOW"});
    let by_int80 = end(&native, || {
        call32(64, [0; 3]);
    });
    assert_eq!(by_int80, End::Signal(libc::SIGSYS));
    let by_x32 = end(&native, || {
        call(0x4000_0000 + libc::SYS_getppid, [0; 4]);
    });
    assert_eq!(by_x32, End::Signal(libc::SIGSYS));
    let listed = answers(
        &x86("ALLOW", &rule("getppid", "ERRNO")),
        [&|_| call32(64, [0; 3]), &|_| {
            call(0x4000_0000 + libc::SYS_getppid, [0; 4])
        }],
    );
    assert_eq!(listed, [EPERM, EPERM]);
}

#[test]
fn every_flag_is_taken_with_and_without_a_listener() {
    let all = json!([
        "SECCOMP_FILTER_FLAG_LOG",
        "SECCOMP_FILTER_FLAG_TSYNC",
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"
    ]);
    let mut profile = x86("ALLOW", &rule("getppid", "NOTIFY"));
    profile["listenerPath"] = json!("/run/listener");
    profile["flags"] = all.clone();
    let listening = filter(&profile);
    profile["syscalls"] = rule("getppid", "ERRNO");
    profile["flags"] = json!(all.as_array().unwrap()[..3]);
    for filter in [listening, filter(&profile)] {
        let shared = Shared::new();
        let pid = spawn(&filter, |listener| {
            let Some(fd) = listener else { return };
            shared.set(0, 1);
            let fd = fd.as_raw_fd() as u64;
            shared.set(1, call(libc::SYS_fcntl, [fd, libc::F_GETFD as u64, 0, 0]));
        });
        assert_eq!(wait(pid), End::Exit(0));
        assert_eq!(shared.get(0) == 1, filter.notify);
        if filter.notify {
            assert_eq!(shared.get(1), i64::from(libc::FD_CLOEXEC));
        }
    }
}

#[test]
fn a_listener_answers_for_the_kernel() {
    let mut profile = x86("ALLOW", &rule("getppid", "NOTIFY"));
    profile["listenerPath"] = json!("/run/listener");
    let filter = filter(&profile);
    let shared = Shared::new();
    let pid = spawn(&filter, |listener| {
        let fd = listener.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        shared.set(0, i64::from(fd));
        while shared.get(1) == 0 {
            call(libc::SYS_sched_yield, [0; 4]);
        }
        shared.set(2, call(libc::SYS_getppid, [0; 4]));
    });
    while shared.get(0) == 0 {
        std::thread::yield_now();
    }
    let listener = take_fd(pid, shared.get(0) as i32);
    shared.set(1, 1);
    let asked = answer_one(&listener, 4242);
    assert_eq!(asked, libc::SYS_getppid as i32);
    assert_eq!(wait(pid), End::Exit(0));
    assert_eq!(shared.get(2), 4242);
}

/// A child's descriptor, as one of our own.
fn take_fd(pid: libc::pid_t, fd: i32) -> OwnedFd {
    // SAFETY: both calls make descriptors that nothing else knows of.
    unsafe {
        let pidfd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        assert!(pidfd >= 0);
        let pidfd = OwnedFd::from_raw_fd(pidfd as i32);
        let taken = libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0);
        assert!(taken >= 0, "pidfd_getfd of {fd}");
        OwnedFd::from_raw_fd(taken as i32)
    }
}

/// Receives one question and answers it; returns the call's number.
fn answer_one(listener: &OwnedFd, value: i64) -> i32 {
    const RECV: libc::Ioctl = 0xc050_2100;
    const SEND: libc::Ioctl = 0xc018_2101;
    // SAFETY: the structures are the kernel's and all zeroes are valid.
    unsafe {
        let mut asked: libc::seccomp_notif = std::mem::zeroed();
        let got = libc::ioctl(listener.as_raw_fd(), RECV, &raw mut asked);
        assert_eq!(got, 0);
        let mut answer: libc::seccomp_notif_resp = std::mem::zeroed();
        answer.id = asked.id;
        answer.val = value;
        let sent = libc::ioctl(listener.as_raw_fd(), SEND, &raw mut answer);
        assert_eq!(sent, 0);
        asked.data.nr
    }
}

/// Runs a program as a container would: bound just before it is executed.
fn run_bound(filter: &Filter, program: &str, args: &[&str]) -> std::process::Output {
    let filter = filter.clone();
    let mut command = Command::new(program);
    command.args(args);
    // SAFETY: two calls that allocate nothing.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            kernel::load(&filter.program, filter.flags)
                .map(drop)
                .map_err(|e| e.errno.into())
        });
    }
    command.output().unwrap()
}

#[test]
fn a_filter_outlives_execve() {
    let rules = json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]);
    let filter = filter(&x86("ALLOW", &rules));
    let name = format!("/tmp/rcon-test-seccomp-{}", std::process::id());
    let got = run_bound(&filter, "mkdir", &[&name]);
    assert!(!got.status.success());
    assert!(String::from_utf8_lossy(&got.stderr).contains("Operation not permitted"));
    assert!(!std::path::Path::new(&name).exists());
}

/// Compiles, says how long that takes, and runs a program under the result.
fn measure(what: &str, profile: &Value) -> Filter {
    let profile: LinuxSeccomp = serde_json::from_value(profile.clone()).unwrap();
    let mut fastest = std::time::Duration::MAX;
    let mut filter = None;
    for _ in 0..50 {
        let start = Instant::now();
        filter = Some(compile(&profile, Arch::X86_64).unwrap());
        fastest = fastest.min(start.elapsed());
    }
    let filter = filter.unwrap();
    let len = filter.program.len();
    let line = format!("{what}: {len} instructions, compiled in {fastest:?}");
    println!("{line}");
    assert!(len < MAX_INSTRUCTIONS / 4, "{line}");
    let script = "true && /bin/ls / >/dev/null && (sleep 0) && echo fine";
    let got = run_bound(&filter, "/bin/sh", &["-c", script]);
    assert_eq!(got.status.signal(), None);
    assert_eq!(String::from_utf8_lossy(&got.stdout), "fine\n", "{got:?}");
    filter
}

#[test]
fn a_profile_like_dockers_is_small_and_ordinary_programs_run_under_it() {
    let filter = measure("a profile like Docker's", &docker_sized());
    assert_eq!(filter.unknown, Vec::<String>::new());
    assert_eq!(filter.bypassed, Vec::<String>::new());
    let unshare = run_bound(&filter, "unshare", &["-U", "true"]);
    assert!(!unshare.status.success());
}

#[test]
fn podmans_own_profile_compiles_where_it_is_installed() {
    let Ok(text) = std::fs::read_to_string("/usr/share/containers/seccomp.json") else {
        println!("podman's profile is not installed here");
        return;
    };
    let filter = measure("podman's profile", &podmans(&text));
    assert_eq!(filter.bypassed, Vec::<String>::new(), "{filter:?}");
}
