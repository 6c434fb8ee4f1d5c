//! `--tmpfs`: `/run`, `/run:rw,exec,size=64m,mode=1777`.

use super::{paths, units};
use crate::container::{Mount, MountKind, TmpfsOptions};
use crate::error::{Error, Result};

/// Words without a value that a tmpfs knows.
const WORDS: &[&str] = &[
    "exec",
    "noexec",
    "suid",
    "nosuid",
    "dev",
    "nodev",
    "atime",
    "noatime",
    "diratime",
    "nodiratime",
    "relatime",
    "norelatime",
    "strictatime",
    "nostrictatime",
    "sync",
    "async",
    "private",
    "rprivate",
    "shared",
    "rshared",
    "slave",
    "rslave",
    "tmpcopyup",
];

/// And those with one, that are handed on as they are.
const VALUES: &[&str] = &["uid", "gid", "nr_inodes", "nr_blocks", "mpol"];

/// Reads one `--tmpfs`.
pub fn parse(text: &str) -> Result<Mount> {
    let (target, words) = text.split_once(':').unwrap_or((text, ""));
    let mut mount = Mount {
        kind: MountKind::Tmpfs(TmpfsOptions::default()),
        target: paths::target(target)?,
        read_only: false,
        options: Vec::new(),
    };
    let mut own = TmpfsOptions::default();
    for word in words.split(',').filter(|w| !w.is_empty()) {
        let bad = || {
            Error::user(format!("invalid tmpfs option {word:?}"))
                .hint("as in rw, noexec, size=64m, mode=1777")
        };
        match (word, word.split_once('=')) {
            ("ro", _) => mount.read_only = true,
            ("rw", _) => mount.read_only = false,
            (_, Some(("mode", value))) => own.mode = Some(mode(value).ok_or_else(bad)?),
            (_, Some(("size", value))) if !value.ends_with('%') => {
                own.size = Some(units::size(value)? as u64);
            }
            _ if is_known(word) => mount.options.push(word.to_owned()),
            _ => return Err(bad()),
        }
    }
    mount.kind = MountKind::Tmpfs(own);
    Ok(mount)
}

fn is_known(word: &str) -> bool {
    match word.split_once('=') {
        // Of the machine's memory.
        Some(("size", percent)) => {
            let digits = percent.strip_suffix('%').unwrap_or_default();
            digits.parse().is_ok_and(|n: u8| (1..=100).contains(&n))
        }
        Some((key, value)) => VALUES.contains(&key) && !value.is_empty() && !value.contains('\0'),
        None => WORDS.contains(&word),
    }
}

/// Permission bits in octal.
pub fn mode(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mode = digits.then(|| u32::from_str_radix(text, 8).ok())?;
    mode.filter(|m| *m <= 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn options_are_sorted_out() {
        for (text, size, bits, read_only, options) in [
            ("/run", None, None, false, ""),
            ("/run/", None, None, false, ""),
            ("/run:", None, None, false, ""),
            (
                "/run:rw,exec,size=64m,mode=1777",
                Some(64 << 20),
                Some(0o1777),
                false,
                "exec",
            ),
            ("/run:ro,size=65536k", Some(64 << 20), None, true, ""),
            ("/run:ro,rw", None, None, false, ""),
            (
                "/run:size=50%,uid=1000",
                None,
                None,
                false,
                "size=50%,uid=1000",
            ),
            (
                "/run:rslave,nosuid,tmpcopyup",
                None,
                None,
                false,
                "rslave,nosuid,tmpcopyup",
            ),
        ] {
            let m = parse(text).unwrap();
            let kind = MountKind::Tmpfs(TmpfsOptions { size, mode: bits });
            assert_eq!(
                (&m.kind, m.target.as_path()),
                (&kind, Path::new("/run")),
                "{text}"
            );
            assert_eq!(
                (m.read_only, m.options.join(",").as_str()),
                (read_only, options),
                "{text}"
            );
        }
    }

    #[test]
    fn what_a_tmpfs_does_not_know() {
        for (text, why) in [
            ("", "must be absolute"),
            ("run", "must be absolute"),
            ("/", "can't be '/'"),
            ("/run:bind", "invalid tmpfs option \"bind\""),
            ("/run:size=", "invalid size"),
            ("/run:size=101%", "invalid tmpfs option"),
            ("/run:mode=8", "invalid tmpfs option \"mode=8\""),
            ("/run:mode=17777", "invalid tmpfs option"),
            ("/run:uid=", "invalid tmpfs option"),
            ("/run:context=x", "invalid tmpfs option"),
        ] {
            let e = parse(text).unwrap_err().to_string();
            assert!(e.contains(why), "{text:?}: {e}");
        }
    }
}
