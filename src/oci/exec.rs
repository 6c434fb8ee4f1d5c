//! `exec`: a further process in a running container.

use std::os::fd::OwnedFd;

use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, Process, Spec, User};

use super::args::Exec;
use super::bundle;
use super::create::{announce, connect_console};
use super::log::Log;
use super::manage;
use super::record::{Record, Status};
use super::root::Root;
use crate::error::{Error, Result};
use crate::facts;
use crate::foreground::relay;
use crate::plan::{self, ExecRequest, check_variable};
use crate::run::{self, Launch};
use crate::sys::process;

/// Runs the process; in the foreground, gives its exit code.
pub fn exec(root: &Root, args: &Exec, log: &Log) -> Result<i32> {
    let record = root.read(&args.id)?;
    check_status(&record, record.status(root), args)?;
    let container = manage::running(&record)?;
    let spec = root.spec(&args.id)?;
    let process = process_for(&spec, args, log)?;
    let plan = plan::exec(
        &ExecRequest {
            process: &process,
            spec: &spec,
            namespaces: facts::foreign_namespaces(record.pid)?,
            cgroups: cgroups_for(&record, args)?,
            id: record.id.clone(),
            no_new_keyring: false,
        },
        &facts::observe()?,
    )?;
    start(&record, &plan, &process, container, args, log)
}

fn start(
    record: &Record,
    plan: &plan::Plan,
    process: &Process,
    container: OwnedFd,
    args: &Exec,
    log: &Log,
) -> Result<i32> {
    let wanted = process.terminal() == Some(true);
    if !args.no_subreaper {
        process::become_subreaper()?;
    }
    let (terminal, own) = match &args.console_socket {
        None => relay::Terminal::for_process(wanted, false, args.detach)?.split(),
        Some(_) => (None, None),
    };
    let console = match (&args.console_socket, wanted) {
        (Some(path), true) => Some(connect_console(path)?),
        _ => own,
    };
    let held = run::launch(Launch {
        plan,
        state: record.state(Status::Running),
        console,
        start_socket: None,
        made: Vec::new(),
        container: Some(container),
        preserve_fds: args.preserve_fds,
        patience: None,
        meanwhile: None,
        explain: log.explain(args.explain)?,
    })?;
    held.warnings.iter().for_each(|w| log.warn(w));
    announce(
        &held,
        args.pid_file.as_deref(),
        args.pidfd_socket.as_deref(),
    )?;
    let signals = if args.detach {
        None
    } else {
        Some(process::signals_as_fd()?)
    };
    let Some(signals) = signals else {
        held.release()?;
        return Ok(0);
    };
    let session = relay::Session::open_plain(terminal)?;
    let (_, pidfd) = held.release()?;
    Ok(relay::attend(&pidfd, &signals, session)?.shell_code())
}

fn check_status(record: &Record, status: Status, args: &Exec) -> Result<()> {
    match status {
        Status::Running | Status::Created => Ok(()),
        Status::Paused if args.ignore_paused => Ok(()),
        Status::Paused => Err(Error::user(format!(
            "cannot exec in a paused container: {}",
            record.id
        ))
        .hint(
            "resume it first; with --ignore-paused the process is made now and runs once it is resumed",
        )),
        Status::Stopped => Err(Error::user(format!(
            "cannot exec in a stopped container: {}",
            record.id
        ))),
        Status::Creating => Err(Error::user(format!(
            "container {} is not made yet",
            record.id
        ))),
    }
}

fn cgroups_for(record: &Record, args: &Exec) -> Result<crate::cgroup::paths::CgroupPaths> {
    let mut paths = record.cgroups.clone();
    // They are the container's: an exec that fails has none to take back.
    for dir in &mut paths.dirs {
        dir.made = false;
    }
    for wanted in &args.cgroup {
        let (controllers, path) = wanted
            .split_once(':')
            .map_or((None, wanted.as_str()), |(c, p)| (Some(c), p));
        if path.split('/').any(|part| part == "..") {
            return Err(Error::user(format!(
                "--cgroup {wanted}: climbs out of the container's cgroup"
            )));
        }
        for dir in &mut paths.dirs {
            let meant = controllers.is_none_or(|list| list.split(',').any(|c| dir.has(c)));
            if meant {
                dir.path = format!("{}/{}", dir.path, path.trim_matches('/'));
            }
            if meant && !dir.full().is_dir() {
                return Err(Error::user(format!(
                    "--cgroup {wanted}: {} does not exist",
                    dir.full().display()
                )));
            }
        }
    }
    Ok(paths)
}

/// The process object: from a file, or the container's own with changes.
fn process_for(spec: &Spec, args: &Exec, log: &Log) -> Result<Process> {
    if let Some(path) = &args.process {
        let (mut process, warnings) = bundle::load_process(path)?;
        for warning in &warnings {
            log.warn(warning);
        }
        if args.tty {
            process.set_terminal(Some(true));
        }
        return Ok(process);
    }
    let own = spec.process().clone();
    let mut process = own.ok_or_else(|| Error::internal("a container without a process"))?;
    if args.command.is_empty() {
        return Err(Error::user("exec: missing the command to run"));
    }
    process.set_args(Some(args.command.clone()));
    process.set_terminal(Some(args.tty));
    process.set_console_size(None);
    change(&mut process, args)?;
    Ok(process)
}

fn change(process: &mut Process, args: &Exec) -> Result<()> {
    if let Some(cwd) = &args.cwd {
        process.set_cwd(cwd.clone());
    }
    let mut env = process.env().clone().unwrap_or_default();
    for variable in &args.env {
        check_variable(variable).map_err(|e| e.context("--env"))?;
    }
    env.extend(args.env.iter().cloned());
    process.set_env(Some(env));
    if args.no_new_privs {
        process.set_no_new_privileges(Some(true));
    }
    if let Some(profile) = &args.apparmor {
        process.set_apparmor_profile(Some(profile.clone()));
    }
    if let Some(label) = &args.process_label {
        process.set_selinux_label(Some(label.clone()));
    }
    let mut user = process.user().clone();
    if let Some(wanted) = &args.user {
        set_user(&mut user, wanted)?;
    }
    let mut gids = user.additional_gids().clone().unwrap_or_default();
    if args.additional_gids.contains(&u32::MAX) {
        return Err(Error::user(
            "--additional-gids: 4294967295 means no group at all",
        ));
    }
    gids.extend(&args.additional_gids);
    user.set_additional_gids(Some(gids));
    process.set_user(user);
    add_caps(process, &args.cap)
}

fn set_user(user: &mut User, wanted: &str) -> Result<()> {
    let (uid, gid) = wanted
        .split_once(':')
        .map_or((wanted, None), |(u, g)| (u, Some(g)));
    user.set_uid(id(uid, wanted)?);
    if let Some(gid) = gid {
        user.set_gid(id(gid, wanted)?);
    }
    Ok(())
}

/// A number and nothing else: no name is looked up, no sign, no overflow, and
/// not the one that means "leave it as it is".
fn id(text: &str, whole: &str) -> Result<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = text
        .parse::<u32>()
        .ok()
        .filter(|n| digits && *n != u32::MAX);
    number.ok_or_else(|| {
        Error::user(format!(
            "--user {whole:?} is not UID or UID:GID in numbers from 0 to 4294967294"
        ))
    })
}

/// The capabilities of an exec on top of the container's own.
fn add_caps(process: &mut Process, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let mut caps = process.capabilities().clone().unwrap_or_default();
    let wanted = names
        .iter()
        .map(|n| capability(n))
        .collect::<Result<Vec<_>>>()?;
    let with = |old: &Option<Capabilities>| {
        let mut all = old.clone().unwrap_or_default();
        all.extend(wanted.iter().copied());
        Some(all)
    };
    let (effective, permitted, bounding) = (
        with(caps.effective()),
        with(caps.permitted()),
        with(caps.bounding()),
    );
    // What the container's programs may inherit, this one passes on.
    if let Some(inheritable) = caps.inheritable().clone() {
        let mut ambient = caps.ambient().clone().unwrap_or_default();
        ambient.extend(wanted.iter().filter(|c| inheritable.contains(c)));
        caps.set_ambient(Some(ambient));
    }
    caps.set_effective(effective);
    caps.set_permitted(permitted);
    caps.set_bounding(bounding);
    let _: &LinuxCapabilities = &caps;
    process.set_capabilities(Some(caps));
    Ok(())
}

fn capability(name: &str) -> Result<Capability> {
    let upper = name.to_ascii_uppercase();
    let full = if upper.starts_with("CAP_") {
        upper
    } else {
        format!("CAP_{upper}")
    };
    serde_json::from_value(serde_json::Value::String(full))
        .map_err(|_| Error::user(format!("--cap {name}: no such capability")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn only_a_plain_number_is_a_user(text in "\\PC{0,12}") {
            let mut user = User::default();
            if set_user(&mut user, &text).is_ok() {
                let (uid, gid) = text.split_once(':').unwrap_or((&text, "0"));
                prop_assert_eq!(user.uid().to_string(), uid.trim_start_matches('0').to_owned().max(if uid.bytes().all(|b| b == b'0') { "0".into() } else { String::new() }));
                prop_assert!(gid.bytes().all(|b| b.is_ascii_digit()));
            }
        }

        #[test]
        fn every_number_in_range_is_itself(uid in 0..u32::MAX) {
            let mut user = User::default();
            set_user(&mut user, &uid.to_string()).unwrap();
            prop_assert_eq!(user.uid(), uid);
        }
    }

    #[test]
    fn what_overflows_or_is_a_name_is_refused() {
        let bad = [
            "4294967295",
            "4294967296",
            "-1",
            "+1",
            "root",
            "",
            ":",
            "1:",
            ":1",
            "1:2:3",
            " 1",
            "0x1",
            "99999999999999999999",
        ];
        for text in bad {
            assert!(set_user(&mut User::default(), text).is_err(), "{text:?}");
        }
    }
}
