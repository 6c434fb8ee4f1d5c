//! What this kernel, this host and the bundle are like. Read-only.
//!
//! Planning is pure: whatever it must know of the world is observed here
//! first and handed to it as a value. Facts go stale the moment they are
//! read, so nothing that security depends on is decided by them alone:
//! [`crate::run`] checks again on the descriptor it acts on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Mount, Spec};

use crate::cgroup::layout::Layout;
use crate::cgroup::ops;
use crate::error::{Context, Error, Result};
use crate::plan::{Namespace, Overlay};
use crate::sys::identity::{self, CapSet};
use crate::sys::read_kernel_file;

/// What a path is, links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A directory.
    Directory,
    /// Anything else.
    File,
}

/// The host as far as starting a container depends on it.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Our effective user and group.
    pub ids: (u32, u32),
    /// Our effective capabilities.
    pub caps: CapSet,
    /// The highest capability this kernel knows.
    pub last_cap: u32,
    /// Whether `AppArmor` is on.
    pub apparmor: bool,
    /// Whether `SELinux` is on.
    pub selinux: bool,
    /// Where the cgroup controllers are.
    pub cgroups: Layout,
    /// The setuid helpers that write id maps for an ordinary user.
    pub map_helpers: Option<(PathBuf, PathBuf)>,
}

/// What a bundle refers to on the host.
#[derive(Debug, Clone, Default)]
pub struct BundleFacts {
    /// The bundle itself, absolute.
    pub bundle: PathBuf,
    /// The root file system, absolute and without links.
    pub rootfs: PathBuf,
    /// What is laid over each other as the root, if it is not simply that
    /// directory; this is then laid at it.
    pub overlay: Option<Overlay>,
    /// What the sources of bind mounts are; those that do not exist are absent.
    pub sources: BTreeMap<PathBuf, FileKind>,
}

impl Facts {
    /// Whether we may mount, which decides which process opens what.
    pub fn may_mount(&self) -> bool {
        self.has("CAP_SYS_ADMIN")
    }

    /// Whether we are not root, and so do without cgroups where we may make none.
    pub fn is_ordinary_user(&self) -> bool {
        self.ids.0 != 0
    }

    /// Whether a capability is in force.
    pub fn has(&self, name: &str) -> bool {
        CapSet::bit(name).is_some_and(|bit| self.caps.0 & bit != 0)
    }
}

/// Looks at the host.
pub fn observe() -> Result<Facts> {
    Ok(Facts {
        ids: identity::effective_ids(),
        caps: identity::effective(),
        last_cap: last_cap(),
        apparmor: fs::read("/sys/module/apparmor/parameters/enabled")
            .is_ok_and(|on| on.first() == Some(&b'Y')),
        selinux: Path::new("/sys/fs/selinux/enforce").exists(),
        cgroups: ops::observe()?,
        map_helpers: map_helpers(),
    })
}

fn last_cap() -> u32 {
    // Where the file is missing, the highest capability rcon itself knows: it
    // is better to try to drop one too many than one too few.
    let text = read_kernel_file("/proc/sys/kernel/cap_last_cap".as_ref()).unwrap_or_default();
    text.trim().parse().map_or(40, |n: u32| n.min(63))
}

fn map_helpers() -> Option<(PathBuf, PathBuf)> {
    let find = |name: &str| {
        ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin"]
            .iter()
            .map(|dir| Path::new(dir).join(name))
            .find(|p| p.exists())
    };
    Some((find("newuidmap")?, find("newgidmap")?))
}

/// Looks at what the bundle refers to.
pub fn observe_bundle(bundle: &Path, spec: &Spec) -> Result<BundleFacts> {
    let bundle = fs::canonicalize(bundle)
        .context(|| format!("the bundle {} cannot be opened", bundle.display()))?;
    let Some(root) = spec.root() else {
        return Err(Error::user("config.json: root: missing")
            .hint("a bundle needs a root file system: \"root\": {\"path\": \"rootfs\"}"));
    };
    let rootfs = observe_rootfs(&bundle.join(root.path()))?;
    Ok(observe_sources(&bundle, &rootfs, spec))
}

/// Looks at what is mounted into the container. `bundle` is absolute, and
/// `rootfs` is known to be a directory.
pub fn observe_sources(bundle: &Path, rootfs: &Path, spec: &Spec) -> BundleFacts {
    let mut facts = BundleFacts {
        bundle: bundle.to_owned(),
        rootfs: rootfs.to_owned(),
        ..BundleFacts::default()
    };
    for mount in spec.mounts().iter().flatten().filter(|m| is_bind(m)) {
        let Some(source) = mount.source() else {
            continue;
        };
        let path = facts.bundle.join(source);
        if let Ok(meta) = fs::metadata(&path) {
            let kind = if meta.is_dir() {
                FileKind::Directory
            } else {
                FileKind::File
            };
            facts.sources.insert(path, kind);
        }
    }
    facts
}

/// Whether a mount shows something of the host's: all others have sources that
/// are mere names.
fn is_bind(mount: &Mount) -> bool {
    let is = |word: &str| word == "bind" || word == "rbind";
    let asked = mount.options().as_deref().unwrap_or_default();
    mount.typ().as_deref().is_some_and(is) || asked.iter().any(|word| is(word))
}

fn observe_rootfs(path: &Path) -> Result<PathBuf> {
    let named = || format!("config.json: root.path: {}", path.display());
    let real = fs::canonicalize(path).context(named)?;
    if !real.is_dir() {
        return Err(Error::user("not a directory").context(named()));
    }
    if real == Path::new("/") {
        return Err(Error::user("the host's own root cannot be a container's").context(named()));
    }
    Ok(real)
}

/// The namespaces of process `pid` that are not our own.
pub fn foreign_namespaces(pid: i32) -> Result<Vec<Namespace>> {
    let mut foreign = Vec::new();
    for kind in Namespace::ALL {
        let name = kind.proc_name();
        let theirs = format!("/proc/{pid}/ns/{name}");
        let theirs = match fs::read_link(&theirs) {
            Ok(link) => link,
            // A kernel without this kind of namespace.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(Error::from(e).context(format!("cannot read {theirs}"))),
        };
        if fs::read_link(format!("/proc/self/ns/{name}")).ok() != Some(theirs) {
            foreign.push(kind);
        }
    }
    Ok(foreign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bind_mounts_have_sources() {
        let spec: Spec = serde_json::from_str(
            r#"{"ociVersion": "1.2.0", "mounts": [
                {"destination": "/a", "type": "proc", "source": "dev"},
                {"destination": "/b", "type": "bind", "source": "dev"},
                {"destination": "/c", "source": "/dev/null", "options": ["ro", "rbind"]},
                {"destination": "/d", "type": "bind", "source": "none"}
            ]}"#,
        )
        .unwrap();
        let facts = observe_sources(Path::new("/"), Path::new("/"), &spec);
        let found: Vec<_> = facts.sources.into_iter().collect();
        let want = [("/dev", FileKind::Directory), ("/dev/null", FileKind::File)];
        assert_eq!(found, want.map(|(path, kind)| (path.into(), kind)));
        let only_proc = spec.mounts().iter().flatten().next().cloned();
        assert!(!is_bind(&only_proc.unwrap()));
    }
}
