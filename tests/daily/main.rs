//! The daily commands, driven as a person drives them: the built binary, each
//! test in a private store, judged by what is seen from inside a container,
//! from the host, and in the exit code.
//!
//! What a test stands on is in [`place`]; one module for each kind of command.

#[path = "../common/mod.rs"]
mod common;
mod place;

mod crash;
mod effects;
mod exec;
mod health;
mod input;
mod logs;
mod ordinary;
mod output;
mod restart;
mod run;
mod states;
mod store;
mod terminal;
mod update;
