//! System calls by name, for every [`Arch`] at once.
//!
//! The numbers come from the `syscalls` crate; what it lacks stands below.
//! The table is a hash table that the compiler fills: a profile names about
//! 400 calls, and a container's start is no time to build a map or to compare
//! strings with a list. It holds offsets and no pointers, so a program that
//! is loaded at a random address needs no fix-ups for it.

use super::arch::{ARCHES, Arch};

/// The 32-bit x86 calls that carry many others.
pub(super) const X86_SOCKETCALL: u32 = 102;
/// The same for System V IPC.
pub(super) const X86_IPC: u32 = 117;

/// What is known about one name.
#[derive(Clone, Copy)]
pub(super) struct Call {
    start: u16,
    index: u16,
    len: u8,
    /// Bit `n` is set where the kernel looks at the low 32 bits of argument
    /// `n` only.
    pub(super) narrow: u8,
    /// Its number inside `ipc` or `socketcall` on 32-bit x86; 0 if none.
    sub: u8,
    is_ipc: bool,
    numbers: [u32; ARCHES],
}

const NO_NUMBER: u32 = u32::MAX;
const NO_CALL: Call = Call {
    start: 0,
    index: 0,
    len: 0,
    narrow: 0,
    sub: 0,
    is_ipc: false,
    numbers: [NO_NUMBER; ARCHES],
};

impl Call {
    /// The number as a filter sees it.
    pub(super) fn number(&self, arch: Arch) -> Option<u32> {
        let number = self.numbers[arch as usize];
        (number != NO_NUMBER).then(|| number | arch.number_base())
    }

    /// Its place among all calls.
    pub(super) fn index(&self) -> usize {
        usize::from(self.index)
    }

    /// The other way to it on 32-bit x86: which call carries it, and as what.
    pub(super) fn carried_by(&self) -> Option<(u32, u32)> {
        let carrier = if self.is_ipc { X86_IPC } else { X86_SOCKETCALL };
        (self.sub != 0).then_some((carrier, u32::from(self.sub)))
    }
}

/// Finds a call by its name.
pub(super) fn lookup(name: &str) -> Option<&'static Call> {
    let at = TABLE.find(name.as_bytes())?;
    TABLE.calls.get(at)
}

// Compiling fails if these are too small.
pub(super) const MAX_CALLS: usize = 512;
const MAX_TEXT: usize = 5 * 1024;
const SLOTS: usize = 2048;
const FREE: u16 = u16::MAX;

struct Table {
    text: [u8; MAX_TEXT],
    text_len: usize,
    calls: [Call; MAX_CALLS],
    calls_len: usize,
    /// Open addressing: the index of a call, or [`FREE`].
    slots: [u16; SLOTS],
}

static TABLE: Table = build();

impl Table {
    const EMPTY: Self = Self {
        text: [0; MAX_TEXT],
        text_len: 0,
        calls: [NO_CALL; MAX_CALLS],
        calls_len: 0,
        slots: [FREE; SLOTS],
    };

    /// The slot where `name` is, or where it would go.
    const fn slot(&self, name: &[u8]) -> usize {
        let mut slot = hash(name) % SLOTS;
        while self.slots[slot] != FREE && !self.is(self.slots[slot] as usize, name) {
            slot = (slot + 1) % SLOTS;
        }
        slot
    }

    const fn is(&self, call: usize, name: &[u8]) -> bool {
        let call = &self.calls[call];
        if call.len as usize != name.len() {
            return false;
        }
        let mut i = 0;
        while i < name.len() {
            if self.text[call.start as usize + i] != name[i] {
                return false;
            }
            i += 1;
        }
        true
    }

    const fn find(&self, name: &[u8]) -> Option<usize> {
        match self.slots[self.slot(name)] {
            FREE => None,
            at => Some(at as usize),
        }
    }

    /// The entry of `name`, made if need be.
    const fn entry(&mut self, name: &str) -> &mut Call {
        let name = name.as_bytes();
        let slot = self.slot(name);
        if self.slots[slot] == FREE {
            self.slots[slot] = self.calls_len as u16;
            self.append(name);
        }
        &mut self.calls[self.slots[slot] as usize]
    }

    const fn append(&mut self, name: &[u8]) {
        let call = &mut self.calls[self.calls_len];
        call.start = self.text_len as u16;
        call.index = self.calls_len as u16;
        call.len = name.len() as u8;
        let mut i = 0;
        while i < name.len() {
            self.text[self.text_len] = name[i];
            self.text_len += 1;
            i += 1;
        }
        self.calls_len += 1;
    }
}

/// FNV-1a: short, and good enough for names.
const fn hash(name: &[u8]) -> usize {
    let mut hash: u32 = 0x811c_9dc5;
    let mut i = 0;
    while i < name.len() {
        hash = (hash ^ name[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    // The low bits alone mix too little for names that differ at the front.
    (hash ^ (hash >> 15)) as usize
}

/// Adds every call of one of the crate's tables.
macro_rules! add_all {
    ($table:ident, $module:ident, $arch:expr) => {
        let mut number = 0;
        while number <= syscalls::$module::Sysno::last().id() as u32 {
            if let Some(call) = syscalls::$module::Sysno::new(number as usize) {
                if exists($arch, number) {
                    $table.entry(call.name()).numbers[$arch as usize] = number;
                }
                if matches!($arch, Arch::X86_64) {
                    $table.entry(call.name()).numbers[Arch::X32 as usize] = x32_number(number);
                }
            }
            number += 1;
        }
    };
}

const fn build() -> Table {
    let mut table = Table::EMPTY;
    add_all!(table, x86_64, Arch::X86_64);
    add_all!(table, x86, Arch::X86);
    add_all!(table, aarch64, Arch::Aarch64);
    add_all!(table, arm, Arch::Arm);
    add_missing(&mut table);
    add_carried(&mut table);
    add_narrow(&mut table);
    table
}

/// The crate lists the calls with 64-bit time for 64-bit ARM too, which never
/// had any other, and calls 79 `fstatat`.
const fn exists(arch: Arch, number: u32) -> bool {
    !(matches!(arch, Arch::Aarch64) && (number == 79 || (number >= 403 && number <= 423)))
}

const fn x32_number(number: u32) -> u32 {
    let mut i = 0;
    while i < X32_OWN.len() {
        if X32_OWN[i].0 == number {
            return X32_OWN[i].1;
        }
        i += 1;
    }
    number
}

const fn add_missing(table: &mut Table) {
    let mut i = 0;
    while i < EVERYWHERE.len() {
        let (name, number) = EVERYWHERE[i];
        table.entry(name).numbers = [number; ARCHES];
        i += 1;
    }
    let mut i = 0;
    while i < MISSING.len() {
        let (arch, name, number) = MISSING[i];
        table.entry(name).numbers[arch as usize] = number;
        i += 1;
    }
}

const fn add_carried(table: &mut Table) {
    let mut i = 0;
    while i < SOCKETCALL.len() {
        table.entry(SOCKETCALL[i]).sub = i as u8 + 1;
        i += 1;
    }
    let mut i = 0;
    while i < IPC.len() {
        let call = table.entry(IPC[i].0);
        call.sub = IPC[i].1;
        call.is_ipc = true;
        i += 1;
    }
}

const fn add_narrow(table: &mut Table) {
    let mut i = 0;
    while i < NARROW.len() {
        table.entry(NARROW[i].0).narrow = NARROW[i].1;
        i += 1;
    }
}

/// Numbers above 423 are the same on every architecture.
const EVERYWHERE: &[(&str, u32)] = &[("listns", 470), ("rseq_slice_yield", 471)];

const MISSING: &[(Arch, &str, u32)] = &[
    (Arch::X86, "break", 17),
    (Arch::Aarch64, "newfstatat", 79),
    // ARM keeps calls of its own at 0xf0000.
    (Arch::Arm, "breakpoint", 0xf_0001),
    (Arch::Arm, "cacheflush", 0xf_0002),
    (Arch::Arm, "usr26", 0xf_0003),
    (Arch::Arm, "usr32", 0xf_0004),
    (Arch::Arm, "set_tls", 0xf_0005),
    (Arch::Arm, "get_tls", 0xf_0006),
];

/// x32 counts as x86-64 does, except for calls whose structures hold
/// pointers, which it has from 512 on, and those it never had.
#[rustfmt::skip]
const X32_OWN: &[(u32, u32)] = &[
    (13, 512), (15, 513), (16, 514), (19, 515), (20, 516), (45, 517), (46, 518), (47, 519),
    (59, 520), (101, 521), (127, 522), (128, 523), (129, 524), (131, 525), (222, 526),
    (244, 527), (246, 528), (247, 529), (273, 530), (274, 531), (278, 532), (279, 533),
    (295, 534), (296, 535), (297, 536), (299, 537), (307, 538), (310, 539), (311, 540),
    (54, 541), (55, 542), (206, 543), (209, 544), (322, 545), (327, 546), (328, 547),
    // create_module, get_kernel_syms, query_module, nfsservctl, uselib, _sysctl,
    // set_thread_area, get_thread_area, epoll_ctl_old, epoll_wait_old, vserver
    (174, NO_NUMBER), (177, NO_NUMBER), (178, NO_NUMBER), (180, NO_NUMBER), (134, NO_NUMBER),
    (156, NO_NUMBER), (205, NO_NUMBER), (211, NO_NUMBER), (214, NO_NUMBER), (215, NO_NUMBER),
    (236, NO_NUMBER),
];

/// What `socketcall` carries, from 1 on (`linux/net.h`).
const SOCKETCALL: &[&str] = &[
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];

/// What `ipc` carries (`linux/ipc.h`).
const IPC: &[(&str, u8)] = &[
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

/// Arguments that the kernel declares `int`, `unsigned int` or a type of that
/// size, for the calls that profiles put conditions on. Bit 0 is argument 0.
/// `clone` is here because it uses the low half of its flags only.
#[rustfmt::skip]
const NARROW: &[(&str, u8)] = &[
    ("socket", 0b111), ("socketpair", 0b111), ("personality", 0b1), ("ioctl", 0b11),
    ("fcntl", 0b11), ("prctl", 0b1), ("arch_prctl", 0b1), ("clone", 0b1), ("setns", 0b11),
    ("bpf", 0b101), ("keyctl", 0b1), ("seccomp", 0b11), ("umount2", 0b10), ("open", 0b10),
    ("openat", 0b101), ("setsockopt", 0b1_0111), ("getsockopt", 0b111), ("kill", 0b11),
    ("tkill", 0b11), ("tgkill", 0b111), ("dup3", 0b111), ("mknod", 0b100), ("mknodat", 0b1001),
    ("futex", 0b10_0110), ("madvise", 0b100), ("setuid", 0b1), ("setgid", 0b1),
    ("setreuid", 0b11), ("setregid", 0b11), ("setresuid", 0b111), ("setresgid", 0b111),
    ("setfsuid", 0b1), ("setfsgid", 0b1), ("chown", 0b110), ("lchown", 0b110),
    ("fchown", 0b111), ("fchownat", 0b1_1101), ("quotactl", 0b1), ("reboot", 0b111),
    ("syslog", 0b101), ("process_vm_readv", 0b1), ("process_vm_writev", 0b1),
    ("prlimit64", 0b11), ("setpriority", 0b111), ("sched_setscheduler", 0b11),
    ("unlinkat", 0b101), ("execveat", 0b1_0001), ("memfd_create", 0b10), ("userfaultfd", 0b1),
    ("perf_event_open", 0b1110), ("fanotify_init", 0b11), ("pidfd_open", 0b11),
    ("io_uring_register", 0b1011), ("shmget", 0b101), ("socketcall", 0b1), ("ipc", 0b11),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn number(name: &str, arch: Arch) -> Option<u32> {
        lookup(name).and_then(|call| call.number(arch))
    }

    #[test]
    fn every_call_of_the_crate_is_found_under_its_own_name() {
        for call in syscalls::x86_64::Sysno::iter() {
            assert_eq!(number(call.name(), Arch::X86_64), Some(call.id() as u32));
        }
        for call in syscalls::x86::Sysno::iter() {
            assert_eq!(number(call.name(), Arch::X86), Some(call.id() as u32));
        }
        for call in syscalls::arm::Sysno::iter() {
            assert_eq!(number(call.name(), Arch::Arm), Some(call.id() as u32));
        }
    }

    #[test]
    fn a_name_that_is_none_is_not_found() {
        for name in ["", "rea", "readd", "READ", "no_such_call"] {
            assert!(lookup(name).is_none(), "{name}");
        }
    }

    #[test]
    fn what_the_crate_lacks_is_there() {
        assert_eq!(number("newfstatat", Arch::Aarch64), Some(79));
        assert_eq!(number("newfstatat", Arch::X86_64), Some(262));
        assert_eq!(number("listns", Arch::X86), Some(470));
        assert_eq!(number("set_tls", Arch::Arm), Some(0xf0005));
        assert_eq!(number("clock_gettime64", Arch::Aarch64), None);
        assert_eq!(number("clock_gettime64", Arch::Arm), Some(403));
    }

    #[test]
    fn x32_counts_on_its_own_where_pointers_are_passed() {
        assert_eq!(number("read", Arch::X32), Some(0x4000_0000));
        assert_eq!(number("execve", Arch::X32), Some(0x4000_0000 + 520));
        assert_eq!(number("pwritev2", Arch::X32), Some(0x4000_0000 + 547));
        assert_eq!(number("uselib", Arch::X32), None);
        let own: std::collections::BTreeSet<u32> = X32_OWN
            .iter()
            .map(|pair| pair.1)
            .filter(|&number| number != NO_NUMBER)
            .collect();
        assert!(own.into_iter().eq(512..=547));
    }

    #[test]
    fn carried_calls_know_their_carrier() {
        let carried = |name| lookup(name).unwrap().carried_by();
        assert_eq!(carried("socket"), Some((102, 1)));
        assert_eq!(carried("sendmmsg"), Some((102, 20)));
        assert_eq!(carried("shmctl"), Some((117, 24)));
        assert_eq!(carried("read"), None);
    }

    #[test]
    fn narrow_arguments_are_noted_for_calls_that_exist() {
        for (name, bits) in NARROW {
            let call = lookup(name).unwrap();
            assert_eq!(call.narrow, *bits, "{name}");
            assert!(call.numbers.iter().any(|&n| n != NO_NUMBER), "{name}");
        }
    }
}
