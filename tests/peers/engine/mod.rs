//! What Docker and podman are asked alike, since their command lines are alike.
//!
//! Here is the engine under test; `docker.rs` and `podman.rs` start one and
//! ask what only that one can do, and the other files hold the shared checks,
//! one file per kind of question.

mod containers;
mod docker;
mod isolation;
mod joining;
mod limits;
mod podman;
mod terminal;

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::cgroups::Limits;
use crate::image;
use crate::outcome::Outcome;
use crate::room::{Room, wait_until};
use crate::words::words;

/// A private Docker or podman in a room.
struct Engine {
    room: Room,
    /// How every command line begins.
    argv: Vec<String>,
    /// What every container is started with.
    options: String,
    /// What stands before a container's id in its cgroup's name.
    cgroup_prefix: &'static str,
}

impl Engine {
    /// One command of the engine's, to its end.
    fn cli(&self, line: &str) -> Outcome {
        self.cli_with_input(words(line), "")
    }

    fn cli_with_input(&self, args: Vec<String>, input: &str) -> Outcome {
        let line = [self.argv.clone(), args].concat();
        self.room.run_with_input(&line, input)
    }

    /// One command still to be started, for a terminal.
    fn command(&self, args: Vec<String>) -> Command {
        self.room.enter(&[self.argv.clone(), args].concat())
    }

    /// The arguments of `run`, without a network: making one would be most
    /// of the time, and not the runtime's.
    fn arguments(&self, options: &str, command: Vec<String>) -> Vec<String> {
        let run = format!("run {} --network none {options}", self.options);
        let image = format!("{run} {}", image::NAME);
        [words(&image), command].concat()
    }

    /// `run --rm OPTIONS IMAGE COMMAND`.
    fn run(&self, options: &str, command: &str) -> Outcome {
        let options = format!("--rm {options}");
        self.cli_with_input(self.arguments(&options, words(command)), "")
    }

    /// A shell script in a container with these options.
    fn sh(&self, options: &str, script: &str) -> Outcome {
        let options = format!("--rm {options}");
        self.cli_with_input(self.arguments(&options, shell(script)), "")
    }

    /// Starts a detached container of this name, which is kept.
    #[track_caller]
    fn background(&self, name: &str, options: &str, script: &str) {
        let options = format!("-d --name {name} {options}");
        let args = self.arguments(&options, shell(script));
        self.cli_with_input(args, "").code(0);
    }

    /// A shell script in a running container.
    fn exec(&self, name: &str, script: &str) -> Outcome {
        let args = [words("exec"), vec![name.to_owned()], shell(script)].concat();
        self.cli_with_input(args, "")
    }

    /// One field of `inspect`, as a template names it.
    #[track_caller]
    fn inspect(&self, name: &str, field: &str) -> String {
        self.cli(&format!("inspect --format '{{{{{field}}}}}' {name}"))
            .ok()
    }

    /// The limits of a container's cgroup.
    fn limits(&self, name: &str) -> Limits {
        let id = self.inspect(name, ".Id");
        let prefix = self.cgroup_prefix;
        self.room.cgroups().limits(&format!("{prefix}{id}"))
    }

    /// True when the engine knows that the container was out of memory.
    /// podman 4.3 looks for its monitor's note in the wrong place, but the
    /// note itself, a file in the directory where podman was run, is there.
    fn noticed_out_of_memory(&self, name: &str) -> bool {
        self.inspect(name, ".State.OOMKilled") == "true" || self.room.path("home/oom").exists()
    }

    /// Waits until the container's log has the text: its script got so far.
    #[track_caller]
    fn wait_for_log(&self, name: &str, text: &str) {
        let mut log = String::new();
        let there = wait_until(Duration::from_secs(20), || {
            log = self.cli(&format!("logs {name}")).stdout;
            log.contains(text)
        });
        assert!(there, "no {text:?} in the log of {name}: {log:?}");
    }

    /// The exit code of a container that ends soon.
    #[track_caller]
    fn wait(&self, name: &str) -> String {
        self.cli(&format!("wait {name}")).ok()
    }

    /// A new file in the room with this text; its path.
    fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.room.path(name), text).expect("write a file");
        self.room.text(name)
    }

    /// A new folder in the room that everyone may write to; its path.
    fn folder(&self, name: &str) -> String {
        let path = self.room.text(name);
        self.room.run(&format!("mkdir -m 777 {path}")).code(0);
        path
    }
}

fn shell(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

/// One field of what /proc/PID/status shows.
fn status_field(status: &str, field: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let value = line.unwrap_or_else(|| panic!("no {field} in {status:?}"));
    value.trim_start_matches(':').trim().to_owned()
}

/// The capabilities both engines give by default, as a mask.
const DEFAULT_CAPABILITIES: u64 = 0xa804_25fb;

/// A script that just stays.
const STAY: &str = "while :; do sleep 1000; done";
/// A script that stays and minds its signals.
const LISTEN: &str = "echo up; while :; do sleep 0.1; done";
