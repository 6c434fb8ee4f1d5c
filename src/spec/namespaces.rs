//! What the container has for itself, and what it shares.
//!
//! As in Docker every container has its own mounts, processes, IPC, host name
//! and network. Its view of cgroups is its own, too (Docker's default where
//! there is cgroup v2): the path `/` is then its own group, and it learns
//! nothing of the host's arrangement. Users are the host's unless asked for,
//! because files of images and volumes are owned by plain numbers. Time is
//! shared: a new time namespace with the same clocks hides nothing.

use std::path::PathBuf;

use oci_spec::runtime::{
    LinuxIdMapping, LinuxIdMappingBuilder, LinuxNamespace, LinuxNamespaceType,
};

use super::Inputs;
use crate::container::{NetworkMode, Sharing};
use crate::error::{Error, Result};

/// The longest name `sethostname` takes.
const LONGEST_NAME: usize = 64;

/// What becomes of one kind of namespace.
enum Fate {
    Host,
    New,
    Join(PathBuf),
}

fn fate(what: &str, sharing: &Sharing, path: Option<&PathBuf>) -> Result<Fate> {
    match (sharing, path) {
        (Sharing::Host, _) => Ok(Fate::Host),
        (_, Some(path)) => Ok(Fate::Join(path.clone())),
        (Sharing::Private, None) => Ok(Fate::New),
        (Sharing::Container(id), None) => Err(Error::internal(format!(
            "nobody looked up the {what} namespace of container {}",
            id.short()
        ))),
    }
}

fn network(mode: &NetworkMode) -> Sharing {
    match mode {
        NetworkMode::Host => Sharing::Host,
        NetworkMode::Container(id) => Sharing::Container(id.clone()),
        NetworkMode::Default | NetworkMode::None | NetworkMode::Named(_) => Sharing::Private,
    }
}

/// All of them, in the order they are named in the documentation.
pub(super) fn namespaces(i: &Inputs<'_>) -> Result<Vec<LinuxNamespace>> {
    use LinuxNamespaceType as Type;
    let (isolation, joined) = (&i.config.isolation, i.namespaces);
    let network = network(&i.config.network.mode);
    let user = if isolation.userns.is_some() {
        Sharing::Private
    } else {
        Sharing::Host
    };
    let kinds = [
        (Type::User, "user", &user, &joined.user),
        (Type::Pid, "pid", &isolation.pid, &joined.pid),
        (Type::Network, "network", &network, &joined.network),
        (Type::Ipc, "ipc", &isolation.ipc, &joined.ipc),
        (Type::Uts, "uts", &isolation.uts, &joined.uts),
        (Type::Cgroup, "cgroup", &isolation.cgroup, &joined.cgroup),
        // Never shared: the root file system itself is a mount.
        (Type::Mount, "mount", &Sharing::Private, &None),
    ];
    let mut all = Vec::new();
    for (typ, what, sharing, path) in kinds {
        match fate(what, sharing, path.as_ref())? {
            Fate::Host => {}
            Fate::New => all.push(namespace(typ, None)),
            Fate::Join(path) => all.push(namespace(typ, Some(path))),
        }
    }
    Ok(all)
}

fn namespace(typ: LinuxNamespaceType, path: Option<PathBuf>) -> LinuxNamespace {
    let mut namespace = LinuxNamespace::default();
    namespace.set_typ(typ).set_path(path);
    namespace
}

/// Whose ids the container's root and users really are. A user namespace that
/// is joined has its mapping already.
pub(super) fn mappings(i: &Inputs<'_>) -> Result<Option<Vec<LinuxIdMapping>>> {
    let Some((start, count)) = i.config.isolation.userns else {
        return Ok(None);
    };
    if count == 0 || start.checked_add(count).is_none() {
        return Err(Error::user(format!(
            "{start}:{count} is not a range of ids for a user namespace"
        )));
    }
    if i.namespaces.user.is_some() {
        return Ok(None);
    }
    let mapping = LinuxIdMappingBuilder::default()
        .container_id(0u32)
        .host_id(start)
        .size(count);
    Ok(Some(vec![super::built(mapping.build())]))
}

/// A user namespace's root has power over the namespaces made in it, and
/// none over the host's: what needs the latter cannot be had together.
pub(super) fn check_with_user_namespace(i: &Inputs<'_>) -> Result<()> {
    let isolation = &i.config.isolation;
    let conflict = if isolation.privileged {
        "privileged mode is incompatible with user namespaces. You must run the container in the \
         host namespace when running privileged mode"
    } else if i.config.network.mode == NetworkMode::Host {
        "cannot share the host's network namespace when user namespaces are enabled"
    } else if isolation.pid == Sharing::Host {
        "cannot share the host PID namespace when user namespaces are enabled"
    } else {
        return Ok(());
    };
    Err(Error::user(conflict))
}

/// Whether the container's user namespace has power over its network, which
/// mounting sysfs takes. One that was made before it belongs to the host's.
pub(super) fn owns_network(i: &Inputs<'_>) -> bool {
    let joined = i.namespaces;
    i.config.isolation.userns.is_none() || joined.network.is_none() || joined.user.is_some()
}

/// Whether its network is nobody else's.
pub(super) fn own_network(i: &Inputs<'_>) -> bool {
    network(&i.config.network.mode) == Sharing::Private
}

/// The name it gives itself: as asked for, else the start of its id, which is
/// what prompts and logs of containers show. With the host's network it has
/// the host's name, since that is where its ports answer.
pub(super) fn own_name(i: &Inputs<'_>) -> Option<String> {
    let asked = &i.config.program.hostname;
    match (&i.config.isolation.uts, &i.namespaces.uts) {
        (Sharing::Host, _) => Some(i.host.hostname.clone()),
        (Sharing::Container(_), _) => None,
        _ if !asked.is_empty() => Some(asked.clone()),
        _ if i.config.network.mode == NetworkMode::Host => Some(i.host.hostname.clone()),
        _ => Some(i.config.id.short().to_owned()),
    }
}

/// What is set in the namespace, if that is the container's own.
pub(super) fn hostname(i: &Inputs<'_>) -> Result<Option<String>> {
    let asked = &i.config.program.hostname;
    if i.config.isolation.uts != Sharing::Private {
        return if asked.is_empty() {
            Ok(None)
        } else {
            Err(Error::user(
                "conflicting options: hostname and the UTS mode",
            ))
        };
    }
    let name = own_name(i);
    name.as_deref()
        .map_or(Ok(()), |n| check_name("hostname", n))?;
    Ok(name)
}

/// The NIS domain, which is set in the same namespace.
pub(super) fn domainname(i: &Inputs<'_>) -> Result<Option<String>> {
    let asked = &i.config.program.domainname;
    if asked.is_empty() {
        return Ok(None);
    }
    if i.config.isolation.uts != Sharing::Private {
        return Err(Error::user(
            "conflicting options: domainname and the UTS mode",
        ));
    }
    check_name("domainname", asked)?;
    Ok(Some(asked.clone()))
}

/// Programs put the name into files, URLs and prompts.
fn check_name(what: &str, name: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if name.len() <= LONGEST_NAME && name.chars().all(fine) {
        return Ok(());
    }
    Err(Error::user(format!("invalid {what} {name:?}"))
        .hint("at most 64 letters, digits and - . _"))
}
