//! Looks at the host, for [`HostFacts`]. Reads only what one container's
//! configuration makes necessary: most name no device and are not privileged,
//! and looking takes time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{HostFacts, Node, NodeKind};
use crate::cgroup::layout::{Layout, Version};
use crate::container::{Config, Isolation};
use crate::error::{Context, Error, Result};
use crate::facts::Facts;
use crate::seccomp::Arch;
use crate::sys::identity::CapSet;
use crate::sys::read_kernel_file;

/// Directories of devices are not this deep.
const DEEPEST: usize = 8;

impl HostFacts {
    /// What is to be known for this container. `init` is where rcon's own
    /// binary can be mounted from.
    pub fn observe(config: &Config, facts: &Facts, init: PathBuf) -> Result<Self> {
        let isolation = &config.isolation;
        let hostname = read_kernel_file("/proc/sys/kernel/hostname".as_ref()).unwrap_or_default();
        let devices = if isolation.privileged {
            nodes_of(Path::new("/dev"))?.unwrap_or_default()
        } else {
            Vec::new()
        };
        Ok(Self {
            kernel: kernel()?,
            arch: Arch::native()?,
            grantable: grantable(isolation, facts),
            hostname: hostname.trim().to_owned(),
            cpus: config.resources.nano_cpus.map_or(0, |_| cpus()),
            swap_accounting: swap_accounting(&facts.cgroups),
            apparmor: facts.apparmor,
            selinux: facts.selinux,
            devices,
            nodes: named_nodes(config)?,
            mqueue: Path::new("/dev/mqueue").exists(),
            thermal_throttle: thermal_throttle(),
            owners: BTreeMap::new(),
            cdi: Vec::new(),
            mapped: BTreeSet::new(),
            init,
        })
    }
}

fn cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u32)
}

/// Version 2 shows limits in the groups below its root only; where there are
/// none yet, the kernel is taken to be an ordinary one.
fn swap_accounting(layout: &Layout) -> bool {
    let Some(memory) = layout.find("memory") else {
        return false;
    };
    if memory.version == Version::V1 {
        return memory.mount.join("memory.memsw.limit_in_bytes").exists();
    }
    let groups = fs::read_dir(&memory.mount).into_iter().flatten();
    let mut limited = groups
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|group| group.join("memory.max").exists());
    limited
        .next()
        .is_none_or(|group| group.join("memory.swap.max").exists())
}

/// Root of a new user namespace has every capability in it.
fn grantable(isolation: &Isolation, facts: &Facts) -> CapSet {
    if isolation.userns.is_some() {
        return CapSet(u64::MAX >> (63 - facts.last_cap.min(63)));
    }
    facts.caps
}

fn kernel() -> Result<(u32, u32)> {
    let path = "/proc/sys/kernel/osrelease";
    let text = read_kernel_file(path.as_ref()).context(|| format!("cannot read {path}"))?;
    parse_kernel(&text)
        .ok_or_else(|| Error::environment(format!("{path}: {:?} is no version", text.trim())))
}

/// `6.1.0-18-amd64` is 6.1.
fn parse_kernel(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The devices that the configuration speaks about. One that is not there is
/// left out, and told by whoever needs it.
fn named_nodes(config: &Config) -> Result<BTreeMap<PathBuf, Vec<Node>>> {
    let r = &config.resources;
    let rates = [
        &r.device_read_bps,
        &r.device_write_bps,
        &r.device_read_iops,
        &r.device_write_iops,
    ];
    let devices = config.isolation.devices.iter().map(|d| &d.source);
    let weights = r.blkio_weight_device.iter().map(|d| &d.path);
    let rates = rates.into_iter().flatten().map(|d| &d.path);
    let all = devices.chain(weights).chain(rates);
    let seen = all.map(|path| Ok(nodes_of(path)?.map(|nodes| (path.clone(), nodes))));
    seen.filter_map(Result::transpose).collect()
}

/// The node at `path`, links followed; or for a directory, those in it. None:
/// there is nothing.
fn nodes_of(path: &Path) -> Result<Option<Vec<Node>>> {
    let mut found = Vec::new();
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => walk(path, 0, &mut found)?,
        Ok(meta) => found.extend(node(path, &meta)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::from(e).context(path.display())),
    }
    Ok(Some(found))
}

/// Links are left out: what they lead to stands under its own name.
fn walk(dir: &Path, depth: usize, found: &mut Vec<Node>) -> Result<()> {
    let entries = fs::read_dir(dir).context(|| dir.display())?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        // Devices come and go; one that has just gone is none.
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        if meta.is_dir() && depth < DEEPEST {
            walk(&path, depth + 1, found)?;
        } else {
            found.extend(node(&path, &meta));
        }
    }
    Ok(())
}

fn node(path: &Path, meta: &Metadata) -> Option<Node> {
    let typ = meta.file_type();
    let kind = if typ.is_char_device() {
        NodeKind::Character
    } else if typ.is_block_device() {
        NodeKind::Block
    } else {
        return None;
    };
    Some(Node {
        path: path.to_owned(),
        kind,
        major: libc::major(meta.rdev()),
        minor: libc::minor(meta.rdev()),
        mode: meta.mode() & 0o777,
        uid: meta.uid(),
        gid: meta.gid(),
    })
}

fn thermal_throttle() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/sys/devices/system/cpu") else {
        return Vec::new();
    };
    let is_cpu = |name: &str| {
        let number = name.strip_prefix("cpu").unwrap_or_default();
        number.starts_with(|c: char| c.is_ascii_digit())
    };
    let mut all: Vec<PathBuf> = entries
        .flatten()
        .filter(|e| e.file_name().to_str().is_some_and(is_cpu))
        .map(|e| e.path().join("thermal_throttle"))
        .filter(|path| path.is_dir())
        .collect();
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_kernels() {
        for (text, want) in [
            ("6.1.0-18-amd64\n", Some((6, 1))),
            ("5.4-rc1", Some((5, 4))),
            ("6.18.5+", Some((6, 18))),
            ("6", None),
            ("", None),
        ] {
            assert_eq!(parse_kernel(text), want, "{text:?}");
        }
    }

    #[test]
    fn nodes_are_what_they_are() {
        let nodes = |path: &str| nodes_of(Path::new(path)).unwrap();
        let null = nodes("/dev/null").unwrap();
        assert_eq!((null[0].major, null[0].minor), (1, 3));
        assert_eq!(null[0].kind, NodeKind::Character);
        let all = nodes("/dev").unwrap();
        assert!(all.contains(&null[0]));
        assert_eq!(nodes("/etc/passwd"), Some(Vec::new()));
        assert_eq!(nodes("/no/such"), None);
    }
}
