//! The cgroup module against the real kernel: on a hybrid machine, with v1
//! controllers and a v2 tree beside them, or on one with v2 alone. Every cgroup
//! is named `rcon-test-<pid>-…` and removed by a guard, also when a test fails.
//!
//! They need root and one of these. Without, they say so and pass, unless
//! `RCON_TEST_MUST_RUN=1` or `CI=true` is set: then a skip is a failure. What
//! is about one of the two says so, and is passed over on the other in any
//! case: a machine has one of them.

mod devices;
mod handing_down;
mod limits;
mod making;
mod processes;

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rcon::cgroup::layout::{Layout, Mode, Version};
use rcon::cgroup::limits::limits as plan_limits;
use rcon::cgroup::ops::{self, Cgroup, Permission, destroy};
use rcon::cgroup::paths::{CgroupDir, CgroupPaths};

/// The layout, if it is one with v1's controllers.
fn hybrid() -> Option<Layout> {
    of_mode(Mode::Hybrid)
}

/// The layout, if there is v2 alone.
fn unified() -> Option<Layout> {
    of_mode(Mode::Unified)
}

fn of_mode(mode: Mode) -> Option<Layout> {
    let found = layout()?;
    if found.mode == mode {
        return Some(found);
    }
    eprintln!("skipped: this is about {mode:?} cgroups");
    None
}

/// The layout, if these tests can run here.
fn layout() -> Option<Layout> {
    let wanted = |v: &str| std::env::var(v).is_ok_and(|v| v == "1" || v == "true");
    let reason = match ops::observe() {
        _ if !nix::unistd::geteuid().is_root() => "not root".to_owned(),
        Ok(l) if matches!(l.mode, Mode::Hybrid | Mode::Unified) => return Some(l),
        Ok(l) => format!("cgroups are {:?} here", l.mode),
        Err(e) => e.to_string(),
    };
    assert!(
        !wanted("RCON_TEST_MUST_RUN") && !wanted("CI"),
        "this test must run, but: {reason}"
    );
    eprintln!("skipped: {reason}");
    None
}

/// A container's cgroups and processes, removed at the end.
struct Guard {
    cgroup: Cgroup,
    children: Vec<Child>,
}

impl Guard {
    fn new(layout: &Layout, name: &str) -> Self {
        Self::on(layout, name, |_| true)
    }

    /// With the hierarchies that `keep` chooses only.
    fn on(layout: &Layout, name: &str, keep: impl Fn(&CgroupDir) -> bool) -> Self {
        let mut paths = plan(layout, name);
        paths.dirs.retain(keep);
        Self {
            cgroup: Cgroup::create(paths, Permission::Required).unwrap(),
            children: Vec::new(),
        }
    }

    fn apply(&self, layout: &Layout, resources: &str) {
        let resources = serde_json::from_str(resources).unwrap();
        self.cgroup
            .apply(&plan_limits(&resources, layout).unwrap())
            .unwrap();
    }

    /// The trimmed text of a file in `controller`'s directory.
    fn read(&self, controller: &str, file: &str) -> String {
        let dir = self.cgroup.paths().find(controller).unwrap().full();
        std::fs::read_to_string(dir.join(file))
            .unwrap()
            .trim()
            .to_owned()
    }

    /// A shell that moves itself in before it starts.
    fn shell(&mut self, script: &str) -> &mut Child {
        let joiner = self.cgroup.joiner(false).unwrap();
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // SAFETY: between fork and exec `join` only writes to open files; it
        // allocates nothing and takes no lock.
        unsafe {
            command.pre_exec(move || {
                joiner
                    .join()
                    .map_err(|f| std::io::Error::from_raw_os_error(f.to_raw().1))
            });
        }
        self.children.push(command.spawn().unwrap());
        self.children.last_mut().unwrap()
    }

    /// What a shell in the container prints.
    fn output(&mut self, script: &str) -> String {
        let mut text = String::new();
        let child = self.shell(script);
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        child.wait().unwrap();
        text.trim().to_owned()
    }

    fn reap(&mut self) {
        for mut child in self.children.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let killed = self.cgroup.kill(Signal::SIGKILL);
        // If that failed, nobody may stay frozen, or reaping waits for ever.
        let _ = self.cgroup.thaw();
        self.reap();
        let destroyed = destroy(self.cgroup.paths());
        if !std::thread::panicking() {
            killed.unwrap();
            destroyed.unwrap();
        }
    }
}

fn name(name: &str) -> String {
    format!("/rcon-test-{}-{name}", std::process::id())
}

fn plan(layout: &Layout, test: &str) -> CgroupPaths {
    CgroupPaths::plan(layout, &name(test), "unused").unwrap()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "waited in vain: {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// CPU time a busy process has had, in clock ticks.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
