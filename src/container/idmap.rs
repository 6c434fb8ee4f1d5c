//! Files shown under other owners: `idmap`, `idmap=uids=1000-0-1;gids=1000-0-1`.
//!
//! The form is Podman's. Each triple says: so many ids from the first on, as
//! they are on the disk, are those from the second on, as they are seen. With
//! `@` in front of a list the second number counts from where the container's
//! user namespace begins; without it, it is the host's.

use crate::error::{Error, Result};

/// So many ids from `disk` on are those from `seen` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Triple {
    /// The first id as it is kept.
    pub disk: u32,
    /// The first id as it is seen.
    pub seen: u32,
    /// How many.
    pub count: u32,
    /// `seen` counts from where the container's user namespace begins.
    pub relative: bool,
}

/// Which owners are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdMap {
    /// Of users; empty: as fits the container.
    pub uids: Vec<Triple>,
    /// Of groups; empty as `uids`.
    pub gids: Vec<Triple>,
}

/// More ranges the kernel does not take.
const MOST: usize = 340;

impl IdMap {
    /// Reads the option, if it is this one.
    pub fn parse(word: &str) -> Option<Result<Self>> {
        match word.strip_prefix("idmap")? {
            "" => Some(Ok(Self::default())),
            rest => {
                let lists = rest.strip_prefix('=')?;
                let named = |e: Error| e.context(format!("invalid option {word:?}"));
                Some(Self::lists(lists).map_err(named))
            }
        }
    }

    fn lists(text: &str) -> Result<Self> {
        let mut all = Self::default();
        for part in text.split(';') {
            let (name, list) = part.split_once('=').unwrap_or((part, ""));
            let to = match name {
                "uids" => &mut all.uids,
                "gids" => &mut all.gids,
                _ => return Err(Error::user(format!("unknown list {name:?}")).hint(FORM)),
            };
            if !to.is_empty() {
                return Err(Error::user(format!("{name} is given twice")).hint(FORM));
            }
            *to = list_of(list)?;
        }
        if all.uids.is_empty() || all.gids.is_empty() {
            return Err(Error::user("uids and gids go together").hint(FORM));
        }
        Ok(all)
    }
}

const FORM: &str = "idmap=uids=DISK-SEEN-COUNT#…;gids=DISK-SEEN-COUNT#…";

fn list_of(text: &str) -> Result<Vec<Triple>> {
    let (relative, text) = match text.strip_prefix('@') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let all: Result<Vec<Triple>> = text.split('#').map(|t| triple(t, relative)).collect();
    let all = all?;
    if all.len() > MOST {
        return Err(Error::user(format!("more than {MOST} ranges of ids")));
    }
    for (n, a) in all.iter().enumerate() {
        let clash = |b: &&Triple| meet(a.disk, b.disk, a, b) || meet(a.seen, b.seen, a, b);
        if all[..n].iter().find(clash).is_some() {
            return Err(Error::user("ranges of ids overlap").hint(FORM));
        }
    }
    Ok(all)
}

fn meet(a: u32, b: u32, of_a: &Triple, of_b: &Triple) -> bool {
    let (a, b) = (u64::from(a), u64::from(b));
    a < b + u64::from(of_b.count) && b < a + u64::from(of_a.count)
}

fn triple(text: &str, relative: bool) -> Result<Triple> {
    // No sign, no room: what `parse` lets through beside digits.
    let number = |t: &str| {
        let digits = !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| t.parse::<u32>().ok()).flatten()
    };
    let parts: Vec<Option<u32>> = text.split('-').map(number).collect();
    let [Some(disk), Some(seen), Some(count)] = parts[..] else {
        return Err(Error::user(format!("invalid range of ids {text:?}")).hint(FORM));
    };
    let fits = |first: u32| first.checked_add(count).is_some();
    if count == 0 || !fits(disk) || !fits(seen) {
        return Err(Error::user(format!("invalid range of ids {text:?}")).hint(FORM));
    }
    Ok(Triple {
        disk,
        seen,
        count,
        relative,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(word: &str) -> Result<IdMap> {
        IdMap::parse(word).expect("it is this option")
    }

    #[test]
    fn only_this_option_is_read() {
        for word in ["ro", "idmapped", "ridmap", "", "idmaps=x"] {
            assert!(IdMap::parse(word).is_none(), "{word}");
        }
        assert_eq!(read("idmap").unwrap(), IdMap::default());
    }

    #[test]
    fn lists_of_ranges() {
        let map = read("idmap=uids=1000-0-1#2000-5-10;gids=@100-1-2").unwrap();
        let t = |disk, seen, count, relative| Triple {
            disk,
            seen,
            count,
            relative,
        };
        assert_eq!(map.uids, [t(1000, 0, 1, false), t(2000, 5, 10, false)]);
        assert_eq!(map.gids, [t(100, 1, 2, true)]);
    }

    #[test]
    fn what_is_no_map() {
        for (lists, why) in [
            ("", "unknown list"),
            ("uids=0-0-1", "go together"),
            ("gids=0-0-1", "go together"),
            ("uids=0-0-1;uids=1-1-1", "twice"),
            ("uids=0-0;gids=0-0-1", "invalid range"),
            ("uids=0-0-0;gids=0-0-1", "invalid range"),
            ("uids=0-+1-1;gids=0-0-1", "invalid range"),
            ("uids=-1-0-1;gids=0-0-1", "invalid range"),
            ("uids=4294967295-0-2;gids=0-0-1", "invalid range"),
            ("uids=4294967296-0-1;gids=0-0-1", "invalid range"),
            ("uids=0-0-5#4-9-1;gids=0-0-1", "overlap"),
            ("uids=0-0-5#9-4-1;gids=0-0-1", "overlap"),
        ] {
            let e = read(&format!("idmap={lists}")).unwrap_err().to_string();
            assert!(e.contains(why), "{lists}: {e}");
        }
    }
}
