//! `top`: the processes of a container, as `ps` shows them.
//!
//! Everything is read from the host's own `/proc`; no program, library or
//! file of the container is touched. The options are in [`options`], the
//! columns in [`columns`], and a process in [`process`].

mod columns;
mod options;
mod process;

use std::collections::HashMap;
use std::fs;
use std::process::ExitCode;

use self::columns::Machine;
use self::options::Chosen;
use self::process::Process;
use super::{common, listing};
use crate::cgroup::ops::Cgroup;
use crate::container::Timestamp;
use crate::error::Result;
use crate::store::Store;

/// Show the processes of a container
#[derive(Debug, clap::Args)]
pub struct Top {
    /// Name or id
    container: String,
    /// What to show of them, as ps is told: -ef, aux, -o pid,user,args
    #[arg(
        value_name = "PS OPTIONS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    options: Vec<String>,
}

/// Every column of `docker top` is at least so wide, and so far from the next.
const WIDTH: usize = 20;
const GAP: usize = 3;

/// `top`.
pub fn top(store: &Store, args: &Top) -> Result<ExitCode> {
    let columns = options::columns(&args.options)?;
    let found = common::find(store, &args.container)?;
    let paths = found.state.cgroups.as_ref();
    let paths = paths.filter(|_| found.state.status.is_up() && found.state.pid != 0);
    let paths = paths.ok_or_else(|| common::not_running(&found))?;
    let pids = Cgroup::open(paths)?.pids()?;
    let processes: Vec<Process> = pids.into_iter().filter_map(Process::read).collect();
    listing::print(&table(&columns, &processes, &machine()))?;
    Ok(ExitCode::SUCCESS)
}

fn table(columns: &[Chosen], processes: &[Process], machine: &Machine) -> String {
    let titles = columns.iter().map(|c| c.title.clone()).collect();
    let rows = processes.iter().map(|p| {
        let cells = columns.iter().map(|c| (c.column.show)(machine, p));
        cells.collect()
    });
    let lines: Vec<Vec<String>> = std::iter::once(titles).chain(rows).collect();
    let wide = |n: usize| {
        let cells = lines.iter().map(|line| line[n].chars().count() + GAP);
        cells.max().unwrap_or(0).max(WIDTH)
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
    Machine {
        now: Timestamp::now().seconds,
        boot: field(&read("/proc/stat"), "btime") as i64,
        zone: listing::own_zone().into(),
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
    fn columns_are_as_wide_as_docker_s() {
        let columns = options::columns(&["-o".to_owned(), "pid,args".to_owned()]).unwrap();
        let process = Process {
            pid: 7,
            args: vec!["a".repeat(30), "b".to_owned()],
            ..Process::default()
        };
        let text = table(&columns, &[process], &Machine::default());
        let wide = "a".repeat(30);
        assert_eq!(
            text,
            format!("PID                 COMMAND\n7                   {wide} b\n")
        );
    }

    #[test]
    fn names_come_from_the_host() {
        let names = ids("root:x:0:0::/root:\nother:x:0:0::/:\nbad\nweb:x:33:33\n");
        assert_eq!(names[&0], "root");
        assert_eq!(names[&33], "web");
        assert_eq!(names.len(), 2);
    }
}
