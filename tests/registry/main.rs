//! Registries: a real one from Debian's packages, and a fake one that lies,
//! stalls and drops. Everything is on loopback, with ports and directories of
//! each test's own.

#[path = "../common/mod.rs"]
mod common;

mod auth;
mod faults;
mod real;
mod support;
mod tls;
mod uploads;
