//! The program: what is executed, as whom, where, and with which environment.

use std::collections::HashSet;
use std::path::PathBuf;

use oci_spec::runtime::{Process, User as OciUser};

use super::namespaces::own_name;
use super::{Inputs, User, capabilities, ulimits};
use crate::container::{Config, Isolation, Sharing};
use crate::error::{Error, Result};
use crate::spec::HostFacts;
use crate::sys::identity::CapSet;

/// Where programs are looked for if the image does not say.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the tiny first process of `--init` is shown. `/dev` is the
/// container's own memory, so nothing is left in the image's files; and the
/// last part is the name by which rcon knows what it is asked to be.
pub const INIT_PATH: &str = "/dev/rcon-init";

/// Everything about it.
pub(super) fn process(i: &Inputs<'_>, caps: CapSet) -> Result<Process> {
    let (program, isolation) = (&i.config.program, &i.config.isolation);
    let security = &isolation.security;
    let mut process = Process::default();
    process
        .set_terminal(Some(program.tty))
        .set_user(user(i.user))
        .set_args(Some(args(i.config)?))
        .set_env(Some(env(i)?))
        .set_cwd(cwd(&program.workdir)?)
        .set_capabilities(Some(capabilities::sets(caps)))
        .set_rlimits(ulimits::rlimits(&isolation.ulimits)?)
        .set_no_new_privileges(Some(security.no_new_privileges))
        .set_apparmor_profile(apparmor(isolation, i.host)?)
        .set_selinux_label(selinux(isolation, i.host)?)
        // Unset means inherited: an ordinary user's session may have a score
        // that it is not allowed to lower.
        .set_oom_score_adj(isolation.oom_score_adj);
    Ok(process)
}

/// rcon brings no profile of its own. One that confines rcon itself would go
/// along into a privileged container, if nothing were said.
fn apparmor(isolation: &Isolation, host: &HostFacts) -> Result<Option<String>> {
    let unconfined = isolation.privileged && host.apparmor;
    let asked = isolation.security.apparmor.clone();
    if let Some(profile) = asked.as_deref().filter(|p| *p != "unconfined")
        && !host.apparmor
    {
        return Err(absent(&format!("apparmor={profile}"), "AppArmor"));
    }
    Ok(asked.or_else(|| unconfined.then(|| "unconfined".to_owned())))
}

fn selinux(isolation: &Isolation, host: &HostFacts) -> Result<Option<String>> {
    let asked = isolation.security.label.clone();
    match &asked {
        Some(label) if !host.selinux => Err(absent(&format!("label ({label})"), "SELinux")),
        _ => Ok(asked),
    }
}

/// Told in the words of the command line; of a bundle the plan tells it.
fn absent(asked: &str, module: &str) -> Error {
    Error::environment(format!(
        "--security-opt {asked}: {module} is not enabled on this host"
    ))
}

pub(super) fn user(user: &User) -> OciUser {
    let mut oci = OciUser::default();
    oci.set_uid(user.uid)
        .set_gid(user.gid)
        .set_additional_gids(Some(user.groups.clone()));
    oci
}

/// A first process is of use where it is the first: in a namespace of other
/// processes, orphans are somebody else's.
pub fn has_init(config: &Config) -> bool {
    config.program.init && config.isolation.pid == Sharing::Private
}

fn args(config: &Config) -> Result<Vec<String>> {
    let argv = config.program.argv();
    if argv.first().is_none_or(String::is_empty) {
        return Err(Error::user("no command specified")
            .hint("the image names none; give one behind the image"));
    }
    if !has_init(config) {
        return Ok(argv);
    }
    let init = [INIT_PATH.to_owned(), "--".to_owned()];
    Ok(init.into_iter().chain(argv).collect())
}

pub(super) fn cwd(workdir: &str) -> Result<PathBuf> {
    if workdir.is_empty() {
        return Ok(PathBuf::from("/"));
    }
    if !workdir.starts_with('/') {
        return Err(Error::user(format!(
            "the working directory '{workdir}' is invalid, it needs to be an absolute path"
        )));
    }
    Ok(PathBuf::from(workdir))
}

/// What a login would set, then what was asked for, which wins. A name without
/// `=` takes a variable away.
fn env(i: &Inputs<'_>) -> Result<Vec<String>> {
    let program = &i.config.program;
    let mut all = vec![format!("PATH={DEFAULT_PATH}")];
    all.extend(own_name(i).map(|name| format!("HOSTNAME={name}")));
    if program.tty {
        all.push("TERM=xterm".to_owned());
    }
    all.push(format!("HOME={}", i.user.home));
    all.extend(program.env.iter().cloned());
    override_env(all)
}

/// Of each variable the last word counts, at the place where it stands.
pub(super) fn override_env(all: Vec<String>) -> Result<Vec<String>> {
    let name = |e: &str| e.split_once('=').map_or(e, |(n, _)| n).to_owned();
    if let Some(odd) = all.iter().find(|e| name(e).is_empty() || e.contains('\0')) {
        return Err(Error::user(format!(
            "invalid environment variable: {odd:?}"
        )));
    }
    let mut seen = HashSet::new();
    let mut last: Vec<String> = Vec::new();
    for entry in all.into_iter().rev() {
        if seen.insert(name(&entry)) && entry.contains('=') {
            last.push(entry);
        }
    }
    last.reverse();
    Ok(last)
}
