//! Real servers from Debian's packages in containers, and their own clients on
//! the machine, in the world outside, and in other containers. The machine and
//! the world are network namespaces of each test's own (`world`).
//!
//! The programs are this machine's, bound read-only into a container that has
//! nothing else of it; each runs as a user of its own, with its data in memory.

#[path = "../common/mod.rs"]
mod common;
#[path = "../network/world.rs"]
#[allow(dead_code, reason = "tests/network uses all of it, and we a part")]
mod world;

mod datagrams;
mod many;
mod names;
mod postgres;
mod programs;
mod redis;
mod stream;
mod web;
