//! `mounts` of the bundle: from the entries of `config.json` to steps.

use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::Mount;

use super::action::{
    Action, Filesystem, IdRange, MountFlags, Propagation, PropagationKind, Slot, Target,
};
use super::options::MountOptions;
use super::{Container, id_ranges};
use crate::cgroup::layout::{Hierarchy, Layout, Mode, Version};
use crate::cgroup::paths::CgroupDir;
use crate::error::{Error, Result};
use crate::facts::FileKind;

/// Actions with the reason for each.
pub(super) type Explained = Vec<(Action, &'static str)>;

/// One entry of `mounts`, understood.
#[derive(Debug)]
pub(super) struct MountEntry {
    index: usize,
    kind: Kind,
    target: Target,
    options: MountOptions,
}

#[derive(Debug)]
enum Kind {
    Copy {
        source: PathBuf,
        owners: Option<(Vec<IdRange>, Vec<IdRange>)>,
    },
    New {
        fstype: String,
        source: String,
    },
    Cgroup,
    Remount,
}

/// Files of procfs that other tools legitimately replace with their own view
/// (lxcfs does); anything else below `/proc` would let an image lie to rcon.
const PROC_FILES: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/net/dev",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];

/// Understands all entries of `mounts`.
pub(super) fn entries(c: &Container<'_>) -> Result<Vec<MountEntry>> {
    let list = c.spec.mounts().iter().flatten().enumerate();
    list.map(|(i, m)| entry(c, i, m).map_err(|e| e.context(format!("config.json: mounts[{i}]"))))
        .collect()
}

fn entry(c: &Container<'_>, index: usize, mount: &Mount) -> Result<MountEntry> {
    let words = mount.options().as_deref().unwrap_or_default();
    let mut options = MountOptions::parse(words);
    let fstype = mount.typ().as_deref().unwrap_or("none");
    options.bind |= fstype == "bind" || fstype == "rbind";
    options.recursive |= fstype == "rbind";
    let path = destination(mount.destination())?;
    let owners = owners(c, mount, &options)?;
    let (kind, file) = if options.bind {
        options.check_bind(owners.is_some())?;
        copied(c, mount, owners)?
    } else if owners.is_some() {
        return Err(Error::user(
            "only a bind mount can show files under other owners",
        ));
    } else if options.remount {
        (Kind::Remount, false)
    } else if fstype == "cgroup" || fstype == "cgroup2" {
        (Kind::Cgroup, false)
    } else {
        (new(fstype, mount)?, false)
    };
    check_below_proc(&path, &kind)?;
    let no_links =
        matches!(&kind, Kind::New { fstype, .. } if fstype == "proc" || fstype == "sysfs");
    let target = Target {
        path,
        file,
        no_links,
    };
    Ok(MountEntry {
        index,
        kind,
        target,
        options,
    })
}

/// The destination as an absolute path without `.` and `..`.
///
/// A relative one is taken from the root, as older bundles expect.
fn destination(path: &Path) -> Result<PathBuf> {
    if path.as_os_str().is_empty() {
        return Err(Error::user("destination: empty"));
    }
    Ok(inside(path))
}

/// A path as it reads from the container's root, where `..` cannot leave it.
pub(super) fn inside(path: &Path) -> PathBuf {
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
    out
}

fn copied(
    c: &Container<'_>,
    mount: &Mount,
    owners: Option<(Vec<IdRange>, Vec<IdRange>)>,
) -> Result<(Kind, bool)> {
    let Some(source) = mount.source() else {
        return Err(Error::user("source: missing, and a bind mount needs one"));
    };
    let source = c.bundle.bundle.join(source);
    let Some(kind) = c.bundle.sources.get(&source) else {
        return Err(Error::user(format!(
            "source: {}: no such file or directory",
            source.display()
        )));
    };
    let file = *kind == FileKind::File;
    Ok((Kind::Copy { source, owners }, file))
}

fn new(fstype: &str, mount: &Mount) -> Result<Kind> {
    if fstype == "none" || fstype.is_empty() {
        return Err(Error::user("type: missing")
            .hint("a bind mount says so in its options: \"bind\" or \"rbind\""));
    }
    let source = mount.source().as_ref();
    let source = source.map_or_else(|| fstype.to_owned(), |s| s.display().to_string());
    Ok(Kind::New {
        fstype: fstype.to_owned(),
        source,
    })
}

fn owners(
    c: &Container<'_>,
    mount: &Mount,
    options: &MountOptions,
) -> Result<Option<(Vec<IdRange>, Vec<IdRange>)>> {
    let given = |list: &Option<Vec<_>>| list.as_deref().map(id_ranges).unwrap_or_default();
    let (uids, gids) = (given(mount.uid_mappings()), given(mount.gid_mappings()));
    match (uids.is_empty(), gids.is_empty(), options.idmap) {
        (false, false, _) => Ok(Some((uids, gids))),
        (true, true, None) => Ok(None),
        (true, true, Some(_)) if !c.uids.is_empty() => Ok(Some((c.uids.clone(), c.gids.clone()))),
        (true, true, Some(_)) => Err(Error::user("idmap without uidMappings and gidMappings")
            .hint("give both, or a user namespace whose mappings can be used")),
        _ => Err(Error::user("uidMappings and gidMappings go together")),
    }
}

fn check_below_proc(path: &Path, kind: &Kind) -> Result<()> {
    let proc = Path::new("/proc");
    let is_procfs = match kind {
        Kind::New { fstype, .. } => fstype == "proc",
        Kind::Copy { source, .. } => source == proc,
        Kind::Cgroup | Kind::Remount => false,
    };
    let known = PROC_FILES.iter().any(|f| path == Path::new(f));
    let remount = matches!(kind, Kind::Remount);
    if !path.starts_with(proc) || remount || known || (path == proc && is_procfs) {
        return Ok(());
    }
    Err(Error::user(format!(
        "destination: nothing but procfs itself may be mounted at {}",
        path.display()
    ))
    .hint("what a container sees below /proc must come from the kernel"))
}

impl MountEntry {
    /// What this entry needs of the host before the container's namespaces
    /// are made, while its source can still be reached.
    pub(super) fn open(&self, propagation: Option<Propagation>) -> Explained {
        let Kind::Copy { source, owners } = &self.kind else {
            return Vec::new();
        };
        let slot = Slot::Source(self.index);
        let mut steps = vec![(
            Action::OpenSource {
                slot,
                path: source.clone(),
                recursive: self.options.recursive,
                propagation,
            },
            "taken while the host's files are in reach, and looked up only once, so that nobody \
             can swap it",
        )];
        if let Some((uids, gids)) = owners.clone() {
            let recursive = self.options.idmap == Some(true);
            let action = Action::MapOwners {
                slot,
                uids,
                gids,
                recursive,
            };
            steps.push((
                action,
                "the files keep their owners on disk and show others inside",
            ));
        }
        steps
    }

    /// Whether this puts something of the host's over `/dev`.
    pub(super) fn replaces_dev(&self) -> bool {
        matches!(self.kind, Kind::Copy { .. }) && self.target.path == Path::new("/dev")
    }

    /// Whether it becomes read-only only at the end: other mounts and nodes
    /// may yet need a place in it.
    fn closes_late(&self) -> bool {
        let Kind::New { fstype, .. } = &self.kind else {
            return false;
        };
        let read_only = self.options.flags.set & libc::MOUNT_ATTR_RDONLY != 0;
        read_only && (fstype == "tmpfs" || self.target.path == Path::new("/dev"))
    }

    /// The step that makes it read-only at last.
    pub(super) fn close(&self) -> Option<Action> {
        self.closes_late().then(|| Action::Remount {
            target: self.target.clone(),
            flags: MountFlags::set(libc::MOUNT_ATTR_RDONLY),
            propagation: Vec::new(),
        })
    }

    /// The steps that put it in place.
    pub(super) fn steps(&self, c: &Container<'_>) -> Result<Explained> {
        match &self.kind {
            Kind::Copy { source, .. } => Ok(self.copy_steps(source)),
            Kind::New { fstype, source } => Ok(self.new_steps(c, fstype, source)),
            Kind::Cgroup => self.cgroup_steps(c),
            Kind::Remount => {
                let action = Action::Remount {
                    target: self.target.clone(),
                    flags: self.options.flags,
                    propagation: self.options.propagation.clone(),
                };
                Ok(vec![(action, "the configuration asks for it")])
            }
        }
    }

    fn copy_steps(&self, source: &Path) -> Explained {
        let action = Action::MountCopy {
            slot: Slot::Source(self.index),
            source: source.to_owned(),
            target: self.target.clone(),
            flags: self.options.flags,
            propagation: self.options.propagation.clone(),
        };
        vec![(action, "the configuration asks for this part of the host")]
    }

    fn new_steps(&self, c: &Container<'_>, fstype: &str, source: &str) -> Explained {
        let mut options = self.options.data.clone();
        let label = c.linux().and_then(|l| l.mount_label().clone());
        let label = label.filter(|l| !l.is_empty());
        if let Some(label) = label.filter(|_| !matches!(fstype, "proc" | "sysfs")) {
            options.push(("context".to_owned(), Some(label)));
        }
        let action = Action::MountNew {
            filesystem: Filesystem {
                fstype: fstype.to_owned(),
                source: source.to_owned(),
                options,
                copy_up: self.options.copy_up && fstype == "tmpfs",
            },
            target: self.target.clone(),
            flags: self.first_flags(),
            propagation: self.options.propagation.clone(),
        };
        vec![(action, why_new(fstype))]
    }

    fn first_flags(&self) -> MountFlags {
        let mut flags = self.options.flags;
        if self.closes_late() {
            flags.set &= !libc::MOUNT_ATTR_RDONLY;
        }
        flags
    }

    fn cgroup_steps(&self, c: &Container<'_>) -> Result<Explained> {
        let layout = &c.facts.cgroups;
        match (layout.mode, layout.v2()) {
            (Mode::Absent, _) => Err(Error::environment(
                "no cgroup hierarchy is mounted on this host",
            )
            .context(format!("config.json: mounts[{}]", self.index))),
            (Mode::Unified, Some(v2)) => Ok(self.hierarchy_steps(c, v2, self.target.clone(), 0)),
            _ => Ok(self.cgroup1_steps(c, layout)),
        }
    }

    /// Version 1 is a directory of hierarchies: a small tmpfs, one mount for
    /// each, and a link for each controller that shares one.
    fn cgroup1_steps(&self, c: &Container<'_>, layout: &Layout) -> Explained {
        let at = &self.target.path;
        let mut steps = vec![(
            cgroup1_folder(&self.target),
            "a place for one directory per hierarchy",
        )];
        let legacy = layout
            .hierarchies
            .iter()
            .filter(|h| h.version == Version::V1);
        for (n, hierarchy) in legacy.enumerate() {
            let Some(name) = hierarchy.mount.file_name() else {
                continue;
            };
            let target = Target {
                path: at.join(name),
                file: false,
                no_links: false,
            };
            steps.extend(self.hierarchy_steps(c, hierarchy, target, n));
            for controller in hierarchy.controllers.iter().filter(|c| c.as_str() != name) {
                let link = Action::MakeLink {
                    path: at.join(controller),
                    target: PathBuf::from(name),
                };
                steps.push((link, "programs look for the controller by this name"));
            }
        }
        if self.options.flags.set & libc::MOUNT_ATTR_RDONLY != 0 {
            let action = Action::Remount {
                target: self.target.clone(),
                flags: MountFlags::set(libc::MOUNT_ATTR_RDONLY),
                propagation: Vec::new(),
            };
            steps.push((
                action,
                "the mount points are made; nothing more belongs here",
            ));
        }
        steps
    }

    /// In a cgroup namespace a mount of the hierarchy shows only our part of
    /// it. Without one it would show the whole host's, so our directory alone
    /// is copied there.
    fn hierarchy_steps(
        &self,
        c: &Container<'_>,
        hierarchy: &Hierarchy,
        target: Target,
        nth: usize,
    ) -> Explained {
        let (flags, propagation) = (self.options.flags, self.options.propagation.clone());
        if c.namespaces.has(super::Namespace::Cgroup) {
            let (fstype, options) = mount_options(hierarchy);
            let action = Action::MountNew {
                filesystem: Filesystem {
                    fstype: fstype.to_owned(),
                    source: "cgroup".to_owned(),
                    options,
                    copy_up: false,
                },
                target,
                flags,
                propagation,
            };
            return vec![(action, "in its cgroup namespace it sees its own part only")];
        }
        let own = c.cgroups.dirs.iter().find(|d| d.mount == hierarchy.mount);
        let Some(path) = own.map(CgroupDir::full) else {
            return Vec::new();
        };
        // Numbers of real mounts stay small, so these cannot collide.
        let slot = Slot::Source(usize::MAX - nth);
        let open = Action::OpenSource {
            slot,
            path: path.clone(),
            recursive: false,
            propagation: Some(super::root::SLAVE),
        };
        let place = Action::MountCopy {
            slot,
            source: path,
            target,
            flags,
            propagation,
        };
        vec![
            (
                open,
                "without a cgroup namespace, only the container's own directory is shown",
            ),
            (place, "so that the container sees its own limits and use"),
        ]
    }
}

/// How a hierarchy is mounted once more.
fn mount_options(hierarchy: &Hierarchy) -> (&'static str, Vec<(String, Option<String>)>) {
    if hierarchy.version == Version::V2 {
        return ("cgroup2", Vec::new());
    }
    let controllers = hierarchy.controllers.iter().map(|c| (c.clone(), None));
    let mut options: Vec<_> = controllers.collect();
    if let Some(name) = &hierarchy.name {
        options.push(("none".to_owned(), None));
        options.push(("name".to_owned(), Some(name.clone())));
    }
    ("cgroup", options)
}

fn cgroup1_folder(target: &Target) -> Action {
    Action::MountNew {
        filesystem: Filesystem {
            fstype: "tmpfs".to_owned(),
            source: "tmpfs".to_owned(),
            options: vec![("mode".to_owned(), Some("755".to_owned()))],
            copy_up: false,
        },
        target: target.clone(),
        flags: MountFlags::set(
            libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC,
        ),
        propagation: vec![Propagation {
            kind: PropagationKind::Private,
            recursive: false,
        }],
    }
}

fn why_new(fstype: &str) -> &'static str {
    match fstype {
        "proc" => "programs read about processes here; it shows the pid namespace it is mounted in",
        "sysfs" => "programs read about devices and the network here",
        "tmpfs" => "memory of its own, gone with the container",
        "devpts" => "pseudo-terminals of its own, apart from the host's",
        "mqueue" => "the message queues of its IPC namespace",
        _ => "the configuration asks for it",
    }
}
