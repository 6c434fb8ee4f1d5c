//! Finding a container's cgroup in whichever hierarchies this machine has, so
//! that one test states a limit and reads it back on v1, v2 and hybrid.

use super::host::{self, Mount};
use std::fs;
use std::path::{Path, PathBuf};

/// One mounted cgroup hierarchy.
#[derive(Debug, Clone)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub at: PathBuf,
    /// The controllers it holds.
    pub controllers: Vec<String>,
    /// The unified hierarchy, or one of version 1.
    pub v2: bool,
}

/// Every cgroup hierarchy mounted on the host.
pub fn hierarchies() -> Vec<Hierarchy> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    host::parse_mountinfo(&text)
        .into_iter()
        .filter_map(hierarchy)
        .collect()
}

fn hierarchy(mount: Mount) -> Option<Hierarchy> {
    let at = PathBuf::from(mount.point);
    match mount.fs.as_str() {
        "cgroup" => Some(Hierarchy {
            at,
            controllers: mount.super_options,
            v2: false,
        }),
        "cgroup2" => {
            let names = fs::read_to_string(at.join("cgroup.controllers")).unwrap_or_default();
            Some(Hierarchy {
                controllers: names.split_whitespace().map(str::to_owned).collect(),
                at,
                v2: true,
            })
        }
        _ => None,
    }
}

/// The hierarchy a controller lives in. `freezer` and `devices` are built into
/// version 2 rather than listed by it.
pub fn controller(name: &str) -> Option<Hierarchy> {
    let all = hierarchies();
    let listed = all
        .iter()
        .find(|h| h.controllers.iter().any(|c| c == name))
        .cloned();
    let built_in = matches!(name, "freezer" | "devices");
    listed.or_else(|| all.into_iter().find(|h| h.v2 && built_in))
}

/// Where the cgroup `path` is in the controller's hierarchy.
#[track_caller]
pub fn dir_of(name: &str, path: &str) -> PathBuf {
    let found = controller(name).unwrap_or_else(|| panic!("no controller {name}"));
    found.at.join(path.trim_start_matches('/'))
}

/// Reads the file that holds a limit under either version's name.
#[track_caller]
pub fn read(name: &str, path: &str, v1: &str, v2: &str) -> String {
    let found = controller(name).unwrap_or_else(|| panic!("no controller {name}"));
    let file = found
        .at
        .join(path.trim_start_matches('/'))
        .join(if found.v2 { v2 } else { v1 });
    let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    text.trim().to_owned()
}

/// Every cgroup directory, in any hierarchy, whose name begins with `prefix`.
pub fn named(prefix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for hierarchy in hierarchies() {
        collect(&hierarchy.at, prefix, DEPTH, &mut found);
    }
    found
}

/// How far below a hierarchy's root a runtime may have put a container: its
/// own root, a slice, a service, or a nested path that a test asked for.
const DEPTH: u32 = 4;

fn collect(dir: &Path, prefix: &str, depth: u32, found: &mut Vec<PathBuf>) {
    for child in subdirectories(dir) {
        let name = child.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(prefix) {
            found.push(child);
        } else if depth > 1 {
            collect(&child, prefix, depth - 1, found);
        }
    }
}

fn subdirectories(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
        .map(|e| e.path())
        .collect()
}

/// The processes in a cgroup and everything below it.
pub fn processes(dir: &Path) -> Vec<i32> {
    let own = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    let mut pids: Vec<i32> = own.lines().filter_map(|l| l.parse().ok()).collect();
    for child in subdirectories(dir) {
        pids.extend(processes(&child));
    }
    pids
}

/// Lets a frozen cgroup run again, without which its processes cannot die.
pub fn thaw(dir: &Path) {
    let _ = fs::write(dir.join("freezer.state"), "THAWED");
    let _ = fs::write(dir.join("cgroup.freeze"), "0");
    for child in subdirectories(dir) {
        thaw(&child);
    }
}

/// Removes a cgroup and everything below it, deepest first.
pub fn remove(dir: &Path) {
    for child in subdirectories(dir) {
        remove(&child);
    }
    let _ = fs::remove_dir(dir);
}
