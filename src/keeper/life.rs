//! The start of the program.

use std::fs::File;
use std::time::{Duration, Instant};

use oci_spec::runtime::PosixRlimitType;

use super::ending::take_away;
use super::prepare::Sharer;
use super::serve::Running;
use super::streams::{self, Wanted};
use super::{Keeper, parents, prepare};
use crate::container::{Health, Sharing, Status, Timestamp};
use crate::error::{Error, Result};
use crate::process::start_time;
use crate::run::{self, Explain, Launch};
use crate::sys::fd;
use crate::timings::{self, Moment};

/// How long a start is waited for that the processes of another container can
/// hold up.
const PATIENCE: Duration = Duration::from_secs(5);

impl Keeper {
    /// Starts the program, for the first time or once more.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.clear_former()?;
        self.enter_networks()?;
        self.bind_ports()?;
        self.enter_volumes()?;
        let mut limits = self.limits.clone();
        let for_ports = self.net.limit.into_iter();
        limits.extend(for_ports.map(|(soft, hard)| (PosixRlimitType::RlimitNofile, soft, hard)));
        let prepared = prepare::prepare(
            &self.store,
            &self.entry,
            &self.config,
            self.size,
            self.connections(),
            &limits,
        )?;
        let wanted = Wanted {
            terminal: self.config.program.tty,
            input: self.config.program.open_stdin,
            passthrough: self.config.log.driver == "passthrough",
        };
        let (theirs, ours) = streams::make(wanted)?;
        self.streams = ours;
        let explain = self
            .explain
            .then(|| fd::duplicate(fd::standard(2)))
            .transpose()?;
        // Written before anything is made, for whoever has to clean up after us.
        self.state.cgroups = Some(prepared.plan.cgroups.expected());
        let parents = parents::missing(&prepared.plan.cgroups);
        self.write_state();
        let shares_processes = matches!(self.config.isolation.pid, Sharing::Container(_));
        timings::mark(Moment::Recorded);
        theirs.place()?;
        let console = theirs.console;
        let entry = &self.entry;
        let held = run::launch(Launch {
            plan: &prepared.plan,
            state: prepared.state.clone(),
            console,
            start_socket: None,
            made: prepared.made,
            container: None,
            preserve_fds: 0,
            explain: explain.map(|out| Explain {
                out: File::from(out),
                start: Instant::now(),
                json: false,
            }),
            meanwhile: Some(Box::new(|| entry.write_spec(&prepared.spec))),
            patience: shares_processes.then_some(PATIENCE),
        });
        parents::mark(&parents);
        streams::forget_own()?;
        let held = held.inspect_err(|_| take_away(&mut self.state))?;
        let mut shared = prepared.shared.iter();
        if let Err(e) = shared.try_for_each(Sharer::is_still_there) {
            held.give_up();
            take_away(&mut self.state);
            return Err(e);
        }
        self.streams.take_terminal(self.size)?;
        self.open_doors(held.pid)
            .inspect_err(|_| take_away(&mut self.state))?;
        self.warnings.extend(held.warnings.iter().cloned());
        self.state.pid = held.pid;
        self.state.pid_start = start_time(held.pid).map_or(0, |(ticks, _)| ticks);
        self.state.cgroups = Some(held.cgroups.clone());
        self.state.status = Status::Running;
        self.state.started = Some(Timestamp::now());
        self.state.finished = None;
        self.state.health = self.config.health.as_ref().map(|_| Health::default());
        // Until this is on record the program may have begun already. Who ends
        // us in between finds cgroups on record, and ends what is in them.
        match held.release_and(|| self.write_state()) {
            Ok((_, pidfd)) => {
                timings::mark(Moment::Runs);
                self.running = Some(Running { pidfd });
                self.begin_checks();
                self.note("start", &[]);
                Ok(())
            }
            Err(e) => {
                take_away(&mut self.state);
                self.state.started = None;
                Err(e)
            }
        }
    }

    /// What a former run has left goes first. The lock is ours: a keeper that
    /// is still on record was killed, maybe just now. And once the new run's
    /// cgroups are on record, nothing would remember these.
    fn clear_former(&mut self) -> Result<()> {
        take_away(&mut self.state);
        if self.state.cgroups.is_none() {
            return Ok(());
        }
        Err(Error::environment(
            "the cgroups of its former run cannot be removed: a process in them does not end",
        ))
    }

    /// The terminal's size is known before the program could ask for it.
    pub(super) fn hear_first(&mut self, starter: u64) {
        if let super::clients::Heard::Said(super::Request::Attach(streams, size)) =
            self.clients.hear(starter)
        {
            let _ = self.clients.attach(starter, streams);
            self.size = size;
        }
    }
}
