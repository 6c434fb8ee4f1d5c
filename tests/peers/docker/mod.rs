//! Docker: a private dockerd, and what its users ask of a runtime.
//!
//! Here is how the daemon is started; the checks are in the files below, one
//! per kind of question.

mod containers;
mod exec;
mod isolation;
mod limits;
mod terminal;
mod userns;

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cgroups::Limits;
use crate::checks::{self, Check};
use crate::image;
use crate::needs;
use crate::outcome::Outcome;
use crate::room::{self, Room, wait_until};

const NEEDS: &[&str] = &[
    "containerd",
    "docker",
    "docker-init",
    "dockerd",
    "iptables",
    "ps",
];

/// A dockerd with a containerd of its own, in a room.
pub(crate) struct Docker {
    room: Room,
}

impl Docker {
    /// Starts both daemons and imports the image; `None` where it cannot be.
    fn start(extra: &[&str]) -> Option<Self> {
        if !needs::met(&[room::NEEDS, NEEDS].concat()) {
            return None;
        }
        let docker = Docker { room: Room::open() };
        crate::containerd::start(&docker.room);
        docker.start_dockerd(extra);
        let layer = image::layer(&docker.room).display().to_string();
        docker
            .cli(&["import", "--change", "ENV PATH=/bin", &layer, image::NAME])
            .ok();
        Some(docker)
    }

    fn start_dockerd(&self, extra: &[&str]) {
        fs::write(self.room.path("daemon.json"), self.configuration()).expect("write daemon.json");
        let mut argv = vec![
            "dockerd".to_owned(),
            "--config-file".to_owned(),
            self.room.text("daemon.json"),
        ];
        argv.extend(extra.iter().map(|&arg| arg.to_owned()));
        self.room.start_daemon(&argv, |_| self.answers());
    }

    fn configuration(&self) -> String {
        let text = |name| self.room.text(name);
        let configuration = json!({
            "data-root": text("docker"),
            "exec-root": text("docker-exec"),
            "pidfile": text("dockerd.pid"),
            "hosts": [self.address()],
            "containerd": crate::containerd::address(&self.room),
            "runtimes": {"rcon": {"path": self.room.runtime()}},
            "default-runtime": "rcon",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": format!("/{}", self.room.name()),
            // The default is a lower score, which asks for CAP_SYS_RESOURCE.
            "oom-score-adjust": 0,
        });
        configuration.to_string()
    }

    fn address(&self) -> String {
        format!("unix://{}", self.room.text("docker.sock"))
    }

    fn answers(&self) -> bool {
        self.room.path("docker.sock").exists() && self.cli(&["version"]).code == 0
    }

    fn argv<'a>(address: &'a str, args: &[&'a str]) -> Vec<&'a str> {
        [&["docker", "--host", address], args].concat()
    }

    /// `docker …` to its end.
    fn cli(&self, args: &[&str]) -> Outcome {
        self.room.run(&Self::argv(&self.address(), args))
    }

    /// `docker …` still to be started, for a terminal.
    fn command(&self, args: &[&str]) -> Command {
        self.room.enter(&Self::argv(&self.address(), args))
    }

    /// `docker run --rm OPTIONS IMAGE COMMAND`, without a network: making
    /// one would be most of the time.
    fn run(&self, options: &[&str], command: &[&str]) -> Outcome {
        let start = &["run", "--rm", "--network", "none"];
        self.cli(&[start, options, &[image::NAME], command].concat())
    }

    /// A shell script in a container with these options.
    fn sh(&self, options: &[&str], script: &str) -> Outcome {
        self.run(options, &["sh", "-c", script])
    }

    /// Starts a detached container of this name, which is kept.
    fn background(&self, name: &str, options: &[&str], script: &str) {
        let start = &["run", "-d", "--name", name, "--network", "none"];
        let end = &[image::NAME, "sh", "-c", script];
        self.cli(&[start, options, end].concat()).code(0);
    }

    /// One field of `docker inspect`, as a template writes it.
    fn inspect(&self, name: &str, field: &str) -> String {
        let format = format!("{{{{{field}}}}}");
        self.cli(&["inspect", "--format", &format, name]).ok()
    }

    /// The limits of a container's cgroup.
    fn limits(&self, name: &str) -> Limits {
        self.room.cgroups().limits(&self.inspect(name, ".Id"))
    }

    /// Waits until the container's log has the text: its script got so far.
    #[track_caller]
    fn wait_for_log(&self, name: &str, text: &str) {
        let mut log = String::new();
        let there = wait_until(Duration::from_secs(20), || {
            log = self.cli(&["logs", name]).stdout;
            log.contains(text)
        });
        assert!(there, "no {text:?} in the log of {name}: {log:?}");
    }

    /// The exit code of a container that ends soon.
    fn wait(&self, name: &str) -> String {
        self.cli(&["wait", name]).ok()
    }
}

/// One field of /proc/self/status of the program run.
fn status_field(status: &str, field: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let value = line.unwrap_or_else(|| panic!("no {field} in {status:?}"));
    value.trim_start_matches(':').trim().to_owned()
}

/// The JSON a command printed.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text:?}"))
}

fn check(options_of_the_daemon: &[&str], lists: &[&[Check<Docker>]]) {
    if let Some(docker) = Docker::start(options_of_the_daemon) {
        checks::run(&docker, &lists.concat());
    }
}

#[test]
fn docker_containers() {
    check(&[], &[containers::CHECKS]);
}

#[test]
fn docker_exec_and_terminals() {
    check(&[], &[exec::CHECKS, terminal::CHECKS]);
}

#[test]
fn docker_limits() {
    check(&[], &[limits::CHECKS]);
}

#[test]
fn docker_isolation() {
    check(&[], &[isolation::CHECKS]);
}

#[test]
fn docker_userns_remap() {
    check(&["--userns-remap", "nobody"], &[userns::CHECKS]);
}
