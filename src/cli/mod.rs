//! The `rcon` command line: what was typed, and how results are shown.
//!
//! One file per command, or per few that are of a kind. Nothing here knows
//! how a container is made or kept; what is typed more than once is in
//! [`common`].
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "a help text that shows what is optional is no link"
)]

mod absent;
mod attach;
mod common;
mod completion;
mod cp;
mod events;
mod exec;
mod inspect;
mod kill;
mod listing;
mod logs;
mod port;
pub mod progress;
mod ps;
mod rm;
mod run;
#[cfg(test)]
mod sample;
mod sizes;
mod start;
mod stats;
mod system;
mod top;
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
    Ps(ps::Ps),
    Events(events::EventsOf),
    Info(system::info::Info),
    /// The machine, and what is on its disk
    System {
        #[command(subcommand)]
        command: system::System,
    },
    Version(system::version::Version),
    Completion(completion::Completion),
    Man(completion::Man),
    /// Everything one does to containers
    Container {
        #[command(subcommand)]
        command: Grouped,
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

/// What stands behind `container`: the same, and what needs the word to be
/// understood.
#[derive(Debug, Subcommand)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one of it, and it is taken apart at once"
)]
enum Grouped {
    #[command(flatten)]
    Container(Container),
    #[command(visible_aliases = ["ps", "list"])]
    Ls(ps::Ps),
    /// Take away all containers that are not up
    Prune(system::prune::Prune),
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
    Cp(cp::Cp),
    Diff(cp::Diff),
    Export(cp::Export),
    Inspect(inspect::Inspect),
    Kill(kill::Kill),
    Logs(logs::Logs),
    Pause(kill::Pause),
    Port(port::PortOf),
    Rename(rm::Rename),
    Restart(start::Restart),
    Rm(rm::Rm),
    Start(start::Start),
    Stats(stats::StatsOf),
    Stop(kill::Stop),
    Top(top::Top),
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
        Some(Command::OfContainers(command)) => of_containers(cli.places, command),
        Some(Command::Ps(args)) => with_store(cli.places, |store| ps::ps(store, &args)),
        Some(Command::Container { command }) => match command {
            Grouped::Container(command) => of_containers(cli.places, command),
            Grouped::Ls(args) => with_store(cli.places, |store| ps::ps(store, &args)),
            Grouped::Prune(args) => {
                with_store(cli.places, |store| system::prune::containers(store, &args))
            }
        },
        Some(Command::Events(args)) => with_store(cli.places, |store| events::events(store, &args)),
        Some(Command::Info(args)) => {
            with_store(cli.places, |store| system::info::info(store, &args))
        }
        Some(Command::System { command }) => Store::open(cli.places.root, cli.places.run_root)
            .and_then(|store| system::system(&store, &command)),
        Some(Command::Version(args)) => system::version::version(&args),
        Some(Command::Completion(args)) => completion::completion(&args, Cli::command()),
        Some(Command::Man(args)) => completion::man(&args, Cli::command()),
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

fn with_store(places: Places, act: impl FnOnce(&Store) -> Result<ExitCode>) -> Result<ExitCode> {
    let store = Store::open(places.root, places.run_root)?;
    store.sweep()?;
    act(&store)
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
    // With `run`, all other codes are the program's.
    let runs = matches!(command, Container::Run(_) | Container::Create(_));
    let store = &Store::open(places.root, places.run_root)
        .map_err(|e| if runs { e.exit(125) } else { e })?;
    store.sweep()?;
    match command {
        Container::Run(args) => run::run(store, &args),
        Container::Create(args) => run::create(store, &args),
        Container::Exec(args) => exec::exec(store, &args),
        Container::Attach(args) => attach::attach(store, &args),
        Container::Cp(args) => cp::cp(store, &args),
        Container::Diff(args) => cp::diff(store, &args),
        Container::Export(args) => cp::export(store, &args),
        Container::Inspect(args) => inspect::inspect(store, &args),
        Container::Kill(args) => kill::kill(store, &args),
        Container::Logs(args) => logs::logs(store, &args),
        Container::Pause(args) => Ok(kill::pause(store, &args)),
        Container::Port(args) => port::port(store, &args),
        Container::Rename(args) => rm::rename(store, &args),
        Container::Restart(args) => start::restart(store, &args),
        Container::Rm(args) => Ok(rm::rm(store, &args)),
        Container::Start(args) => start::start(store, &args),
        Container::Stats(args) => stats::stats(store, &args),
        Container::Stop(args) => kill::stop(store, &args),
        Container::Top(args) => top::top(store, &args),
        Container::Unpause(args) => Ok(kill::unpause(store, &args)),
        Container::Update(args) => update::update(store, &args),
        Container::Wait(args) => Ok(wait::wait(store, &args)),
    }
}
