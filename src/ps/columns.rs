//! What `ps` can show of a process. Pure but for the moment it is asked.

use std::collections::HashMap;

use super::process::{Process, TICKS};
use crate::container::Timestamp;
use crate::format::escaped;

/// What a column needs to know of the machine.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// This moment, in seconds since 1970.
    pub now: i64,
    /// When the machine was started, the same way.
    pub boot: i64,
    /// Seconds east of Greenwich.
    pub zone: i32,
    /// In bytes.
    pub memory: u64,
    /// In bytes.
    pub page: u64,
    /// The host's users and groups, by number.
    pub users: HashMap<u32, String>,
    /// See `users`.
    pub groups: HashMap<u32, String>,
}

type Show = fn(&Machine, &Process) -> String;

/// One column: the words by which it is asked for, its title, what it shows.
pub struct Column {
    /// The first is its usual name.
    pub words: &'static [&'static str],
    /// Above it.
    pub title: &'static str,
    /// What stands in it.
    pub show: Show,
}

/// All there are.
pub const ALL: &[Column] = &[
    column(&["pid", "tgid"], "PID", |_, p| p.pid.to_string()),
    column(&["ppid"], "PPID", |_, p| p.ppid.to_string()),
    column(&["pgid", "pgrp"], "PGID", |_, p| p.pgrp.to_string()),
    column(&["sid", "sess", "session"], "SID", |_, p| {
        p.session.to_string()
    }),
    column(&["user", "uname", "euser"], "USER", |m, p| m.user(p.euid)),
    column(&["ruser"], "RUSER", |m, p| m.user(p.uid)),
    column(&["uid", "euid"], "UID", |_, p| p.euid.to_string()),
    column(&["ruid"], "RUID", |_, p| p.uid.to_string()),
    column(&["group", "egroup"], "GROUP", |m, p| m.group(p.egid)),
    column(&["rgroup"], "RGROUP", |m, p| m.group(p.gid)),
    column(&["gid", "egid"], "GID", |_, p| p.egid.to_string()),
    column(&["rgid"], "RGID", |_, p| p.gid.to_string()),
    column(&["c"], "C", |m, p| (m.share(p) / 10).min(99).to_string()),
    column(&["pcpu", "%cpu"], "%CPU", |m, p| tenths(m.share(p))),
    column(&["pmem", "%mem"], "%MEM", |m, p| tenths(m.memory_share(p))),
    column(&["vsz", "vsize"], "VSZ", |_, p| {
        (p.virtual_size / 1024).to_string()
    }),
    column(&["rss", "rssize", "rsz"], "RSS", |m, p| {
        (p.resident * m.page / 1024).to_string()
    }),
    column(&["tty", "tt", "tname"], "TTY", |_, p| terminal(p.terminal)),
    column(&["stat"], "STAT", |_, p| state(p)),
    column(&["s", "state"], "S", |_, p| p.state.to_string()),
    column(
        &["stime", "start_time", "start", "bsdstart"],
        "STIME",
        Machine::start,
    ),
    column(&["time", "cputime"], "TIME", |_, p| {
        long_time(cpu_seconds(p))
    }),
    column(&["bsdtime"], "TIME", |_, p| short_time(cpu_seconds(p))),
    column(&["etime"], "ELAPSED", |m, p| elapsed(m.age(p))),
    column(&["etimes"], "ELAPSED", |m, p| m.age(p).to_string()),
    column(&["ni", "nice"], "NI", |_, p| p.nice.to_string()),
    column(&["pri"], "PRI", |_, p| (39 - p.priority).to_string()),
    column(&["nlwp", "thcount"], "NLWP", |_, p| p.threads.to_string()),
    column(&["psr"], "PSR", |_, p| p.cpu.to_string()),
    column(&["comm", "ucmd", "ucomm"], "COMMAND", |_, p| {
        escaped(&p.name).into_owned()
    }),
    column(&["args", "command", "cmd"], "COMMAND", |_, p| {
        escaped(&p.command()).into_owned()
    }),
];

const fn column(words: &'static [&'static str], title: &'static str, show: Show) -> Column {
    Column { words, title, show }
}

/// The column of that name.
pub fn find(word: &str) -> Option<&'static Column> {
    ALL.iter().find(|column| column.words.contains(&word))
}

impl Machine {
    fn user(&self, id: u32) -> String {
        self.users.get(&id).cloned().unwrap_or(id.to_string())
    }

    fn group(&self, id: u32) -> String {
        self.groups.get(&id).cloned().unwrap_or(id.to_string())
    }

    fn started(&self, p: &Process) -> i64 {
        self.boot + (p.start / TICKS) as i64
    }

    /// In seconds.
    fn age(&self, p: &Process) -> u64 {
        u64::try_from(self.now - self.started(p)).unwrap_or(0)
    }

    /// Of one processor, in thousandths, since it was started.
    fn share(&self, p: &Process) -> u64 {
        let used = (p.user_time + p.system_time) * 1000 / TICKS;
        used / self.age(p).max(1)
    }

    /// In thousandths.
    fn memory_share(&self, p: &Process) -> u64 {
        p.resident * self.page * 1000 / self.memory.max(1)
    }

    /// The time if it was today, the day if it was this year, or the year.
    fn start(&self, p: &Process) -> String {
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let clock = |seconds| Timestamp::at(seconds).clock(self.zone);
        let (start, now) = (clock(self.started(p)), clock(self.now));
        if start.year != now.year {
            return start.year.to_string();
        }
        if (start.month, start.day) != (now.month, now.day) {
            let month = MONTHS[start.month as usize - 1];
            return format!("{month}{:02}", start.day);
        }
        format!("{:02}:{:02}", start.hour, start.minute)
    }
}

fn tenths(thousandths: u64) -> String {
    format!("{}.{}", thousandths / 10, thousandths % 10)
}

/// `pts/3`; `?` is none.
fn terminal(device: i32) -> String {
    let device = device as u32;
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xf_ff00);
    match (major, minor) {
        (0, _) => "?".to_owned(),
        (136..=143, _) => format!("pts/{}", (major - 136) * 256 + minor),
        (4, 0..64) => format!("tty{minor}"),
        (4, _) => format!("ttyS{}", minor - 64),
        (5, 1) => "console".to_owned(),
        _ => format!("{major}:{minor}"),
    }
}

/// The letter, and what else `ps` notes behind it.
fn state(p: &Process) -> String {
    let mut out = p.state.to_string();
    for (holds, letter) in [
        (p.nice < 0, '<'),
        (p.nice > 0, 'N'),
        (p.session == p.pid, 's'),
        (p.threads > 1, 'l'),
        (p.foreground == p.pgrp && p.terminal != 0, '+'),
    ] {
        out.extend(holds.then_some(letter));
    }
    out
}

fn cpu_seconds(p: &Process) -> u64 {
    (p.user_time + p.system_time) / TICKS
}

/// `[days-]HH:MM:SS`.
fn long_time(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let clock = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    if days > 0 {
        format!("{days}-{clock}")
    } else {
        clock
    }
}

/// `M:SS`.
fn short_time(seconds: u64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// `[[days-]HH:]MM:SS`.
fn elapsed(seconds: u64) -> String {
    if seconds < 3600 {
        return format!("{:02}:{:02}", seconds / 60, seconds % 60);
    }
    long_time(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            // 2024-05-06T07:08:09Z
            now: 1_714_979_289,
            boot: 1_714_979_289 - 7200,
            memory: 1 << 30,
            page: 4096,
            users: HashMap::from([(0, "root".to_owned())]),
            ..Machine::default()
        }
    }

    fn process() -> Process {
        Process {
            pid: 7,
            session: 7,
            pgrp: 7,
            foreground: 7,
            terminal: 136 << 8 | 3,
            state: 'S',
            threads: 2,
            // An hour after the machine, and busy for a quarter of the rest.
            start: 3600 * TICKS,
            user_time: 900 * TICKS,
            resident: 16_384,
            virtual_size: 1 << 20,
            name: "a\x1b".to_owned(),
            euid: 12,
            ..Process::default()
        }
    }

    #[test]
    fn each_column_shows_what_ps_would() {
        for (word, want) in [
            ("pid", "7"),
            ("user", "12"),
            ("ruser", "root"),
            ("uid", "12"),
            ("c", "25"),
            ("pcpu", "25.0"),
            ("pmem", "6.2"),
            ("vsz", "1024"),
            ("rss", "65536"),
            ("tty", "pts/3"),
            ("stat", "Ssl+"),
            ("stime", "06:08"),
            ("time", "00:15:00"),
            ("bsdtime", "15:00"),
            ("etime", "01:00:00"),
            ("etimes", "3600"),
            ("comm", "a\\u{1b}"),
            ("args", "[a\\u{1b}]"),
        ] {
            let column = find(word).unwrap();
            assert_eq!((column.show)(&machine(), &process()), want, "{word}");
        }
        assert!(find("nope").is_none());
    }

    #[test]
    fn a_start_long_ago_is_a_day_or_a_year() {
        let mut machine = machine();
        machine.boot -= 3 * 86_400;
        assert_eq!(machine.start(&process()), "May03");
        machine.boot -= 200 * 86_400;
        assert_eq!(machine.start(&process()), "2023");
    }

    #[test]
    fn no_word_means_two_columns() {
        let words: Vec<_> = ALL.iter().flat_map(|column| column.words).collect();
        let once: std::collections::HashSet<_> = words.iter().collect();
        assert_eq!(once.len(), words.len());
    }

    #[test]
    fn terminals_have_their_names() {
        for (device, name) in [
            (0, "?"),
            (136 << 8, "pts/0"),
            (137 << 8 | 1, "pts/257"),
            (4 << 8 | 1, "tty1"),
            (4 << 8 | 0x41, "ttyS1"),
            (5 << 8 | 1, "console"),
        ] {
            assert_eq!(terminal(device), name);
        }
    }
}
