//! The order of a further process in a running container.

use oci_spec::runtime::{Process, Spec};

use super::Plan;
use super::action::{Action, Actor, Namespace, Signal};
use super::mounts::Explained;
use super::process::{Program, cpu_list};
use super::root::terminal;
use super::start::{ANY_PROCESSOR, become_program, last_steps};
use super::steps::Steps;
use crate::cgroup::paths::CgroupPaths;
use crate::error::Result;
use crate::facts::Facts;

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
    join_container(&mut s, request);
    prepare_from_outside(&mut s, request, &program)?;
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
        Action::EnterDirectory {
            path: process.cwd().clone(),
            make: false,
        },
    )?;
    s.handover(
        Actor::Init,
        Actor::Launcher,
        Signal::Ready,
        "only the program is missing",
    );
    s.handover(
        Actor::Launcher,
        Actor::Init,
        Signal::Start,
        "whoever asked for it has its process id",
    );
    last_steps(&mut s, &mut program);
    Ok(Plan {
        steps: s.0,
        cgroups: not_ours(&request.cgroups),
        warnings: program.warnings(),
    })
}

/// The cgroups are the container's: an exec that fails has none to take back,
/// and must not wait for those who live there to leave.
fn not_ours(cgroups: &CgroupPaths) -> CgroupPaths {
    let mut cgroups = cgroups.clone();
    for dir in &mut cgroups.dirs {
        dir.made = false;
    }
    cgroups
}

/// The joiner: into the cgroup while the host's files are in reach, then into
/// the namespaces, and init is born there.
fn join_container(s: &mut Steps, request: &ExecRequest<'_>) {
    let joiner = Actor::Joiner;
    s.add(joiner, Action::JoinCgroup { paths: request.cgroups.clone(), optional: false }, "its use counts as the container's; before it enters, while the host's cgroups are in reach");
    if request.process.exec_cpu_affinity().is_none() {
        s.add(
            joiner,
            Action::SetAffinity { cpus: Vec::new() },
            ANY_PROCESSOR,
        );
        s.or_warn();
    }
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
}

fn prepare_from_outside(
    s: &mut Steps,
    request: &ExecRequest<'_>,
    program: &Program<'_>,
) -> Result<()> {
    let mut outside = Explained::new();
    outside.extend(
        program
            .oom_score()
            .map(|a| (a, "set from outside: lowering it takes power over the host")),
    );
    if request.namespaces.contains(&Namespace::User) {
        outside.extend(program.rlimits()?);
    }
    let affinity = request.process.exec_cpu_affinity().as_ref();
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
    Ok(())
}

fn affinity_of(list: Option<&str>, which: &str) -> Result<Option<Vec<u32>>> {
    let Some(list) = list.filter(|l| !l.is_empty()) else {
        return Ok(None);
    };
    let field = format!("config.json: process.execCPUAffinity.{which}");
    cpu_list(list).map(Some).map_err(|e| e.context(field))
}
