//! What the probe said, in a form that two containers can agree on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use syscalls::{x86, x86_64};

/// A topic and a name.
pub(crate) type Key = (String, String);

/// The value of each.
pub(crate) struct Answers(pub(crate) BTreeMap<Key, String>);

/// What the answers are seen against.
pub(crate) struct Background {
    /// The room's name, which is also that of a cgroup.
    pub(crate) room: String,
    /// The namespaces of whoever starts containers, as `/proc` shows them.
    pub(crate) namespaces: BTreeSet<String>,
}

impl Answers {
    /// Reads all lines; the last one must be there.
    #[track_caller]
    pub(crate) fn parse(text: &str, background: &Background) -> Self {
        let mut all = Self(BTreeMap::new());
        for line in text.lines() {
            let mut parts = line.trim_end_matches('\r').splitn(3, '\t');
            let mut part = || parts.next().unwrap_or_default();
            let (topic, name, value) = (part(), part(), part());
            let name = without_ids(&name.replace(&background.room, "ROOM"));
            let value = without_ids(&value.replace(&background.room, "ROOM"));
            all.add(topic, &name, &value, background);
        }
        let ended = all.0.remove(&("end".to_owned(), "end".to_owned()));
        assert!(ended.is_some(), "the probe did not come to its end: {text}");
        all
    }

    /// What was said to one of them.
    pub(crate) fn of(&self, key: &Key) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn add(&mut self, topic: &str, name: &str, value: &str, background: &Background) {
        let (name, value) = match topic {
            "call" => (call(name), value.to_owned()),
            "cgroup" => (cgroup(name), value.to_owned()),
            "path" => (name.to_owned(), refusals(value)),
            "fd" => (name.to_owned(), kind_of(value)),
            "mount" => (name.to_owned(), mount(name, value)),
            "namespace" => {
                let shared = background.namespaces.contains(value);
                (
                    name.to_owned(),
                    if shared { "shared" } else { "own" }.to_owned(),
                )
            }
            _ => (name.to_owned(), value.to_owned()),
        };
        let entry = self.0.entry((topic.to_owned(), name));
        // Mounts may lie over each other; which is uppermost matters.
        entry
            .and_modify(|all| *all = format!("{all} + {value}"))
            .or_insert(value);
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((topic, name), value) in &self.0 {
            writeln!(f, "{topic}\t{name}\t{value}")?;
        }
        Ok(())
    }
}

/// Containers have 64 digits for an id, and 12 of them for a host name.
fn without_ids(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| !c.is_ascii_hexdigit());
        let (digits, after) = from.split_at(end.unwrap_or(from.len()));
        out.push_str(before);
        let alone =
            !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric);
        let id = alone && (digits.len() == 64 || digits.len() == 12);
        out.push_str(if id { "ID" } else { digits });
        rest = after;
    }
    out + rest
}

/// `x86_64 41` is better known as `x86_64 socket`.
fn call(name: &str) -> String {
    let known = name.split_once(' ').and_then(|(table, number)| {
        let number = number.parse().ok()?;
        let name = match table {
            "i386" => x86::Sysno::new(number)?.name(),
            _ => x86_64::Sysno::new(number)?.name(),
        };
        Some(format!("{table} {name}"))
    });
    known.unwrap_or_else(|| name.to_owned())
}

/// Which of several locks is tried first is not about power.
fn refusals(value: &str) -> String {
    let words = value.split(' ').map(|word| match word {
        "EACCES" | "EPERM" | "EROFS" => "no",
        word => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// `4:memory:/x`: the number is the host's.
fn cgroup(line: &str) -> String {
    line.split_once(':')
        .map_or(line, |(_, rest)| rest)
        .to_owned()
}

/// `pipe:[1234]`
fn kind_of(target: &str) -> String {
    target.split(":[").next().unwrap_or(target).to_owned()
}

/// `root options fields - type source super`: what does not name a place of
/// the host's, in an order of its own.
fn mount(point: &str, value: &str) -> String {
    let (of_mount, of_system) = value.split_once(" - ").unwrap_or((value, ""));
    let mut words = of_mount.split(' ');
    let root = words.next().unwrap_or_default();
    let flags = sorted(words.next().unwrap_or_default());
    let travels: Vec<&str> = words.filter_map(|w| w.split(':').next()).collect();
    let mut words = of_system.splitn(3, ' ');
    let kind = words.next().unwrap_or_default();
    let options = sorted(words.nth(1).unwrap_or_default());
    // The rest of it is on some disk of the host's.
    let kernels = [
        "proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "tmpfs",
    ];
    if point.starts_with("/etc/") || !kernels.contains(&kind) {
        return [&[flags.as_str()][..], &travels].concat().join(" ");
    }
    let all = [&[kind, root, flags.as_str()][..], &travels, &[&options]];
    all.concat().join(" ")
}

fn sorted(words: &str) -> String {
    // Whether a mount notes the times of access is not about power, and what
    // a tmpfs numbers its files by even less.
    let dull = ["relatime", "inode64", "huge=never"];
    let mut words: Vec<&str> = words.split(',').filter(|w| !dull.contains(w)).collect();
    words.sort_unstable();
    words.join(",")
}
