//! One test's own corner: a store, a root file system, and the certainty that
//! nothing of it stays on the machine.

use crate::common::host::{self, PATIENCE, becomes_true, is_alive};
use crate::common::{Call, Need, Output, Value, cgroups};
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::cell::Cell;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What every directory of these tests begins with.
const NAME: &str = "rcon-test-daily-";
/// How long a dead process may still be seen before it counts as left.
const SETTLE: Duration = Duration::from_secs(5);

/// A private store and what is needed to use it.
pub struct Place {
    dir: PathBuf,
    calls: Cell<u32>,
    /// The kernel drops it with this process: a place without a lock is stale.
    _lock: Flock<File>,
}

impl Place {
    /// A place, or `None` with the reason printed when the machine cannot run
    /// containers.
    pub fn new() -> Option<Self> {
        Self::needing(&[])
    }

    /// The same, with more needs than root and busybox.
    pub fn needing(needs: &[Need]) -> Option<Self> {
        let met = crate::common::needs_met(&[Need::Root, Need::Busybox])
            && crate::common::needs_met(needs);
        met.then(Self::make)
    }

    fn make() -> Self {
        static SWEEP: Once = Once::new();
        static COUNT: AtomicU32 = AtomicU32::new(1);
        SWEEP.call_once(sweep);
        crate::common::netns::leave_the_hosts_network();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("{NAME}{}-{count}", std::process::id()));
        fs::create_dir(&dir).expect("a directory for the test");
        let lock = lock(&dir).expect("nobody else knows this directory");
        for part in ["io", "ids"] {
            fs::create_dir(dir.join(part)).expect("our directory");
        }
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o711)).expect("our directory");
        crate::common::make_rootfs(&dir.join("rootfs")).expect("a root file system");
        Self {
            dir,
            calls: Cell::new(0),
            _lock: lock,
        }
    }

    /// A path in this place.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The same as text, for a command line.
    pub fn text_path(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// Writes a file here and returns its path.
    #[track_caller]
    pub fn file(&self, name: &str, content: &str) -> String {
        fs::write(self.path(name), content).expect("this place is writable");
        self.text_path(name)
    }

    /// Makes a program in the root file system.
    #[track_caller]
    pub fn program(&self, name: &str, content: &str, mode: u32) {
        let path = self.path("rootfs").join(name);
        fs::write(&path, content).expect("our root file system");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("just made");
    }

    /// Where everything is kept.
    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// The word in the image's place; changes go to an overlay.
    pub fn rootfs(&self) -> String {
        format!("{}:O", self.text_path("rootfs"))
    }

    fn number(&self) -> u32 {
        self.calls.set(self.calls.get() + 1);
        self.calls.get()
    }

    /// `rcon` with these arguments, in this store.
    pub fn rcon(&self, args: &[&str]) -> Call {
        self.call(Command::new(env!("CARGO_BIN_EXE_rcon")))
            .args(args)
    }

    /// `rcon` in a session of its own whose controlling terminal is standard
    /// input, as a shell would start it.
    pub fn at_terminal(&self, args: &[&str]) -> Call {
        let mut setsid = Command::new("setsid");
        setsid.arg("-c").arg(env!("CARGO_BIN_EXE_rcon"));
        self.call(setsid).args(args)
    }

    /// Any command, with this store in its environment.
    pub fn call(&self, mut command: Command) -> Call {
        let files = self.path("io").join(self.number().to_string());
        command.current_dir(&self.dir).env_clear();
        command.env("RCON_ROOT", self.store());
        command.env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        );
        Call::new(command, files)
    }

    /// The arguments of `run` or `create`. The id goes into a file, by which
    /// what is left of a container is found even when its record has gone.
    pub fn line(&self, verb: &str, flags: &[&str], program: &[&str]) -> Vec<String> {
        let ids = self.path("ids").join(self.number().to_string());
        let ids = ids.to_string_lossy().into_owned();
        let rootfs = self.rootfs();
        let own = [verb, "--cidfile", &ids];
        let root = ["--rootfs", &rootfs];
        let all = [&own[..], flags, &root, program].concat();
        all.into_iter().map(str::to_owned).collect()
    }

    /// `rcon run` with these flags and this program.
    pub fn run(&self, flags: &[&str], program: &[&str]) -> Call {
        self.rcon(&[]).args(self.line("run", flags, program))
    }

    /// `rcon run --rm` with these flags and a line of shell.
    pub fn sh(&self, flags: &[&str], script: &str) -> Call {
        let flags = [&["--rm"], flags].concat();
        self.run(&flags, &["sh", "-c", script])
    }

    /// The same to its end, which must be good; what it printed.
    #[track_caller]
    pub fn prints(&self, flags: &[&str], script: &str) -> String {
        self.sh(flags, script).output().ok().text().to_owned()
    }

    /// `rcon run -d --name NAME` with a line of shell; the id.
    #[track_caller]
    pub fn start(&self, name: &str, flags: &[&str], script: &str) -> String {
        let flags = [&["-d", "--name", name], flags].concat();
        let out = self.run(&flags, &["sh", "-c", script]).output().ok();
        out.text().to_owned()
    }

    /// A container that does nothing, for long.
    #[track_caller]
    pub fn sleeper(&self, name: &str) -> String {
        self.start(
            name,
            &[],
            "trap 'exit 0' TERM; while :; do sleep 0.05; done",
        )
    }

    /// A command that must succeed.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> Output {
        self.rcon(args).output().ok()
    }

    /// The directory of the container of that name.
    #[track_caller]
    pub fn dir_of(&self, name: &str) -> PathBuf {
        let link = self.store().join("names").join(name);
        fs::canonicalize(&link).unwrap_or_else(|e| panic!("{}: {e}", link.display()))
    }

    /// Whether there is a container of that name.
    pub fn exists(&self, name: &str) -> bool {
        self.store().join("names").join(name).exists()
    }

    /// What is recorded of a container.
    #[track_caller]
    pub fn state(&self, name: &str) -> Value {
        let path = self.dir_of(name).join("state.json");
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in {text}"))
    }

    /// The state's word.
    #[track_caller]
    pub fn status(&self, name: &str) -> String {
        self.state(name)["status"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Waits for a state.
    #[track_caller]
    pub fn becomes(&self, name: &str, status: &str) {
        let there = becomes_true(PATIENCE, || self.status(name) == status);
        assert!(there, "{name} never was {status}: {:#}", self.state(name));
    }

    /// A number of the record.
    #[track_caller]
    pub fn number_of(&self, name: &str, field: &str) -> i32 {
        self.state(name)[field].as_i64().unwrap_or_default() as i32
    }

    /// Waits until a container has said this.
    #[track_caller]
    pub fn says(&self, name: &str, what: &str) {
        let said = || self.rcon(&["logs", name]).output().stdout.contains(what);
        assert!(becomes_true(PATIENCE, said), "{name} never said {what:?}");
    }

    /// Names of all containers that are kept.
    pub fn kept(&self) -> Vec<String> {
        names_in(&self.store().join("containers"))
    }

    /// Nothing of any container is on the machine.
    #[track_caller]
    pub fn assert_empty(&self) {
        let empty = becomes_true(SETTLE, || self.left().is_empty());
        assert!(empty, "left behind: {:#?}", self.left());
    }

    /// All ids that were ever given out here, as far as that is known: of what
    /// a script has made there are those that are kept.
    fn ids(&self) -> Vec<String> {
        let files = names_in(&self.path("ids"));
        let read = |name: &String| fs::read_to_string(self.path("ids").join(name)).ok();
        let mut ids: Vec<String> = files.iter().filter_map(read).collect();
        ids.extend(self.kept());
        ids.retain(|id| id.len() == 64);
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn cgroups(&self) -> Vec<PathBuf> {
        let hierarchies = cgroups::hierarchies();
        let ids = self.ids();
        let all = hierarchies
            .iter()
            .flat_map(|h| ids.iter().map(move |id| h.at.join(format!("rcon-{id}"))));
        all.filter(|dir| dir.exists()).collect()
    }

    fn mounts(&self) -> Vec<String> {
        let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let all = host::parse_mountinfo(&text)
            .into_iter()
            .rev()
            .map(|m| m.point);
        all.filter(|p| Path::new(p).starts_with(&self.dir))
            .collect()
    }

    /// Processes in a container's cgroup, or that have this store in sight.
    pub fn processes(&self) -> Vec<i32> {
        let mut pids: Vec<i32> = self
            .cgroups()
            .iter()
            .flat_map(|dir| cgroups::processes(dir))
            .collect();
        let needle = self.store().into_os_string().into_encoded_bytes();
        let all = names_in(Path::new("/proc"));
        let all = all.iter().filter_map(|name| name.parse().ok());
        pids.extend(all.filter(|pid: &i32| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ
                .split(|b| *b == 0)
                .any(|v| v.strip_prefix(b"RCON_ROOT=") == Some(&needle[..]))
        }));
        pids.retain(|pid| is_alive(*pid));
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// A line for everything that is there because of this place.
    pub fn left(&self) -> Vec<String> {
        let mut found: Vec<String> = self.mounts().iter().map(|m| format!("mount {m}")).collect();
        found.extend(
            self.cgroups()
                .iter()
                .map(|c| format!("cgroup {}", c.display())),
        );
        found.extend(self.processes().iter().map(|p| describe(*p)));
        for part in ["containers", "names", "run"] {
            let mut names = names_in(&self.store().join(part));
            // What happened stays to be read, and a network outlives those in
            // it.
            names.retain(|name| !name.starts_with("events.jsonl") && name != "networks");
            found.extend(names.iter().map(|n| format!("{part}/{n}")));
        }
        let networks = self.store().join("run/networks");
        for id in names_in(&networks) {
            for part in ["endpoints", "leases"] {
                let names = names_in(&networks.join(&id).join(part));
                found.extend(names.iter().map(|n| format!("{part}/{n}")));
            }
        }
        found
    }

    fn remove_containers(&self) {
        let ids = self.kept();
        let ids: Vec<&str> = ids
            .iter()
            .map(String::as_str)
            .filter(|n| n.len() == 64)
            .collect();
        if !ids.is_empty() {
            self.rcon(&["rm", "-f"]).args(ids).output();
        }
    }

    fn remove(&self) {
        becomes_true(SETTLE, || {
            self.cgroups().iter().for_each(|dir| cgroups::thaw(dir));
            let pids = self.processes();
            for pid in &pids {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            self.cgroups().iter().for_each(|dir| cgroups::remove(dir));
            pids.is_empty() && self.cgroups().is_empty()
        });
        for at in self.mounts() {
            let _ = umount2(Path::new(&at), MntFlags::MNT_DETACH);
        }
        if self.mounts().is_empty() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return self.remove();
        }
        self.remove_containers();
        let empty = becomes_true(SETTLE, || self.left().is_empty());
        let left = self.left();
        self.remove();
        assert!(empty, "after rm --force there remain: {left:#?}");
    }
}

fn describe(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("process {pid} {} ({})", name.trim(), line.trim())
}

/// What is in a directory; one that is not there is empty.
pub fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.map(|e| e.file_name().to_string_lossy().into_owned());
    names.collect()
}

fn lock(dir: &Path) -> Option<Flock<File>> {
    Flock::lock(File::open(dir).ok()?, FlockArg::LockExclusiveNonblock).ok()
}

/// Removes the places of test processes that were killed before they could.
fn sweep() {
    for name in names_in(&std::env::temp_dir()) {
        let dir = std::env::temp_dir().join(&name);
        // A place is locked before it has this directory, so none is too young.
        if !name.starts_with(NAME) || !dir.join("ids").is_dir() {
            continue;
        }
        if let Some(lock) = lock(&dir) {
            let stale = Place {
                dir,
                calls: Cell::new(0),
                _lock: lock,
            };
            stale.remove();
            std::mem::forget(stale);
        }
    }
}

/// Ends a process without a word.
pub fn shoot(pid: i32) {
    assert!(pid > 1, "no process to kill");
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}

/// Runs a command whose standard output cannot be written.
#[track_caller]
pub fn to_full(call: Call) -> crate::common::Output {
    let full = File::options().write(true).open("/dev/full");
    let full = full.expect("the device is there");
    call.spawn_with(|c| {
        c.stdout(full);
    })
    .wait()
}
