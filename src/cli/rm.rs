//! `rm` and `rename`.

use std::cell::Cell;
use std::process::ExitCode;
use std::time::Instant;

use super::common;
use crate::container::Status;
use crate::error::{Error, Result};
use crate::keeper::{self, NotReached, Request};
use crate::network::store::Networks;
use crate::say;
use crate::store::{Entry, Lock, Store};

const KILLED: &str = "the container's keeper does not answer: it is killed";

#[derive(Debug, clap::Args)]
pub struct Rm {
    /// Kill those that run; that one is not there is told, and is no failure
    #[arg(short, long)]
    force: bool,
    /// Remove their unnamed volumes, too
    #[arg(short, long)]
    volumes: bool,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub struct Rename {
    /// Name or id
    container: String,
    /// What it is called from now on
    name: String,
}

/// `rename`.
pub fn rename(store: &Store, args: &Rename) -> Result<ExitCode> {
    let entry = store.find(&args.container)?;
    let old = entry.name()?;
    store.rename(&entry, &args.name)?;
    Networks(store).rename(entry.id(), &args.name)?;
    keeper::note(
        store,
        &entry,
        &entry.config()?,
        "rename",
        &[("oldName", &old)],
    );
    Ok(ExitCode::SUCCESS)
}

/// `rm`.
pub fn rm(store: &Store, args: &Rm) -> ExitCode {
    let failed = Cell::new(false);
    let code = common::each(&args.containers, |name| {
        let entry = store.find(name)?;
        remove_with(store, &entry, args.force, args.volumes).inspect_err(|_| failed.set(true))
    });
    // That there was nothing to remove is told, and is what was wanted.
    if args.force && !failed.get() {
        return ExitCode::SUCCESS;
    }
    code
}

/// Removes one container; with `force` whatever state it is in. Somebody may
/// be starting or ending it just now: what it is like is looked at until the
/// lock is ours, and never is a container removed that has come up meanwhile.
pub fn remove(store: &Store, entry: &Entry, force: bool) -> Result<()> {
    remove_with(store, entry, force, false)
}

/// The same, maybe with its volumes that nobody gave a name.
fn remove_with(store: &Store, entry: &Entry, force: bool, volumes: bool) -> Result<()> {
    let until = Instant::now() + common::PATIENCE * 3;
    loop {
        match keeper::truth(store, entry) {
            Ok(state) if state.status.is_up() && !force => {
                return Err(in_use(entry, state.status));
            }
            Ok(state) if state.status.is_up() => end(store, entry)?,
            Ok(_) => {}
            Err(_) if !entry.exists() => return Ok(()),
            Err(e) if !force => return Err(e),
            // What cannot be read can still be ended and removed.
            Err(_) => end(store, entry)?,
        }
        match entry.try_lock() {
            Ok(Some(lock)) => return take_away(store, entry, lock, volumes),
            Ok(None) if Instant::now() > until => {
                let id = entry.id().short();
                return Err(Error::user(format!(
                    "container {id} is just being started or removed"
                )));
            }
            Ok(None) => std::thread::sleep(common::PAUSE),
            // Its keeper has removed it, as it was told when it was made.
            Err(_) if !entry.exists() => return Ok(()),
            Err(_) if force && entry.has_spoilt_lock() => {
                end(store, entry)?;
                entry.clear_spoilt_lock()?;
            }
            Err(e) => return Err(e),
        }
    }
}

/// Asks the keeper to end the container, and ends a keeper that does not
/// answer: the container goes with it.
fn end(store: &Store, entry: &Entry) -> Result<()> {
    let connection = match keeper::connect(entry) {
        Ok(connection) => connection,
        // It is about to end by itself, or has not begun.
        Err(NotReached::Gone) => return Ok(()),
        Err(NotReached::Deaf(_)) => {
            say::warning(KILLED);
            keeper::kill_recorded(entry)?;
            return keeper::truth(store, entry).map(drop);
        }
    };
    if Request::Stop(libc::SIGKILL, 0).send(&connection).is_err() {
        return Ok(());
    }
    if common::wait_for_exit_until(&connection, Instant::now() + common::PATIENCE)? {
        return Ok(());
    }
    say::warning(KILLED);
    keeper::kill(&connection)?;
    // What it left is taken away by whoever looks.
    keeper::truth(store, entry).map(drop)
}

fn take_away(store: &Store, entry: &Entry, lock: Lock, volumes: bool) -> Result<()> {
    keeper::clear_away(store, entry);
    if let Ok(config) = entry.config() {
        let wanted = volumes || config.auto_remove;
        if let Err(e) = wanted
            .then(|| keeper::forget_volumes(store, &config))
            .transpose()
        {
            say::warning(e);
        }
        keeper::note(store, entry, &config, "destroy", &[]);
    }
    store.remove(entry, lock)
}

fn in_use(entry: &Entry, status: Status) -> Error {
    let name = entry
        .name()
        .unwrap_or_else(|_| entry.id().short().to_owned());
    Error::user(format!(
        "cannot remove container {name}: it is {}",
        status.word()
    ))
    .hint("stop it first, or use --force")
}
