//! Mounts, by descriptor: the new mount API, and the old calls for kernels
//! or security policies that do without it.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;

use nix::errno::Errno;

use super::{SysResult, c_path, c_string, fd, flag_names, syscall};

/// A mount's attributes, by name.
pub const ATTRS: &[(u64, &str)] = &[
    (libc::MOUNT_ATTR_RDONLY, "MOUNT_ATTR_RDONLY"),
    (libc::MOUNT_ATTR_NOSUID, "MOUNT_ATTR_NOSUID"),
    (libc::MOUNT_ATTR_NODEV, "MOUNT_ATTR_NODEV"),
    (libc::MOUNT_ATTR_NOEXEC, "MOUNT_ATTR_NOEXEC"),
    (libc::MOUNT_ATTR_STRICTATIME, "MOUNT_ATTR_STRICTATIME"),
    (libc::MOUNT_ATTR_NOATIME, "MOUNT_ATTR_NOATIME"),
    (libc::MOUNT_ATTR_NODIRATIME, "MOUNT_ATTR_NODIRATIME"),
    (libc::MOUNT_ATTR_IDMAP, "MOUNT_ATTR_IDMAP"),
    (libc::MOUNT_ATTR_NOSYMFOLLOW, "MOUNT_ATTR_NOSYMFOLLOW"),
];

/// The flags of the old mount call, by name.
pub const FLAGS: &[(u64, &str)] = &[
    (libc::MS_RDONLY, "MS_RDONLY"),
    (libc::MS_NOSUID, "MS_NOSUID"),
    (libc::MS_NODEV, "MS_NODEV"),
    (libc::MS_NOEXEC, "MS_NOEXEC"),
    (libc::MS_REMOUNT, "MS_REMOUNT"),
    (libc::MS_BIND, "MS_BIND"),
    (libc::MS_REC, "MS_REC"),
    (libc::MS_MOVE, "MS_MOVE"),
    (libc::MS_PRIVATE, "MS_PRIVATE"),
    (libc::MS_SLAVE, "MS_SLAVE"),
    (libc::MS_SHARED, "MS_SHARED"),
    (libc::MS_UNBINDABLE, "MS_UNBINDABLE"),
    (libc::MS_NOATIME, "MS_NOATIME"),
    (libc::MS_NODIRATIME, "MS_NODIRATIME"),
    (libc::MS_RELATIME, "MS_RELATIME"),
    (libc::MS_STRICTATIME, "MS_STRICTATIME"),
    (libc::MS_NOSYMFOLLOW, "MS_NOSYMFOLLOW"),
];

/// A detached copy of the mount (tree) at `path`, seen from `dir`.
///
/// `path` may be empty: then the copy is of `dir` itself.
pub fn open_tree(dir: impl AsFd, path: &Path, recursive: bool) -> SysResult<OwnedFd> {
    let dir = dir.as_fd().as_raw_fd();
    let c = c_path(path)?;
    let rec = if recursive { libc::AT_RECURSIVE } else { 0 } as u32;
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | rec | libc::AT_EMPTY_PATH as u32;
    syscall!(
        || {
            let rec = if recursive { "|AT_RECURSIVE" } else { "" };
            format!(
                "open_tree({}, {path:?}, OPEN_TREE_CLONE|AT_EMPTY_PATH{rec})",
                fd::show(dir)
            )
        },
        libc::SYS_open_tree,
        dir,
        c.as_ptr(),
        flags
    )
    .map(fd::own)
}

/// Attaches a detached mount onto what `target` stands for.
pub fn attach(mount: impl AsFd, target: impl AsFd) -> SysResult<()> {
    let (mount, target) = (mount.as_fd().as_raw_fd(), target.as_fd().as_raw_fd());
    syscall!(
        || format!("move_mount({mount}, \"\", {}, \"\")", fd::show(target)),
        libc::SYS_move_mount,
        mount,
        c"".as_ptr(),
        target,
        c"".as_ptr(),
        libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH
    )
    .map(drop)
}

/// Begins a new file system of type `fstype`.
pub fn fsopen(fstype: &str) -> SysResult<OwnedFd> {
    const FSOPEN_CLOEXEC: u32 = 1;
    let c = c_string(fstype.as_bytes())?;
    syscall!(
        || format!("fsopen({fstype:?})"),
        libc::SYS_fsopen,
        c.as_ptr(),
        FSOPEN_CLOEXEC
    )
    .map(fd::own)
}

/// Sets an option of a file system being made: with a value, or as a flag.
pub fn fsconfig(fs: impl AsFd, key: &str, value: Option<&str>) -> SysResult<()> {
    const FSCONFIG_SET_FLAG: u32 = 0;
    const FSCONFIG_SET_STRING: u32 = 1;
    let raw = fs.as_fd().as_raw_fd();
    let k = c_string(key.as_bytes())?;
    let v: Option<CString> = value.map(|v| c_string(v.as_bytes())).transpose()?;
    let (cmd, v) = match &v {
        Some(v) => (FSCONFIG_SET_STRING, v.as_ptr()),
        None => (FSCONFIG_SET_FLAG, std::ptr::null()),
    };
    let done = syscall!(
        || match value {
            Some(value) => format!("fsconfig(FSCONFIG_SET_STRING, {key:?}, {value:?})"),
            None => format!("fsconfig(FSCONFIG_SET_FLAG, {key:?})"),
        },
        libc::SYS_fsconfig,
        raw,
        cmd,
        k.as_ptr(),
        v,
        0
    );
    done.map(drop).map_err(|e| with_kernel_words(raw, e))
}

/// Asks the kernel to make the file system configured so far.
pub fn fscreate(fs: impl AsFd) -> SysResult<()> {
    const FSCONFIG_CMD_CREATE: u32 = 6;
    let raw = fs.as_fd().as_raw_fd();
    let none = std::ptr::null::<libc::c_char>();
    syscall!(
        || "fsconfig(FSCONFIG_CMD_CREATE)".into(),
        libc::SYS_fsconfig,
        raw,
        FSCONFIG_CMD_CREATE,
        none,
        none,
        0
    )
    .map(drop)
    .map_err(|e| with_kernel_words(raw, e))
}

/// A detached mount of a file system made by [`fscreate`].
pub fn fsmount(fs: impl AsFd, attrs: u64) -> SysResult<OwnedFd> {
    const FSMOUNT_CLOEXEC: u32 = 1;
    syscall!(
        || format!("fsmount({})", flag_names(attrs, ATTRS)),
        libc::SYS_fsmount,
        fs.as_fd().as_raw_fd(),
        FSMOUNT_CLOEXEC,
        attrs
    )
    .map(fd::own)
}

/// A file system being configured keeps the reasons for a refusal as lines to
/// be read back; they say far more than an errno.
fn with_kernel_words(fs: i32, mut e: super::SysError) -> super::SysError {
    let mut buf = [0u8; 512];
    // SAFETY: `buf` is writable for its whole length during the call.
    let n = unsafe { libc::read(fs, buf.as_mut_ptr().cast(), buf.len()) };
    if n > 2 {
        let said = String::from_utf8_lossy(&buf[2..n as usize]);
        e.call = format!("{} [{}]", e.call, said.trim());
    }
    e
}

/// The changes `mount_setattr` makes to a mount, or to a whole tree of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttrChange {
    /// `MOUNT_ATTR_*` bits to set.
    pub set: u64,
    /// `MOUNT_ATTR_*` bits to clear.
    pub clear: u64,
    /// `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED` or `MS_UNBINDABLE`; 0 leaves it.
    pub propagation: u64,
}

impl AttrChange {
    /// Whether there is anything to do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Changes a mount's attributes, optionally of the whole tree below it.
pub fn setattr(mount: impl AsFd, change: AttrChange, recursive: bool) -> SysResult<()> {
    setattr_raw(mount, change, recursive, 0)
}

/// Whether this kernel has `mount_setattr`, as Linux has since 5.12.
pub fn has_setattr() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| {
        // Of nothing to change the kernel makes nothing; a filter of system
        // calls may hide the call from us as well.
        let nothing = setattr(fd::standard(0), AttrChange::default(), false);
        nothing.err().is_none_or(|e| e.errno != Errno::ENOSYS)
    })
}

/// Shows the files of a detached mount under other owners, as the mappings of
/// the user namespace `userns` say.
pub fn set_idmap(mount: impl AsFd, userns: impl AsFd, recursive: bool) -> SysResult<()> {
    let change = AttrChange {
        set: libc::MOUNT_ATTR_IDMAP,
        ..AttrChange::default()
    };
    let userns = userns.as_fd().as_raw_fd() as u64;
    setattr_raw(mount, change, recursive, userns)
}

fn setattr_raw(
    mount: impl AsFd,
    change: AttrChange,
    recursive: bool,
    userns: u64,
) -> SysResult<()> {
    let raw = mount.as_fd().as_raw_fd();
    let mut clear = change.clear;
    // The access-time modes are one field, not bits: the kernel wants the
    // whole field cleared whenever it is touched.
    if (change.set | clear) & libc::MOUNT_ATTR__ATIME != 0 {
        clear |= libc::MOUNT_ATTR__ATIME;
    }
    let attr = libc::mount_attr {
        attr_set: change.set,
        attr_clr: clear,
        propagation: change.propagation,
        userns_fd: userns,
    };
    let rec = if recursive { libc::AT_RECURSIVE } else { 0 };
    syscall!(
        || format!(
            "mount_setattr({}, AT_EMPTY_PATH{}, {{set={}, clear={}, propagation={}}})",
            fd::show(raw),
            if recursive { "|AT_RECURSIVE" } else { "" },
            flag_names(change.set, ATTRS),
            flag_names(clear, ATTRS),
            flag_names(change.propagation, FLAGS),
        ),
        libc::SYS_mount_setattr,
        raw,
        c"".as_ptr(),
        libc::AT_EMPTY_PATH | rec,
        &raw const attr,
        size_of::<libc::mount_attr>()
    )
    .map(drop)
}

/// The old mount call, for what the new one cannot say: a remount with data,
/// or the propagation of a tree on a kernel without `mount_setattr`.
pub fn mount(
    source: Option<&str>,
    target: &Path,
    fstype: Option<&str>,
    flags: u64,
    data: Option<&str>,
) -> SysResult<()> {
    let source_c = source.map(|s| c_string(s.as_bytes())).transpose()?;
    let target_c = c_path(target)?;
    let type_c = fstype.map(|s| c_string(s.as_bytes())).transpose()?;
    let data_c = data.map(|s| c_string(s.as_bytes())).transpose()?;
    let ptr = |s: &Option<CString>| s.as_ref().map_or(std::ptr::null(), |s| s.as_ptr());
    syscall!(
        || format!(
            "mount({source:?}, {target:?}, {fstype:?}, {}, {data:?})",
            flag_names(flags, FLAGS)
        ),
        libc::SYS_mount,
        ptr(&source_c),
        target_c.as_ptr(),
        ptr(&type_c),
        flags,
        ptr(&data_c)
    )
    .map(drop)
}

/// Takes the mount at `target` away, now from sight and later for good.
pub fn detach(target: &Path) -> SysResult<()> {
    let c = c_path(target)?;
    syscall!(
        || format!("umount2({target:?}, MNT_DETACH)"),
        libc::SYS_umount2,
        c.as_ptr(),
        libc::MNT_DETACH
    )
    .map(drop)
}

/// Makes the working directory the root; the old root then lies on top of it.
pub fn pivot_root_here() -> SysResult<()> {
    syscall!(
        || "pivot_root(\".\", \".\")".into(),
        libc::SYS_pivot_root,
        c".".as_ptr(),
        c".".as_ptr()
    )
    .map(drop)
}

/// Makes the working directory the root of this process alone.
pub fn chroot_here() -> SysResult<()> {
    syscall!(|| "chroot(\".\")".into(), libc::SYS_chroot, c".".as_ptr()).map(drop)
}

/// The working directory as the kernel tells it.
///
/// One outside the root comes back as `(unreachable)…`.
pub fn getcwd() -> SysResult<String> {
    let mut buf = [0u8; libc::PATH_MAX as usize];
    let n = syscall!(
        || "getcwd()".into(),
        libc::SYS_getcwd,
        buf.as_mut_ptr(),
        buf.len()
    )?;
    Ok(String::from_utf8_lossy(&buf[..(n as usize).saturating_sub(1)]).into_owned())
}
