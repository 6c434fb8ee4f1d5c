//! What is mounted: the kernel's own file systems, the files made for this
//! container, and what was asked for.
//!
//! The kernel's come first and in Docker's order. `/dev` is memory, so that
//! nothing of the image can pose as a device; `/sys` and the cgroups are read-only,
//! because what is written there changes the machine; `/dev/pts`, `/dev/mqueue`
//! and `/dev/shm` show the container's own namespaces. What was asked for
//! replaces a default at the same place, and goes from the shallow to the deep,
//! so that nothing is covered by what should lie around it.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::Mount as OciMount;

use super::namespaces::owns_network;
use super::{HostFacts, INIT_PATH, Inputs, owners, process, tmpfs, volume_key};
use crate::container::{Config, IdMap, Mount, MountKind, Sharing};
use crate::error::{Error, Result};

/// Bytes of `/dev/shm`, which the kernel would let be half of all memory.
const SHM_SIZE: u64 = 64 << 20;

/// All mounts, in the order they are made.
pub(super) fn mounts(i: &Inputs<'_>) -> Result<Vec<OciMount>> {
    let mut asked = i
        .config
        .mounts
        .iter()
        .map(|m| of_config(m, i))
        .collect::<Result<Vec<_>>>()?;
    check_targets(&asked)?;
    let is_asked = |path: &Path| asked.iter().any(|m| m.destination() == path);
    let mut all = defaults(i)?;
    let dev = Path::new("/dev");
    all.retain(|m| {
        let at = m.destination();
        !(is_asked(at) || is_asked(dev) && at.starts_with(dev))
    });
    if process::has_init(i.config) && is_asked(dev) {
        return Err(
            Error::user("--init and a mount at /dev cannot be had together")
                .hint("the first process is shown there, and would be made in what is mounted"),
        );
    }
    let made = files(i).into_iter().filter(|m| !is_asked(m.destination()));
    let made: Vec<_> = made.collect();
    asked.extend(made);
    asked.sort_by_key(|m| m.destination().components().count());
    all.extend(asked);
    if process::has_init(i.config) {
        all.push(bind(
            &i.host.init,
            INIT_PATH,
            &["bind", "ro", "nosuid", "nodev"],
        ));
    }
    Ok(all)
}

fn mount(target: impl Into<PathBuf>, kind: &str, source: &str, options: &[&str]) -> OciMount {
    let mut mount = OciMount::default();
    mount
        .set_destination(target.into())
        .set_typ(Some(kind.to_owned()))
        .set_source(Some(PathBuf::from(source)))
        .set_options(Some(options.iter().map(|o| (*o).to_owned()).collect()));
    mount
}

fn bind(source: &Path, target: impl Into<PathBuf>, options: &[&str]) -> OciMount {
    let mut mount = mount(target, "bind", "", options);
    mount.set_source(Some(source.to_owned()));
    mount
}

/// The kernel's own file systems.
fn defaults(i: &Inputs<'_>) -> Result<Vec<OciMount>> {
    let quiet = ["nosuid", "noexec", "nodev"];
    let mut all = vec![
        mount("/proc", "proc", "proc", &quiet),
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        terminals(i),
        sys(i),
        cgroups(i),
    ];
    all.extend(ipc(i)?);
    Ok(all)
}

/// 5 is the group tty nearly everywhere; a small user namespace may lack it.
fn terminals(i: &Inputs<'_>) -> OciMount {
    let mut options = vec![
        "nosuid",
        "noexec",
        "newinstance",
        "ptmxmode=0666",
        "mode=0620",
    ];
    if i.config.isolation.userns.is_none_or(|(_, count)| count > 5) {
        options.push("gid=5");
    }
    mount("/dev/pts", "devpts", "devpts", &options)
}

/// sysfs shows the network it is mounted in, and only whoever has power over
/// that network may mount it. Else the host's is shown, read-only.
fn sys(i: &Inputs<'_>) -> OciMount {
    if !owns_network(i) {
        let options = [
            "rbind", "nosuid", "noexec", "nodev", "ro", "rro", "rprivate",
        ];
        return bind(Path::new("/sys"), "/sys", &options);
    }
    let options = ["nosuid", "noexec", "nodev", "ro"];
    let writable = usize::from(i.config.isolation.privileged);
    mount(
        "/sys",
        "sysfs",
        "sysfs",
        &options[..options.len() - writable],
    )
}

/// Read-only, or a container could lift its own limits (CVE-2023-25809) and,
/// with version 1, have the host run a program (CVE-2022-0492).
fn cgroups(i: &Inputs<'_>) -> OciMount {
    let options = ["nosuid", "noexec", "nodev", "ro"];
    let writable = usize::from(i.config.isolation.privileged);
    let options = &options[..options.len() - writable];
    mount("/sys/fs/cgroup", "cgroup", "cgroup", options)
}

/// Queues and shared memory go with the IPC namespace: its own, the host's,
/// or another container's. Mounting mqueue gives the queues of the namespace
/// one is in; shared memory is a file system like any other.
fn ipc(i: &Inputs<'_>) -> Result<Vec<OciMount>> {
    let quiet = ["nosuid", "noexec", "nodev"];
    let shared = ["rbind", "rprivate", "nosuid", "noexec", "nodev"];
    let queues = mount("/dev/mqueue", "mqueue", "mqueue", &quiet);
    let shm = |source: &Path| bind(source, "/dev/shm", &shared);
    Ok(match (&i.config.isolation.ipc, &i.namespaces.shm) {
        (Sharing::Host, _) => {
            let theirs = bind(Path::new("/dev/mqueue"), "/dev/mqueue", &shared);
            let theirs = i.host.mqueue.then_some(theirs);
            theirs
                .into_iter()
                .chain([shm(Path::new("/dev/shm"))])
                .collect()
        }
        (Sharing::Container(_), Some(theirs)) => vec![queues, shm(theirs)],
        (Sharing::Container(id), None) => {
            let id = id.short();
            let e = format!("nobody looked up the /dev/shm of container {id}");
            return Err(Error::internal(e));
        }
        (Sharing::Private, _) => {
            let bytes = i.config.resources.shm_size.unwrap_or(SHM_SIZE);
            let size = format!("size={bytes}");
            let options = ["nosuid", "noexec", "nodev", "mode=1777", &size];
            vec![queues, mount("/dev/shm", "tmpfs", "shm", &options)]
        }
    })
}

/// The files that name the container and its neighbours. They are writable,
/// as Docker's are: programs edit `/etc/hosts` and expect it to work.
fn files(i: &Inputs<'_>) -> Vec<OciMount> {
    let options: &[&str] = if i.config.isolation.read_only {
        &["rbind", "ro", "rprivate"]
    } else {
        &["rbind", "rprivate"]
    };
    let list = [
        (&i.files.resolv_conf, "/etc/resolv.conf"),
        (&i.files.hostname, "/etc/hostname"),
        (&i.files.hosts, "/etc/hosts"),
    ];
    list.into_iter()
        .filter_map(|(source, target)| Some(bind(source.as_deref()?, target, options)))
        .collect()
}

fn check_targets(asked: &[OciMount]) -> Result<()> {
    let mut taken = HashSet::new();
    for mount in asked {
        let target = mount.destination();
        if !taken.insert(target) {
            let target = target.display();
            return Err(Error::user(format!("Duplicate mount point: {target}")));
        }
    }
    Ok(())
}

fn of_config(asked: &Mount, i: &Inputs<'_>) -> Result<OciMount> {
    let target = target(&asked.target)?;
    let source = match &asked.kind {
        MountKind::Tmpfs(options) => return tmpfs::mount(target, options, asked),
        MountKind::Bind { source, .. } => absolute_source(source)?,
        MountKind::Volume { name, subpath, .. } => {
            let key = volume_key(name, subpath.as_deref());
            found(i.volumes.get(&key), "volume", &key)?
        }
        MountKind::Image { reference, .. } => {
            found(i.images.get(&asked.target), "image", reference)?
        }
    };
    let options = BindOptions::read(asked, i.host)
        .map_err(|e| e.context(format!("mount {}", target.display())))?;
    let mut mount = bind(&source, target, &options.words(asked));
    let mapped = i.host.mapped.contains(&asked.target);
    let own = mapped.then(IdMap::default);
    if let Some(map) = options.owners.as_ref().or(own.as_ref()) {
        owners::show(&mut mount, map, &asked.target, i)?;
    }
    Ok(mount)
}

fn found(place: Option<&PathBuf>, what: &str, name: &str) -> Result<PathBuf> {
    let missing = || Error::internal(format!("nobody looked up {what} {name:?}"));
    place.cloned().ok_or_else(missing)
}

fn absolute_source(source: &Path) -> Result<PathBuf> {
    if source.is_absolute() {
        return Ok(source.to_owned());
    }
    let source = source.display();
    Err(Error::user(format!(
        "invalid mount path: {source:?}: mount path must be absolute"
    )))
}

/// The target without `.` and `..`, so that the same place is known as such.
fn target(path: &Path) -> Result<PathBuf> {
    if !path.is_absolute() {
        let path = path.display();
        return Err(Error::user(format!(
            "invalid mount path: {path:?}: mount path must be absolute"
        )));
    }
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => {
                out.pop();
            }
            _ => {}
        }
    }
    if out == Path::new("/") {
        return Err(Error::user(
            "invalid specification: destination can't be '/'",
        ));
    }
    Ok(out)
}

/// Words that are about a mount and not about what is in it.
const FLAGS: &[&str] = &[
    "nosuid",
    "suid",
    "nodev",
    "dev",
    "noexec",
    "exec",
    "noatime",
    "atime",
    "relatime",
    "norelatime",
    "strictatime",
    "nodiratime",
    "diratime",
    "nosymfollow",
];

/// How mounts made later travel between the host and the container.
const PROPAGATION: &[&str] = &[
    "private", "rprivate", "shared", "rshared", "slave", "rslave",
];

/// What the options of a bind mount or volume say.
#[derive(Debug, Default)]
struct BindOptions<'a> {
    flags: Vec<&'a str>,
    propagation: Option<&'a str>,
    read_only: bool,
    /// Must a read-only mount be so all the way down, or must it not?
    deep: Option<bool>,
    /// Under which owners the files are shown.
    owners: Option<IdMap>,
}

impl<'a> BindOptions<'a> {
    fn read(asked: &'a Mount, host: &HostFacts) -> Result<Self> {
        let mut all = Self {
            read_only: asked.read_only || matches!(asked.kind, MountKind::Image { .. }),
            ..Self::default()
        };
        for word in &asked.options {
            all.take(word, asked, host)?;
        }
        Ok(all)
    }

    fn take(&mut self, word: &'a str, asked: &Mount, host: &HostFacts) -> Result<()> {
        let volume = matches!(asked.kind, MountKind::Volume { .. });
        if let Some(map) = IdMap::parse(word) {
            self.owners = Some(map?);
            return Ok(());
        }
        match word {
            "ro" | "readonly" => self.read_only = true,
            // Whether the image's files are copied into an empty volume, and
            // how Docker Desktop caches: nothing that a mount could say.
            "copy" | "nocopy" if volume => {}
            "" | "rw" | "cached" | "delegated" | "consistent" | "bind-recursive=enabled" => {}
            "z" | "Z" if !host.selinux => {}
            "z" | "Z" => {
                return Err(
                    Error::user(format!("option {word:?}: files are not relabelled"))
                        .hint("label them with chcon before"),
                );
            }
            "bind-recursive=readonly" => self.deep = Some(true),
            "bind-recursive=writable" => self.deep = Some(false),
            _ if FLAGS.contains(&word) => self.flags.push(word),
            _ if PROPAGATION.contains(&word) => {
                if self.propagation.replace(word).is_some() {
                    return Err(Error::user("more than one kind of propagation"));
                }
            }
            _ => return Err(Error::user(format!("invalid mode: {word}"))),
        }
        Ok(())
    }

    /// In the specification's words. Mounts below a read-only one are made
    /// read-only as well: "read-only" that holds for the first file system only
    /// has surprised too many people.
    fn words(&self, asked: &Mount) -> Vec<&str> {
        let nested = !matches!(
            asked.kind,
            MountKind::Bind {
                recursive: false,
                ..
            }
        );
        let mut words = vec![if nested { "rbind" } else { "bind" }];
        if self.read_only {
            words.push("ro");
            if nested && self.deep != Some(false) {
                words.push("rro");
            }
        }
        words.extend(&self.flags);
        words.push(self.propagation.unwrap_or("rprivate"));
        words
    }
}

/// A mount can only pass on what the mounts above it pass on, so one shared
/// bind makes the root shared, and one slave makes it a slave.
pub(super) fn rootfs_propagation(config: &Config) -> Option<String> {
    let words = || config.mounts.iter().flat_map(|m| &m.options);
    let has = |kind: &str| words().any(|w| w.strip_prefix('r').unwrap_or(w) == kind);
    if has("shared") {
        return Some("shared".to_owned());
    }
    has("slave").then(|| "rslave".to_owned())
}
