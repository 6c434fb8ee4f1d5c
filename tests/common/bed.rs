//! One test's own corner of the machine: a directory, a runtime root, and names
//! nobody else uses, all taken away when the test ends, however it ends.

use super::leftovers::Traces;
use super::needs::{self, Need};
use super::{Call, Container, Output, default_spec, rootfs};
use nix::fcntl::{Flock, FlockArg};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The variable by which a runtime's processes are recognised; a container
/// that sees it has inherited the runtime's environment.
pub const MARKER: &str = "RCON_TEST_BED";

/// What every name made by a test begins with.
const NAME: &str = "rcon-test-";

/// A test's private directory, runtime root and container names.
pub struct Bed {
    dir: PathBuf,
    name: String,
    containers: Cell<u32>,
    calls: Cell<u32>,
    /// The kernel drops it with this process: a bed without a lock is stale.
    _lock: Flock<File>,
    ids: RefCell<Vec<String>>,
    /// Left as it is when the test ends, for a test about what is left.
    forgiving: Cell<bool>,
}

impl Bed {
    /// A bed for an ordinary test, or `None` with the reason printed when the
    /// machine cannot run one.
    pub fn new() -> Option<Self> {
        Self::needing(&[])
    }

    /// The same, with more needs than root and busybox.
    pub fn needing(needs: &[Need]) -> Option<Self> {
        let met = needs::all_met(&[Need::Root, Need::Busybox]) && needs::all_met(needs);
        met.then(Self::make)
    }

    fn make() -> Self {
        static SWEEP: Once = Once::new();
        static COUNT: AtomicU32 = AtomicU32::new(1);
        SWEEP.call_once(sweep);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{NAME}{}-{count}", std::process::id());
        let dir = std::env::temp_dir().join(&name);
        fs::create_dir(&dir).expect("a directory for the test");
        let lock = lock(&dir).expect("nobody else knows this directory");
        for part in ["root", "io"] {
            fs::create_dir(dir.join(part)).expect("our directory");
        }
        // A process that is root in a user namespace is nobody out here and
        // must still reach its root file system.
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o711)).expect("our directory");
        Self {
            dir,
            name,
            containers: Cell::new(0),
            calls: Cell::new(0),
            _lock: lock,
            ids: RefCell::default(),
            forgiving: Cell::new(false),
        }
    }

    /// A path in the bed.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The same as text, for a `config.json`.
    pub fn text_path(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// The directory given to the runtime as `--root`.
    pub fn root(&self) -> PathBuf {
        self.path("root")
    }

    /// Writes a file in the bed and returns its path.
    #[track_caller]
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        fs::write(&path, content).expect("the bed is writable");
        path.to_string_lossy().into_owned()
    }

    /// Makes a directory in the bed and returns its path.
    #[track_caller]
    pub fn directory(&self, name: &str) -> String {
        fs::create_dir_all(self.path(name)).expect("the bed is writable");
        self.text_path(name)
    }

    /// An id no other container has; taken away with the bed.
    pub fn new_id(&self) -> String {
        self.containers.set(self.containers.get() + 1);
        let id = format!("{}-{}", self.name, self.containers.get());
        self.ids.borrow_mut().push(id.clone());
        id
    }

    /// A container that does not exist yet: an id, and a bundle whose
    /// `config.json` is the default spec as changed by `patch`.
    #[track_caller]
    pub fn container(&self, patch: impl FnOnce(&mut Value)) -> Container<'_> {
        let id = self.new_id();
        let bundle = self.dir.join(format!("bundle-{}", self.containers.get()));
        rootfs::make(&bundle.join("rootfs")).expect("a root file system");
        let mut spec = default_spec(&format!("/{id}"));
        patch(&mut spec);
        let container = Container::new(self, id, bundle);
        container.write_spec(&spec);
        container
    }

    /// Runs a container in the foreground to its end.
    #[track_caller]
    pub fn run(&self, patch: impl FnOnce(&mut Value)) -> Output {
        self.container(patch).run()
    }

    /// The runtime with its `--root` and these arguments.
    pub fn call(&self, args: &[&str]) -> Call {
        self.calls.set(self.calls.get() + 1);
        let files = self.dir.join("io").join(format!("{}", self.calls.get()));
        self.call_into(files, args)
    }

    /// The same, with chosen files for its output.
    pub fn call_into(&self, files: PathBuf, args: &[&str]) -> Call {
        let (program, before) = needs::runtime();
        let mut command = Command::new(program);
        command.args(before).arg("--root").arg(self.root());
        command.args(args).current_dir(&self.dir);
        command.env_clear().env(MARKER, &self.name);
        command.env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        );
        Call::new(command, files)
    }

    /// Nothing of this bed's containers may be on the machine.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        let settled = || self.traces().list().is_empty();
        if super::host::becomes_true(SETTLE, settled) {
            return;
        }
        panic!("left behind: {:#?}", self.traces().list());
    }

    /// Stray processes and files of this bed are removed, not reported: for
    /// a test in which the runtime was killed half-way.
    pub fn forgive(&self) {
        self.forgiving.set(true);
    }

    /// What is on the machine because of this bed.
    pub fn leftovers(&self) -> Vec<String> {
        self.traces().list()
    }

    fn traces(&self) -> Traces<'_> {
        Traces { dir: &self.dir }
    }

    fn delete_containers(&self) {
        for id in self.ids.borrow().iter() {
            let known = self.traces().state_dirs();
            if known.iter().any(|d| d.ends_with(id)) {
                self.call(&["delete", "--force", id]).output();
            }
        }
    }
}

/// How long a dead process may still be seen before it counts as left.
const SETTLE: Duration = Duration::from_secs(3);

impl Drop for Bed {
    fn drop(&mut self) {
        if std::thread::panicking() || self.forgiving.get() {
            return self.traces().remove();
        }
        self.delete_containers();
        let settled = super::host::becomes_true(SETTLE, || self.traces().list().is_empty());
        let left = self.traces().list();
        self.traces().remove();
        assert!(settled, "after delete --force there remain: {left:#?}");
    }
}

/// Locks a directory if nobody else has.
fn lock(dir: &Path) -> Option<Flock<File>> {
    let file = File::open(dir).ok()?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).ok()
}

/// Removes the beds of test processes that were killed before they could.
fn sweep() {
    let entries = fs::read_dir(std::env::temp_dir()).into_iter().flatten();
    for path in entries.flatten().map(|e| e.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // A bed is locked before it has this directory, so none is too young.
        if name.starts_with(NAME) && path.join("io").is_dir() && lock(&path).is_some() {
            Traces { dir: &path }.remove();
        }
    }
}
