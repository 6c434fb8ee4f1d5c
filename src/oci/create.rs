//! `create`, `start` and `run`.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use oci_spec::runtime::Spec;

use super::args::{Create, PlanArgs, PlanFormat, Run};
use super::log::Log;
use super::record::{Record, Status};
use super::root::{Locked, Root, check_id};
use super::{bundle, manage};
use crate::error::{Context, Error, Result};
use crate::facts::{self, BundleFacts};
use crate::foreground::relay;
use crate::plan::hooks::{self, Moment};
use crate::plan::{self, Options, Plan};
use crate::process::start_time;
use crate::render;
use crate::run::{self, Explain, Held, Launch, State};
use crate::sys::process;
use crate::sys::{fd, socket};

/// A container whose program waits.
struct Made {
    held: Held,
    record: Record,
    locked: Locked,
    spec: Spec,
}

/// Whether somebody else will start the program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Starter {
    Other,
    Ourselves,
}

/// `create`.
pub fn create(root: &Root, args: &Create, log: &Log) -> Result<()> {
    check_id(&args.id)?;
    let made = make(root, args, Starter::Other, None, log)?;
    let done = made.held.leave();
    done.inspect_err(|_| {
        manage::remove_quietly(&made.locked, &made.record);
        manage::poststop(&made.spec, &made.record, log);
    })
}

/// `run`: `create`, `start`, and unless detached, wait and `delete`.
pub fn run(root: &Root, args: &Run, log: &Log) -> Result<i32> {
    check_id(&args.create.id)?;
    let detached = args.detach;
    if !args.no_subreaper {
        process::become_subreaper()?;
    }
    let spec = bundle::load(&args.create.bundle)?.spec;
    let wants_terminal = spec
        .process()
        .as_ref()
        .is_some_and(|p| p.terminal() == Some(true));
    let terminal = relay::Terminal::for_process(
        wants_terminal,
        args.create.console_socket.is_some(),
        detached,
    )?;
    let (terminal, console) = terminal.split();
    let made = make(root, &args.create, Starter::Ourselves, console, log)?;
    let Made {
        held,
        record,
        locked,
        spec,
    } = made;
    let signals = if detached {
        None
    } else {
        Some(process::signals_as_fd()?)
    };
    let session = if detached {
        Ok(None)
    } else {
        relay::Session::open_plain(terminal)
    };
    let started = session.and_then(|session| Ok((held.release()?, session)));
    let ((pid, pidfd), session) = started.inspect_err(|_| {
        end_and_remove(&locked, &record);
        // A failed startContainer hook, too, leaves what others have done.
        manage::poststop(&spec, &record, log);
    })?;
    if let Err(e) = poststart(&spec, &record, pid) {
        end_process(&record);
        return Err(if args.keep {
            e
        } else {
            and_remove(root, locked, record, log, e)
        });
    }
    drop(locked);
    let Some(signals) = signals else { return Ok(0) };
    let exit = relay::attend(&pidfd, &signals, session)?;
    if !args.keep {
        let locked = root.lock(&record.id)?;
        manage::remove(root, locked, Some(record), log)?;
    }
    Ok(exit.shell_code())
}

/// A start that failed at its very end leaves nothing either.
fn end_and_remove(locked: &Locked, record: &Record) {
    end_process(record);
    manage::remove_quietly(locked, record);
}

/// Our own child, so it is ours to wait for.
fn end_process(record: &Record) {
    if let Some(process) = record.process() {
        let _ = fd::pidfd_send_signal(&process, libc::SIGKILL);
        let _ = process::wait(&process);
    }
}

/// Removes a container for `why`, which stays what is reported.
fn and_remove(root: &Root, locked: Locked, record: Record, log: &Log, why: Error) -> Error {
    if let Err(e) = manage::remove(root, locked, Some(record), log) {
        log.warn(&e.to_string());
    }
    why
}

/// The first hook that fails is the last to run. Whoever asked for it cannot
/// do without it, so its failure is the start's; the program is the caller's
/// to end.
fn poststart(spec: &Spec, record: &Record, pid: i32) -> Result<()> {
    let state = State {
        pid,
        ..record.state(Status::Running)
    };
    let list = hooks::at(spec, Moment::Poststart)?;
    list.iter().try_for_each(|hook| run::run_hook(hook, &state))
}

fn make(
    root: &Root,
    args: &Create,
    starter: Starter,
    console: Option<OwnedFd>,
    log: &Log,
) -> Result<Made> {
    let bundle::Config {
        mut spec,
        bytes,
        warnings,
    } = bundle::load(&args.bundle)?;
    for warning in &warnings {
        log.warn(warning);
    }
    let sockets = pass_sockets(&mut spec);
    let bundle = facts::observe_bundle(&args.bundle, &spec)?;
    // Checked before anything is made, so that most errors have nothing to
    // take back.
    let plan = plan_for(&spec, &bundle, args)?;
    hooks::at(&spec, Moment::Poststop)?;
    let console = console_for(&spec, args, starter, console)?;
    let locked = root.claim(&args.id)?;
    let mut record = Record::new(&args.id, &spec, &bundle, plan.cgroups.expected());
    let made = (|| {
        locked.write_config(&bytes)?;
        locked.write(&record)?;
        let start_socket = match starter {
            Starter::Other => Some(socket::listen_messages(&locked.dir().join("start.sock"))?),
            Starter::Ourselves => None,
        };
        let held = run::launch(Launch {
            plan: &plan,
            state: record.state(Status::Creating),
            console,
            start_socket,
            made: Vec::new(),
            container: None,
            preserve_fds: args.preserve_fds + sockets,
            patience: None,
            meanwhile: None,
            explain: log.explain(args.explain)?,
        })?;
        held.warnings.iter().for_each(|w| log.warn(w));
        keep(&locked, &mut record, &held, starter)?;
        announce(
            &held,
            args.pid_file.as_deref(),
            args.pidfd_socket.as_deref(),
        )?;
        Ok(held)
    })();
    match made {
        Ok(held) => Ok(Made {
            held,
            record,
            locked,
            spec,
        }),
        Err(e) => {
            end_and_remove(&locked, &record);
            // What the hooks before have done, these may have to undo.
            manage::poststop(&spec, &record, log);
            Err(e)
        }
    }
}

fn keep(locked: &Locked, record: &mut Record, held: &Held, starter: Starter) -> Result<()> {
    record.pid = held.pid;
    record.pid_start = start_time(held.pid).map_or(0, |(ticks, _)| ticks);
    record.cgroups = held.cgroups.clone();
    record.held = starter == Starter::Other;
    locked.write(record)
}

fn plan_for(spec: &Spec, bundle: &BundleFacts, args: &Create) -> Result<Plan> {
    let options = Options {
        id: args.id.clone(),
        no_pivot: args.no_pivot,
        no_new_keyring: args.no_new_keyring,
        ..Options::default()
    };
    plan::container(spec, &facts::observe()?, bundle, &options)
}

/// Sockets that systemd has opened for the container go on to it.
fn pass_sockets(spec: &mut Spec) -> u32 {
    let count = std::env::var("LISTEN_FDS")
        .ok()
        .and_then(|n| n.parse::<u32>().ok());
    let Some(count) = count.filter(|n| *n > 0) else {
        return 0;
    };
    if let Some(process) = spec.process_mut() {
        let mut env = process.env().clone().unwrap_or_default();
        env.push(format!("LISTEN_FDS={count}"));
        env.push("LISTEN_PID=1".to_owned());
        process.set_env(Some(env));
    }
    count
}

fn console_for(
    spec: &Spec,
    args: &Create,
    starter: Starter,
    own: Option<OwnedFd>,
) -> Result<Option<OwnedFd>> {
    let wanted = spec
        .process()
        .as_ref()
        .is_some_and(|p| p.terminal() == Some(true));
    match (&args.console_socket, wanted) {
        (Some(path), true) => Ok(Some(connect_console(path)?)),
        (Some(_), false) => Err(Error::user(
            "a console socket was given, but process.terminal is not set in config.json",
        )),
        (None, true) if own.is_none() && starter == Starter::Other => Err(Error::user(
            "cannot allocate tty if runc will detach without setting console socket",
        )
        .hint("give --console-socket, or unset process.terminal in config.json")),
        (None, _) => Ok(own),
    }
}

/// Whoever asked for the terminal listens at this socket.
pub(super) fn connect_console(path: &Path) -> Result<OwnedFd> {
    socket::connect_stream(path)
        .context(|| format!("cannot reach the console socket {}", path.display()))
}

/// Tells whoever asked which process it is: by number and by handle.
pub(super) fn announce(held: &Held, file: Option<&Path>, handle: Option<&Path>) -> Result<()> {
    if let Some(path) = file {
        write_pid_file(path, held.pid)?;
    }
    if let Some(path) = handle {
        let what = || format!("cannot reach the pidfd socket {}", path.display());
        let socket = socket::connect_stream(path).context(what)?;
        socket::send(&socket, b"pidfd", &[held.pidfd.as_raw_fd()]).context(what)?;
    }
    Ok(())
}

/// Written whole, under another name first, so that nobody reads half a number.
fn write_pid_file(path: &Path, pid: i32) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = path.with_file_name(format!(".{name}.rcon"));
    let what = || format!("cannot write the pid file {}", path.display());
    let written = File::create(&fresh)
        .and_then(|mut file| file.write_all(pid.to_string().as_bytes()))
        .and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        // The failure itself is what is told.
        let _ = fs::remove_file(&fresh);
    }
    written.context(what)
}

/// `start`.
pub fn start(root: &Root, id: &str, log: &Log) -> Result<()> {
    let locked = root.lock(id)?;
    let record = manage::record_of(&locked, id)?;
    let status = record.status(root);
    match status {
        Status::Created => {}
        Status::Stopped => {
            return Err(Error::user(format!(
                "cannot start a container that has stopped: {id}"
            )));
        }
        Status::Running | Status::Paused => {
            return Err(Error::user(format!(
                "cannot start an already running container: {id}"
            )));
        }
        Status::Creating => return Err(Error::user(format!("container {id} is not made yet"))),
    }
    let gone = || Error::user(format!("container not running: {id}"));
    let process = record.process().ok_or_else(gone)?;
    let path = root.start_socket(id)?;
    let connection =
        socket::connect_messages(&path).context(|| "cannot reach the container's first process")?;
    // From here on it is no longer "created", whatever comes of it.
    fs::remove_file(&path).context(|| format!("cannot remove {}", path.display()))?;
    run::release_over(connection, (record.pid, &process))?;
    let spec = root.spec(id)?;
    poststart(&spec, &record, record.pid).inspect_err(|_| {
        if let Err(e) = manage::end(&record) {
            log.warn(&e.to_string());
        }
    })
}

/// `plan`: the steps a start would take.
pub fn plan(args: &PlanArgs, log: &Log) -> Result<String> {
    check_id(&args.id)?;
    let bundle::Config { spec, warnings, .. } = bundle::load(&args.bundle)?;
    let bundle = facts::observe_bundle(&args.bundle, &spec)?;
    let options = Options {
        id: args.id.clone(),
        no_pivot: args.no_pivot,
        no_new_keyring: false,
        ..Options::default()
    };
    let mut plan = plan::container(&spec, &facts::observe()?, &bundle, &options)?;
    plan.warnings.extend(warnings);
    Ok(match args.format {
        PlanFormat::Words => render::words::plan(&plan),
        PlanFormat::Shell => {
            // A script has no place for them.
            plan.warnings.iter().for_each(|w| log.warn(w));
            render::shell::script(&plan)
        }
        PlanFormat::Json => render::json::plan(&plan),
    })
}

impl Log {
    /// Where steps are told, if they are to be.
    pub fn explain(&self, on_stderr: bool) -> Result<Option<Explain>> {
        let start = Instant::now();
        if on_stderr {
            let out = File::from(fd::duplicate(fd::standard(2))?);
            return Ok(Some(Explain {
                out,
                start,
                json: false,
            }));
        }
        Ok(self
            .debug_file()?
            .map(|(out, json)| Explain { out, start, json }))
    }
}
