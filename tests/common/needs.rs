//! What a test needs from the machine, and what happens when it is missing: a
//! skip with its reason printed, or a failure where skipping is forbidden.

use super::{cgroups, older};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Something a test cannot do without.
#[derive(Debug, Clone, Copy)]
pub enum Need {
    /// Effective uid 0 with `CAP_SYS_ADMIN`.
    Root,
    /// A statically linked busybox to make a root file system from.
    Busybox,
    /// A program on the host's PATH.
    Tool(&'static str),
    /// A cgroup controller, in either version of the interface.
    Controller(&'static str),
    /// The controller in cgroup v1, because the test is about v1.
    CgroupV1(&'static str),
    /// A capability of the test process.
    Capability(u8, &'static str),
    /// A file or directory the kernel shows when it has the feature.
    Kernel(&'static str),
    /// Mounts that show their files under other owners: Linux 5.12.
    MappedMounts,
    /// What rcon promises and older or other runtimes do not.
    Rcon(&'static str),
}

/// Where a statically linked busybox is usually installed.
const BUSYBOX: [&str; 3] = ["/bin/busybox", "/usr/bin/busybox", "/sbin/busybox"];

/// `CAP_SYS_ADMIN`, as a bit number.
const SYS_ADMIN: u8 = 21;

impl Need {
    /// Why the need is not met, if it is not.
    fn missing(self) -> Option<String> {
        let (met, why) = match self {
            Self::Root => (is_root(), "root with CAP_SYS_ADMIN".into()),
            Self::Busybox => (busybox().is_some(), "a busybox in /bin or /usr/bin".into()),
            Self::Tool(name) => (tool(name).is_some(), format!("the program {name}")),
            Self::Controller(name) => (
                cgroups::controller(name).is_some(),
                format!("the cgroup controller {name}"),
            ),
            Self::CgroupV1(name) => (
                cgroups::controller(name).is_some_and(|h| !h.v2),
                format!("{name} as a cgroup v1 controller"),
            ),
            Self::Capability(bit, name) => (has_capability(bit), name.into()),
            Self::Kernel(path) => (Path::new(path).exists(), format!("the kernel's {path}")),
            Self::MappedMounts => (
                !older::hides("mount_setattr"),
                "mount_setattr, for owners of its own".into(),
            ),
            Self::Rcon(feature) => (!is_foreign(), format!("rcon itself, for {feature}")),
        };
        (!met).then_some(why)
    }

    /// Whether skipping is right even where silent skips are forbidden: the
    /// machine has one cgroup version, and an older kernel or a stand-in was
    /// asked for by hand.
    fn excused(self) -> bool {
        matches!(self, Self::CgroupV1(_) | Self::MappedMounts | Self::Rcon(_))
    }
}

/// True when everything needed is there. Otherwise says what is not, and
/// panics if this run must not skip (`CI=true` or `RCON_TEST_MUST_RUN=1`).
pub fn all_met(needs: &[Need]) -> bool {
    older::play();
    for need in needs {
        if let Some(what) = need.missing() {
            assert!(
                need.excused() || !must_run(),
                "this test needs {what}, and skipping is forbidden here"
            );
            say_skipped(&what);
            return false;
        }
    }
    true
}

fn must_run() -> bool {
    let is = |name, value| std::env::var(name).is_ok_and(|v| v == value);
    is("CI", "true") || is("RCON_TEST_MUST_RUN", "1")
}

/// Written past the test harness's capture, so that a skip is never silent.
fn say_skipped(what: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test");
    let _ = writeln!(std::io::stderr(), "skipped {name}: it needs {what}");
}

/// The busybox to build root file systems from.
pub fn busybox() -> Option<PathBuf> {
    BUSYBOX.iter().map(PathBuf::from).find(|p| p.is_file())
}

/// A program on PATH, with the places an ordinary user's PATH leaves out.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"])
        .map(|dir| Path::new(dir).join(name))
        .find(|p| p.is_file())
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root() && has_capability(SYS_ADMIN)
}

fn has_capability(bit: u8) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    super::host::field(&status, "CapEff")
        .and_then(|hex| u64::from_str_radix(&hex, 16).ok())
        .is_some_and(|set| set & (1 << bit) != 0)
}

/// The runtime's program and the arguments that come before its own.
pub fn runtime() -> (PathBuf, Vec<String>) {
    match std::env::var_os("RCON_TEST_RUNTIME") {
        None => (env!("CARGO_BIN_EXE_rcon").into(), vec!["oci".into()]),
        Some(path) if file_name(Path::new(&path)) == "rcon" => (path.into(), vec!["oci".into()]),
        Some(path) => (path.into(), Vec::new()),
    }
}

/// Whether the tests drive a stand-in rather than rcon.
pub fn is_foreign() -> bool {
    !file_name(&runtime().0).starts_with("rcon")
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default()
}
