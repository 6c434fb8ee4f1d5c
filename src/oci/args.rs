//! The command line of an OCI runtime, as callers of runc know it: only what
//! was typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Run OCI bundles: the low-level runtime that podman, containerd and Docker
/// can use in place of runc.
#[derive(Debug, Parser)]
#[command(
    name = "rcon oci",
    disable_version_flag = true,
    args_override_self = true
)]
pub struct Cli {
    /// Flags for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags that stand before the command.
#[derive(Debug, Args)]
pub struct Global {
    /// Where the state of containers is kept.
    #[arg(
        long,
        value_name = "DIR",
        help = "Where the state of containers is kept [default: /run/rcon/oci; for an ordinary user $XDG_RUNTIME_DIR/rcon/oci]"
    )]
    pub root: Option<PathBuf>,
    /// Write errors and warnings to this file, too
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// How that file is written
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Write every step that is taken to the log (or to standard error)
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_possible_values = true, value_name = "BOOL", action = clap::ArgAction::Set)]
    pub debug: bool,
    /// Let systemd make the cgroups (not supported: rcon makes them itself)
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_possible_values = true, value_name = "BOOL", action = clap::ArgAction::Set)]
    pub systemd_cgroup: bool,
    /// Do without rights to cgroups: true, false or auto [ignored: rcon sees for itself]
    #[arg(long, value_name = "WHEN", hide = true)]
    pub rootless: Option<String>,
    /// Print the version
    #[arg(short, long)]
    pub version: bool,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line of text each.
    Text,
    /// One JSON object each.
    Json,
}

/// The commands. What each takes is worked out for the one that is meant.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Command {
    /// Make a container, ready to be started
    Create(Create),
    /// Start the program of a created container
    Start(Id),
    /// Make a container, start it, and wait for it
    Run(Run),
    /// Print a container's state as JSON
    State(Id),
    /// Signal a container's first process
    Kill(Kill),
    /// Remove a stopped container; with --force, end a running one first
    Delete(Delete),
    /// Run a further process in a running container
    Exec(Exec),
    /// List containers
    List(List),
    /// List a container's processes
    Ps(Ps),
    /// Freeze all processes of a container
    Pause(Id),
    /// Let a frozen container go on
    Resume(Id),
    /// Change a container's limits
    Update(super::update::Update),
    /// Print a container's use of resources, now or again and again
    Events(super::events::Events),
    /// Write a config.json to start from
    Spec(super::spec::SpecArgs),
    /// Print what this runtime can do, as JSON
    Features,
    /// Print the steps a bundle's start would take, and take none
    Plan(PlanArgs),
    /// Save a running container (not supported)
    Checkpoint(Rest),
    /// Go on with a saved container (not supported)
    Restore(Rest),
}

// Whatever else is typed.
#[derive(Debug, Args)]
pub struct Rest {
    /// Ignored
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub rest: Vec<String>,
}

// A container's name.
#[derive(Debug, Args)]
pub struct Id {
    /// The container
    #[arg(value_name = "CONTAINER")]
    pub id: String,
}

// Flags of `create` and `run`.
#[derive(Debug, Args)]
pub struct Create {
    /// The bundle: a folder with a config.json and a root file system
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub bundle: PathBuf,
    /// A socket to which the terminal's outer side is sent
    #[arg(long, value_name = "SOCKET")]
    pub console_socket: Option<PathBuf>,
    /// A socket to which a handle on the first process (a pidfd) is sent
    #[arg(long, value_name = "SOCKET")]
    pub pidfd_socket: Option<PathBuf>,
    /// Write the first process's id to this file
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Do without `pivot_root`.
    #[arg(long, help = "Do without pivot_root, for a root on an initramfs")]
    pub no_pivot: bool,
    /// Keep the caller's session keyring
    #[arg(long)]
    pub no_new_keyring: bool,
    /// Hand N descriptors, from 3 on, to the program
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub preserve_fds: u32,
    /// Tell every step in words, on standard error, as it is taken
    #[arg(long)]
    pub explain: bool,
    /// The new container's name
    #[arg(value_name = "CONTAINER")]
    pub id: String,
}

// Flags of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// As for `create`.
    #[command(flatten)]
    pub create: Create,
    /// Return once the program runs
    #[arg(short, long)]
    pub detach: bool,
    /// Keep the container's record when it ends
    #[arg(long)]
    pub keep: bool,
    /// Leave orphaned processes to others
    #[arg(long)]
    pub no_subreaper: bool,
}

// Flags of `kill`.
#[derive(Debug, Args)]
pub struct Kill {
    /// Signal all processes, not only the first
    #[arg(short, long)]
    pub all: bool,
    /// The container
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    /// A name (TERM, SIGTERM) or a number; KILL cannot be ignored
    #[arg(value_name = "SIGNAL", default_value = "SIGTERM")]
    pub signal: String,
}

// Flags of `delete`.
#[derive(Debug, Args)]
pub struct Delete {
    /// End its processes with SIGKILL if it runs; no error if there is no such container
    #[arg(short, long)]
    pub force: bool,
    /// The container
    #[arg(value_name = "CONTAINER")]
    pub id: String,
}

// Flags of `exec`.
#[derive(Debug, Args)]
pub struct Exec {
    /// A file with a process object, instead of a command
    #[arg(short, long, value_name = "FILE")]
    pub process: Option<PathBuf>,
    /// Give it a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// A socket to which the terminal's outer side is sent
    #[arg(long, value_name = "SOCKET")]
    pub console_socket: Option<PathBuf>,
    /// Return once the program runs
    #[arg(short, long)]
    pub detach: bool,
    /// A socket to which a handle on the process (a pidfd) is sent
    #[arg(long, value_name = "SOCKET")]
    pub pidfd_socket: Option<PathBuf>,
    /// Write its process id to this file
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// The working directory
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Set a variable: NAME=VALUE (again for more)
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// UID or UID:GID, in numbers
    #[arg(short, long, value_name = "UID[:GID]")]
    pub user: Option<String>,
    /// A further group, in numbers
    #[arg(short = 'g', long, value_name = "GID")]
    pub additional_gids: Vec<u32>,
    /// Nothing it executes gains privileges
    #[arg(long)]
    pub no_new_privs: bool,
    /// Give it a further capability
    #[arg(short, long, value_name = "CAP")]
    pub cap: Vec<String>,
    /// The `AppArmor` profile.
    #[arg(long, value_name = "PROFILE", help = "The AppArmor profile")]
    pub apparmor: Option<String>,
    /// The `SELinux` context.
    #[arg(long, value_name = "LABEL", help = "The SELinux context")]
    pub process_label: Option<String>,
    /// Hand N descriptors, from 3 on, to the program
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub preserve_fds: u32,
    /// Run in a cgroup below the container's
    #[arg(long, value_name = "PATH")]
    pub cgroup: Vec<String>,
    /// In a paused container, wait until it is resumed
    #[arg(long)]
    pub ignore_paused: bool,
    /// Leave orphaned processes to others
    #[arg(long)]
    pub no_subreaper: bool,
    /// Tell every step in words, on standard error, as it is taken
    #[arg(long)]
    pub explain: bool,
    /// The container
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    /// The program and its arguments
    #[arg(
        value_name = "COMMAND",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub command: Vec<String>,
}

// Flags of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// table or json
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    pub format: String,
    /// Print the names only
    #[arg(short, long)]
    pub quiet: bool,
}

// Flags of `ps`.
#[derive(Debug, Args)]
pub struct Ps {
    /// table or json
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    pub format: String,
    /// The container
    #[arg(value_name = "CONTAINER")]
    pub id: String,
    /// What to show of them, as ps is told: aux, -o pid,user,args [default: -ef]
    #[arg(
        value_name = "OPTIONS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub options: Vec<String>,
}

// Flags of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The folder with config.json
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub bundle: PathBuf,
    /// How it is told
    #[arg(short, long, value_enum, default_value_t = PlanFormat::Words)]
    pub format: PlanFormat,
    /// The name the container would have
    #[arg(long, default_value = "example", value_name = "NAME")]
    pub id: String,
    /// Do without `pivot_root`.
    #[arg(long, help = "Do without pivot_root")]
    pub no_pivot: bool,
}

/// How a plan is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// Numbered sentences.
    Words,
    /// A script that does the same with plain tools.
    Shell,
    /// For programs.
    Json,
}
