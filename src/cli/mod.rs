//! The `rcon` command line: what was typed, and how results are shown.
//!
//! One file per command, or per few that are of a kind. Nothing here knows
//! how a container is made or kept; what is typed more than once is in
//! [`common`].
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "a help text that shows what is optional is no link"
)]

mod attach;
mod common;
mod exec;
mod kill;
mod logs;
pub mod progress;
mod rm;
mod run;
mod start;
mod system;
mod update;
mod wait;

pub mod flags;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::error::{Error, Result};
use crate::store::Store;

/// A local container runtime: daemonless, fast, and open about every step.
#[derive(Debug, Parser)]
#[command(name = "rcon", version)]
struct Cli {
    #[command(flatten)]
    places: Places,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Where everything is kept.
#[derive(Debug, clap::Args)]
struct Places {
    #[arg(
        long,
        value_name = "DIR",
        global = true,
        help = "Where containers and images are kept [default: $RCON_ROOT or /var/lib/rcon]"
    )]
    root: Option<PathBuf>,
    #[arg(
        long,
        value_name = "DIR",
        global = true,
        help = "Where sockets are kept [default: $RCON_ROOT/run or /run/rcon]"
    )]
    run_root: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    OfContainers(Container),
    /// Everything one does to containers
    Container {
        #[command(subcommand)]
        command: Container,
    },
    /// What is true of everything at once
    System {
        #[command(subcommand)]
        command: system::System,
    },
    /// Run OCI bundles: the low-level runtime that podman, containerd and
    /// Docker can use in place of runc
    #[command(disable_help_flag = true)]
    Oci {
        /// See `rcon oci --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

#[derive(Debug, Subcommand)]
enum Container {
    /// Make a container from an image and start its program
    Run(flags::Run),
    /// Make a container from an image, to be started later
    Create(flags::Create),
    /// Run a further program in a running container
    Exec(flags::Exec),
    Attach(attach::Attach),
    Kill(kill::Kill),
    Logs(logs::Logs),
    Pause(kill::Pause),
    Rename(rm::Rename),
    Restart(start::Restart),
    Rm(rm::Rm),
    Start(start::Start),
    Stop(kill::Stop),
    Unpause(kill::Unpause),
    Update(update::Update),
    Wait(wait::Wait),
}

/// Runs one command.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(e) => return refused(&e),
    };
    let done = match cli.command {
        Some(Command::Oci { args }) => {
            return crate::oci::main(std::iter::once("rcon oci".into()).chain(args));
        }
        Some(Command::OfContainers(command) | Command::Container { command }) => {
            of_containers(cli.places, command)
        }
        Some(Command::System { command }) => Store::open(cli.places.root, cli.places.run_root)
            .and_then(|store| system::system(&store, &command)),
        None => {
            // Help on a closed output has no reader to miss it.
            let _ = Cli::command().print_help();
            return ExitCode::FAILURE;
        }
    };
    done.unwrap_or_else(|e| failed(&e))
}

/// Help and version are no failures; a wrong flag is.
fn refused(e: &clap::Error) -> ExitCode {
    if let Some(error) = flags::one_line(e) {
        return failed(&error.exit(125));
    }
    // Help on a closed output has no reader to miss it.
    let _ = e.print();
    ExitCode::SUCCESS
}

fn failed(e: &Error) -> ExitCode {
    eprintln!("rcon: error: {e}");
    ExitCode::from(e.exit_code().unwrap_or(1))
}

fn of_containers(places: Places, command: Container) -> Result<ExitCode> {
    // Whoever starts a container becomes its keeper, whose binary the
    // program could reach.
    if matches!(
        command,
        Container::Run(_) | Container::Start(_) | Container::Restart(_) | Container::Exec(_)
    ) {
        crate::run::protect_own_binary()?;
    }
    let store = &Store::open(places.root, places.run_root)?;
    store.sweep()?;
    match command {
        Container::Run(args) => run::run(store, &args),
        Container::Create(args) => run::create(store, &args),
        Container::Exec(args) => exec::exec(store, &args),
        Container::Attach(args) => attach::attach(store, &args),
        Container::Kill(args) => kill::kill(store, &args),
        Container::Logs(args) => logs::logs(store, &args),
        Container::Pause(args) => Ok(kill::pause(store, &args)),
        Container::Rename(args) => rm::rename(store, &args),
        Container::Restart(args) => start::restart(store, &args),
        Container::Rm(args) => Ok(rm::rm(store, &args)),
        Container::Start(args) => start::start(store, &args),
        Container::Stop(args) => kill::stop(store, &args),
        Container::Unpause(args) => Ok(kill::unpause(store, &args)),
        Container::Update(args) => update::update(store, &args),
        Container::Wait(args) => Ok(wait::wait(store, &args)),
    }
}
