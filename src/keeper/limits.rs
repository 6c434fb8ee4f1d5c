//! Limits that the caller's shell has set, and that are not meant for a keeper.
//!
//! `ulimit -f`, `-t` and their kin pass on to whatever a shell starts. A keeper
//! that may not write its records, or is killed after a minute of processor
//! time, takes a container along. So it lifts them as far as it may; the
//! program still gets them as they were.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use oci_spec::runtime::PosixRlimitType;

/// The kinds that hold a keeper up, and what is enough of each.
const KINDS: [(Resource, PosixRlimitType, rlim_t); 5] = [
    (
        Resource::RLIMIT_FSIZE,
        PosixRlimitType::RlimitFsize,
        libc::RLIM_INFINITY,
    ),
    (
        Resource::RLIMIT_CPU,
        PosixRlimitType::RlimitCpu,
        libc::RLIM_INFINITY,
    ),
    (
        Resource::RLIMIT_AS,
        PosixRlimitType::RlimitAs,
        libc::RLIM_INFINITY,
    ),
    (
        Resource::RLIMIT_DATA,
        PosixRlimitType::RlimitData,
        libc::RLIM_INFINITY,
    ),
    (Resource::RLIMIT_NOFILE, PosixRlimitType::RlimitNofile, 1024),
];

/// A limit as it was: its kind, soft and hard.
pub(super) type Kept = (PosixRlimitType, u64, u64);

/// Lifts what this process may lift; what was changed, as it was before.
pub(super) fn lift() -> Vec<Kept> {
    let lifted = KINDS.iter().filter_map(|(resource, kind, enough)| {
        let (soft, hard) = getrlimit(*resource).ok()?;
        if soft >= *enough {
            return None;
        }
        // Above the hard one takes power; up to it takes none.
        let enough_hard = hard.max(*enough);
        setrlimit(*resource, *enough, enough_hard)
            .or_else(|_| setrlimit(*resource, hard.min(*enough), hard))
            .ok()?;
        (getrlimit(*resource).ok()? != (soft, hard)).then_some((*kind, soft, hard))
    });
    lifted.collect()
}
