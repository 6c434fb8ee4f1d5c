//! The program's standard streams: pipes, or one terminal.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;

use super::protocol::{Size, Stream};
use crate::error::{Context, Error, Result};
use crate::sys::{fd, socket, tty};

/// So much input is taken from clients before the program has read it.
const PENDING: usize = 256 * 1024;

/// What the program gets as 0, 1 and 2.
pub(super) struct Theirs {
    streams: [OwnedFd; 3],
    /// Where its terminal is handed over, if it has one.
    pub console: Option<OwnedFd>,
}

/// Our ends.
#[derive(Debug, Default)]
pub(super) struct Ours {
    input: Option<OwnedFd>,
    output: Option<OwnedFd>,
    errors: Option<OwnedFd>,
    /// The terminal, of which `input` and `output` are copies.
    terminal: Option<OwnedFd>,
    /// From where the terminal comes.
    console: Option<OwnedFd>,
    pending: VecDeque<u8>,
    /// The input ends when what is pending has been written.
    ending: bool,
}

/// Which streams a program is to have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub terminal: bool,
    pub input: bool,
    /// It keeps those of the command that starts it.
    pub passthrough: bool,
}

/// Makes both ends.
pub(super) fn make(wanted: Wanted) -> Result<(Theirs, Ours)> {
    let null = || File::options().read(true).write(true).open("/dev/null");
    let null = || {
        null()
            .map(OwnedFd::from)
            .context(|| "cannot open /dev/null")
    };
    if wanted.terminal {
        let (ours, theirs) = socket::stream_pair()?;
        let theirs = Theirs {
            streams: [null()?, null()?, null()?],
            console: Some(theirs),
        };
        let ours = Ours {
            console: Some(ours),
            ..Ours::default()
        };
        return Ok((theirs, ours));
    }
    if wanted.passthrough {
        let own = |n| fd::duplicate(fd::standard(n));
        let theirs = Theirs {
            streams: [own(0)?, own(1)?, own(2)?],
            console: None,
        };
        return Ok((theirs, Ours::default()));
    }
    let (stdin, input) = if wanted.input {
        let (read, write) = pipe()?;
        not_waiting(&write)?;
        (read, Some(write))
    } else {
        (null()?, None)
    };
    let ((output, stdout), (errors, stderr)) = (pipe()?, pipe()?);
    not_waiting(&output)?;
    not_waiting(&errors)?;
    let theirs = Theirs {
        streams: [stdin, stdout, stderr],
        console: None,
    };
    let ours = Ours {
        input,
        output: Some(output),
        errors: Some(errors),
        ..Ours::default()
    };
    Ok((theirs, ours))
}

pub(super) fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)
        .map_err(|e| Error::environment(e.desc()).context("cannot make a pipe"))
}

pub(super) fn not_waiting(fd: &OwnedFd) -> Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
        .map(drop)
        .map_err(|e| Error::environment(e.desc()).context("fcntl(F_SETFL, O_NONBLOCK)"))
}

impl Theirs {
    /// Puts them at 0, 1 and 2 of this process, for the one it makes next.
    pub(super) fn place(&self) -> Result<()> {
        for (number, stream) in (0..).zip(&self.streams) {
            fd::place(stream, number)?;
        }
        Ok(())
    }
}

/// Leaves 0, 1 and 2 of this process to nobody.
pub(super) fn forget_own() -> Result<()> {
    let null = File::options()
        .read(true)
        .write(true)
        .open(Path::new("/dev/null"));
    let null = OwnedFd::from(null.context(|| "cannot open /dev/null")?);
    for number in 0..3 {
        fd::place(&null, number)?;
    }
    Ok(())
}

impl Ours {
    /// Takes the terminal that the program's first process has made.
    pub(super) fn take_terminal(&mut self, size: Size) -> Result<()> {
        let Some(console) = self.console.take() else {
            return Ok(());
        };
        let mut name = [0; 64];
        let (_, terminal) = socket::receive(&console, &mut name)?;
        let terminal =
            terminal.ok_or_else(|| Error::internal("the terminal was not handed over"))?;
        not_waiting(&terminal)?;
        self.input = Some(fd::duplicate(&terminal)?);
        self.output = Some(fd::duplicate(&terminal)?);
        self.terminal = Some(terminal);
        self.resize(size);
        Ok(())
    }

    /// Follows the terminal that it is shown on.
    pub(super) fn resize(&self, (rows, columns): Size) {
        if let Some(terminal) = self.terminal.as_ref().filter(|_| rows > 0 && columns > 0) {
            // A size that cannot be set leaves the old one, no more.
            let _ = tty::set_size(terminal, rows, columns);
        }
    }

    /// The end to watch for output.
    pub(super) fn source(&self, stream: Stream) -> Option<BorrowedFd<'_>> {
        match stream {
            Stream::Out => self.output.as_ref().map(AsFd::as_fd),
            Stream::Err => self.errors.as_ref().map(AsFd::as_fd),
        }
    }

    /// The end to watch for room.
    pub(super) fn sink(&self) -> Option<BorrowedFd<'_>> {
        self.input.as_ref().map(AsFd::as_fd)
    }

    /// What the program has said: `None` when there is nothing now. A stream
    /// that has ended is closed.
    pub(super) fn read(&mut self, stream: Stream, buf: &mut [u8]) -> Option<usize> {
        let end = match stream {
            Stream::Out => &mut self.output,
            Stream::Err => &mut self.errors,
        };
        loop {
            match nix::unistd::read(end.as_ref()?, buf) {
                Ok(n) if n > 0 => return Some(n),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return None,
                // A terminal says EIO when its other side is closed.
                Ok(_) | Err(_) => {
                    *end = None;
                    return None;
                }
            }
        }
    }

    /// Takes input for the program.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.input.is_some() && !self.ending {
            self.pending.extend(bytes);
            self.write();
        }
    }

    /// The input ends after what was fed. A terminal has no end: whoever comes
    /// next goes on typing.
    pub(super) fn end_input(&mut self) {
        if self.terminal.is_some() {
            return;
        }
        self.ending = true;
        self.write();
    }

    /// Writes what is pending, as far as there is room.
    pub(super) fn write(&mut self) {
        let Some(input) = &self.input else {
            self.pending.clear();
            return;
        };
        while !self.pending.is_empty() {
            let (front, _) = self.pending.as_slices();
            match nix::unistd::write(input, front) {
                Ok(n) => drop(self.pending.drain(..n)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                // The program has closed its end.
                Err(_) => {
                    self.pending.clear();
                    self.input = None;
                    return;
                }
            }
        }
        if self.ending {
            self.input = None;
        }
    }

    /// Whether there is room for more input, or no use for it.
    pub(super) fn takes_input(&self) -> bool {
        self.pending.len() < PENDING
    }

    /// Whether something waits for room.
    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The program's next write to it fails as to a pipe without a reader. A
    /// terminal stays: it has one side for everything.
    pub(super) fn close(&mut self, stream: Stream) {
        if self.terminal.is_some() {
            return;
        }
        match stream {
            Stream::Out => self.output = None,
            Stream::Err => self.errors = None,
        }
    }
}
