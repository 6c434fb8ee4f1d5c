//! Terminals: making a pair, its size, raw mode, and who controls it.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::termios::{self, SetArg, Termios};

use super::{SysError, SysResult, fd};

/// The other end of the pseudo-terminal `master`, opened without a path: so
/// nothing mounted over `/dev/pts` can stand in for it.
pub fn peer(master: impl AsFd) -> SysResult<OwnedFd> {
    let raw = master.as_fd().as_raw_fd();
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes the open flags as an integer.
    let ret = unsafe { libc::ioctl(raw, libc::TIOCGPTPEER, flags) };
    SysError::check(i64::from(ret), || {
        format!("ioctl({}, TIOCGPTPEER)", fd::show(raw))
    })
    .map(fd::own)
}

/// Allows the other end to be opened.
pub fn unlock(master: impl AsFd) -> SysResult<()> {
    let raw = master.as_fd().as_raw_fd();
    let unlocked: i32 = 0;
    // SAFETY: TIOCSPTLCK reads one int through the pointer.
    let ret = unsafe { libc::ioctl(raw, libc::TIOCSPTLCK, &raw const unlocked) };
    SysError::check(i64::from(ret), || {
        format!("ioctl({}, TIOCSPTLCK, 0)", fd::show(raw))
    })
    .map(drop)
}

/// Makes a terminal the controlling one of this session.
pub fn take_control(terminal: impl AsFd) -> SysResult<()> {
    let raw = terminal.as_fd().as_raw_fd();
    // SAFETY: TIOCSCTTY takes an integer.
    let ret = unsafe { libc::ioctl(raw, libc::TIOCSCTTY, 0) };
    SysError::check(i64::from(ret), || {
        format!("ioctl({}, TIOCSCTTY)", fd::show(raw))
    })
    .map(drop)
}

/// Rows and columns.
pub fn size(terminal: impl AsFd) -> Option<(u16, u16)> {
    // SAFETY: `winsize` is plain data, filled by TIOCGWINSZ.
    unsafe {
        let mut ws: libc::winsize = std::mem::zeroed();
        let ret = libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &raw mut ws);
        (ret == 0).then_some((ws.ws_row, ws.ws_col))
    }
}

/// Tells a terminal how large it is shown.
pub fn set_size(terminal: impl AsFd, rows: u16, columns: u16) -> SysResult<()> {
    let raw = terminal.as_fd().as_raw_fd();
    let ws = libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCSWINSZ reads one winsize through the pointer.
    let ret = unsafe { libc::ioctl(raw, libc::TIOCSWINSZ, &raw const ws) };
    SysError::check(i64::from(ret), || {
        format!("ioctl({}, TIOCSWINSZ, {rows}x{columns})", fd::show(raw))
    })
    .map(drop)
}

/// A terminal in raw mode, which is put back when this goes away.
pub struct RawMode {
    terminal: OwnedFd,
    before: Termios,
}

impl RawMode {
    /// Everything passes as it is, in both directions. `None` where `terminal`
    /// is not one.
    pub fn enter(terminal: impl AsFd) -> Option<Self> {
        Self::change(terminal, |_, _| ())
    }

    /// What is typed passes as it is; what is shown still begins its lines on
    /// the left.
    pub fn enter_for_input(terminal: impl AsFd) -> Option<Self> {
        Self::change(terminal, |raw, before| {
            raw.output_flags = before.output_flags;
        })
    }

    fn change(terminal: impl AsFd, but: impl FnOnce(&mut Termios, &Termios)) -> Option<Self> {
        let terminal = fd::duplicate(terminal).ok()?;
        let before = termios::tcgetattr(&terminal).ok()?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        but(&mut raw, &before);
        termios::tcsetattr(&terminal, SetArg::TCSANOW, &raw).ok()?;
        Some(Self { terminal, before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // Nothing sensible is left to do if even this fails.
        let _ = termios::tcsetattr(&self.terminal, SetArg::TCSANOW, &self.before);
    }
}

/// Turns off the translation of "\n" to "\r\n" on output.
pub fn plain_output(terminal: impl AsFd) -> SysResult<()> {
    let failed = |e| SysError::new(e, "tcsetattr(-ONLCR)");
    let terminal = terminal.as_fd();
    let mut mode = termios::tcgetattr(terminal).map_err(failed)?;
    mode.output_flags.remove(termios::OutputFlags::ONLCR);
    termios::tcsetattr(terminal, SetArg::TCSANOW, &mode).map_err(failed)
}
