//! Hardship: commands that are killed, machines that restart or lose their
//! power, and everything a command can lack. Nothing is lost that was there
//! before, nothing is left that nobody wants, and what cannot be done is told.
//!
//! Two variables make these tests long: `RCON_TEST_ROUNDS` is how often things
//! are killed, `RCON_TEST_STARTS` how many containers the soak starts.
//! `RCON_TEST_SEED` chooses other instants and commands.

mod chance;
mod clock;
#[path = "../common/mod.rs"]
mod common;
mod deeds;
mod faults;
mod kills;
mod machine;
mod memory;
mod place;
mod power;
mod proc;
mod reboot;
mod room;
mod snapshot;
mod soak;
