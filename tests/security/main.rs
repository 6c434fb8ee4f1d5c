//! Mistakes the field has already made, tried on the built binary.
//!
//! Each test is named after the case it comes from; README.md beside this file
//! says what each one shows and how a runtime known to be vulnerable answered.
//! A test here sets up the attack, lets the runtime walk into it, and looks at
//! the host and at the kernel's own answers from inside the container; it never
//! asks the runtime how it defends itself. Where a refusal and a harmless start
//! are both sound, both are accepted.

#[path = "../common/mod.rs"]
mod common;

mod cgroup;
mod daily;
mod dev;
mod identity;
mod input;
mod joining;
mod mounts;
mod procfs;
mod races;
mod seccomp;
mod state;
mod support;
mod terminal;
