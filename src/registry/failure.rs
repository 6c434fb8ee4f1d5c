//! Answers that are none, in one line for a person.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::http::Response;
use crate::container::Clock;
use crate::error::Error;

/// An explanation is short.
const LARGEST: u64 = 64 << 10;

/// What is asked for, as a person calls it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'a> {
    /// An image by this name.
    Image(&'a str),
    /// A part of an image.
    Blob(&'a str),
    /// A place to put something, or the putting.
    Upload(&'a str),
    /// Being let in.
    Login,
}

#[derive(Deserialize)]
struct Explanation {
    #[serde(default)]
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Whether the same question may have another answer a moment later.
pub(crate) fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// How long a host asks us to wait: in seconds, or until a date.
pub(crate) fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.header("retry-after")?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = http_date(text)?;
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()?;
    Some(Duration::from_secs(until).saturating_sub(now))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` in seconds since 1970.
pub(crate) fn http_date(text: &str) -> Option<u64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, clock, "GMT"] = words[..] else {
        return None;
    };
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = months
        .as_bytes()
        .chunks(3)
        .position(|m| m == month.as_bytes())? as u32;
    let (day, year) = (day.parse().ok()?, year.parse().ok()?);
    let clock: Vec<u32> = clock.split(':').filter_map(|n| n.parse().ok()).collect();
    let [hour, minute, second] = clock[..] else {
        return None;
    };
    let sound = (1970..=9999).contains(&year) && (1..=31).contains(&day);
    if !sound || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let clock = Clock {
        year,
        month: month + 1,
        day,
        hour,
        minute,
        second,
    };
    u64::try_from(clock.moment().seconds).ok()
}

/// No password, a wrong one, or one that was kept back.
pub(crate) fn refused(host: &str, withheld_from: Option<&str>) -> Error {
    let e = Error::user(format!("{host} does not let us in"));
    match withheld_from {
        Some(realm) => e.hint(format!(
            "its password was not shown to {realm}, which belongs to somebody else; if that is right, \
             say so in /etc/rcon/registries.toml: [registry.{host:?}] token-hosts = [{realm:?}]"
        )),
        None => e.hint(format!("are name and password right? rcon login {host}")),
    }
}

/// What an answer other than the hoped-for means.
pub(crate) fn of(
    response: Response,
    host: &str,
    what: What<'_>,
    known: bool,
    withheld: Option<&str>,
) -> Error {
    let status = response.status;
    let said = explanation(response);
    match status {
        401 | 403 if withheld.is_some() => refused(host, withheld),
        401 => refused(host, None),
        403 => denied(host, what, &said, known),
        404 => not_found(host, what, known),
        429 => Error::environment(format!("{host} has had too many requests from here{said}"))
            .hint(format!(
                "wait a while, or rcon login {host}: those it knows may ask more often"
            )),
        500.. => Error::environment(format!("{host} is in trouble: status {status}{said}"))
            .hint("that is the registry's fault; try again later"),
        300..=399 => Error::environment(format!("{host} sends us elsewhere where it should not")),
        _ => Error::environment(format!(
            "{host} answers {} with status {status}{said}",
            asked(what)
        )),
    }
}

fn asked(what: What<'_>) -> String {
    match what {
        What::Image(name) => format!("a request for {name}"),
        What::Blob(digest) => format!("a request for the blob {digest}"),
        What::Upload(name) => format!("an upload to {name}"),
        What::Login => "a login".to_owned(),
    }
}

fn denied(host: &str, what: What<'_>, said: &str, known: bool) -> Error {
    let verb = match what {
        What::Image(name) => format!("reading {name}"),
        What::Blob(_) => "reading".to_owned(),
        What::Upload(name) => format!("writing to {name}"),
        What::Login => "a login".to_owned(),
    };
    let e = Error::user(format!("{host} does not allow {verb}{said}"));
    if known {
        return e.hint("the account there lacks the right to");
    }
    e.hint(format!("rcon login {host}"))
}

fn not_found(host: &str, what: What<'_>, known: bool) -> Error {
    match what {
        What::Image(name) => {
            let e = Error::user(format!("no image {name} at {host}"));
            if known {
                return e.hint("is the tag right?");
            }
            e.hint(format!(
                "are name and tag right? If it is private: rcon login {host}"
            ))
        }
        What::Blob(digest) => Error::environment(format!("{host} has lost the blob {digest}"))
            .hint("the image there is damaged; somebody has to push it again"),
        What::Upload(name) => Error::user(format!("{host} knows no repository {name}"))
            .hint("some registries want it made before the first push"),
        What::Login => Error::user(format!("{host} is no registry")).hint("is the host right?"),
    }
}

/// What the registry itself says about it, short and in brackets or nothing.
fn explanation(response: Response) -> String {
    let Ok(bytes) = response.bytes(LARGEST) else {
        return String::new();
    };
    let Ok(explanation) = serde_json::from_slice::<Explanation>(&bytes) else {
        return String::new();
    };
    let Some(first) = explanation.errors.into_iter().next() else {
        return String::new();
    };
    let text = if first.message.is_empty() {
        first.code
    } else {
        first.message
    };
    let short: String = text.chars().take(200).collect();
    if short.is_empty() {
        short
    } else {
        format!(": {short:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_the_web() {
        for (text, want) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Thu, 29 Feb 2024 12:00:00 GMT", Some(1_709_208_000)),
            ("Wed, 31 Dec 2025 23:59:59 GMT", Some(1_767_225_599)),
            ("tomorrow", None),
            ("Sun, 06 Nov 1994 25:49:37 GMT", None),
            ("Sun, 06 Foo 1994 08:49:37 GMT", None),
        ] {
            assert_eq!(http_date(text), want, "{text}");
        }
    }

    #[test]
    fn what_may_pass() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(may_pass(status));
        }
        for status in [200, 401, 403, 404, 416, 501] {
            assert!(!may_pass(status));
        }
    }
}
