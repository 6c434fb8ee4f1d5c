//! The user's own programs along the way: which run when, and what they are
//! told about the container.

use oci_spec::runtime::{Hook, Hooks, Spec};

use super::action::{HookEnv, HookRun};
use crate::error::{Error, Result};

/// The six moments at which hooks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// As `CreateRuntime`, under its old name.
    Prestart,
    /// The namespaces exist, the root is not entered; on the host.
    CreateRuntime,
    /// The same moment, inside the namespaces.
    CreateContainer,
    /// Just before the program, inside the root.
    StartContainer,
    /// The program runs; on the host.
    Poststart,
    /// The container is deleted; on the host.
    Poststop,
}

impl Moment {
    fn field(self) -> &'static str {
        match self {
            Moment::Prestart => "prestart",
            Moment::CreateRuntime => "createRuntime",
            Moment::CreateContainer => "createContainer",
            Moment::StartContainer => "startContainer",
            Moment::Poststart => "poststart",
            Moment::Poststop => "poststop",
        }
    }

    fn status(self) -> &'static str {
        match self {
            Moment::Prestart | Moment::CreateRuntime | Moment::CreateContainer => "creating",
            Moment::StartContainer => "created",
            Moment::Poststart => "running",
            Moment::Poststop => "stopped",
        }
    }

    #[allow(
        deprecated,
        reason = "bundles still use prestart, so it must still run"
    )]
    fn list(self, hooks: &Hooks) -> &[Hook] {
        let list = match self {
            Moment::Prestart => hooks.prestart(),
            Moment::CreateRuntime => hooks.create_runtime(),
            Moment::CreateContainer => hooks.create_container(),
            Moment::StartContainer => hooks.start_container(),
            Moment::Poststart => hooks.poststart(),
            Moment::Poststop => hooks.poststop(),
        };
        list.as_deref().unwrap_or_default()
    }
}

/// The hooks of one moment, in order.
pub fn at(spec: &Spec, moment: Moment) -> Result<Vec<HookRun>> {
    let Some(hooks) = spec.hooks() else {
        return Ok(Vec::new());
    };
    let list = moment.list(hooks).iter().enumerate();
    let runs = list.map(|(index, hook)| run_of(moment, index, hook));
    let mut runs = runs.collect::<Result<Vec<_>>>()?;
    if moment == Moment::StartContainer {
        // It runs in the program's place, so it sees what the program would.
        let process = spec.process().as_ref();
        let env = process.and_then(|p| p.env().clone()).unwrap_or_default();
        for run in runs.iter_mut().filter(|r| r.env == HookEnv::Runtime) {
            run.env = HookEnv::Program(env.clone());
        }
    }
    Ok(runs)
}

fn run_of(moment: Moment, index: usize, hook: &Hook) -> Result<HookRun> {
    let refuse = |what: String| {
        let field = moment.field();
        Err(Error::user(format!(
            "config.json: hooks.{field}[{index}].{what}"
        )))
    };
    if !hook.path().is_absolute() {
        return refuse(format!("path: {} is not absolute", hook.path().display()));
    }
    let timeout = match hook.timeout() {
        None => None,
        Some(seconds) if seconds > 0 => Some(seconds as u64),
        Some(seconds) => return refuse(format!("timeout: {seconds} is not above 0")),
    };
    Ok(HookRun {
        field: moment.field(),
        index,
        path: hook.path().clone(),
        args: hook.args().clone().unwrap_or_default(),
        env: match hook.env() {
            Some(env) if !env.is_empty() => HookEnv::Own(env.clone()),
            _ => HookEnv::Runtime,
        },
        timeout,
        status: moment.status(),
    })
}
