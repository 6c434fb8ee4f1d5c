//! The target that `RCON_FUZZ_TARGET` names, with coverage to guide what is
//! tried.
#![no_main]

#[allow(dead_code, reason = "the other driver needs more of it")]
#[path = "../targets/mod.rs"]
mod targets;

use std::sync::LazyLock;

use targets::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("RCON_FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|t| t.name == name);
    found.expect("RCON_FUZZ_TARGET is the name of a target")
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
