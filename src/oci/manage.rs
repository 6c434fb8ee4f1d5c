//! What is done to containers that exist: state, list, kill, delete, pause,
//! resume, ps.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde::Serialize;
use serde_json::json;

use super::args::{Delete, Kill, List, Ps};
use super::log::{Log, timestamp};
use super::record::{Locked, Record, Root, Status, signal};
use crate::cgroup::ops::{self, Cgroup};
use crate::cgroup::paths::CgroupPaths;
use crate::error::{Context, Error, Result};
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

/// `state`.
pub fn state(root: &Root, id: &str) -> Result<String> {
    let record = root.read(id)?;
    let state = record.state(record.status(root));
    let mut value = serde_json::to_value(&state).map_err(|e| Error::internal(e.to_string()))?;
    value["rootfs"] = json!(record.rootfs);
    value["created"] = json!(timestamp(record.created as i64));
    value["owner"] = json!(root.owner(id));
    if value.get("pid").is_none() {
        value["pid"] = json!(0);
    }
    Ok(format!("{value:#}"))
}

/// `list`.
pub fn list(root: &Root, args: &List) -> Result<String> {
    let mut records = Vec::new();
    for id in root.ids()? {
        // One that is deleted meanwhile, or spoilt, must not hide the others.
        if root.has(&id)?
            && let Ok(record) = root.read(&id)
        {
            let status = record.status(root);
            let owner = root.owner(&id);
            records.push((record, status, owner));
        }
    }
    if args.quiet {
        return Ok(records
            .iter()
            .map(|(r, ..)| r.id.as_str())
            .collect::<Vec<_>>()
            .join("\n"));
    }
    match args.format.as_str() {
        "table" => Ok(table(&records)),
        "json" => {
            let all: Vec<_> = records
                .iter()
                .map(|(r, s, o)| Listed::new(r, *s, o))
                .collect();
            serde_json::to_string(&all).map_err(|e| Error::internal(e.to_string()))
        }
        other => Err(Error::user(format!("invalid format option {other:?}")).hint("table or json")),
    }
}

/// An entry of the list. The order of its fields is runc's, since there are
/// scripts that take it apart with grep.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    oci_version: &'a str,
    id: &'a str,
    pid: i32,
    status: &'static str,
    bundle: &'a Path,
    rootfs: &'a Path,
    created: String,
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    annotations: &'a HashMap<String, String>,
    owner: &'a str,
}

impl<'a> Listed<'a> {
    fn new(record: &'a Record, status: Status, owner: &'a str) -> Self {
        Self {
            oci_version: &record.oci_version,
            id: &record.id,
            pid: if status == Status::Stopped {
                0
            } else {
                record.pid
            },
            status: status.word(),
            bundle: &record.bundle,
            rootfs: &record.rootfs,
            created: timestamp(record.created as i64),
            annotations: &record.annotations,
            owner,
        }
    }
}

fn table(records: &[(Record, Status, String)]) -> String {
    let rows = records.iter().map(|(r, s, owner)| {
        let pid = if *s == Status::Stopped { 0 } else { r.pid };
        [
            r.id.clone(),
            pid.to_string(),
            s.word().to_owned(),
            r.bundle.display().to_string(),
            timestamp(r.created as i64),
            owner.clone(),
        ]
    });
    let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|r| r[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:<width$}   ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

/// `kill`.
pub fn kill(root: &Root, args: &Kill) -> Result<()> {
    let number = signal_number(&args.signal)?;
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

/// A signal by number or name, with or without `SIG`.
fn signal_number(text: &str) -> Result<i32> {
    let unknown = || {
        Error::user(format!("unknown signal {text:?}"))
            .hint("give a name such as TERM, KILL or HUP, or a number from 0 to 64")
    };
    if let Ok(number) = text.parse::<i32>() {
        return if (0..=64).contains(&number) {
            Ok(number)
        } else {
            Err(unknown())
        };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(offset) = name.strip_prefix("RTMIN") {
        let offset = if offset.is_empty() {
            Ok(0)
        } else {
            offset.parse::<i32>()
        };
        return offset
            .ok()
            .map(|o| 34 + o)
            .filter(|n| (34..=64).contains(n))
            .ok_or_else(unknown);
    }
    if let Some(offset) = name.strip_prefix("RTMAX") {
        let offset = if offset.is_empty() {
            Ok(0)
        } else {
            offset.parse::<i32>()
        };
        return offset
            .ok()
            .map(|o| 64 + o)
            .filter(|n| (34..=64).contains(n))
            .ok_or_else(unknown);
    }
    Signal::from_str(&format!("SIG{name}"))
        .map(|s| s as i32)
        .map_err(|_| unknown())
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

/// `ps`.
pub fn ps(root: &Root, args: &Ps) -> Result<String> {
    let record = root.read(&args.id)?;
    let pids = Cgroup::open(&record.cgroups)?.pids()?;
    match args.format.as_str() {
        "json" => Ok(json!(pids).to_string()),
        "table" => ps_table(&pids, &args.options),
        other => Err(Error::user(format!("invalid format option {other:?}")).hint("table or json")),
    }
}

/// The lines of ps(1) that are about the container. The program is the
/// host's, never one of the container's.
fn ps_table(pids: &[i32], options: &[String]) -> Result<String> {
    let default = ["-ef".to_owned()];
    let options = if options.is_empty() {
        &default
    } else {
        options
    };
    let output = Command::new("ps").args(options).output();
    let output = output
        .context(|| "cannot run ps")
        .map_err(|e| e.hint("use --format json"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::user(format!("ps: {}", said.trim())));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let column = head.split_whitespace().position(|c| c == "PID");
    let column = column.ok_or_else(|| Error::user("couldn't find PID field in ps output"))?;
    let ours = lines.filter(|line| {
        let pid = line.split_whitespace().nth(column);
        pid.and_then(|p| p.parse().ok())
            .is_some_and(|p: i32| pids.contains(&p))
    });
    Ok(std::iter::once(head)
        .chain(ours)
        .collect::<Vec<_>>()
        .join("\n"))
}

/// Looks for a container's first process, which a command needs running.
pub(super) fn running(record: &Record) -> Result<std::os::fd::OwnedFd> {
    record
        .process()
        .ok_or_else(|| Error::user(format!("container {} is not running", record.id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for text in ["9", "KILL", "SIGKILL", "sigkill", "kill"] {
            assert_eq!(signal_number(text).unwrap(), 9, "{text}");
        }
        assert_eq!(signal_number("SIGRTMIN+1").unwrap(), 35);
        assert_eq!(signal_number("RTMAX-1").unwrap(), 63);
        for bad in ["", "SIG", "65", "-1", "NOPE", "RTMIN+99"] {
            assert!(signal_number(bad).is_err(), "{bad:?}");
        }
    }
}
