//! Which cgroup hierarchies this machine has, and where we are in each.
//!
//! Linux has had two generations of cgroups. In v1 each controller (memory,
//! cpu, …) may have a tree of its own, mounted apart; in v2 there is one tree
//! for all. A *hybrid* machine has both: controllers that v1 mounts hold are
//! gone from the v2 tree. [`Layout::parse`] works all of that out from the
//! text of `/proc/self/mountinfo` and `/proc/self/cgroup`. Nothing here reads
//! or writes a file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Where cgroups are mounted by long custom.
pub const USUAL_MOUNT: &str = "/sys/fs/cgroup";

/// Which generation of cgroups a hierarchy belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// One of several trees, each with its own controllers.
    V1,
    /// The one tree for everything.
    V2,
}

/// What the machine as a whole looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// No cgroup file system is mounted.
    Absent,
    /// Only v1.
    Legacy,
    /// v1 controllers, and a v2 tree beside them.
    Hybrid,
    /// v2 for everything (a stray v1 tree such as `net_cls` may exist).
    Unified,
}

/// One mounted tree of cgroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// v1 or v2.
    pub version: Version,
    /// v1: the controllers bound to this tree. v2: those it offers, once
    /// [`Layout::with_v2_controllers`] has told.
    pub controllers: Vec<String>,
    /// A named v1 tree without controllers, as `systemd` in `name=systemd`.
    pub name: Option<String>,
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Which cgroup of the tree that mount shows: `/` on a host, something
    /// deeper inside a container.
    pub root: String,
    /// The cgroup we are in, as the kernel names it.
    pub own: String,
}

/// Every hierarchy there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// v1 trees in the order of `/proc/self/cgroup`, then v2.
    pub hierarchies: Vec<Hierarchy>,
    /// The picture they make together.
    pub mode: Mode,
}

impl Layout {
    /// Reads the two texts; a line that makes no sense is passed over, as a
    /// newer kernel may well have something to add.
    pub fn parse(mountinfo: &str, self_cgroup: &str) -> Self {
        let mounts = cgroup_mounts(mountinfo);
        let mut hierarchies: Vec<_> = self_cgroup
            .lines()
            .filter_map(Membership::parse)
            .filter_map(|m| m.find(&mounts))
            .collect();
        hierarchies.sort_by_key(|h| h.version == Version::V2);
        let mode = mode_of(&hierarchies);
        Self { hierarchies, mode }
    }

    /// Adds what `cgroup.controllers` at the v2 mount says.
    #[must_use]
    pub fn with_v2_controllers(mut self, listed: &str) -> Self {
        if let Some(v2) = self
            .hierarchies
            .iter_mut()
            .find(|h| h.version == Version::V2)
        {
            v2.controllers = listed.split_whitespace().map(str::to_owned).collect();
        }
        self
    }

    /// The tree that has `controller`; v1 comes first because a controller
    /// that v1 holds does not work in v2.
    pub fn find(&self, controller: &str) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|h| h.has(controller))
    }

    /// The v2 tree, on a unified or hybrid machine.
    pub fn v2(&self) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|h| h.version == Version::V2)
    }
}

impl Hierarchy {
    fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|c| c == controller)
    }

    /// Our own cgroup here as a path below the mount, without a leading slash.
    pub fn own_below_mount(&self) -> Result<String> {
        let root = self.root.trim_end_matches('/');
        match self.own.strip_prefix(root) {
            // Outside our cgroup namespace the kernel writes `/../x`.
            Some(rest)
                if !rest.split('/').any(|c| c == "..")
                    && (rest.is_empty() || rest.starts_with('/')) =>
            {
                Ok(rest.trim_start_matches('/').to_owned())
            }
            _ => Err(Error::environment(format!(
                "our own cgroup {} is not below what {} shows ({})",
                self.own,
                self.mount.display(),
                self.root
            ))
            .hint("give an absolute linux.cgroupsPath")),
        }
    }
}

fn mode_of(hierarchies: &[Hierarchy]) -> Mode {
    let v1 = hierarchies
        .iter()
        .any(|h| h.version == Version::V1 && !h.controllers.is_empty());
    let v2 = hierarchies.iter().find(|h| h.version == Version::V2);
    match (v1, v2) {
        (_, Some(h)) if h.mount == Path::new(USUAL_MOUNT) => Mode::Unified,
        (false, Some(_)) => Mode::Unified,
        (true, Some(_)) => Mode::Hybrid,
        (true, None) => Mode::Legacy,
        (false, None) => Mode::Absent,
    }
}

/// One line of `/proc/self/cgroup`: `4:memory:/a/b`, `9:name=systemd:/`, `0::/`.
struct Membership<'a> {
    what: &'a str,
    path: &'a str,
}

impl<'a> Membership<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (_, rest) = line.split_once(':')?;
        let (what, path) = rest.split_once(':')?;
        path.starts_with('/').then_some(Self { what, path })
    }

    fn find(&self, mounts: &[Mount<'_>]) -> Option<Hierarchy> {
        let mount = best(mounts.iter().filter(|m| m.holds(self.what)))?;
        let name = self.what.strip_prefix("name=").map(str::to_owned);
        let controllers = match name {
            Some(_) => Vec::new(),
            None => self
                .what
                .split(',')
                .filter(|c| !c.is_empty())
                .map(str::to_owned)
                .collect(),
        };
        Some(Hierarchy {
            version: if self.what.is_empty() {
                Version::V2
            } else {
                Version::V1
            },
            controllers,
            name,
            mount: PathBuf::from(unescape(mount.point)),
            root: unescape(mount.root),
            own: self.path.to_owned(),
        })
    }
}

/// The same tree may be mounted in several places: the usual place first,
/// then the mount that shows most of the tree.
fn best<'a, 'b>(found: impl Iterator<Item = &'a Mount<'b>>) -> Option<&'a Mount<'b>>
where
    'b: 'a,
{
    found.min_by_key(|m| (!Path::new(m.point).starts_with(USUAL_MOUNT), m.root.len()))
}

/// A line of mountinfo, the fields we need.
#[derive(Debug, Clone, Copy)]
struct Mount<'a> {
    id: u64,
    parent: u64,
    root: &'a str,
    point: &'a str,
    fs: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ');
        let mut right = right.split(' ');
        Some(Self {
            id: left.next()?.parse().ok()?,
            parent: left.next()?.parse().ok()?,
            root: left.nth(1)?,
            point: left.next()?,
            fs: right.next()?,
            options: right.nth(1)?,
        })
    }

    /// Whether this mounts the tree that `/proc/self/cgroup` calls `what`.
    fn holds(&self, what: &str) -> bool {
        match (self.fs, what) {
            ("cgroup2", "") => true,
            ("cgroup", w) if !w.is_empty() => w
                .split(',')
                .all(|c| self.options.split(',').any(|o| o == c)),
            _ => false,
        }
    }
}

fn cgroup_mounts(mountinfo: &str) -> Vec<Mount<'_>> {
    let all: Vec<_> = mountinfo.lines().filter_map(Mount::parse).collect();
    let cgroups = all.iter().filter(|m| m.fs == "cgroup" || m.fs == "cgroup2");
    cgroups.filter(|m| is_visible(m, &all)).copied().collect()
}

/// Whether the mount point still leads to this mount. A private cgroup2
/// mounted over `/sys/fs/cgroup` leaves the old mounts listed but out of
/// reach, so the path is walked as the kernel would walk it.
fn is_visible(mount: &Mount<'_>, all: &[Mount<'_>]) -> bool {
    let is_root =
        |m: &&Mount<'_>| m.point == "/" && !all.iter().any(|p| p.id == m.parent && p.id != m.id);
    let Some(mut at) = all.iter().find(is_root) else {
        return true;
    };
    for prefix in prefixes(mount.point) {
        let over = |at: &Mount<'_>| {
            all.iter()
                .find(|m| m.parent == at.id && m.id != at.id && m.point == prefix)
        };
        while let Some(top) = over(at) {
            at = top;
        }
    }
    at.id == mount.id
}

/// `/`, `/a` and `/a/b` for `/a/b`.
fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(i, _)| i).skip(1);
    let inner = ends.chain([path.len()]).map(|end| &path[..end]);
    std::iter::once("/").chain(inner)
}

/// mountinfo writes blanks and backslashes as three octal digits.
fn unescape(field: &str) -> String {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.get(..3).and_then(|d| std::str::from_utf8(d).ok());
        match octal.and_then(|d| u8::from_str_radix(d, 8).ok()) {
            Some(byte) if first == b'\\' => {
                out.push(byte);
                rest = &tail[3..];
            }
            _ => {
                out.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests;
