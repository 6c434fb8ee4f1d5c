//! A store with an image in it, what is running because of it, and what is
//! left of it.

use crate::common::host::{becomes_true, is_alive};
use crate::common::store::StoreBed;
use crate::common::{Call, Output, cgroups};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long what is just being made may be left alone.
pub const AGE: Duration = Duration::from_millis(2300);
/// How long the dead may take to go.
const SETTLE: Duration = Duration::from_secs(10);

/// One test's store.
pub struct Place {
    pub bed: StoreBed,
}

impl Place {
    /// With the image `base` in it; `None`, with the reason printed, where
    /// containers cannot be run.
    pub fn new() -> Option<Self> {
        let place = Self::empty()?;
        place.import_base();
        Some(place)
    }

    /// Without any image.
    pub fn empty() -> Option<Self> {
        let bed = StoreBed::new()?;
        Some(Self { bed })
    }

    /// The image `base`, from the bed's root file system.
    #[track_caller]
    pub fn import_base(&self) {
        let root = self.text("image/rootfs");
        self.ok(&["import", "-c", "CMD [\"sh\"]", &root, "base"]);
    }

    /// A path in this place, for a command line.
    pub fn text(&self, name: &str) -> String {
        self.bed.path(name).to_string_lossy().into_owned()
    }

    /// `rcon` to its end, however that is.
    #[track_caller]
    pub fn rcon(&self, args: &[&str]) -> Output {
        self.bed.rcon(args)
    }

    /// The same; it must succeed. What it printed.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        self.rcon(args).ok().text().to_owned()
    }

    /// `rcon` that is started by a line of shell, in which it is `"$@"`.
    pub fn by_shell(&self, line: &str, args: &[&str]) -> Call {
        let program = env!("CARGO_BIN_EXE_rcon");
        self.bed.call(&[]).with(|command| {
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", line, "sh", program]).args(args);
            shell.env_clear().current_dir(self.bed.path(""));
            for (name, value) in command.get_envs() {
                shell.env(name, value.unwrap_or_default());
            }
            shell.stdin(std::process::Stdio::null());
            *command = shell;
        })
    }

    /// A container of `base` that sleeps.
    #[track_caller]
    pub fn sleeper(&self, name: &str, flags: &[&str]) -> String {
        let own = ["base", "sh", "-c", SLEEP];
        self.ok(&[&["run", "-d", "--name", name], flags, &own].concat())
    }

    /// The record of what became of a container.
    #[track_caller]
    pub fn state(&self, name: &str) -> serde_json::Value {
        let link = self.bed.root().join("names").join(name);
        let text = fs::read_to_string(link.join("state.json"));
        let text = text.unwrap_or_else(|e| panic!("{}: {e}", link.display()));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in {text}"))
    }

    /// Commands and keepers of this store, with what they have forked.
    pub fn processes(&self) -> Vec<i32> {
        let store = self.bed.root().into_os_string().into_encoded_bytes();
        let ours = |pid: &i32| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let mut all = environ.split(|b| *b == 0);
            all.any(|v| v.strip_prefix(b"RCON_ROOT=") == Some(&store[..]))
        };
        let names = names_in(Path::new("/proc"));
        let pids = names.iter().filter_map(|name| name.parse().ok());
        pids.filter(ours).filter(|pid| is_alive(*pid)).collect()
    }

    /// Ids of all containers that anything is known of.
    pub fn ids(&self) -> BTreeSet<String> {
        let names = names_in(&self.bed.root().join("containers"));
        let run = names_in(&self.bed.root().join("run"));
        let all = names.into_iter().chain(run);
        let ids = all.filter_map(|name| name.rsplit(['-', '.']).next().map(str::to_owned));
        ids.filter(|id| id.len() == 64).collect()
    }

    /// Cgroups of these containers.
    pub fn cgroups(ids: &BTreeSet<String>) -> Vec<PathBuf> {
        let all = cgroups::hierarchies().into_iter();
        let all = all.flat_map(|h| ids.iter().map(move |id| h.at.join(format!("rcon-{id}"))));
        all.filter(|dir| dir.exists()).collect()
    }

    /// What `system check` finds of this store. Cgroups of other tests'
    /// containers are none of ours, and it cannot tell them apart.
    pub fn findings(&self, args: &[&str]) -> Vec<String> {
        let out = self.rcon(&[&["system", "check"], args].concat());
        let complaints = out.stderr.lines().filter(|l| !l.contains("--repair"));
        let found = out.stdout.lines().chain(complaints);
        let found = found.filter(|l| !l.ends_with("a cgroup without a container"));
        let found = found.filter(|l| !l.ends_with("a cgroup without a container: mended"));
        found.map(str::to_owned).collect()
    }

    /// Takes away what killed commands have left, and looks again. What was too
    /// young at the first look may be found at the second.
    #[track_caller]
    pub fn repair(&self, when: &str) {
        let mut found = Vec::new();
        let clean = becomes_true(SETTLE, || {
            found = self.findings(&["--repair"]);
            found.retain(|line| !line.ends_with(": mended"));
            found.extend(self.findings(&[]));
            found.is_empty()
        });
        assert!(clean, "{when}: {found:#?}");
    }

    /// Removes what has a record that came back with what was on the disk before,
    /// as a person would who reads that it is spoilt.
    pub fn remove_spoilt(&self) {
        for line in self.findings(&["--repair"]) {
            let what = line.split([' ', ':']).take(2).collect::<Vec<_>>();
            match what[..] {
                _ if line.ends_with(": mended") => {}
                ["container", id] => drop(self.rcon(&["rm", "--force", id])),
                ["network", name] => drop(self.rcon(&["network", "rm", name])),
                ["volume", name] => drop(self.rcon(&["volume", "rm", name])),
                _ => {}
            }
        }
    }

    /// What is listed is whole: no listing has anything to complain of.
    #[track_caller]
    pub fn assert_lists(&self, when: &str) {
        for args in [
            &["ps", "-a"][..],
            &["images", "-a"],
            &["network", "ls"],
            &["volume", "ls"],
        ] {
            let out = self.rcon(args).ok();
            assert_eq!(out.stderr, "", "{when}: {out}");
            assert!(!out.stdout.contains("Dead"), "{when}: {out}");
        }
    }

    /// A new container runs, and an old image is whole.
    #[track_caller]
    pub fn assert_runs(&self, when: &str) {
        let out = self.rcon(&["run", "--rm", "base", "echo", "well"]);
        assert_eq!(out.clone().ok().text(), "well", "{when}: {out}");
    }

    /// Everything there is goes, and then nothing is left of this store but
    /// what an empty one has.
    #[track_caller]
    pub fn assert_goes(&self) {
        let known = self.ids();
        let ids: Vec<String> = self.ok(&["ps", "-aq"]).lines().map(str::to_owned).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        if !ids.is_empty() {
            self.ok(&[&["rm", "-f"], &ids[..]].concat());
        }
        std::thread::sleep(AGE);
        self.repair("at the end");
        self.ok(&["network", "prune", "-f"]);
        if self.ok(&["network", "ls"]).contains("bridge") {
            self.rcon(&["network", "rm", "bridge"]);
        }
        self.ok(&["volume", "prune", "-af"]);
        self.ok(&["system", "prune", "-af", "--volumes"]);
        let left = || self.left(&known);
        let gone = becomes_true(SETTLE, || left().is_empty());
        assert!(gone, "{:#?}", left());
    }

    fn left(&self, known: &BTreeSet<String>) -> Vec<String> {
        let mut left: Vec<String> = self
            .files()
            .into_iter()
            .filter(|f| !is_of_an_empty_store(f))
            .collect();
        left.extend(self.processes().iter().map(|pid| format!("process {pid}")));
        let cgroups = Self::cgroups(known);
        left.extend(cgroups.iter().map(|dir| dir.display().to_string()));
        left.extend(self.mounts());
        left.extend(links().into_iter().filter(|name| name != "lo"));
        left
    }

    /// All files below the store, by their paths in it.
    pub fn files(&self) -> Vec<String> {
        let mut all = Vec::new();
        walk(&self.bed.root(), "", &mut all);
        all
    }

    /// What is mounted below this place.
    pub fn mounts(&self) -> Vec<String> {
        let text = fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
        let all = crate::common::host::parse_mountinfo(&text).into_iter();
        let points = all.map(|m| m.point);
        let below = self.bed.root();
        let mut all: Vec<String> = points
            .filter(|p| Path::new(p) != below && Path::new(p).starts_with(&below))
            .collect();
        all.reverse();
        all
    }

    /// Ends everything of this store at once: commands, keepers, workers and
    /// what is in containers.
    pub fn shoot_all(&self, ids: &BTreeSet<String>) {
        let none_left = || {
            let mut all = self.processes();
            let groups = Self::cgroups(ids);
            all.extend(groups.iter().flat_map(|dir| {
                cgroups::thaw(dir);
                cgroups::processes(dir)
            }));
            for pid in &all {
                shoot(*pid);
            }
            all.is_empty()
        };
        let ended = becomes_true(SETTLE, none_left);
        assert!(ended, "they do not die: {:?}", self.processes());
    }
}

/// A program that ends when it is asked to.
pub const SLEEP: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";

/// What an empty store has.
fn is_of_an_empty_store(file: &str) -> bool {
    [
        "version",
        "lock",
        "images/lock",
        "images/oci-layout",
        "images/index.json",
        "images/.index.json.spare",
        "images/.journal.spare",
        "networks/lock",
        "run/events.jsonl",
        "run/events.jsonl.1",
    ]
    .contains(&file)
}

fn walk(dir: &Path, shown: &str, all: &mut Vec<String>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let shown = if shown.is_empty() {
            name
        } else {
            format!("{shown}/{name}")
        };
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            walk(&entry.path(), &shown, all);
        } else {
            all.push(shown);
        }
    }
}

/// The interfaces of this thread's network.
pub fn links() -> Vec<String> {
    let text = fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    let lines = text.lines().skip(2);
    let names = lines.filter_map(|l| l.split_once(':').map(|(name, _)| name.trim()));
    names.map(str::to_owned).collect()
}

/// What is in a directory; one that is not there is empty.
pub fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.map(|e| e.file_name().to_string_lossy().into_owned());
    names.collect()
}

/// Ends a process without a word.
pub fn shoot(pid: i32) {
    assert!(pid > 1, "no process to kill");
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}

/// Gives this thread, and all that it starts from here on, mounts of its own.
pub fn leave_the_hosts_mounts() {
    unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
    let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("private mounts");
}

/// A file system that goes away with the test.
pub struct Mounted(pub PathBuf);

impl Mounted {
    /// A tmpfs with these options.
    pub fn tmpfs(at: PathBuf, options: &str) -> Self {
        fs::create_dir_all(&at).expect("a directory to mount on");
        let fs = Some("tmpfs");
        mount(fs, &at, fs, MsFlags::empty(), Some(options)).expect("a tmpfs");
        Self(at)
    }

    /// A directory or file that is shown in another place.
    pub fn bind(from: &Path, at: PathBuf) -> Self {
        let none = None::<&str>;
        mount(Some(from), &at, none, MsFlags::MS_BIND, none).expect("a bind mount");
        Self(at)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}
