//! `rcon oci`: the command line of an OCI runtime, over the same core as
//! `rcon run`.
//!
//! Callers know runc's: podman, containerd and Docker start it with runc's
//! flags, read its state as JSON, its errors from a log file, and its exit
//! code. Here is that interface and the records it keeps; how a container is
//! started is [`crate::plan`]'s and [`crate::run`]'s.

mod args;
mod bundle;
mod create;
mod events;
mod exec;
mod features;
mod log;
mod manage;
mod record;
mod root;
mod show;
mod spec;
mod update;
mod usage;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

pub use bundle::{VERSION as SPEC_VERSION, parse_spec};

use args::{Cli, Command, Global};
use log::Log;
use root::Root;

use crate::error::{Error, Result};
use crate::run;
use crate::sys::fd;

/// Runs one command. `args` begins with the name to be shown in usage.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(e) => return misused(&e),
    };
    if cli.global.version {
        return print(&version());
    }
    let Some(command) = cli.command else {
        let _ = Cli::command().print_help();
        return ExitCode::SUCCESS;
    };
    let log = match prepare(&command).and_then(|()| Log::open(&cli.global)) {
        Ok(log) => log,
        Err(e) => {
            crate::say::error(e);
            return ExitCode::FAILURE;
        }
    };
    // As in runc, so that callers can tell our failure from the program's.
    let failure = if matches!(command, Command::Exec(_)) {
        255
    } else {
        1
    };
    match dispatch(cli.global, command, &log) {
        Ok(code) => ExitCode::from(code as u8),
        Err(e) => {
            log.error(&e.to_string());
            ExitCode::from(failure)
        }
    }
}

/// All that can be typed.
#[cfg(test)]
pub(crate) fn command_line() -> clap::Command {
    Cli::command()
}

/// Wrong words on the command line: help goes to standard output, an error to
/// standard error in its first line.
fn misused(e: &clap::Error) -> ExitCode {
    if e.use_stderr() {
        crate::say::error(usage::sentence(e));
        return ExitCode::FAILURE;
    }
    print(&e.render().to_string())
}

/// In the form callers of runc parse.
fn version() -> String {
    format!(
        "rcon-oci version {}\nspec: {}\n",
        env!("CARGO_PKG_VERSION"),
        bundle::VERSION
    )
}

/// What a process that becomes, or makes, a container does before it opens
/// anything itself.
fn prepare(command: &Command) -> Result<()> {
    let (preserve, file) = match command {
        Command::Create(c) => (c.preserve_fds, None),
        Command::Run(r) => (r.create.preserve_fds, None),
        Command::Exec(e) => (e.preserve_fds, e.process.as_deref()),
        _ => return Ok(()),
    };
    keep_only(preserve, file.and_then(bundle::descriptor))?;
    run::protect_own_binary()
}

fn dispatch(global: Global, command: Command, log: &Log) -> Result<i32> {
    if global.systemd_cgroup {
        return Err(Error::user(
            "--systemd-cgroup is not supported: rcon makes cgroups itself, without systemd",
        )
        .hint("choose the cgroupfs cgroup driver in the caller"));
    }
    let root = Root::new(global.root);
    let root = &root;
    match command {
        Command::Create(args) => create::create(root, &args, log).map(|()| 0),
        Command::Start(args) => create::start(root, &args.id, log).map(|()| 0),
        Command::Run(args) => create::run(root, &args, log),
        Command::State(args) => print_line(show::state(root, &args.id)),
        Command::Kill(args) => manage::kill(root, &args).map(|()| 0),
        Command::Delete(args) => manage::delete(root, &args, log).map(|()| 0),
        Command::Exec(args) => exec::exec(root, &args, log),
        Command::List(args) => print_line(show::list(root, &args)),
        Command::Ps(args) => print_line(show::ps(root, &args)),
        Command::Pause(args) => manage::pause(root, &args.id).map(|()| 0),
        Command::Resume(args) => manage::resume(root, &args.id).map(|()| 0),
        Command::Update(args) => update::update(root, &args, log).map(|()| 0),
        Command::Events(args) => events::events(root, &args, log).map(|()| 0),
        Command::Spec(args) => spec::spec(&args).map(|()| 0),
        Command::Features => print_line(Ok(features::features())),
        Command::Plan(args) => print_line(create::plan(&args, log)),
        Command::Checkpoint(_) | Command::Restore(_) => Err(Error::user(
            "checkpoint and restore are not supported: they need CRIU, which rcon does not drive",
        )),
    }
}

fn print_line(text: Result<String>) -> Result<i32> {
    let text = text?;
    if !text.is_empty() {
        print(&format!("{text}\n"));
    }
    Ok(0)
}

/// Whoever closed our output does not want to hear about it.
fn print(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// Descriptors that the caller left open by mistake must not reach hooks or
/// the container, nor be there for a path through `/proc/self/fd` to lead to.
/// One that was named as the file to read (`read`) is closed once it is read.
fn keep_only(preserve: u32, read: Option<i32>) -> Result<()> {
    let sockets = std::env::var("LISTEN_FDS")
        .ok()
        .and_then(|n| n.parse::<u32>().ok());
    let first = 3 + preserve + sockets.unwrap_or(0);
    match read {
        Some(number) => Ok(fd::close_all_but(first, &[number])?),
        None => Ok(fd::close_from(first)?),
    }
}
