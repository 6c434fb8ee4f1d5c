//! A store with the base images an example needs, and a client of the web.

use crate::common::registry::free_port;
use crate::common::store::StoreBed;
use crate::common::{Call, Output};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What this machine trusts, which a build sees and an image does not get.
const TRUSTED: &str = "/etc/ssl/certs/ca-certificates.crt";

/// One example's store and files.
pub struct Kitchen {
    bed: StoreBed,
}

impl Kitchen {
    /// A store with these images of `rootfs-tools`, and a copy of the
    /// example's folder.
    pub fn new(example: &str, bases: &[&str]) -> Option<Self> {
        let bed = StoreBed::on_the_hosts_network()?;
        let kitchen = Self { bed };
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("docs/examples")
            .join(example);
        let to = kitchen.folder();
        fs::create_dir(&to).expect("our directory");
        for file in fs::read_dir(from).expect("the example").flatten() {
            fs::copy(file.path(), to.join(file.file_name())).expect("a file of the example");
        }
        for base in bases {
            let archive = base_image(base);
            kitchen.ok(&["load", "-q", "-i", archive.to_str().unwrap()]);
        }
        Some(kitchen)
    }

    /// Where the example's files are.
    pub fn folder(&self) -> PathBuf {
        self.bed.path("example")
    }

    /// A path beside them.
    pub fn path(&self, name: &str) -> PathBuf {
        self.bed.path(name)
    }

    /// `rcon` in the example's folder.
    pub fn call(&self, args: &[&str]) -> Call {
        self.bed.call(args).cwd(&self.folder())
    }

    /// Runs it; it must succeed. What it printed.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        self.run(args).ok().stdout.trim_end().to_owned()
    }

    /// Runs it.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Output {
        self.call(args).output()
    }

    /// `rcon build` in the example's folder; all it said.
    #[track_caller]
    pub fn build(&self, args: &[&str]) -> String {
        let trusted = format!("{TRUSTED}:{TRUSTED}:ro");
        let own = [
            "build",
            "--pull=false",
            "--progress",
            "plain",
            "-v",
            &trusted,
        ];
        let out = self.run(&[&own, args, &["."]].concat()).ok();
        out.stdout + &out.stderr
    }
}

impl Drop for Kitchen {
    fn drop(&mut self) {
        let ids = self.run(&["ps", "-aq"]).stdout;
        for id in ids.lines() {
            self.run(&["rm", "-f", id]);
        }
        // This machine has its network back as it was.
        self.run(&["network", "prune", "-f"]);
    }
}

/// The archive of an image that a recipe makes: once for all tests, and again
/// when the recipe has changed.
fn base_image(recipe: &str) -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("rootfs-tools");
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(dir).expect("cargo's own directory");
    let archive = dir.join(format!("base-{recipe}.tar"));
    let lock = File::create(dir.join(format!("base-{recipe}.lock"))).expect("our file");
    let _lock = Flock::lock(lock, FlockArg::LockExclusive)
        .map_err(|(_, e)| e)
        .expect("a lock");
    let newest =
        [recipe, "lib.sh"].map(|f| fs::metadata(tools.join(f)).unwrap().modified().unwrap());
    let made = fs::metadata(&archive).and_then(|m| m.modified());
    if made.is_ok_and(|at| newest.iter().all(|n| at > *n)) {
        return archive;
    }
    let fresh = dir.join(format!("base-{recipe}.new"));
    let out = Command::new(tools.join(recipe))
        .arg("--output")
        .arg(&fresh)
        .output();
    let out = out.expect("a shell");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "rootfs-tools/{recipe}: {said}");
    fs::rename(&fresh, &archive).expect("our file");
    archive
}

/// A server on this machine.
pub struct Web {
    port: u16,
}

impl Web {
    /// At a port that is free.
    pub fn new() -> Self {
        Self { port: free_port() }
    }

    /// `-p`: its port leads to `inside`.
    pub fn publish(&self, inside: u16) -> String {
        format!("127.0.0.1:{}:{inside}", self.port)
    }

    /// Where it is.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What `curl` with these arguments says of a path, if it is answered well.
    pub fn ask(&self, args: &[&str], path: &str) -> Option<String> {
        let out = Command::new("curl")
            .args(["-sS", "--fail", "--max-time", "20"])
            .args(args)
            .arg(self.url(path))
            .output()
            .expect("curl");
        out.status
            .success()
            .then(|| String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// The answer once there is one.
    #[track_caller]
    pub fn get(&self, path: &str) -> String {
        let mut answer = None;
        within(60, "an answer", || {
            answer = self.ask(&[], path);
            answer.is_some()
        });
        answer.unwrap_or_default()
    }
}

/// Programs that are being started take their time.
#[track_caller]
pub fn within(seconds: u64, what: &str, done: impl FnMut() -> bool) {
    let in_time = crate::common::host::becomes_true(Duration::from_secs(seconds), done);
    assert!(in_time, "this did not happen within {seconds} s: {what}");
}
