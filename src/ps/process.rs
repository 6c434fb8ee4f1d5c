//! One process as the host's `/proc` shows it. Nothing of the container's is
//! run or read for it (CVE-2022-1227).

use std::fs;

/// `USER_HZ`, which is 100 on every architecture that runs containers.
pub const TICKS: u64 = 100;

/// What is known of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    pub ppid: i32,
    pub pgrp: i32,
    pub session: i32,
    pub terminal: i32,
    pub foreground: i32,
    pub state: char,
    /// In ticks.
    pub user_time: u64,
    /// In ticks.
    pub system_time: u64,
    pub nice: i64,
    pub priority: i64,
    pub threads: u64,
    /// In ticks since boot.
    pub start: u64,
    /// In bytes.
    pub virtual_size: u64,
    /// In pages.
    pub resident: u64,
    pub cpu: i64,
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub euid: u32,
    pub egid: u32,
    /// Empty for a zombie.
    pub args: Vec<String>,
}

impl Process {
    /// Reads one; `None` if it is gone.
    pub fn read(pid: i32) -> Option<Self> {
        let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).ok();
        let stat = read("stat")?;
        let mut process = parse_stat(&String::from_utf8_lossy(&stat))?;
        process.ids(&String::from_utf8_lossy(&read("status")?));
        process.args = arguments(&read("cmdline").unwrap_or_default());
        Some(process)
    }

    fn ids(&mut self, status: &str) {
        let of = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name));
            let ids = line.unwrap_or_default().split_whitespace();
            ids.filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()
        };
        let (uids, gids) = (of("Uid:"), of("Gid:"));
        let get = |ids: &[u32], n: usize| ids.get(n).copied().unwrap_or(0);
        (self.uid, self.euid) = (get(&uids, 0), get(&uids, 1));
        (self.gid, self.egid) = (get(&gids, 0), get(&gids, 1));
    }

    /// As `ps` shows it: without arguments the name stands in brackets.
    pub fn command(&self) -> String {
        if !self.args.is_empty() {
            return self.args.join(" ");
        }
        let gone = if self.state == 'Z' { " <defunct>" } else { "" };
        format!("[{}]{gone}", self.name)
    }
}

/// The name may hold anything; what follows its last parenthesis is the
/// kernel's.
fn parse_stat(stat: &str) -> Option<Process> {
    let (before, rest) = stat.rsplit_once(") ")?;
    let (pid, name) = before.split_once(" (")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // Counted as in proc_pid_stat(5), where the state is the third.
    let get = |n: usize| fields.get(n - 3).copied().unwrap_or("0");
    let signed = |n: usize| get(n).parse::<i64>().unwrap_or(0);
    let number = |n: usize| get(n).parse::<u64>().unwrap_or(0);
    Some(Process {
        pid: pid.parse().ok()?,
        name: name.to_owned(),
        state: get(3).chars().next()?,
        ppid: signed(4) as i32,
        pgrp: signed(5) as i32,
        session: signed(6) as i32,
        terminal: signed(7) as i32,
        foreground: signed(8) as i32,
        user_time: number(14),
        system_time: number(15),
        priority: signed(18),
        nice: signed(19),
        threads: number(20),
        start: number(22),
        virtual_size: number(23),
        resident: number(24),
        cpu: signed(39),
        ..Process::default()
    })
}

fn arguments(cmdline: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(cmdline);
    let text = text.trim_end_matches('\0');
    if text.is_empty() {
        return Vec::new();
    }
    text.split('\0').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_does_not_move_the_fields() {
        let stat = "42 (a) R 1 (b) S 7 8 9 34816 8 0 0 0 0 0 150 50 0 0 20 -5 3 0 \
             4200 1048576 25 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0";
        let p = parse_stat(stat).unwrap();
        assert_eq!((p.pid, p.ppid, p.pgrp, p.session), (42, 7, 8, 9));
        assert_eq!((p.name.as_str(), p.state), ("a) R 1 (b", 'S'));
        assert_eq!((p.user_time, p.system_time, p.start), (150, 50, 4200));
        assert_eq!((p.nice, p.threads, p.resident), (-5, 3, 25));
        assert_eq!(parse_stat("nonsense"), None);
    }

    #[test]
    fn this_process_is_found() {
        let own = Process::read(std::process::id() as i32).unwrap();
        assert_eq!(own.uid, nix::unistd::getuid().as_raw());
        assert!(own.command().contains("rcon"), "{own:?}");
        assert_eq!(Process::read(-1), None);
    }

    #[test]
    fn without_arguments_there_is_the_name() {
        assert_eq!(arguments(b"sh\0-c\0a b\0"), ["sh", "-c", "a b"]);
        assert_eq!(arguments(b""), [""; 0]);
        let zombie = Process {
            name: "x".to_owned(),
            state: 'Z',
            ..Process::default()
        };
        assert_eq!(zombie.command(), "[x] <defunct>");
    }
}
