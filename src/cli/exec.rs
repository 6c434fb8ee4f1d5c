//! `exec`: a further process in a running container.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::time::Instant;

use oci_spec::runtime::{Process, Spec};

use super::common::{self, Found};
use crate::container::Status;
use crate::error::{Context, Error, Result};
use crate::facts;
use crate::foreground::relay::{self, Ending};
use crate::plan::{self, ExecRequest};
use crate::run::{self, Explain, Launch, State};
use crate::store::Store;
use crate::sys::{fd, process};

/// What is to run.
pub struct Wanted {
    /// With a terminal.
    pub terminal: bool,
    /// What is typed is passed on.
    pub input: bool,
    /// Nobody waits for it.
    pub detach: bool,
    /// What to type to leave.
    pub detach_keys: Vec<u8>,
    /// Each step is told.
    pub explain: bool,
    /// The process itself.
    pub process: Process,
}

/// Runs it, and stays with it unless it is detached.
pub fn run(store: &Store, found: &Found, spec: &Spec, wanted: &Wanted) -> Result<ExitCode> {
    let _ = store;
    let container = first_process(found)?;
    let cgroups = found.state.cgroups.clone();
    let plan = plan::exec(
        &ExecRequest {
            process: &wanted.process,
            spec,
            namespaces: facts::foreign_namespaces(found.state.pid)?,
            cgroups: cgroups.ok_or_else(|| common::not_running(found))?,
            id: found.entry.id().to_string(),
            no_new_keyring: false,
        },
        &facts::observe()?,
    )?;
    let (console, theirs) = if wanted.terminal {
        let (ours, theirs) = crate::sys::socket::stream_pair()?;
        (Some(ours), Some(theirs))
    } else {
        (None, None)
    };
    quieten(wanted)?;
    let held = run::launch(Launch {
        plan: &plan,
        state: state_of(found, spec),
        console: theirs,
        start_socket: None,
        container: Some(container),
        preserve_fds: 0,
        explain: explain(wanted)?,
    })?;
    for warning in &held.warnings {
        eprintln!("rcon: warning: {warning}");
    }
    if wanted.detach {
        held.release()?;
        return Ok(ExitCode::SUCCESS);
    }
    let signals = process::signals_as_fd()?;
    let (_, pidfd) = held.release()?;
    let keys = if wanted.input {
        &wanted.detach_keys[..]
    } else {
        &[]
    };
    Ok(
        match relay::attend_until(&pidfd, &signals, console, keys)? {
            Ending::Exit(exit) => common::exit_code(exit.shell_code()),
            Ending::Left => ExitCode::SUCCESS,
        },
    )
}

fn first_process(found: &Found) -> Result<OwnedFd> {
    match found.state.status {
        Status::Running => {}
        Status::Paused => {
            let name = found.entry.name()?;
            return Err(Error::user(format!("container {name} is paused"))
                .hint(format!("`rcon unpause {name}` lets it go on")));
        }
        Status::Restarting => {
            return Err(Error::user("the container is just being restarted").hint("try again"));
        }
        _ => return Err(common::not_running(found)),
    }
    crate::process::handle(found.state.pid, found.state.pid_start)
        .ok_or_else(|| common::not_running(found))
}

/// Without `-i` there is nothing to read, and detached nothing to say to.
fn quieten(wanted: &Wanted) -> Result<()> {
    let streams: &[i32] = match (wanted.detach, wanted.input) {
        (true, _) => &[0, 1, 2],
        (false, true) => &[],
        (false, false) if wanted.terminal => &[],
        (false, false) => &[0],
    };
    let null = || File::options().read(true).write(true).open("/dev/null");
    let null = OwnedFd::from(null().context(|| "cannot open /dev/null")?);
    for number in streams {
        fd::place(&null, *number)?;
    }
    Ok(())
}

fn explain(wanted: &Wanted) -> Result<Option<Explain>> {
    if !wanted.explain {
        return Ok(None);
    }
    Ok(Some(Explain {
        out: File::from(fd::duplicate(fd::standard(2))?),
        start: Instant::now(),
        json: false,
    }))
}

fn state_of(found: &Found, spec: &Spec) -> State {
    State {
        oci_version: spec.version().clone(),
        id: found.entry.id().to_string(),
        status: "running".to_owned(),
        pid: found.state.pid,
        bundle: found.entry.dir().to_owned(),
        annotations: spec.annotations().clone().unwrap_or_default(),
    }
}
