//! The order of a start, from the host to the program.

use std::path::Path;

use oci_spec::runtime::Spec;

use super::action::{Action, Actor, Namespace, Signal};
use super::hooks::Moment;
use super::joining::{
    enter_namespaces, first_child, join_and_start_init, map_ids, may_set_groups, name_the_host,
    open_namespaces, start_first_child,
};
use super::mounts::{self, Explained};
use super::network::{await_connection, connect};
use super::process::Program;
use super::root::{assemble_root, enter_root, join_sources};
use super::steps::Steps;
use super::sysctl::set_sysctls;
use super::{Container, Options, Plan};
use crate::cgroup::devices::{DeviceList, add_default_rules};
use crate::cgroup::layout::Mode;
use crate::cgroup::limits;
use crate::error::{Error, Result};
use crate::facts::{BundleFacts, Facts};

/// Why a process begins with every processor.
pub(super) const ANY_PROCESSOR: &str =
    "what the caller was confined to is not the container's limit; that is its cgroup's";

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
    join_sources(&mut s, c, &mounts, Actor::Launcher)?;
    open_namespaces(&mut s, c);
    let mut warnings = make_cgroups(&mut s, c)?;
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
            optional: facts.is_ordinary_user(),
        },
        "from here on its use is counted and limited; first of all, so that nothing escapes",
    );
    s.init(Action::SetAffinity { cpus: Vec::new() }, ANY_PROCESSOR);
    s.or_warn();
    s.init(Action::NewSession, "apart from the caller's terminal, so that nothing typed there or pushed into it crosses over");
    enter_namespaces(&mut s, c);
    connect(&mut s, c);
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
    enter_root(&mut s, c, process, &mounts)?;

    // Init, inside the root. From here on power is only given up.
    await_connection(&mut s, c);
    set_sysctls(&mut s, c)?;
    s.all(Actor::Init, program.resources()?);
    let directory = Action::EnterDirectory {
        path: process.cwd().clone(),
        make: true,
    };
    let new_users = c.namespaces.makes(Namespace::User);
    become_program(&mut s, new_users, &program, directory)?;
    if options.die_with_launcher {
        s.init(
            Action::DieWithLauncher,
            "nobody could read what it says or tell how it ended; after the change of user, which would take this back",
        );
    }
    if options.hands_signals_on {
        s.init(
            Action::HoldSignals,
            "the first process of a namespace loses those that it has no handler for yet; this program takes them when it is ready to",
        );
    }
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
    warnings.extend(program.warnings());
    Ok(Plan {
        steps: s.0,
        cgroups: c.cgroups.clone(),
        warnings,
    })
}

/// What cannot be had is an error, or comes back as a warning.
fn make_cgroups(s: &mut Steps, c: &Container<'_>) -> Result<Vec<String>> {
    let resources = c.linux().and_then(|l| l.resources().as_ref());
    let writes = resources.map(|r| limits::limits(r, &c.facts.cgroups));
    let writes = writes.transpose().map_err(|e| e.context("config.json"))?;
    let mut rules = resources
        .and_then(|r| r.devices().clone())
        .unwrap_or_default();
    let list = DeviceList::compile(&rules).map_err(|e| e.context("config.json"))?;
    if c.facts.cgroups.mode == Mode::Absent {
        let wanted = (!rules.is_empty()).then_some(&list);
        return wanted.map_or(Ok(Vec::new()), |l| without_device_filter(l, c.facts));
    }
    s.launcher(
        Action::CreateCgroup {
            paths: c.cgroups.clone(),
            optional: c.facts.is_ordinary_user(),
        },
        "before the first process, so that none ever runs without limits",
    );
    if let Some(writes) = writes.filter(|w| !w.is_empty()) {
        s.launcher(Action::SetLimits { writes }, "what the container may use");
    }
    // Without any rule nothing was asked for; an unprivileged user could not
    // have it anyway.
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    // Where everything is allowed but for exceptions, those customary would
    // only take exceptions away.
    if !list.default_allow {
        let listed = c.linux().and_then(|l| l.devices().as_deref());
        let paths = listed
            .unwrap_or_default()
            .iter()
            .map(|d| d.path().as_path());
        add_default_rules(&mut rules, &paths.collect::<Vec<&Path>>());
    }
    DeviceList::compile(&rules).map_err(|e| e.context("config.json"))?;
    s.launcher(
        Action::FilterDevices { rules },
        "a node is only a name; this decides whether it opens",
    );
    if !c.facts.may_mount() {
        s.or_warn();
    }
    Ok(Vec::new())
}

/// No cgroup, no filter. For an ordinary user the permissions of the nodes
/// still stand, and every engine asks for "nothing but", so that alone passes
/// in silence; root is told even so, since its container may make any node.
/// Rules somebody chose must hold, or root's container must not start.
fn without_device_filter(list: &DeviceList, facts: &Facts) -> Result<Vec<String>> {
    let chosen = !list.exceptions.is_empty();
    let open = list.default_allow && !chosen;
    let what = "config.json: linux.resources.devices: \
                no cgroup hierarchy is mounted, and without one no device can be withheld";
    match (open, chosen, facts.may_mount()) {
        (true, ..) | (_, false, false) => Ok(Vec::new()),
        (_, true, true) => {
            Err(Error::environment(what).hint("mount a cgroup2 file system at /sys/fs/cgroup"))
        }
        _ => Ok(vec![what.to_owned()]),
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

/// From root of the container to the program's user, for both a first and a
/// further process.
pub(super) fn become_program(
    s: &mut Steps,
    new_user_namespace: bool,
    program: &Program<'_>,
    directory: Action,
) -> Result<()> {
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
        directory,
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

pub(super) fn load_seccomp(s: &mut Steps, program: &Program<'_>, why: &'static str) {
    if let Some(filter) = program.filter.clone() {
        s.init(Action::LoadSeccomp { filter }, why);
    }
}

pub(super) fn last_steps(s: &mut Steps, program: &mut Program<'_>) {
    if program.filter.as_ref().is_some_and(|f| !f.notify) {
        load_seccomp(
            s,
            program,
            "last of all, so that it need not allow what rcon itself does",
        );
    }
    s.init(program.exec(), "from here on this process is the program");
}
