//! Looking at the machine from outside the container: processes, mounts, and
//! helpers that hold a namespace or a mount open for the length of a test.

use super::Bed;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long an event that must come may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `done` says so.
#[track_caller]
pub fn eventually(what: &str, done: impl FnMut() -> bool) {
    assert!(becomes_true(PATIENCE, done), "this never happened: {what}");
}

/// Whether `done` says so before `limit` has passed.
pub fn becomes_true(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while !done() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// A file of `/proc/<pid>/`.
#[track_caller]
pub fn proc_file(pid: i32, name: &str) -> String {
    let path = format!("/proc/{pid}/{name}");
    fs::read(&path).map_or_else(
        |e| panic!("{path}: {e}"),
        |b| String::from_utf8_lossy(&b).into_owned(),
    )
}

/// The value of `Name:   value` in a file such as `/proc/<pid>/status`.
pub fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// The value of one field of `/proc/<pid>/status`.
#[track_caller]
pub fn status_field(pid: i32, name: &str) -> String {
    field(&proc_file(pid, "status"), name).unwrap_or_else(|| panic!("no {name} in status"))
}

/// The space-separated fields of `/proc/<pid>/stat`, counted from 1 as in
/// proc(5); the command's name, which may hold spaces, is cut out first.
pub fn stat_of(pid: i32, number: usize) -> String {
    let stat = proc_file(pid, "stat");
    let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let found = after.split_whitespace().nth(number - 3);
    found.unwrap_or_default().to_owned()
}

/// How many filters of system calls this test is under, as `status` has it of
/// a container without one of its own.
pub fn own_filters() -> String {
    let own = fs::read_to_string("/proc/self/status").expect("our own status");
    field(&own, "Seccomp_filters").expect("Linux has it since 5.9")
}

/// What a namespace of a process is called: `net:[4026531840]`.
pub fn namespace_of(pid: i32, kind: &str) -> String {
    let link = format!("/proc/{pid}/ns/{kind}");
    let target = fs::read_link(&link).unwrap_or_else(|e| panic!("{link}: {e}"));
    target.to_string_lossy().into_owned()
}

/// The same for the test, that is for the host; of networks a test may have
/// its own.
pub fn own_namespace(kind: &str) -> String {
    let link = format!("/proc/thread-self/ns/{kind}");
    let target = fs::read_link(&link).unwrap_or_else(|e| panic!("{link}: {e}"));
    target.to_string_lossy().into_owned()
}

/// Whether a process exists and is not merely waiting to be reaped.
pub fn is_alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|s| s.rsplit_once(')').map(|(_, rest)| rest.to_owned()))
        .and_then(|rest| rest.split_whitespace().next().map(str::to_owned))
        .is_some_and(|state| state != "Z" && state != "X")
}

/// One line of a mountinfo file, the parts tests ask about.
#[derive(Debug, Clone)]
pub struct Mount {
    /// The directory of the file system that is mounted here.
    pub root: String,
    /// Where it is mounted.
    pub point: String,
    /// Options of this mount: `ro,nosuid`.
    pub options: Vec<String>,
    /// `shared:1`, `master:2` or nothing.
    pub propagation: Vec<String>,
    /// The type of file system.
    pub fs: String,
    /// Options of the file system itself.
    pub super_options: Vec<String>,
}

impl Mount {
    /// Whether this mount has the option.
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|o| o == option)
    }

    /// Whether the propagation field holds `shared` or `master`.
    pub fn propagates(&self, kind: &str) -> bool {
        let prefix = format!("{kind}:");
        self.propagation.iter().any(|p| p.starts_with(&prefix))
    }

    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let left: Vec<&str> = left.split(' ').collect();
        let right: Vec<&str> = right.split(' ').collect();
        let split = |s: &str| s.split(',').map(str::to_owned).collect();
        Some(Self {
            root: (*left.get(3)?).to_owned(),
            point: (*left.get(4)?).to_owned(),
            options: split(left.get(5)?),
            propagation: left.iter().skip(6).map(|s| (*s).to_owned()).collect(),
            fs: (*right.first()?).to_owned(),
            super_options: split(right.get(2)?),
        })
    }
}

/// Every line of a mountinfo text.
pub fn parse_mountinfo(text: &str) -> Vec<Mount> {
    text.lines().filter_map(Mount::parse).collect()
}

/// The mounts a process sees, oldest first.
pub fn mounts_of(pid: i32) -> Vec<Mount> {
    parse_mountinfo(&proc_file(pid, "mountinfo"))
}

/// The uppermost mount at exactly this place in a mountinfo text.
#[track_caller]
pub fn mount_at(text: &str, point: &str) -> Mount {
    let all = parse_mountinfo(text);
    let found = all.into_iter().rfind(|m| m.point == point);
    found.unwrap_or_else(|| panic!("nothing is mounted at {point} in:\n{text}"))
}

/// A process of the test's own that ends with it.
pub struct Helper(Child);

impl Helper {
    /// Starts `program args…` and leaves it running.
    #[track_caller]
    pub fn start(program: &str, args: &[&str]) -> Self {
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap_or_else(|e| panic!("cannot start {program}: {e}")))
    }

    /// A process in a new namespace of the given kind (`net`, `ipc`, …), made
    /// by unshare(1); returned once it is really there.
    #[track_caller]
    pub fn in_new_namespace(kind: &str) -> Self {
        let flag = match kind {
            "mnt" => "--mount".to_owned(),
            other => format!("--{other}"),
        };
        let helper = Self::start("unshare", &[&flag, "sleep", "600"]);
        eventually("unshare makes a namespace", || {
            namespace_of(helper.pid(), kind) != own_namespace(kind)
        });
        helper
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.0.id() as i32
    }

    /// The path of one of its namespaces.
    pub fn namespace(&self, kind: &str) -> String {
        format!("/proc/{}/ns/{kind}", self.pid())
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A mount on the host, below the bed's directory, for the length of a test.
pub struct HostMount(pub PathBuf);

impl HostMount {
    /// Mounts a tmpfs with these mount(8) options at `<bed>/<name>`.
    #[track_caller]
    pub fn tmpfs(bed: &Bed, name: &str, options: &str) -> Self {
        let at = bed.path(name);
        fs::create_dir_all(&at).expect("a directory to mount on");
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "rcon-test"])
            .arg(&at)
            .status();
        assert!(done.is_ok_and(|s| s.success()), "cannot mount a tmpfs");
        Self(at)
    }
}

impl Drop for HostMount {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH);
    }
}

/// Device and inode: the same file whatever its path.
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|m| (m.dev(), m.ino()))
}
