//! Where a container's cgroups are: one directory in each hierarchy.
//!
//! `linux.cgroupsPath` is one path for all trees. An absolute one counts from
//! each mount, a relative or missing one from where we are ourselves.
//! [`CgroupPaths`] is what comes of it, and is saved with the container so
//! that later commands need not work it out again (they may well run in
//! another cgroup). Nothing here touches a file system.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{Hierarchy, Layout, Mode, Version};
use crate::error::{Error, Result};

/// What the names of cgroups of `rcon run` begin with, in front of the id. They
/// lie right below each mount: one to share would have to be made by the first
/// container and removed by the last, in each hierarchy, and that costs as much
/// again as the container's own.
pub const OWN_PREFIX: &str = "rcon-";

/// The container's directory in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupDir {
    /// v1 or v2.
    pub version: Version,
    /// The controllers of this tree (v2: those the root of the tree offers).
    pub controllers: Vec<String>,
    /// The name of a v1 tree without controllers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the tree is mounted.
    pub mount: PathBuf,
    /// The directory below the mount, without a leading slash.
    pub path: String,
    /// Whether we made the directory, and so may remove it.
    #[serde(default)]
    pub made: bool,
}

/// All of a container's cgroup directories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupPaths {
    /// What the machine looked like.
    pub mode: Mode,
    /// v1 hierarchies first, then the v2 one.
    pub dirs: Vec<CgroupDir>,
}

impl CgroupPaths {
    /// The cgroups as they will be made, for whoever has to clean up when
    /// their maker is killed.
    #[must_use]
    pub fn expected(&self) -> Self {
        let mut paths = self.clone();
        for dir in &mut paths.dirs {
            dir.made = !dir.full().exists();
        }
        paths
    }

    /// Works out the directories for `linux.cgroupsPath` (empty when absent).
    pub fn plan(layout: &Layout, cgroups_path: &str, container_id: &str) -> Result<Self> {
        let place = Place::parse(cgroups_path, container_id)?;
        let dirs = layout
            .hierarchies
            .iter()
            .map(|h| dir_in(h, layout.mode, &place));
        Ok(Self {
            mode: layout.mode,
            dirs: dirs.collect::<Result<_>>()?,
        })
    }

    /// The directory whose tree has `controller`.
    pub fn find(&self, controller: &str) -> Option<&CgroupDir> {
        self.dirs.iter().find(|d| d.has(controller))
    }

    /// The directory in the v2 tree.
    pub fn v2(&self) -> Option<&CgroupDir> {
        self.dirs.iter().find(|d| d.version == Version::V2)
    }
}

impl CgroupDir {
    /// Whether this tree has `controller`.
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|c| c == controller)
    }

    /// The directory from the root of the file system, for messages and for
    /// people; we open it step by step from the mount instead.
    pub fn full(&self) -> PathBuf {
        self.mount.join(&self.path)
    }

    /// The names from the mount down.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.path.split('/').filter(|c| !c.is_empty())
    }
}

/// A parsed `linux.cgroupsPath`.
struct Place {
    from: From,
    parts: Vec<String>,
}

/// Where a path counts from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// The mount of each tree.
    Mount,
    /// Our own cgroup.
    Ourselves,
    /// The same, but any other place will do: none was asked for.
    Anywhere,
}

impl Place {
    fn parse(cgroups_path: &str, container_id: &str) -> Result<Self> {
        refuse_systemd_form(cgroups_path)?;
        let parts = clean(match cgroups_path {
            "" => container_id,
            path => path,
        })?;
        if parts.is_empty() {
            return Err(field_error(
                cgroups_path,
                "names the root of the tree, not a cgroup in it",
            ));
        }
        let from = match cgroups_path {
            "" => From::Anywhere,
            path if path.starts_with('/') => From::Mount,
            _ => From::Ourselves,
        };
        Ok(Self { from, parts })
    }
}

/// `slice:prefix:name` asks systemd to make the cgroup, which needs its bus.
fn refuse_systemd_form(path: &str) -> Result<()> {
    if path.starts_with('/') || path.split(':').count() != 3 {
        return Ok(());
    }
    Err(field_error(path, "is in systemd's slice:prefix:name form")
        .hint("rcon makes cgroups itself: choose the cgroupfs cgroup driver in the caller"))
}

/// The path's parts with `.` and `..` resolved by name alone; a `..` that
/// would leave the tree is refused, not quietly clamped.
fn clean(path: &str) -> Result<Vec<String>> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts
                    .pop()
                    .ok_or_else(|| field_error(path, "climbs out of its tree"))?;
            }
            p if p.contains(['\n', '\0']) => {
                return Err(field_error(path, "has a line break or NUL in it"));
            }
            p => parts.push(p.to_owned()),
        }
    }
    Ok(parts)
}

fn field_error(path: &str, why: &str) -> Error {
    Error::user(format!("linux.cgroupsPath {path:?} {why}"))
}

fn dir_in(h: &Hierarchy, mode: Mode, place: &Place) -> Result<CgroupDir> {
    let mut path = match (place.from, start_of_relative(h, mode)) {
        // Where a mount shows a part of the tree that we are not in, no path
        // counts from us; one that need not counts from what can be seen.
        (From::Mount, _) | (From::Anywhere, Err(_)) => String::new(),
        (_, start) => start?,
    };
    for part in &place.parts {
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(part);
    }
    Ok(CgroupDir {
        version: h.version,
        controllers: h.controllers.clone(),
        name: h.name.clone(),
        mount: h.mount.clone(),
        path,
        made: false,
    })
}

/// Our own cgroup; but where v2 has the controllers, its parent. A v2 cgroup
/// with processes in it (ours has at least us) cannot hand controllers to
/// cgroups below it, so the container must stand beside us.
fn start_of_relative(h: &Hierarchy, mode: Mode) -> Result<String> {
    let own = h.own_below_mount()?;
    if mode != Mode::Unified || h.version == Version::V1 {
        return Ok(own);
    }
    let parent = Path::new(&own).parent().unwrap_or(Path::new(""));
    Ok(parent.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hybrid() -> Layout {
        let mounts = "\
23 1 254:0 / / rw,relatime - ext4 /dev/vda rw
32 23 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
35 23 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
40 23 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
41 23 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";
        Layout::parse(
            mounts,
            "9:name=systemd:/\n4:memory:/a/b\n2:cpu:/\n0::/s/t\n",
        )
    }

    fn full(layout: &Layout, path: &str) -> Vec<String> {
        let paths = CgroupPaths::plan(layout, path, "id1").unwrap();
        paths
            .dirs
            .iter()
            .map(|d| d.full().display().to_string())
            .collect()
    }

    fn refusal(path: &str) -> String {
        CgroupPaths::plan(&hybrid(), path, "id1")
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn absolute_path_counts_from_every_mount() {
        assert_eq!(
            full(&hybrid(), "/docker//./id"),
            [
                "/sys/fs/cgroup/systemd/docker/id",
                "/sys/fs/cgroup/memory/docker/id",
                "/sys/fs/cgroup/cpu/docker/id",
                "/sys/fs/cgroup/unified/docker/id",
            ]
        );
    }

    #[test]
    fn relative_path_counts_from_our_own_cgroup() {
        let dirs = full(&hybrid(), "x/y");
        assert_eq!(dirs[1], "/sys/fs/cgroup/memory/a/b/x/y");
        assert_eq!(dirs[3], "/sys/fs/cgroup/unified/s/t/x/y");
    }

    #[test]
    fn missing_path_is_the_container_id() {
        let dirs = full(&hybrid(), "");
        assert_eq!(dirs[1], "/sys/fs/cgroup/memory/a/b/id1");
        assert_eq!(dirs[2], "/sys/fs/cgroup/cpu/id1");
    }

    #[test]
    fn relative_path_on_pure_v2_stands_beside_us() {
        let mounts = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let l = Layout::parse(mounts, "0::/user.slice/a.scope\n");
        assert_eq!(full(&l, ""), ["/sys/fs/cgroup/user.slice/id1"]);
        let l = Layout::parse(mounts, "0::/\n");
        assert_eq!(full(&l, "x"), ["/sys/fs/cgroup/x"]);
    }

    #[test]
    fn dots_resolve_by_name_and_never_leave_the_tree() {
        assert_eq!(full(&hybrid(), "/a/../b")[2], "/sys/fs/cgroup/cpu/b");
        assert!(refusal("/../x").contains("climbs out"));
        assert!(refusal("../x").contains("climbs out"));
        assert!(refusal("a/../../x").contains("climbs out"));
    }

    /// As where a container's own cgroup mount covers the host's.
    #[test]
    fn only_a_relative_path_needs_our_own_place() {
        let mounts = "\
23 1 254:0 / / rw,relatime - ext4 /dev/vda rw
35 23 0:32 /elsewhere /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
";
        let layout = Layout::parse(mounts, "4:memory:/a/b\n");
        assert_eq!(full(&layout, "/x"), ["/sys/fs/cgroup/memory/x"]);
        assert_eq!(full(&layout, ""), ["/sys/fs/cgroup/memory/id1"]);
        let e = CgroupPaths::plan(&layout, "x", "id1").unwrap_err();
        assert!(e.to_string().contains("/elsewhere"), "{e}");
    }

    #[test]
    fn root_of_the_tree_is_refused() {
        assert!(refusal("/").contains("root of the tree"));
        assert!(refusal("a/..").contains("root of the tree"));
    }

    #[test]
    fn systemd_form_is_refused_with_advice() {
        let e = refusal("system.slice:docker:1234");
        assert!(
            e.contains("slice:prefix:name") && e.contains("cgroupfs"),
            "{e}"
        );
        assert_eq!(full(&hybrid(), "/a:b:c")[2], "/sys/fs/cgroup/cpu/a:b:c");
    }

    #[test]
    fn survives_the_state_file() {
        let mut paths = CgroupPaths::plan(&hybrid(), "/a", "id").unwrap();
        paths.dirs[0].made = true;
        let json = serde_json::to_string(&paths).unwrap();
        assert_eq!(serde_json::from_str::<CgroupPaths>(&json).unwrap(), paths);
    }

    proptest! {
        #[test]
        fn no_path_escapes(path in "[./a:]{0,12}") {
            if let Ok(paths) = CgroupPaths::plan(&hybrid(), &path, "id") {
                for d in paths.dirs {
                    prop_assert!(d.components().all(|c| c != ".." && c != "."));
                    prop_assert!(d.components().next().is_some());
                    prop_assert!(!d.path.starts_with('/'));
                }
            }
        }
    }
}
