//! The mount options of the runtime specification: one flat table of what
//! each word means, and nothing else.

use super::action::{MountFlags, Propagation, PropagationKind};
use crate::error::{Error, Result};

/// What a list of mount options says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MountOptions {
    /// `bind` or `rbind`.
    pub bind: bool,
    /// `rbind`: the mounts below come along.
    pub recursive: bool,
    /// `remount`: change what is there.
    pub remount: bool,
    /// Flags of the mount.
    pub flags: MountFlags,
    /// In the order given.
    pub propagation: Vec<Propagation>,
    /// `tmpcopyup`.
    pub copy_up: bool,
    /// `idmap` or `ridmap`; the latter maps the mounts below, too.
    pub idmap: Option<bool>,
    /// What is left belongs to the file system.
    pub data: Vec<(String, Option<String>)>,
    /// The words of that which no table knows.
    pub unknown: Vec<String>,
}

const RDONLY: u64 = libc::MOUNT_ATTR_RDONLY;
const NOSUID: u64 = libc::MOUNT_ATTR_NOSUID;
const NODEV: u64 = libc::MOUNT_ATTR_NODEV;
const NOEXEC: u64 = libc::MOUNT_ATTR_NOEXEC;
const NOATIME: u64 = libc::MOUNT_ATTR_NOATIME;
const STRICTATIME: u64 = libc::MOUNT_ATTR_STRICTATIME;
const ATIME: u64 = libc::MOUNT_ATTR__ATIME;
const NODIRATIME: u64 = libc::MOUNT_ATTR_NODIRATIME;
const NOSYMFOLLOW: u64 = libc::MOUNT_ATTR_NOSYMFOLLOW;

/// Words that set or clear flags of a mount: name, to set, to clear. Each is
/// also known with an `r` in front, for the whole tree.
const FLAG_WORDS: &[(&str, u64, u64)] = &[
    ("ro", RDONLY, 0),
    ("rw", 0, RDONLY),
    ("nosuid", NOSUID, 0),
    ("suid", 0, NOSUID),
    ("nodev", NODEV, 0),
    ("dev", 0, NODEV),
    ("noexec", NOEXEC, 0),
    ("exec", 0, NOEXEC),
    ("nodiratime", NODIRATIME, 0),
    ("diratime", 0, NODIRATIME),
    // Relative access times are the kernel's default and the field's zero.
    ("relatime", 0, ATIME),
    ("norelatime", 0, ATIME),
    ("noatime", NOATIME, ATIME),
    ("atime", 0, NOATIME),
    ("strictatime", STRICTATIME, ATIME),
    ("nostrictatime", 0, STRICTATIME),
    ("nosymfollow", NOSYMFOLLOW, 0),
    ("symfollow", 0, NOSYMFOLLOW),
];

/// Words that the file system itself understands as flags of its superblock,
/// together with those that take them back or mean nothing any more.
const SUPERBLOCK_WORDS: &[(&str, Option<&str>)] = &[
    ("sync", Some("sync")),
    ("async", None),
    ("dirsync", Some("dirsync")),
    ("lazytime", Some("lazytime")),
    ("nolazytime", None),
    ("mand", Some("mand")),
    ("nomand", None),
    ("silent", None),
    ("loud", None),
    ("iversion", None),
    ("noiversion", None),
    ("acl", None),
    ("noacl", None),
    ("defaults", None),
    ("nofail", None),
    ("_netdev", None),
    ("auto", None),
    ("noauto", None),
    ("user", None),
    ("nouser", None),
];

impl MountOptions {
    /// Reads a list of options; what no table knows is the file system's.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Self {
        let mut all = Self::default();
        for word in words {
            all.take(word.as_ref());
        }
        all
    }

    fn take(&mut self, word: &str) {
        match word {
            "bind" => self.bind = true,
            "rbind" => (self.bind, self.recursive) = (true, true),
            "remount" => self.remount = true,
            "tmpcopyup" => self.copy_up = true,
            "idmap" => self.idmap = Some(false),
            "ridmap" => self.idmap = Some(true),
            _ => {
                if !self.take_flag(word) && !self.take_propagation(word) {
                    self.take_data(word);
                }
            }
        }
    }

    fn take_flag(&mut self, word: &str) -> bool {
        let find = |w: &str| FLAG_WORDS.iter().find(|(name, ..)| *name == w);
        if let Some(&(_, set, clear)) = find(word) {
            change(&mut self.flags.set, &mut self.flags.clear, set, clear);
        } else if let Some(&(_, set, clear)) = word.strip_prefix('r').and_then(find) {
            let (all_set, all_clear) = (&mut self.flags.set_below, &mut self.flags.clear_below);
            change(all_set, all_clear, set, clear);
        } else {
            return false;
        }
        true
    }

    fn take_propagation(&mut self, word: &str) -> bool {
        let of = |w: &str| match w {
            "private" => Some(PropagationKind::Private),
            "slave" => Some(PropagationKind::Slave),
            "shared" => Some(PropagationKind::Shared),
            "unbindable" => Some(PropagationKind::Unbindable),
            _ => None,
        };
        let alone = of(word).map(|kind| (kind, false));
        let tree = || Some((of(word.strip_prefix('r')?)?, true));
        let Some((kind, recursive)) = alone.or_else(tree) else {
            return false;
        };
        self.propagation.push(Propagation { kind, recursive });
        true
    }

    fn take_data(&mut self, word: &str) {
        if let Some((_, meaning)) = SUPERBLOCK_WORDS.iter().find(|(name, _)| *name == word) {
            let flag = meaning.map(|m| (m.to_owned(), None));
            self.data.extend(flag);
            return;
        }
        if word.is_empty() {
            return;
        }
        self.unknown.push(word.to_owned());
        self.data.push(match word.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (word.to_owned(), None),
        });
    }

    /// A bind mount has no file system of its own to know a word that we do
    /// not: the kernel would pass over it, and with it over a misspelt `ro`.
    pub fn check_bind(&self, owners_given: bool) -> Result<()> {
        // podman leaves words of its own that it has seen to: what a volume is
        // filled with, and `idmap=…` beside the mappings it made of that.
        let settled =
            |w: &String| w == "copy" || w == "nocopy" || (owners_given && w.starts_with("idmap="));
        let Some(word) = self.unknown.iter().find(|w| !settled(w)) else {
            return Ok(());
        };
        let e = Error::user(format!("options: a bind mount has no option {word:?}"));
        Err(match meant(word) {
            Some(right) => e.hint(format!("did you mean \"{right}\"?")),
            None => e.hint("`rcon oci features` lists all options under mountOptions"),
        })
    }
}

/// The option that a word stands for elsewhere, or is nearly.
fn meant(word: &str) -> Option<String> {
    let lower = word.to_ascii_lowercase().replace(['-', '_'], "");
    let other = match lower.as_str() {
        "readonly" | "rdonly" | "readonly=true" => Some("ro"),
        "readwrite" | "write" | "writable" => Some("rw"),
        "recursive" | "bindrecursive" => Some("rbind"),
        "nonrecursive" | "bindnonrecursive" => Some("bind"),
        "noexecute" => Some("noexec"),
        _ => None,
    };
    let near = || {
        known_words()
            .into_iter()
            .find(|known| one_off(&lower, known))
    };
    other.map(str::to_owned).or_else(near)
}

/// Whether one word becomes the other by a letter more, less, or another.
fn one_off(a: &str, b: &str) -> bool {
    let same = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a.as_bytes()[same..], &b.as_bytes()[same..]);
    let after = |rest: &[u8], n: usize| rest.get(n..).map(<[u8]>::to_vec);
    [(0, 0), (1, 1), (1, 0), (0, 1)]
        .into_iter()
        .any(|(i, j)| after(a, i).is_some_and(|rest| Some(rest) == after(b, j)))
}

/// A later word wins over an earlier one that says the opposite.
fn change(all_set: &mut u64, all_clear: &mut u64, set: u64, clear: u64) {
    *all_set = *all_set & !clear | set;
    *all_clear = *all_clear & !set | clear;
}

/// Every option word rcon knows, for `rcon oci features`.
pub fn known_words() -> Vec<String> {
    let own = ["bind", "rbind", "remount", "tmpcopyup", "idmap", "ridmap"];
    let travel = ["private", "slave", "shared", "unbindable"];
    let mut words: Vec<String> = own.iter().map(ToString::to_string).collect();
    for word in FLAG_WORDS.iter().map(|(name, ..)| *name).chain(travel) {
        words.push(word.to_owned());
        words.push(format!("r{word}"));
    }
    words.extend(SUPERBLOCK_WORDS.iter().map(|(name, _)| (*name).to_owned()));
    words.sort();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_wins() {
        let o = MountOptions::parse(&["ro", "rw", "nosuid"]);
        assert_eq!(o.flags.set, NOSUID);
        assert_eq!(o.flags.clear, RDONLY);
    }

    #[test]
    fn an_r_in_front_means_the_tree() {
        let o = MountOptions::parse(&["rbind", "rro", "rprivate"]);
        assert!(o.bind && o.recursive);
        assert_eq!((o.flags.set, o.flags.set_below), (0, RDONLY));
        let p = Propagation {
            kind: PropagationKind::Private,
            recursive: true,
        };
        assert_eq!(o.propagation, [p]);
    }

    #[test]
    fn relatime_is_not_recursive_elatime() {
        let o = MountOptions::parse(&["relatime"]);
        assert_eq!(o.flags.clear, ATIME);
        assert_eq!(o.flags.clear_below, 0);
    }

    #[test]
    fn a_bind_mount_refuses_what_nobody_knows_and_names_what_was_meant() {
        let says = |word: &str, part: &str| {
            let e = MountOptions::parse(&["bind", word]).check_bind(false);
            let text = e.unwrap_err().to_string();
            assert!(text.contains(word) && text.contains(part), "{text}");
        };
        says("readonly", "did you mean \"ro\"?");
        says("READ-ONLY", "did you mean \"ro\"?");
        says("nosiud", "mountOptions");
        says("nosuidd", "did you mean \"nosuid\"?");
        says("rprivat", "did you mean \"rprivate\"?");
        says("bind-nonrecursive", "did you mean \"bind\"?");
        says("size=1m", "mountOptions");
        says("idmap=uids=0-1-2", "mountOptions");
    }

    #[test]
    fn a_bind_mount_takes_every_word_that_features_lists() {
        for word in known_words() {
            let o = MountOptions::parse(&["bind", &word]);
            assert!(o.check_bind(false).is_ok(), "{word}");
        }
        let o = MountOptions::parse(&["bind", "", "nocopy", "copy", "idmap=uids=0-1-2"]);
        assert!(o.check_bind(true).is_ok());
    }

    #[test]
    fn what_no_table_knows_is_the_file_systems() {
        let o = MountOptions::parse(&["mode=755", "newinstance", "defaults", "sync"]);
        let want = [
            ("mode".to_owned(), Some("755".to_owned())),
            ("newinstance".to_owned(), None),
            ("sync".to_owned(), None),
        ];
        assert_eq!(o.data, want);
    }
}
