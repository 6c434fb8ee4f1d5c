//! The order of a start, from the host to the program.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{Process, Spec};

use super::action::{Action, Actor, EnterRoot, Namespace, Propagation, PropagationKind, Signal};
use super::hooks::{self, Moment};
use super::mounts::{self, Explained, MountEntry};
use super::process::{Program, cpu_list};
use super::{Container, OnFailure, Options, Plan, Step, devices};
use crate::cgroup::layout::Mode;
use crate::cgroup::paths::CgroupPaths;
use crate::cgroup::{self, limits};
use crate::error::{Error, Result};
use crate::facts::{BundleFacts, Facts};

/// A list of steps being written.
#[derive(Default)]
struct Steps(Vec<Step>);

impl Steps {
    fn add(&mut self, actor: Actor, action: Action, why: &'static str) {
        self.0.push(Step {
            actor,
            action,
            why,
            on_failure: OnFailure::Stop,
        });
    }

    fn launcher(&mut self, action: Action, why: &'static str) {
        self.add(Actor::Launcher, action, why);
    }

    fn init(&mut self, action: Action, why: &'static str) {
        self.add(Actor::Init, action, why);
    }

    fn all(&mut self, actor: Actor, list: Explained) {
        for (action, why) in list {
            self.add(actor, action, why);
        }
    }

    /// The step just added may fail; that is told, and no more.
    fn or_warn(&mut self) {
        if let Some(step) = self.0.last_mut() {
            step.on_failure = OnFailure::Warn;
        }
    }

    /// `from` tells `to`, who has been waiting for it.
    fn handover(&mut self, from: Actor, to: Actor, signal: Signal, why: &'static str) {
        self.add(from, Action::Tell { to, signal }, why);
        self.add(to, Action::Wait { from, signal }, why);
    }

    fn hooks(
        &mut self,
        actor: Actor,
        spec: &Spec,
        moment: Moment,
        why: &'static str,
    ) -> Result<()> {
        for hook in hooks::at(spec, moment)? {
            self.add(actor, Action::RunHook { hook }, why);
        }
        Ok(())
    }
}

/// The start of a container.
///
/// This is the whole order of things between the bundle and its program.
/// Where a line must stand before another, the line says so in its `why`.
pub fn container(
    spec: &Spec,
    facts: &Facts,
    bundle: &BundleFacts,
    options: &Options,
) -> Result<Plan> {
    let c = &Container::new(spec, facts, bundle, options)?;
    let process = spec.process().as_ref();
    let process = process.ok_or_else(|| Error::user("config.json: process: missing"))?;
    let mut program = Program::new(process, spec, facts)?;
    program.groups_allowed = may_set_groups(c);
    if c.namespaces.has(Namespace::User) {
        program.grantable = u64::MAX;
    }
    let mounts = mounts::entries(c)?;
    let mut s = Steps::default();

    // On the host.
    join_sources(&mut s, c, &mounts, Actor::Launcher);
    open_namespaces(&mut s, c);
    make_cgroups(&mut s, c)?;
    let first = first_child(c);
    start_first_child(&mut s, c, first);
    map_ids(&mut s, c, first);
    if first == Actor::Joiner {
        join_and_start_init(&mut s, c);
    }
    prepare_from_outside(&mut s, c, &program)?;

    // Init, inside its new namespaces, still among the host's files.
    s.init(
        Action::JoinCgroup {
            paths: c.cgroups.clone(),
        },
        "from here on its use is counted and limited; first of all, so that nothing escapes",
    );
    s.init(Action::NewSession, "apart from the caller's terminal, so that nothing typed there or pushed into it crosses over");
    enter_namespaces(&mut s, c);
    s.init(
        Action::OpenHostProc,
        "what must be written to procfs is written to this one, whatever the image has at /proc",
    );
    if !options.no_new_keyring {
        s.init(
            Action::NewKeyring {
                name: format!("_ses.{}", options.id),
            },
            "the caller's keys are not the container's",
        );
        s.or_warn();
    }
    name_the_host(&mut s, spec);
    assemble_root(&mut s, c, &mounts)?;
    run_hooks_before_entry(&mut s, spec)?;
    enter_root(&mut s, c, process)?;

    // Init, inside the root. From here on power is only given up.
    set_sysctls(&mut s, c)?;
    s.all(Actor::Init, program.resources()?);
    become_program(&mut s, c.namespaces.makes(Namespace::User), &program)?;
    s.handover(
        Actor::Init,
        Actor::Launcher,
        Signal::Ready,
        "the container is created; only its program is missing",
    );
    s.handover(
        Actor::Launcher,
        Actor::Init,
        Signal::Start,
        "its owner decides when it starts",
    );
    s.hooks(
        Actor::Init,
        spec,
        Moment::StartContainer,
        "the last thing before the program, inside its root",
    )?;
    last_steps(&mut s, &mut program);
    s.hooks(Actor::Launcher, spec, Moment::Poststart, "the program runs")?;
    if s.0
        .last()
        .is_some_and(|s| matches!(s.action, Action::RunHook { .. }))
    {
        warn_for(&mut s, "poststart");
    }
    Ok(Plan {
        steps: s.0,
        cgroups: c.cgroups.clone(),
        warnings: program.warnings(),
    })
}

/// Failing `poststart` hooks do not stop a program that already runs.
fn warn_for(s: &mut Steps, field: &str) {
    for step in &mut s.0 {
        if matches!(&step.action, Action::RunHook { hook } if hook.field == field) {
            step.on_failure = OnFailure::Warn;
        }
    }
}

/// Whoever may mount on the host opens the sources there: so a user namespace
/// needs no right to reach them. An ordinary user has that right only inside.
fn source_opener(facts: &Facts) -> Actor {
    if facts.may_mount() {
        Actor::Launcher
    } else {
        Actor::Init
    }
}

fn join_sources(s: &mut Steps, c: &Container<'_>, mounts: &[MountEntry], now: Actor) {
    if !c.namespaces.has(Namespace::Mount) || source_opener(c.facts) != now {
        return;
    }
    s.add(
        now,
        Action::OpenRoot {
            path: c.bundle.rootfs.clone(),
            propagation: Some(root_propagation(c).unwrap_or(SLAVE)),
        },
        "a mount of its own, so that it can be entered and left as a whole",
    );
    for mount in mounts {
        s.all(now, mount.open());
    }
}

/// Mount events of the host come in, none go out.
const SLAVE: Propagation = Propagation {
    kind: PropagationKind::Slave,
    recursive: true,
};

fn root_propagation(c: &Container<'_>) -> Option<Propagation> {
    let word = c.linux()?.rootfs_propagation().as_deref()?;
    let options = super::options::MountOptions::parse(&[word]);
    options.propagation.first().copied()
}

fn open_namespaces(s: &mut Steps, c: &Container<'_>) {
    for (kind, path) in &c.namespaces.joined {
        s.launcher(
            Action::OpenNamespace {
                kind: *kind,
                path: path.clone(),
            },
            "opened now, while its path can be reached, and checked to be of the right kind",
        );
    }
}

fn make_cgroups(s: &mut Steps, c: &Container<'_>) -> Result<()> {
    let resources = c.linux().and_then(|l| l.resources().as_ref());
    if c.facts.cgroups.mode == Mode::Absent {
        // A limit that cannot be had is refused here, not passed over.
        if let Some(resources) = resources {
            limits::limits(resources, &c.facts.cgroups).map_err(|e| e.context("config.json"))?;
        }
        return Ok(());
    }
    s.launcher(
        Action::CreateCgroup {
            paths: c.cgroups.clone(),
        },
        "before the first process, so that none ever runs without limits",
    );
    let Some(resources) = resources else {
        return Ok(());
    };
    let writes =
        limits::limits(resources, &c.facts.cgroups).map_err(|e| e.context("config.json"))?;
    if !writes.is_empty() {
        s.launcher(Action::SetLimits { writes }, "what the container may use");
    }
    let mut rules = resources.devices().clone().unwrap_or_default();
    // Without any rule nothing was asked for; an unprivileged user could not
    // have it anyway.
    if !rules.is_empty() {
        let listed = c
            .linux()
            .and_then(|l| l.devices().as_deref())
            .unwrap_or_default();
        let paths: Vec<&Path> = listed.iter().map(|d| d.path().as_path()).collect();
        rules.extend(cgroup::devices::default_rules(&paths));
        cgroup::devices::DeviceList::compile(&rules).map_err(|e| e.context("config.json"))?;
        s.launcher(
            Action::FilterDevices { rules },
            "a node is only a name; this decides whether it opens",
        );
        if !c.facts.may_mount() {
            s.or_warn();
        }
    }
    Ok(())
}

/// A process cannot enter a pid or time namespace itself, only its children
/// are born there; and whoever joins a user namespace must do so before it
/// makes the others, which then belong to it.
fn first_child(c: &Container<'_>) -> Actor {
    let joins = |kind| c.namespaces.joined.contains_key(&kind);
    let indirect = joins(Namespace::User)
        || joins(Namespace::Pid)
        || joins(Namespace::Time)
        || c.namespaces.makes(Namespace::Time);
    if indirect { Actor::Joiner } else { Actor::Init }
}

fn start_first_child(s: &mut Steps, c: &Container<'_>, child: Actor) {
    let born_in: &[Namespace] = match child {
        Actor::Joiner => &[Namespace::User],
        _ => &[Namespace::User, Namespace::Pid],
    };
    s.launcher(
        Action::StartProcess {
            child,
            namespaces: c.namespaces.making(born_in),
            into_cgroup: true,
        },
        match child {
            Actor::Joiner => {
                "a process cannot move into these namespaces; its children are born there"
            }
            _ => "it is process 1 of its pid namespace; the rest it makes itself",
        },
    );
}

fn map_ids(s: &mut Steps, c: &Container<'_>, child: Actor) {
    if !c.namespaces.makes(Namespace::User) {
        return;
    }
    let privileged = c.facts.has("CAP_SETUID") && c.facts.has("CAP_SETGID");
    let alone = |ranges: &[super::IdRange], id| {
        ranges.len() == 1 && ranges[0].count == 1 && ranges[0].outside == id
    };
    let own_only = alone(&c.uids, c.facts.ids.0) && alone(&c.gids, c.facts.ids.1);
    let helpers = if privileged || own_only {
        None
    } else {
        c.facts.map_helpers.clone()
    };
    let (uid_helper, gid_helper) = helpers.unzip();
    if !privileged && own_only {
        s.launcher(
            Action::DenySetgroups,
            "the kernel lets a user map the own group only without the power to leave groups",
        );
    }
    s.launcher(
        Action::WriteIdMap {
            groups: false,
            ranges: c.uids.clone(),
            helper: uid_helper,
        },
        "until then nobody is anybody in the new user namespace",
    );
    s.launcher(
        Action::WriteIdMap {
            groups: true,
            ranges: c.gids.clone(),
            helper: gid_helper,
        },
        "the same for groups",
    );
    s.handover(
        Actor::Launcher,
        child,
        Signal::Mapped,
        "it can become somebody now",
    );
    s.add(
        child,
        Action::BecomeRoot,
        "as the mapped root it owns what it makes",
    );
}

fn may_set_groups(c: &Container<'_>) -> bool {
    if !c.namespaces.makes(Namespace::User) {
        return true;
    }
    let privileged = c.facts.has("CAP_SETUID") && c.facts.has("CAP_SETGID");
    privileged || !(c.gids.len() == 1 && c.gids[0].count == 1)
}

fn join_and_start_init(s: &mut Steps, c: &Container<'_>) {
    let joins = |kind| c.namespaces.joined.contains_key(&kind);
    let joiner = Actor::Joiner;
    if joins(Namespace::User) || joins(Namespace::Pid) {
        s.add(joiner, Action::HideFromOthers, "processes already in there must not look into this one, which still has the host's files open");
    }
    if joins(Namespace::User) {
        s.add(
            joiner,
            Action::EnterNamespace {
                kind: Namespace::User,
            },
            "first: it decides about all the others",
        );
        s.add(
            joiner,
            Action::BecomeRoot,
            "as its root it owns what it makes",
        );
    }
    for kind in [Namespace::Pid, Namespace::Time] {
        if joins(kind) {
            s.add(
                joiner,
                Action::EnterNamespace { kind },
                "for the child that comes next",
            );
        }
    }
    make_time_namespace(s, c);
    s.add(
        joiner,
        Action::StartProcess {
            child: Actor::Init,
            namespaces: c.namespaces.making(&[Namespace::Pid]),
            into_cgroup: true,
        },
        "born where its parent could not go; a sibling of its parent, so that the launcher can wait for it",
    );
}

fn make_time_namespace(s: &mut Steps, c: &Container<'_>) {
    if !c.namespaces.makes(Namespace::Time) {
        return;
    }
    let joiner = Actor::Joiner;
    s.add(
        joiner,
        Action::CreateNamespaces {
            kinds: vec![Namespace::Time],
        },
        "for the child that comes next",
    );
    let offsets = c.linux().and_then(|l| l.time_offsets().as_ref());
    let mut offsets: Vec<_> = offsets.into_iter().flatten().collect();
    offsets.sort_by_key(|(clock, _)| clock.as_str());
    for (clock, offset) in offsets {
        s.add(
            joiner,
            Action::SetClockOffset {
                clock: clock.clone(),
                seconds: offset.secs().unwrap_or(0),
                nanoseconds: offset.nanosecs().unwrap_or(0),
            },
            "only possible before the first process is born there",
        );
    }
}

/// What init could not do itself for want of power over the host, or should
/// not need.
fn prepare_from_outside(s: &mut Steps, c: &Container<'_>, program: &Program<'_>) -> Result<()> {
    let mut list = Explained::new();
    if let Some(action) = program.oom_score() {
        list.push((
            action,
            "set from outside: lowering it takes power over the host",
        ));
    }
    if c.namespaces.has(Namespace::User) {
        list.extend(program.rlimits()?);
    }
    if list.is_empty() {
        return Ok(());
    }
    s.all(Actor::Launcher, list);
    s.handover(
        Actor::Launcher,
        Actor::Init,
        Signal::Prepared,
        "before the program could use more",
    );
    Ok(())
}

fn enter_namespaces(s: &mut Steps, c: &Container<'_>) {
    let later = [
        Namespace::Mount,
        Namespace::Network,
        Namespace::Ipc,
        Namespace::Uts,
        Namespace::Cgroup,
    ];
    if first_child(c) == Actor::Init && c.namespaces.joined.keys().any(|k| *k == Namespace::Pid) {
        s.init(
            Action::HideFromOthers,
            "processes already in there must not look into this one",
        );
    }
    for kind in later {
        if c.namespaces.joined.contains_key(&kind) {
            s.init(
                Action::EnterNamespace { kind },
                "shared with whoever made it",
            );
        }
    }
    let kinds = c.namespaces.making(&later);
    if !kinds.is_empty() {
        s.init(
            Action::CreateNamespaces { kinds },
            "after joining the cgroup, since that becomes the root its cgroup namespace shows",
        );
    }
}

fn name_the_host(s: &mut Steps, spec: &Spec) {
    if let Some(name) = spec.hostname().clone() {
        s.init(
            Action::SetHostname { name },
            "in its own UTS namespace; the host keeps its name",
        );
    }
    if let Some(name) = spec.domainname().clone() {
        s.init(Action::SetDomainname { name }, "in its own UTS namespace");
    }
}

fn assemble_root(s: &mut Steps, c: &Container<'_>, mounts: &[MountEntry]) -> Result<()> {
    if !c.namespaces.has(Namespace::Mount) {
        return Ok(());
    }
    s.init(
        Action::SetPropagation {
            propagation: root_propagation(c).unwrap_or(SLAVE),
        },
        "nothing mounted from here on reaches the host",
    );
    join_sources(s, c, mounts, Actor::Init);
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

fn fill_dev(s: &mut Steps, c: &Container<'_>) -> Result<()> {
    for device in devices::nodes(c)? {
        let why = "every program expects the usual nodes in /dev";
        // Nodes cannot be made in a user namespace; the host's stand in.
        s.init(Action::MakeDevice { device }, why);
    }
    for link in devices::links() {
        s.init(link, "the usual names");
    }
    Ok(())
}

fn run_hooks_before_entry(s: &mut Steps, spec: &Spec) -> Result<()> {
    let mut outside = Steps::default();
    let why = "the namespaces exist and the root is assembled, but not entered";
    outside.hooks(Actor::Launcher, spec, Moment::Prestart, why)?;
    outside.hooks(Actor::Launcher, spec, Moment::CreateRuntime, why)?;
    if !outside.0.is_empty() {
        s.handover(
            Actor::Init,
            Actor::Launcher,
            Signal::RootAssembled,
            "hooks outside may look now",
        );
        s.0.extend(outside.0);
        s.handover(
            Actor::Launcher,
            Actor::Init,
            Signal::HooksDone,
            "they are done",
        );
    }
    let why = "inside the namespaces, the host's files still in reach";
    s.hooks(Actor::Init, spec, Moment::CreateContainer, why)
}

fn enter_root(s: &mut Steps, c: &Container<'_>, process: &Process) -> Result<()> {
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
        protect(s, c, process)?;
    }
    s.init(
        Action::EnterRoot { how },
        "the host's files are out of reach from here on",
    );
    if let Some(propagation) = root_propagation(c).filter(|_| mounted) {
        s.init(
            Action::SetPropagation { propagation },
            "as the bundle asks, now for the container's own root",
        );
    }
    Ok(())
}

/// The last changes to the mounts, while the host's `/dev/null` is in reach:
/// an image could pass off something else as its own.
fn protect(s: &mut Steps, c: &Container<'_>, process: &Process) -> Result<()> {
    s.init(
        Action::MakeDirectory {
            path: process.cwd().clone(),
        },
        "the working directory, while the root can still be written to",
    );
    let linux = c.linux();
    for path in linux
        .and_then(|l| l.readonly_paths().as_deref())
        .unwrap_or_default()
    {
        s.init(
            Action::ProtectPath {
                path: absolute("linux.readonlyPaths", path)?,
            },
            "switches of the kernel that are not the container's to turn",
        );
    }
    for path in linux
        .and_then(|l| l.masked_paths().as_deref())
        .unwrap_or_default()
    {
        s.init(
            Action::MaskPath {
                path: absolute("linux.maskedPaths", path)?,
            },
            "tells too much about the host",
        );
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
    Ok(())
}

fn absolute(field: &str, path: &str) -> Result<PathBuf> {
    if Path::new(path).is_absolute() {
        return Ok(mounts::inside(Path::new(path)));
    }
    Err(Error::user(format!(
        "config.json: {field}: {path:?} is not an absolute path"
    )))
}

fn terminal(process: &Process) -> Action {
    let size = process
        .console_size()
        .map(|b| (b.height() as u16, b.width() as u16));
    Action::MakeTerminal {
        size: size.filter(|(rows, columns)| *rows > 0 || *columns > 0),
        owner: process.user().uid(),
    }
}

/// Kernel parameters that belong to a namespace. Any other would change the
/// host, and is refused.
fn set_sysctls(s: &mut Steps, c: &Container<'_>) -> Result<()> {
    let list = c.linux().and_then(|l| l.sysctl().as_ref());
    let mut list: Vec<_> = list.into_iter().flatten().collect();
    list.sort();
    for (key, value) in list {
        let field = || format!("config.json: linux.sysctl: {key}");
        // Some write slashes; a value with a line break could smuggle another.
        let dotted = if key.contains('/') {
            key.replace('.', "\0").replace('/', ".").replace('\0', "/")
        } else {
            key.clone()
        };
        if value.contains(['\n', '\0']) {
            return Err(Error::user("the value has a line break").context(field()));
        }
        if dotted
            .split(['.', '/'])
            .any(|part| part.is_empty() || part == "..")
        {
            return Err(Error::user("not the name of a kernel parameter").context(field()));
        }
        let Some(kind) = sysctl_namespace(&dotted) else {
            return Err(
                Error::user("does not belong to a namespace, so it would change the host")
                    .context(field()),
            );
        };
        if !c.namespaces.has(kind) {
            let name = kind.spec_name();
            return Err(Error::user(format!(
                "belongs to the {name} namespace, which is the host's"
            ))
            .context(field()));
        }
        s.init(
            Action::SetSysctl {
                key: dotted,
                value: value.clone(),
            },
            "a parameter of its own namespace",
        );
    }
    Ok(())
}

fn sysctl_namespace(key: &str) -> Option<Namespace> {
    const IPC: &[&str] = &[
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
        "kernel.auto_msgmni",
        "kernel.msg_next_id",
        "kernel.sem_next_id",
        "kernel.shm_next_id",
    ];
    if IPC.contains(&key) || key.starts_with("fs.mqueue.") {
        Some(Namespace::Ipc)
    } else if key.starts_with("net.") {
        Some(Namespace::Network)
    } else if key == "kernel.domainname" || key == "kernel.hostname" {
        Some(Namespace::Uts)
    } else if key.starts_with("user.") {
        Some(Namespace::User)
    } else {
        None
    }
}

/// From root of the container to the program's user, for both a first and a
/// further process.
fn become_program(s: &mut Steps, new_user_namespace: bool, program: &Program<'_>) -> Result<()> {
    let init = Actor::Init;
    if !new_user_namespace {
        s.all(init, program.rlimits()?);
    }
    s.all(init, program.labels()?);
    let process = program.process;
    s.init(
        Action::GiveStdio {
            uid: process.user().uid(),
        },
        "so that it can open /dev/stdout again",
    );
    s.or_warn();
    s.init(
        Action::EnterDirectory {
            path: process.cwd().clone(),
        },
        "while still root, who can make it; checked to lie inside",
    );
    s.all(init, program.privileges());
    s.init(
        program.find(),
        "so that its absence is told now, to whoever is waiting",
    );
    if program.filter.as_ref().is_some_and(|f| f.notify) {
        load_seccomp(
            s,
            program,
            "now, while there is someone to hand its listener to",
        );
    }
    Ok(())
}

fn load_seccomp(s: &mut Steps, program: &Program<'_>, why: &'static str) {
    if let Some(filter) = program.filter.clone() {
        s.init(Action::LoadSeccomp { filter }, why);
    }
}

fn last_steps(s: &mut Steps, program: &mut Program<'_>) {
    if program.filter.as_ref().is_some_and(|f| !f.notify) {
        load_seccomp(
            s,
            program,
            "last of all, so that it need not allow what rcon itself does",
        );
    }
    s.init(program.exec(), "from here on this process is the program");
}

/// A further process in a running container.
pub struct ExecRequest<'a> {
    /// What to run.
    pub process: &'a Process,
    /// The container's own spec, for what all its processes share.
    pub spec: &'a Spec,
    /// The namespaces of the container that are not ours.
    pub namespaces: Vec<Namespace>,
    /// The container's cgroups.
    pub cgroups: CgroupPaths,
    /// The container's name.
    pub id: String,
    /// Keep the caller's session keyring.
    pub no_new_keyring: bool,
}

/// The start of a further process in a running container.
pub fn exec(request: &ExecRequest<'_>, facts: &Facts) -> Result<Plan> {
    let process = request.process;
    let mut program = Program::new(process, request.spec, facts)?;
    if request.namespaces.contains(&Namespace::User) {
        program.grantable = u64::MAX;
    }
    let mut s = Steps::default();
    let affinity = process.exec_cpu_affinity().as_ref();
    let initial = affinity.and_then(|a| a.initial().clone());
    if let Some(cpus) = affinity_of(initial.as_deref(), "initial")? {
        s.launcher(
            Action::SetAffinity { cpus },
            "where it is placed before it is in its cgroup",
        );
    }
    s.launcher(Action::OpenHostProc, "what must be written to procfs is written to this one, whatever the container has at /proc");
    s.launcher(
        Action::StartProcess {
            child: Actor::Joiner,
            namespaces: Vec::new(),
            into_cgroup: true,
        },
        "a process cannot move into a pid namespace; its children are born there",
    );
    let joiner = Actor::Joiner;
    s.add(joiner, Action::JoinCgroup { paths: request.cgroups.clone() }, "its use counts as the container's; before it enters, while the host's cgroups are in reach");
    s.add(joiner, Action::HideFromOthers, "first: the container's processes must not look into this one, which still has the host's files open");
    s.add(
        joiner,
        Action::EnterContainer {
            kinds: request.namespaces.clone(),
        },
        "all at once, by a handle on the very process that was looked up",
    );
    if request.namespaces.contains(&Namespace::User) {
        s.add(
            joiner,
            Action::BecomeRoot,
            "root of the container's user namespace, until the program's user is set",
        );
    }
    s.add(
        joiner,
        Action::StartProcess { child: Actor::Init, namespaces: Vec::new(), into_cgroup: false },
        "born in the container's pid namespace; a sibling of its parent, so that the launcher can wait for it",
    );
    let mut outside = Explained::new();
    outside.extend(
        program
            .oom_score()
            .map(|a| (a, "set from outside: lowering it takes power over the host")),
    );
    if request.namespaces.contains(&Namespace::User) {
        outside.extend(program.rlimits()?);
    }
    let last = affinity.and_then(|a| a.cpu_affinity_final().clone());
    if let Some(cpus) = affinity_of(last.as_deref(), "final")? {
        outside.push((
            Action::SetAffinity { cpus },
            "where it runs, now that it is in its cgroup",
        ));
    }
    if !outside.is_empty() {
        s.all(Actor::Launcher, outside);
        s.handover(
            Actor::Launcher,
            Actor::Init,
            Signal::Prepared,
            "before the program could use more",
        );
    }
    s.init(Action::NewSession, "apart from the caller's terminal");
    if !request.no_new_keyring {
        s.init(
            Action::NewKeyring {
                name: format!("_ses.{}", request.id),
            },
            "the caller's keys are not the container's",
        );
        s.or_warn();
    }
    if process.terminal() == Some(true) {
        s.init(terminal(process), "from the container's own devpts");
    }
    s.all(Actor::Init, program.resources()?);
    become_program(
        &mut s,
        request.namespaces.contains(&Namespace::User),
        &program,
    )?;
    s.handover(
        Actor::Init,
        Actor::Launcher,
        Signal::Ready,
        "only the program is missing",
    );
    last_steps(&mut s, &mut program);
    Ok(Plan {
        steps: s.0,
        cgroups: request.cgroups.clone(),
        warnings: program.warnings(),
    })
}

fn affinity_of(list: Option<&str>, which: &str) -> Result<Option<Vec<u32>>> {
    let Some(list) = list.filter(|l| !l.is_empty()) else {
        return Ok(None);
    };
    let field = format!("config.json: process.execCPUAffinity.{which}");
    cpu_list(list).map(Some).map_err(|e| e.context(field))
}
