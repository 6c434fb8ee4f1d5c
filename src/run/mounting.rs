//! Mounts: made without a place, given their flags, then put in place.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;

use super::root::Root;
use super::{attributes, foreign};
use crate::plan::{Filesystem, IdRange, MountFlags, Propagation, Target};
use crate::sys::mount;
use crate::sys::process::{self, Forked};
use crate::sys::{SysError, SysResult, fd, namespace};

/// How mount events travel from `/` on down.
pub(super) fn set_propagation(propagation: Propagation) -> SysResult<()> {
    let flags = attributes::propagation_flags(propagation);
    mount::mount(None, Path::new("/"), None, flags, None)
}

/// A mount without a place: a copy of the tree at `path` of the host.
pub(super) fn copy(path: &Path, recursive: bool) -> SysResult<OwnedFd> {
    let at = fd::open(path, libc::O_PATH)?;
    match mount::open_tree(&at, Path::new(""), recursive) {
        Err(e) if e.errno == Errno::EINVAL => foreign::copy(path, &at, recursive).unwrap_or(Err(e)),
        copied => copied,
    }
}

/// Puts a mount in place, with its flags.
pub(super) fn place(
    root: Root<'_>,
    mount: &OwnedFd,
    target: &Target,
    flags: MountFlags,
    propagation: &[Propagation],
) -> SysResult<()> {
    let at = mount_point(root, target)?;
    attributes::attach(mount, &at, flags, propagation)
}

/// What `target` stands for, made where it is missing.
fn mount_point(root: Root<'_>, target: &Target) -> SysResult<OwnedFd> {
    if target.no_links {
        return match root.find_no_links(&target.path) {
            Err(e) if e.errno == Errno::ENOENT => {
                root.make_directory(&target.path)?;
                root.find_no_links(&target.path)
            }
            found => found,
        };
    }
    let at = if target.file {
        root.make_file(&target.path)
    } else {
        root.make_directory(&target.path)
    }?;
    // That nothing covers procfs was seen to by the words of the path; a link
    // of the image must not lead there by others (CVE-2019-16884).
    if !target.path.starts_with("/proc") && super::procfs::is_one(&at)? {
        let why = format!("{:?}: its links lead into procfs", target.path);
        return Err(SysError::new(Errno::EXDEV, why));
    }
    Ok(at)
}

/// A new file system, mounted without a place.
pub(super) fn new(
    root: Root<'_>,
    filesystem: &Filesystem,
    target: &Target,
) -> SysResult<Option<OwnedFd>> {
    // An option of fsconfig holds 255 bytes; an overlay's list of layers can
    // be longer than that.
    let too_long = |(_, v): &(String, Option<String>)| v.as_ref().is_some_and(|v| v.len() > 255);
    if filesystem.options.iter().any(too_long) {
        return old_style(root, filesystem, target).map(|()| None);
    }
    let fs = mount::fsopen(&filesystem.fstype)?;
    if filesystem.source.len() < 256 && !filesystem.source.is_empty() {
        mount::fsconfig(&fs, "source", Some(&filesystem.source))?;
    }
    for (key, value) in &filesystem.options {
        mount::fsconfig(&fs, key, value.as_deref())?;
    }
    if let Some(mode) = inherited_mode(root, filesystem, target) {
        mount::fsconfig(&fs, "mode", Some(&mode))?;
    }
    mount::fscreate(&fs)?;
    mount::fsmount(&fs, 0).map(Some)
}

/// A tmpfs looks like the directory it covers, unless it is told otherwise.
fn inherited_mode(root: Root<'_>, filesystem: &Filesystem, target: &Target) -> Option<String> {
    let told = filesystem.options.iter().any(|(key, _)| key == "mode");
    if filesystem.fstype != "tmpfs" || told {
        return None;
    }
    let covered = root.find(&target.path).ok()?;
    let mode = fd::stat(&covered).ok()?.st_mode & 0o7777;
    Some(format!("{mode:o}"))
}

/// The old way, which has room for a page of options. The target is still a
/// descriptor.
fn old_style(root: Root<'_>, filesystem: &Filesystem, target: &Target) -> SysResult<()> {
    let at = mount_point(root, target)?;
    let words = filesystem.options.iter().map(|(key, value)| match value {
        Some(value) => format!("{key}={value}"),
        None => key.clone(),
    });
    let data = words.collect::<Vec<_>>().join(",");
    mount::mount(
        Some(&filesystem.source),
        &fd::proc_path(&at),
        Some(&filesystem.fstype),
        0,
        Some(&data),
    )
}

/// Changes the mount at `target`.
pub(super) fn remount(
    root: Root<'_>,
    target: &Target,
    flags: MountFlags,
    propagation: &[Propagation],
) -> SysResult<()> {
    let at = root.find(&target.path)?;
    attributes::set_flags(&at, flags)?;
    attributes::travel(&at, propagation)
}

/// Lays a copy of `path` over itself, read-only. Nothing there: nothing to do.
pub(super) fn protect(root: Root<'_>, path: &Path) -> SysResult<()> {
    let Some(at) = find_if_any(root, path)? else {
        return Ok(());
    };
    let copy = mount::open_tree(&at, Path::new(""), true)?;
    let flags = MountFlags {
        set_below: libc::MOUNT_ATTR_RDONLY,
        ..MountFlags::default()
    };
    attributes::attach(&copy, &at, flags, &[])
}

/// Lays the host's `/dev/null` over a file, an empty read-only directory over a
/// directory. All of those are one tmpfs, `empty` once there is one, and what is
/// returned: a machine with many processors has one to hide for each, and a file
/// system takes the kernel longer to make and to clear away than a further mount
/// of it.
pub(super) fn mask(
    root: Root<'_>,
    path: &Path,
    empty: Option<&OwnedFd>,
) -> SysResult<Option<OwnedFd>> {
    let Some(at) = find_if_any(root, path)? else {
        return Ok(None);
    };
    if fd::stat(&at)?.st_mode & libc::S_IFMT != libc::S_IFDIR {
        let null = fd::open(Path::new("/dev/null"), libc::O_PATH | libc::O_NOFOLLOW)?;
        check_device(&null, 1, 3)?;
        let cover = mount::open_tree(&null, Path::new(""), false)?;
        // Flags that a user namespace inside finds locked, and cannot change.
        let flags = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;
        let flags = MountFlags::set(flags);
        attributes::attach(&cover, &at, flags, &[])?;
        return Ok(None);
    }
    let cover = match empty {
        Some(first) => mount::open_tree(first, Path::new(""), false)?,
        None => empty_directory()?,
    };
    mount::attach(&cover, &at)?;
    Ok(Some(cover))
}

fn empty_directory() -> SysResult<OwnedFd> {
    let fs = mount::fsopen("tmpfs")?;
    mount::fsconfig(&fs, "source", Some("tmpfs"))?;
    mount::fsconfig(&fs, "size", Some("0"))?;
    mount::fsconfig(&fs, "nr_inodes", Some("2"))?;
    mount::fscreate(&fs)?;
    mount::fsmount(&fs, libc::MOUNT_ATTR_RDONLY)
}

fn find_if_any(root: Root<'_>, path: &Path) -> SysResult<Option<OwnedFd>> {
    match root.find_if_there(path) {
        Err(e) if e.errno == Errno::ENOTDIR => Ok(None),
        found => found,
    }
}

/// Makes sure that a descriptor is the character device it is taken for.
pub(super) fn check_device(device: impl AsFd, major: u32, minor: u32) -> SysResult<()> {
    let st = fd::stat(device)?;
    let is_char = st.st_mode & libc::S_IFMT == libc::S_IFCHR;
    if is_char && st.st_rdev == libc::makedev(major, minor) {
        return Ok(());
    }
    Err(SysError::new(
        Errno::ENODEV,
        format!("the device is not {major}:{minor}, so something else is in its place"),
    ))
}

/// The same for any node.
pub(super) fn check_node(node: impl AsFd, device: &crate::plan::Device) -> SysResult<()> {
    let st = fd::stat(node)?;
    let number = libc::makedev(device.major, device.minor);
    if st.st_mode & libc::S_IFMT == device.kind && st.st_rdev == number {
        return Ok(());
    }
    Err(SysError::new(
        Errno::ENODEV,
        format!("the host's {} is another device", device.path.display()),
    ))
}

/// A user namespace with nothing but id maps, to show a mount's files by.
///
/// It needs a process to be made in. That one waits to be killed; the
/// descriptor keeps the namespace.
pub(super) fn mapping_namespace(uids: &[IdRange], gids: &[IdRange]) -> SysResult<OwnedFd> {
    let Forked::Parent { pid, pidfd } = process::fork(libc::CLONE_NEWUSER as u64, None)? else {
        loop {
            nix::unistd::pause();
        }
    };
    let made = (|| {
        write_map(pid, "uid_map", uids)?;
        write_map(pid, "gid_map", gids)?;
        fd::open(Path::new(&format!("/proc/{pid}/ns/user")), libc::O_RDONLY)
    })();
    // Killing our own child that waits for nothing else cannot fail.
    let _ = fd::pidfd_send_signal(&pidfd, libc::SIGKILL);
    let _ = process::wait(&pidfd);
    made
}

/// Writes an id map of process `pid`.
pub(super) fn write_map(pid: i32, file: &str, ranges: &[IdRange]) -> SysResult<()> {
    let lines = ranges
        .iter()
        .map(|r| format!("{} {} {}\n", r.inside, r.outside, r.count));
    write_file(
        Path::new(&format!("/proc/{pid}/{file}")),
        &lines.collect::<String>(),
    )
}

/// Writes a kernel file in one go.
pub(super) fn write_file(path: &Path, text: &str) -> SysResult<()> {
    fs::write(path, text).map_err(|e| io_error(&e, || format!("write({path:?}, {text:?})")))
}

pub(super) fn io_error(e: &io::Error, call: impl FnOnce() -> String) -> SysError {
    SysError::new(
        Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)),
        call(),
    )
}

/// Fills a new tmpfs with what it is going to cover.
pub(super) fn copy_up(root: Root<'_>, target: &Target, mount: &OwnedFd) -> SysResult<()> {
    let from = match root.open(&target.path, libc::O_RDONLY | libc::O_DIRECTORY) {
        Err(e) if matches!(e.errno, Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
        found => found?,
    };
    copy_tree(&from, mount)
}

/// Copies a directory by descriptor: what is a link stays a link, and nothing
/// outside is looked at.
fn copy_tree(from: &OwnedFd, to: &OwnedFd) -> SysResult<()> {
    let source = fd::proc_path(from);
    let failed = |e: io::Error| io_error(&e, || format!("copying {source:?} into a tmpfs"));
    copy_meta(&fs::metadata(&source).map_err(failed)?, to)?;
    for entry in fs::read_dir(&source).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        copy_entry(from, to, Path::new(&name))?;
    }
    Ok(())
}

fn copy_entry(from: &OwnedFd, to: &OwnedFd, name: &Path) -> SysResult<()> {
    let at = fd::openat2(from, name, libc::O_PATH | libc::O_NOFOLLOW, 0, fd::NO_LINKS)?;
    let st = fd::stat(&at)?;
    let failed = |e: io::Error| io_error(&e, || format!("copying {name:?} into a tmpfs"));
    match st.st_mode & libc::S_IFMT {
        libc::S_IFDIR => {
            fd::mkdirat(to, name, 0o700)?;
            let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
            let inner = fd::openat2(from, name, flags, 0, fd::NO_LINKS)?;
            let made = fd::openat2(to, name, flags, 0, fd::NO_LINKS)?;
            return copy_tree(&inner, &made);
        }
        libc::S_IFLNK => {
            let link = nix::fcntl::readlinkat(from, name);
            let link = link.map_err(|e| SysError::new(e, format!("readlinkat({name:?})")))?;
            fd::symlinkat(Path::new(&link), to, name)?;
            let made = fd::openat2(
                to,
                name,
                libc::O_PATH | libc::O_NOFOLLOW,
                0,
                libc::RESOLVE_BENEATH,
            )?;
            return fd::chown(&made, st.st_uid, st.st_gid);
        }
        libc::S_IFREG => {
            let mut source = fs::File::from(fd::openat2(
                from,
                name,
                libc::O_RDONLY | libc::O_NOFOLLOW,
                0,
                fd::NO_LINKS,
            )?);
            let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL;
            let mut copy = fs::File::from(fd::openat2(to, name, flags, 0o600, fd::NO_LINKS)?);
            io::copy(&mut source, &mut copy).map_err(failed)?;
            return copy_meta(&source.metadata().map_err(failed)?, &copy.into());
        }
        // Devices, FIFOs and sockets; a socket's file is useless without the
        // program behind it, but its name is kept all the same.
        _ => fd::mknodat(to, name, st.st_mode, st.st_rdev)?,
    }
    let made = fd::openat2(to, name, libc::O_PATH | libc::O_NOFOLLOW, 0, fd::NO_LINKS)?;
    fd::chown(&made, st.st_uid, st.st_gid)
}

fn copy_meta(meta: &fs::Metadata, to: &OwnedFd) -> SysResult<()> {
    fd::chown(to, meta.uid(), meta.gid())?;
    fd::chmod(to, meta.permissions().mode() & 0o7777)
}

/// Makes the assembled tree the root of this process's mount namespace.
pub(super) fn pivot(root: &OwnedFd, stays_shared: bool) -> SysResult<()> {
    let old = fd::open(Path::new("/"), libc::O_PATH | libc::O_DIRECTORY)?;
    fd::fchdir(root)?;
    mount::pivot_root_here()?;
    // The old root now lies on top of the new one. Taking it away must not
    // be seen by the host.
    fd::fchdir(&old)?;
    if stays_shared {
        mount::mount(
            None,
            Path::new("."),
            None,
            libc::MS_SLAVE | libc::MS_REC,
            None,
        )?;
    }
    mount::detach(Path::new("."))?;
    fd::fchdir(root)
}

/// The same for a root that cannot be pivoted: the tree is moved over it.
pub(super) fn move_over(root: &OwnedFd) -> SysResult<()> {
    fd::fchdir(root)?;
    mount::mount(Some("."), Path::new("/"), None, libc::MS_MOVE, None)?;
    mount::chroot_here()?;
    fd::fchdir(root)
}

/// Enters a directory as root, without any mount.
pub(super) fn chroot(root: &OwnedFd) -> SysResult<()> {
    fd::fchdir(root)?;
    mount::chroot_here()
}

/// Opens a namespace and makes sure that it is of the kind it is taken for.
pub(super) fn open_namespace(path: &Path, kind: crate::plan::Namespace) -> SysResult<OwnedFd> {
    let ns = fd::open(path, libc::O_RDONLY | libc::O_NONBLOCK)?;
    match namespace::kind_of(&ns) {
        Ok(flag) if flag == kind.flag() => Ok(ns),
        _ => Err(SysError::new(
            Errno::EINVAL,
            format!("{} is not a {} namespace", path.display(), kind.spec_name()),
        )),
    }
}
