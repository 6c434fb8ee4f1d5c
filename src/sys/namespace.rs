//! Namespaces: making, entering, and what belongs to them.

use std::os::fd::{AsFd, AsRawFd};

use super::{SysResult, fd, flag_names, syscall};

/// libc's constant is too narrow for its value.
pub(super) const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The clone flags, by name.
pub const CLONE_FLAGS: &[(u64, &str)] = &[
    (libc::CLONE_NEWUSER as u64, "CLONE_NEWUSER"),
    (libc::CLONE_NEWNS as u64, "CLONE_NEWNS"),
    (libc::CLONE_NEWPID as u64, "CLONE_NEWPID"),
    (libc::CLONE_NEWNET as u64, "CLONE_NEWNET"),
    (libc::CLONE_NEWIPC as u64, "CLONE_NEWIPC"),
    (libc::CLONE_NEWUTS as u64, "CLONE_NEWUTS"),
    (libc::CLONE_NEWCGROUP as u64, "CLONE_NEWCGROUP"),
    (0x80, "CLONE_NEWTIME"),
    (libc::CLONE_PARENT as u64, "CLONE_PARENT"),
    (libc::CLONE_PIDFD as u64, "CLONE_PIDFD"),
    (CLONE_INTO_CGROUP, "CLONE_INTO_CGROUP"),
];

/// Leaves the namespaces named by `flags` for new ones.
pub fn unshare(flags: u64) -> SysResult<()> {
    syscall!(
        || format!("unshare({})", flag_names(flags, CLONE_FLAGS)),
        libc::SYS_unshare,
        flags
    )
    .map(drop)
}

/// Enters the namespace behind `ns`, or, where `ns` is a pidfd, those of that
/// process that `flags` name, all at once.
pub fn setns(ns: impl AsFd, flags: u64) -> SysResult<()> {
    let raw = ns.as_fd().as_raw_fd();
    syscall!(
        || format!(
            "setns({}, {})",
            fd::show(raw),
            flag_names(flags, CLONE_FLAGS)
        ),
        libc::SYS_setns,
        raw,
        flags
    )
    .map(drop)
}

/// The host name of the current UTS namespace.
pub fn set_hostname(name: &str) -> SysResult<()> {
    syscall!(
        || format!("sethostname({name:?})"),
        libc::SYS_sethostname,
        name.as_ptr(),
        name.len()
    )
    .map(drop)
}

/// The NIS domain name of the current UTS namespace.
pub fn set_domainname(name: &str) -> SysResult<()> {
    syscall!(
        || format!("setdomainname({name:?})"),
        libc::SYS_setdomainname,
        name.as_ptr(),
        name.len()
    )
    .map(drop)
}

/// A new session keyring of our own, so that the caller's keys stay behind.
pub fn join_session_keyring(name: &str) -> SysResult<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: i32 = 1;
    let c = super::c_string(name.as_bytes())?;
    syscall!(
        || format!("keyctl(KEYCTL_JOIN_SESSION_KEYRING, {name:?})"),
        libc::SYS_keyctl,
        KEYCTL_JOIN_SESSION_KEYRING,
        c.as_ptr()
    )
    .map(drop)
}

/// The clone flag of the namespace behind a descriptor.
pub fn kind_of(ns: impl AsFd) -> SysResult<u64> {
    const NS_GET_NSTYPE: u64 = 0xb703;
    let raw = ns.as_fd().as_raw_fd();
    syscall!(
        || format!("ioctl({}, NS_GET_NSTYPE)", fd::show(raw)),
        libc::SYS_ioctl,
        raw,
        NS_GET_NSTYPE
    )
    .map(|flag| flag as u64)
}

/// Switches on the interface `lo` of the current network namespace.
pub fn raise_loopback() -> SysResult<()> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    let sock = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .map_err(|e| super::SysError::new(e, "socket(AF_INET, SOCK_DGRAM)"))?;
    // SAFETY: `ifreq` is plain data for which all zeroes is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    syscall!(
        || "ioctl(SIOCSIFFLAGS, {\"lo\", IFF_UP|IFF_RUNNING})".into(),
        libc::SYS_ioctl,
        sock.as_raw_fd(),
        libc::SIOCSIFFLAGS,
        &raw const request
    )
    .map(drop)
}

/// Does something in another network namespace and comes back. A thread that
/// could not come back would go on in the wrong place: the process ends
/// instead.
pub fn inside_network<T>(ns: impl AsFd, act: impl FnOnce() -> T) -> SysResult<T> {
    let net = libc::CLONE_NEWNET as u64;
    let own = std::path::Path::new("/proc/thread-self/ns/net");
    let own = fd::open(own, libc::O_RDONLY)?;
    setns(ns, net)?;
    let done = act();
    if let Err(e) = setns(&own, net) {
        crate::say::error(&e);
        super::process::exit_now(255);
    }
    Ok(done)
}
