//! cgroups with mkdir and echo.

use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxDeviceCgroup;

use super::quote::{quote, quote_path};
use crate::cgroup::devices::DeviceList;
use crate::cgroup::layout::{Mode, Version};
use crate::cgroup::limits::{OnMissing, OnRefusal, Write};
use crate::cgroup::paths::{CgroupDir, CgroupPaths};

/// A text into a file of the kernel's, in one write.
pub(super) fn write(text: &str, file: &Path) -> String {
    format!("printf '%s\\n' {} > {}", quote(text), quote_path(file))
}

/// The directories. Only the last of each path is ours to remove again, and
/// must not have been there before.
pub(super) fn create(paths: &CgroupPaths) -> Vec<String> {
    paths
        .dirs
        .iter()
        .flat_map(|d| create_one(d, paths.mode))
        .collect()
}

fn create_one(dir: &CgroupDir, mode: Mode) -> Vec<String> {
    let mut lines = Vec::new();
    let mut at = dir.mount.clone();
    let count = dir.components().count();
    for (i, name) in dir.components().enumerate() {
        if mode == Mode::Unified && dir.version == Version::V2 {
            lines.push(hand_down(&at));
        }
        at.push(name);
        let quoted = quote_path(&at);
        if i + 1 == count {
            lines.push(format!("mkdir {quoted}"));
            lines.push(format!("set -- \"$@\" {quoted}"));
        } else {
            lines.push(format!("mkdir -p {quoted}"));
        }
        if dir.version == Version::V1 && dir.has("cpuset") {
            lines.extend(["cpuset.cpus", "cpuset.mems"].map(|file| inherit(&at, file)));
        }
    }
    lines
}

/// On version 2 a cgroup has the controllers its parent hands down.
fn hand_down(dir: &Path) -> String {
    let (offered, given) = (
        dir.join("cgroup.controllers"),
        dir.join("cgroup.subtree_control"),
    );
    let (offered, given) = (quote_path(&offered), quote_path(&given));
    format!("for c in $(cat {offered}); do echo \"+$c\" 2> /dev/null > {given} || :; done")
}

/// A new cpuset of version 1 has no processor and no memory.
fn inherit(dir: &Path, file: &str) -> String {
    let own = quote_path(&dir.join(file));
    let above = quote_path(&dir.parent().unwrap_or(dir).join(file));
    format!("[ -n \"$(cat {own})\" ] || cat {above} > {own}")
}

/// Limits, in order; those that may clash with an older value go again after
/// the last of their controller.
pub(super) fn limits(writes: &[Write], paths: &CgroupPaths) -> Vec<String> {
    let mut lines = Vec::new();
    for group in writes.chunk_by(|a, b| a.controller == b.controller) {
        for w in group {
            let mut line = limit(w, paths);
            if w.on_refusal == OnRefusal::Later {
                line = format!("{{ {line}; }} 2> /dev/null || :");
            }
            lines.push(line);
        }
        let again = group.iter().filter(|w| w.on_refusal == OnRefusal::Later);
        lines.extend(again.map(|w| limit(w, paths)));
    }
    lines
}

fn limit(w: &Write, paths: &CgroupPaths) -> String {
    let dir = match w.controller.as_ref() {
        "cgroup" => paths.v2(),
        controller => paths.find(controller),
    };
    let file = dir.map_or_else(PathBuf::new, CgroupDir::full).join(&w.file);
    let line = write(&w.value, &file);
    let there = format!("[ -e {} ]", quote_path(&file));
    match &w.on_missing {
        OnMissing::Fail => line,
        OnMissing::Skip => format!("if {there}; then {line}; fi"),
        OnMissing::Instead(other) => {
            format!("if {there}; then {line}; else {}; fi", limit(other, paths))
        }
    }
}

/// Device rules where version 1 has the controller; `None` where only a
/// program in the kernel could do it.
pub(super) fn devices(rules: &[LinuxDeviceCgroup], paths: &CgroupPaths) -> Option<Vec<String>> {
    let dir = paths.find("devices").filter(|d| d.version == Version::V1)?;
    // The planner has compiled the same rules already.
    let list = DeviceList::compile(rules).ok()?;
    // A text that is no list means: nothing is known, start afresh.
    let writes = list.writes("?");
    Some(
        writes
            .iter()
            .map(|w| write(&w.value, &dir.full().join(&w.file)))
            .collect(),
    )
}

/// Moves a process; 0 is the one that writes.
pub(super) fn join(paths: &CgroupPaths, process: &str) -> Vec<String> {
    let files = paths.dirs.iter().map(|d| d.full().join("cgroup.procs"));
    files
        .map(|f| format!("echo {process} > {}", quote_path(&f)))
        .collect()
}
