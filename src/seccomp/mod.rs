//! A container's list of permitted system calls, as the kernel wants it.
//!
//! runtime-spec describes a filter in words: names of calls, comparisons of
//! their arguments, what to answer. The kernel takes a small program in
//! classic BPF that sees a number, an ABI and six registers. [`compile()`] turns
//! the one into the other, and decides as libseccomp and runc do wherever a
//! profile could tell the difference. It leaves them in three places, always
//! to the safe side:
//!
//! - An argument that the kernel reads as 32 bits is compared as 32 bits.
//!   Otherwise "any family but 38" is passed by 38 with a higher bit set.
//! - 32-bit x86 reaches sockets and System V IPC by a second way, which opens
//!   no door that the first keeps shut; `rules` tells how.
//! - `ipc` is recognised whatever version its caller puts into the number.
//!
//! And in one that is only exact: a bound above 32 bits is not cut down for
//! 32-bit programs; their arguments are simply below it.
//!
//! What follows runc: an ABI that is not listed ends the caller; the machine's
//! own is always listed; and where unknown calls are stopped, a number beyond
//! all that the profile names is answered "no such call" (`ENOSYS`), because
//! the C library then falls back to an older call, where a refusal would make
//! it give up.
//!
//! Everything here is pure: nothing asks the kernel, nothing is loaded. That
//! is [`crate::sys::seccomp`]'s.

mod action;
mod arch;
mod compile;
mod condition;
#[cfg(test)]
mod interpreter;
mod names;
mod program;
mod rules;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction, LinuxSeccompFilterFlag};
use serde::{Deserialize, Serialize};

pub use self::action::actions_avail;
pub use self::arch::Arch;
pub use crate::sys::seccomp::SockFilter;

use self::compile::Table;
use self::rules::Gathered;
use crate::error::{Error, Result};
use crate::sys::seccomp as kernel;

/// More instructions the kernel does not take.
pub const MAX_INSTRUCTIONS: usize = 4096;

/// A filter, ready to be loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// The program.
    pub program: Vec<SockFilter>,
    /// `SECCOMP_FILTER_FLAG_*` for seccomp(2).
    pub flags: u32,
    /// Some calls are left to a listener, whose descriptor loading returns.
    pub notify: bool,
    /// The socket of the process that wants that descriptor; only with `notify`.
    pub listener_path: Option<PathBuf>,
    /// What it is to be told; only with `notify`.
    pub listener_metadata: Option<String>,
    /// Names in the profile that no ABI of this filter has: newer than rcon,
    /// of another kind of machine, or misspelt. Their rules do nothing.
    pub unknown: Vec<String>,
    /// Calls whose rules do not bind 32-bit x86 programs, because the profile
    /// itself allows `socketcall` or `ipc`, which lead to them.
    pub bypassed: Vec<String>,
    /// What happens to calls that no rule is about, as the profile has it.
    pub default_action: String,
    /// How many rules the profile has.
    pub rules: usize,
    /// How many calls they name.
    pub calls: usize,
}

/// Compiles a profile for a machine whose own ABI is `native`.
pub fn compile(profile: &LinuxSeccomp, native: Arch) -> Result<Filter> {
    let notify = wants_listener(profile)?;
    let default = action::encode(profile.default_action(), profile.default_errno_ret())?;
    let arches = arches(profile, native);
    let mut rules = Gathered::new(&arches, default);
    for entry in profile.syscalls().iter().flatten() {
        rules.add(entry)?;
    }
    let tables = tables(profile, &arches, &mut rules)?;
    let program = compile::program(&tables, default);
    if program.len() > MAX_INSTRUCTIONS {
        return Err(too_long(program.len()));
    }
    let listener = |wanted: bool| wanted.then_some(profile);
    Ok(Filter {
        program,
        flags: flags(profile, notify)?,
        notify,
        listener_path: listener(notify).and_then(|p| p.listener_path().clone()),
        listener_metadata: listener(notify).and_then(|p| p.listener_metadata().clone()),
        calls: rules.calls(),
        unknown: rules.unknown,
        bypassed: rules.bypassed,
        default_action: word(profile.default_action()),
        rules: profile.syscalls().as_ref().map_or(0, Vec::len),
    })
}

/// An action as the profile writes it.
fn word(action: LinuxSeccompAction) -> String {
    let value = serde_json::to_value(action).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// The ABIs to write for, the machine's own first. One that belongs to another
/// kind of machine could never match, and is left out.
fn arches(profile: &LinuxSeccomp, native: Arch) -> Vec<Arch> {
    let mut arches = vec![native];
    for &arch in profile.architectures().iter().flatten() {
        match Arch::from_oci(arch, native) {
            Some(arch) if arch.same_machine(native) && !arches.contains(&arch) => {
                arches.push(arch);
            }
            _ => {}
        }
    }
    arches
}

fn tables(profile: &LinuxSeccomp, arches: &[Arch], rules: &mut Gathered<'_>) -> Result<Vec<Table>> {
    // As in runc: whoever names number 0 alone has no later call in mind.
    let dated = |number: &u32| action::stops(profile.default_action()) && *number > 0;
    arches
        .iter()
        .map(|&arch| {
            let largest = rules.largest(arch).filter(dated);
            Ok(Table {
                arch,
                calls: rules.settle(arch)?,
                beyond: largest.map(|number| (number, action::ENOSYS)),
            })
        })
        .collect()
}

fn wants_listener(profile: &LinuxSeccomp) -> Result<bool> {
    let notify = LinuxSeccompAction::ScmpActNotify;
    if profile.default_action() == notify {
        return Err(Error::user(
            "seccomp: SCMP_ACT_NOTIFY cannot be used as default action",
        ));
    }
    let mut entries = profile.syscalls().iter().flatten();
    let mut wanted = entries.by_ref().filter(|e| e.action() == notify).peekable();
    if wanted.peek().is_none() {
        return Ok(false);
    }
    // The listener's descriptor must still be handed over once the filter
    // binds us; runc refuses the same name with the same words.
    if wanted.any(|e| e.names().iter().any(|name| name == "write")) {
        return Err(Error::user(
            "seccomp: SCMP_ACT_NOTIFY cannot be used for the write syscall",
        ));
    }
    let path = profile.listener_path().as_ref();
    if path.is_none_or(|path| path.as_os_str().is_empty()) {
        return Err(Error::user("seccomp listenerPath is not set")
            .hint("SCMP_ACT_NOTIFY needs a process that listens there"));
    }
    Ok(true)
}

fn flags(profile: &LinuxSeccomp, notify: bool) -> Result<u32> {
    let mut flags = match profile.flags() {
        // runc's default: the mitigation is off for ordinary programs, too.
        None => kernel::FLAG_SPEC_ALLOW,
        Some(list) => list.iter().fold(0, |flags, &flag| flags | flag_bit(flag)),
    };
    if notify {
        flags |= kernel::FLAG_NEW_LISTENER;
        if flags & kernel::FLAG_TSYNC != 0 {
            // Both return a number; this tells a descriptor from a thread.
            flags |= kernel::FLAG_TSYNC_ESRCH;
        }
    } else if flags & kernel::FLAG_WAIT_KILLABLE_RECV != 0 {
        return Err(Error::user(
            "seccomp: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs a rule with SCMP_ACT_NOTIFY",
        ));
    }
    Ok(flags)
}

fn flag_bit(flag: LinuxSeccompFilterFlag) -> u32 {
    match flag {
        LinuxSeccompFilterFlag::SeccompFilterFlagLog => kernel::FLAG_LOG,
        LinuxSeccompFilterFlag::SeccompFilterFlagTsync => kernel::FLAG_TSYNC,
        LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => kernel::FLAG_SPEC_ALLOW,
        LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => {
            kernel::FLAG_WAIT_KILLABLE_RECV
        }
    }
}

fn too_long(len: usize) -> Error {
    Error::user(format!(
        "seccomp: the filter needs {len} instructions, and the kernel takes {MAX_INSTRUCTIONS}"
    ))
    .hint("fewer rules with conditions, or fewer architectures, make it shorter")
}
