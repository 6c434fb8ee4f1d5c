//! `--log-driver` and `--log-opt`: what can be asked for, and what cannot.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Where a container's output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// Into files that `rcon logs` reads.
    #[default]
    JsonFile,
    /// Nowhere.
    None,
    /// To the streams of the command that starts the container.
    Passthrough,
}

impl Driver {
    fn parse(name: &str) -> Result<Self> {
        match name {
            "json-file" => Ok(Self::JsonFile),
            "none" => Ok(Self::None),
            "passthrough" => Ok(Self::Passthrough),
            _ => Err(Error::user(format!("rcon has no log driver {name:?}"))
                .hint("it has json-file, none and passthrough")),
        }
    }
}

/// What a container's record says about its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Where the output goes.
    pub driver: Driver,
    /// The size that a file does not outgrow, in bytes; without one there is
    /// one file for ever.
    pub max_size: Option<u64>,
    /// How many files are kept, the current one among them.
    pub max_file: u32,
}

impl Default for Options {
    /// Docker keeps everything by default, which has filled many a disk.
    fn default() -> Self {
        Self {
            driver: Driver::default(),
            max_size: Some(10_000_000),
            max_file: 3,
        }
    }
}

const KNOWN: &str = "known are max-size, max-file and mode";

impl Options {
    /// Reads what was asked for. Of a key given twice the last value counts.
    pub fn parse<'a>(
        driver: Option<&str>,
        options: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self> {
        let mut parsed = Self {
            driver: driver.map_or(Ok(Driver::default()), Driver::parse)?,
            ..Self::default()
        };
        let mut asked_for_files = false;
        for (key, value) in options {
            parsed
                .set(key, value)
                .map_err(|e| e.context(format_args!("--log-opt {key}={value}")))?;
            asked_for_files |= key == "max-file";
        }
        if asked_for_files && parsed.max_file > 1 && parsed.max_size.is_none() {
            return Err(
                Error::user("--log-opt max-file is of no use without max-size")
                    .hint("files that may grow for ever are never more than one"),
            );
        }
        Ok(parsed)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        if self.driver != Driver::JsonFile {
            return Err(Error::user("only the log driver json-file has options"));
        }
        match key {
            "max-size" => self.max_size = size(value)?,
            "max-file" => self.max_file = count(value)?,
            "mode" => mode(value)?,
            _ => return Err(Error::user("there is no such option").hint(KNOWN)),
        }
        Ok(())
    }
}

/// How many files: a limit, because each rotation renames all of them.
fn count(text: &str) -> Result<u32> {
    let count = text.parse().ok().filter(|n| (1..=1000).contains(n));
    count.ok_or_else(|| Error::user("this must be a number from 1 to 1000"))
}

/// What Docker calls blocking is what the keeper does: the container waits
/// while a line is written. Nothing is dropped for being said too fast.
fn mode(text: &str) -> Result<()> {
    match text {
        "blocking" => Ok(()),
        _ => Err(Error::user("the only mode is blocking")
            .hint("a container waits for its log for as long as one write takes")),
    }
}

/// `10m`, in thousands of thousands as Docker counts it; `-1` is no limit.
fn size(text: &str) -> Result<Option<u64>> {
    if text == "-1" {
        return Ok(None);
    }
    let wrong = || Error::user("this must be a size, such as 10m, or -1 for no limit");
    bytes(text).filter(|n| *n > 0).map(Some).ok_or_else(wrong)
}

fn bytes(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    let unit = |c| "kmgtp".find(c).map(|n| 1000u64.pow(n as u32 + 1));
    let (number, unit) = match text.chars().next_back().and_then(unit) {
        Some(unit) => (&text[..text.len() - 1], unit),
        None => (text, 1),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |s: &str| (1..19).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return None;
    }
    let part = part.parse::<u128>().ok()? * u128::from(unit) / 10u128.pow(part.len() as u32);
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    whole.checked_add(u64::try_from(part).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(driver: &str, options: &[(&str, &str)]) -> Result<Options> {
        Options::parse(Some(driver), options.iter().copied())
    }

    #[test]
    fn without_a_word_a_log_is_kept_but_not_for_ever() {
        let options = Options::parse(None, []).unwrap();
        assert_eq!(options.driver, Driver::JsonFile);
        assert_eq!((options.max_size, options.max_file), (Some(10_000_000), 3));
    }

    #[test]
    fn options_are_read() {
        let all = [("max-size", "64k"), ("max-file", "7"), ("mode", "blocking")];
        let options = parse("json-file", &all).unwrap();
        assert_eq!((options.max_size, options.max_file), (Some(64_000), 7));
        assert_eq!(parse("none", &[]).unwrap().driver, Driver::None);
        let passthrough = parse("passthrough", &[]).unwrap();
        assert_eq!(passthrough.driver, Driver::Passthrough);
    }

    #[test]
    fn sizes_are_dockers() {
        let read = |s| bytes(s);
        assert_eq!(read("10m"), Some(10_000_000));
        assert_eq!(read("1.5MB"), Some(1_500_000));
        assert_eq!(read("5000000000"), Some(5_000_000_000));
        assert_eq!(read("1g"), Some(1_000_000_000));
        assert_eq!(size("-1").unwrap(), None);
        for wrong in [
            "", "m", "-2", "0", "0.1", "1e3", "10x", "1.2.3m", "99999p", "+5",
        ] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_there_is_refused_with_what_is() {
        let said = |r: Result<Options>| r.unwrap_err().to_string();
        let e = said(parse("local", &[]));
        assert!(e.contains("\"local\"") && e.contains("json-file"), "{e}");
        let e = said(parse("json-file", &[("labels", "a")]));
        assert!(e.contains("labels=a") && e.contains("max-size"), "{e}");
        assert!(parse("json-file", &[("mode", "non-blocking")]).is_err());
        assert!(parse("none", &[("max-size", "1m")]).is_err());
        for wrong in ["0", "-1", "x", "1001"] {
            assert!(parse("json-file", &[("max-file", wrong)]).is_err());
        }
        assert!(parse("json-file", &[("max-size", "-1"), ("max-file", "2")]).is_err());
        assert!(parse("json-file", &[("max-size", "-1")]).is_ok());
    }

    #[test]
    fn a_record_keeps_them() {
        let options = parse("json-file", &[("max-size", "-1")]).unwrap();
        let text = serde_json::to_string(&options).unwrap();
        assert_eq!(
            text,
            r#"{"driver":"json-file","max_size":null,"max_file":3}"#
        );
        assert_eq!(serde_json::from_str::<Options>(&text).unwrap(), options);
        let empty: Options = serde_json::from_str("{}").unwrap();
        assert_eq!(empty, Options::default());
    }
}
