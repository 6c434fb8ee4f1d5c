//! Planning the container's root: from sources on the host to the pivot.

use std::collections::BTreeSet;
use std::path::Path;

use oci_spec::runtime::Process;

use super::action::{Action, Actor, EnterRoot, Namespace, Propagation, PropagationKind};
use super::mounts::{self, MountEntry};
use super::steps::Steps;
use super::{Container, devices};
use crate::error::{Error, Result};
use crate::facts::Facts;

/// Whoever may mount on the host opens the sources there: so a user namespace
/// needs no right to reach them. An ordinary user has that right only inside.
pub(super) fn source_opener(facts: &Facts) -> Actor {
    if facts.may_mount() {
        Actor::Launcher
    } else {
        Actor::Init
    }
}

pub(super) fn join_sources(
    s: &mut Steps,
    c: &Container<'_>,
    mounts: &[MountEntry],
    now: Actor,
) -> Result<()> {
    if !c.namespaces.has(Namespace::Mount) || source_opener(c.facts) != now {
        return Ok(());
    }
    match &c.bundle.overlay {
        Some(overlay) => s.add(
            now,
            Action::OverlayRoot {
                overlay: overlay.clone(),
            },
            "the image stays as it is; what is written goes to a layer of the container's own",
        ),
        None => s.add(
            now,
            Action::OpenRoot {
                path: c.bundle.rootfs.clone(),
                propagation: Some(outer_propagation(c)?),
            },
            "a mount of its own, so that it can be entered and left as a whole",
        ),
    }
    let propagation = source_propagation(c)?;
    for mount in mounts {
        s.all(now, mount.open(propagation));
    }
    Ok(())
}

/// A copy of a shared mount is one of its peers: what the container mounts
/// below would appear on the host. So it becomes a slave, unless the bundle
/// asks for a root that shares.
fn source_propagation(c: &Container<'_>) -> Result<Option<Propagation>> {
    let shared = root_propagation(c)?.is_some_and(|p| p.kind == PropagationKind::Shared);
    Ok((!shared).then_some(outer_propagation(c)?))
}

/// Mount events of the host come in, none go out.
pub(super) const SLAVE: Propagation = Propagation {
    kind: PropagationKind::Slave,
    recursive: true,
};

/// What `linux.rootfsPropagation` asks for.
pub(super) fn root_propagation(c: &Container<'_>) -> Result<Option<Propagation>> {
    let word = c.linux().and_then(|l| l.rootfs_propagation().as_deref());
    let Some(word) = word.filter(|w| !w.is_empty()) else {
        return Ok(None);
    };
    let options = super::options::MountOptions::parse(&[word]);
    match options.propagation.first() {
        Some(propagation) => Ok(Some(*propagation)),
        None => Err(Error::user(format!(
            "config.json: linux.rootfsPropagation: {word:?} is not known"
        ))
        .hint("shared, slave, private or unbindable")),
    }
}

/// How mounts travel while the root is assembled. Never out: a shared root
/// can neither be entered by `pivot_root` nor kept from the host; it becomes
/// shared once it is entered.
pub(super) fn outer_propagation(c: &Container<'_>) -> Result<Propagation> {
    Ok(match root_propagation(c)? {
        Some(p) if p.kind == PropagationKind::Private => Propagation {
            recursive: true,
            ..p
        },
        _ => SLAVE,
    })
}

pub(super) fn assemble_root(s: &mut Steps, c: &Container<'_>, mounts: &[MountEntry]) -> Result<()> {
    if !c.namespaces.has(Namespace::Mount) {
        return Ok(());
    }
    s.init(
        Action::SetPropagation {
            propagation: outer_propagation(c)?,
        },
        "nothing mounted from here on reaches the host",
    );
    join_sources(s, c, mounts, Actor::Init)?;
    s.init(
        Action::AttachRoot {
            path: c.bundle.rootfs.clone(),
        },
        "only a mount with a place can be entered",
    );
    for mount in mounts {
        s.all(Actor::Init, mount.steps(c)?);
    }
    if !mounts.iter().any(MountEntry::replaces_dev) {
        fill_dev(s, c)?;
    }
    Ok(())
}

pub(super) fn fill_dev(s: &mut Steps, c: &Container<'_>) -> Result<()> {
    // Nodes cannot be made in a user namespace; the host's stand in.
    let allowed = !c.namespaces.has(Namespace::User) && c.facts.has("CAP_MKNOD");
    for device in devices::nodes(c)? {
        let from_host = !allowed && device.kind != libc::S_IFIFO;
        let why = "every program expects the usual nodes in /dev";
        s.init(Action::MakeDevice { device, from_host }, why);
    }
    for link in devices::links() {
        s.init(link, "the usual names");
    }
    Ok(())
}

pub(super) fn enter_root(
    s: &mut Steps,
    c: &Container<'_>,
    process: &Process,
    mounts: &[MountEntry],
) -> Result<()> {
    if process.terminal() == Some(true) {
        s.init(
            terminal(process),
            "from the container's own devpts, before its root is entered",
        );
    }
    let mounted = c.namespaces.has(Namespace::Mount);
    let how = match (mounted, c.options.no_pivot) {
        (true, false) => EnterRoot::Pivot,
        (true, true) => EnterRoot::Move,
        (false, _) => EnterRoot::Chroot,
    };
    if !mounted {
        s.init(
            Action::AttachRoot {
                path: c.bundle.rootfs.clone(),
            },
            "no mounts of its own: the directory as it is",
        );
    }
    if mounted {
        protect(s, c, process, mounts);
    }
    s.init(
        Action::EnterRoot { how },
        "the host's files are out of reach from here on",
    );
    if let Some(propagation) = root_propagation(c)?.filter(|_| mounted) {
        s.init(
            Action::SetPropagation { propagation },
            "as the configuration asks, now for the container's own root",
        );
    }
    Ok(())
}

/// The last changes to the mounts, while the host's `/dev/null` is in reach:
/// an image could pass off something else as its own.
///
/// Paths to be protected and masked count from the root, with or without a
/// `/` in front: as in runc, which stands there when it takes them.
fn protect(s: &mut Steps, c: &Container<'_>, process: &Process, mounts: &[MountEntry]) {
    s.init(
        Action::MakeDirectory {
            path: process.cwd().clone(),
        },
        "the working directory, while the root can still be written to",
    );
    for action in mounts.iter().filter_map(MountEntry::close) {
        s.init(action, "whatever needed a place in it has one");
    }
    let linux = c.linux();
    for path in linux
        .and_then(|l| l.readonly_paths().as_deref())
        .unwrap_or_default()
    {
        s.init(
            Action::ProtectPath {
                path: mounts::inside(Path::new(path)),
            },
            "switches of the kernel that are not the container's to turn",
        );
    }
    let masked = linux.and_then(|l| l.masked_paths().as_deref());
    let masked = masked.unwrap_or_default().iter();
    let mut seen = BTreeSet::new();
    for path in masked.map(|p| mounts::inside(Path::new(p))) {
        // A second cover on the first would hide nothing more.
        if !seen.insert(path.clone()) {
            continue;
        }
        s.init(Action::MaskPath { path }, "tells too much about the host");
    }
    if c.spec
        .root()
        .as_ref()
        .and_then(oci_spec::runtime::Root::readonly)
        == Some(true)
    {
        s.init(
            Action::ProtectRoot,
            "last of the mounts, since mount points and nodes had to be made in it",
        );
    }
}

pub(super) fn terminal(process: &Process) -> Action {
    let size = process
        .console_size()
        .map(|b| (b.height() as u16, b.width() as u16));
    Action::MakeTerminal {
        size: size.filter(|(rows, columns)| *rows > 0 || *columns > 0),
        owner: process.user().uid(),
    }
}
