//! What every black-box test stands on: a [`Bed`] of its own per test, OCI
//! bundles made from busybox, the runtime called as a person would call it, and
//! proof afterwards that nothing was left on the machine.
//!
//! The tests drive `rcon oci …` through its command line only. Setting
//! `RCON_TEST_RUNTIME=/usr/sbin/runc` drives another runtime instead, which is
//! how the tests themselves are tested. Nothing here may use the library's
//! insides: what a caller cannot see is not a promise.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test file is a crate of its own and uses a part of this one"
)]

mod bed;
mod call;
pub mod cgroups;
mod container;
pub mod fake;
pub mod host;
mod leftovers;
mod needs;
pub mod netns;
pub mod older;
pub mod pty;
pub mod registry;
mod rootfs;
mod spec;
pub mod store;

pub use bed::Bed;
pub use call::{Call, Output, Running, TIMEOUT};
pub use container::Container;
pub use host::{eventually, stat_of};
pub use needs::{Need, all_met as needs_met, is_foreign, runtime};
pub use rootfs::make as make_rootfs;
pub use spec::{CAPS, default_spec, drop_namespace, mount, namespace, sh, words};

pub use serde_json::{Value, json};
