//! Images: bringing them, listing them, naming them, taking them away. One
//! file per command.

mod history;
pub mod images;
pub mod inspect;
mod login;
mod pattern;
pub mod prune;
mod pull;
mod push;
mod rmi;
mod tag;
pub mod wanted;

use std::process::ExitCode;

use crate::error::Result;
use crate::image::platform::Platform;
use crate::image::{Images, Removed};
use crate::store::Store;

/// The commands that need no word before them.
#[derive(Debug, clap::Subcommand)]
pub enum Plain {
    Pull(pull::Pull),
    Push(push::Push),
    Images(images::List),
    History(history::HistoryOf),
    Rmi(rmi::Rmi),
    Tag(tag::Tag),
    Login(login::Login),
    Logout(login::Logout),
}

/// What stands behind `image`.
#[derive(Debug, clap::Subcommand)]
pub enum Grouped {
    Pull(pull::Pull),
    Push(push::Push),
    #[command(visible_alias = "list")]
    Ls(images::List),
    History(history::HistoryOf),
    Inspect(inspect::Inspect),
    Rm(rmi::Rmi),
    Prune(prune::Prune),
    Tag(tag::Tag),
}

/// `pull`, `images` and the like.
pub fn plain(store: &Store, command: &Plain) -> Result<ExitCode> {
    match command {
        Plain::Pull(args) => pull::pull(store, args),
        Plain::Push(args) => push::push(store, args),
        Plain::Images(args) => images::images(store, args),
        Plain::History(args) => history::history(store, args),
        Plain::Rmi(args) => rmi::rmi(store, args),
        Plain::Tag(args) => tag::tag(store, args),
        Plain::Login(args) => login::login(args),
        Plain::Logout(args) => login::logout(args),
    }
}

/// `image …`.
pub fn grouped(store: &Store, command: &Grouped) -> Result<ExitCode> {
    match command {
        Grouped::Pull(args) => pull::pull(store, args),
        Grouped::Push(args) => push::push(store, args),
        Grouped::Ls(args) => images::images(store, args),
        Grouped::History(args) => history::history(store, args),
        Grouped::Inspect(args) => inspect::inspect(store, args),
        Grouped::Rm(args) => rmi::rmi(store, args),
        Grouped::Prune(args) => prune::prune(store, args),
        Grouped::Tag(args) => tag::tag(store, args),
    }
}

/// Notes what happened to an image.
fn note(store: &Store, action: &str, id: &str, name: &str) {
    let attributes = [("name".to_owned(), name.to_owned())].into();
    crate::events::record(store, "image", action, id, &attributes);
}

/// Notes what was taken away.
pub fn note_removed(store: &Store, removed: &Removed) {
    for name in &removed.untagged {
        note(store, "untag", name, name);
    }
    for id in &removed.images {
        let id = id.to_string();
        note(store, "delete", &id, &id);
    }
}

/// The machine that `--platform` means.
pub fn platform(text: Option<&str>) -> Result<Option<Platform>> {
    match text {
        None => Ok(None),
        Some("linux") => Ok(Some(Platform::host())),
        Some(text) => Platform::parse(text).map(Some),
    }
}

/// Those of this store.
pub fn of(store: &Store) -> Images {
    Images::open(store)
}
