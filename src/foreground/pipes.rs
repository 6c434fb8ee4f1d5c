//! Staying with a program whose streams are pipes of ours.
//!
//! The program never has a descriptor of the caller's: through a terminal it
//! could type into the caller's shell, and through `/proc/self/fd` it could
//! open a file anew, for writing. So bytes are carried from one to the other
//! here, and nothing else gets across.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::relay::{self, Insisting};
use super::session::{FAREWELL, cannot_write, until};
use crate::error::{Context, Error, Result};
use crate::sys::fd;
use crate::sys::process::{self, Exit};

/// So much is read at once; as much as a pipe holds.
const CHUNK: usize = 64 * 1024;
/// So much can be written without waiting once there is room at all.
const PAGE: usize = 4096;

/// Our ends of a program's streams.
pub struct Pipes {
    input: Input,
    flows: [Flow; 2],
    /// When to leave: set once a reader of ours has gone.
    leaves_at: Option<Instant>,
}

/// What goes to the program.
struct Input {
    sink: Option<OwnedFd>,
    pending: Vec<u8>,
    /// There may be more to read.
    open: bool,
}

/// What the program says on one stream.
struct Flow {
    /// Where it is shown.
    number: i32,
    source: Option<OwnedFd>,
    pending: Vec<u8>,
    /// Set when the program has ended: what others write from then on is not
    /// waited for.
    left: Option<usize>,
    /// Why it cannot be shown.
    failed: Option<Errno>,
    /// Whoever read it has gone.
    unread: bool,
}

/// How it came to an end.
pub struct Ended {
    /// The program's end; none where nobody reads what it says, and it goes on
    /// all the same.
    pub exit: Option<Exit>,
    /// What it said could not be shown, for another reason than that nobody
    /// reads it any more.
    pub lost: Option<Error>,
}

/// What can be ready.
#[derive(Debug, Clone, Copy)]
enum Source {
    Program,
    Signals,
    Typed,
    Sink,
    Said(usize),
    Shown(usize),
}

/// The same three descriptors for a program that neither reads nor is read.
pub fn nothing() -> Result<[OwnedFd; 3]> {
    Ok([null()?, null()?, null()?])
}

fn null() -> Result<OwnedFd> {
    let null = File::options().read(true).write(true).open("/dev/null");
    null.map(OwnedFd::from).context(|| "cannot open /dev/null")
}

impl Pipes {
    /// What the program gets as 0, 1 and 2, and our ends. Without `input` there
    /// is nothing to read.
    pub fn make(input: bool) -> Result<([OwnedFd; 3], Self)> {
        let (stdin, sink) = if input {
            let (read, write) = pipe()?;
            fd::set_not_waiting(&write)?;
            (read, Some(write))
        } else {
            (null()?, None)
        };
        let ((output, stdout), (errors, stderr)) = (pipe()?, pipe()?);
        let pipes = Self {
            input: Input {
                open: sink.is_some(),
                sink,
                pending: Vec::new(),
            },
            flows: [Flow::new(1, output)?, Flow::new(2, errors)?],
            leaves_at: None,
        };
        Ok(([stdin, stdout, stderr], pipes))
    }

    /// Carries bytes to and fro until the program has ended and what it said
    /// until then is shown; or until it has had its time to end because nobody
    /// reads it.
    pub fn attend(mut self, pidfd: &OwnedFd, signals: &OwnedFd) -> Result<Ended> {
        let mut insisting = Insisting::default();
        let mut exit = None;
        loop {
            if let Some(exit) = exit
                && self.flows.iter().all(Flow::is_done)
            {
                return Ok(self.ended(Some(exit)));
            }
            if self.leaves(exit) {
                return Ok(self.ended(None));
            }
            for source in self.wait(pidfd, signals, exit.is_some()) {
                match source {
                    Source::Program => exit = Some(self.see_the_end(pidfd)?),
                    Source::Signals => {
                        let gives_up = heed(pidfd, signals, exit.is_some(), &mut insisting);
                        if let (true, Some(exit)) = (gives_up, exit) {
                            return Ok(self.ended(Some(exit)));
                        }
                    }
                    Source::Typed => self.input.read(),
                    Source::Sink => self.input.write(),
                    Source::Said(n) => self.flows[n].read(),
                    Source::Shown(n) => self.flows[n].show(),
                }
            }
        }
    }

    /// Whether it goes on without a reader.
    fn leaves(&mut self, exit: Option<Exit>) -> bool {
        if self.leaves_at.is_none() && self.flows.iter().any(|flow| flow.unread) {
            self.leaves_at = Some(Instant::now() + FAREWELL);
        }
        exit.is_none() && self.leaves_at.is_some_and(|at| at <= Instant::now())
    }

    /// What is ready.
    fn wait(&self, pidfd: &OwnedFd, signals: &OwnedFd, ended: bool) -> Vec<Source> {
        let mut all = vec![(Source::Signals, signals.as_fd(), PollFlags::POLLIN)];
        if !ended {
            all.push((Source::Program, pidfd.as_fd(), PollFlags::POLLIN));
            all.extend(self.input.interests());
        }
        for (n, flow) in self.flows.iter().enumerate() {
            all.extend(flow.interests(n));
        }
        let mut fds: Vec<_> = all.iter().map(|(_, d, f)| PollFd::new(*d, *f)).collect();
        // An interruption is as good as nothing: the next round looks again.
        let at = self.leaves_at.filter(|_| !ended);
        let _ = poll(&mut fds, until(at));
        let is_ready = |f: &PollFd<'_>| f.revents().is_some_and(|flags| !flags.is_empty());
        let ready: Vec<bool> = fds.iter().map(is_ready).collect();
        let both = all.iter().zip(ready);
        both.filter_map(|((source, ..), ready)| ready.then_some(*source))
            .collect()
    }

    fn see_the_end(&mut self, pidfd: &OwnedFd) -> Result<Exit> {
        let exit = process::wait(pidfd)?;
        for flow in &mut self.flows {
            flow.left = Some(flow.source.as_ref().map_or(0, fd::waiting));
        }
        Ok(exit)
    }

    fn ended(&self, exit: Option<Exit>) -> Ended {
        let failed = |flow: &Flow| Some(cannot_write(flow.number, flow.failed?));
        let lost = self.flows.iter().find_map(failed);
        Ended { exit, lost }
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    nix::unistd::pipe2(OFlag::O_CLOEXEC)
        .map_err(|e| Error::environment(e.desc()).context("cannot make a pipe"))
}

/// Passes signals on. Whether they are for us, who only wait for a slow reader
/// of what an ended program has said.
fn heed(pidfd: &OwnedFd, signals: &OwnedFd, ended: bool, insisting: &mut Insisting) -> bool {
    let mut gives_up = false;
    while let Some(signal) = process::next_signal(signals) {
        let ends = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];
        gives_up |= ended && ends.contains(&signal);
        if !ended {
            relay::pass(signal, pidfd, insisting);
        }
    }
    gives_up
}

impl Input {
    fn interests(&self) -> Vec<(Source, BorrowedFd<'_>, PollFlags)> {
        let Some(sink) = &self.sink else {
            return Vec::new();
        };
        if !self.pending.is_empty() {
            return vec![(Source::Sink, sink.as_fd(), PollFlags::POLLOUT)];
        }
        // Asked for nothing, it still says when nobody reads it any more.
        let mut all = vec![(Source::Sink, sink.as_fd(), PollFlags::empty())];
        if self.open {
            all.push((Source::Typed, fd::standard(0), PollFlags::POLLIN));
        }
        all
    }

    fn read(&mut self) {
        // Together with the last reader's going it may have been ready.
        if self.sink.is_none() {
            return;
        }
        let mut buf = vec![0; CHUNK];
        match nix::unistd::read(fd::standard(0), &mut buf) {
            Ok(n) if n > 0 => {
                buf.truncate(n);
                self.pending = buf;
                self.write();
            }
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Ok(_) | Err(_) => self.end(),
        }
    }

    fn end(&mut self) {
        self.open = false;
        self.sink = None;
        self.pending.clear();
    }

    fn write(&mut self) {
        let Some(sink) = &self.sink else { return };
        if self.pending.is_empty() {
            // Woken without a wish: the program has closed its end.
            return self.end();
        }
        match nix::unistd::write(sink, &self.pending) {
            Ok(n) => drop(self.pending.drain(..n)),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => self.end(),
        }
    }
}

impl Flow {
    fn new(number: i32, source: OwnedFd) -> Result<Self> {
        fd::set_not_waiting(&source)?;
        Ok(Self {
            number,
            source: Some(source),
            pending: Vec::new(),
            left: None,
            failed: None,
            unread: false,
        })
    }

    fn is_done(&self) -> bool {
        self.pending.is_empty() && (self.source.is_none() || self.left == Some(0))
    }

    fn interests(&self, n: usize) -> Option<(Source, BorrowedFd<'_>, PollFlags)> {
        if !self.pending.is_empty() {
            let shown = fd::standard(self.number);
            return Some((Source::Shown(n), shown, PollFlags::POLLOUT));
        }
        let source = self.source.as_ref().filter(|_| self.left != Some(0))?;
        Some((Source::Said(n), source.as_fd(), PollFlags::POLLIN))
    }

    fn read(&mut self) {
        let Some(source) = &self.source else { return };
        let mut buf = vec![0; self.left.unwrap_or(CHUNK).min(CHUNK)];
        match nix::unistd::read(source, &mut buf) {
            Ok(n) if n > 0 => {
                buf.truncate(n);
                self.pending = buf;
                self.left = self.left.map(|left| left - n);
                self.show();
            }
            Err(Errno::EINTR | Errno::EAGAIN) if self.left.is_none() => {}
            Ok(_) | Err(_) => self.source = None,
        }
    }

    /// Shows what there is room for. It must not wait: signals come, too, and
    /// the descriptor is shared with others who want it to be as it is.
    fn show(&mut self) {
        let out = fd::standard(self.number);
        let mut shown = 0;
        while shown < self.pending.len() && has_room(out) {
            let end = self.pending.len().min(shown + PAGE);
            match nix::unistd::write(out, &self.pending[shown..end]) {
                Ok(n) => shown += n,
                Err(Errno::EINTR | Errno::EAGAIN) => break,
                Err(e) => return self.close(e),
            }
        }
        self.pending.drain(..shown);
    }

    /// Whoever read it has gone, or it cannot be shown: the program is told in
    /// the way of every pipe, the next time it writes.
    fn close(&mut self, why: Errno) {
        self.source = None;
        self.pending.clear();
        self.unread = why == Errno::EPIPE;
        self.failed = Some(why).filter(|_| !self.unread);
    }
}

fn has_room(out: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(out, PollFlags::POLLOUT)];
    poll(&mut fds, PollTimeout::ZERO).unwrap_or(0) > 0
}

/// Calls `act` while 0, 1 and 2 of this process are others, as the process that
/// it makes is to have them.
pub fn lent<T>(streams: &[OwnedFd; 3], act: impl FnOnce() -> T) -> Result<T> {
    let own = |n| fd::duplicate(fd::standard(n));
    let own = [own(0)?, own(1)?, own(2)?];
    place(streams)?;
    let done = act();
    place(&own)?;
    Ok(done)
}

/// Leaves 0, 1 and 2 of this process to nobody.
pub fn leave_streams() -> Result<()> {
    place(&nothing()?)
}

fn place(streams: &[OwnedFd; 3]) -> Result<()> {
    for (number, stream) in (0..).zip(streams) {
        fd::place(stream, number)?;
    }
    Ok(())
}
