//! The keeper: one small process for each running container.
//!
//! It outlives the command that made it. It starts the program, holds the
//! other ends of its streams, writes the log, serves whoever attaches, stops,
//! pauses and signals it, sees its end, notes it, and starts it again where
//! that is wanted. It is alive as long as it holds the container's lock, and
//! the program is killed when it ends, whatever ends it.
//!
//! One thread, one loop ([`serve`]). Who is connected is in [`clients`], what
//! they have not taken yet in [`outbox`], and what is said in [`protocol`].

pub mod check;
mod checker;
mod clients;
mod confine;
mod ending;
mod handover;
mod health;
mod life;
mod limits;
mod log;
mod network;
mod outbox;
mod parents;
mod prepare;
mod protocol;
mod reach;
pub mod root;
mod serve;
mod streams;
mod update;
mod volumes;
mod worker;

pub use ending::{clear_away, starter, truth, truth_of};
pub use network::{Wish, check_own_network};
pub use protocol::{Failure, Reply, Request, Size, Stream, Streams as Attached};
pub use reach::{NotReached, connect, hear, kill, kill_recorded};
pub use update::{Change, update_stopped};
pub use volumes::{forget as forget_volumes, release as release_volumes};

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::container::{Config, State, Status};
use crate::error::{Context, Result};
use crate::events;
use crate::network::connection::Connection;
use crate::store::{Entry, Lock, Store};
use crate::sys::process::{self, Exit, Forked};
use crate::sys::{fd, identity, socket, title};
use crate::timings::{self, Moment};

/// What a keeper has in its hands.
struct Keeper {
    store: Store,
    entry: Entry,
    lock: Option<Lock>,
    config: Config,
    state: State,
    listener: OwnedFd,
    signals: OwnedFd,
    clients: clients::Clients,
    streams: streams::Ours,
    log: log::Log,
    running: Option<serve::Running>,
    ended: Option<Exit>,
    stopping: Option<serve::Stopping>,
    /// Nobody can be let in until then.
    deaf_until: Option<std::time::Instant>,
    checks: health::Checks,
    size: Size,
    pause: Duration,
    explain: bool,
    warnings: Vec<String>,
    /// Its networks, from the first start on.
    connections: Option<Vec<Connection>>,
    /// What the caller's limits were, where they were lifted.
    limits: Vec<limits::Kept>,
    /// Its published ports and its name server.
    net: worker::Net,
    /// It has said that it uses its volumes.
    has_volumes: bool,
    /// What is read goes through here.
    buf: Vec<u8>,
    /// When memory is given back, if nothing happens until then.
    rests_at: Option<std::time::Instant>,
}

/// How a container is to be started.
pub struct Start {
    /// Which; locked by us.
    pub entry: Entry,
    /// Its lock, which the keeper takes over.
    pub lock: Lock,
    /// What was asked for.
    pub config: Config,
    /// What is on record about it.
    pub state: State,
    /// Which streams of the caller's are attached from the first byte on.
    pub attached: Attached,
    /// Of the caller's terminal.
    pub size: Size,
    /// Steps are told on the caller's standard error.
    pub explain: bool,
}

impl Start {
    /// One that nobody looks at. The records are read under the lock: until
    /// somebody has it, they can change.
    pub fn of(entry: Entry, lock: Lock) -> Result<Self> {
        Ok(Self {
            config: entry.config()?,
            state: entry.recorded()?,
            entry,
            lock,
            attached: Attached::default(),
            size: (0, 0),
            explain: false,
        })
    }

    /// The same for a container that was just made.
    pub fn first(entry: Entry, lock: Lock, config: Config) -> Self {
        Self {
            config,
            state: State::new(),
            entry,
            lock,
            attached: Attached::default(),
            size: (0, 0),
            explain: false,
        }
    }
}

/// Makes a keeper, which starts the container. What comes back is the
/// connection to it: the first word there is [`Reply::Started`] or
/// [`Reply::Failed`].
///
/// There must be one thread only.
pub fn start(store: &Store, start: Start) -> Result<OwnedFd> {
    let (ours, theirs) = socket::message_pair()?;
    Request::Attach(start.attached, start.size).send(&ours)?;
    // Before the fork, so that nobody who is told of a start finds no keeper.
    start.entry.make_run_dir()?;
    match process::fork(0, None)? {
        Forked::Parent { .. } => Ok(ours),
        Forked::Child => {
            drop(ours);
            process::exit_now(be(store, start, theirs));
        }
    }
}

/// We are the keeper. Our job: to start the program and stay with it.
fn be(store: &Store, start: Start, starter: OwnedFd) -> i32 {
    // Only what `ps` shows.
    let _ = title::set(c"rcon:keeper", start.entry.id().short());
    timings::mark(Moment::Keeper);
    match Keeper::new(store, start, &starter) {
        Ok(mut keeper) => {
            let number = keeper.clients.add(starter).unwrap_or_default();
            keeper.keep(number)
        }
        Err(e) => {
            let failure = failure_of(&e);
            // If the one who asked is gone there is nobody to be told.
            let _ = socket::send(&starter, &Reply::Failed(failure).encode(), &[]);
            1
        }
    }
}

fn failure_of(e: &crate::error::Error) -> Failure {
    Failure {
        code: e.exit_code().unwrap_or(125),
        text: e.to_string(),
    }
}

impl Keeper {
    fn new(store: &Store, start: Start, starter: &OwnedFd) -> Result<Self> {
        let config = start.config;
        let state = State {
            boot: ending::boot_id(),
            keeper: std::process::id() as i32,
            exit_code: 0,
            oom_killed: false,
            error: String::new(),
            restarts: 0,
            stopped_by_hand: false,
            health: None,
            network: serde_json::Value::Null,
            ..start.state
        };
        process::new_session()?;
        // Whose umask and limits the caller has is no business of the store's.
        identity::set_umask(0o022);
        let limits = limits::lift();
        close_others(&[start.lock.as_fd(), starter.as_fd()])?;
        std::env::set_current_dir("/").context(|| "cannot enter /")?;
        let path = start.entry.socket();
        // Without it a full disk may keep the end from being noted. Of one that
        // goes with its end, it may keep a pause from being noted: that can wait.
        if !config.auto_remove {
            let _ = start.entry.keep_room();
        }
        // The lock is ours: whoever listened there is gone.
        let _ = fs::remove_file(&path);
        let listener = socket::listen_messages(&path)?;
        let log = log::Log::open(&start.entry, &config)?;
        Ok(Self {
            store: store.clone(),
            clients: clients::Clients::new(start.entry.dir(), clients::STARTER),
            entry: start.entry,
            lock: Some(start.lock),
            config,
            state,
            listener,
            signals: process::signals_as_fd()?,
            streams: streams::Ours::default(),
            log,
            running: None,
            ended: None,
            stopping: None,
            deaf_until: None,
            checks: health::Checks::default(),
            size: start.size,
            pause: Self::first_pause(),
            explain: start.explain,
            warnings: Vec::new(),
            connections: None,
            limits,
            net: worker::Net::default(),
            has_volumes: false,
            buf: Vec::new(),
            rests_at: None,
        })
    }

    /// From the first start to the last end.
    fn keep(&mut self, starter: u64) -> i32 {
        // What the starter wants to see is known before anything is shown.
        self.hear_first(starter);
        if let Err(e) = self.begin() {
            self.fail(starter, &e);
            return 1;
        }
        for warning in std::mem::take(&mut self.warnings) {
            self.clients.reply(starter, &Reply::Warned(warning));
        }
        self.clients.reply(starter, &Reply::Started(self.state.pid));
        loop {
            let exit = self.attend();
            self.bury(exit);
            let Some(pause) = self.again() else { break };
            self.state.status = Status::Restarting;
            self.write_state();
            self.idle(pause);
            if self.state.stopped_by_hand {
                break;
            }
            if let Err(e) = self.begin() {
                self.state.error = e.to_string();
                self.state.exit_code = i32::from(e.exit_code().unwrap_or(128));
                break;
            }
        }
        self.finish();
        0
    }

    /// The program could not be started at all.
    fn fail(&mut self, starter: u64, e: &crate::error::Error) {
        let failure = failure_of(e);
        self.state.exit_code = i32::from(failure.code);
        self.state.error.clone_from(&failure.text);
        if self.state.started.is_none() {
            self.state.status = Status::Created;
            self.close();
        } else {
            self.state.status = Status::Exited;
            self.close();
        }
        self.clients.reply(starter, &Reply::Failed(failure));
        self.part();
    }

    /// Everything is over: noted, then told.
    fn finish(&mut self) {
        self.state.status = Status::Exited;
        let code = self.state.exit_code;
        self.close();
        self.let_in_the_last();
        self.clients.tell_exit(code);
        self.part();
    }

    /// Writes the last record and gives the lock back; a container that was
    /// only wanted while it ran is removed.
    fn close(&mut self) {
        self.give_ports_back();
        self.leave_networks();
        self.hand_over();
        self.leave_volumes();
        self.state.keeper = 0;
        // What goes at once needs no last word on record.
        if !self.config.auto_remove {
            self.write_state();
        }
        let _ = fs::remove_dir_all(self.entry.run_dir());
        let Some(lock) = self.lock.take() else { return };
        if self.config.auto_remove {
            // What cannot be removed is for `volume prune`.
            let _ = volumes::forget(&self.store, &self.config);
            self.note("destroy", &[]);
            // What is left is swept away by the next command.
            let _ = self.store.remove(&self.entry, lock);
        }
        timings::mark(Moment::Closed);
    }

    fn write_state(&self) {
        if let Some(lock) = &self.lock {
            let passes = self.config.auto_remove;
            if self.entry.write_state(lock, &self.state, passes).is_ok() {
                return;
            }
            // What checks have printed is what there may be no room for. If
            // that does not help, the old record stays and the container goes
            // on.
            let mut short = self.state.clone();
            for probe in short.health.iter_mut().flat_map(|health| &mut health.log) {
                probe.output.clear();
            }
            let _ = self.entry.write_state(lock, &short, passes);
        }
    }

    /// Tells those who follow events what has happened.
    fn note(&self, action: &str, more: &[(&str, &str)]) {
        note(&self.store, &self.entry, &self.config, action, more);
    }

    fn stop_signal(&self) -> i32 {
        self.config.program.stop_signal_number()
    }

    fn stop_timeout(&self) -> Option<Duration> {
        let seconds = self.config.program.stop_timeout.unwrap_or(10);
        u64::try_from(seconds).ok().map(Duration::from_secs)
    }
}

/// Tells those who follow events what has happened to a container.
pub fn note(store: &Store, entry: &Entry, config: &Config, action: &str, more: &[(&str, &str)]) {
    if config.build.is_some() {
        return;
    }
    let name = entry.name().unwrap_or_default();
    let attributes = events::attributes(&name, config, more);
    events::record(store, "container", action, entry.id().as_str(), &attributes);
}

/// Closes what the keeper has no use for: it would keep files of the caller's
/// open for as long as it lives.
fn close_others(keep: &[BorrowedFd<'_>]) -> Result<()> {
    let keep: Vec<i32> = keep.iter().map(AsRawFd::as_raw_fd).collect();
    Ok(fd::close_all_but(3, &keep)?)
}
