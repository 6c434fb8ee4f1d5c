//! Staying with a container in the foreground: signals are passed on, a
//! terminal's bytes go back and forth, and the exit comes back.

use std::io::IsTerminal;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::detach::Detach;
use super::session::{FAREWELL, until};
use crate::error::{Error, Result};
use crate::process::leaves_to_kernel;
use crate::say;
use crate::sys::process::{self, Exit};
use crate::sys::tty::{self, RawMode};
use crate::sys::{fd, socket};

/// The terminal of a container in the foreground, before it exists.
pub struct Terminal(Option<(OwnedFd, OwnedFd)>);

impl Terminal {
    /// Whether we play the terminal ourselves: only in the foreground, and if
    /// no one else asked for it.
    pub fn for_process(wanted: bool, socket_given: bool, detached: bool) -> Result<Self> {
        match (wanted, socket_given, detached) {
            (true, false, true) => Err(Error::user(
                "cannot allocate tty if runc will detach without setting console socket",
            )
            .hint("give --console-socket, or unset process.terminal")),
            (_, true, false) => Err(Error::user(
                "cannot use console socket if runc will not detach or allocate tty",
            )
            .hint("in the foreground rcon plays the terminal itself")),
            (true, false, false) => Ok(Self(Some(socket::stream_pair()?))),
            _ => Ok(Self(None)),
        }
    }

    /// Our end, and the one for the container.
    pub fn split(self) -> (Option<OwnedFd>, Option<OwnedFd>) {
        self.0.unzip()
    }
}

/// How it came to an end.
#[derive(Debug)]
pub enum Ending {
    /// The process has.
    Exit(Exit),
    /// The person has left, and the process goes on.
    Left,
    /// What it says cannot be shown any more, for this reason, so its terminal
    /// was hung up. Its end, if that was taken for one.
    Unshown(Errno, Option<Exit>),
}

/// Waits for the process behind `pidfd`, passing signals on to it.
pub fn attend(pidfd: &OwnedFd, signals: &OwnedFd, session: Option<Session>) -> Result<Exit> {
    match attend_until(pidfd, signals, session)? {
        Ending::Exit(exit) => Ok(exit),
        Ending::Left | Ending::Unshown(..) => {
            Err(Error::internal("somebody left without a way to"))
        }
    }
}

/// The same; the person may also leave.
pub fn attend_until(
    pidfd: &OwnedFd,
    signals: &OwnedFd,
    mut session: Option<Session>,
) -> Result<Ending> {
    let mut insisting = Insisting::default();
    let mut hung_up: Option<(Errno, Instant)> = None;
    loop {
        let mut fds = vec![
            PollFd::new(pidfd.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        if let Some(s) = &session {
            fds.push(PollFd::new(s.master.as_fd(), s.master_wants()));
            if s.takes_input() {
                fds.push(PollFd::new(fd::standard(0), PollFlags::POLLIN));
            }
        }
        match poll(&mut fds, until(hung_up.map(|(_, at)| at))) {
            Err(Errno::EINTR) => continue,
            ready => ready.map_err(|e| Error::environment(e.desc()))?,
        };
        let ready: Vec<PollFlags> = fds
            .iter()
            .map(|f| f.revents().unwrap_or(PollFlags::empty()))
            .collect();
        drop(fds);
        if ready[1].contains(PollFlags::POLLIN) {
            pass_signals(pidfd, signals, session.as_ref(), &mut insisting);
        }
        if let Some(s) = &mut session {
            s.move_bytes(
                ready[2],
                ready.get(3).copied().unwrap_or(PollFlags::empty()),
            );
            if ready[2] == PollFlags::POLLHUP {
                doze(pidfd, signals);
            }
        }
        if ready[0].contains(PollFlags::POLLIN) {
            if let Some(s) = &mut session {
                s.drain();
            }
            let exit = process::wait(pidfd)?;
            let unshown = session.as_ref().and_then(Session::unshown);
            return Ok(match hung_up.map(|(why, _)| why).or(unshown) {
                None => Ending::Exit(exit),
                Some(why) => Ending::Unshown(why, Some(exit)),
            });
        }
        if let Some((why, at)) = hung_up
            && at <= Instant::now()
        {
            return Ok(Ending::Unshown(why, None));
        }
        if let Some(why) = session.as_ref().and_then(Session::unshown) {
            session = None;
            hung_up = Some((why, Instant::now() + FAREWELL));
        }
        if session.as_ref().is_some_and(|s| s.leaves) {
            if let Some(session) = session.take() {
                session.leave()?;
            }
            return Ok(Ending::Left);
        }
    }
}

/// Nobody in the container has the terminal open. Somebody may open it again,
/// and until then it would wake us all the time.
fn doze(pidfd: &OwnedFd, signals: &OwnedFd) {
    let mut fds = [pidfd, signals].map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN));
    // Whatever it says, the caller looks for itself.
    let _ = poll(&mut fds, 50u8);
}

fn pass_signals(
    pidfd: &OwnedFd,
    signals: &OwnedFd,
    session: Option<&Session>,
    insisting: &mut Insisting,
) {
    while let Some(signal) = process::next_signal(signals) {
        match signal {
            libc::SIGWINCH if session.is_some() => {
                if let Some(session) = session {
                    session.follow_size();
                }
            }
            signal => pass(signal, pidfd, insisting),
        }
    }
}

/// Passes one signal on to the process.
pub(super) fn pass(signal: i32, pidfd: &OwnedFd, insisting: &mut Insisting) {
    // Ours alone: children that ended (the container's end is seen on its
    // handle), and a reader of our output that is gone.
    if !matches!(signal, libc::SIGCHLD | libc::SIGPIPE | libc::SIGURG) {
        // It may have ended just now; then we are about to see that.
        let _ = fd::pidfd_send_signal(pidfd, insisting.after(signal, pidfd));
    }
}

/// Somebody who presses Ctrl-C again and again. The kernel keeps from the
/// first process of a pid namespace what it has no handler for, so most
/// programs would never notice.
#[derive(Default)]
pub(super) struct Insisting(u32);

impl Insisting {
    /// The signal to send: the third interrupt in vain becomes a kill.
    fn after(&mut self, signal: i32, process: &OwnedFd) -> i32 {
        if signal != libc::SIGINT || !leaves_to_kernel(process, signal) {
            return signal;
        }
        self.0 += 1;
        match self.0 {
            1 => signal,
            2 => {
                if std::io::stderr().is_terminal() {
                    say::err(format_args!(
                        "rcon: the program takes no notice; once more ends it with SIGKILL"
                    ));
                }
                signal
            }
            _ => libc::SIGKILL,
        }
    }
}

/// A terminal being played.
pub struct Session {
    master: OwnedFd,
    pending: Vec<u8>,
    input_open: bool,
    detach: Detach,
    leaves: bool,
    /// Why what it says can no longer be shown.
    failed: Option<Errno>,
    /// Then the program has its terminal hung up; otherwise that goes by.
    hangs_up: bool,
    _raw: Option<RawMode>,
}

impl Session {
    /// Takes the terminal over from the socket `console`. That has to be done
    /// before the program starts, which may write at once. `keys`, typed
    /// in a row, let the person leave; without any, nobody types.
    pub fn open(console: Option<OwnedFd>, keys: Option<&[u8]>) -> Result<Option<Self>> {
        let Some(master) = terminal_from(console)? else {
            return Ok(None);
        };
        let raw = keys.and_then(|_| RawMode::enter(fd::standard(0)));
        let mut session = Self::new(master, keys.unwrap_or_default(), raw);
        session.input_open = keys.is_some();
        session.hangs_up = true;
        Ok(Some(session))
    }

    /// The same in the way of runc, which callers of `rcon oci` expect.
    pub fn open_plain(console: Option<OwnedFd>) -> Result<Option<Self>> {
        let Some(master) = terminal_from(console)? else {
            return Ok(None);
        };
        // The one before us, if there is one, turns line ends into what a
        // terminal needs; a file or pipe wants them as the program wrote them.
        tty::plain_output(&master)?;
        let raw = RawMode::enter_for_input(fd::standard(0));
        Ok(Some(Self::new(master, &[], raw)))
    }

    fn new(master: OwnedFd, keys: &[u8], raw: Option<RawMode>) -> Self {
        let session = Self {
            master,
            pending: Vec::new(),
            input_open: true,
            detach: Detach::new(keys),
            leaves: false,
            failed: None,
            hangs_up: false,
            _raw: raw,
        };
        session.follow_size();
        session
    }

    fn follow_size(&self) {
        if let Some((rows, columns)) = tty::size(fd::standard(0)) {
            // A size that cannot be set leaves the old one, no more.
            let _ = tty::set_size(&self.master, rows, columns);
        }
    }

    /// Why the program's terminal is to be hung up, if it is.
    fn unshown(&self) -> Option<Errno> {
        self.failed.filter(|_| self.hangs_up)
    }

    /// No more is read than what the container has taken.
    fn takes_input(&self) -> bool {
        self.input_open && self.pending.is_empty()
    }

    fn master_wants(&self) -> PollFlags {
        if self.pending.is_empty() {
            PollFlags::POLLIN
        } else {
            PollFlags::POLLIN | PollFlags::POLLOUT
        }
    }

    fn move_bytes(&mut self, master: PollFlags, input: PollFlags) {
        if master.contains(PollFlags::POLLIN) {
            self.show_output();
        }
        if master.contains(PollFlags::POLLOUT) {
            self.send_pending();
        }
        if input.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR) {
            self.read_input();
        }
    }

    /// Whether there was something.
    fn show_output(&mut self) -> bool {
        let mut buf = [0; 8192];
        match nix::unistd::read(&self.master, &mut buf) {
            Ok(n) if n > 0 => {
                if self.failed.is_none() {
                    self.failed = write_all(&buf[..n]).err();
                }
                true
            }
            _ => false,
        }
    }

    fn read_input(&mut self) {
        let mut buf = [0; 4096];
        match nix::unistd::read(fd::standard(0), &mut buf) {
            Ok(n) if n > 0 => {
                let (typed, leaves) = self.detach.filter(&buf[..n]);
                self.pending.extend_from_slice(&typed);
                self.leaves |= leaves;
            }
            // The end of a pipe is to a terminal what Ctrl-D is.
            Ok(_) => {
                self.input_open = false;
                self.pending.push(4);
            }
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => self.input_open = false,
        }
    }

    fn send_pending(&mut self) {
        if let Ok(n) = nix::unistd::write(&self.master, &self.pending) {
            self.pending.drain(..n);
        }
    }

    /// A terminal without anybody at its outer side hangs up. So a process of
    /// ours stays there, and lets what is said go by.
    fn leave(self) -> Result<()> {
        let Self { master, .. } = self;
        if let process::Forked::Parent { .. } = process::fork(0, None)? {
            return Ok(());
        }
        let _ = process::new_session();
        let _ = fd::close_all_but(0, &[master.as_raw_fd()]);
        let mut buf = [0; 4096];
        loop {
            match nix::unistd::read(&master, &mut buf) {
                Ok(n) if n > 0 => {}
                Err(Errno::EINTR) => {}
                _ => process::exit_now(0),
            }
        }
    }

    /// What the program said last is still to be shown.
    fn drain(&mut self) {
        loop {
            let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
            let ready = poll(&mut fds, PollTimeout::ZERO).unwrap_or(0);
            if ready == 0 || !self.show_output() {
                return;
            }
        }
    }
}

/// What was handed over through the socket `console`.
fn terminal_from(console: Option<OwnedFd>) -> Result<Option<OwnedFd>> {
    let Some(console) = console else {
        return Ok(None);
    };
    let mut name = [0; 64];
    let (_, master) = socket::receive(&console, &mut name)?;
    let missing = || Error::internal("the terminal was not handed over");
    master.ok_or_else(missing).map(Some)
}

/// What cannot be shown is dropped.
fn write_all(mut bytes: &[u8]) -> std::result::Result<(), Errno> {
    while !bytes.is_empty() {
        match nix::unistd::write(fd::standard(1), bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                let mut fds = [PollFd::new(fd::standard(1), PollFlags::POLLOUT)];
                let _ = poll(&mut fds, PollTimeout::NONE);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
