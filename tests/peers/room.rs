//! A room: one directory and one set of namespaces for one private peer.
//!
//! The peer, its monitors and its containers live in the room's own mount,
//! pid and network namespaces, so nothing they do reaches the host: when the
//! room closes, the kernel ends every process in it and drops every mount,
//! interface and firewall rule. Only cgroups and files are left, and the room
//! removes its own. It closes when it is dropped; when the test process dies
//! without that, its end of a pipe closes, and the namespaces go all the same.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::cgroups::{self, Tree};
use crate::needs::SEARCH_PATH;
use crate::outcome::Outcome;
use crate::words::words;

/// Programs that every room needs.
pub(crate) const NEEDS: &[&str] = &[
    "busybox",
    "ip",
    "nsenter",
    "setsid",
    "sha256sum",
    "stty",
    "tar",
    "timeout",
    "tini",
    "unshare",
];

/// No single command of a peer takes this long unless it hangs.
const SECONDS_FOR_A_COMMAND: &str = "60";

/// The fields are dropped in this order: first the processes, then what they
/// leave behind.
pub(crate) struct Room {
    holder: Holder,
    cgroups: Tree,
    dir: Dir,
}

impl Room {
    /// Makes the directory, the namespaces and their first process.
    pub(crate) fn open() -> Self {
        let dir = Dir::new();
        fs::write(dir.0.join("subuid"), SUBORDINATE_IDS).expect("write subuid");
        fs::write(dir.0.join("subgid"), SUBORDINATE_IDS).expect("write subgid");
        fs::create_dir_all(dir.0.join("home")).expect("make home");
        let cgroups = Tree::new(dir.0.file_name().expect("a name"));
        let holder = Holder::start(&dir.0);
        Room {
            holder,
            cgroups,
            dir,
        }
    }

    /// A path in the room's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.0.join(name)
    }

    /// The same as text, for command lines.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Unique on this machine; also the name of the room's parent cgroup.
    pub(crate) fn name(&self) -> &str {
        self.cgroups.name()
    }

    /// The room's part of every cgroup hierarchy.
    pub(crate) fn cgroups(&self) -> &Tree {
        &self.cgroups
    }

    /// The runtime under test, by a path whose last part makes rcon behave
    /// as an OCI runtime.
    pub(crate) fn runtime(&self) -> String {
        if let Ok(other) = std::env::var("RCON_TEST_RUNTIME") {
            return other;
        }
        let link = self.path("rcon-oci");
        match symlink(env!("CARGO_BIN_EXE_rcon"), &link) {
            Err(why) if why.kind() != ErrorKind::AlreadyExists => {
                panic!("{}: {why}", link.display())
            }
            _ => link.display().to_string(),
        }
    }

    /// A command that will run inside the room.
    pub(crate) fn enter(&self, argv: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--mount", "--pid", "--net", "--target", &self.holder.pid])
            .arg("--")
            .args(argv)
            .env_clear()
            .env("PATH", SEARCH_PATH)
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("home"))
            .env("TERM", "xterm");
        command
    }

    /// Runs a command inside the room to its end.
    pub(crate) fn run(&self, line: &str) -> Outcome {
        self.run_with_input(&words(line), "")
    }

    /// The same, with the words apart and something on standard input.
    pub(crate) fn run_with_input(&self, argv: &[impl AsRef<OsStr>], input: &str) -> Outcome {
        let limit = ["timeout", "-k", "5", SECONDS_FOR_A_COMMAND].map(OsStr::new);
        let argv: Vec<&OsStr> = argv.iter().map(AsRef::as_ref).collect();
        let shown = argv.join(OsStr::new(" ")).to_string_lossy().into_owned();
        let limited = [&limit[..], &argv].concat();
        Outcome::shown_as(shown, self.enter(&limited), input)
    }

    /// Starts a daemon inside the room and waits until `ready` says yes. It
    /// ends with the room, so nobody needs to hold on to it.
    pub(crate) fn start_daemon(&self, line: &str, ready: impl Fn(&Room) -> bool) {
        let argv = words(line);
        let log = self.path(&format!("{}.log", argv[0]));
        let file = fs::File::create(&log).expect("create a log");
        let mut daemon = self
            .enter(&argv)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("dup"))
            .stderr(file)
            .spawn()
            .expect("start nsenter");
        let up = wait_until(Duration::from_secs(30), || {
            ready(self) || daemon.try_wait().is_ok_and(|end| end.is_some())
        });
        assert!(up && ready(self), "{line}\n{}", tail(&log));
    }
}

impl Drop for Room {
    /// Before the fields go: a process frozen by v1's freezer cannot even be
    /// killed, and the room would wait for it. Where the processes are is
    /// asked of the kernel: a runtime may have put them anywhere.
    fn drop(&mut self) {
        let cgroups = self.run("sh -c 'cat /proc/[0-9]*/cgroup'").stdout;
        cgroups.lines().for_each(cgroups::thaw);
    }
}

/// The users whose subordinate ids the peers look for: podman's
/// `--userns=auto` uses `containers`, the remapped dockerd uses `daemon`.
const SUBORDINATE_IDS: &str = "root:100000:65536\ndaemon:200000:65536\ncontainers:300000:655360\n";

/// Asks every 20 ms until the answer is yes; false when time is up.
pub(crate) fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !done() {
        if start.elapsed() > limit {
            return false;
        }
        sleep(Duration::from_millis(20));
    }
    true
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// The process that holds the namespaces open while its input is open.
struct Holder {
    unshare: Child,
    /// The holder's first process, as the test's own pid namespace sees it.
    pid: String,
}

impl Holder {
    fn start(dir: &Path) -> Self {
        let mut unshare = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--net"])
            // tini reaps what monitors and shims leave to it.
            .args(["--pid", "--fork", "--kill-child", "tini", "--"])
            .args(["sh", "-c", include_str!("room.sh"), "room.sh"])
            .arg(dir)
            .env("PATH", SEARCH_PATH)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start unshare");
        let mut pid = String::new();
        BufReader::new(unshare.stdout.take().expect("piped"))
            .read_line(&mut pid)
            .expect("read the holder's pid");
        let holder = Holder {
            unshare,
            pid: pid.trim().to_owned(),
        };
        assert!(!holder.pid.is_empty(), "the room could not be furnished");
        holder
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.unshare.stdin.take());
        let gone = || self.unshare.try_wait().is_ok_and(|end| end.is_some());
        if !wait_until(Duration::from_secs(10), gone) {
            eprintln!("the room's processes do not end by themselves; killing them");
            self.unshare.kill().ok();
            self.unshare.wait().ok();
        }
    }
}

/// A directory that is removed when dropped.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        let template = std::env::temp_dir().join("rcon-test-peer-XXXXXX");
        let dir = Dir(nix::unistd::mkdtemp(&template).expect("mkdtemp"));
        // A container's remapped root must be able to walk to its files.
        fs::set_permissions(&dir.0, fs::Permissions::from_mode(0o755)).expect("chmod");
        dir
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // A mount that escaped the room would take the host's files with it.
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        if mounts.contains(&*self.0.to_string_lossy()) {
            eprintln!(
                "left in place, something is mounted there: {}",
                self.0.display()
            );
            return;
        }
        if let Err(why) = fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {why}", self.0.display());
        }
    }
}
