//! `--ulimit`: `nofile=1024:2048`, `core=-1`.

use crate::container::Ulimit;
use crate::error::{Error, Result};

/// Names as `ulimit` and `/etc/security/limits.conf` have them.
const NAMES: &[&str] = &[
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Reads one `--ulimit`; with one number, both limits are that.
pub fn parse(text: &str) -> Result<Ulimit> {
    let form = || {
        Error::user(format!("invalid ulimit argument: {text:?}"))
            .hint("NAME=SOFT[:HARD], as in nofile=1024:2048; -1 is no limit")
    };
    let (name, values) = text.split_once('=').ok_or_else(form)?;
    if !NAMES.contains(&name) {
        return Err(Error::user(format!("invalid ulimit type: {name:?}"))
            .hint(format!("one of {}", NAMES.join(", "))));
    }
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let soft = value(soft).ok_or_else(form)?;
    let hard = value(hard).ok_or_else(form)?;
    if hard != -1 && (soft == -1 || soft > hard) {
        return Err(Error::user(format!(
            "ulimit soft limit must be less than or equal to hard limit: {text}"
        )));
    }
    Ok(Ulimit {
        name: name.to_owned(),
        soft,
        hard,
    })
}

fn value(text: &str) -> Option<i64> {
    if text == "unlimited" {
        return Some(-1);
    }
    let number = text.parse().ok()?;
    (number >= -1 && !text.starts_with('+')).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_and_hard() {
        for (text, name, soft, hard) in [
            ("nofile=1024:2048", "nofile", 1024, 2048),
            ("nofile=1024", "nofile", 1024, 1024),
            ("core=-1", "core", -1, -1),
            ("core=0:-1", "core", 0, -1),
            ("stack=unlimited", "stack", -1, -1),
        ] {
            let limit = parse(text).unwrap();
            assert_eq!(
                (limit.name.as_str(), limit.soft, limit.hard),
                (name, soft, hard)
            );
        }
        for name in NAMES {
            assert!(parse(&format!("{name}=1")).is_ok());
        }
    }

    #[test]
    fn what_is_no_limit() {
        for (text, why) in [
            ("", "NAME=SOFT[:HARD]"),
            ("nofile", "NAME=SOFT[:HARD]"),
            ("nofile=", "NAME=SOFT[:HARD]"),
            ("nofile=x", "NAME=SOFT[:HARD]"),
            ("nofile=1:", "NAME=SOFT[:HARD]"),
            ("nofile=1:2:3", "NAME=SOFT[:HARD]"),
            ("nofile=-2", "NAME=SOFT[:HARD]"),
            ("nofile=2:1", "less than or equal to hard"),
            ("nofile=-1:1", "less than or equal to hard"),
            ("files=1", "invalid ulimit type: \"files\""),
            ("as=1", "invalid ulimit type"),
        ] {
            let e = parse(text).unwrap_err().to_string();
            assert!(e.contains(why), "{text:?}: {e}");
        }
    }
}
