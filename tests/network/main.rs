//! Networks, driven as a person drives them, with a machine's network of each
//! test's own ([`world`]): two namespaces of the test are the machine and the
//! world outside, and the host's interfaces and rules are never touched.
//! `ip` and `nft` only look at what rcon has made.

#[path = "../common/mod.rs"]
mod common;
mod world;

mod commands;
mod connect;
mod hostile;
mod kernel;
mod leftovers;
mod names;
mod ports;
mod reach;
mod script;
mod servers;
