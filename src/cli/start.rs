//! `start` and `restart`.

use std::process::ExitCode;
use std::time::Instant;

use super::{common, flags, kill};
use crate::container::{Config, Status};
use crate::error::{Error, Result};
use crate::foreground::session::{self, Outcome};
use crate::keeper::{self, Attached};
use crate::say;
use crate::signal;
use crate::store::{Entry, Store};
use crate::sys::{fd, tty};

#[derive(Debug, clap::Args)]
pub struct Start {
    /// Show what it says, and end as it ends
    #[arg(short, long)]
    attach: bool,
    /// Pass on what is typed
    #[arg(short, long)]
    interactive: bool,
    /// What to type to leave [default: ctrl-p,ctrl-q]
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Tell every step as it is taken
    #[arg(long)]
    explain: bool,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub struct Restart {
    /// Name or number of the signal to ask with [default: the container's own, or TERM]
    #[arg(short, long, value_parser = signal::parse)]
    signal: Option<i32>,
    /// Seconds to wait before killing; -1 is for ever [default: the container's own, or 10]
    #[arg(short, long, visible_alias = "timeout", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// `start`.
pub fn start(store: &Store, args: &Start) -> Result<ExitCode> {
    if !args.attach && !args.interactive {
        return Ok(common::each(&args.containers, |name| {
            let found = common::find(store, name)?;
            match found.state.status {
                Status::Paused => return Err(paused(name)),
                status if status.is_up() => return Ok(()),
                _ => {}
            }
            quietly(store, &found.entry, args.explain)
        }));
    }
    let keys = args.detach_keys.as_deref().map(flags::detach_keys);
    let keys = keys.transpose()?;
    let [name] = args.containers.as_slice() else {
        return Err(Error::user("only one container can be attached to"));
    };
    let found = common::find(store, name)?;
    let running = || {
        Error::user(format!("container {name} is running already"))
            .hint(format!("`rcon attach {name}` shows what it says"))
    };
    if found.state.status.is_up() {
        return Err(running());
    }
    let lock = common::lock(&found.entry)?.ok_or_else(running)?;
    let start = keeper::Start {
        explain: args.explain,
        ..keeper::Start::of(found.entry, lock)?
    };
    let attached = Attached {
        input: args.interactive && start.config.program.open_stdin,
        output: true,
        errors: true,
    };
    let options = session::options(&start.config, attached, true, keys.as_deref());
    foreground(store, start, &options)
}

/// `restart`.
pub fn restart(store: &Store, args: &Restart) -> ExitCode {
    common::each(&args.containers, |name| {
        let found = common::find(store, name)?;
        kill::end(store, &found, args.signal, args.time)?;
        quietly(store, &found.entry, false)?;
        keeper::note(store, &found.entry, &found.entry.config()?, "restart", &[]);
        Ok(())
    })
}

/// Frozen is not ended.
fn paused(name: &str) -> Error {
    Error::user(format!("container {name} is paused"))
        .hint(format!("`rcon unpause {name}` lets it go on"))
}

/// Starts one that nobody looks at.
fn quietly(store: &Store, entry: &Entry, explain: bool) -> Result<()> {
    let Some(lock) = common::lock(entry)? else {
        return Ok(());
    };
    let start = keeper::Start {
        explain,
        ..keeper::Start::of(entry.clone(), lock)?
    };
    background(store, start)
}

/// With `passthrough` the program gets this command's own streams. A terminal
/// among them would let it type into the shell of whoever starts it.
pub fn refuse_terminal(config: &Config) -> Result<()> {
    let given = config.log.driver == "passthrough" && !config.program.tty;
    if given && (0..3).any(|n| tty::size(fd::standard(n)).is_some()) {
        return Err(Error::user(
            "--log-driver passthrough would hand your terminal to the container",
        )
        .hint("redirect standard input, output and error, or choose another log driver")
        .exit(125));
    }
    Ok(())
}

/// Starts a container and leaves it to its keeper.
pub fn background(store: &Store, start: keeper::Start) -> Result<()> {
    refuse_terminal(&start.config)?;
    session::started(&keeper::start(store, start)?).map(drop)
}

/// Starts a container and stays with it.
pub fn foreground(
    store: &Store,
    start: keeper::Start,
    options: &session::Options,
) -> Result<ExitCode> {
    refuse_terminal(&start.config)?;
    let size = if start.config.program.tty {
        session::own_size()
    } else {
        (0, 0)
    };
    let entry = start.entry.clone();
    let start = keeper::Start {
        attached: options.attached,
        size,
        ..start
    };
    let connection = keeper::start(store, start)?;
    session::started(&connection)?;
    shown(store, &entry, session::attend(&connection, options)?)
}

/// How a session ended, as this command's end.
pub fn shown(store: &Store, entry: &Entry, outcome: Outcome) -> Result<ExitCode> {
    match outcome {
        Outcome::Exit(code) => Ok(common::exit_code(code)),
        Outcome::Detached => Ok(ExitCode::SUCCESS),
        Outcome::Signalled(signal) => Ok(common::exit_code(128 + signal)),
        Outcome::Forsaken => {
            tell_it_goes_on(entry);
            Ok(ExitCode::FAILURE)
        }
        // As whoever writes into a pipe that nobody reads.
        Outcome::Unread => {
            tell_it_goes_on(entry);
            Ok(common::exit_code(128 + libc::SIGPIPE))
        }
        Outcome::Silence => after_silence(store, entry),
    }
}

fn tell_it_goes_on(entry: &Entry) {
    let name = entry
        .name()
        .unwrap_or_else(|_| entry.id().short().to_owned());
    say::err(format_args!(
        "rcon: the container goes on (`rcon stop {name}` ends it)"
    ));
}

/// A keeper says nothing to whom it has not let in before the end, and nothing
/// when it is killed; which of them it was, is on record.
fn after_silence(store: &Store, entry: &Entry) -> Result<ExitCode> {
    let until = Instant::now() + common::PATIENCE;
    while let Ok(state) = keeper::truth(store, entry) {
        if !state.status.is_up() && state.error.is_empty() {
            return Ok(common::exit_code(state.exit_code));
        }
        if !state.status.is_up() || Instant::now() > until {
            break;
        }
        std::thread::sleep(common::PAUSE);
    }
    Err(Error::environment("the container's keeper was killed").exit(137))
}
