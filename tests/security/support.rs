//! What the attacks need beyond the common bed: the hostile program, a tree on
//! the host that must not change, a thread that swaps two names, and a caller
//! who is himself in an odd position. Nothing here knows a single case.

use super::common::{Bed, Call, Container, Need, Output, Value, json};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a race is run before it counts as won by the runtime.
pub(crate) const RACE: Duration = Duration::from_secs(6);

/// How many starts a race has at most.
pub(crate) const STARTS: u32 = 400;

/// A bed on a machine that can also build the hostile program.
#[track_caller]
pub(crate) fn bed() -> Option<Bed> {
    bed_with(&[])
}

/// The same with more needs. An honest container has been run in it: a runtime
/// that refuses everything would look safe to most of these tests.
#[track_caller]
pub(crate) fn bed_with(needs: &[Need]) -> Option<Bed> {
    let bed = Bed::needing(&[&[Need::Tool("gcc")], needs].concat())?;
    let honest = probing(&bed, &["hello"], |_| ()).run().ok();
    assert_eq!(honest.text(), "hello", "an honest container: {honest}");
    Some(bed)
}

/// The hostile program, built once per test run.
pub(crate) fn probe() -> &'static Path {
    static PROBE: OnceLock<PathBuf> = OnceLock::new();
    PROBE.get_or_init(|| {
        let name = format!("security-probe-{}", std::process::id());
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("security-probe");
        let fresh = target.with_file_name(name);
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/security/probe.c");
        let done = Command::new("gcc")
            .args(["-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([fresh.as_os_str(), source.as_ref()])
            .status();
        assert!(done.is_ok_and(|s| s.success()), "gcc cannot build probe.c");
        fs::rename(&fresh, &target).expect("both are in one directory");
        target
    })
}

/// Puts the hostile program into the image under a name.
#[track_caller]
pub(crate) fn plant(container: &Container<'_>, name: &str) {
    plant_at(&container.rootfs(name));
}

/// The same by its path.
#[track_caller]
pub(crate) fn plant_at(path: &Path) {
    fs::copy(probe(), path).expect("the image is writable");
}

/// The hostile program for use on the host, in the control half of a test.
pub(crate) fn probe_on_host(mode: &[&str]) -> Command {
    let mut command = Command::new(probe());
    command.args(mode);
    command
}

/// A container whose program is the probe in one of its modes.
#[track_caller]
pub(crate) fn probing<'b>(
    bed: &'b Bed,
    mode: &[&str],
    patch: impl FnOnce(&mut Value),
) -> Container<'b> {
    let container = bed.container(|spec| {
        spec["process"]["args"] = probe_args(mode);
        patch(spec);
    });
    plant(&container, "probe");
    container
}

/// `process.args` for the probe.
pub(crate) fn probe_args(mode: &[&str]) -> Value {
    json!([&["/probe"], mode].concat())
}

/// Gives the container a user namespace in which it is root and holds every
/// capability, and outside of which it is nobody.
pub(crate) fn as_other_user(spec: &mut Value) {
    super::common::namespace(spec, json!({ "type": "user" }));
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
    spec["linux"]["uidMappings"] = map.clone();
    spec["linux"]["gidMappings"] = map;
}

/// Appends to a list of the spec, making it if need be.
pub(crate) fn push(list: &mut Value, entry: Value) {
    if list.is_null() {
        *list = json!([]);
    }
    list.as_array_mut().expect("a list").push(entry);
}

/// Removes the mounts at and below a destination.
pub(crate) fn drop_mounts(spec: &mut Value, below: &str) {
    let list = spec["mounts"].as_array_mut().expect("mounts are a list");
    list.retain(|m| !Path::new(m["destination"].as_str().unwrap_or("")).starts_with(below));
}

/// A tree of files by path: kind, mode, owner, size, time of change, content.
pub(crate) type Tree = BTreeMap<PathBuf, String>;

/// Everything about a tree that an attack through it would change.
#[track_caller]
pub(crate) fn tree(dir: &Path) -> Tree {
    let mut found = Tree::new();
    walk(dir, &mut found);
    assert!(!found.is_empty(), "{} is not there", dir.display());
    found
}

fn walk(path: &Path, found: &mut Tree) {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return;
    };
    let kind = meta.file_type();
    let content = match (kind.is_file(), kind.is_symlink()) {
        (true, _) => format!("{:x}", hash(&fs::read(path).unwrap_or_default())),
        (_, true) => format!("{:?}", fs::read_link(path)),
        _ => String::new(),
    };
    let line = format!(
        "{kind:?} {:o} {}:{} rdev {} {} bytes, changed {}.{:09} {content}",
        meta.mode(),
        meta.uid(),
        meta.gid(),
        if kind.is_char_device() {
            meta.rdev()
        } else {
            0
        },
        meta.size(),
        meta.mtime(),
        meta.mtime_nsec(),
    );
    found.insert(path.to_owned(), line);
    let children = fs::read_dir(path).into_iter().flatten().flatten();
    if kind.is_dir() {
        children.for_each(|child| walk(&child.path(), found));
    }
}

/// Good enough to notice a change; nobody aims at this hash.
fn hash(bytes: &[u8]) -> u64 {
    use std::hash::Hasher;
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// A tree on the host, outside of every root file system, that a runtime which
/// follows a link out of the root would write to.
pub(crate) struct HostTree {
    /// Where it is.
    pub(crate) dir: PathBuf,
    before: Tree,
}

impl HostTree {
    /// Makes one with a file, a directory and the names found in `/dev`.
    #[track_caller]
    pub(crate) fn make(bed: &Bed) -> Self {
        let dir = PathBuf::from(bed.directory("host"));
        bed.directory("host/dir");
        bed.file("host/secret", "only the host has this\n");
        bed.file("host/target", "");
        let before = tree(&dir);
        Self { dir, before }
    }

    /// A path in it, as text.
    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.join(name).to_string_lossy().into_owned()
    }

    /// It must be as it was.
    #[track_caller]
    pub(crate) fn assert_unchanged(&self, after: &str) {
        assert_same(&self.before, &tree(&self.dir), after);
    }
}

/// Two looks at one tree must agree.
#[track_caller]
pub(crate) fn assert_same(before: &Tree, now: &Tree, after: &str) {
    let changed = |a: &Tree, b: &Tree| -> Vec<String> {
        a.iter()
            .filter(|(path, line)| b.get(*path) != Some(line))
            .map(|(path, line)| format!("{} {line}", path.display()))
            .collect()
    };
    let (lost, new) = (changed(before, now), changed(now, before));
    let same = lost.is_empty() && new.is_empty();
    assert!(
        same,
        "after {after}\nthere was {lost:#?}\nthere is {new:#?}"
    );
}

/// Makes a link to the target or, where there is none, an honest directory,
/// with which a test shows that what it refuses to accept otherwise works.
#[track_caller]
pub(crate) fn lay(path: &Path, target: Option<&str>) {
    let done = match target {
        Some(target) => std::os::unix::fs::symlink(target, path),
        None => fs::create_dir(path),
    };
    done.expect("the image is writable");
}

/// Exchanges two names as fast as the kernel lets it, until dropped.
pub(crate) struct Swapper {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Swapper {
    /// Begins to swap `a` and `b`, which must both exist.
    pub(crate) fn start(a: PathBuf, b: PathBuf) -> Self {
        assert!(
            a.exists() && b.symlink_metadata().is_ok(),
            "nothing to swap"
        );
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                let flags = RenameFlags::RENAME_EXCHANGE;
                match renameat2(AT_FDCWD, &a, AT_FDCWD, &b, flags) {
                    // The runtime may just be replacing one of them.
                    Ok(()) | Err(Errno::ENOENT) => {}
                    Err(e) => panic!("cannot swap {} and {}: {e}", a.display(), b.display()),
                }
            }
        });
        let thread = Some(thread);
        Self { stop, thread }
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        let swapped = ended.is_none_or(|e| e.is_ok());
        assert!(swapped || std::thread::panicking(), "the swapper failed");
    }
}

/// Calls `attempt` with a running number until the race is over, and returns
/// how many of the attempts said that the container had started.
pub(crate) fn race(mut attempt: impl FnMut(u32) -> bool) -> u32 {
    let end = Instant::now() + RACE;
    let rounds = (0..STARTS).take_while(|_| Instant::now() < end);
    rounds.map(|n| u32::from(attempt(n))).sum()
}

/// Lets another program call the runtime: `words… runtime args…`.
pub(crate) fn called_by(call: Call, words: &[&str]) -> Call {
    call.with(|old| {
        let mut new = Command::new(words[0]);
        new.args(&words[1..]).arg(old.get_program());
        new.args(old.get_args());
        take_over(&mut new, old);
        *old = new;
    })
}

/// Calls a copy of the runtime instead.
pub(crate) fn by_copy(call: Call, copy: &Path) -> Call {
    call.with(|old| {
        let mut new = Command::new(copy);
        new.args(old.get_args());
        take_over(&mut new, old);
        *old = new;
    })
}

fn take_over(new: &mut Command, old: &Command) {
    new.env_clear().stdin(Stdio::null());
    for (name, value) in old.get_envs() {
        value.map(|v| new.env(name, v));
    }
    old.get_current_dir().map(|dir| new.current_dir(dir));
}

/// A caller who forgot to close these descriptors of the host's root.
pub(crate) fn with_leaked(call: Call, fds: &[u32]) -> Call {
    let opens: Vec<String> = fds.iter().map(|fd| format!("{fd}</")).collect();
    let script = format!("exec {}; exec \"$@\"", opens.join(" "));
    called_by(call, &["bash", "-c", &script, "bash"])
}

/// Exit codes by which a program reports that a signal ended another.
const SIGNALLED: std::ops::RangeInclusive<i32> = 129..=192;

/// Whatever the runtime decided, it decided: no crash, no signal.
#[track_caller]
pub(crate) fn orderly(out: Output) -> Output {
    let crashed = out
        .status
        .code()
        .is_none_or(|c| c == 101 || SIGNALLED.contains(&c));
    let trace = ["panicked", "panic:", "goroutine "];
    let traced = trace.iter().any(|t| out.stderr.contains(t));
    assert!(!crashed && !traced, "crashed: {out}");
    out
}

/// Runs a call to its end and tells the most memory that it, or a process it
/// started and waits for, had at once, in KiB. A runtime that grows without bound is stopped at one GiB.
#[track_caller]
pub(crate) fn peak_memory(call: Call) -> (Output, u64) {
    let mut running = call.spawn();
    let mut peak = 0;
    while !running.has_ended() && peak < 1 << 20 {
        peak = peak.max(resident(running.pid()));
        std::thread::sleep(Duration::from_millis(1));
    }
    running.signal(nix::sys::signal::Signal::SIGKILL);
    (running.wait(), peak)
}

fn resident(pid: i32) -> u64 {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let field = super::common::host::field(&read("status"), "VmHWM");
    let own: Option<u64> = field.and_then(|f| f.split(' ').next()?.parse().ok());
    let children = read(&format!("task/{pid}/children"));
    let children = children.split_whitespace().filter_map(|c| c.parse().ok());
    children.map(resident).chain(own).max().unwrap_or_default()
}

/// Writes a script into the image or the host.
#[track_caller]
pub(crate) fn script(path: &Path, text: &str) {
    fs::write(path, text).expect("the bed is writable");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("our file");
}

/// All that whoever listens there sends; nothing, if nobody does.
pub(crate) fn read_all(to: (&str, u16)) -> String {
    use std::io::Read;
    let mut text = String::new();
    if let Ok(mut stream) = std::net::TcpStream::connect(to) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let _ = stream.read_to_string(&mut text);
    }
    text
}

/// The lines of the probe's answer that begin with a word.
pub(crate) fn lines<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let is = |line: &&str| line.split(' ').next() == Some(word);
    text.lines().filter(is).collect()
}
