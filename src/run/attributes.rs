//! Flags of a mount, and how mount events travel through it.
//!
//! `mount_setattr` changes both while a mount has no place yet, so nobody ever
//! sees it without them. Before Linux 5.12 only a mount that has a place could
//! be changed, and its flags only one mount at a time.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::mounting::io_error;
use super::overlay::{by_child, leave_mounts};
use crate::plan::{MountFlags, Propagation, PropagationKind};
use crate::sys::mount::{self, AttrChange};
use crate::sys::{SysError, SysResult, fd};

/// `MS_*` of a propagation.
fn propagation_flag(kind: PropagationKind) -> u64 {
    match kind {
        PropagationKind::Private => libc::MS_PRIVATE,
        PropagationKind::Slave => libc::MS_SLAVE,
        PropagationKind::Shared => libc::MS_SHARED,
        PropagationKind::Unbindable => libc::MS_UNBINDABLE,
    }
}

/// The flags of the old mount call that say so.
pub(super) fn propagation_flags(propagation: Propagation) -> u64 {
    let rec = u64::from(propagation.recursive) * libc::MS_REC;
    propagation_flag(propagation.kind) | rec
}

/// A mount that has no place yet, with events travelling like this.
///
/// It may fork: there must be one thread only.
pub(super) fn travelling(mount: OwnedFd, how: Option<Propagation>) -> SysResult<OwnedFd> {
    if mount::has_setattr() || how.is_none() {
        travel(&mount, how.as_slice())?;
        return Ok(mount);
    }
    in_a_place(&mount, || {
        travel(&mount, how.as_slice())?;
        mount::open_tree(&mount, Path::new(""), true)
    })
}

/// What `then` hands out after a mount was given a place that only a child of
/// ours sees.
///
/// It forks: there must be one thread only.
pub(super) fn in_a_place(
    mount: &OwnedFd,
    then: impl FnOnce() -> SysResult<OwnedFd>,
) -> SysResult<OwnedFd> {
    by_child(|| {
        leave_mounts()?;
        let is_dir = fd::stat(mount)?.st_mode & libc::S_IFMT == libc::S_IFDIR;
        let at = Path::new(if is_dir { "/" } else { "/dev/null" });
        mount::attach(mount, fd::open(at, libc::O_PATH)?)?;
        then()
    })
}

/// Attaches a mount at `at`, with these flags, and with events travelling like
/// this: before it can be seen, or if that cannot be, just after. The latter is
/// in a mount namespace that nobody else is in yet.
pub(super) fn attach(
    mount: &OwnedFd,
    at: &OwnedFd,
    flags: MountFlags,
    propagation: &[Propagation],
) -> SysResult<()> {
    let early = mount::has_setattr();
    if !early {
        mount::attach(mount, at)?;
    }
    set_flags(mount, flags)?;
    travel(mount, propagation)?;
    if early {
        mount::attach(mount, at)?;
    }
    Ok(())
}

/// Says how events travel through a mount.
pub(super) fn travel(mount: impl AsFd, list: &[Propagation]) -> SysResult<()> {
    for propagation in list {
        if mount::has_setattr() {
            let change = AttrChange {
                propagation: propagation_flag(propagation.kind),
                ..AttrChange::default()
            };
            mount::setattr(mount.as_fd(), change, propagation.recursive)?;
        } else {
            let path = fd::proc_path(mount.as_fd());
            mount::mount(None, &path, None, propagation_flags(*propagation), None)?;
        }
    }
    Ok(())
}

/// Sets and clears flags of a mount, then of the whole tree.
pub(super) fn set_flags(mount: impl AsFd, flags: MountFlags) -> SysResult<()> {
    let own = AttrChange {
        set: flags.set,
        clear: flags.clear,
        propagation: 0,
    };
    let below = AttrChange {
        set: flags.set_below,
        clear: flags.clear_below,
        propagation: 0,
    };
    for (change, recursive) in [(own, false), (below, true)] {
        if !change.is_empty() {
            change_flags(mount.as_fd(), change, recursive)?;
        }
    }
    Ok(())
}

fn change_flags(mount: BorrowedFd<'_>, change: AttrChange, recursive: bool) -> SysResult<()> {
    let apply = |change| {
        if mount::has_setattr() {
            mount::setattr(mount, change, recursive)
        } else {
            remount(mount, change, recursive)
        }
    };
    match apply(change) {
        // Flags that the source's owner locked cannot be cleared by us. That
        // they stay set is the safe reading of "inherit"; but then at least
        // everything that is to be set must be.
        Err(e) if e.errno == Errno::EPERM && change.clear != 0 && change.set != 0 => {
            apply(AttrChange { clear: 0, ..change })
        }
        Err(e) if e.errno == Errno::EPERM && change.clear != 0 => Ok(()),
        done => done,
    }
}

fn remount(mount: BorrowedFd<'_>, change: AttrChange, recursive: bool) -> SysResult<()> {
    remount_one(mount, change)?;
    if recursive {
        for below in mounts_below(mount)? {
            remount_one(below.as_fd(), change)?;
        }
    }
    Ok(())
}

/// `ST_*` that tells of a flag, `MOUNT_ATTR_*` that changes it, and `MS_*` of
/// the old call.
const SAME: &[(u64, u64, u64)] = &[
    (libc::ST_RDONLY, libc::MOUNT_ATTR_RDONLY, libc::MS_RDONLY),
    (libc::ST_NOSUID, libc::MOUNT_ATTR_NOSUID, libc::MS_NOSUID),
    (libc::ST_NODEV, libc::MOUNT_ATTR_NODEV, libc::MS_NODEV),
    (libc::ST_NOEXEC, libc::MOUNT_ATTR_NOEXEC, libc::MS_NOEXEC),
    (
        libc::ST_NODIRATIME,
        libc::MOUNT_ATTR_NODIRATIME,
        libc::MS_NODIRATIME,
    ),
    (
        ST_NOSYMFOLLOW,
        libc::MOUNT_ATTR_NOSYMFOLLOW,
        libc::MS_NOSYMFOLLOW,
    ),
];

/// As the kernel has it in `linux/statfs.h`.
const ST_NOSYMFOLLOW: u64 = 0x2000;

/// The old call replaces all flags at once, so those in force are read first,
/// lest one be lost.
fn remount_one(mount: BorrowedFd<'_>, change: AttrChange) -> SysResult<()> {
    let now = fd::mount_flags(mount)?;
    let mut flags = libc::MS_REMOUNT | libc::MS_BIND | access_times(now, change);
    for &(st, attr, ms) in SAME {
        if (now & st != 0 && change.clear & attr == 0) || change.set & attr != 0 {
            flags |= ms;
        }
    }
    mount::mount(None, &fd::proc_path(mount), None, flags, None)
}

/// When reading changes a file's time is one of three ways, not three flags.
fn access_times(now: u64, change: AttrChange) -> u64 {
    let told = (change.set | change.clear) & libc::MOUNT_ATTR__ATIME != 0;
    let never = change.set & libc::MOUNT_ATTR_NOATIME != 0 || !told && now & libc::ST_NOATIME != 0;
    let seldom = change.set & libc::MOUNT_ATTR_STRICTATIME == 0;
    match (never, told) {
        (true, _) => libc::MS_NOATIME,
        (_, true) if seldom => libc::MS_RELATIME,
        (_, false) if now & libc::ST_RELATIME != 0 => libc::MS_RELATIME,
        _ => libc::MS_STRICTATIME,
    }
}

/// All mounts below one that has a place. What is covered by another mount is
/// left out: nobody gets there.
fn mounts_below(mount: BorrowedFd<'_>) -> SysResult<Vec<OwnedFd>> {
    let path = Path::new("/proc/self/mountinfo");
    let text = fs::read_to_string(path).map_err(|e| io_error(&e, || format!("read({path:?})")))?;
    let mut found = Vec::new();
    let top = mount_id(mount)?;
    for (id, below) in below(&text, top).ok_or_else(|| {
        SysError::new(
            Errno::ENOENT,
            format!("mount {top} in /proc/self/mountinfo"),
        )
    })? {
        match fd::openat2_if_there(mount, &below, libc::O_PATH, fd::NO_LINKS)? {
            Some(at) if mount_id(at.as_fd())? == id => found.push(at),
            _ => {}
        }
    }
    Ok(found)
}

fn mount_id(mount: BorrowedFd<'_>) -> SysResult<u32> {
    let path = format!("/proc/self/fdinfo/{}", mount.as_raw_fd());
    let failed = |e| io_error(&e, || format!("read({path:?})"));
    let text = fs::read_to_string(&path).map_err(failed)?;
    let id = text.lines().find_map(|l| l.strip_prefix("mnt_id:"));
    id.and_then(|id| id.trim().parse().ok())
        .ok_or_else(|| SysError::new(Errno::EINVAL, format!("mnt_id in {path}")))
}

/// The mounts below mount `top`, and where each is from there. `None` where
/// there is no such mount.
fn below(mountinfo: &str, top: u32) -> Option<Vec<(u32, PathBuf)>> {
    let parse = |line: &str| {
        let mut fields = line.split(' ');
        let (id, parent) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        Some((id, parent, unescaped(fields.nth(2)?)))
    };
    let all: Vec<(u32, u32, PathBuf)> = mountinfo.lines().filter_map(parse).collect();
    let (.., base) = all.iter().find(|(id, ..)| *id == top)?;
    let mut inside = vec![top];
    let mut found = Vec::new();
    let mut seen = 0;
    while let Some(&parent) = inside.get(seen) {
        seen += 1;
        for (id, _, point) in all.iter().filter(|(id, of, _)| *of == parent && id != of) {
            inside.push(*id);
            if let Ok(rest) = point.strip_prefix(base) {
                found.push((*id, rest.to_owned()));
            }
        }
    }
    Some(found)
}

/// Blanks and the like are written as three octal digits.
fn unescaped(field: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::new();
    let mut rest = field.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|d| std::str::from_utf8(d).ok());
        let byte = digits.and_then(|d| u8::from_str_radix(d, 8).ok());
        let escaped = byte.filter(|_| first == b'\\');
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() {
            &after[3..]
        } else {
            after
        };
    }
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_below_is_found_at_any_depth_and_in_any_order() {
        let text = "\
            20 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            33 32 0:9 / /a\\040b/c/d rw - tmpfs tmpfs rw\n\
            31 20 8:1 /x /a\\040b rw - ext4 /dev/sda1 rw\n\
            32 31 0:8 / /a\\040b/c rw - tmpfs tmpfs rw\n\
            40 20 0:7 / /a\\040b/c rw - tmpfs tmpfs rw\n";
        let found = below(text, 31).expect("it is there");
        assert_eq!(found, [(32, "c".into()), (33, "c/d".into())]);
        assert_eq!(below(text, 20).expect("the root").len(), 4);
        assert_eq!(below(text, 99), None);
    }

    #[test]
    fn access_times_stay_what_they_are_unless_told_otherwise() {
        let now = [libc::ST_NOATIME, libc::ST_RELATIME, 0];
        let change = |set, clear| AttrChange {
            set,
            clear,
            propagation: 0,
        };
        let untold = now.map(|now| access_times(now, change(libc::MOUNT_ATTR_RDONLY, 0)));
        let kinds = [libc::MS_NOATIME, libc::MS_RELATIME, libc::MS_STRICTATIME];
        assert_eq!(untold, kinds);
        let all = libc::MOUNT_ATTR__ATIME;
        for now in now {
            for (set, want) in [
                (libc::MOUNT_ATTR_NOATIME, libc::MS_NOATIME),
                (0, libc::MS_RELATIME),
                (libc::MOUNT_ATTR_STRICTATIME, libc::MS_STRICTATIME),
            ] {
                assert_eq!(access_times(now, change(set, all)), want);
            }
        }
    }
}
