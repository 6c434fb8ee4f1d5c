//! The one who builds: goes through the stages that are needed, side by side,
//! and has workers do what has to be done.
//!
//! Each stage has a [`Cursor`]. It goes on as far as it can: instructions that
//! only say how the image is run take no time, and what the cache knows takes
//! little. For the rest a worker is started, as long as there are processors
//! for them, and the stage goes on when that is done. All of this is one
//! thread that waits for workers and signals and nothing else.

mod make;
mod prepare;
mod stages;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::ask::Ask;
use super::cache;
use super::gather::Gatherer;
use super::graph::Graph;
use super::language::{Diagnostic, Dockerfile, Span};
use super::scope::Globals;
use super::show::{How, Show};
use super::state::State;
use super::trouble::{Result, Trouble};
use super::work::Work;
use super::worker::{Done, Failure, Job, Word, Worker};
use crate::container::Id;
use crate::error::Error;
use crate::image::{Images, Kept, Stage};
use crate::store::Store;
use crate::sys::process;
use stages::Cursor;

/// How long a container may take to be gone after its build.
const PATIENCE: Duration = Duration::from_secs(10);

/// A build that is being made.
pub struct Builder<'a> {
    pub(super) store: &'a Store,
    pub(super) images: &'a Images,
    pub(super) stage: &'a Stage,
    pub(super) ask: &'a Ask<'a>,
    pub(super) file: &'a Dockerfile,
    pub(super) globals: &'a Globals,
    pub(super) graph: &'a Graph,
    pub(super) gather: Gatherer<'a>,
    pub(super) show: &'a mut dyn Show,
    cursors: BTreeMap<usize, Cursor>,
    busy: Vec<Busy>,
    /// Steps so far, for a number of each one's own.
    count: usize,
    /// How many workers there may be.
    most: usize,
    /// What is to be remembered.
    kept: Vec<Kept>,
    /// Files that were fetched, by their address.
    fetched: BTreeMap<String, Fetched>,
    /// So many are or were being fetched.
    fetches: Cell<usize>,
    /// Arguments that somebody has asked for.
    asked: Vec<String>,
}

/// A file that was fetched.
#[derive(Debug, Clone)]
pub(super) struct Fetched {
    pub path: std::path::PathBuf,
    pub sum: String,
    pub changed: i64,
}

/// A worker at work.
struct Busy {
    worker: Worker,
    number: usize,
    stage: usize,
    started: Instant,
    container: Option<String>,
    ended: Option<std::result::Result<Done, Failure>>,
    task: Started,
}

/// What is done when a worker is done.
pub(super) struct Started {
    /// Where in the file this is said.
    pub span: Span,
    /// The text of a trigger, if it is of one.
    pub trigger: Option<String>,
    /// It is to run a program where there are no files at all.
    pub on_nothing: bool,
    /// The step, for the cache's list.
    pub text: String,
    /// What history says of it.
    pub history: String,
    /// What it is remembered by; none: it is not.
    pub key: Option<cache::Key>,
    /// It has fetched this.
    pub fetched: Option<(String, std::path::PathBuf)>,
}

impl<'a> Builder<'a> {
    /// For these stages.
    pub fn new(
        (store, images, stage): (&'a Store, &'a Images, &'a Stage),
        ask: &'a Ask<'a>,
        (file, globals, graph): (&'a Dockerfile, &'a Globals, &'a Graph),
        gather: Gatherer<'a>,
        show: &'a mut dyn Show,
    ) -> Self {
        let most = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let nodes = graph.nodes.iter();
        let cursors = nodes.map(|(index, node)| (*index, Cursor::new(node)));
        Self {
            store,
            images,
            stage,
            ask,
            file,
            globals,
            graph,
            gather,
            show,
            cursors: cursors.collect(),
            busy: Vec::new(),
            count: 0,
            most: most.max(2),
            kept: Vec::new(),
            fetched: BTreeMap::new(),
            fetches: Cell::new(0),
            asked: Vec::new(),
        }
    }

    /// A number for something that is fetched.
    fn next_fetch(&self) -> usize {
        self.fetches.set(self.fetches.get() + 1);
        self.fetches.get()
    }

    /// Builds stage `target`. What was done until something failed is
    /// remembered either way.
    pub fn build(&mut self, target: usize) -> (Result<State>, Vec<Kept>) {
        let built = self.go(target);
        if built.is_err() {
            self.stop();
        } else {
            for name in self.globals.unused(&self.asked) {
                self.show
                    .warn(&format!("--build-arg {name}: no ARG asks for it"));
            }
        }
        self.gather.save();
        (built, std::mem::take(&mut self.kept))
    }

    fn go(&mut self, target: usize) -> Result<State> {
        let mut signals = None;
        loop {
            self.advance()?;
            if let Some(state) = self.cursors.get(&target).and_then(Cursor::finished) {
                let state = state.clone();
                return self.dated(target, state);
            }
            if self.busy.is_empty() {
                return Err(Error::internal("a build that goes no further").into());
            }
            // Not before there is somebody to be told: until then this
            // command ends as every other does.
            if signals.is_none() {
                let others = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
                signals = Some(process::signals_as_fd_but(&others)?);
            }
            if let Some(signals) = &signals {
                self.wait(signals)?;
            }
        }
    }

    /// Starts a worker.
    pub(super) fn start(
        &mut self,
        (stage, number): (usize, usize),
        state: &State,
        work: &Work,
        task: Started,
    ) -> Result<()> {
        let job = Job {
            store: self.store,
            dir: self.stage.dir(),
            number,
            to_be: self.stage.layer_to_be(&number.to_string()),
            lowers: &state.dirs(),
            epoch: self.ask.epoch,
            work,
        };
        let worker = Worker::start(&job)?;
        self.busy.push(Busy {
            worker,
            number,
            stage,
            started: Instant::now(),
            container: None,
            ended: None,
            task,
        });
        Ok(())
    }

    /// Waits until a worker or a signal has something to say.
    fn wait(&mut self, signals: &OwnedFd) -> Result<()> {
        let timeout = self.show.tick().map_or(PollTimeout::NONE, |time| {
            PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX)
        });
        let ready: Vec<bool> = {
            let sockets = self.busy.iter().map(|b| b.worker.socket.as_fd());
            let fds = sockets.chain([signals.as_fd()]);
            let mut fds: Vec<PollFd<'_>> =
                fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
            // An interruption is as good as nothing.
            let _ = poll(&mut fds, timeout);
            let ready = |fd: &PollFd<'_>| fd.revents().is_some_and(|r| !r.is_empty());
            fds.iter().map(ready).collect()
        };
        while let Some(signal) = process::next_signal(signals) {
            if let libc::SIGINT | libc::SIGTERM | libc::SIGHUP | libc::SIGQUIT = signal {
                let code = 128 + signal as u8;
                return Err(Error::user("the build was stopped").exit(code).into());
            }
        }
        for (n, ready) in ready[..self.busy.len()].iter().enumerate() {
            if *ready {
                self.hear(n)?;
            }
        }
        self.settle()
    }

    fn hear(&mut self, n: usize) -> Result<()> {
        let busy = &mut self.busy[n];
        let word = busy.worker.hear();
        match word {
            Ok(Some(Word::Out(bytes))) => self.show.output(busy.number, false, &bytes),
            Ok(Some(Word::Err(bytes))) => self.show.output(busy.number, true, &bytes),
            Ok(Some(Word::Note(text))) => self.show.note(busy.number, &text),
            Ok(Some(Word::Container(id))) => busy.container = Some(id),
            Ok(Some(Word::Done(done))) => busy.ended = Some(Ok(*done)),
            Ok(Some(Word::Failed(failure))) => busy.ended = Some(Err(failure)),
            Ok(None) | Err(_) => {
                return Err(Error::environment("a process of this build was killed").into());
            }
        }
        Ok(())
    }

    /// Takes in what has ended.
    fn settle(&mut self) -> Result<()> {
        while let Some(n) = self.busy.iter().position(|b| b.ended.is_some()) {
            let busy = self.busy.swap_remove(n);
            // It has said its last word.
            let _ = process::wait(&busy.worker.pidfd);
            match busy.ended {
                Some(Ok(done)) => {
                    let took = busy.started.elapsed();
                    self.take(busy.stage, busy.number, busy.task, &done, took)?;
                }
                Some(Err(failure)) => {
                    let how = How::Failed(failure.what.clone());
                    self.show.end(busy.number, &how, busy.started.elapsed());
                    return Err(failed(&busy.task, &failure));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Something has failed, or somebody wants no more of it: ends those who
    /// are still at work, and waits until nothing is left of them.
    fn stop(&mut self) {
        for busy in &self.busy {
            let _ = crate::sys::fd::pidfd_send_signal(&busy.worker.pidfd, libc::SIGKILL);
        }
        let until = Instant::now() + PATIENCE;
        for busy in std::mem::take(&mut self.busy) {
            let _ = process::wait(&busy.worker.pidfd);
            self.show
                .end(busy.number, &How::Stopped, busy.started.elapsed());
            // Its keeper sees that the worker has gone, and ends it.
            let id = busy.container.and_then(|id| Id::try_from(id).ok());
            let entry = id.map(|id| self.store.entry(id));
            while let Some(entry) = entry.as_ref().filter(|entry| entry.is_leaving())
                && Instant::now() < until
            {
                if entry.exists() && !entry.is_held() {
                    let _ = crate::keeper::truth(self.store, entry);
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

/// A step that failed, and what can be done about it.
fn failed(task: &Started, failure: &Failure) -> Trouble {
    let Some(code) = failure.code else {
        let mut error = failure.error();
        if task.on_nothing {
            error = error.hint("scratch is empty: there is no program that RUN could run; begin FROM an image, or COPY one first");
        }
        return about(task.span, task.trigger.as_deref(), &error);
    };
    let hint = match code {
        126 => "the program is there, but cannot be executed: look at its mode with ls -l",
        127 => "a program was not found in the image: is its package installed, and is it in PATH?",
        137 => "it was killed; if memory was short, --memory or another machine helps",
        _ => {
            "what it said is above; the steps before it are in the cache, so trying again is quick"
        }
    };
    let error = Error::user(format!("the command ended with exit code {code}")).hint(hint);
    about(task.span, task.trigger.as_deref(), &error)
}

/// An error about a step: a trigger is not in this file.
pub(super) fn about(span: Span, trigger: Option<&str>, error: &Error) -> Trouble {
    if let Some(text) = trigger {
        return Trouble::Plain(error.clone().context(format!("ONBUILD {text}")));
    }
    let mut diagnostic = Diagnostic::new(span, error.what());
    diagnostic.hint = error.remedy().map(str::to_owned);
    Trouble::At(diagnostic)
}
