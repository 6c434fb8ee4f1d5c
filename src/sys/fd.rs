//! Descriptors: opening paths safely, duplicating, closing, and pidfds.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{SysError, SysResult, c_path, flag_names, syscall};

/// Follow no `/proc` magic links and stay inside the directory given, treating
/// `/` and `..` as a `chroot` would.
pub const IN_ROOT: u64 = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
/// Follow no symbolic link at all, and stay beneath the directory given.
pub const NO_LINKS: u64 = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS;
/// As [`NO_LINKS`], and cross no mount.
pub const SAME_MOUNT: u64 = NO_LINKS | libc::RESOLVE_NO_XDEV;

const OPEN_FLAGS: &[(u64, &str)] = &[
    (libc::O_PATH as u64, "O_PATH"),
    (libc::O_DIRECTORY as u64, "O_DIRECTORY"),
    (libc::O_CLOEXEC as u64, "O_CLOEXEC"),
    (libc::O_NOFOLLOW as u64, "O_NOFOLLOW"),
    (libc::O_CREAT as u64, "O_CREAT"),
    (libc::O_EXCL as u64, "O_EXCL"),
    (libc::O_RDWR as u64, "O_RDWR"),
    (libc::O_WRONLY as u64, "O_WRONLY"),
    (libc::O_NONBLOCK as u64, "O_NONBLOCK"),
    (libc::O_NOCTTY as u64, "O_NOCTTY"),
    (libc::O_TRUNC as u64, "O_TRUNC"),
];

const RESOLVE_FLAGS: &[(u64, &str)] = &[
    (libc::RESOLVE_IN_ROOT, "RESOLVE_IN_ROOT"),
    (libc::RESOLVE_BENEATH, "RESOLVE_BENEATH"),
    (libc::RESOLVE_NO_MAGICLINKS, "RESOLVE_NO_MAGICLINKS"),
    (libc::RESOLVE_NO_SYMLINKS, "RESOLVE_NO_SYMLINKS"),
    (libc::RESOLVE_NO_XDEV, "RESOLVE_NO_XDEV"),
];

/// How often an `openat2` that raced with a rename is tried again.
const OPENAT2_TRIES: u32 = 64;

/// Takes ownership of a descriptor number the kernel has just handed out.
pub(super) fn own(fd: i64) -> OwnedFd {
    // SAFETY: the number comes fresh from a successful kernel call that
    // creates a descriptor, so nothing else in this process owns it.
    unsafe { OwnedFd::from_raw_fd(fd as RawFd) }
}

/// How a descriptor is shown in an error: its number and what it leads to.
pub fn show(fd: RawFd) -> String {
    if fd == libc::AT_FDCWD {
        return "AT_FDCWD".into();
    }
    match std::fs::read_link(format!("/proc/self/fd/{fd}")) {
        Ok(path) => format!("{fd}<{}>", path.display()),
        Err(_) => fd.to_string(),
    }
}

/// Has the kernel begin to write what is in a file, and waits for nothing. A
/// file system that keeps its names and the contents of its files in order
/// (ext4 by default) then has the content on the disk before any name that is
/// given to it from here on.
pub fn start_writing(file: impl AsFd) -> SysResult<()> {
    let fd = file.as_fd().as_raw_fd();
    let call = || format!("sync_file_range({}, 0, 0, SYNC_FILE_RANGE_WRITE)", show(fd));
    let all: i64 = 0;
    syscall!(
        call,
        libc::SYS_sync_file_range,
        fd,
        all,
        all,
        libc::SYNC_FILE_RANGE_WRITE
    )
    .map(drop)
}

/// `openat2`: opens `path` below `dir` under the restrictions `resolve`.
pub fn openat2(
    dir: impl AsFd,
    path: &Path,
    flags: i32,
    mode: u32,
    resolve: u64,
) -> SysResult<OwnedFd> {
    let dir = dir.as_fd();
    try_openat2(dir, path, flags, mode, resolve)?
        .map_err(|errno| openat2_failed(errno, dir, path, flags, resolve))
}

/// The same, or `None` where nothing is there.
pub fn openat2_if_there(
    dir: impl AsFd,
    path: &Path,
    flags: i32,
    resolve: u64,
) -> SysResult<Option<OwnedFd>> {
    openat2_unless(dir, path, flags, resolve, &[Errno::ENOENT])
}

/// The same, or `None` where it fails in one of these ways. Whoever is prepared
/// for that need not pay for having it put into words, which takes longer than
/// the call.
pub fn openat2_unless(
    dir: impl AsFd,
    path: &Path,
    flags: i32,
    resolve: u64,
    expected: &[Errno],
) -> SysResult<Option<OwnedFd>> {
    let dir = dir.as_fd();
    match try_openat2(dir, path, flags, 0, resolve)? {
        Err(errno) if expected.contains(&errno) => Ok(None),
        Err(errno) => Err(openat2_failed(errno, dir, path, flags, resolve)),
        Ok(found) => Ok(Some(found)),
    }
}

/// The same, with every failure for the caller to judge; what fails beyond
/// that is that the path cannot be one.
pub fn openat2_or(
    dir: impl AsFd,
    path: &Path,
    flags: i32,
    resolve: u64,
) -> SysResult<Result<OwnedFd, Errno>> {
    try_openat2(dir.as_fd(), path, flags, 0, resolve)
}

fn try_openat2(
    dir: BorrowedFd<'_>,
    path: &Path,
    flags: i32,
    mode: u32,
    resolve: u64,
) -> SysResult<Result<OwnedFd, Errno>> {
    let c = c_path(path)?;
    // SAFETY: `open_how` is plain data for which all zeroes is valid.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.mode = u64::from(mode);
    how.resolve = resolve;
    // RESOLVE_IN_ROOT answers EAGAIN when a rename anywhere races with `..`.
    // A bounded number of tries keeps a hostile renamer from holding us here.
    for _ in 0..OPENAT2_TRIES {
        // SAFETY: the path and `how` are alive and of the types the kernel
        // expects; `how` is as long as is said.
        let ret = unsafe {
            libc::syscall(
                libc::SYS_openat2,
                dir.as_raw_fd(),
                c.as_ptr(),
                &raw const how,
                size_of::<libc::open_how>(),
            )
        };
        match Errno::result(ret) {
            Err(Errno::EAGAIN) => {}
            opened => return Ok(opened.map(own)),
        }
    }
    Ok(Err(Errno::EAGAIN))
}

fn openat2_failed(
    errno: Errno,
    dir: BorrowedFd<'_>,
    path: &Path,
    flags: i32,
    resolve: u64,
) -> SysError {
    let call = format!(
        "openat2({}, {path:?}, {{flags={}, resolve={}}})",
        show(dir.as_raw_fd()),
        flag_names((flags | libc::O_CLOEXEC) as u64, OPEN_FLAGS),
        flag_names(resolve, RESOLVE_FLAGS)
    );
    let races = match errno {
        Errno::EAGAIN => format!(" raced with renames {OPENAT2_TRIES} times"),
        _ => String::new(),
    };
    SysError::new(errno, call + &races)
}

/// Opens a path of the host as it stands, following links.
pub fn open(path: &Path, flags: i32) -> SysResult<OwnedFd> {
    open_mode(path, flags, 0)
}

/// Opens a path of the host, creating it with `mode` where `flags` say so.
pub fn open_mode(path: &Path, flags: i32, mode: u32) -> SysResult<OwnedFd> {
    let c = c_path(path)?;
    syscall!(
        || format!("open({path:?}, {})", flag_names(flags as u64, OPEN_FLAGS)),
        libc::SYS_openat,
        libc::AT_FDCWD,
        c.as_ptr(),
        flags | libc::O_CLOEXEC,
        mode
    )
    .map(own)
}

/// Opens what an `O_PATH` descriptor stands for, for reading or writing.
pub fn reopen(fd: impl AsFd, flags: i32) -> SysResult<OwnedFd> {
    open(&proc_path(fd), flags)
}

/// The name under which a descriptor's file can be reached by a path.
pub fn proc_path(fd: impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}

/// Another descriptor for the same open file, closed on exec.
pub fn duplicate(fd: impl AsFd) -> SysResult<OwnedFd> {
    let raw = fd.as_fd().as_raw_fd();
    // Above the standard three, so that a later dup2 onto 0, 1 or 2 cannot
    // overwrite it.
    // SAFETY: fcntl with F_DUPFD_CLOEXEC reads only its integer arguments.
    let ret = unsafe { libc::fcntl(raw, libc::F_DUPFD_CLOEXEC, 3) };
    SysError::check(i64::from(ret), || {
        format!("fcntl({}, F_DUPFD_CLOEXEC, 3)", show(raw))
    })
    .map(own)
}

/// The number that the next descriptor this process opens will get.
pub fn next_free(fd: impl AsFd) -> SysResult<RawFd> {
    duplicate(fd).map(|copy| copy.as_raw_fd())
}

/// Makes `fd` also known as `number` (0, 1 or 2), open across exec.
pub fn place(fd: impl AsFd, number: RawFd) -> SysResult<()> {
    let raw = fd.as_fd().as_raw_fd();
    // SAFETY: dup2 onto a standard stream replaces it; no Rust object in this
    // program owns the standard descriptors.
    let ret = unsafe { libc::dup2(raw, number) };
    SysError::check(i64::from(ret), || format!("dup2({}, {number})", show(raw))).map(drop)
}

/// A copy of a descriptor number somebody else handed to this process.
///
/// The original stays open and is not owned; fails when nothing is open there.
pub fn adopt_copy(number: RawFd) -> SysResult<OwnedFd> {
    // SAFETY: as in `duplicate`; a number that is not open gives EBADF.
    let ret = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    SysError::check(i64::from(ret), || {
        format!("fcntl({number}, F_DUPFD_CLOEXEC, 3)")
    })
    .map(own)
}

/// Marks every descriptor from `first` on to be closed by the next exec.
pub fn close_on_exec_from(first: u32) -> SysResult<()> {
    syscall!(
        || format!("close_range({first}, ~0, CLOSE_RANGE_CLOEXEC)"),
        libc::SYS_close_range,
        first,
        u32::MAX,
        libc::CLOSE_RANGE_CLOEXEC
    )
    .map(drop)
}

/// Closes every descriptor from `first` on. Only before this process has
/// opened any of its own: nothing in it may believe to own one of these.
pub fn close_from(first: u32) -> SysResult<()> {
    syscall!(
        || format!("close_range({first}, ~0, 0)"),
        libc::SYS_close_range,
        first,
        u32::MAX,
        0
    )
    .map(drop)
}

/// Closes every descriptor from `first` on but those in `keep`. Only in a
/// process that ends by exec or `_exit`: what owned them must never be dropped.
pub fn close_all_but(first: u32, keep: &[RawFd]) -> SysResult<()> {
    let mut keep: Vec<u32> = keep.iter().map(|fd| *fd as u32).collect();
    keep.sort_unstable();
    let mut from = first;
    for kept in keep.into_iter().filter(|fd| *fd >= first) {
        if from < kept {
            syscall!(
                || format!("close_range({from}, {}, 0)", kept - 1),
                libc::SYS_close_range,
                from,
                kept - 1,
                0
            )?;
        }
        from = kept + 1;
    }
    close_from(from)
}

/// Lets descriptor `number` survive exec (or not).
pub fn set_close_on_exec(number: RawFd, on: bool) -> SysResult<()> {
    let flags = if on { libc::FD_CLOEXEC } else { 0 };
    // SAFETY: F_SETFD reads only its integer arguments.
    let ret = unsafe { libc::fcntl(number, libc::F_SETFD, flags) };
    SysError::check(i64::from(ret), || {
        format!("fcntl({number}, F_SETFD, {flags})")
    })
    .map(drop)
}

/// A directory, made below `dir`; one that is already there is fine. Whether it
/// is a new one.
pub fn mkdirat(dir: impl AsFd, name: &Path, mode: u32) -> SysResult<bool> {
    let dir = dir.as_fd().as_raw_fd();
    let c = c_path(name)?;
    // SAFETY: the name is alive and NUL-terminated.
    let ret = unsafe { libc::mkdirat(dir, c.as_ptr(), mode) };
    match Errno::result(ret) {
        Ok(_) => Ok(true),
        Err(Errno::EEXIST) => Ok(false),
        Err(errno) => {
            let call = format!("mkdirat({}, {name:?}, {mode:#o})", show(dir));
            Err(SysError::new(errno, call))
        }
    }
}

/// A device node or other special file.
pub fn mknodat(dir: impl AsFd, name: &Path, mode: u32, dev: u64) -> SysResult<()> {
    let dir = dir.as_fd().as_raw_fd();
    let c = c_path(name)?;
    syscall!(
        || {
            let (major, minor) = (libc::major(dev), libc::minor(dev));
            format!(
                "mknodat({}, {name:?}, {mode:#o}, makedev({major}, {minor}))",
                show(dir)
            )
        },
        libc::SYS_mknodat,
        dir,
        c.as_ptr(),
        mode,
        dev
    )
    .map(drop)
}

/// A symbolic link `name` below `dir` that leads to `target`.
pub fn symlinkat(target: &Path, dir: impl AsFd, name: &Path) -> SysResult<()> {
    let dir = dir.as_fd().as_raw_fd();
    let (t, n) = (c_path(target)?, c_path(name)?);
    syscall!(
        || format!("symlinkat({target:?}, {}, {name:?})", show(dir)),
        libc::SYS_symlinkat,
        t.as_ptr(),
        dir,
        n.as_ptr()
    )
    .map(drop)
}

/// The owner of the file `fd` stands for.
pub fn chown(fd: impl AsFd, uid: u32, gid: u32) -> SysResult<()> {
    let raw = fd.as_fd().as_raw_fd();
    syscall!(
        || format!(
            "fchownat({}, \"\", {}, {})",
            show(raw),
            uid as i32,
            gid as i32
        ),
        libc::SYS_fchownat,
        raw,
        c"".as_ptr(),
        uid,
        gid,
        libc::AT_EMPTY_PATH
    )
    .map(drop)
}

/// The permission bits of the file `fd` stands for, `O_PATH` or not.
pub fn chmod(fd: impl AsFd, mode: u32) -> SysResult<()> {
    let path = proc_path(fd.as_fd());
    let c = c_path(&path)?;
    syscall!(
        || format!("chmod({}, {mode:#o})", show(fd.as_fd().as_raw_fd())),
        libc::SYS_fchmodat,
        libc::AT_FDCWD,
        c.as_ptr(),
        mode
    )
    .map(drop)
}

/// What the file behind `fd` is.
pub fn stat(fd: impl AsFd) -> SysResult<libc::stat> {
    let raw = fd.as_fd().as_raw_fd();
    // SAFETY: `stat` is plain data, and the kernel fills it before we look.
    let mut st: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `st` outlives the call and has the type fstat writes.
    let ret = unsafe { libc::fstat(raw, &raw mut st) };
    SysError::check(i64::from(ret), || format!("fstat({})", show(raw)))?;
    Ok(st)
}

/// The magic number and such of the file system `fd` is on.
pub fn statfs(fd: impl AsFd) -> SysResult<libc::statfs> {
    let raw = fd.as_fd().as_raw_fd();
    // SAFETY: as in `stat`.
    let mut st: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: as in `stat`.
    let ret = unsafe { libc::fstatfs(raw, &raw mut st) };
    SysError::check(i64::from(ret), || format!("fstatfs({})", show(raw)))?;
    Ok(st)
}

/// The flags (`ST_*`) of the mount that `fd` is on.
pub fn mount_flags(fd: impl AsFd) -> SysResult<u64> {
    let raw = fd.as_fd().as_raw_fd();
    // SAFETY: as in `stat`.
    let mut st: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: as in `stat`.
    let ret = unsafe { libc::fstatvfs(raw, &raw mut st) };
    SysError::check(i64::from(ret), || format!("fstatvfs({})", show(raw)))?;
    Ok(st.f_flag)
}

/// Makes `fd`, a directory, the working directory.
pub fn fchdir(fd: impl AsFd) -> SysResult<()> {
    let raw = fd.as_fd().as_raw_fd();
    // SAFETY: fchdir reads only its integer argument.
    let ret = unsafe { libc::fchdir(raw) };
    SysError::check(i64::from(ret), || format!("fchdir({})", show(raw))).map(drop)
}

/// A handle on a process that stays with it even when its pid is reused.
pub fn pidfd_open(pid: i32) -> SysResult<OwnedFd> {
    syscall!(
        || format!("pidfd_open({pid})"),
        libc::SYS_pidfd_open,
        pid,
        0
    )
    .map(own)
}

/// Signals the process behind a pidfd.
pub fn pidfd_send_signal(pidfd: impl AsFd, signal: i32) -> SysResult<()> {
    let raw = pidfd.as_fd().as_raw_fd();
    syscall!(
        || format!("pidfd_send_signal({}, {signal})", show(raw)),
        libc::SYS_pidfd_send_signal,
        raw,
        signal,
        std::ptr::null::<libc::siginfo_t>(),
        0
    )
    .map(drop)
}

/// A copy of descriptor `number` of another process.
pub fn pidfd_getfd(pidfd: impl AsFd, number: RawFd) -> SysResult<OwnedFd> {
    let raw = pidfd.as_fd().as_raw_fd();
    syscall!(
        || format!("pidfd_getfd({}, {number})", show(raw)),
        libc::SYS_pidfd_getfd,
        raw,
        number,
        0
    )
    .map(own)
}

/// An anonymous file in memory that can be sealed.
pub fn memfd(name: &str) -> SysResult<OwnedFd> {
    let c = super::c_string(name.as_bytes())?;
    syscall!(
        || format!("memfd_create({name:?}, MFD_CLOEXEC|MFD_ALLOW_SEALING)"),
        libc::SYS_memfd_create,
        c.as_ptr(),
        libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING
    )
    .map(own)
}

/// Makes a memfd immutable for ever.
pub fn seal(fd: impl AsFd) -> SysResult<()> {
    let raw = fd.as_fd().as_raw_fd();
    // SAFETY: F_ADD_SEALS reads only its integer arguments.
    let ret = unsafe { libc::fcntl(raw, libc::F_ADD_SEALS, ALL_SEALS) };
    SysError::check(i64::from(ret), || {
        format!("fcntl({}, F_ADD_SEALS, {ALL_SEALS:#x})", show(raw))
    })
    .map(drop)
}

/// Whether a file is a memfd that nobody can change any more.
pub fn is_sealed(fd: impl AsFd) -> bool {
    // SAFETY: F_GET_SEALS takes no argument; a file without seals fails.
    let seals = unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_GET_SEALS) };
    seals >= 0 && seals & ALL_SEALS == ALL_SEALS
}

const ALL_SEALS: i32 =
    libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;

/// Reads and writes of `fd` fail with `EAGAIN` rather than wait.
pub fn set_not_waiting(fd: impl AsFd) -> SysResult<()> {
    let raw = fd.as_fd().as_raw_fd();
    // SAFETY: F_SETFL takes an integer.
    let ret = unsafe { libc::fcntl(raw, libc::F_SETFL, libc::O_NONBLOCK) };
    SysError::check(i64::from(ret), || {
        format!("fcntl({}, F_SETFL, O_NONBLOCK)", show(raw))
    })
    .map(drop)
}

/// How many bytes can be read from a pipe now.
pub fn waiting(fd: impl AsFd) -> usize {
    let mut bytes: i32 = 0;
    // SAFETY: FIONREAD writes one int through the pointer.
    let ret = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
    if ret == 0 { bytes as usize } else { 0 }
}

/// The standard streams, borrowed.
pub fn standard(number: RawFd) -> BorrowedFd<'static> {
    debug_assert!((0..3).contains(&number));
    // SAFETY: descriptors 0, 1 and 2 are opened before `main` (the Rust
    // runtime opens /dev/null where one is missing) and never closed by us.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// Leaves a descriptor open for whoever comes after us, and forgets it.
pub fn leak(fd: OwnedFd) -> RawFd {
    fd.into_raw_fd()
}
/// Whether there is something to read before `patience` is over; without any,
/// as long as that takes. The end counts, too.
pub fn ready_within(fd: &impl AsFd, patience: Option<Duration>) -> SysResult<bool> {
    let until = patience.map(|patience| Instant::now() + patience);
    loop {
        let left = until.map_or(PollTimeout::NONE, |until| {
            let left = until.saturating_duration_since(Instant::now());
            // Rounded up: a little late, not a little early and often.
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, left) {
            Ok(0) if until.is_some_and(|until| until <= Instant::now()) => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(e) => return Err(SysError::new(e, "poll()")),
        }
    }
}
