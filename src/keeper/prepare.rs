//! From what was asked for to a plan: the last of what must be looked up.

use std::fs;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{BoxBuilder, PosixRlimitBuilder, Spec};

use super::limits::Kept;
use super::protocol::Size;
use super::root;
use super::volumes::{self, Places};
use crate::container::{Config, Id, MountKind, Name, NetworkMode, Sharing};
use crate::error::{Context, Error, Result};
use crate::facts::{self, BundleFacts, Facts};
use crate::network::connection::{self, Connection};
use crate::network::names::{self, Servers};
use crate::plan::{self, Options, Plan, Slot};
use crate::run::State;
use crate::spec::{self, Files, HostFacts, Inputs, Joined, users};
use crate::store::{Entry, Store};
use crate::timings::{self, Moment};

/// Everything a start needs.
pub(super) struct Prepared {
    /// What it is started with, to be kept beside its other records.
    pub spec: Spec,
    pub plan: Plan,
    pub state: State,
    /// What is laid over each other already: the layers of its root, and of
    /// images that are mounted.
    pub made: Vec<(Slot, OwnedFd)>,
    /// What its mounts of parts of volumes lead to, as long as it is not made.
    pub _volumes: Places,
    /// Whose namespaces it shares.
    pub shared: Vec<Sharer>,
}

/// Another container of which something is shared. Its namespaces are found
/// by the number of its first process, which is somebody else's one day.
pub(super) struct Sharer {
    name: Name,
    pid: i32,
    start: u64,
}

impl Sharer {
    /// To be asked when all of it has been opened: who is the same process as
    /// before has been that all along.
    pub(super) fn is_still_there(&self) -> Result<()> {
        match crate::process::handle(self.pid, self.start) {
            Some(_) => Ok(()),
            None => Err(not_running(&self.name, "part")),
        }
    }
}

/// Works out how the container is started.
pub(super) fn prepare(
    store: &Store,
    entry: &Entry,
    config: &Config,
    size: Size,
    connections: &[Connection],
    limits: &[Kept],
) -> Result<Prepared> {
    let facts = facts::observe()?;
    make_sources(config)?;
    let mut volumes = volumes::places(store, config)?;
    volumes::lay_out_images(store, config, &mut volumes)?;
    let (rootfs, overlay) = root::of(store, entry, config)?;
    let is_laid_out = overlay.is_some();
    let root = root::view(&rootfs, overlay.as_ref())?;
    timings::mark(Moment::Laid);
    let place = (rootfs.as_path(), root.as_fd());
    let (namespaces, shared) = joined(store, config)?;
    let context = (store, entry, config, &facts);
    let mut spec = spec(context, place, (connections, &volumes), &namespaces)?;
    show_size(&mut spec, size);
    for limit in limits {
        keep_limit(&mut spec, *limit)?;
    }
    let bundle = BundleFacts {
        overlay,
        ..facts::observe_sources(entry.dir(), &rootfs, &spec)
    };
    let options = Options {
        id: entry.id().to_string(),
        die_with_launcher: true,
        hands_signals_on: spec::has_init(config),
        network: connection::wanted(connections)?,
        ..Options::default()
    };
    let plan = plan::container(&spec, &facts, &bundle, &options)?;
    timings::mark(Moment::Planned);
    let state = State {
        oci_version: spec.version().clone(),
        id: entry.id().to_string(),
        status: "creating".to_owned(),
        pid: 0,
        bundle: entry.dir().to_owned(),
        annotations: spec.annotations().clone().unwrap_or_default(),
    };
    let mut made = volumes.made(&plan);
    made.extend(is_laid_out.then_some((Slot::Root, root)));
    Ok(Prepared {
        spec,
        plan,
        state,
        made,
        _volumes: volumes,
        shared,
    })
}

fn spec(
    (store, entry, config, facts): (&Store, &Entry, &Config, &Facts),
    (rootfs, root): (&Path, BorrowedFd<'_>),
    (connections, volumes): (&[Connection], &Places),
    namespaces: &Joined,
) -> Result<Spec> {
    let user = users::resolve(root, &config.program.user, &config.program.groups)?;
    entry.make_files_dir()?;
    let mut host = HostFacts::observe(config, facts, own_binary(entry, config)?)?;
    host.owners = volumes::owners(config, &volumes.paths)?;
    host.cdi = spec::cdi::find(&config.isolation.cdi)?;
    host.mapped = volumes::mapped(store, config)?;
    let name = entry.name()?;
    spec::runtime_spec(&Inputs {
        config,
        name: &name,
        rootfs,
        files: &write_files((store, entry), config, &host.hostname, connections)?,
        user: &user,
        namespaces,
        volumes: &volumes.paths,
        images: &volumes.images,
        host: &host,
    })
}

/// A copy of this very binary, to be the tiny first process. The container has
/// one of its own: with enough power it could write to what it is given.
fn own_binary(entry: &Entry, config: &Config) -> Result<PathBuf> {
    let path = entry.files_dir().join("rcon-init");
    if config.program.init && !path.exists() {
        let what = || format!("cannot copy rcon's own binary to {}", path.display());
        fs::copy("/proc/self/exe", &path).context(what)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o555)).context(what)?;
    }
    Ok(path)
}

/// The size is known before the program could ask for it.
fn show_size(spec: &mut Spec, (rows, columns): Size) {
    let terminal = spec
        .process()
        .as_ref()
        .is_some_and(|p| p.terminal() == Some(true));
    if !terminal || rows == 0 || columns == 0 {
        return;
    }
    let size = BoxBuilder::default()
        .height(u64::from(rows))
        .width(u64::from(columns))
        .build();
    if let (Some(process), Ok(size)) = (spec.process_mut(), size) {
        process.set_console_size(Some(size));
    }
}

/// What the keeper has more of, the program has no more of for that.
fn keep_limit(spec: &mut Spec, (kind, soft, hard): Kept) -> Result<()> {
    let Some(process) = spec.process_mut() else {
        return Ok(());
    };
    let mut limits = process.rlimits().clone().unwrap_or_default();
    if limits.iter().all(|l| l.typ() != kind) {
        let limit = PosixRlimitBuilder::default().typ(kind);
        let limit = limit.soft(soft).hard(hard).build();
        limits.push(limit.map_err(|e| Error::internal(e.to_string()))?);
        process.set_rlimits(Some(limits));
    }
    Ok(())
}

/// What the container calls itself.
pub(super) fn hostname(config: &Config, host: &str) -> String {
    let shares = matches!(config.network.mode, NetworkMode::Host);
    match config.program.hostname.as_str() {
        "" if config.isolation.uts == Sharing::Host || shares => host.to_owned(),
        "" => config.id.short().to_owned(),
        name => name.to_owned(),
    }
}

/// The files by which programs find names, unless the container shares the
/// host's network and with it the host's files.
fn write_files(
    (store, entry): (&Store, &Entry),
    config: &Config,
    host: &str,
    connections: &[Connection],
) -> Result<Files> {
    let network = &config.network;
    if let NetworkMode::Container(id) = &network.mode {
        return copy_files(store, entry, config, id);
    }
    let shares = matches!(network.mode, NetworkMode::Host);
    let name = hostname(config, host);
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let resolv_conf = if shares {
        names::resolv_conf(&read("/etc/resolv.conf"), network, Servers::Hosts)
    } else {
        own_resolv_conf(config, connections)
    };
    let hosts = if shares {
        let extra = names::hosts(network, &[], None);
        let extra = extra.lines().skip(6);
        let all: Vec<String> = read("/etc/hosts")
            .lines()
            .map(str::to_owned)
            .chain(extra.map(str::to_owned))
            .collect();
        all.join("\n") + "\n"
    } else {
        own_hosts(config, &name, connections)
    };
    let file = |name: &str, text: &str| own_file(entry, config, name, text);
    Ok(Files {
        hostname: Some(file("hostname", &format!("{name}\n"))?),
        hosts: Some(file("hosts", &hosts)?),
        resolv_conf: Some(file("resolv.conf", &resolv_conf)?),
    })
}

/// Writes one of its own files, which are its root's.
fn own_file(entry: &Entry, config: &Config, name: &str, text: &str) -> Result<PathBuf> {
    let path = entry.write_file(name, text)?;
    if let Some((root, _)) = config.isolation.userns {
        let what = || format!("cannot give {} to user {root}", path.display());
        std::os::unix::fs::chown(&path, Some(root), Some(root)).context(what)?;
    }
    Ok(path)
}

/// Who shares a network is reached, and knows itself, by one name.
fn copy_files(store: &Store, entry: &Entry, config: &Config, id: &Id) -> Result<Files> {
    let theirs = store.find(id.as_str())?.files_dir();
    let copy = |name: &str| {
        let path = theirs.join(name);
        let text = fs::read_to_string(&path);
        let text = text.context(|| format!("cannot read {}", path.display()))?;
        own_file(entry, config, name, &text).map(Some)
    };
    Ok(Files {
        hostname: copy("hostname")?,
        hosts: copy("hosts")?,
        resolv_conf: copy("resolv.conf")?,
    })
}

/// `/etc/resolv.conf` of a container with a network of its own. Whoever is
/// connected to one has a name server of its own.
pub(super) fn own_resolv_conf(config: &Config, connections: &[Connection]) -> String {
    let asked = match connections {
        [] => Servers::Reachable,
        _ => Servers::Own,
    };
    names::resolv_conf(&names::of_host(), &config.network, asked)
}

/// `/etc/hosts` of a container with a network of its own. Without an address
/// there it is on its loopback.
pub(super) fn own_hosts(config: &Config, name: &str, connections: &[Connection]) -> String {
    let domain = &config.program.domainname;
    let full = (!domain.is_empty()).then(|| format!("{name}.{domain}"));
    let own_names: Vec<String> = full.into_iter().chain([name.to_owned()]).collect();
    let (mut own, gateway) = connection::hosts(connections, &own_names);
    if own.is_empty() {
        own.push((Ipv4Addr::LOCALHOST.into(), own_names));
    }
    names::hosts(&config.network, &own, gateway)
}

fn not_running(name: &Name, kind: &str) -> Error {
    Error::user(format!(
        "container {name}, whose {kind} is to be shared, is not running"
    ))
    .hint(format!("`rcon start {name}` starts it"))
}

/// Only the id is kept of a container whose namespaces another shares: names
/// change.
fn gone(store: &Store, config: &Config, sharer: &Id, kind: &str) -> Error {
    let name = store.entry(config.id.clone()).name().unwrap_or_default();
    let (what, flag) = match kind {
        "net" => ("network", "--network"),
        "pid" => ("processes", "--pid"),
        "ipc" => ("shared memory", "--ipc"),
        other => (other, "its flag"),
    };
    Error::user(format!(
        "container {name} shares the {what} of container {}, which has been removed",
        sharer.short()
    ))
    .hint(format!(
        "remove {name}, and make it anew with {flag} container:NAME of another"
    ))
}

/// The namespaces of other containers that this one shares, and who they are.
fn joined(store: &Store, config: &Config) -> Result<(Joined, Vec<Sharer>)> {
    let mut sharers = Vec::new();
    let mut of = |id: &Id, kind: &str| -> Result<PathBuf> {
        let entry = store.entry(id.clone());
        if !entry.exists() {
            return Err(gone(store, config, id, kind));
        }
        let state = super::truth(store, &entry)?;
        let name = entry.name()?;
        if state.pid == 0 {
            return Err(not_running(&name, kind));
        }
        let path = format!("/proc/{}/ns/{kind}", state.pid);
        sharers.push(Sharer {
            name,
            pid: state.pid,
            start: state.pid_start,
        });
        Ok(path.into())
    };
    let isolation = &config.isolation;
    let network = match &config.network.mode {
        NetworkMode::Container(id) => Some(of(id, "net")?),
        _ => None,
    };
    let shm = match &isolation.ipc {
        Sharing::Container(id) => {
            let ns = of(id, "ipc")?;
            ns.parent()
                .and_then(Path::parent)
                .map(|p| p.join("root/dev/shm"))
        }
        _ => None,
    };
    let mut shared = |sharing: &Sharing, kind: &str| match sharing {
        Sharing::Container(id) => of(id, kind).map(Some),
        _ => Ok(None),
    };
    let joined = Joined {
        network,
        pid: shared(&isolation.pid, "pid")?,
        ipc: shared(&isolation.ipc, "ipc")?,
        uts: shared(&isolation.uts, "uts")?,
        cgroup: shared(&isolation.cgroup, "cgroup")?,
        user: None,
        shm,
    };
    Ok((joined, sharers))
}

/// Makes the directories of the host that `-v` names and that are not there,
/// as Docker does; what else is missing is told.
fn make_sources(config: &Config) -> Result<()> {
    for mount in &config.mounts {
        let MountKind::Bind { source, create, .. } = &mount.kind else {
            continue;
        };
        // What is there, also as a link that leads nowhere, is not ours.
        if *create && source.symlink_metadata().is_err() {
            let what = || format!("cannot make the directory {}", source.display());
            fs::create_dir_all(source).context(what)?;
        }
        let missing = |e: std::io::Error| e.kind() == std::io::ErrorKind::NotFound;
        if fs::metadata(source).is_err_and(missing) {
            let (source, target) = (source.display(), mount.target.display());
            let what = format!("bind source path does not exist: {source}");
            return Err(Error::user(what)
                .hint(format!("{target} of the container shows it: bring it back")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_got_the_number_of_another_is_not_shared_with() {
        let pid = std::process::id() as i32;
        let (start, _) = crate::process::start_time(pid).unwrap();
        let name = || Name::from("web");
        let sharer = |start| Sharer {
            name: name(),
            pid,
            start,
        };
        assert!(sharer(start).is_still_there().is_ok());
        let other = sharer(start - 1).is_still_there().unwrap_err();
        assert!(other.to_string().contains("web"), "{other}");
    }
}
