//! The examples in `docs/examples`, gone through as their pages say, on this
//! machine's own network: what they install comes from the index of Python's
//! packages, through the container's network.

#[path = "../common/mod.rs"]
mod common;
mod kitchen;

mod browser;
mod database;
mod fastapi;
mod flask_echo;
mod notebook;
mod registry;
