//! `rm` and `rename`.

use std::cell::Cell;
use std::process::ExitCode;

use super::{common, kill};
use crate::container::Status;
use crate::error::{Error, Result};
use crate::keeper;
use crate::store::{Entry, Store};

#[derive(Debug, clap::Args)]
pub struct Rm {
    /// Kill those that run; no complaint about those that are not there
    #[arg(short, long)]
    force: bool,
    /// Remove their unnamed volumes, too; as long as rcon has no volumes, there are none
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
        remove(store, &entry, args.force).inspect_err(|_| failed.set(true))
    });
    // That there was nothing to remove is told, and is what was wanted.
    if args.force && !failed.get() {
        return ExitCode::SUCCESS;
    }
    code
}

/// Removes one container; with `force` whatever state it is in.
pub fn remove(store: &Store, entry: &Entry, force: bool) -> Result<()> {
    match keeper::truth(store, entry) {
        Ok(state) if state.status.is_up() && !force => return Err(in_use(entry, state.status)),
        Ok(state) if state.status.is_up() => {
            let found = common::Found {
                entry: entry.clone(),
                state,
            };
            kill::end(store, &found, Some(libc::SIGKILL), Some(0))?;
        }
        // What cannot be read can still be removed.
        Err(e) if !force && entry.exists() => return Err(e),
        Ok(_) | Err(_) => {}
    }
    match entry.lock() {
        Ok(lock) => {
            keeper::clear_away(entry);
            if let Ok(config) = entry.config() {
                keeper::note(store, entry, &config, "destroy", &[]);
            }
            store.remove(entry, lock)
        }
        // Its keeper has removed it, as it was told when it was made.
        Err(_) if !entry.exists() => Ok(()),
        Err(e) => Err(e),
    }
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
