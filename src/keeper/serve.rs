//! While the program runs: everything a keeper listens to, in one loop.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Keeper;
use super::clients::Heard;
use super::protocol::{CHUNK, Reply, Request, Stream};
use crate::cgroup::ops::Cgroup;
use crate::container::Status;
use crate::error::{Error, Result};
use crate::sys::process::{self, Exit};
use crate::sys::{fd, memory, socket};
use crate::timings::{self, Moment};

/// How long nobody is let in when there are no descriptors for it.
const DEAF: Duration = Duration::from_millis(200);
/// How long after something has happened memory is given back, if all is calm
/// then. Programs that are over sooner do not pay for it.
const CALM: Duration = Duration::from_millis(100);

/// What can be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Signals,
    Listener,
    Program,
    Check,
    CheckOutput,
    /// Somebody comes to a port or to the name server.
    Door,
    Worker,
    /// The worker asks for names.
    Questions,
    Output(Stream),
    Input,
    Client(u64),
}

/// Somebody wants the program to end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stopping {
    /// When it is killed.
    pub kill_at: Option<Instant>,
}

/// The program's first process.
#[derive(Debug)]
pub(super) struct Running {
    pub pidfd: OwnedFd,
}

impl Keeper {
    /// Serves until the program has ended.
    pub(super) fn attend(&mut self) -> Exit {
        self.rests_at = Some(Instant::now() + CALM);
        loop {
            self.serve(None);
            if let Some(exit) = self.ended.take() {
                return exit;
            }
        }
    }

    /// Serves for a while without a program; ends early when somebody stops it.
    pub(super) fn idle(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until && !self.state.stopped_by_hand {
            self.serve(Some(until));
        }
    }

    /// One round: waits until something is ready, and deals with it.
    fn serve(&mut self, until: Option<Instant>) {
        if self.config.program.stdin_once && self.clients.have_spoken() {
            self.streams.end_input();
        }
        let ready = self.wait(until);
        if !ready.is_empty() && self.rests_at.is_none() {
            self.rests_at = Some(Instant::now() + CALM);
        }
        for (source, flags) in ready {
            self.attend_to(source, flags);
        }
        self.attend_checks();
        self.follow_build();
        let overdue = self.stopping.and_then(|s| s.kill_at);
        if overdue.is_some_and(|at| at <= Instant::now()) {
            self.stopping = Some(Stopping { kill_at: None });
            self.signal(libc::SIGKILL);
        }
    }

    fn wait(&mut self, until: Option<Instant>) -> Vec<(Source, PollFlags)> {
        let deadline = [
            until,
            self.stopping.and_then(|s| s.kill_at),
            self.checks.deadline(),
            self.deaf_until.filter(|_| self.is_deaf()),
            self.net.rest(),
        ];
        let deadline = deadline.into_iter().flatten().min();
        let left = |at: Instant| at.saturating_duration_since(Instant::now());
        let rests_at = self.rests_at;
        let next = deadline.into_iter().chain(rests_at).min();
        let timeout = next.map_or(PollTimeout::NONE, |at| {
            // Rounded up: a little late, not a little early and often.
            PollTimeout::try_from(left(at) + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        let sources = self.sources();
        let mut fds: Vec<PollFd<'_>> = sources
            .iter()
            .filter_map(|(source, flags)| Some(PollFd::new(self.descriptor(*source)?, *flags)))
            .collect();
        // An interruption is as good as nothing: the next round looks again.
        let rests =
            poll(&mut fds, timeout) == Ok(0) && rests_at.is_some_and(|at| left(at).is_zero());
        if rests {
            // What was needed to start a program, or to do what somebody
            // wanted, is not needed to wait for the next who comes.
            if self.config.auto_remove {
                let _ = self.entry.keep_room();
            }
            memory::rest(&mut fds, deadline.map(left));
        }
        let ready = fds
            .iter()
            .map(|f| f.revents().unwrap_or(PollFlags::empty()));
        let ready: Vec<PollFlags> = ready.collect();
        self.rests_at = rests_at.filter(|_| !rests);
        let both = sources.into_iter().zip(ready);
        both.filter(|(_, flags)| !flags.is_empty())
            .map(|((source, _), flags)| (source, flags))
            .collect()
    }

    /// What there is to listen to now; each of them has a descriptor.
    fn sources(&self) -> Vec<(Source, PollFlags)> {
        let mut all = vec![(Source::Signals, PollFlags::POLLIN)];
        if !self.is_deaf() {
            all.push((Source::Listener, PollFlags::POLLIN));
        }
        if self.running.is_some() {
            all.push((Source::Program, PollFlags::POLLIN));
        }
        for source in [
            Source::Check,
            Source::CheckOutput,
            Source::Door,
            Source::Worker,
            Source::Questions,
        ] {
            if self.descriptor(source).is_some() {
                all.push((source, PollFlags::POLLIN));
            }
        }
        for stream in [Stream::Out, Stream::Err] {
            if self.streams.source(stream).is_some() {
                all.push((Source::Output(stream), PollFlags::POLLIN));
            }
        }
        if self.streams.has_pending() && self.streams.sink().is_some() {
            all.push((Source::Input, PollFlags::POLLOUT));
        }
        for (number, waiting, speaks) in self.clients.interests() {
            let mut flags = PollFlags::empty();
            if !speaks || self.streams.takes_input() {
                flags |= PollFlags::POLLIN;
            }
            if waiting {
                flags |= PollFlags::POLLOUT;
            }
            all.push((Source::Client(number), flags));
        }
        all
    }

    fn descriptor(&self, source: Source) -> Option<std::os::fd::BorrowedFd<'_>> {
        match source {
            Source::Signals => Some(self.signals.as_fd()),
            Source::Listener => Some(self.listener.as_fd()),
            Source::Program => self.running.as_ref().map(|r| r.pidfd.as_fd()),
            Source::Check => self.checks.process(),
            Source::CheckOutput => self.checks.output(),
            Source::Door => self.net.door(),
            Source::Worker => self.net.process(),
            Source::Questions => self.net.questions(),
            Source::Output(stream) => self.streams.source(stream),
            Source::Input => self.streams.sink(),
            Source::Client(number) => self.clients.socket(number),
        }
    }

    fn attend_to(&mut self, source: Source, flags: PollFlags) {
        match source {
            Source::Signals => self.heed_signals(),
            Source::Listener => self.let_in(),
            Source::Program => self.see_the_end(),
            // Each round looks after the checks.
            Source::Check => {}
            Source::CheckOutput => self.checks.read(),
            Source::Door => self.open(),
            Source::Worker => self.see_worker_end(),
            Source::Questions => self.net.answer(),
            Source::Output(stream) => {
                self.relay(stream);
            }
            Source::Input => self.streams.write(),
            Source::Client(number) => {
                if flags.contains(PollFlags::POLLOUT) {
                    self.clients.flush(number);
                }
                if flags.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR) {
                    self.hear(number);
                }
            }
        }
    }

    /// Somebody wants the keeper itself to end: the machine is going down, or
    /// a person means the container.
    fn heed_signals(&mut self) {
        while let Some(signal) = process::next_signal(&self.signals) {
            if matches!(signal, libc::SIGTERM | libc::SIGINT | libc::SIGQUIT) {
                self.stop(self.stop_signal(), self.stop_timeout());
            }
        }
    }

    fn let_in(&mut self) {
        let mut accepted = socket::accept(&self.listener);
        if accepted.is_err() && self.clients.make_place() {
            // There were no descriptors left, and now there is one.
            accepted = socket::accept(&self.listener);
        }
        match accepted {
            // One too many is closed at once.
            Ok(connection) => drop(self.clients.add(connection)),
            // Whoever waits is let in as soon as it can be; to try that all
            // the time would take all of a processor.
            Err(_) => self.deaf_until = Some(Instant::now() + DEAF),
        }
    }

    /// Whether nobody can be let in for now.
    fn is_deaf(&self) -> bool {
        self.deaf_until.is_some_and(|until| Instant::now() < until)
    }

    /// Those who have come while the end was noted, and whom nobody else will
    /// answer. With the socket's path gone, no more can follow.
    pub(super) fn let_in_the_last(&mut self) {
        let is_someone = |listener: &OwnedFd| {
            let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::ZERO).unwrap_or(0) > 0
        };
        while is_someone(&self.listener) {
            let Ok(connection) = socket::accept(&self.listener) else {
                return;
            };
            let _ = self.clients.add(connection);
        }
    }

    fn see_the_end(&mut self) {
        let Some(running) = &self.running else { return };
        let Ok(Some(exit)) = process::try_wait(&running.pidfd) else {
            return;
        };
        timings::mark(Moment::Ended);
        self.running = None;
        self.close_doors();
        self.cease_checks();
        // Who shares the host's processes may have left some behind, and they
        // could keep the streams open.
        self.clear_up();
        timings::mark(Moment::Cleared);
        for stream in [Stream::Out, Stream::Err] {
            while self.relay(stream) {}
        }
        self.ended = Some(exit);
    }

    /// Whether there was something.
    fn relay(&mut self, stream: Stream) -> bool {
        let mut buf = std::mem::take(&mut self.buf);
        buf.resize(CHUNK, 0);
        let read = self.streams.read(stream, &mut buf);
        if let Some(n) = read {
            self.log.write(stream, &buf[..n]);
            self.clients.show(stream, &buf[..n]);
        }
        self.buf = buf;
        read.is_some()
    }

    fn hear(&mut self, number: u64) {
        match self.clients.hear(number) {
            Heard::Said(request) => self.answer(number, request),
            Heard::Nothing | Heard::Gone => {}
        }
    }

    fn answer(&mut self, number: u64, request: Request) {
        let done = match request {
            Request::Attach(streams, size) => {
                if !self.clients.attach(number, streams) {
                    let why = "too many are attached to the container already";
                    return self.clients.refuse(number, why);
                }
                self.resize(size);
                self.note("attach", &[]);
                return;
            }
            Request::Input(bytes) => return self.streams.feed(&bytes),
            Request::InputEnd => {
                if self.config.program.stdin_once {
                    self.streams.end_input();
                }
                return;
            }
            Request::Resize(size) => return self.resize(size),
            Request::Pass(signal) => return self.signal(signal),
            // Everybody who stays is told the end.
            Request::Wait => return,
            Request::Close(stream) => return self.close_stream(number, stream),
            Request::Signal(signal) => self.kill(signal),
            Request::Stop(signal, ms) => {
                let time = u64::try_from(ms).ok().map(Duration::from_millis);
                self.stop(signal, time);
                return;
            }
            Request::Pause => self.freeze(true),
            Request::Unpause => self.freeze(false),
            Request::Update(json) => self.update(&json),
            Request::Connect(json) => self.connect(&json),
            Request::Disconnect(network) => self.disconnect(&network),
        };
        let reply = match done {
            Ok(()) => Reply::Done,
            Err(e) => Reply::Refused(e.to_string()),
        };
        self.clients.reply(number, &reply);
    }

    /// Nobody looks any more: the program is told in the way of every pipe,
    /// the next time it writes. With others who look, it need not know.
    fn close_stream(&mut self, number: u64, stream: Stream) {
        if self.clients.turn_away(number, stream) {
            self.streams.close(stream);
        }
    }

    fn resize(&mut self, size: super::protocol::Size) {
        if size != (0, 0) {
            self.size = size;
            self.streams.resize(size);
        }
    }

    /// Signals the first process, which may be about to end.
    pub(super) fn signal(&self, signal: i32) {
        if let Some(running) = &self.running {
            let _ = fd::pidfd_send_signal(&running.pidfd, signal);
            if signal == libc::SIGKILL && self.state.status == Status::Paused {
                // What is frozen cannot even die.
                let _ = self.cgroup().map(|c| c.thaw());
            }
        }
    }

    fn kill(&mut self, signal: i32) -> Result<()> {
        // Whoever asks for the end does not want a restart, and in the pause
        // before one that is all there is to do.
        let ends = signal == libc::SIGKILL || signal == self.stop_signal();
        match &self.running {
            Some(running) => fd::pidfd_send_signal(&running.pidfd, signal)?,
            None if ends => {}
            None => return Err(Error::user("the container is not running")),
        }
        self.note("kill", &[("signal", &signal.to_string())]);
        if ends {
            self.state.stopped_by_hand = true;
            self.write_state();
        }
        self.signal(0);
        if signal == libc::SIGKILL && self.state.status == Status::Paused {
            self.cgroup().map_or(Ok(()), |c| c.thaw())?;
        }
        Ok(())
    }

    /// `time` without end never kills.
    pub(super) fn stop(&mut self, signal: i32, time: Option<Duration>) {
        self.state.stopped_by_hand = true;
        self.write_state();
        if self.state.status == Status::Paused {
            let _ = self.freeze(false);
        }
        let kill_at = time.map(|t| Instant::now() + t);
        // A second wish may only bring the end nearer.
        let nearest = match (self.stopping, kill_at) {
            (Some(Stopping { kill_at: Some(old) }), Some(new)) => Some(old.min(new)),
            (Some(old), None) => old.kill_at,
            (_, new) => new,
        };
        self.stopping = Some(Stopping { kill_at: nearest });
        self.note("kill", &[("signal", &signal.to_string())]);
        self.signal(signal);
    }

    pub(super) fn cgroup(&self) -> Option<Cgroup> {
        Cgroup::open(self.state.cgroups.as_ref()?).ok()
    }

    fn freeze(&mut self, on: bool) -> Result<()> {
        let is = self.state.status;
        if on && self.stopping.is_some() {
            // What is frozen cannot end.
            return Err(Error::user("the container is being stopped"));
        }
        match (on, is) {
            (true, Status::Running) | (false, Status::Paused) => {}
            (true, Status::Paused) => return Err(Error::user("the container is already paused")),
            (true, _) => return Err(Error::user("the container is not running")),
            (false, _) => return Err(Error::user("the container is not paused")),
        }
        let cgroup = self
            .cgroup()
            .ok_or_else(|| Error::environment("no cgroup here can freeze the container"))?;
        if on {
            // What is frozen cannot be ended when its time is over.
            self.put_checks_off();
            cgroup.freeze()?;
            self.state.status = Status::Paused;
            self.note("pause", &[]);
        } else {
            cgroup.thaw()?;
            self.state.status = Status::Running;
            self.note("unpause", &[]);
        }
        self.write_state();
        Ok(())
    }

    /// The last who were attached get what is theirs, as long as they take it.
    pub(super) fn part(&mut self) {
        let patience = Duration::from_secs(60);
        let mut since = Instant::now();
        while self.clients.part() && since.elapsed() < patience {
            let waiting = self.clients.interests();
            let mut fds: Vec<PollFd<'_>> = waiting
                .iter()
                .filter_map(|(n, ..)| {
                    Some(PollFd::new(self.clients.socket(*n)?, PollFlags::POLLOUT))
                })
                .collect();
            if poll(&mut fds, 5_000u16).unwrap_or(0) > 0 {
                since = Instant::now();
            }
            for (number, ..) in waiting {
                self.clients.flush(number);
            }
        }
    }
}
