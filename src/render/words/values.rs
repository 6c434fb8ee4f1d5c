//! The values of a plan as people write them.
//!
//! Every string from outside goes through [`quoted`]; everything else here is
//! made of our own words and of numbers.

use std::path::Path;

use oci_spec::runtime::LinuxDeviceCgroup;

use crate::plan::{IdRange, MountFlags, Namespace, Propagation, PropagationKind};
use crate::sys::identity::CapSet;

/// Longer values are cut: a phrase must stay readable.
const LONGEST: usize = 200;

/// A value from outside. As it is where nobody can mistake it, else between
/// quotation marks, with all that is not plainly printable escaped.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._+:@%=-*".contains(c);
    if !text.is_empty() && text.len() <= LONGEST && text.chars().all(plain) {
        return text.to_owned();
    }
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// A path from outside. Bytes that are not text show as replacement marks.
pub(crate) fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// A sentence of ours that quotes values: on one line, and no controls.
pub(crate) fn harmless(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\'' | '\\' => c.to_string(),
        other => other.escape_debug().to_string(),
    };
    text.chars().map(escape).collect()
}

/// Parts with commas between them.
pub(crate) fn list<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    let words: Vec<_> = items.iter().map(show).collect();
    words.join(", ")
}

/// "mount, network and pid namespaces".
pub(crate) fn kinds(kinds: &[Namespace]) -> String {
    let names: Vec<_> = kinds.iter().map(|k| k.spec_name()).collect();
    match names.as_slice() {
        [] => "namespaces (none)".to_owned(),
        [one] => format!("{one} namespace"),
        [most @ .., last] => format!("{} and {last} namespaces", most.join(", ")),
    }
}

/// "a new pid namespace", "new pid and uts namespaces".
pub(crate) fn new_kinds(list: &[Namespace]) -> String {
    let article = if list.len() == 1 { "a new" } else { "new" };
    format!("{article} {}", kinds(list))
}

/// "0-65535 inside are 100000-165535 outside".
pub(crate) fn ids(ranges: &[IdRange]) -> String {
    list(ranges, |r| {
        let last = |first: u32| u64::from(first) + u64::from(r.count.max(1)) - 1;
        match r.count {
            1 => format!("{} inside is {} outside", r.inside, r.outside),
            _ => format!(
                "{}-{} inside are {}-{} outside",
                r.inside,
                last(r.inside),
                r.outside,
                last(r.outside)
            ),
        }
    })
}

/// Signed seconds with a fraction only where there is one.
pub(crate) fn clock_time(seconds: i64, nanoseconds: u32) -> String {
    match nanoseconds {
        0 => format!("{seconds} s"),
        n => format!("{seconds} s and {n} ns"),
    }
}

/// `rslave` and its like.
pub(crate) fn travel(p: Propagation) -> String {
    let word = match p.kind {
        PropagationKind::Private => "private",
        PropagationKind::Slave => "slave",
        PropagationKind::Shared => "shared",
        PropagationKind::Unbindable => "unbindable",
    };
    format!("{}{word}", if p.recursive { "r" } else { "" })
}

/// A flag of a mount, the word that sets it and the one that clears it.
const FLAGS: &[(u64, &str, &str)] = &[
    (libc::MOUNT_ATTR_RDONLY, "ro", "rw"),
    (libc::MOUNT_ATTR_NOSUID, "nosuid", "suid"),
    (libc::MOUNT_ATTR_NODEV, "nodev", "dev"),
    (libc::MOUNT_ATTR_NOEXEC, "noexec", "exec"),
    (libc::MOUNT_ATTR_NODIRATIME, "nodiratime", "diratime"),
    (libc::MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow", "symfollow"),
];

/// Flags as their option words; those for the tree below with an `r`.
pub(crate) fn mount_flags(flags: MountFlags) -> Vec<String> {
    let mut words = flag_words(flags.set, flags.clear, "");
    words.extend(flag_words(flags.set_below, flags.clear_below, "r"));
    words
}

fn flag_words(set: u64, clear: u64, prefix: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (flag, on, off) in FLAGS {
        if set & flag != 0 {
            words.push(format!("{prefix}{on}"));
        } else if clear & flag != 0 {
            words.push(format!("{prefix}{off}"));
        }
    }
    // The access times are not single bits but a field of their own.
    let atime = libc::MOUNT_ATTR__ATIME;
    let word = match set & atime {
        libc::MOUNT_ATTR_NOATIME => Some("noatime"),
        libc::MOUNT_ATTR_STRICTATIME => Some("strictatime"),
        _ if clear & atime != 0 => Some("relatime"),
        _ => None,
    };
    words.extend(word.map(|w| format!("{prefix}{w}")));
    words
}

/// " (ro, nosuid, rprivate)", or nothing.
pub(crate) fn mount_words(mut words: Vec<String>, propagation: &[Propagation]) -> String {
    words.extend(propagation.iter().map(|p| travel(*p)));
    if words.is_empty() {
        return String::new();
    }
    format!(" ({})", words.join(", "))
}

/// As in the files of the devices controller.
pub(crate) fn device_rule(rule: &LinuxDeviceCgroup) -> String {
    let verb = if rule.allow() { "allow" } else { "deny" };
    let number = |n: Option<i64>| {
        n.filter(|n| *n >= 0)
            .map_or("*".to_owned(), |n| n.to_string())
    };
    let typ = rule.typ().map_or("a".to_owned(), |t| t.as_str().to_owned());
    let access = rule.access().as_deref().filter(|a| !a.is_empty());
    let access = quoted(access.unwrap_or("rwm"));
    format!(
        "{verb} {typ} {}:{} {access}",
        number(rule.major()),
        number(rule.minor())
    )
}

/// Capabilities by name.
pub(crate) fn caps(set: CapSet) -> String {
    match set.names().as_slice() {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

/// A resource limit.
pub(crate) fn limit(value: u64) -> String {
    match value {
        u64::MAX => "unlimited".to_owned(),
        number => number.to_string(),
    }
}

/// "3 environment variables (PATH, HOME, TERM)".
pub(crate) fn env_names(env: &[String]) -> String {
    let name = |e: &String| quoted(e.split_once('=').map_or(e.as_str(), |(name, _)| name));
    match env {
        [] => "an empty environment".to_owned(),
        [one] => format!("1 environment variable ({})", name(one)),
        some => format!(
            "{} environment variables ({})",
            some.len(),
            list(some, name)
        ),
    }
}

/// `SCHED_*`.
pub(crate) fn policy(number: u32) -> String {
    let names = ["OTHER", "FIFO", "RR", "BATCH", "ISO", "IDLE", "DEADLINE"];
    match names.get(number as usize) {
        Some(name) => format!("SCHED_{name}"),
        None => format!("number {number}"),
    }
}

/// Classes of `ioprio_set`.
pub(crate) fn io_class(class: u32) -> String {
    match class {
        1 => "real-time".to_owned(),
        2 => "best effort".to_owned(),
        3 => "idle".to_owned(),
        other => format!("class {other}"),
    }
}

/// `MPOL_*` with its flags.
pub(crate) fn memory_mode(mode: u32) -> String {
    let names = [
        "default",
        "preferred",
        "bind",
        "interleave",
        "local",
        "preferred-many",
        "weighted-interleave",
    ];
    let flags = [
        (1 << 13, "numa-balancing"),
        (1 << 14, "relative-nodes"),
        (1 << 15, "static-nodes"),
    ];
    let base = mode & 0x1fff;
    let mut words = match names.get(base as usize) {
        Some(name) => (*name).to_owned(),
        None => format!("number {base}"),
    };
    for (flag, name) in flags {
        if mode & flag != 0 {
            words = format!("{words}, {name}");
        }
    }
    words
}

/// Execution domains.
pub(crate) fn persona(persona: u64) -> String {
    match persona {
        0 => "LINUX".to_owned(),
        8 => "LINUX32".to_owned(),
        other => format!("{other:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_values_stay_as_they_are_and_others_are_quoted() {
        assert_eq!(quoted("/usr/lib/x-1.2"), "/usr/lib/x-1.2");
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted("a b"), "\"a b\"");
        assert_eq!(quoted("a\nb\x1b[2J"), "\"a\\nb\\u{1b}[2J\"");
        assert_eq!(quoted("\u{202e}x"), "\"\\u{202e}x\"");
    }

    #[test]
    fn a_long_value_is_cut_and_says_so() {
        let text = quoted(&"x".repeat(5000));
        assert!(text.len() < 220 && text.ends_with('…'), "{text}");
    }

    #[test]
    fn flags_are_told_by_their_option_words() {
        let words = |list: &[&str]| {
            let options = crate::plan::options::MountOptions::parse(list);
            mount_flags(options.flags).join(",")
        };
        for same in [
            "ro,nosuid,nodev,noexec",
            "rw,dev",
            "rro,rnoatime",
            "strictatime",
            "relatime",
        ] {
            assert_eq!(words(&same.split(',').collect::<Vec<_>>()), same);
        }
        assert_eq!(words(&["ro", "noatime", "nosuid"]), "ro,nosuid,noatime");
    }

    #[test]
    fn only_the_names_of_an_environment_are_told() {
        let told = env_names(&["PATH=/bin".to_owned(), "TOKEN=secret".to_owned()]);
        assert_eq!(told, "2 environment variables (PATH, TOKEN)");
    }

    #[test]
    fn id_ranges_are_told_from_first_to_last() {
        let range = |inside, outside, count| IdRange {
            inside,
            outside,
            count,
        };
        let told = ids(&[range(0, 1000, 1), range(1, 100_000, 65536)]);
        assert_eq!(
            told,
            "0 inside is 1000 outside, 1-65536 inside are 100000-165535 outside"
        );
    }

    proptest! {
        #[test]
        fn no_value_breaks_the_line_or_speaks_to_a_terminal(text in ".{0,300}|[\u{0}-\u{a0}]{0,30}") {
            prop_assert!(!quoted(&text).chars().any(char::is_control));
            prop_assert!(!harmless(&text).chars().any(char::is_control));
        }
    }
}
