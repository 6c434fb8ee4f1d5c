//! A person in front of a container: what is typed goes in, what it says is
//! shown, signals are passed on, and its end comes back.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::detach::Detach;
use crate::container::Config;
use crate::error::{Error, Result};
use crate::keeper::{Attached, Reply, Request, Size, Stream};
use crate::say;
use crate::sys::tty::{self, RawMode};
use crate::sys::{fd, process};

/// How one takes part.
pub struct Options {
    /// Which streams.
    pub attached: Attached,
    /// The program has a terminal.
    pub terminal: bool,
    /// Signals to this command go to the program.
    pub proxy: bool,
    /// What to type to leave.
    pub detach_keys: Vec<u8>,
}

/// A program that heeds the going of its reader has ended within that time.
/// One that does not is left alone: nobody reads what it says.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);

/// What to type to leave, unless somebody has said otherwise.
const DETACH_KEYS: &[u8] = &[16, 17];

/// How one takes part in a container made as `config` says.
pub fn options(
    config: &Config,
    attached: Attached,
    proxy: bool,
    detach_keys: Option<&[u8]>,
) -> Options {
    Options {
        attached,
        terminal: config.program.tty,
        proxy,
        detach_keys: detach_keys.unwrap_or(DETACH_KEYS).to_vec(),
    }
}

/// How it came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The program has ended with this code.
    Exit(i32),
    /// The person has left.
    Detached,
    /// The person has asked for the end again and again, in vain, and left.
    Forsaken,
    /// Nobody reads what the program says, and it goes on all the same.
    Unread,
    /// This signal ended the command alone.
    Signalled(i32),
    /// The keeper is gone without a word.
    Silence,
}

/// The size of the terminal this command is typed in.
pub fn own_size() -> Size {
    tty::size(fd::standard(0))
        .or_else(|| tty::size(fd::standard(1)))
        .unwrap_or_default()
}

/// Waits for the first word of a keeper that was asked to start a container.
pub fn started(connection: &OwnedFd) -> Result<i32> {
    loop {
        match Reply::receive(connection)? {
            Some(Reply::Warned(text)) => say::warning(text),
            reply => return as_started(reply),
        }
    }
}

fn as_started(reply: Option<Reply>) -> Result<i32> {
    match reply {
        Some(Reply::Started(pid)) => Ok(pid),
        Some(Reply::Failed(failure)) => Err(Error::told(failure.text).exit(failure.code)),
        Some(other) => Err(Error::internal(format!("at the start, was told {other:?}"))),
        None => Err(Error::environment(
            "the keeper was killed while it started the container",
        )),
    }
}

/// Stays until the program ends or the person leaves.
pub fn attend(connection: &OwnedFd, options: &Options) -> Result<Outcome> {
    // Left alone: what stops this command itself and has it go on.
    let signals = process::signals_as_fd_but(&[libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU])?;
    let raw = options.terminal && options.attached.input;
    let raw = raw.then(|| RawMode::enter(fd::standard(0))).flatten();
    let mut session = Session {
        connection,
        detach: Detach::new(&options.detach_keys),
        options,
        input_open: options.attached.input,
        pending: None,
        shown: [true, true],
        urges: 0,
        lost: None,
        leaves_at: None,
        raw,
    };
    session.stay(&signals)
}

struct Session<'a> {
    connection: &'a OwnedFd,
    options: &'a Options,
    detach: Detach,
    input_open: bool,
    /// Read, but there was no room for it yet.
    pending: Option<Request>,
    /// Standard output and error are still looked at.
    shown: [bool; 2],
    /// How often somebody has asked for the end.
    urges: u32,
    /// Why something it said could not be shown.
    lost: Option<Error>,
    /// When to leave: set once a reader of ours has gone.
    leaves_at: Option<Instant>,
    raw: Option<RawMode>,
}

impl Session<'_> {
    fn stay(&mut self, signals: &OwnedFd) -> Result<Outcome> {
        loop {
            let [said, interrupted, typed] = self.wait(signals);
            if interrupted && let Some(outcome) = self.heed(signals)? {
                return Ok(outcome);
            }
            if said && let Some(outcome) = self.hear()? {
                return Ok(outcome);
            }
            if typed && self.pass_input()? {
                return Ok(Outcome::Detached);
            }
            self.send_pending()?;
            if self.leaves_at.is_some_and(|at| at <= Instant::now()) {
                return Ok(Outcome::Unread);
            }
        }
    }

    /// What is ready: the keeper, a signal, the keyboard.
    fn wait(&self, signals: &OwnedFd) -> [bool; 3] {
        let mut wanted = PollFlags::POLLIN;
        if self.pending.is_some() {
            wanted |= PollFlags::POLLOUT;
        }
        let mut fds = vec![
            PollFd::new(self.connection.as_fd(), wanted),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        if self.input_open && self.pending.is_none() {
            fds.push(PollFd::new(fd::standard(0), PollFlags::POLLIN));
        }
        // An interruption is as good as nothing: the next round looks again.
        let _ = poll(&mut fds, until(self.leaves_at));
        let any = PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR;
        let ready = |n: usize| {
            let flags = fds.get(n).and_then(PollFd::revents);
            flags.is_some_and(|f| f.intersects(any))
        };
        [ready(0), ready(1), ready(2)]
    }

    fn hear(&mut self) -> Result<Option<Outcome>> {
        match Reply::receive(self.connection)? {
            Some(Reply::Output(stream, bytes)) => self.show(stream, &bytes)?,
            Some(Reply::Exit(code)) => {
                return match self.lost.take() {
                    Some(e) => Err(e),
                    None => Ok(Some(Outcome::Exit(code))),
                };
            }
            Some(Reply::Refused(why)) => return Err(Error::told(why)),
            Some(Reply::Done | Reply::Started(_) | Reply::Warned(_)) => {}
            Some(Reply::Failed(failure)) => {
                return Err(Error::told(failure.text).exit(failure.code));
            }
            None => return Ok(Some(Outcome::Silence)),
        }
        Ok(None)
    }

    fn show(&mut self, stream: Stream, bytes: &[u8]) -> Result<()> {
        let number = match stream {
            Stream::Out => 1,
            Stream::Err => 2,
        };
        let shown = &mut self.shown[number as usize - 1];
        if *shown && let Err(e) = write_all(number, bytes) {
            // Whoever read our output has gone: the program is told so.
            *shown = false;
            // Of a reader that went, there is nobody to be told; but whoever
            // waits for this command, be it the shell, waits for nothing.
            if e == Errno::EPIPE {
                let at = Instant::now() + FAREWELL;
                self.leaves_at.get_or_insert(at);
            } else {
                self.lost = Some(cannot_write(number, e));
            }
            Request::Close(stream).send(self.connection)?;
        }
        Ok(())
    }

    /// How the person leaves, if that is what signals say.
    fn heed(&mut self, signals: &OwnedFd) -> Result<Option<Outcome>> {
        while let Some(signal) = process::next_signal(signals) {
            match signal {
                libc::SIGWINCH => self.pass_size()?,
                libc::SIGCONT if self.raw.is_some() => {
                    // The shell has put its own mode back meanwhile.
                    self.raw = RawMode::enter(fd::standard(0));
                    self.pass_size()?;
                }
                libc::SIGCHLD | libc::SIGPIPE | libc::SIGURG | libc::SIGCONT => {}
                _ if !self.options.proxy => return Ok(Some(Outcome::Signalled(signal))),
                signal => {
                    self.say(&Request::Pass(signal))?;
                    self.urges += u32::from(matches!(signal, libc::SIGINT | libc::SIGTERM));
                    // A program that is deaf must not hold the person.
                    if self.urges >= 3 {
                        return Ok(Some(Outcome::Forsaken));
                    }
                }
            }
        }
        Ok(None)
    }

    fn pass_size(&self) -> Result<()> {
        if self.options.terminal {
            self.say(&Request::Resize(own_size()))?;
        }
        Ok(())
    }

    /// Whether the person leaves.
    fn pass_input(&mut self) -> Result<bool> {
        let mut buf = [0; 16 * 1024];
        match nix::unistd::read(fd::standard(0), &mut buf) {
            Ok(n) if n > 0 => {
                let (bytes, leaves) = if self.raw.is_some() {
                    self.detach.filter(&buf[..n])
                } else {
                    (buf[..n].to_vec(), false)
                };
                if !bytes.is_empty() {
                    self.pending = Some(Request::Input(bytes));
                    self.send_pending()?;
                }
                Ok(leaves)
            }
            Err(Errno::EINTR | Errno::EAGAIN) => Ok(false),
            Ok(_) | Err(_) => {
                self.input_open = false;
                self.pending = Some(Request::InputEnd);
                Ok(false)
            }
        }
    }

    fn send_pending(&mut self) -> Result<()> {
        if let Some(request) = self.pending.take() {
            match request.send_now(self.connection) {
                Ok(true) => {}
                Ok(false) => self.pending = Some(request),
                Err(e) => return self.gone(e.into()),
            }
        }
        Ok(())
    }

    fn say(&self, request: &Request) -> Result<()> {
        request
            .send(self.connection)
            .or_else(|e| self.gone(e.into()))
    }

    /// A keeper that has said its last word does not listen any more; that
    /// word is still to be heard.
    fn gone(&self, e: Error) -> Result<()> {
        let mut fds = [PollFd::new(self.connection.as_fd(), PollFlags::POLLIN)];
        let heard = poll(&mut fds, PollTimeout::ZERO).unwrap_or(0) > 0;
        if heard { Ok(()) } else { Err(e) }
    }
}

/// How long to wait for whatever comes first.
pub(super) fn until(at: Option<Instant>) -> PollTimeout {
    at.map_or(PollTimeout::NONE, |at| {
        let left = at.saturating_duration_since(Instant::now());
        PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
    })
}

/// What was said on a stream is lost.
pub fn cannot_write(number: i32, why: Errno) -> Error {
    let name = if number == 1 { "output" } else { "error" };
    Error::environment(why.desc()).context(format!("cannot write to standard {name}"))
}

fn write_all(number: i32, mut bytes: &[u8]) -> std::result::Result<(), Errno> {
    let out = fd::standard(number);
    while !bytes.is_empty() {
        match nix::unistd::write(out, bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                let mut fds = [PollFd::new(out, PollFlags::POLLOUT)];
                let _ = poll(&mut fds, PollTimeout::NONE);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
