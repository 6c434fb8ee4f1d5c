//! A container as a caller of the runtime sees it: an id, a bundle, commands.

use super::host::{self, eventually};
use super::{Bed, Output, Running};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// One container of a [`Bed`]; whether it exists is up to the test.
pub struct Container<'b> {
    bed: &'b Bed,
    /// Its id, which is also the name of its cgroup.
    pub id: String,
    /// The bundle's directory.
    pub bundle: PathBuf,
}

impl<'b> Container<'b> {
    pub(super) fn new(bed: &'b Bed, id: String, bundle: PathBuf) -> Self {
        Self { bed, id, bundle }
    }

    /// Replaces the bundle's `config.json`.
    #[track_caller]
    pub fn write_spec(&self, spec: &Value) {
        let text = serde_json::to_string_pretty(spec).expect("a value is serialisable");
        fs::write(self.bundle.join("config.json"), text).expect("the bundle is writable");
    }

    /// A path in the container's root file system, seen from the host.
    pub fn rootfs(&self, name: &str) -> PathBuf {
        self.bundle
            .join("rootfs")
            .join(name.trim_start_matches('/'))
    }

    /// `command flags… id rest…`
    pub fn call(&self, command: &str, flags: &[&str], rest: &[&str]) -> super::Call {
        let words = [&[command], flags, &[self.id.as_str()], rest].concat();
        self.bed.call(&words)
    }

    /// The same for the commands that read the bundle, whose output is also
    /// the container's: [`Container::stdout`] reads it later.
    pub fn call_with_bundle(&self, command: &str, flags: &[&str]) -> super::Call {
        let bundle = self.bundle.to_string_lossy();
        let words = [&[command, "--bundle", &bundle], flags, &[self.id.as_str()]].concat();
        self.bed.call_into(self.files(), &words)
    }

    fn files(&self) -> PathBuf {
        self.bed.path("io").join(&self.id)
    }

    /// What a created or detached container has written so far.
    pub fn stdout(&self) -> String {
        fs::read_to_string(self.files().with_extension("out")).unwrap_or_default()
    }

    /// Waits until the container has written a text.
    #[track_caller]
    pub fn wait_for_output(&self, text: &str) -> String {
        eventually(text, || self.stdout().contains(text));
        self.stdout()
    }

    /// Runs in the foreground to the end.
    #[track_caller]
    pub fn run(&self) -> Output {
        self.run_with(&[])
    }

    /// Runs in the foreground with more flags.
    #[track_caller]
    pub fn run_with(&self, flags: &[&str]) -> Output {
        self.call_with_bundle("run", flags).output()
    }

    /// Starts a foreground run and leaves it running.
    #[track_caller]
    pub fn spawn_run(&self) -> Running {
        self.call_with_bundle("run", &[]).spawn()
    }

    /// Starts it in the background; must succeed.
    #[track_caller]
    pub fn run_detached(&self) -> &Self {
        self.run_with(&["--detach"]).ok();
        self
    }

    /// Creates it; must succeed.
    #[track_caller]
    pub fn create(&self) -> &Self {
        self.try_create().ok();
        self
    }

    /// Creates it, or not.
    #[track_caller]
    pub fn try_create(&self) -> Output {
        self.call_with_bundle("create", &[]).output()
    }

    /// Starts a created container; must succeed.
    #[track_caller]
    pub fn start(&self) -> &Self {
        self.call("start", &[], &[]).output().ok();
        self
    }

    /// The state as JSON; must succeed.
    #[track_caller]
    pub fn state(&self) -> Value {
        self.call("state", &[], &[]).output().ok().json()
    }

    /// The status as text.
    #[track_caller]
    pub fn status(&self) -> String {
        let state = self.state();
        state["status"].as_str().unwrap_or_default().to_owned()
    }

    /// The host's pid of the container's first process.
    #[track_caller]
    pub fn pid(&self) -> i32 {
        self.state()["pid"].as_i64().unwrap_or_default() as i32
    }

    /// Waits until the container has this status.
    #[track_caller]
    pub fn wait_for(&self, status: &str) -> &Self {
        eventually(&format!("{} is {status}", self.id), || {
            self.status() == status
        });
        self
    }

    /// Sends a signal; must succeed.
    #[track_caller]
    pub fn kill(&self, signal: &str) -> &Self {
        self.call("kill", &[], &[signal]).output().ok();
        self
    }

    /// Deletes it; must succeed.
    #[track_caller]
    pub fn delete(&self) {
        self.call("delete", &[], &[]).output().ok();
    }

    /// Kills, waits and deletes.
    #[track_caller]
    pub fn finish(&self) {
        self.kill("KILL").wait_for("stopped").delete();
    }

    /// Runs a program in it.
    #[track_caller]
    pub fn exec(&self, args: &[&str]) -> Output {
        self.exec_with(&[], args)
    }

    /// Runs a program in it with flags.
    #[track_caller]
    pub fn exec_with(&self, flags: &[&str], args: &[&str]) -> Output {
        self.call("exec", flags, args).output()
    }

    /// Runs a line of shell in it; must succeed. What it printed, trimmed.
    #[track_caller]
    pub fn shell(&self, script: &str) -> String {
        let out = self.exec(&["sh", "-c", script]).ok();
        out.text().to_owned()
    }

    /// A field of `/proc/<pid>/status` of its first process.
    #[track_caller]
    pub fn status_field(&self, name: &str) -> String {
        host::status_field(self.pid(), name)
    }

    /// The bundle's path as the runtime reports it.
    pub fn bundle_path(&self) -> &Path {
        &self.bundle
    }
}
