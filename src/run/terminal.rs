//! A container's terminal: made from its own devpts, its master handed out.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;

use super::root::Root;
use crate::sys::{SysError, SysResult, fd, mount, socket, tty};

/// Makes a pseudo-terminal inside `root`, makes its inner side the standard
/// streams and controlling terminal of this process, and gives its outer side.
pub(super) fn make(
    root: Root<'_>,
    size: Option<(u16, u16)>,
    owner: u32,
    console: bool,
) -> SysResult<OwnedFd> {
    let master = open_master(root)?;
    tty::unlock(&master)?;
    let inner = tty::peer(&master)?;
    if let Some((rows, columns)) = size {
        tty::set_size(&master, rows, columns)?;
    }
    match fd::chown(&inner, owner, u32::MAX) {
        // An id without a place in this user namespace cannot own anything.
        Err(e) if e.errno == Errno::EINVAL => {}
        done => done?,
    }
    if console {
        bind_console(root, &inner)?;
    }
    for stream in 0..3 {
        fd::place(&inner, stream)?;
    }
    tty::take_control(fd::standard(0))?;
    Ok(master)
}

/// `/dev/pts/ptmx`, and only if it is one: an image's own `/dev` could have
/// anything under that name.
fn open_master(root: Root<'_>) -> SysResult<OwnedFd> {
    let path = Path::new("/dev/pts/ptmx");
    let at = root.find_no_links(path)?;
    super::mounting::check_device(&at, 5, 2)?;
    fd::openat2(
        root.0,
        Path::new("dev/pts/ptmx"),
        libc::O_RDWR | libc::O_NOCTTY,
        0,
        fd::NO_LINKS,
    )
}

/// Programs that log to the console find it at `/dev/console`.
fn bind_console(root: Root<'_>, inner: &OwnedFd) -> SysResult<()> {
    let path = Path::new("/dev/console");
    let at = match root.find_no_links(path) {
        Err(e) if e.errno == Errno::ENOENT => {
            root.make_file(path)?;
            root.find_no_links(path)?
        }
        found => found?,
    };
    let kind = fd::stat(&at)?.st_mode & libc::S_IFMT;
    if kind != libc::S_IFREG && kind != libc::S_IFCHR {
        return Err(SysError::new(
            Errno::EINVAL,
            "/dev/console is neither a file nor a device",
        ));
    }
    let terminal = mount::open_tree(inner, Path::new(""), false)?;
    mount::attach(&terminal, &at)
}

/// Hands the outer side to whoever listens on the console socket.
pub(super) fn hand_over(console: impl AsFd, master: &OwnedFd) -> SysResult<()> {
    socket::send(console, b"/dev/ptmx", &[master.as_fd().as_raw_fd()])
}
