//! A root made of layers: read-only ones, and one on top that takes the
//! changes.
//!
//! Where their files are to be shown under other owners, the overlay is made of
//! copies of these directories that do so. The kernel takes such layers since
//! Linux 5.19.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::mounting;
use crate::plan::Overlay;
use crate::sys::process::{self, Forked};
use crate::sys::{SysError, SysResult, fd, identity, mount, namespace, socket};

/// The longest value `fsconfig` takes, with its NUL.
const LONGEST_VALUE: usize = 256;

/// The longest list of options `mount` takes, with its NUL: one page.
const LONGEST_OPTIONS: usize = 4096;

/// Mounts `overlay` without giving it a place: nobody on the host sees it, and
/// it is gone with the last who holds it.
///
/// With other owners it forks: there must be one thread only.
pub fn mount(overlay: &Overlay) -> SysResult<OwnedFd> {
    if !overlay.owners.is_empty() {
        let map = mounting::mapping_namespace(&overlay.owners, &overlay.owners)?;
        return by_child(|| mount_mapped(overlay, &map));
    }
    let refused = match mount_one_by_one(overlay) {
        Err(e) if e.errno == Errno::EINVAL => e,
        done => return done,
    };
    // An older kernel, which may take any option and refuse them all at the
    // end. If it is not that, then the first refusal has the kernel's words.
    match mount_at_once(overlay) {
        Err(e) if e.errno == Errno::EINVAL => Err(refused),
        done => done,
    }
}

fn mount_one_by_one(overlay: &Overlay) -> SysResult<OwnedFd> {
    // Paths may be given through descriptors, which must last until the end.
    let mut held = Vec::new();
    let fs = mount::fsopen("overlay")?;
    mount::fsconfig(&fs, "source", Some("overlay"))?;
    for layer in &overlay.layers {
        mount::fsconfig(&fs, "lowerdir+", Some(&value(layer, &mut held)?))?;
    }
    if let Some(changes) = &overlay.changes {
        mount::fsconfig(&fs, "upperdir", Some(&value(&changes.upper, &mut held)?))?;
        mount::fsconfig(&fs, "workdir", Some(&value(&changes.work, &mut held)?))?;
        if changes.volatile {
            mount::fsconfig(&fs, "volatile", None)?;
        }
    }
    mount::fscreate(&fs)?;
    mount::fsmount(&fs, 0)
}

/// The same for a kernel that cannot be given one layer at a time, and whose
/// `fsconfig` has no room for them all.
///
/// The old mount call has more room, but needs a place. So a child makes the
/// mount where only it can see it, and hands a copy without a place back. It
/// is made by a fork: there must be one thread only.
pub fn mount_at_once(overlay: &Overlay) -> SysResult<OwnedFd> {
    by_child(|| {
        leave_mounts()?;
        mount_on_first(overlay)
    })
}

/// What a child has mounted, which is gone with it but for what it hands back.
pub(super) fn by_child(mount: impl FnOnce() -> SysResult<OwnedFd>) -> SysResult<OwnedFd> {
    let (ours, theirs) = socket::message_pair()?;
    let Forked::Parent { pidfd, .. } = process::fork(0, None)? else {
        drop(ours);
        let told = match mount() {
            Ok(root) => socket::send(&theirs, &[0; 4], &[root.as_raw_fd()]),
            Err(e) => socket::send(&theirs, &packed(&e), &[]),
        };
        process::exit_now(i32::from(told.is_err()));
    };
    drop(theirs);
    let mut answer = [0; 4096];
    let heard = socket::receive(&ours, &mut answer);
    // Another part of this process may have taken its status.
    let _ = process::wait(&pidfd);
    let (length, root) = heard?;
    root.ok_or_else(|| unpacked(&answer[..length]))
}

/// A failure as one message: the number, then the call.
fn packed(e: &SysError) -> Vec<u8> {
    let mut message = (e.errno as i32).to_ne_bytes().to_vec();
    message.extend(e.call.bytes().take(2048));
    message
}

fn unpacked(message: &[u8]) -> SysError {
    let Some((number, call)) = message.split_first_chunk() else {
        return SysError::new(Errno::ECHILD, "a child to mount the layers");
    };
    let errno = Errno::from_raw(i32::from_ne_bytes(*number));
    SysError::new(errno, String::from_utf8_lossy(call))
}

pub(super) fn leave_mounts() -> SysResult<()> {
    namespace::unshare(libc::CLONE_NEWNS as u64)?;
    let private = libc::MS_REC | libc::MS_PRIVATE;
    mount::mount(None, Path::new("/"), None, private, None)
}

/// Mounts `overlay` of directories that are covered by copies of themselves,
/// with the owners that the user namespace `map` gives them. Only this process
/// sees the covers, and their paths are those of the layers.
fn mount_mapped(overlay: &Overlay, map: &OwnedFd) -> SysResult<OwnedFd> {
    leave_mounts()?;
    // The upper directory and the one for work must be in one mount.
    let changes = overlay.changes.as_ref();
    let above = changes.and_then(|changes| changes.upper.parent());
    for dir in overlay.layers.iter().map(PathBuf::as_path).chain(above) {
        let at = fd::open(dir, libc::O_PATH | libc::O_DIRECTORY)?;
        let cover = mount::open_tree(&at, Path::new(""), false)?;
        mount::set_idmap(&cover, map, false)?;
        mount::attach(&cover, &at)?;
    }
    // The kernel makes files in the directory for work in the name of whoever
    // mounts, who must be somebody there.
    let root = overlay.owners.first().map_or(0, |range| range.outside);
    let _owner = identity::FilesOf::new(root, root)?;
    match mount_one_by_one(overlay) {
        Err(e) if e.errno == Errno::EINVAL => mount_on_first(overlay).map_err(|_| e),
        done => done,
    }
}

/// Mounts `overlay` on top of its first layer, in a mount namespace of this
/// process's own. The layers are opened there: a layer must be in the mount
/// namespace that mounts it.
fn mount_on_first(overlay: &Overlay) -> SysResult<OwnedFd> {
    let mut held = Vec::new();
    let options = options(overlay, &mut held)?;
    let on = overlay.layers.first();
    let on = on.ok_or_else(|| SysError::new(Errno::EINVAL, "an overlay without a layer"))?;
    mount::mount(Some("overlay"), on, Some("overlay"), 0, Some(&options))?;
    mount::open_tree(fd::open(on, libc::O_PATH)?, Path::new(""), false)
}

/// All options in the old form. The layers are given through descriptors:
/// their paths would not fit.
fn options(overlay: &Overlay, held: &mut Vec<OwnedFd>) -> SysResult<String> {
    let layers = overlay.layers.iter().map(|path| short(path, held));
    let layers: Vec<String> = layers.collect::<SysResult<_>>()?;
    let mut options = vec![format!("lowerdir={}", layers.join(":"))];
    if let Some(changes) = &overlay.changes {
        let (upper, work) = (short(&changes.upper, held)?, short(&changes.work, held)?);
        options.push(format!("upperdir={upper},workdir={work}"));
        if changes.volatile {
            options.push("volatile".to_owned());
        }
    }
    let options = options.join(",");
    if options.len() < LONGEST_OPTIONS {
        return Ok(options);
    }
    let call = format!("mount an overlay of {} layers at once", layers.len());
    Err(SysError::new(Errno::E2BIG, call))
}

/// A path as the kernel takes it here: not too long, and without the signs
/// that mean something in a list of layers.
fn value(path: &Path, held: &mut Vec<OwnedFd>) -> SysResult<String> {
    let plain = path.to_str().filter(|p| p.len() < LONGEST_VALUE);
    if let Some(plain) = plain.filter(|p| !p.contains([':', '\\', ','])) {
        // A missing one is told by its name.
        fd::open(path, libc::O_PATH | libc::O_DIRECTORY)?;
        return Ok(plain.to_owned());
    }
    short(path, held)
}

/// A directory's path through a descriptor.
fn short(path: &Path, held: &mut Vec<OwnedFd>) -> SysResult<String> {
    let dir = fd::open(path, libc::O_PATH | libc::O_DIRECTORY)?;
    let short = fd::proc_path(&dir).to_string_lossy().into_owned();
    held.push(dir);
    Ok(short)
}
