//! What is done to containers that exist: kill, delete, pause, resume.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::args::{Delete, Kill};
use super::log::Log;
use super::record::{Record, Status, signal};
use super::root::{Locked, Root};
use crate::cgroup::ops::{self, Cgroup};
use crate::cgroup::paths::CgroupPaths;
use crate::error::{Error, Result};
use crate::plan::hooks::{self, Moment};
use crate::run;

/// How long the kernel may take to end killed processes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The record of a container that is fully made.
pub(super) fn record_of(locked: &Locked, id: &str) -> Result<Record> {
    let record = locked.record()?;
    record.ok_or_else(|| {
        Error::user(format!("container {id} was never finished"))
            .hint("remove it with delete --force")
    })
}

/// `kill`.
pub fn kill(root: &Root, args: &Kill) -> Result<()> {
    let number = crate::signal::parse_or_none(&args.signal)?;
    let record = root.read(&args.id)?;
    if args.all {
        return kill_all(&record, number);
    }
    let sent = match record.process() {
        Some(process) => signal(&process, number)?,
        None => false,
    };
    if !sent {
        // Where the pid namespace is shared, others live on without it.
        if number == libc::SIGKILL && others_live(&record) {
            return kill_all(&record, number);
        }
        let id = &args.id;
        return Err(Error::user(format!("container not running: {id}")));
    }
    // The frozen of version 1 die only when thawed.
    if number == libc::SIGKILL {
        thaw(&record);
        // Where the pid namespace is shared, the first process does not take
        // the others along.
        if shares_pids(root, &args.id) {
            kill_all(&record, number)?;
        }
    }
    Ok(())
}

fn shares_pids(root: &Root, id: &str) -> bool {
    let new = |spec: oci_spec::runtime::Spec| {
        let linux = spec.linux().clone()?;
        let list = linux.namespaces().clone()?;
        let pid = list
            .iter()
            .find(|n| n.typ() == oci_spec::runtime::LinuxNamespaceType::Pid)?;
        pid.path().is_none().then_some(())
    };
    root.spec(id).is_ok_and(|spec| new(spec).is_none())
}

fn others_live(record: &Record) -> bool {
    let cgroup = Cgroup::open(&record.cgroups);
    cgroup.is_ok_and(|c| c.pids().is_ok_and(|pids| !pids.is_empty()))
}

/// To nobody is no failure: there is nobody left who has not got it.
fn kill_all(record: &Record, number: i32) -> Result<()> {
    if number == 0 || !others_live(record) {
        return Ok(());
    }
    let cgroup = Cgroup::open(&record.cgroups)?;
    let known = Signal::try_from(number);
    cgroup.kill(known.map_err(|_| Error::user("a real-time signal cannot go to all processes"))?)
}

fn thaw(record: &Record) {
    if let Ok(cgroup) = Cgroup::open(&record.cgroups)
        && cgroup.is_frozen().unwrap_or(false)
    {
        // If it cannot be thawed, whoever waits for the end will say so.
        let _ = cgroup.thaw();
    }
}

/// `delete`.
pub fn delete(root: &Root, args: &Delete, log: &Log) -> Result<()> {
    // That there is none is no error, but that nobody may look is one.
    if args.force && !root.has(&args.id)? {
        return Ok(());
    }
    if args.force {
        end_first(root, &args.id);
    }
    let locked = match root.lock(&args.id) {
        Err(_) if args.force && !root.has(&args.id)? => return Ok(()),
        locked => locked?,
    };
    let record = match locked.record() {
        // What cannot be read cannot be cleaned up further than this.
        Err(e) if args.force => {
            log.warn(&e.to_string());
            if !salvage(root, &args.id) {
                let id = &args.id;
                locked.remove()?;
                return Err(Error::environment(format!(
                    "nothing readable was left of container {id}: its record is removed, \
                     its processes and cgroups, if there are any, are not"
                )));
            }
            None
        }
        record => record?,
    };
    if record.is_none() && !args.force {
        record_of(&locked, &args.id)?;
    }
    let status = record.as_ref().map(|r| r.status(root));
    if let (Some(status @ (Status::Running | Status::Paused)), false) = (status, args.force) {
        let id = &args.id;
        return Err(Error::user(format!(
            "cannot delete container {id} that is not stopped: {}",
            status.word()
        ))
        .hint("stop it first, or use --force"));
    }
    remove(root, locked, record, log)
}

/// Whoever holds the lock may be waiting for the container itself, which was
/// frozen meanwhile or does not answer: once that has ended, the lock is free.
/// What cannot be done here is told of when it is done again under the lock.
fn end_first(root: &Root, id: &str) {
    if let Ok(record) = root.read(id)
        && let Some(process) = record.process()
    {
        let _ = signal(&process, libc::SIGKILL);
        thaw(&record);
    }
}

/// With the record spoilt, the configuration still tells where the cgroups
/// were. If even that is gone, there is nothing more to go by.
fn salvage(root: &Root, id: &str) -> bool {
    let (Ok(spec), Ok(layout)) = (root.spec(id), ops::observe()) else {
        return false;
    };
    let path = spec.linux().as_ref().and_then(|l| l.cgroups_path().clone());
    let path = path.unwrap_or_default();
    let Ok(mut paths) = CgroupPaths::plan(&layout, &path.to_string_lossy(), id) else {
        return false;
    };
    paths.dirs.iter_mut().for_each(|d| d.made = true);
    let killed = Cgroup::open(&paths).is_ok_and(|c| c.kill(Signal::SIGKILL).is_ok());
    killed && ops::destroy(&paths).is_ok()
}

/// Ends what is left of a container and takes everything back: processes,
/// cgroups, the record; then its `poststop` hooks run.
pub(super) fn remove(root: &Root, locked: Locked, record: Option<Record>, log: &Log) -> Result<()> {
    let Some(record) = record else {
        return locked.remove();
    };
    end(&record)?;
    if let Err(errors) = ops::destroy(&record.cgroups) {
        for e in &errors {
            log.warn(&e.to_string());
        }
        return Err(Error::environment(format!(
            "the cgroups of container {} could not be removed",
            record.id
        )));
    }
    let spec = root.spec(&record.id);
    locked.remove()?;
    match spec {
        Ok(spec) => poststop(&spec, &record, log),
        Err(e) => log.warn(&e.to_string()),
    }
    Ok(())
}

/// The last hooks. The container is gone, so all of them run, as the
/// specification has it; that one failed is told, and no more.
pub(super) fn poststop(spec: &oci_spec::runtime::Spec, record: &Record, log: &Log) {
    match hooks::at(spec, Moment::Poststop) {
        Ok(list) => {
            for hook in list {
                if let Err(e) = run::run_hook(&hook, &record.state(Status::Stopped)) {
                    log.warn_aloud(&e.to_string());
                }
            }
        }
        Err(e) => log.warn(&e.to_string()),
    }
}

/// After a failed start: its failure is what is reported, so nothing here is.
pub(super) fn remove_quietly(locked: &Locked, record: &Record) {
    let _ = end(record);
    let _ = ops::destroy(&record.cgroups);
    let _ = std::fs::remove_dir_all(locked.dir());
}

/// Ends all of a container's processes.
pub(super) fn end(record: &Record) -> Result<()> {
    let process = record.process();
    if let Some(process) = &process {
        signal(process, libc::SIGKILL)?;
        thaw(record);
    }
    // With a pid namespace of its own, its first process takes all others
    // along. Without one, or with one that was shared, the cgroup knows them.
    if record.cgroups.dirs.iter().any(|d| d.made)
        && let Ok(cgroup) = Cgroup::open(&record.cgroups)
        && cgroup.pids().is_ok_and(|pids| !pids.is_empty())
    {
        cgroup.kill(Signal::SIGKILL)?;
    }
    match process {
        Some(process) => wait_for_end(&process, record),
        None => Ok(()),
    }
}

fn wait_for_end(process: &std::os::fd::OwnedFd, record: &Record) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut fds = [nix::poll::PollFd::new(
        std::os::fd::AsFd::as_fd(process),
        nix::poll::PollFlags::POLLIN,
    )];
    while Instant::now() < deadline {
        match nix::poll::poll(&mut fds, 1000u16) {
            Ok(n) if n > 0 => return Ok(()),
            _ => {}
        }
    }
    Err(Error::environment(format!(
        "process {} of container {} does not end",
        record.pid, record.id
    )))
}

/// `pause`.
pub fn pause(root: &Root, id: &str) -> Result<()> {
    // Frozen in the middle of its start, it would keep whoever starts it.
    let locked = root.lock(id)?;
    let record = record_of(&locked, id)?;
    match record.status(root) {
        Status::Running | Status::Created => Cgroup::open(&record.cgroups)?.freeze(),
        other => Err(Error::user(format!(
            "container not running: {id} is {}",
            other.word()
        ))),
    }
}

/// `resume`.
pub fn resume(root: &Root, id: &str) -> Result<()> {
    let record = root.read(id)?;
    match record.status(root) {
        Status::Paused => Cgroup::open(&record.cgroups)?.thaw(),
        other => Err(Error::user(format!(
            "container not paused: {id} is {}",
            other.word()
        ))),
    }
}

/// Looks for a container's first process, which a command needs running.
pub(super) fn running(record: &Record) -> Result<std::os::fd::OwnedFd> {
    record
        .process()
        .ok_or_else(|| Error::user(format!("container {} is not running", record.id)))
}
