//! What runs: as whom, where, with which variables.

use std::path::PathBuf;

use clap::Args;

use super::super::parse::host;
use super::super::parse::paths;
use crate::error::{Error, Result};

/// What runs in it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Program")]
pub struct Program {
    /// Run this program, with the command as its arguments; "" takes the image's away [default: the image's]
    #[arg(long, value_name = "PROGRAM", allow_hyphen_values = true)]
    pub entrypoint: Option<String>,
    /// Start in this directory of the container [default: the image's, or /]
    #[arg(short, long, value_name = "DIR", value_parser = workdir)]
    pub workdir: Option<String>,
    /// Run as this user, by name or number [default: the image's, or root]
    #[arg(short, long, value_name = "USER[:GROUP]", value_parser = user)]
    pub user: Option<String>,
    /// Put the user into a further group, by name or number [default: the groups in the image]
    #[arg(long, value_name = "GROUP", value_parser = group)]
    pub group_add: Vec<String>,
    /// What the container calls itself [default: the beginning of its id]
    #[arg(short = 'h', long, value_name = "NAME", value_parser = host::hostname)]
    pub hostname: Option<String>,
    /// The NIS domain it is in [default: none]
    #[arg(long, value_name = "NAME", value_parser = host::hostname)]
    pub domainname: Option<String>,
}

/// Variables.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Variables")]
pub struct Environment {
    /// Set a variable; NAME alone has the value it has here [default: the image's variables]
    #[arg(short, long, value_name = "NAME[=VALUE]", allow_hyphen_values = true)]
    pub env: Vec<String>,
    /// Read variables from a file, one NAME=value a line [default: none]
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
}

/// Absolute, because it is the container's.
pub fn workdir(text: &str) -> Result<String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    if !text.starts_with('/') {
        return Err(Error::user(format!(
            "the working directory '{text}' is invalid, it needs to be an absolute path"
        )));
    }
    let path = paths::inside(text)?;
    // It was text before, and so it still is.
    Ok(path.to_string_lossy().into_owned())
}

/// Who that is, only the image knows.
pub fn user(text: &str) -> Result<String> {
    let bad = || {
        Error::user(format!("invalid user {text:?}"))
            .hint("USER, USER:GROUP or :GROUP, by name or number")
    };
    let fine = |c: char| !c.is_control() && c != ':';
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    let colon_at_end = text.ends_with(':');
    if colon_at_end || !user.chars().chain(group.chars()).all(fine) {
        return Err(bad());
    }
    for part in [user, group].into_iter().filter(|p| !p.is_empty()) {
        // A name cannot begin so, and a number cannot be so great.
        let number = part.bytes().all(|b| b.is_ascii_digit());
        if part.starts_with(['-', '+']) || (number && part.parse::<i32>().is_err()) {
            return Err(bad());
        }
    }
    Ok(text.to_owned())
}

fn group(text: &str) -> Result<String> {
    if text.is_empty() || text.contains(':') {
        return Err(Error::user(format!("invalid group {text:?}")).hint("a name or a number"));
    }
    user(text)
}
