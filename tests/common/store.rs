//! A store of a test's own: `rcon run`, `ps` and the rest with a private root,
//! one busybox to run, and everything gone afterwards, however the test ends.

use super::leftovers::Traces;
use super::needs::{self, Need};
use super::{Call, Output, cgroups, rootfs};
use nix::fcntl::{Flock, FlockArg};
use std::cell::Cell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A test's private store.
pub struct StoreBed {
    dir: PathBuf,
    calls: Cell<u32>,
    /// The kernel drops it with this process: a bed without a lock is stale.
    _lock: Flock<File>,
}

impl StoreBed {
    /// An empty store, or `None` with the reason printed when the machine
    /// cannot run containers.
    pub fn new() -> Option<Self> {
        let bed = Self::on_the_hosts_network()?;
        super::netns::leave_the_hosts_network();
        Some(bed)
    }

    /// The same for a test whose containers need what this machine reaches;
    /// it takes away what it has made of its networks.
    pub fn on_the_hosts_network() -> Option<Self> {
        let needs = [Need::Root, Need::Busybox, Need::Rcon("its own commands")];
        needs::all_met(&needs).then(Self::make)
    }

    fn make() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rcon-test-{}-s{count}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).expect("a directory for the test");
        let file = File::open(&dir).expect("our directory");
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock);
        let lock = lock.map_err(|(_, e)| e).expect("nobody else knows it");
        fs::create_dir(dir.join("io")).expect("our directory");
        rootfs::make(&dir.join("image/rootfs")).expect("a root file system");
        Self {
            dir,
            calls: Cell::new(0),
            _lock: lock,
        }
    }

    /// A path in the bed.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Where the store is.
    pub fn root(&self) -> PathBuf {
        self.path("store")
    }

    /// What the containers are made of.
    pub fn rootfs(&self, name: &str) -> PathBuf {
        self.path("image/rootfs").join(name)
    }

    /// `rcon` with these arguments.
    pub fn call(&self, args: &[&str]) -> Call {
        self.calls.set(self.calls.get() + 1);
        let files = self.path("io").join(self.calls.get().to_string());
        let mut command = Command::new(env!("CARGO_BIN_EXE_rcon"));
        command.args(args).current_dir(&self.dir).env_clear();
        command.env("RCON_ROOT", self.root()).env("TZ", "UTC");
        command.env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        );
        Call::new(command, files)
    }

    /// Runs `rcon` to its end.
    #[track_caller]
    pub fn rcon(&self, args: &[&str]) -> Output {
        self.call(args).output()
    }

    /// The same; it must succeed. What it printed.
    #[track_caller]
    pub fn says(&self, args: &[&str]) -> String {
        self.rcon(args).ok().stdout
    }

    /// A container from the bed's root file system, as `command` makes one:
    /// `run -d`, `create`. Returns what was printed, which is its id.
    #[track_caller]
    pub fn make_container(&self, command: &[&str], program: &[&str]) -> String {
        let root = self.rootfs("");
        let root = root.to_string_lossy();
        let args = [command, &["--rootfs", &root], program].concat();
        self.rcon(&args).ok().text().to_owned()
    }

    /// One that sleeps until it is ended.
    #[track_caller]
    pub fn sleeper(&self, name: &str, flags: &[&str]) -> String {
        let command = [&["run", "-d", "--name", name], flags].concat();
        self.make_container(&command, &["sleep", "600"])
    }

    /// All ids there are directories of.
    fn ids(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root().join("containers"));
        let names = entries.into_iter().flatten().flatten();
        names
            .filter_map(|e| e.file_name().into_string().ok())
            .map(|name| name.trim_start_matches('.').to_owned())
            .collect()
    }

    fn traces(&self) -> Traces<'_> {
        Traces { dir: &self.dir }
    }
}

impl Drop for StoreBed {
    fn drop(&mut self) {
        let ids = self.ids();
        for id in &ids {
            self.call(&["rm", "-f", id]).output();
        }
        let left: Vec<PathBuf> = ids
            .iter()
            .flat_map(|id| cgroups::named(&format!("rcon-{id}")))
            .collect();
        for group in &left {
            end(group);
        }
        self.traces().remove();
        let failing = std::thread::panicking();
        assert!(failing || left.is_empty(), "cgroups were left: {left:?}");
    }
}

/// Ends whatever is in a cgroup, and removes it.
fn end(group: &Path) {
    cgroups::thaw(group);
    for pid in cgroups::processes(group) {
        let pid = nix::unistd::Pid::from_raw(pid);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }
    let emptied = || cgroups::processes(group).is_empty();
    super::host::becomes_true(std::time::Duration::from_secs(5), emptied);
    cgroups::remove(group);
}
