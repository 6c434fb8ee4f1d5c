//! A further program in a container that runs already: like its first one, but
//! for what was asked.

use oci_spec::runtime::{Process, Spec};

use super::process::override_env;
use super::{User, capabilities, process};
use crate::error::{Error, Result};
use crate::sys::identity::CapSet;

/// What is different.
#[derive(Debug, Clone, Copy)]
pub struct Further<'a> {
    /// What is executed.
    pub args: &'a [String],
    /// `NAME=value`; a name alone takes one away.
    pub env: &'a [String],
    /// Where it starts; none: where the first program did.
    pub workdir: Option<&'a str>,
    /// As whom; none: as the first program.
    pub user: Option<&'a User>,
    /// With a terminal.
    pub terminal: bool,
    /// With all of these capabilities, and every system call.
    pub privileged: Option<CapSet>,
}

/// The process, for a container that was started with `spec`.
pub fn further(spec: &Spec, wanted: &Further<'_>) -> Result<Process> {
    let first = spec.process().clone();
    let mut process = first.ok_or_else(|| Error::internal("a container without a program"))?;
    let mut env = process.env().clone().unwrap_or_default();
    // The first program's terminal need not be this one's.
    env.retain(|e| !e.starts_with("TERM="));
    if wanted.terminal {
        env.push("TERM=xterm".to_owned());
    }
    if let Some(user) = wanted.user {
        env.retain(|e| !e.starts_with("HOME="));
        env.push(format!("HOME={}", user.home));
        process.set_user(process::user(user));
    }
    env.extend(wanted.env.iter().cloned());
    if let Some(dir) = wanted.workdir {
        process.set_cwd(process::cwd(dir)?);
    }
    if let Some(caps) = wanted.privileged {
        process.set_capabilities(Some(capabilities::sets(caps)));
        process.set_no_new_privileges(Some(false));
    }
    process
        .set_args(Some(wanted.args.to_vec()))
        .set_env(Some(override_env(env)?))
        .set_terminal(Some(wanted.terminal))
        .set_console_size(None);
    Ok(process)
}
