//! `run` and `create`: a container comes to be.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use super::flags::{Create, Request, Resolve, Run, Source, Surroundings};
use super::{common, start};
use crate::container::{Id, ImageDefaults, Mount};
use crate::error::{Context, Error, Result};
use crate::foreground::session;
use crate::keeper::{self, Attached};
use crate::say;
use crate::store::{Entry, Lock, Starter, Store};
use crate::sys::process;
use crate::timings::{self, Moment};
use crate::volume::arrange::arrange;

/// Other containers, as the store knows them.
pub struct Others<'a>(pub &'a Store);

impl Resolve for Others<'_> {
    fn container(&self, reference: &str) -> Result<Id> {
        Ok(self.0.find(reference)?.id().clone())
    }

    fn mounts(&self, id: &Id) -> Result<Vec<Mount>> {
        Ok(self.0.find(id.as_str())?.config()?.mounts)
    }
}

/// Calls `act` with where this command was typed.
pub fn here<T>(act: impl FnOnce(&Surroundings<'_>) -> Result<T>) -> Result<T> {
    let directory = std::env::current_dir().context(|| "cannot find the current directory")?;
    act(&Surroundings {
        variables: &|name| std::env::var(name).ok(),
        directory: &directory,
    })
}

/// `create`.
pub fn create(store: &Store, args: &Create) -> Result<ExitCode> {
    let request = here(|here| args.request(here, &Others(store)));
    let mut request = request.map_err(usage)?;
    let (entry, _lock) = make(store, &mut request, None)?;
    say::out(entry.id());
    Ok(ExitCode::SUCCESS)
}

/// `run`.
pub fn run(store: &Store, args: &Run) -> Result<ExitCode> {
    if args.timings {
        timings::begin()?;
    }
    let request = here(|here| args.request(here, &Others(store)));
    let mut request = request.map_err(usage)?;
    check_terminal(&request)?;
    start::refuse_terminal(&request.config)?;
    let (entry, lock) = make(store, &mut request, Some(keeper::starter()))?;
    timings::mark(Moment::Kept);
    let config = &request.config;
    let start = keeper::Start {
        explain: request.explain,
        ..keeper::Start::first(entry, lock, config.clone())
    };
    if request.detach {
        start::background(store, start)?;
        timings::mark(Moment::Heard);
        say::out(&config.id);
        timings::tell();
        return Ok(ExitCode::SUCCESS);
    }
    let attached = Attached {
        input: request.attach.stdin && config.program.open_stdin,
        output: request.attach.stdout,
        errors: request.attach.stderr,
    };
    let keys = Some(&request.detach_keys[..]);
    let options = session::options(config, attached, request.sig_proxy, keys);
    let ended = start::foreground(store, start, &options);
    timings::mark(Moment::Heard);
    timings::tell();
    ended
}

/// A wrong command line ends with another code than a program that failed.
fn usage(e: Error) -> Error {
    match e.exit_code() {
        Some(_) => e,
        None => e.exit(125),
    }
}

/// Before anything is fetched or made.
fn check_terminal(request: &Request) -> Result<()> {
    let program = &request.config.program;
    let typed = program.tty && request.attach.stdin && !request.detach;
    if typed {
        common::check_terminal(common::WITHOUT_TERMINAL).map_err(usage)?;
    }
    Ok(())
}

/// Keeps the container that is wanted; with `starter`, for being started at
/// once.
fn make(store: &Store, request: &mut Request, starter: Option<Starter>) -> Result<(Entry, Lock)> {
    for warning in &request.warnings {
        say::warning(warning);
    }
    super::image::mounted::bring(store, request).map_err(usage)?;
    // The images stay until the record stands that says they are used.
    let _guard = match request.source.clone() {
        Source::Directory => {
            request.merge(&ImageDefaults::default()).map_err(usage)?;
            None
        }
        Source::Image(name) => {
            let found = super::image::wanted::complete(store, request, &name);
            Some(found.map_err(usage)?)
        }
    };
    let _mounted = super::image::mounted::complete(store, request).map_err(usage)?;
    // What no vendor's file names is told before anything is made.
    crate::spec::cdi::find(&request.config.isolation.cdi).map_err(usage)?;
    // That may take its time, and may be ended.
    let volumes = arrange(store, &request.config).map_err(usage)?;
    // Whoever ends this command now would leave a container half made. What
    // comes meanwhile is for the program, or comes too late.
    process::hold(&[libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT]);
    let name = request.name.as_deref();
    // Whoever had that name may be gone since, and was to go with its program.
    if let Some(Ok(former)) = name.map(|name| store.find(name)) {
        let _ = keeper::truth(store, &former);
    }
    let made = match starter {
        Some(starter) => store.add_to_start(&request.config, name, starter),
        None => store.add(&request.config, name),
    };
    let (entry, lock) = made.map_err(usage)?;
    volumes.keep()?;
    keeper::note(store, &entry, &request.config, "create", &[]);
    if let Some(path) = &request.cidfile {
        // Whoever waits for the file would wait in vain.
        if let Err(e) = write_cidfile(path, &request.config.id) {
            let _ = keeper::forget_volumes(store, &request.config);
            let _ = store.remove(&entry, lock);
            return Err(e);
        }
    }
    Ok((entry, lock))
}

fn write_cidfile(path: &PathBuf, id: &Id) -> Result<()> {
    fs::write(path, id.as_str())
        .context(|| format!("--cidfile {}", path.display()))
        .map_err(|e| e.exit(125))
}
