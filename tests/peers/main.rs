//! Debian's own podman, containerd and Docker drive the OCI runtime.
//!
//! Each test opens a [`room::Room`]: a directory and a set of namespaces of
//! its own, in which a private peer runs with private state. Inside one test
//! many named checks share that peer, because starting it costs more than
//! most checks do. What lives here: how the peers are started and what is
//! asked of them. What may not: knowledge of how the runtime does its work;
//! only what a peer's user can see is asserted.
//!
//! - `RCON_TEST_RUNTIME=/usr/sbin/runc` puts another runtime in rcon's place,
//!   which is how these checks themselves are checked.
//! - `RCON_TEST_ONLY=pause` runs only the checks with that in their name.
//! - A machine that lacks a peer skips its tests, unless `CI=true` or
//!   `RCON_TEST_MUST_RUN=1`: then the lack is a failure.

mod cgroups;
mod checks;
mod image;
mod needs;
mod outcome;
mod podman_limits;
mod pty;
mod room;
mod words;

mod containerd;
mod engine;
