//! `exec`: a further process in a running container.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use oci_spec::runtime::{Process, Spec};

use super::common::{self, Found};
use super::flags::Exec;
use super::run::{Others, here};
use crate::container::Status;
use crate::error::{Error, Result};
use crate::facts::{self, Facts};
use crate::foreground::pipes::{self, Pipes};
use crate::foreground::relay::{self, Ending};
use crate::foreground::session::{self, cannot_write};
use crate::keeper::{self, Failure, Reply};
use crate::plan::{self, ExecRequest};
use crate::run::{self, Explain, Held, Launch, State};
use crate::say;
use crate::spec::{self, Further, users};
use crate::store::Store;
use crate::sys::process::{Exit, Forked};
use crate::sys::{fd, process, socket, title};

/// `exec`.
pub fn exec(store: &Store, args: &Exec) -> Result<ExitCode> {
    let request = here(|here| args.request(here, &Others(store)))?;
    let found = common::find(store, request.container.as_str())?;
    let container = first_process(&found)?;
    if request.tty && request.interactive && !request.detach {
        common::check_terminal(common::WITHOUT_TERMINAL)?;
    }
    let name = found.entry.name()?;
    let mut spec = found.entry.spec()?;
    let facts = facts::observe()?;
    let user = match &request.user {
        Some(user) => {
            let root = format!("/proc/{}/root", found.state.pid);
            let root = fd::open(Path::new(&root), libc::O_PATH | libc::O_DIRECTORY)?;
            Some(users::resolve(root.as_fd(), user, &[])?)
        }
        None => None,
    };
    if request.privileged {
        withhold_nothing(&mut spec);
    }
    let process = spec::further(
        &spec,
        &Further {
            args: &request.argv,
            env: &request.env,
            workdir: request.workdir.as_deref(),
            user: user.as_ref(),
            terminal: request.tty,
            privileged: request.privileged.then_some(facts.caps),
        },
    )?;
    let config = found.entry.config()?;
    let command = request.argv.join(" ");
    for action in ["exec_create", "exec_start"] {
        let action = format!("{action}: {command}");
        keeper::note(store, &found.entry, &config, &action, &[]);
    }
    let wanted = Wanted {
        terminal: request.tty && !request.detach,
        input: request.interactive,
        detach: request.detach,
        detach_keys: request.detach_keys,
        explain: args.explain,
        process,
        facts,
    };
    let handle = fd::duplicate(&container)?;
    let ended = |e| or_ended(&handle, &name, e);
    let note_end = |code: i32| {
        let code = code.to_string();
        let more = [("exitCode", code.as_str())];
        keeper::note(store, &found.entry, &config, "exec_die", &more);
    };
    if wanted.detach {
        let launch = || launch(&found, container, &spec, &wanted).map_err(ended);
        let id = found.entry.id().short();
        return in_background(id, launch, note_end).map(|()| ExitCode::SUCCESS);
    }
    let outcome = run(&found, container, &spec, &wanted).map_err(ended)?;
    let Outcome {
        code,
        lost,
        otherwise,
    } = outcome;
    if let Some(code) = code {
        note_end(code);
    }
    match lost {
        Some(e) => Err(e),
        None => Ok(code.map_or(otherwise, common::exit_code)),
    }
}

/// Has a process of its own start the program and see its end, which only who
/// started it can. Returns once the program runs.
fn in_background(
    id: &str,
    launch: impl FnOnce() -> Result<(Held, OnOurSide)>,
    note_end: impl FnOnce(i32),
) -> Result<()> {
    let (ours, theirs) = socket::message_pair()?;
    if let Forked::Parent { .. } = process::fork(0, None)? {
        drop(theirs);
        return session::started(&ours).map(drop);
    }
    drop(ours);
    let _ = process::new_session();
    let _ = title::set(c"rcon:exec", id);
    // Where the command was typed is not to be kept busy.
    let _ = std::env::set_current_dir("/");
    let started = launch().and_then(|(held, _)| held.release());
    let reply = match &started {
        Ok((pid, _)) => Reply::Started(*pid),
        Err(e) => Reply::Failed(Failure {
            code: e.exit_code().unwrap_or(1),
            text: e.to_string(),
        }),
    };
    // If nobody waits for the answer any more, the program runs all the same.
    let _ = socket::send(&theirs, &reply.encode(), &[]);
    let Ok((_, pidfd)) = started else {
        process::exit_now(1);
    };
    // Whoever reads what the command says waits until nobody can say more.
    let kept =
        pipes::leave_streams().and_then(|()| Ok(fd::close_all_but(3, &[pidfd.as_raw_fd()])?));
    if kept.is_ok()
        && let Ok(exit) = process::wait(&pidfd)
    {
        note_end(exit.shell_code());
    }
    process::exit_now(0)
}

/// `--privileged` lifts the filter of system calls, too.
fn withhold_nothing(spec: &mut Spec) {
    if let Some(linux) = spec.linux_mut() {
        linux.set_seccomp(None);
    }
}

/// What is to run.
struct Wanted {
    terminal: bool,
    input: bool,
    detach: bool,
    detach_keys: Vec<u8>,
    explain: bool,
    process: Process,
    /// What this host is like.
    facts: Facts,
}

/// What is left on this side: the pipes, or where a terminal comes from.
type OnOurSide = (Option<Pipes>, Option<OwnedFd>);

/// Runs it, and stays with it.
fn run(found: &Found, container: OwnedFd, spec: &Spec, wanted: &Wanted) -> Result<Outcome> {
    let (held, (pipes, console)) = launch(found, container, spec, wanted)?;
    match pipes {
        Some(pipes) => stay(held, pipes),
        None => stay_at_terminal(held, console, wanted),
    }
}

/// Has it ready to be let go.
fn launch(
    found: &Found,
    container: OwnedFd,
    spec: &Spec,
    wanted: &Wanted,
) -> Result<(Held, OnOurSide)> {
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
        &wanted.facts,
    )?;
    let (console, theirs) = if wanted.terminal {
        let (ours, theirs) = crate::sys::socket::stream_pair()?;
        (Some(ours), Some(theirs))
    } else {
        (None, None)
    };
    let (streams, pipes) = if wanted.terminal || wanted.detach {
        (pipes::nothing()?, None)
    } else {
        let (theirs, ours) = Pipes::make(wanted.input)?;
        (theirs, Some(ours))
    };
    let launch = Launch {
        plan: &plan,
        state: state_of(found, spec),
        console: theirs,
        start_socket: None,
        made: Vec::new(),
        container: Some(container),
        preserve_fds: 0,
        patience: None,
        meanwhile: None,
        explain: explain(wanted)?,
    };
    let held = pipes::lent(&streams, || run::launch(launch))??;
    // From here on the program alone has them, and their end can be seen.
    drop(streams);
    for warning in &held.warnings {
        say::warning(warning);
    }
    Ok((held, (pipes, console)))
}

/// How it came to an end.
struct Outcome {
    /// The code; none where it goes on without us.
    code: Option<i32>,
    /// How the command ends then.
    otherwise: ExitCode,
    /// What it said could not be shown.
    lost: Option<Error>,
}

fn stay(held: Held, pipes: Pipes) -> Result<Outcome> {
    // Left alone: what stops this command itself and has it go on.
    let signals = process::signals_as_fd_but(&[libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU])?;
    let (_, pidfd) = held.release()?;
    let ended = pipes.attend(&pidfd, &signals)?;
    let code = ended.exit.map(Exit::shell_code);
    if code.is_none() {
        tell_it_goes_on();
    }
    Ok(Outcome {
        code,
        lost: ended.lost,
        otherwise: unread(),
    })
}

fn stay_at_terminal(held: Held, console: Option<OwnedFd>, wanted: &Wanted) -> Result<Outcome> {
    let signals = process::signals_as_fd()?;
    let keys = wanted.input.then_some(&wanted.detach_keys[..]);
    let session = relay::Session::open(console, keys)?;
    let (_, pidfd) = held.release()?;
    let (exit, lost) = match relay::attend_until(&pidfd, &signals, session)? {
        Ending::Exit(exit) => (Some(exit), None),
        Ending::Left => {
            return Ok(Outcome {
                code: None,
                lost: None,
                otherwise: ExitCode::SUCCESS,
            });
        }
        Ending::Unshown(why, exit) => {
            if exit.is_none() {
                tell_it_goes_on();
            }
            // Of a reader that went, there is nobody to be told.
            (exit, (why != Errno::EPIPE).then(|| cannot_write(1, why)))
        }
    };
    Ok(Outcome {
        code: exit.map(Exit::shell_code),
        lost,
        otherwise: unread(),
    })
}

fn tell_it_goes_on() {
    say::err("rcon: nobody reads what the program says; it goes on in the container");
}

/// As whoever writes into a pipe that nobody reads.
fn unread() -> ExitCode {
    common::exit_code(128 + libc::SIGPIPE)
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

/// A container that is just being killed takes what is to run in it along, at
/// whatever step that is.
fn or_ended(container: &OwnedFd, name: &str, e: Error) -> Error {
    // The program could not be run: no wonder, and the container lives.
    if e.exit_code().is_some() {
        return e;
    }
    let mut fds = [PollFd::new(container.as_fd(), PollFlags::POLLIN)];
    // Its last process may be on its way still.
    match poll(&mut fds, 250u8) {
        Ok(1..) => Error::user(format!("container {name} has ended"))
            .hint(format!("`rcon start {name}` starts it")),
        _ => e,
    }
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
