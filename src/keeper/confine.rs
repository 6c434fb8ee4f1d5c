//! How a process that speaks with strangers is kept from this machine: what
//! takes it over finds no file, no process and no power there.

use crate::error::Result;
use crate::sys::{fd, identity, memory, mount};

/// What it is born with for itself: it sees no other process, and so can send
/// none a signal, and no other's shared memory.
pub(super) const NAMESPACES: u64 = (libc::CLONE_NEWPID | libc::CLONE_NEWIPC) as u64;

/// Leaves all files behind, for a directory that nobody else sees, nothing is
/// in and nothing can be put into. It has no place anywhere, so nothing leads
/// up from it; and the kernel makes no user namespace, in which one would have
/// power again, for those who see but a part of their mounts.
pub(super) fn leave_files() -> Result<()> {
    // Asked of a file, and needed all its life.
    memory::know_stack();
    let empty = mount::fsopen("tmpfs")?;
    mount::fsconfig(&empty, "source", Some("rcon"))?;
    mount::fsconfig(&empty, "size", Some("0"))?;
    mount::fsconfig(&empty, "nr_inodes", Some("1"))?;
    mount::fsconfig(&empty, "mode", Some("0555"))?;
    mount::fscreate(&empty)?;
    let flags = libc::MOUNT_ATTR_RDONLY
        | libc::MOUNT_ATTR_NOSUID
        | libc::MOUNT_ATTR_NODEV
        | libc::MOUNT_ATTR_NOEXEC;
    let empty = mount::fsmount(&empty, flags)?;
    fd::fchdir(&empty)?;
    Ok(mount::chroot_here()?)
}

/// Is nobody from here on, and may do nothing that not everybody may.
pub(super) fn give_up_power() -> Result<()> {
    identity::become_nobody()?;
    let none = identity::CapSet::default();
    Ok(identity::set_caps(none, none, none)?)
}
