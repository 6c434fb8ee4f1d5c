//! Which system calls a container may make.
//!
//! A filter that lets the ordinary through and refuses the rest is the lock
//! that holds when another has failed: most escapes of the past needed a call
//! that no ordinary program makes. `groups` is the list, by what the calls
//! are for; this file turns it, or a `profile` that somebody wrote, into the
//! specification's form for one container. Compiling that into a program is
//! [`crate::seccomp`]'s matter.
//!
//! What a call may do is checked twice, here and by the kernel's capabilities.
//! So a container that was given a capability is given the calls it is for:
//! `--cap-add SYS_TIME` would be of no use otherwise.

mod groups;
mod profile;
#[cfg(test)]
mod tests;

use oci_spec::runtime::{
    Arch as OciArch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder,
    LinuxSeccompOperator, LinuxSyscall,
};

pub use self::profile::profile_to_spec;

use self::groups::{GROUPS, Group, When};
use super::HostFacts;
use crate::container::{Isolation, Seccomp};
use crate::error::Result;
use crate::seccomp::Arch;
use crate::sys::identity::CapSet;

const EPERM: u32 = libc::EPERM as u32;
const ENOSYS: u32 = libc::ENOSYS as u32;

/// What a filter depends on beside its rules.
#[derive(Debug, Clone, Copy)]
pub struct Conditions {
    /// What the container's root is given.
    pub caps: CapSet,
    /// The ABI of the host's own programs.
    pub arch: Arch,
    /// Version of the kernel.
    pub kernel: (u32, u32),
}

/// The filter of a container, if it has one.
///
/// A privileged one has none, unless a profile was named: who names one means
/// it.
pub(super) fn of_container(
    isolation: &Isolation,
    caps: CapSet,
    host: &HostFacts,
) -> Result<Option<LinuxSeccomp>> {
    let conditions = Conditions {
        caps,
        arch: host.arch,
        kernel: host.kernel,
    };
    match &isolation.security.seccomp {
        Seccomp::Unconfined => Ok(None),
        Seccomp::Default if isolation.privileged => Ok(None),
        Seccomp::Default => Ok(Some(default_profile(&conditions))),
        Seccomp::Profile(profile) => profile_to_spec(profile, &conditions).map(Some),
    }
}

/// rcon's own list, for one container.
pub fn default_profile(c: &Conditions) -> LinuxSeccomp {
    let mut calls: Vec<LinuxSyscall> = GROUPS.iter().filter_map(|g| group(g, c)).collect();
    calls.extend(sockets());
    calls.extend(personalities());
    calls.extend(new_processes(c));
    let mut profile = LinuxSeccomp::default();
    profile
        .set_default_action(LinuxSeccompAction::ScmpActErrno)
        // "Not permitted" is what programs expect of what they may not do.
        .set_default_errno_ret(Some(EPERM))
        .set_architectures(Some(architectures(c.arch)))
        .set_syscalls(Some(calls));
    profile
}

/// A machine's older ABIs are listed along: an unlisted one ends its caller.
fn architectures(arch: Arch) -> Vec<OciArch> {
    match arch {
        Arch::X86_64 | Arch::X32 | Arch::X86 => vec![
            OciArch::ScmpArchX86_64,
            OciArch::ScmpArchX86,
            OciArch::ScmpArchX32,
        ],
        Arch::Aarch64 | Arch::Arm => vec![OciArch::ScmpArchAarch64, OciArch::ScmpArchArm],
    }
}

fn group(group: &Group, c: &Conditions) -> Option<LinuxSyscall> {
    let wanted = match group.when {
        When::Always => true,
        When::Kernel(least) => c.kernel >= least,
        When::X86 => matches!(c.arch, Arch::X86_64 | Arch::X32 | Arch::X86),
        When::Arm => matches!(c.arch, Arch::Aarch64 | Arch::Arm),
        When::Capability(name) => has(c, name),
    };
    wanted.then(|| allow(group.calls.split_whitespace(), None))
}

fn has(c: &Conditions, capability: &str) -> bool {
    CapSet::bit(capability).is_some_and(|bit| c.caps.0 & bit != 0)
}

fn allow<'a>(
    names: impl IntoIterator<Item = &'a str>,
    arg: Option<LinuxSeccompArg>,
) -> LinuxSyscall {
    let mut call = LinuxSyscall::default();
    call.set_names(names.into_iter().map(str::to_owned).collect())
        .set_action(LinuxSeccompAction::ScmpActAllow)
        .set_args(arg.map(|arg| vec![arg]));
    call
}

fn arg(op: LinuxSeccompOperator, value: u64, value_two: Option<u64>) -> LinuxSeccompArg {
    let arg = LinuxSeccompArgBuilder::default()
        .index(0usize)
        .value(value)
        .op(op);
    let arg = match value_two {
        Some(two) => arg.value_two(two),
        None => arg,
    };
    crate::spec::built(arg.build())
}

/// Sockets of every family but two. `AF_ALG` (38) hands the kernel's whole
/// cipher code to anybody (CVE-2026-31431), and `AF_VSOCK` (40) has no
/// namespace: it reaches the hypervisor and its other guests.
///
/// 32-bit x86 has a second way, `socketcall`, that hides the family in memory.
/// It is not named here, and the compiler then lets through of it what needs
/// no check, and no new socket. Old 32-bit programs that know no other way
/// must do without a network; Docker lets them have `AF_ALG`.
fn sockets() -> Vec<LinuxSyscall> {
    let (alg, vsock) = (libc::AF_ALG as u64, libc::AF_VSOCK as u64);
    [
        arg(LinuxSeccompOperator::ScmpCmpLt, alg, None),
        arg(LinuxSeccompOperator::ScmpCmpEq, alg + 1, None),
        arg(LinuxSeccompOperator::ScmpCmpGt, vsock, None),
    ]
    .map(|arg| allow(["socket"], Some(arg)))
    .to_vec()
}

/// The execution domains in use: plain Linux, one that says it has 32 bits,
/// both with the old `uname` version, and the question which it is. Others
/// change how memory is laid out, and weaken what relies on it.
fn personalities() -> Vec<LinuxSyscall> {
    [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff]
        .map(|value| {
            let same = arg(LinuxSeccompOperator::ScmpCmpEq, value, None);
            allow(["personality"], Some(same))
        })
        .to_vec()
}

/// New processes, but no new namespaces: inside its own user namespace even
/// an ordinary user reaches code of the kernel that was written for root.
///
/// `clone3` keeps its flags in memory, where a filter cannot look. "No such
/// call" makes the C library use `clone` instead; "not permitted" would not.
fn new_processes(c: &Conditions) -> Vec<LinuxSyscall> {
    if has(c, "CAP_SYS_ADMIN") {
        return vec![allow(["clone", "clone3"], None)];
    }
    let namespaces = libc::CLONE_NEWNS
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWCGROUP;
    let none = arg(
        LinuxSeccompOperator::ScmpCmpMaskedEq,
        u64::from(namespaces as u32),
        Some(0),
    );
    let mut clone3 = allow(["clone3"], None);
    clone3
        .set_action(LinuxSeccompAction::ScmpActErrno)
        .set_errno_ret(Some(ENOSYS));
    vec![allow(["clone"], Some(none)), clone3]
}
