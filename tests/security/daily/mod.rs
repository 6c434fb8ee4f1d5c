//! The same mistakes by way of the daily commands: `run`, `exec`, `cp`,
//! `import` and the rest. What an OCI runtime is told, these must find out
//! themselves: users by name, what an image says of itself, files to copy.
//!
//! Here is the store with an image of the hostile program in it.

mod channels;
mod copying;
mod identity;
mod images;
mod joining;

use super::common::store::StoreBed;
use super::common::{Call, Need, Output, needs_met};
use std::path::PathBuf;

/// What every container here is made from, unless a test makes another.
const HONEST: &str = "honest";

/// One test's store, and the root file system it makes images of.
struct Daily {
    bed: StoreBed,
}

impl Daily {
    /// `None`, with the reason printed, where containers cannot be run. An
    /// honest container has been: who refuses everything would look safe.
    fn new() -> Option<Self> {
        Self::needing(&[])
    }

    fn needing(needs: &[Need]) -> Option<Self> {
        if !needs_met(&[&[Need::Tool("gcc")], needs].concat()) {
            return None;
        }
        let daily = Self {
            bed: StoreBed::new()?,
        };
        let probe = daily.bed.rootfs("probe");
        std::fs::copy(super::support::probe(), probe).expect("the image is writable");
        daily.import(&[], HONEST).ok();
        let honest = daily.run(&[], HONEST, &["/probe", "hello"]).ok();
        assert_eq!(honest.text(), "hello", "an honest container: {honest}");
        Some(daily)
    }

    /// Makes an image of the root file system as it is now.
    fn import(&self, changes: &[&str], name: &str) -> Output {
        let root = self.bed.rootfs("").to_string_lossy().into_owned();
        let changes = changes.iter().flat_map(|c| ["-c", c]);
        let args: Vec<&str> = ["import"]
            .into_iter()
            .chain(changes)
            .chain([root.as_str(), name])
            .collect();
        self.bed.rcon(&args)
    }

    fn run_call(&self, flags: &[&str], image: &str, program: &[&str]) -> Call {
        let run = ["run", "--rm", "--network", "none"];
        self.bed
            .call(&[&run[..], flags, &[image], program].concat())
    }

    fn run(&self, flags: &[&str], image: &str, program: &[&str]) -> Output {
        self.run_call(flags, image, program).output()
    }

    /// A container that stays.
    #[track_caller]
    fn start(&self, name: &str, flags: &[&str], program: &[&str]) {
        let run = ["run", "-d", "--network", "none", "--name", name];
        let args = [&run[..], flags, &[HONEST], program].concat();
        self.bed.rcon(&args).ok();
    }

    /// One that only sleeps.
    #[track_caller]
    fn idle(&self, name: &str, flags: &[&str]) {
        self.start(name, flags, &["/probe", "idle", "600000"]);
    }

    /// A directory beside the store that nobody may touch.
    fn host(&self) -> PathBuf {
        let dir = self.bed.path("host");
        std::fs::create_dir_all(dir.join("dir")).expect("our directory");
        for name in ["secret", "dir/key", "null", "console"] {
            std::fs::write(dir.join(name), "only the host has this\n").expect("our file");
        }
        dir
    }

    /// The pid of a container's first process, for the host.
    #[track_caller]
    fn pid(&self, name: &str) -> i32 {
        let pid = self.bed.says(&["inspect", "-f", "{{.State.Pid}}", name]);
        pid.trim().parse().expect("a number")
    }
}
