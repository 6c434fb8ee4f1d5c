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
mod build;
mod builder;
mod common;
mod completion;
mod cp;
mod events;
mod exec;
mod image;
mod inspect;
mod kill;
mod listing;
mod logs;
mod network;
mod port;
mod powers;
pub mod progress;
mod ps;
mod rm;
mod run;
#[cfg(test)]
mod sample;
mod sizes;
mod start;
mod stats;
mod switches;
mod system;
mod top;
mod update;
mod volume;
mod wait;

pub mod flags;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::error::{Error, Result};
use crate::say;
use crate::store::Store;

/// A local container runtime: daemonless, fast, and open about every step.
#[derive(Debug, Parser)]
#[command(name = "rcon", version, args_override_self = true)]
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

// What each command takes is worked out for the one that is meant: for all of
// them that takes longer than all else this file does. So what the list of
// commands shows is said here, and not where a command's flags are.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum Command {
    #[command(flatten)]
    OfContainers(Container),
    #[command(flatten)]
    OfImages(image::Plain),
    /// Keep a name and a password for a registry
    Login(image::login::Login),
    /// Forget a registry's name and password
    Logout(image::login::Logout),
    /// Everything one does to images
    Image {
        #[command(subcommand)]
        command: image::Grouped,
    },
    /// What builds remember
    Builder {
        #[command(subcommand)]
        command: builder::Builder,
    },
    /// List containers
    Ps(ps::Ps),
    /// Show what happens to containers
    Events(events::EventsOf),
    /// Show this machine, and what there is on it
    Info(system::info::Info),
    /// The machine, and what is on its disk
    System {
        #[command(subcommand)]
        command: system::System,
    },
    /// What connects containers with each other and with the world
    Network {
        #[command(subcommand)]
        command: network::Network,
    },
    /// Directories that outlive the containers that write to them
    Volume {
        #[command(subcommand)]
        command: volume::Volume,
    },
    /// Show the version of rcon and of what it stands on
    Version(system::version::Version),
    /// Write what a shell needs to complete what is typed
    Completion(completion::Completion),
    /// Write the manual
    Man(completion::Man),
    /// Tell a shell which names could stand where one is typed
    #[command(name = "__complete", hide = true)]
    Complete(completion::Complete),
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

// What stands behind `container`: the same, and what needs the word to be
// understood.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one of it, and it is taken apart at once"
)]
enum Grouped {
    #[command(flatten)]
    Container(Container),
    /// List containers
    #[command(visible_aliases = ["ps", "list"])]
    Ls(ps::Ps),
    /// Take away all containers that are not up
    Prune(system::prune::Prune),
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum Container {
    /// Make a container from an image and start its program
    Run(flags::Run),
    /// Make a container from an image, to be started later
    Create(flags::Create),
    /// Run a further program in a running container
    Exec(flags::Exec),
    /// Show what a running container says, and pass on what is typed
    Attach(attach::Attach),
    /// Copy files between a container and the host
    Cp(cp::Cp),
    /// Show what a container has changed in its files: A added, C changed, D deleted
    Diff(cp::Diff),
    /// Write all files of a container as a tar archive
    Export(cp::Export),
    /// Show everything about containers, images, networks and volumes
    Inspect(inspect::Inspect),
    /// Send a signal to running containers
    Kill(kill::Kill),
    /// Show what a container has said
    Logs(logs::Logs),
    /// Freeze all processes of containers
    Pause(kill::Pause),
    /// Show where the ports of a container are reached
    Port(port::PortOf),
    /// Give a container another name
    Rename(rm::Rename),
    /// Stop containers and start them again
    Restart(start::Restart),
    /// Remove containers
    Rm(rm::Rm),
    /// Start containers that have ended or were never started
    Start(start::Start),
    /// Show what containers use
    Stats(stats::StatsOf),
    /// Ask running containers to end, and end those that do not
    Stop(kill::Stop),
    /// Show the processes of a container
    Top(top::Top),
    /// Let the processes of paused containers go on
    Unpause(kill::Unpause),
    /// Change the limits and the restart policy of containers
    Update(update::Update),
    /// Wait until containers end, and show their exit codes
    Wait(wait::Wait),
}

/// Runs one command.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    // A file that gets too large for `ulimit -f` is an error with a name.
    crate::sys::process::ignore(libc::SIGXFSZ);
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match switches::parse(args) {
        Ok(cli) => cli,
        Err((e, args)) => return refused(&e, &args),
    };
    let done = match cli.command {
        Some(Command::Oci { args }) => {
            return crate::oci::main(std::iter::once("rcon oci".into()).chain(args));
        }
        Some(Command::OfContainers(command)) => of_containers(cli.places, command),
        Some(Command::OfImages(command)) => {
            with_store(cli.places, |store| image::plain(store, &command))
        }
        // What is kept for a registry is each user's own, and in no store.
        Some(Command::Login(args)) => image::login::login(&args),
        Some(Command::Logout(args)) => image::login::logout(&args),
        Some(Command::Image { command }) => {
            with_store(cli.places, |store| image::grouped(store, &command))
        }
        Some(Command::Builder { command }) => {
            with_store(cli.places, |store| builder::builder(store, &command))
        }
        Some(Command::Ps(args)) => with_store(cli.places, |store| ps::ps(store, &args)),
        Some(Command::Container { command }) => match command {
            Grouped::Container(mut command) => {
                if let Container::Inspect(args) = &mut command {
                    args.of_containers();
                }
                of_containers(cli.places, command)
            }
            Grouped::Ls(args) => with_store(cli.places, |store| ps::ps(store, &args)),
            Grouped::Prune(args) => {
                with_store(cli.places, |store| system::prune::containers(store, &args))
            }
        },
        Some(Command::Events(args)) => with_store(cli.places, |store| events::events(store, &args)),
        Some(Command::Info(args)) => {
            with_store(cli.places, |store| system::info::info(store, &args))
        }
        Some(Command::System { command }) => {
            open(cli.places, false).and_then(|store| system::system(&store, &command))
        }
        Some(Command::Network { command }) => {
            with_store(cli.places, |store| network::network(store, &command))
        }
        Some(Command::Volume { command }) => {
            with_store(cli.places, |store| volume::volume(store, &command))
        }
        Some(Command::Version(args)) => system::version::version(&args),
        Some(Command::Completion(args)) => completion::completion(&args, Cli::command()),
        Some(Command::Man(args)) => completion::man(&args, Cli::command()),
        Some(Command::Complete(args)) => completion::complete(&args, Cli::command()),
        None => {
            // Help on a closed output has no reader to miss it.
            let _ = Cli::command().print_help();
            return ExitCode::SUCCESS;
        }
    };
    say::or_lost(done.unwrap_or_else(|e| failed(&e)))
}

/// Help and version are no failures, and a group of commands without one of
/// them asks for help; a wrong flag is a failure.
fn refused(e: &clap::Error, args: &[OsString]) -> ExitCode {
    use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand as Group;
    if e.kind() != Group
        && let Some(error) = flags::one_line(e)
    {
        // With some, all other codes are the program's.
        let is_special = makes_a_container(args) || flags::is_wrong_flag(e);
        let error = error.exit(1);
        return failed(&if is_special {
            error.wrong_flag()
        } else {
            error
        });
    }
    // Help on a closed output has no reader to miss it.
    let _ = e.print();
    ExitCode::SUCCESS
}

/// Whether the command is one with a code of its own for what it could not do.
/// `exec` has none, as in Docker: scripts take its 1 for "no such container".
fn makes_a_container(args: &[OsString]) -> bool {
    matches!(command_word(args), Some("run" | "create"))
}

/// The word that says what is to be done, as far as that can be told without
/// understanding the rest.
fn command_word(args: &[OsString]) -> Option<&str> {
    let mut words = args.iter().skip(1).filter_map(|a| a.to_str());
    while let Some(word) = words.next() {
        match word {
            "--root" | "--run-root" => drop(words.next()),
            "container" => {}
            flag if flag.starts_with('-') => {}
            word => return Some(word),
        }
    }
    None
}

fn failed(e: &Error) -> ExitCode {
    say::error(e);
    ExitCode::from(e.exit_code().unwrap_or(1))
}

/// The store, for who can use it; `starts` is for a container's start.
fn open(places: Places, starts: bool) -> Result<Store> {
    powers::check(starts)?;
    Store::open(places.root, places.run_root)
}

fn with_store(places: Places, act: impl FnOnce(&Store) -> Result<ExitCode>) -> Result<ExitCode> {
    let store = open(places, false)?;
    sweep(&store)?;
    act(&store)
}

/// Takes away what killed commands have left.
fn sweep(store: &Store) -> Result<()> {
    crate::volume::leftovers::sweep(store)?;
    crate::network::leftovers::sweep(crate::network::store::Networks(store))?;
    store.sweep()?;
    for step in store.abandoned_steps()? {
        // What cannot be settled now is tried again by the next command.
        let _ = crate::keeper::truth(store, &step);
    }
    image::of(store).sweep()
}

fn of_containers(places: Places, command: Container) -> Result<ExitCode> {
    // With these, all other codes are the program's.
    let makes = matches!(command, Container::Run(_) | Container::Create(_));
    let coded = |e: Error| if makes { e.exit(125) } else { e };
    let starts = matches!(
        command,
        Container::Run(_) | Container::Start(_) | Container::Restart(_) | Container::Exec(_)
    );
    let store = &open(places, starts).map_err(coded)?;
    // Whoever starts a container becomes its keeper, whose binary the
    // program could reach.
    if starts {
        crate::run::protect_own_binary().map_err(coded)?;
    }
    sweep(store)?;
    match command {
        Container::Run(args) => run::run(store, &args),
        Container::Create(args) => run::create(store, &args),
        Container::Exec(args) => exec::exec(store, &args),
        Container::Attach(args) => attach::attach(store, &args),
        Container::Cp(args) => cp::cp(store, &args),
        Container::Diff(args) => cp::diff(store, &args),
        Container::Export(args) => cp::export(store, &args),
        Container::Inspect(args) => inspect::inspect(store, &args),
        Container::Kill(args) => Ok(kill::kill(store, &args)),
        Container::Logs(args) => logs::logs(store, &args),
        Container::Pause(args) => Ok(kill::pause(store, &args)),
        Container::Port(args) => port::port(store, &args),
        Container::Rename(args) => rm::rename(store, &args),
        Container::Restart(args) => Ok(start::restart(store, &args)),
        Container::Rm(args) => Ok(rm::rm(store, &args)),
        Container::Start(args) => start::start(store, &args),
        Container::Stats(args) => stats::stats(store, &args),
        Container::Stop(args) => Ok(kill::stop(store, &args)),
        Container::Top(args) => top::top(store, &args),
        Container::Unpause(args) => Ok(kill::unpause(store, &args)),
        Container::Update(args) => update::update(store, &args),
        Container::Wait(args) => Ok(wait::wait(store, &args)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a command is for, where it is listed and in its own help.
    fn abouts(of: &clap::Command) -> Vec<(String, String, String)> {
        let about = |c: &clap::Command| c.get_about().map(ToString::to_string).unwrap_or_default();
        let mut built = of.clone();
        built.build();
        let each = of.get_subcommands().map(|listed| {
            let own = built.find_subcommand(listed.get_name()).map(about);
            let name = listed.get_name().to_owned();
            (name, about(listed), own.unwrap_or_default())
        });
        each.collect()
    }

    #[test]
    fn a_command_says_the_same_of_itself_as_the_list_does() {
        let empty = || clap::Command::new("x");
        let all = [
            Cli::command(),
            Grouped::augment_subcommands(empty()),
            system::System::augment_subcommands(empty()),
            image::Grouped::augment_subcommands(empty()),
            builder::Builder::augment_subcommands(empty()),
            network::Network::augment_subcommands(empty()),
            volume::Volume::augment_subcommands(empty()),
            crate::oci::command_line(),
        ];
        for (name, listed, own) in all.iter().flat_map(abouts) {
            assert_ne!(listed, "", "{name} is listed without a word");
            assert_eq!(listed, own, "{name}");
        }
    }
}
