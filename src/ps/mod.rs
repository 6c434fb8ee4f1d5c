//! Processes, as `ps` shows them, without running it.
//!
//! Everything is read from the host's own `/proc`; no program, library or
//! file of a container is touched (CVE-2022-1227). The options are in
//! [`options`], the columns in [`columns`], and a process in [`process`]. Which
//! processes are shown is not for the options to say, but for the caller.

mod columns;
mod options;
mod process;

use std::collections::HashMap;
use std::fs;

use self::columns::Machine;
use self::options::Chosen;
use self::process::Process;
use crate::container::Timestamp;
use crate::error::Result;
use crate::sys::clock;

/// How far apart the columns stand.
#[derive(Debug, Clone, Copy)]
pub struct Spacing {
    /// The least a column takes, gap and all.
    pub width: usize,
    /// The least between a cell and the next one.
    pub gap: usize,
}

/// Columns that were asked for.
pub struct Listing(Vec<Chosen>);

impl Listing {
    /// Reads the options of `ps`; none are `-ef`.
    pub fn new(options: &[String]) -> Result<Self> {
        options::columns(options).map(Self)
    }

    /// Those processes that are still there, below the titles.
    pub fn of(&self, pids: &[i32], spacing: Spacing) -> String {
        let processes: Vec<Process> = pids.iter().filter_map(|p| Process::read(*p)).collect();
        table(&self.0, &processes, &machine(), spacing)
    }
}

fn table(columns: &[Chosen], processes: &[Process], machine: &Machine, spacing: Spacing) -> String {
    let titles = columns.iter().map(|c| c.title.clone()).collect();
    let rows = processes.iter().map(|p| {
        let cells = columns.iter().map(|c| (c.column.show)(machine, p));
        cells.collect()
    });
    let lines: Vec<Vec<String>> = std::iter::once(titles).chain(rows).collect();
    let wide = |n: usize| {
        let cells = lines
            .iter()
            .map(|line| line[n].chars().count() + spacing.gap);
        cells.max().unwrap_or(0).max(spacing.width)
    };
    let widths: Vec<usize> = (0..columns.len()).map(wide).collect();
    let mut out = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths);
        let cells: Vec<String> = cells.map(|(cell, &w)| format!("{cell:w$}")).collect();
        out.push_str(cells.concat().trim_end());
        out.push('\n');
    }
    out
}

fn machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| -> u64 {
        let line = text.lines().find_map(|l| l.strip_prefix(name));
        let number = line.and_then(|l| l.split_whitespace().next()?.parse().ok());
        number.unwrap_or(0)
    };
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
    let now = Timestamp::now().seconds;
    Machine {
        now,
        boot: field(&read("/proc/stat"), "btime") as i64,
        zone: clock::zone_at(now).0,
        memory: field(&read("/proc/meminfo"), "MemTotal:") * 1024,
        page: page.ok().flatten().unwrap_or(4096) as u64,
        users: ids(&read("/etc/passwd")),
        groups: ids(&read("/etc/group")),
    }
}

/// Names by number, of a file in the form of `/etc/passwd`; the first counts.
fn ids(text: &str) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let (name, id) = (fields.next(), fields.nth(1));
        if let (Some(name), Some(Ok(id))) = (name, id.map(str::parse)) {
            names.entry(id).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_asked_or_as_their_cells() {
        let columns = options::columns(&["-o".to_owned(), "pid,args".to_owned()]).unwrap();
        let process = Process {
            pid: 7,
            args: vec!["a".repeat(30), "b".to_owned()],
            ..Process::default()
        };
        let shown = |width, gap| {
            let spacing = Spacing { width, gap };
            let processes = std::slice::from_ref(&process);
            table(&columns, processes, &Machine::default(), spacing)
        };
        let wide = "a".repeat(30);
        assert_eq!(
            shown(20, 3),
            format!("PID                 COMMAND\n7                   {wide} b\n")
        );
        assert_eq!(shown(0, 2), format!("PID  COMMAND\n7    {wide} b\n"));
    }

    #[test]
    fn names_come_from_the_host() {
        let names = ids("root:x:0:0::/root:\nother:x:0:0::/:\nbad\nweb:x:33:33\n");
        assert_eq!(names[&0], "root");
        assert_eq!(names[&33], "web");
        assert_eq!(names.len(), 2);
    }
}
