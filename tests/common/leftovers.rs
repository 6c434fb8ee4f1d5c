//! What a container could leave behind on the host, how to find it without
//! asking the runtime, and how to take it away when the runtime did not.

use super::{cgroups, host};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Traces are looked for by directory and by the ids that begin with its name.
pub struct Traces<'a> {
    /// The directory that holds the bundles and the runtime's root.
    pub dir: &'a Path,
}

impl Traces<'_> {
    /// A line for everything found; none is what a test wants.
    pub fn list(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut say = |what: &str, which: String| found.push(format!("{what} {which}"));
        for at in self.mounts() {
            say("mount", at);
        }
        for dir in self.cgroups() {
            say("cgroup", dir.display().to_string());
        }
        for pid in self.processes() {
            say("process", describe(pid));
        }
        for dir in self.state_dirs() {
            say("state", dir.display().to_string());
        }
        found
    }

    /// The dash matters: bed 1 must not take bed 12 for its own.
    fn cgroups(&self) -> Vec<PathBuf> {
        let name = self.dir.file_name().unwrap_or_default().to_string_lossy();
        cgroups::named(&format!("{name}-"))
    }

    /// Mount points below the directory, newest first.
    fn mounts(&self) -> Vec<String> {
        let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let all = host::parse_mountinfo(&text).into_iter().rev();
        all.map(|m| m.point)
            .filter(|p| Path::new(p).starts_with(self.dir))
            .collect()
    }

    /// What the runtime keeps about containers: directories under its root.
    pub fn state_dirs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir.join("root")).into_iter().flatten();
        let paths = entries.flatten().map(|e| e.path());
        paths.filter(|p| p.is_dir()).collect()
    }

    /// Processes in a container's cgroup, with a container's root directory,
    /// or that were started with the bed's name in sight.
    fn processes(&self) -> BTreeSet<i32> {
        let in_cgroups = self.cgroups();
        let mut pids: BTreeSet<i32> = in_cgroups
            .iter()
            .flat_map(|dir| cgroups::processes(dir))
            .collect();
        let roots = self.root_file_systems();
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let all = all.filter_map(|e| e.file_name().to_str()?.parse().ok());
        pids.extend(all.filter(|pid| self.is_ours(*pid, &roots)));
        pids.remove(&(std::process::id() as i32));
        pids
    }

    fn root_file_systems(&self) -> Vec<(u64, u64)> {
        let entries = fs::read_dir(self.dir).into_iter().flatten().flatten();
        entries
            .filter_map(|e| host::identity(&e.path().join("rootfs")))
            .collect()
    }

    fn is_ours(&self, pid: i32, roots: &[(u64, u64)]) -> bool {
        let base = PathBuf::from(format!("/proc/{pid}"));
        let inside = host::identity(&base.join("root")).is_some_and(|i| roots.contains(&i));
        let name = self.dir.file_name().unwrap_or_default().as_encoded_bytes();
        let names_us = |file: &str| {
            let text = fs::read(base.join(file)).unwrap_or_default();
            text.windows(name.len() + 1)
                .any(|w| w.starts_with(name) && !w[name.len()].is_ascii_digit())
        };
        let cwd = fs::read_link(base.join("cwd")).unwrap_or_default();
        inside || cwd.starts_with(self.dir) || names_us("cmdline") || names_us("environ")
    }

    /// Ends, unmounts and removes whatever [`Traces::list`] would find.
    pub fn remove(&self) {
        host::becomes_true(Duration::from_secs(5), || {
            let groups = self.cgroups();
            for dir in &groups {
                cgroups::thaw(dir);
            }
            let pids = self.processes();
            for pid in &pids {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            for dir in &groups {
                cgroups::remove(dir);
            }
            pids.is_empty() && self.cgroups().is_empty()
        });
        for at in self.mounts() {
            let _ = umount2(Path::new(&at), MntFlags::MNT_DETACH);
        }
        // Never through a mount that would not go: its files are not ours.
        if self.mounts().is_empty() {
            let _ = fs::remove_dir_all(self.dir);
        }
    }
}

fn describe(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    format!("{pid} ({})", line.trim())
}
