//! What `/proc/self/status` says: ids, capabilities, filters.

use serde::Serialize;

use crate::sys::identity::CapSet;

/// The lines of `/proc/self/status` that are of interest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Whether system calls are filtered.
    pub seccomp: Seccomp,
    /// Whether an exec can no longer give power.
    pub no_new_privs: bool,
    /// Processors that this process may run on.
    pub processors: usize,
    inheritable: u64,
    permitted: u64,
    effective: u64,
    bounding: u64,
    ambient: u64,
}

/// How system calls are filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Seccomp {
    /// Not at all, or the kernel cannot.
    #[default]
    Off,
    /// Nothing but read, write and exit.
    Strict,
    /// By a program.
    Filter,
}

/// Sets of capabilities, by name, without `CAP_`, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Capabilities {
    /// What this process may do now.
    pub effective: Vec<String>,
    /// What it may make effective.
    pub permitted: Vec<String>,
    /// What no process in here can go beyond.
    pub bounding: Vec<String>,
    /// What a file can turn into permitted ones.
    pub inheritable: Vec<String>,
    /// What survives an exec.
    pub ambient: Vec<String>,
    /// How many this kernel knows.
    pub known: usize,
}

impl Status {
    /// Lines that are missing or make no sense say nothing.
    pub fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for line in text.lines() {
            if let Some((name, value)) = line.split_once(':') {
                status.take(name, value.trim());
            }
        }
        status
    }

    fn take(&mut self, name: &str, value: &str) {
        let hex = || u64::from_str_radix(value, 16).unwrap_or_default();
        match name {
            "Uid" => self.uid = effective(value),
            "Gid" => self.gid = effective(value),
            "Groups" => {
                let ids = value.split_whitespace().map(str::parse);
                self.groups = ids.filter_map(Result::ok).collect();
            }
            "CapInh" => self.inheritable = hex(),
            "CapPrm" => self.permitted = hex(),
            "CapEff" => self.effective = hex(),
            "CapBnd" => self.bounding = hex(),
            "CapAmb" => self.ambient = hex(),
            "NoNewPrivs" => self.no_new_privs = value == "1",
            "Seccomp" => {
                self.seccomp = match value {
                    "1" => Seccomp::Strict,
                    "2" => Seccomp::Filter,
                    _ => Seccomp::Off,
                }
            }
            "Cpus_allowed_list" => self.processors = in_list(value),
            _ => {}
        }
    }

    /// The sets by name. `last` is the text of `cap_last_cap`.
    pub fn capabilities(&self, last: &str) -> Capabilities {
        let known = last.trim().parse::<usize>().map_or(0, |last| last + 1);
        Capabilities {
            effective: names(self.effective),
            permitted: names(self.permitted),
            bounding: names(self.bounding),
            inheritable: names(self.inheritable),
            ambient: names(self.ambient),
            known,
        }
    }
}

/// Of the real, effective, saved and file system's id, the second.
fn effective(value: &str) -> u32 {
    let second = value.split_whitespace().nth(1);
    second.and_then(|id| id.parse().ok()).unwrap_or_default()
}

/// How many numbers there are in `0-3,8`.
fn in_list(value: &str) -> usize {
    let count = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first).map(|more| more.saturating_add(1))
    };
    let counts = value.split(',').filter_map(count);
    counts.fold(0, usize::saturating_add)
}

fn names(bits: u64) -> Vec<String> {
    let all = CapSet(bits).names();
    all.iter().map(|name| short(name)).collect()
}

/// `CAP_NET_RAW` as `net_raw`.
pub fn short(name: &str) -> String {
    name.trim_start_matches("CAP_").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Name:\thello\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t10 20 \n\
        CapInh:\t0000000000000000\nCapPrm:\t0000000000000400\nCapEff:\t00000000a80425fb\n\
        CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000001\nNoNewPrivs:\t1\nSeccomp:\t2\n\
        Seccomp_filters:\t1\nCpus_allowed_list:\t0-1,4\n";

    #[test]
    fn the_lines_that_matter() {
        let status = Status::parse(TEXT);
        assert_eq!((status.uid, status.gid), (2, 6));
        assert_eq!(status.groups, [10, 20]);
        assert_eq!(status.seccomp, Seccomp::Filter);
        assert!(status.no_new_privs);
        assert_eq!(status.processors, 3);
        let caps = status.capabilities("40\n");
        assert_eq!(caps.known, 41);
        assert_eq!(caps.effective.len(), 14);
        assert!(caps.effective.contains(&"net_raw".to_owned()));
        assert_eq!(caps.permitted, ["net_bind_service"]);
        assert_eq!(caps.ambient, ["chown"]);
        assert_eq!(caps.inheritable, [""; 0]);
    }

    #[test]
    fn nothing_and_nonsense_are_survived() {
        for text in [
            "",
            "Uid:\n",
            "Uid:\tx\ty\nCapEff:\tzz\nGroups:\tq\nSeccomp:\t9",
        ] {
            let status = Status::parse(text);
            assert_eq!(status, Status::default(), "{text:?}");
            assert_eq!(status.capabilities("").known, 0);
        }
        assert_eq!(in_list("3-1,x,,18446744073709551615"), 1);
    }
}
