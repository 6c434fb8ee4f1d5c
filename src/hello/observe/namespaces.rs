//! Which namespaces this process is in, and which of them are the machine's
//! own.
//!
//! A namespace is known by a number. The machine's first ones, which exist
//! from the moment it was started, have fixed numbers in the kernel's source,
//! so that a process can tell from inside whether it has been given another.

use std::fs;

use serde::Serialize;

/// What a process can have of its own, in the order in which it is told.
const KINDS: [&str; 8] = ["mnt", "pid", "net", "uts", "ipc", "cgroup", "user", "time"];

/// Numbers of namespaces that are made later begin here
/// (`PROC_DYNAMIC_FIRST`).
const FIRST_LATER: u64 = 0xF000_0000;

/// Since this kernel the first mount and network namespaces, too, have fixed
/// numbers; before, they got the first that were free.
const ALL_FIXED: (u32, u32) = (6, 18);

/// One namespace of this process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Namespace {
    /// `pid`, `net`.
    pub kind: String,
    /// Its number: two processes with the same share it.
    pub inode: u64,
    /// Whether it is the machine's first; not every kernel lets us know.
    pub initial: Option<bool>,
}

/// Those of this process.
pub fn own(release: &str) -> Vec<Namespace> {
    let link = |kind: &str| fs::read_link(format!("/proc/self/ns/{kind}")).ok();
    let number = |kind: &str| inode(&link(kind)?.to_string_lossy());
    KINDS
        .iter()
        .filter_map(|kind| {
            let inode = number(kind)?;
            Some(Namespace {
                kind: (*kind).to_owned(),
                inode,
                initial: initial(kind, inode, release),
            })
        })
        .collect()
}

/// The number in `pid:[4026531836]`.
fn inode(link: &str) -> Option<u64> {
    let (_, rest) = link.split_once(":[")?;
    rest.strip_suffix(']')?.parse().ok()
}

fn initial(kind: &str, inode: u64, release: &str) -> Option<bool> {
    if inode < FIRST_LATER {
        return Some(true);
    }
    let fixed = !matches!(kind, "mnt" | "net") || version(release)? >= ALL_FIXED;
    fixed.then_some(false)
}

/// The first two numbers of `6.18.1-arch`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_a_number() {
        assert_eq!(inode("pid:[4026531836]"), Some(4_026_531_836));
        for text in ["", "pid", "pid:[x]", "pid:[1", "pid:[-1]"] {
            assert_eq!(inode(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_machines_own_are_known_by_their_numbers() {
        for (kind, inode, release, want) in [
            ("pid", 4_026_531_836, "5.10.0", Some(true)),
            ("pid", 4_026_532_201, "5.10.0", Some(false)),
            ("net", 4_026_531_833, "6.18.44-x", Some(true)),
            ("net", 4_026_532_201, "6.18.0", Some(false)),
            ("net", 4_026_532_201, "7.0", Some(false)),
            ("net", 4_026_531_992, "6.1.0", None),
            ("mnt", 4_026_532_201, "6.17", None),
            ("mnt", 4_026_532_201, "what", None),
        ] {
            assert_eq!(
                initial(kind, inode, release),
                want,
                "{kind} {inode} {release}"
            );
        }
    }
}
