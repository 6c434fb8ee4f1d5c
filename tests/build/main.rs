//! `rcon build`, driven as a person drives it: Dockerfiles in a private
//! directory, a private store, a base image made of busybox, no registry and
//! no internet.
//!
//! What a test stands on is in [`site`]; one module for each concern.

#[path = "../common/mod.rs"]
mod common;
mod site;

mod added;
mod cache;
mod command;
mod config;
mod copying;
mod crash;
mod hostile;
mod mounts;
mod peers;
mod running;
mod stages;
