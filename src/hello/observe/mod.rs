//! What this process sees, as plain data.
//!
//! Reading and understanding are apart: each parser takes the text of a file
//! below `/proc`, and only this file opens any. What cannot be read is left
//! empty; a container may be narrower than any we know.

mod limits;
mod mounts;
mod namespaces;
mod network;
mod status;

pub use limits::{Limits, Ulimit};
pub use mounts::{Mount, Mounts};
pub use namespaces::Namespace;
pub use network::Interface;
pub use status::{Capabilities, Seccomp, Status};

use std::collections::BTreeMap;
use std::fs;

use serde::Serialize;

/// Everything that is told.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Facts {
    /// The kernel's release, and the machine behind it.
    pub machine: Machine,
    /// This process.
    pub process: Process,
    /// What this machine is called in here.
    pub host_name: String,
    /// Whose process it is.
    pub user: User,
    /// What it shares with whom.
    pub namespaces: Vec<Namespace>,
    /// The files it sees.
    pub mounts: Mounts,
    /// What root may do in here.
    pub capabilities: Capabilities,
    /// Whether system calls are filtered.
    pub seccomp: Seccomp,
    /// Whether an exec can no longer give power.
    pub no_new_privs: bool,
    /// What its cgroups allow.
    pub limits: Limits,
    /// What each process in here is allowed.
    pub ulimits: Vec<Ulimit>,
    /// The network devices.
    pub interfaces: Vec<Interface>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
}

/// The machine, of which there is one however many containers there are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Machine {
    /// `6.18.1`.
    pub kernel: String,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processors that this process may run on.
    pub processors: usize,
}

/// This process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Process {
    /// Its number in here.
    pub pid: u32,
    /// That of its parent; 0: somebody outside.
    pub parent: u32,
    /// How many processes are in sight.
    pub visible: usize,
    /// How it was started.
    pub arguments: Vec<String>,
    /// Where it stands.
    pub directory: String,
}

/// Whose process it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct User {
    /// The name that `/etc/passwd` in here has for it.
    pub name: Option<String>,
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Who the ids in here are outside.
    pub map: Vec<IdRange>,
}

/// A line of `/proc/self/uid_map`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct IdRange {
    /// The first id in here.
    pub inside: u32,
    /// The first outside.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

impl User {
    /// Who this user is outside.
    pub fn outside(&self) -> Option<u32> {
        let range = self.map.iter().find(|r| {
            let offset = self.uid.checked_sub(r.inside);
            offset.is_some_and(|o| o < r.count)
        })?;
        range.outside.checked_add(self.uid - range.inside)
    }
}

/// Looks at everything.
pub fn observe() -> Facts {
    let status = Status::parse(&read("/proc/self/status"));
    let mountinfo = read("/proc/self/mountinfo");
    Facts {
        machine: Machine {
            kernel: line("/proc/sys/kernel/osrelease"),
            memory: memory_total(&read("/proc/meminfo")),
            processors: status.processors,
        },
        process: process(),
        host_name: line("/proc/sys/kernel/hostname"),
        user: User {
            name: name_of(&read("/etc/passwd"), status.uid),
            uid: status.uid,
            gid: status.gid,
            groups: status.groups.clone(),
            map: id_map(&read("/proc/self/uid_map")),
        },
        namespaces: namespaces::own(&line("/proc/sys/kernel/osrelease")),
        mounts: Mounts::parse(&mountinfo),
        capabilities: status.capabilities(&line("/proc/sys/kernel/cap_last_cap")),
        seccomp: status.seccomp,
        no_new_privs: status.no_new_privs,
        limits: limits::of_cgroups(&mountinfo, &read("/proc/self/cgroup")),
        ulimits: limits::ulimits(&read("/proc/self/limits")),
        interfaces: network::interfaces(),
        environment: environment(),
    }
}

/// A file that is not there, or not for us, says nothing.
fn read(path: &str) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn line(path: &str) -> String {
    read(path).trim_end().to_owned()
}

fn process() -> Process {
    let directory = std::env::current_dir().unwrap_or_default();
    let arguments = std::env::args_os();
    Process {
        pid: std::process::id(),
        parent: std::os::unix::process::parent_id(),
        visible: visible(),
        arguments: arguments
            .map(|a| a.to_string_lossy().into_owned())
            .collect(),
        directory: directory.display().to_string(),
    }
}

fn visible() -> usize {
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    let number = |n: &std::ffi::OsStr| n.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    names.filter(|entry| number(&entry.file_name())).count()
}

fn environment() -> BTreeMap<String, String> {
    let text = |t: std::ffi::OsString| t.to_string_lossy().into_owned();
    std::env::vars_os()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

fn memory_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

fn name_of(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

fn id_map(text: &str) -> Vec<IdRange> {
    let range = |line: &str| {
        let mut numbers = line.split_whitespace().map(|n| n.parse().ok());
        Some(IdRange {
            inside: numbers.next()??,
            outside: numbers.next()??,
            count: numbers.next()??,
        })
    };
    text.lines().filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_the_machine() {
        let text = "MemTotal:       24684468 kB\nMemFree:  1 kB\n";
        assert_eq!(memory_total(text), Some(24_684_468 * 1024));
        for text in ["", "MemTotal:\n", "MemTotal: 1\n", "MemTotal: x kB\n"] {
            assert_eq!(memory_total(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_name_is_found_by_its_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nx:y\nbob:x:1000:1000::/:\n";
        assert_eq!(name_of(passwd, 1000).as_deref(), Some("bob"));
        assert_eq!(name_of(passwd, 0).as_deref(), Some("root"));
        assert_eq!(name_of(passwd, 7), None);
    }

    #[test]
    fn who_one_is_outside() {
        let map = id_map("         0     100000      65536\n 70000 5 1\nx y z\n1 2\n");
        assert_eq!(map.len(), 2);
        let user = |uid| User {
            uid,
            map: map.clone(),
            ..User::default()
        };
        assert_eq!(user(0).outside(), Some(100_000));
        assert_eq!(user(1000).outside(), Some(101_000));
        assert_eq!(user(70_000).outside(), Some(5));
        assert_eq!(user(65_536).outside(), None);
    }

    #[test]
    fn this_very_process_is_observed() {
        let facts = observe();
        assert_eq!(facts.process.pid, std::process::id());
        assert!(facts.process.visible >= 1);
        assert!(facts.machine.processors >= 1 && !facts.machine.kernel.is_empty());
        assert!(facts.namespaces.iter().any(|n| n.kind == "pid"));
        assert!(!facts.mounts.root().fs.is_empty());
        assert!(facts.interfaces.iter().any(|i| i.name == "lo"));
        assert!(facts.ulimits.iter().any(|u| u.name == "open files"));
    }
}
