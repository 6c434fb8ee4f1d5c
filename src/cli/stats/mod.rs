//! `stats`: what containers use, once or over and over.
//!
//! The counters become a row in [`row`]; here they are read, and the table is
//! drawn again each second on a terminal, or written again elsewhere.

mod row;

use std::collections::HashMap;
use std::fs;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;

use self::row::Look;
use super::listing::{self, Listed};
use crate::cgroup::ops::Cgroup;
use crate::container::{Id, NetworkMode};
use crate::error::Result;
use crate::format::{Column, Format, render_list};
use crate::process;
use crate::store::Store;
use crate::sys::process as sys_process;

#[derive(Debug, clap::Args)]
pub struct StatsOf {
    /// Show all, not only those that are up
    #[arg(short, long)]
    all: bool,
    /// How to show it: table, json, a template, or table with a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show it once, and end
    #[arg(long)]
    no_stream: bool,
    /// Cut nothing off
    #[arg(long)]
    no_trunc: bool,
    /// Names or ids; without any, all that are up
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

const SHOWN: [Column; 8] = [
    ("CONTAINER ID", "ID"),
    ("NAME", "Name"),
    ("CPU %", "CPUPerc"),
    ("MEM USAGE / LIMIT", "MemUsage"),
    ("MEM %", "MemPerc"),
    ("NET I/O", "NetIO"),
    ("BLOCK I/O", "BlockIO"),
    ("PIDS", "PIDs"),
];
const MORE: [Column; 1] = [("CONTAINER", "Container")];

/// Between two tables.
const PERIOD: Duration = Duration::from_secs(1);
/// Between the two looks at the processor's time that one table needs.
const GLIMPSE: Duration = Duration::from_millis(300);

/// `stats`.
pub fn stats(store: &Store, args: &StatsOf) -> Result<ExitCode> {
    let mut watch = Watch {
        store,
        args,
        format: Format::parse(args.format.as_deref().unwrap_or_default())?,
        machine: total_memory(),
        before: HashMap::new(),
    };
    watch.rows()?;
    if args.no_stream {
        std::thread::sleep(GLIMPSE);
        listing::print(&watch.table()?)?;
    } else {
        watch.over_and_over()?;
    }
    Ok(ExitCode::SUCCESS)
}

struct Watch<'a> {
    store: &'a Store,
    args: &'a StatsOf,
    format: Format,
    machine: u64,
    /// What was seen last of each, and when.
    before: HashMap<Id, (Look, Instant)>,
}

impl Watch<'_> {
    fn over_and_over(&mut self) -> Result<()> {
        // Left alone: what stops this command itself and has it go on.
        let stopping = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
        let signals = sys_process::signals_as_fd_but(&stopping)?;
        let screen = Screen::take();
        let mut pause = GLIMPSE;
        while !interrupted(&signals, pause) {
            screen.show(&self.table()?)?;
            pause = PERIOD;
        }
        Ok(())
    }

    fn table(&mut self) -> Result<String> {
        let rows = self.rows()?;
        render_list(&self.format, &SHOWN, &MORE, &rows)
    }

    fn rows(&mut self) -> Result<Vec<Value>> {
        let all = self.chosen()?;
        let mut seen = HashMap::new();
        let rows = all.iter().map(|c| {
            let (look, at) = (look(c, self.machine), Instant::now());
            let before = self.before.get(c.id());
            let before = before.map(|(old, when)| (old, at.duration_since(*when)));
            let id = if self.args.no_trunc {
                c.id().as_str()
            } else {
                c.id().short()
            };
            let row = look.row(id, &c.name, before);
            seen.insert(c.id().clone(), (look, at));
            row
        });
        let rows = rows.collect();
        self.before = seen;
        Ok(rows)
    }

    fn chosen(&self) -> Result<Vec<Listed>> {
        if self.args.containers.is_empty() {
            return listing::all(self.store, |s| self.args.all || s.status.is_up());
        }
        let names = self.args.containers.iter();
        names.map(|name| Listed::find(self.store, name)).collect()
    }
}

/// What a container uses now; nothing if it does not run, or no longer.
fn look(c: &Listed, machine: u64) -> Look {
    let stats = || {
        let paths = c.state.cgroups.as_ref().filter(|_| c.state.pid != 0)?;
        Cgroup::open(paths).ok()?.stats().ok()
    };
    match stats() {
        Some(stats) if c.state.status.is_up() => Look::new(&stats, net(c), machine),
        _ => Look::default(),
    }
}

/// What went through its network devices. The host's are not its own.
fn net(c: &Listed) -> (u64, u64) {
    let pid = c.state.pid;
    let same = process::start_time(pid).is_some_and(|(start, _)| start == c.state.pid_start);
    if !same || c.config.network.mode == NetworkMode::Host {
        return (0, 0);
    }
    let text = fs::read_to_string(format!("/proc/{pid}/net/dev"));
    row::net_dev(&text.unwrap_or_default())
}

fn total_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:"));
    let kilobytes = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.map_or(0, |k| k * 1024)
}

/// Waits; true when somebody wants this to end, or nobody reads it.
fn interrupted(signals: &OwnedFd, pause: Duration) -> bool {
    let end = Instant::now() + pause;
    let stdout = io::stdout();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let ms = u16::try_from(left.as_millis()).unwrap_or(u16::MAX);
        let mut fds = [
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            // Without being asked for anything, it tells when its reader is gone.
            PollFd::new(stdout.as_fd(), PollFlags::empty()),
        ];
        let woken = poll(&mut fds, PollTimeout::from(ms)).unwrap_or(0) > 0;
        if fds[1].any() == Some(true) {
            return true;
        }
        if fds[0].any() == Some(true) {
            match sys_process::next_signal(signals) {
                Some(libc::SIGINT | libc::SIGTERM | libc::SIGHUP | libc::SIGQUIT) => return true,
                _ => continue,
            }
        }
        if !woken && Instant::now() >= end {
            return false;
        }
    }
}

/// A terminal on which the table is drawn over itself. The cursor is hidden,
/// and comes back when this goes away.
struct Screen {
    is_terminal: bool,
}

impl Screen {
    fn take() -> Self {
        let is_terminal = io::stdout().is_terminal();
        if is_terminal {
            // If this cannot be written, neither can the table.
            let _ = listing::print("\x1b[?25l\x1b[2J");
        }
        Self { is_terminal }
    }

    fn show(&self, table: &str) -> Result<()> {
        if !self.is_terminal {
            return listing::print(table);
        }
        // What a longer line or table has left is wiped away behind this one.
        let lines = table.replace('\n', "\x1b[K\r\n");
        listing::print(&format!("\x1b[H{lines}\x1b[J"))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.is_terminal {
            let _ = listing::print("\x1b[?25h");
        }
    }
}
