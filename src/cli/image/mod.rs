//! Images: bringing them, listing them, naming them, taking them away. One
//! file per command.

mod commit;
mod history;
pub mod images;
mod import;
pub mod inspect;
mod load;
pub mod login;
pub mod mounted;
mod pattern;
pub mod prune;
pub mod pull;
mod push;
mod rmi;
mod save;
mod tag;
pub mod wanted;

use std::process::ExitCode;

use super::build::{self, Build};
use crate::error::Result;
use crate::image::platform::Platform;
use crate::image::{Images, Removed};
use crate::store::Store;

// The commands that need no word before them.
#[derive(Debug, clap::Subcommand)]
#[command(defer = true)]
pub enum Plain {
    /// Fetch an image from a registry
    Pull(pull::Pull),
    /// Make an image as a Dockerfile says
    Build(Box<Build>),
    /// Send an image to a registry
    Push(push::Push),
    /// List images
    Images(images::List),
    /// Show the steps by which an image was made
    History(history::HistoryOf),
    /// Remove images, or names of images
    Rmi(rmi::Rmi),
    /// Give an image a further name
    Tag(tag::Tag),
    /// Write images into an archive that `load`, Docker, Podman and skopeo read
    Save(save::Save),
    /// Read images from an archive that `save`, Docker, Podman or skopeo wrote
    Load(load::Load),
    /// Make an image from a root file system: an archive, packed or not, or a
    /// directory
    Import(import::Import),
    /// Make an image from what a container has changed
    Commit(commit::Commit),
}

// What stands behind `image`.
#[derive(Debug, clap::Subcommand)]
#[command(defer = true)]
pub enum Grouped {
    /// Fetch an image from a registry
    Pull(pull::Pull),
    /// Make an image as a Dockerfile says
    Build(Box<Build>),
    /// Send an image to a registry
    Push(push::Push),
    /// List images
    #[command(visible_alias = "list")]
    Ls(images::List),
    /// Show the steps by which an image was made
    History(history::HistoryOf),
    /// Show everything about images
    Inspect(inspect::Inspect),
    /// Remove images, or names of images
    Rm(rmi::Rmi),
    /// Take away images that have no name
    Prune(prune::Prune),
    /// Give an image a further name
    Tag(tag::Tag),
    /// Write images into an archive that `load`, Docker, Podman and skopeo read
    Save(save::Save),
    /// Read images from an archive that `save`, Docker, Podman or skopeo wrote
    Load(load::Load),
    /// Make an image from a root file system: an archive, packed or not, or a
    /// directory
    Import(import::Import),
}

/// `pull`, `images` and the like.
pub fn plain(store: &Store, command: &Plain) -> Result<ExitCode> {
    match command {
        Plain::Pull(args) => pull::pull(store, args),
        Plain::Build(args) => build::build(store, args),
        Plain::Push(args) => push::push(store, args),
        Plain::Images(args) => images::images(store, args),
        Plain::History(args) => history::history(store, args),
        Plain::Rmi(args) => rmi::rmi(store, args),
        Plain::Tag(args) => tag::tag(store, args),
        Plain::Save(args) => save::save(store, args),
        Plain::Load(args) => load::load(store, args),
        Plain::Import(args) => import::import(store, args),
        Plain::Commit(args) => commit::commit(store, args),
    }
}

/// `image …`.
pub fn grouped(store: &Store, command: &Grouped) -> Result<ExitCode> {
    match command {
        Grouped::Pull(args) => pull::pull(store, args),
        Grouped::Build(args) => build::build(store, args),
        Grouped::Push(args) => push::push(store, args),
        Grouped::Ls(args) => images::images(store, args),
        Grouped::History(args) => history::history(store, args),
        Grouped::Inspect(args) => inspect::inspect(store, args),
        Grouped::Rm(args) => rmi::rmi(store, args),
        Grouped::Prune(args) => prune::prune(store, args),
        Grouped::Tag(args) => tag::tag(store, args),
        Grouped::Save(args) => save::save(store, args),
        Grouped::Load(args) => load::load(store, args),
        Grouped::Import(args) => import::import(store, args),
    }
}

/// Notes what happened to an image.
pub fn note(store: &Store, action: &str, id: &str, name: &str) {
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
