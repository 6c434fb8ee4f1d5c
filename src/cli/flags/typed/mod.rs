//! The command line of `run`, `create` and `exec`: only what was typed.
//!
//! Docker's flags, with Docker's meaning. What can be read without looking
//! around is read here; files, variables, other containers and the image are
//! for the second stage ([`super::request`]).

mod files;
mod isolation;
mod life;
mod limits;
mod network;
mod program;
#[cfg(test)]
mod tests;

use clap::{ArgAction, Args};

pub use files::Files;
pub use isolation::Isolation;
pub use life::{Health, Life, Pull, Records, Stream};
pub use limits::Limits;
pub use network::Network;
pub use program::{Environment, Program};

/// Make a container from an image, to be started later
#[derive(Debug, Clone, Args)]
#[command(
    disable_help_flag = true,
    args_override_self = true,
    override_usage = "rcon create [OPTIONS] IMAGE [COMMAND] [ARG]..."
)]
pub struct Create {
    /// How it lives and ends.
    #[command(flatten)]
    pub life: Life,
    /// What runs in it.
    #[command(flatten)]
    pub program: Program,
    /// Variables.
    #[command(flatten)]
    pub environment: Environment,
    /// What it sees of other files.
    #[command(flatten)]
    pub files: Files,
    /// How it is reached.
    #[command(flatten)]
    pub network: Network,
    /// What it may use.
    #[command(flatten)]
    pub limits: Limits,
    /// What it may do.
    #[command(flatten)]
    pub isolation: Isolation,
    /// How one knows that it is well.
    #[command(flatten)]
    pub health: Health,
    /// What is kept about it.
    #[command(flatten)]
    pub records: Records,
    /// Print this help (-h is the host name)
    #[arg(long, action = ArgAction::Help, help_heading = "Other")]
    pub help: Option<bool>,
    /// An image, or with --rootfs a directory; what follows is the command,
    /// with all its flags
    // One list and not two: clap would look for flags of its own between the
    // image and the command's first word, as in `run IMAGE -l`.
    #[arg(value_name = "IMAGE [COMMAND] [ARG]", required = true, num_args = 1.., trailing_var_arg = true)]
    pub image_and_command: Vec<String>,
}

impl Create {
    /// The image, or the directory.
    pub fn image(&self) -> &str {
        self.image_and_command.first().map_or("", String::as_str)
    }

    /// What stands behind it.
    pub fn command(&self) -> &[String] {
        self.image_and_command.get(1..).unwrap_or_default()
    }
}

/// Make a container from an image and start its program
#[derive(Debug, Clone, Args)]
#[command(override_usage = "rcon run [OPTIONS] IMAGE [COMMAND] [ARG]...")]
pub struct Run {
    /// Return at once and print the container's id; it goes on by itself [default: stay and show its output]
    #[arg(short, long, help_heading = "Life")]
    pub detach: bool,
    /// Keys that leave it running and return: letters or ctrl-LETTER, divided by commas
    #[arg(
        long,
        value_name = "KEYS",
        default_value = "ctrl-p,ctrl-q",
        help_heading = "Life"
    )]
    pub detach_keys: String,
    /// Hand signals that rcon gets on to the program
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", hide_possible_values = true, action = ArgAction::Set, help_heading = "Life")]
    pub sig_proxy: bool,
    /// Tell in the end where the time of this start went, on standard error [default: nothing]
    #[arg(long, help_heading = "Life")]
    pub timings: bool,
    /// Tell every step that is taken to run the container [default: quiet]
    #[arg(long, help_heading = "Life")]
    pub explain: bool,
    /// As for `create`.
    #[command(flatten)]
    pub create: Create,
}

/// Run a further program in a running container
#[derive(Debug, Clone, Args)]
#[command(
    args_override_self = true,
    override_usage = "rcon exec [OPTIONS] CONTAINER COMMAND [ARG]..."
)]
pub struct Exec {
    /// Return at once and let the program go on by itself [default: stay and show its output]
    #[arg(short, long)]
    pub detach: bool,
    /// Keep standard input open, so that you can type to it [default: closed]
    #[arg(short, long)]
    pub interactive: bool,
    /// Give it a terminal: with -i, for shells and editors [default: none]
    #[arg(short, long)]
    pub tty: bool,
    /// Keys that leave it running and return: letters or ctrl-LETTER, divided by commas
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    pub detach_keys: String,
    /// Tell every step as it is taken
    #[arg(long)]
    pub explain: bool,
    /// Withhold nothing from the program [default: what the container has]
    #[arg(long)]
    pub privileged: bool,
    /// Run as this user, by name or number [default: the container's]
    #[arg(short, long, value_name = "USER[:GROUP]", value_parser = program::user)]
    pub user: Option<String>,
    /// Start in this directory of the container [default: the container's]
    #[arg(short, long, value_name = "DIR", value_parser = program::workdir)]
    pub workdir: Option<String>,
    /// Variables.
    #[command(flatten)]
    pub environment: Environment,
    /// The container, and what is to run in it with all its flags
    #[arg(value_name = "CONTAINER COMMAND [ARG]", required = true, num_args = 1.., trailing_var_arg = true)]
    pub container_and_command: Vec<String>,
}
