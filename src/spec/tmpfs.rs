//! `--tmpfs`: memory as a file system.
//!
//! Docker's defaults: no set-user-id programs, no devices, and nothing in it
//! can be executed; each can be asked for by its opposite.

use std::path::PathBuf;

use oci_spec::runtime::Mount as OciMount;

use crate::container::{Mount, TmpfsOptions};
use crate::error::{Error, Result};

/// Words in pairs that take each other back.
const PAIRS: &[(&str, &str)] = &[
    ("ro", "rw"),
    ("noexec", "exec"),
    ("nosuid", "suid"),
    ("nodev", "dev"),
    ("noatime", "atime"),
    ("nodiratime", "diratime"),
    ("relatime", "norelatime"),
    ("strictatime", "nostrictatime"),
    ("sync", "async"),
];

/// Options with a value that tmpfs itself reads.
const VALUES: &[&str] = &[
    "size",
    "mode",
    "uid",
    "gid",
    "nr_inodes",
    "nr_blocks",
    "mpol",
];

/// And words without a partner.
const WORDS: &[&str] = &[
    "private",
    "rprivate",
    "shared",
    "rshared",
    "slave",
    "rslave",
    "tmpcopyup",
];

/// The mount that was asked for.
pub(super) fn mount(target: PathBuf, own: &TmpfsOptions, asked: &Mount) -> Result<OciMount> {
    let mut words: Vec<String> = ["noexec", "nosuid", "nodev", "rprivate"]
        .map(str::to_owned)
        .to_vec();
    for word in asked.options.iter().filter(|w| !w.is_empty()) {
        let unknown = |()| Error::user(format!("invalid tmpfs option {word:?}"));
        let e = add(&mut words, word).map_err(unknown);
        e.map_err(|e| e.context(format!("mount {}", target.display())))?;
    }
    let (size, mode) = (own.size, own.mode);
    let typed = [
        asked.read_only.then(|| "ro".to_owned()),
        size.map(|bytes| format!("size={bytes}")),
        mode.map(|mode| format!("mode={mode:o}")),
    ];
    for word in typed.into_iter().flatten() {
        // Every one of these is in the tables.
        let _ = add(&mut words, &word);
    }
    let mut mount = OciMount::default();
    mount
        .set_destination(target)
        .set_typ(Some("tmpfs".to_owned()))
        .set_source(Some(PathBuf::from("tmpfs")))
        .set_options(Some(words));
    Ok(mount)
}

/// Adds a word in the place of what it takes back.
fn add(words: &mut Vec<String>, word: &str) -> std::result::Result<(), ()> {
    if let Some((name, value)) = word.split_once('=') {
        if !VALUES.contains(&name) || value.is_empty() || value.contains([',', '\0']) {
            return Err(());
        }
        words.retain(|w| w.split_once('=').is_none_or(|(n, _)| n != name));
    } else if let Some((a, b)) = PAIRS.iter().find(|(a, b)| word == *a || word == *b) {
        words.retain(|w| w != a && w != b);
    } else if WORDS.contains(&word) {
        let propagation = word != "tmpcopyup";
        words.retain(|w| !propagation || w == "tmpcopyup" || !WORDS.contains(&w.as_str()));
    } else {
        return Err(());
    }
    words.push(word.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::MountKind;

    fn words(read_only: bool, options: &[&str], own: &TmpfsOptions) -> Result<Vec<String>> {
        let asked = Mount {
            kind: MountKind::Tmpfs(own.clone()),
            target: "/x".into(),
            read_only,
            options: options.iter().map(|o| (*o).to_owned()).collect(),
        };
        let mount = mount("/x".into(), own, &asked)?;
        Ok(mount.options().clone().unwrap())
    }

    #[test]
    fn a_later_word_takes_back_an_earlier() {
        let none = TmpfsOptions::default();
        let own = TmpfsOptions {
            size: Some(1 << 20),
            mode: Some(0o1777),
        };
        for (read_only, options, own, want) in [
            (false, &[][..], &none, "noexec nosuid nodev rprivate"),
            (
                false,
                &["rw", "exec"],
                &none,
                "nosuid nodev rprivate rw exec",
            ),
            (
                true,
                &["size=5", "shared", "rw"],
                &own,
                "noexec nosuid nodev shared ro size=1048576 mode=1777",
            ),
            (
                false,
                &["tmpcopyup"],
                &none,
                "noexec nosuid nodev rprivate tmpcopyup",
            ),
            (
                false,
                &["size=1k", "size=10%"],
                &none,
                "noexec nosuid nodev rprivate size=10%",
            ),
        ] {
            let got = words(read_only, options, own).unwrap().join(" ");
            assert_eq!(got, want, "{options:?}");
        }
    }

    #[test]
    fn an_unknown_word_is_refused() {
        let none = TmpfsOptions::default();
        for word in [
            "bind",
            "remount",
            "size",
            "size=",
            "context=x",
            "uid=1,gid=2",
            "x",
        ] {
            let e = words(false, &[word], &none).unwrap_err().to_string();
            assert!(e.contains(&format!("{word:?}")) && e.contains("/x"), "{e}");
        }
    }
}
