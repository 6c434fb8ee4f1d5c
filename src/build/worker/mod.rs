//! A process for each step that has work to do.
//!
//! ```text
//! rcon build ──fork──> worker ──fork──> keeper ──> the program of a RUN
//!      └── what it says, then the layer ──┘
//! ```
//!
//! The one who builds only waits and shows; so steps of different stages go on
//! side by side without a thread, which nobody who forks may have. A worker
//! ends with the one who builds, and the keeper it made with the worker.

mod copy;
mod fetch;
mod mounts;
mod run;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layer::{self, Made};
use super::work::Work;
use crate::error::{Error, Fault, Result};
use crate::store::Store;
use crate::sys::process::{self, Forked};
use crate::sys::{SysResult, identity, socket};

/// The most bytes of output in one message.
const LARGEST: usize = 128 << 10;

/// A step that is to be done, and on what.
#[derive(Debug)]
pub struct Job<'a> {
    /// Where everything is.
    pub store: &'a Store,
    /// The stage's directory, for files.
    pub dir: &'a Path,
    /// What this step calls its own.
    pub number: usize,
    /// What the new layer is called while it is made.
    pub to_be: String,
    /// The layers below, the uppermost first.
    pub lowers: &'a [String],
    /// No file is younger than that.
    pub epoch: Option<i64>,
    /// What is to be done.
    pub work: &'a Work,
}

impl Job<'_> {
    /// A file of this step's own.
    fn path(&self, end: &str) -> PathBuf {
        self.dir.join(format!("step-{}{end}", self.number))
    }

    fn finish(&self, lowers: &[String]) -> Result<Option<Made>> {
        let blob = self.path(".tar");
        layer::finish(self.store, &self.to_be, lowers.first(), blob, self.epoch)
    }
}

/// What a worker says.
#[derive(Debug)]
pub enum Word {
    /// The program said this on standard output.
    Out(Vec<u8>),
    /// The same on standard error.
    Err(Vec<u8>),
    /// Something a person may want to know.
    Note(String),
    /// The container it has made.
    Container(String),
    /// It has done its work.
    Done(Box<Done>),
    /// It could not.
    Failed(Failure),
}

/// How a step ended well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The layer it made, if anything changed.
    pub layer: Option<Made>,
    /// What was copied changed meanwhile: the next build must look again.
    pub moved: bool,
    /// What was fetched: its sum, and when the web says it was changed.
    pub fetched: Option<(String, i64)>,
}

/// How a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong.
    pub what: String,
    /// What can be done about it.
    pub hint: Option<String>,
    /// Whose fault it is: 0 the user's, 1 the machine's, 2 rcon's.
    fault: u8,
    /// The program ended with this code.
    pub code: Option<i32>,
}

impl Failure {
    fn of(e: &Error) -> Self {
        Self {
            what: e.what().to_owned(),
            hint: e.remedy().map(str::to_owned),
            fault: match e.fault() {
                Fault::User => 0,
                Fault::Environment => 1,
                Fault::Internal => 2,
            },
            code: None,
        }
    }

    /// As an error.
    pub fn error(&self) -> Error {
        let error = match self.fault {
            0 => Error::user(&self.what),
            1 => Error::environment(&self.what),
            _ => Error::internal(&self.what),
        };
        match &self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// A worker, seen by the one who builds.
#[derive(Debug)]
pub struct Worker {
    /// Where it speaks.
    pub socket: OwnedFd,
    /// The process.
    pub pidfd: OwnedFd,
}

impl Worker {
    /// Has a step done by a process of its own. There must be one thread only.
    pub fn start(job: &Job<'_>) -> Result<Self> {
        let (ours, theirs) = socket::message_pair()?;
        match process::fork(0, None)? {
            Forked::Parent { pidfd, .. } => Ok(Self {
                socket: ours,
                pidfd,
            }),
            Forked::Child => {
                drop(ours);
                process::exit_now(be(job, &theirs));
            }
        }
    }

    /// What it says next; `None` when it is gone.
    pub fn hear(&self) -> SysResult<Option<Word>> {
        let flags = nix::sys::socket::MsgFlags::empty();
        let message = socket::receive_whole(&self.socket, LARGEST, flags)?;
        Ok(decode(&message))
    }
}

/// We are a worker. Our job: one step, and to say how it went.
fn be(job: &Job<'_>, teller: &OwnedFd) -> i32 {
    // Only what `ps` shows.
    let _ = identity::set_name(c"rcon:build");
    let worked = process::die_with_parent(true)
        .map_err(Error::from)
        .and_then(|()| {
            // A reader of ours that goes is an error like any other; and keys
            // on the terminal are for the one who builds.
            process::hold(&[libc::SIGPIPE, libc::SIGINT, libc::SIGQUIT]);
            work(job, &Teller(teller))
        });
    let word = match worked {
        Ok(Ended::Well(done)) => Word::Done(Box::new(done)),
        Ok(Ended::Badly(code)) => Word::Failed(Failure {
            what: format!("exit code {code}"),
            hint: None,
            fault: 0,
            code: Some(code),
        }),
        Err(e) => Word::Failed(Failure::of(&e)),
    };
    // Without the one who builds there is nobody to be told.
    i32::from(tell(teller, &word).is_err())
}

/// How a step ended.
enum Ended {
    Well(Done),
    /// The program ended with this code.
    Badly(i32),
}

/// Speaks to the one who builds.
struct Teller<'a>(&'a OwnedFd);

impl Teller<'_> {
    fn tell(&self, word: &Word) -> Result<()> {
        Ok(tell(self.0, word)?)
    }
}

fn work(job: &Job<'_>, teller: &Teller<'_>) -> Result<Ended> {
    match job.work {
        Work::Run(run) => run::run(job, run, teller),
        Work::Copy(copy) => copy::copy(job, copy).map(Ended::Well),
        Work::Workdir(path, user) => copy::workdir(job, path, user).map(Ended::Well),
        Work::Fetch(fetch) => fetch::fetch(fetch, teller).map(Ended::Well),
    }
}

fn tell(socket: &OwnedFd, word: &Word) -> SysResult<()> {
    let with = |tag: u8, rest: &[u8]| [&[tag], rest].concat();
    let message = match word {
        Word::Out(bytes) => with(1, bytes),
        Word::Err(bytes) => with(2, bytes),
        Word::Note(text) => with(3, text.as_bytes()),
        Word::Container(id) => with(4, id.as_bytes()),
        Word::Done(done) => with(5, &json(done)),
        Word::Failed(failure) => with(6, &json(failure)),
    };
    socket::send(socket, &message, &[])
}

fn decode(message: &[u8]) -> Option<Word> {
    let (tag, rest) = message.split_first()?;
    let text = || String::from_utf8_lossy(rest).into_owned();
    Some(match tag {
        1 => Word::Out(rest.to_vec()),
        2 => Word::Err(rest.to_vec()),
        3 => Word::Note(text()),
        4 => Word::Container(text()),
        5 => Word::Done(serde_json::from_slice(rest).ok()?),
        6 => Word::Failed(serde_json::from_slice(rest).ok()?),
        _ => return None,
    })
}

fn json(word: &impl Serialize) -> Vec<u8> {
    // Strings and numbers, all of which JSON knows.
    serde_json::to_vec(word).unwrap_or_default()
}
