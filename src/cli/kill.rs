//! `kill`, `stop`, `pause`, `unpause`: what is said to a running container.

use std::process::ExitCode;
use std::time::Instant;

use super::common::{self, Found};
use crate::container::State;
use crate::error::{Error, Result};
use crate::keeper::{self, NotReached, Request};
use crate::signal;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct Kill {
    /// Name or number of the signal
    #[arg(short, long, default_value = "KILL", value_parser = signal::parse)]
    signal: i32,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub struct Stop {
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

#[derive(Debug, clap::Args)]
pub struct Pause {
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub struct Unpause {
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// `kill`.
pub fn kill(store: &Store, args: &Kill) -> ExitCode {
    let number = args.signal;
    common::each(&args.containers, |name| {
        let found = common::find(store, name)?;
        common::ask(&found, &Request::Signal(number))?;
        if number == libc::SIGKILL {
            wait_for_the_end(store, &found);
        }
        Ok(())
    })
}

/// That signal cannot be ignored, so who sent it wants to see its effect: the
/// next command finds the container ended. What takes longer than it should is
/// not waited for.
fn wait_for_the_end(store: &Store, found: &Found) {
    let until = Instant::now() + common::PATIENCE;
    let goes = found.entry.config().is_ok_and(|config| config.auto_remove);
    let is_same = |state: &State| state.status.is_up() && state.pid == found.state.pid;
    while Instant::now() < until {
        match keeper::truth(store, &found.entry) {
            Ok(state) if is_same(&state) => std::thread::sleep(common::PAUSE),
            // One that goes with its program holds its name until it is gone.
            Ok(_) if goes && found.entry.exists() => {
                std::thread::sleep(common::PAUSE);
            }
            Ok(_) | Err(_) => return,
        }
    }
}

/// `pause`.
pub fn pause(store: &Store, args: &Pause) -> ExitCode {
    common::each(&args.containers, |name| {
        common::ask(&common::find(store, name)?, &Request::Pause)
    })
}

/// `unpause`.
pub fn unpause(store: &Store, args: &Unpause) -> ExitCode {
    common::each(&args.containers, |name| {
        common::ask(&common::find(store, name)?, &Request::Unpause)
    })
}

/// `stop`.
pub fn stop(store: &Store, args: &Stop) -> ExitCode {
    common::each(&args.containers, |name| {
        end(store, &common::find(store, name)?, args.signal, args.time)
    })
}

/// Ends a container, if it is up, and returns when that is over.
pub fn end(store: &Store, found: &Found, signal: Option<i32>, time: Option<i64>) -> Result<()> {
    if !found.state.status.is_up() {
        return Ok(());
    }
    let config = found.entry.config()?;
    let number = match signal {
        Some(number) => number,
        None => config.program.stop_signal_number(),
    };
    let seconds = time.or(config.program.stop_timeout).unwrap_or(10);
    let ms = seconds
        .checked_mul(1000)
        .filter(|ms| *ms >= 0)
        .unwrap_or(-1);
    match keeper::connect(&found.entry) {
        Ok(connection) => {
            if Request::Stop(number, ms).send(&connection).is_ok()
                && common::wait_for_exit(&connection, keeper::hear)?.is_some()
            {
                return Ok(());
            }
        }
        Err(NotReached::Deaf(e)) => return Err(e),
        Err(NotReached::Gone) => {}
    }
    // The keeper ended meanwhile: by itself, or killed, and then what it left
    // is taken away now. Its lock comes free an instant after its connections.
    let until = Instant::now() + common::PATIENCE;
    loop {
        match keeper::truth(store, &found.entry) {
            Ok(state) if !state.status.is_up() => return Ok(()),
            Err(_) if !found.entry.exists() => return Ok(()),
            Err(e) => return Err(e),
            Ok(_) if Instant::now() > until => {
                return Err(Error::environment(
                    "the container was started again meanwhile",
                ));
            }
            Ok(_) => std::thread::sleep(common::PAUSE),
        }
    }
}
