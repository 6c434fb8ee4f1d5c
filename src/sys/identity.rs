//! Who a process is: users, groups, capabilities, and what it may gain.

use std::collections::HashSet;
use std::str::FromStr;

use caps::Capability;
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};

use super::{SysError, SysResult, syscall};

/// A set of capabilities, one bit each, as the kernel keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct CapSet(pub u64);

impl CapSet {
    /// The bit of the capability called `name` (`CAP_CHOWN`), if there is one.
    pub fn bit(name: &str) -> Option<u64> {
        let cap = Capability::from_str(name).ok()?;
        Some(cap.bitmask())
    }

    /// The names of the capabilities in the set, in the kernel's order.
    pub fn names(self) -> Vec<String> {
        let mut all: Vec<Capability> = caps::all().into_iter().collect();
        all.sort_by_key(Capability::index);
        all.into_iter()
            .filter(|c| self.0 & c.bitmask() != 0)
            .map(|c| c.to_string())
            .collect()
    }
}

impl FromIterator<Capability> for CapSet {
    fn from_iter<I: IntoIterator<Item = Capability>>(caps: I) -> Self {
        CapSet(caps.into_iter().fold(0, |bits, c| bits | c.bitmask()))
    }
}

/// What this process can do now (its effective set).
pub fn effective() -> CapSet {
    let set: HashSet<Capability> = caps::read(None, caps::CapSet::Effective).unwrap_or_default();
    set.into_iter().collect()
}

#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Sets the three capability sets of this process in one call.
pub fn set_caps(effective: CapSet, permitted: CapSet, inheritable: CapSet) -> SysResult<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = CapHeader {
        version: VERSION_3,
        pid: 0,
    };
    let half = |shift: u32| CapData {
        effective: (effective.0 >> shift) as u32,
        permitted: (permitted.0 >> shift) as u32,
        inheritable: (inheritable.0 >> shift) as u32,
    };
    let data = [half(0), half(32)];
    syscall!(
        || format!(
            "capset({{effective={:#x}, permitted={:#x}, inheritable={:#x}}})",
            effective.0, permitted.0, inheritable.0
        ),
        libc::SYS_capset,
        &raw const header,
        data.as_ptr()
    )
    .map(drop)
}

/// Removes from the bounding set everything that is not in `keep`.
///
/// `last` is the highest capability this kernel knows.
pub fn limit_bounding(keep: CapSet, last: u32) -> SysResult<()> {
    for cap in 0..=last {
        if keep.0 & (1 << cap) == 0 {
            prctl("PR_CAPBSET_DROP", libc::PR_CAPBSET_DROP, u64::from(cap), 0)?;
        }
    }
    Ok(())
}

/// Makes the ambient set exactly `want`.
pub fn set_ambient(want: CapSet, last: u32) -> SysResult<()> {
    let clear = libc::PR_CAP_AMBIENT_CLEAR_ALL as u64;
    prctl("PR_CAP_AMBIENT, CLEAR_ALL", libc::PR_CAP_AMBIENT, clear, 0)?;
    for cap in (0..=last).filter(|c| want.0 & (1 << c) != 0) {
        let raise = libc::PR_CAP_AMBIENT_RAISE as u64;
        prctl(
            "PR_CAP_AMBIENT, RAISE",
            libc::PR_CAP_AMBIENT,
            raise,
            u64::from(cap),
        )?;
    }
    Ok(())
}

/// Keeps the permitted set across a change from root to another user.
pub fn keep_caps(on: bool) -> SysResult<()> {
    prctl("PR_SET_KEEPCAPS", libc::PR_SET_KEEPCAPS, u64::from(on), 0)
}

/// From now on, no exec gives this process anything it does not have.
pub fn no_new_privs() -> SysResult<()> {
    prctl("PR_SET_NO_NEW_PRIVS", libc::PR_SET_NO_NEW_PRIVS, 1, 0)
}

/// Whether others may look into this process with ptrace and `/proc`.
pub fn set_dumpable(on: bool) -> SysResult<()> {
    prctl("PR_SET_DUMPABLE", libc::PR_SET_DUMPABLE, u64::from(on), 0)
}

/// Dies when its parent does.
pub fn set_parent_death_signal(signal: i32) -> SysResult<()> {
    prctl("PR_SET_PDEATHSIG", libc::PR_SET_PDEATHSIG, signal as u64, 0)
}

/// The files that this thread makes are another's for as long as this is held;
/// what the thread may do stays the same.
///
/// A mount that shows its files under other owners takes none of an owner that
/// it cannot show: its root is another number than 0.
#[derive(Debug)]
pub struct FilesOf {
    former: (Uid, Gid),
}

impl FilesOf {
    /// The files are this user's and group's from now on.
    pub fn new(uid: u32, gid: u32) -> SysResult<Self> {
        let former =
            with_same_power(|| (setfsuid(Uid::from_raw(uid)), setfsgid(Gid::from_raw(gid))))?;
        Ok(Self { former })
    }
}

impl Drop for FilesOf {
    fn drop(&mut self) {
        let (uid, gid) = self.former;
        // What it may do is no less than before, whether this works or not.
        let _ = with_same_power(|| {
            setfsuid(uid);
            setfsgid(gid);
        });
    }
}

/// With the user, the kernel takes the power over files away.
fn with_same_power<T>(act: impl FnOnce() -> T) -> SysResult<T> {
    let failed = |e: caps::errors::CapsError| SysError::new(Errno::EPERM, e.to_string());
    let effective = caps::read(None, caps::CapSet::Effective).map_err(failed)?;
    let done = act();
    caps::set(None, caps::CapSet::Effective, &effective).map_err(failed)?;
    Ok(done)
}

/// The name `ps` shows.
pub fn set_name(name: &std::ffi::CStr) -> SysResult<()> {
    prctl("PR_SET_NAME", libc::PR_SET_NAME, name.as_ptr() as u64, 0)
}

fn prctl(name: &str, option: i32, a: u64, b: u64) -> SysResult<()> {
    syscall!(
        || format!("prctl({name}, {a})"),
        libc::SYS_prctl,
        option,
        a,
        b,
        0u64,
        0u64
    )
    .map(drop)
}

/// Real, effective and saved user, all alike.
pub fn set_uid(uid: u32) -> SysResult<()> {
    // The raw call, not libc's: libc would try to tell every thread, and this
    // process has only one.
    syscall!(
        || format!("setresuid({uid}, {uid}, {uid})"),
        libc::SYS_setresuid,
        uid,
        uid,
        uid
    )
    .map(drop)
}

/// Real, effective and saved group, all alike.
pub fn set_gid(gid: u32) -> SysResult<()> {
    syscall!(
        || format!("setresgid({gid}, {gid}, {gid})"),
        libc::SYS_setresgid,
        gid,
        gid,
        gid
    )
    .map(drop)
}

/// The supplementary groups, exactly these.
pub fn set_groups(groups: &[u32]) -> SysResult<()> {
    syscall!(
        || format!("setgroups({groups:?})"),
        libc::SYS_setgroups,
        groups.len(),
        groups.as_ptr()
    )
    .map(drop)
}

/// Has the calling thread be a user and a group that own nothing. What it may do
/// besides that is permitted still, but no longer in force.
pub fn become_nobody() -> SysResult<()> {
    const NOBODY: u32 = 65534;
    keep_caps(true)?;
    set_groups(&[])?;
    set_gid(NOBODY)?;
    set_uid(NOBODY)?;
    keep_caps(false)
}

/// The file creation mask.
pub fn set_umask(mask: u32) {
    // SAFETY: umask takes an integer and cannot fail.
    unsafe { libc::umask(mask) };
}

/// Calls `act` with nothing masked. All threads of the process have one mask.
pub fn without_umask<T>(act: impl FnOnce() -> T) -> T {
    // SAFETY: umask takes an integer and cannot fail.
    let mask = unsafe { libc::umask(0) };
    let done = act();
    set_umask(mask);
    done
}

/// The user and group this process acts as.
pub fn effective_ids() -> (u32, u32) {
    // SAFETY: both calls take nothing and cannot fail.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

/// Whether `name` may be executed by the user this process acts as.
pub fn may_execute(path: &std::path::Path) -> SysResult<()> {
    let c = super::c_path(path)?;
    // SAFETY: `c` is a C string that lives through the call.
    let ret = unsafe { libc::faccessat(libc::AT_FDCWD, c.as_ptr(), libc::X_OK, libc::AT_EACCESS) };
    SysError::check(i64::from(ret), || {
        format!("faccessat(AT_FDCWD, {path:?}, X_OK, AT_EACCESS)")
    })
    .map(drop)
}
