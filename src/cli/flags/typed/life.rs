//! How a container begins, goes on and ends, and what is kept about it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::super::parse::pair::{self, Pair};
use super::super::parse::{duration, platform, restart, units};
use crate::container::{Restart, check_name};
use crate::error::{Error, Result};
use crate::signal;

/// When the image is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Pull {
    /// Every time.
    Always,
    /// If it is not there.
    #[default]
    Missing,
    /// Not at all.
    Never,
}

/// One of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// What it reads.
    Stdin,
    /// What it writes.
    Stdout,
    /// What it complains about.
    Stderr,
}

/// How it lives and ends.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Life")]
pub struct Life {
    /// Keep standard input open, so that you can type to it [default: closed]
    #[arg(short, long)]
    pub interactive: bool,
    /// Give it a terminal: with -i, for shells and editors [default: none]
    #[arg(short, long)]
    pub tty: bool,
    /// Connect only this to you: stdin, stdout or stderr [default: stdout and stderr, and stdin with -i]
    #[arg(short, long, value_name = "STREAM", value_parser = stream)]
    pub attach: Vec<Stream>,
    /// Remove the container and its unnamed volumes when it ends [default: keep it]
    #[arg(long)]
    pub rm: bool,
    /// Call the container so [default: a name is made up]
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub name: Option<String>,
    /// Start it again when it ends: no, on-failure[:TIMES], always or unless-stopped; after a reboot nobody does, there is no daemon
    #[arg(long, value_name = "POLICY", default_value = "no", value_parser = restart::parse)]
    pub restart: Restart,
    /// The signal by which stop asks it to end [default: the image's, or SIGTERM]
    #[arg(long, value_name = "SIGNAL", value_parser = stop_signal)]
    pub stop_signal: Option<String>,
    /// How many seconds stop waits before it kills, -1 for ever [default: 10]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = stop_timeout)]
    pub stop_timeout: Option<i64>,
    /// Run a tiny first process that hands signals on and reaps orphans [default: the program is the first]
    #[arg(long)]
    pub init: bool,
    /// Write the container's id to this file, which must not exist [default: none]
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<PathBuf>,
    /// When to fetch the image: always, missing (if it is not here) or never
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Pull::Missing, hide_possible_values = true)]
    pub pull: Pull,
    /// Show nothing while the image is fetched [default: progress]
    #[arg(short, long)]
    pub quiet: bool,
    /// The kind of machine the image is for, as linux/arm64 [default: this one's]
    #[arg(long, value_name = "PLATFORM", value_parser = platform::parse)]
    pub platform: Option<String>,
    /// IMAGE is a directory with a root file system, which the container writes into; DIR:O keeps it as it is and puts changes into an overlay [default: IMAGE is an image]
    #[arg(long)]
    pub rootfs: bool,
}

/// How one knows that it is well.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Health")]
pub struct Health {
    /// Run this with a shell in the container to see whether it is well [default: the image's check]
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    pub health_cmd: Option<String>,
    /// How long to wait between two checks [default: the image's, or 30s]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = optional_time)]
    pub health_interval: Option<Span>,
    /// How long a check may take [default: the image's, or 30s]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = optional_time)]
    pub health_timeout: Option<Span>,
    /// How many checks must fail in a row before it counts as unhealthy [default: the image's, or 3]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = retries)]
    pub health_retries: Option<u32>,
    /// Failures so soon after the start do not count [default: the image's, or 0s]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = optional_time)]
    pub health_start_period: Option<Span>,
    /// How long to wait between two checks in that time [default: the image's, or 5s]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = optional_time)]
    pub health_start_interval: Option<Span>,
    /// Do without the image's health check [default: run it, if there is one]
    #[arg(long)]
    pub no_healthcheck: bool,
}

/// A time, or 0 for "as usual".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Option<Duration>);

/// What is kept about it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Records")]
pub struct Records {
    /// Note a KEY=value on the container, to find it by [default: the image's labels]
    #[arg(short, long, value_name = "KEY=VALUE", allow_hyphen_values = true, value_parser = pair::label)]
    pub label: Vec<Pair>,
    /// Read labels from a file, one KEY=value a line [default: none]
    #[arg(long, value_name = "FILE")]
    pub label_file: Vec<PathBuf>,
    /// Note a KEY=value in the OCI configuration, for tools that read it [default: none]
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair::label)]
    pub annotation: Vec<Pair>,
    /// Where its output goes: json-file (for logs), none, or passthrough (only to you)
    #[arg(long, value_name = "DRIVER", default_value = "json-file", value_parser = log_driver)]
    pub log_driver: String,
    /// An option of the log, as max-size=10m or max-file=3 [default: 10m, and 3]
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair::log_option)]
    pub log_opt: Vec<Pair>,
}

fn stream(text: &str) -> Result<Stream> {
    match text.to_ascii_lowercase().as_str() {
        "stdin" => Ok(Stream::Stdin),
        "stdout" => Ok(Stream::Stdout),
        "stderr" => Ok(Stream::Stderr),
        _ => Err(Error::user("valid streams are STDIN, STDOUT and STDERR")),
    }
}

/// As in scripts, `"$NAME"` that is empty is none.
fn name(text: &str) -> Result<String> {
    if !text.is_empty() {
        check_name(text)?;
    }
    Ok(text.to_owned())
}

/// By name: people read it in what `inspect` shows.
fn stop_signal(text: &str) -> Result<String> {
    signal::parse(text).map(signal::name)
}

fn stop_timeout(text: &str) -> Result<i64> {
    units::number(text, -1, i64::from(i32::MAX))
}

fn optional_time(text: &str) -> Result<Span> {
    duration::parse(text).map(Span)
}

fn retries(text: &str) -> Result<u32> {
    if text.starts_with('-') {
        return Err(Error::user("--health-retries cannot be negative"));
    }
    units::number(text, 0, i64::from(i32::MAX)).map(|n| n as u32)
}

fn log_driver(text: &str) -> Result<String> {
    match text {
        "" => Ok("json-file".to_owned()),
        "json-file" | "none" | "passthrough" => Ok(text.to_owned()),
        _ => {
            let what = format!("logger: no log driver named {text:?} is registered");
            Err(Error::user(what).hint(match text {
                "local" => "leave it out: json-file is limited here, to 3 files of 10 MB",
                _ => "json-file, none or passthrough",
            }))
        }
    }
}
