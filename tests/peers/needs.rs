//! What a test needs from the machine, and what happens when it is not there.

use std::env;
use std::path::PathBuf;

/// True when every program is installed and we are root. Otherwise the test
/// is skipped with a line that says why; where skipping is forbidden, a
/// machine that cannot run the test has failed it.
pub(crate) fn met(programs: &[&str]) -> bool {
    let Some(lack) = lacking(programs) else {
        return true;
    };
    assert!(
        !must_run(),
        "this test may not be skipped here, but {lack}; run .ci/install-test-needs as root"
    );
    eprintln!("skipped: {lack}");
    false
}

fn lacking(programs: &[&str]) -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("it needs root".to_owned());
    }
    let missing = programs.iter().find(|program| find(program).is_none())?;
    Some(format!("`{missing}` is not installed"))
}

fn must_run() -> bool {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    is("CI", "true") || is("RCON_TEST_MUST_RUN", "1")
}

/// Where `program` is installed, looking also where a user's PATH does not.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    SEARCH_PATH
        .split(':')
        .map(|folder| PathBuf::from(folder).join(program))
        .find(|path| path.is_file())
}

/// Debian's own folders only: the peers under test are Debian's.
pub(crate) const SEARCH_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
