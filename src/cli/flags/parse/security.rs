//! `--security-opt`, one at a time; the file a seccomp profile is in is not
//! read here.

use std::path::PathBuf;

use super::csv;
use crate::error::{Error, Result};

/// One `--security-opt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Every system call is let through.
    SeccompUnconfined,
    /// rcon's own list.
    SeccompDefault,
    /// The list in this file.
    SeccompFile(PathBuf),
    /// Whether set-user-id programs gain nothing.
    NoNewPrivileges(bool),
    /// This profile.
    Apparmor(String),
    /// Part of the `SELinux` label; `disable` is none.
    Label(LabelPart),
    /// `/proc` and `/sys` without covers.
    SystemPathsUnconfined,
    /// What is so by itself.
    Nothing,
}

/// Part of an `SELinux` label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelPart {
    /// None at all.
    Disable,
    /// Whose.
    User(String),
    /// As what.
    Role(String),
    /// What it may do.
    Type(String),
    /// How secret.
    Level(String),
}

/// Reads one `--security-opt`; between key and value stands `=` or, of old, `:`.
pub fn parse(text: &str) -> Result<Choice> {
    let split = text.split_once('=').or_else(|| text.split_once(':'));
    let (key, value) = match split {
        Some((key, value)) => (key, Some(value).filter(|v| !v.is_empty())),
        None => (text, None),
    };
    if key == "no-new-privileges" {
        // "=" with nothing behind it is a slip, and not a switch.
        let value = split.map(|(_, value)| value);
        return csv::truth(key, value).map(Choice::NoNewPrivileges);
    }
    match (key, value) {
        ("seccomp", Some("unconfined")) => Ok(Choice::SeccompUnconfined),
        ("seccomp", Some("default" | "builtin")) => Ok(Choice::SeccompDefault),
        ("seccomp", Some(file)) => Ok(Choice::SeccompFile(PathBuf::from(file))),
        ("apparmor", Some(profile)) => word(profile).map(Choice::Apparmor),
        ("label", Some(part)) => label(part).map(Choice::Label),
        ("systempaths", Some("unconfined")) => Ok(Choice::SystemPathsUnconfined),
        ("writable-cgroups", Some("false")) => Ok(Choice::Nothing),
        ("writable-cgroups", _) => Err(Error::user("writable-cgroups is not supported")
            .hint("with a writable view of cgroups a container can lift its own limits")),
        _ => Err(Error::user(format!("{text:?} is not known")).hint(
            "seccomp=unconfined|default|FILE, no-new-privileges, apparmor=PROFILE, label=PART:VALUE, \
             systempaths=unconfined",
        )),
    }
}

fn label(text: &str) -> Result<LabelPart> {
    if text == "disable" {
        return Ok(LabelPart::Disable);
    }
    let form = || {
        Error::user(format!("invalid label {text:?}"))
            .hint("label=disable, or one of user, role, type and level with a colon and a value")
    };
    let (part, value) = text.split_once(':').ok_or_else(form)?;
    let value = word(value).map_err(|_| form())?;
    match part {
        "user" => Ok(LabelPart::User(value)),
        "role" => Ok(LabelPart::Role(value)),
        "type" => Ok(LabelPart::Type(value)),
        "level" => Ok(LabelPart::Level(value)),
        _ => Err(form()),
    }
}

/// It is written to a file of the kernel's, on its own.
fn word(text: &str) -> Result<String> {
    let fine = |c: char| !c.is_whitespace() && !c.is_control();
    if !text.is_empty() && text.chars().all(fine) {
        return Ok(text.to_owned());
    }
    Err(Error::user(format!("invalid name of a profile: {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option() {
        for (text, want) in [
            ("seccomp=unconfined", Choice::SeccompUnconfined),
            ("seccomp:unconfined", Choice::SeccompUnconfined),
            ("seccomp=default", Choice::SeccompDefault),
            ("seccomp=builtin", Choice::SeccompDefault),
            ("seccomp=/p.json", Choice::SeccompFile("/p.json".into())),
            ("no-new-privileges", Choice::NoNewPrivileges(true)),
            ("no-new-privileges:true", Choice::NoNewPrivileges(true)),
            ("no-new-privileges=true", Choice::NoNewPrivileges(true)),
            ("no-new-privileges=false", Choice::NoNewPrivileges(false)),
            ("apparmor=unconfined", Choice::Apparmor("unconfined".into())),
            ("label=disable", Choice::Label(LabelPart::Disable)),
            ("label:disable", Choice::Label(LabelPart::Disable)),
            (
                "label=type:spc_t",
                Choice::Label(LabelPart::Type("spc_t".into())),
            ),
            (
                "label=level:s0:c1,c2",
                Choice::Label(LabelPart::Level("s0:c1,c2".into())),
            ),
            ("systempaths=unconfined", Choice::SystemPathsUnconfined),
            ("writable-cgroups=false", Choice::Nothing),
        ] {
            assert_eq!(parse(text).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_option() {
        for (text, why) in [
            ("", "is not known"),
            ("seccomp", "is not known"),
            ("seccomp=", "is not known"),
            ("no-new-privileges=", "true or false"),
            ("no-new-privileges=maybe", "true or false"),
            ("no-new-privs", "is not known"),
            ("apparmor", "is not known"),
            ("apparmor=a b", "name of a profile"),
            ("label=type", "label=disable, or"),
            ("label=colour:red", "label=disable, or"),
            ("systempaths=confined", "is not known"),
            ("writable-cgroups=true", "lift its own limits"),
            ("writable-cgroups", "lift its own limits"),
        ] {
            let e = parse(text).unwrap_err().to_string();
            assert!(e.contains(why), "{text:?}: {e}");
        }
    }
}
