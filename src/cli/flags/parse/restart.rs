//! `--restart`: `no`, `on-failure[:TIMES]`, `always`, `unless-stopped`.

use crate::container::Restart;
use crate::error::{Error, Result};

/// Reads the policy.
pub fn parse(text: &str) -> Result<Restart> {
    let (word, times) = match text.split_once(':') {
        Some((word, times)) => (word, Some(times)),
        None => (text, None),
    };
    let policy = match (word, times) {
        ("" | "no", _) => Restart::No,
        ("always", _) => Restart::Always,
        ("unless-stopped", _) => Restart::UnlessStopped,
        ("on-failure", times) => return on_failure(times, text),
        _ => {
            return Err(
                Error::user(format!("invalid restart policy: unknown policy {text:?}"))
                    .hint("no, on-failure[:TIMES], always or unless-stopped"),
            );
        }
    };
    match times {
        None => Ok(policy),
        Some(_) => Err(Error::user(format!(
            "invalid restart policy {text:?}: maximum retry count can only be used with 'on-failure'"
        ))),
    }
}

fn on_failure(times: Option<&str>, text: &str) -> Result<Restart> {
    let times = times.unwrap_or("0");
    if times.starts_with('-') {
        return Err(Error::user(format!(
            "invalid restart policy {text:?}: maximum retry count cannot be negative"
        )));
    }
    let digits = times.bytes().all(|b| b.is_ascii_digit());
    let times = digits.then(|| times.parse().ok()).flatten();
    times.map(Restart::OnFailure).ok_or_else(|| {
        Error::user(format!("invalid restart policy {text:?}"))
            .hint("behind on-failure: stands a number, as in on-failure:3")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies() {
        for (text, want) in [
            ("no", Restart::No),
            ("", Restart::No),
            ("always", Restart::Always),
            ("unless-stopped", Restart::UnlessStopped),
            ("on-failure", Restart::OnFailure(0)),
            ("on-failure:3", Restart::OnFailure(3)),
        ] {
            assert_eq!(parse(text).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_policy() {
        for (text, why) in [
            ("never", "unknown policy \"never\""),
            ("Always", "unknown policy"),
            ("always:3", "can only be used with 'on-failure'"),
            ("no:1", "can only be used with 'on-failure'"),
            ("on-failure:", "on-failure:3"),
            ("on-failure:x", "on-failure:3"),
            ("on-failure:+1", "on-failure:3"),
            ("on-failure:-1", "cannot be negative"),
            ("on-failure:1:2", "on-failure:3"),
            ("on-failure:4294967296", "on-failure:3"),
        ] {
            let e = parse(text).unwrap_err().to_string();
            assert!(e.contains(why), "{text:?}: {e}");
        }
    }
}
