//! The `rcon` command line: what was typed, and how results are shown.

pub mod flags;
pub mod signal;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// A local container runtime: daemonless, fast, and open about every step.
#[derive(Debug, Parser)]
#[command(name = "rcon", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run OCI bundles: the low-level runtime that podman, containerd and
    /// Docker can use in place of runc
    #[command(disable_help_flag = true)]
    Oci {
        /// See `rcon oci --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

/// Runs one command.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Cli::parse_from(args).command {
        Some(Command::Oci { args }) => {
            crate::oci::main(std::iter::once("rcon oci".into()).chain(args))
        }
        None => {
            // Help on a closed output has no reader to miss it.
            let _ = Cli::command().print_help();
            ExitCode::FAILURE
        }
    }
}
