//! Many named checks that share one peer, each reported on its own line.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// One check: its name, and what it does with the peer.
pub(crate) type Check<P> = (&'static str, fn(&P));

/// Runs every check even after one failed: a peer's start is dear, and the
/// list of what fails together says more than the first failure.
pub(crate) fn run<P>(peer: &P, checks: &[Check<P>]) {
    let failed: Vec<&str> = checks
        .iter()
        .filter(|(name, _)| wanted(name))
        .filter(|(name, check)| !passes(name, || check(peer)))
        .map(|(name, _)| *name)
        .collect();
    assert!(failed.is_empty(), "checks that failed: {failed:?}");
}

fn passes(name: &str, check: impl FnOnce()) -> bool {
    let start = Instant::now();
    let passed = catch_unwind(AssertUnwindSafe(check)).is_ok();
    let word = if passed { "ok  " } else { "FAIL" };
    println!("{word} {name} ({} ms)", start.elapsed().as_millis());
    passed
}

fn wanted(name: &str) -> bool {
    env::var("RCON_TEST_ONLY").map_or(true, |part| name.contains(&part))
}

/// A list of checks, each named after its function.
macro_rules! checks {
    ($($check:ident),* $(,)?) => {
        &[$((concat!(module_path!(), "::", stringify!($check)), $check)),*]
    };
}
pub(crate) use checks;
