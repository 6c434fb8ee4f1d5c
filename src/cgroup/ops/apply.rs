//! Writing limits.

use nix::errno::Errno;

use super::dir::Dir;
use super::{Cgroup, create};
use crate::cgroup::layout::Version;
use crate::cgroup::limits::{Guard, OnMissing, OnRefusal, Write};
use crate::error::{Error, Result};
use crate::sys::SysError;

/// A write that did not work: the kernel's answer, and the sentence for it.
struct Refused {
    errno: Option<Errno>,
    error: Error,
}

impl Cgroup {
    /// Makes `writes` in order; those that may go later go again after the
    /// last write to their controller.
    pub fn apply(&self, writes: &[Write]) -> Result<()> {
        let mut later: Vec<&Write> = Vec::new();
        for write in writes {
            if later
                .first()
                .is_some_and(|l| l.controller != write.controller)
            {
                self.retry(&mut later)?;
            }
            match self.write(write) {
                Err(r)
                    if write.on_refusal == OnRefusal::Later && r.errno == Some(Errno::EINVAL) =>
                {
                    later.push(write);
                }
                result => result.map_err(|r| r.error)?,
            }
        }
        self.retry(&mut later)
    }

    fn retry(&self, later: &mut Vec<&Write>) -> Result<()> {
        later
            .drain(..)
            .try_for_each(|w| self.write(w).map_err(|r| r.error))
    }

    fn write(&self, write: &Write) -> std::result::Result<(), Refused> {
        let dir = match write.controller.as_ref() {
            "cgroup" => self.v2(),
            controller => self.find(controller),
        };
        let Some(dir) = dir else {
            return Err(Refused {
                errno: None,
                error: Error::environment(format!(
                    "{} cannot be set: the container has no {} cgroup",
                    write.field, write.controller
                )),
            });
        };
        if let Some(guard) = &write.guard {
            keep_above_usage(dir, guard, &write.field)
                .map_err(|error| Refused { errno: None, error })?;
        }
        match dir.write(&write.file, &write.value) {
            Err(e) if e.errno == Errno::ENOENT => self.missing(dir, write, &e),
            result => result.map_err(|e| refused(dir, write, &e)),
        }
    }

    /// There is no such file. On v2 the controller may only have to be handed
    /// down; else it is as the write says.
    fn missing(&self, dir: &Dir, write: &Write, e: &SysError) -> std::result::Result<(), Refused> {
        if dir.version() == Version::V2 && !is_on(dir, &write.controller) {
            let spec = self.paths.v2().filter(|s| s.has(&write.controller));
            if let Some(Err(error)) = spec.map(|s| create::offer(s, &write.controller)) {
                let error = error.context(&write.field);
                return Err(Refused { errno: None, error });
            }
            if is_on(dir, &write.controller) {
                return self.write(write);
            }
        }
        match &write.on_missing {
            OnMissing::Skip => Ok(()),
            OnMissing::Instead(other) => self.write(other),
            OnMissing::Fail => Err(refused(dir, write, e)),
        }
    }
}

fn is_on(dir: &Dir, controller: &str) -> bool {
    let on = dir.read("cgroup.controllers").unwrap_or_default();
    controller == "cgroup" || on.split_whitespace().any(|c| c == controller)
}

fn keep_above_usage(dir: &Dir, guard: &Guard, field: &str) -> Result<()> {
    // Best effort, as the usage is another one a moment later anyway.
    let usage = dir.read(guard.usage_file).unwrap_or_default();
    match usage.trim().parse::<u64>() {
        Ok(usage) if usage >= guard.limit => Err(Error::environment(format!(
            "{field} {} is not above what is in use now, {usage}",
            guard.limit
        ))),
        _ => Ok(()),
    }
}

/// What there is to choose from.
fn machine_has(file: &str) -> String {
    let (what, path) = match file {
        "cpuset.mems" => ("memory nodes", "/sys/devices/system/node/online"),
        _ => ("CPUs", "/sys/devices/system/cpu/online"),
    };
    let online = std::fs::read_to_string(path).unwrap_or_default();
    match online.trim() {
        "" => "see /proc/cpuinfo for what this machine has".to_owned(),
        list => format!("this machine has the {what} {list}"),
    }
}

/// Whose fault it is and what could help, where the errno tells.
fn refused(dir: &Dir, write: &Write, e: &SysError) -> Refused {
    let errno = e.errno;
    let text = format!("{}: {e}", write.field);
    let error = match errno {
        Errno::EINVAL | Errno::ERANGE => Error::user(text),
        _ => Error::environment(text),
    };
    let hint = match (errno, write.file.as_str()) {
        (Errno::ENOENT, _) => Some("this kernel has no such file for this cgroup".to_owned()),
        (Errno::EBUSY, "memory.limit_in_bytes" | "memory.memsw.limit_in_bytes") => {
            let usage = dir.read("memory.usage_in_bytes").unwrap_or_default();
            Some(format!(
                "{} bytes are in use and cannot be freed",
                usage.trim()
            ))
        }
        (Errno::EINVAL, "memory.limit_in_bytes" | "memory.memsw.limit_in_bytes") => Some(
            "memory.swap counts memory and swap together and must not be below memory.limit"
                .to_owned(),
        ),
        (Errno::EINVAL, file)
            if file.contains("cfs_") || file.contains("rt_") || file.starts_with("cpu.max") =>
        {
            Some("the values must fit each other and what the parent cgroup has".to_owned())
        }
        (Errno::EACCES, "cpuset.cpus" | "cpuset.mems") => Some(format!(
            "the parent cgroup has fewer; {}",
            machine_has(&write.file)
        )),
        (Errno::ERANGE | Errno::EINVAL, "cpuset.cpus" | "cpuset.mems") => {
            Some(machine_has(&write.file))
        }
        (Errno::EPERM, "devices.allow") => Some("the parent cgroup does not allow it".to_owned()),
        (Errno::ENODEV, file) if file.contains("blkio") || file.starts_with("io.") => {
            Some("there is no such block device".to_owned())
        }
        _ => None,
    };
    Refused {
        errno: Some(errno),
        error: match hint {
            Some(hint) => error.hint(hint),
            None => error,
        },
    }
}
