//! `--log-driver` and `--log-opt`: what can be asked for, and what cannot.

use crate::container::LogConfig;
use crate::error::{Error, Result};
use crate::format::switch;
use crate::format::template::Template;
use crate::format::units::size;

/// Where a container's output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// Into files that `rcon logs` reads.
    JsonFile,
    /// Nowhere.
    None,
    /// To the streams of the command that starts the container.
    Passthrough,
}

/// How a container's log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
            driver: Driver::JsonFile,
            max_size: Some(10_000_000),
            max_file: 3,
        }
    }
}

impl Options {
    /// Reads what was asked for.
    pub fn new(config: &LogConfig) -> Result<Self> {
        let mut options = Self {
            driver: driver(&config.driver)?,
            ..Self::default()
        };
        for (key, value) in &config.options {
            let named = |e: Error| e.context(format!("--log-opt {key}={value}"));
            options.set(key, value).map_err(named)?;
        }
        if options.max_size.is_none() && config.options.contains_key("max-file") {
            return Err(
                Error::user("--log-opt max-file is of no use without max-size")
                    .hint("files that may grow for ever are never more than one"),
            );
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        if self.driver != Driver::JsonFile {
            return Err(Error::user("this log driver has no options"));
        }
        match key {
            "max-size" => self.max_size = max_size(value)?,
            "max-file" => self.max_file = max_file(value)?,
            "mode" => mode(value)?,
            "compress" => compress(value)?,
            "max-buffer-size" => return Err(unbuffered()),
            // What is said in each record; see `super::attributes`.
            "labels" | "env" => {}
            "tag" => drop(Template::parse(value)?),
            _ => {
                let unknown = format!("unknown log opt '{key}' for json-file log driver");
                return Err(
                    Error::user(unknown).hint("known are max-size, max-file, labels, env and tag")
                );
            }
        }
        Ok(())
    }
}

fn driver(name: &str) -> Result<Driver> {
    match name {
        "json-file" | "" => Ok(Driver::JsonFile),
        "none" => Ok(Driver::None),
        "passthrough" => Ok(Driver::Passthrough),
        _ => Err(Error::user(format!("there is no log driver {name:?}"))
            .hint("there are json-file, none and passthrough")),
    }
}

/// `10m`, in thousands of thousands: Docker counts logs as disks are counted,
/// though it counts memory in powers of two. `-1` is no limit.
fn max_size(text: &str) -> Result<Option<u64>> {
    if text == "-1" {
        return Ok(None);
    }
    let wrong = || Error::user("invalid value").hint("a size as 10m, or -1 for no limit");
    let size = size::parse_decimal(text).ok().filter(|n| *n > 0);
    size.map(Some).ok_or_else(wrong)
}

/// How many files: a limit, because each rotation renames all of them.
fn max_file(text: &str) -> Result<u32> {
    let count = text.parse().ok().filter(|n| (1..=1000).contains(n));
    count.ok_or_else(|| Error::user("invalid value").hint("a number from 1 to 1000"))
}

/// What Docker calls blocking is what the keeper does: the program waits
/// while a line is written. Nothing is dropped for being said too fast.
fn mode(text: &str) -> Result<()> {
    match text {
        "blocking" => Ok(()),
        _ => Err(unbuffered()),
    }
}

fn unbuffered() -> Error {
    Error::user("the only mode is blocking")
        .hint("a program waits for its log as long as one write takes")
}

/// Files are text, whoever reads them.
fn compress(text: &str) -> Result<()> {
    match switch::parse(text) {
        Some(false) => Ok(()),
        Some(true) => Err(Error::user("logs are kept as they are")
            .hint("max-size and max-file say how much of the disk they take")),
        None => Err(Error::user("invalid value").hint("true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(driver: &str, options: &[(&str, &str)]) -> Result<Options> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Options::new(&LogConfig {
            driver: driver.to_owned(),
            options: options.iter().map(owned).collect(),
        })
    }

    #[test]
    fn without_a_word_a_log_is_kept_but_not_for_ever() {
        assert_eq!(read("json-file", &[]).unwrap(), Options::default());
        assert_eq!(read("", &[]).unwrap(), Options::default());
        assert_eq!(Options::default().max_size, Some(10_000_000));
    }

    #[test]
    fn options_are_read_as_docker_reads_them() {
        let all = [
            ("max-size", "1.5kB"),
            ("max-file", "7"),
            ("mode", "blocking"),
            ("compress", "false"),
        ];
        let options = read("json-file", &all).unwrap();
        assert_eq!((options.max_size, options.max_file), (Some(1500), 7));
        let size = |text| read("json-file", &[("max-size", text)]).unwrap().max_size;
        assert_eq!(size("1"), Some(1));
        assert_eq!(size("10m"), Some(10_000_000));
        assert_eq!(size("1g"), Some(1_000_000_000));
        assert_eq!(size("-1"), None);
        assert_eq!(read("none", &[]).unwrap().driver, Driver::None);
        let passthrough = read("passthrough", &[]).unwrap();
        assert_eq!(passthrough.driver, Driver::Passthrough);
    }

    #[test]
    fn what_is_not_there_is_refused_with_what_is() {
        let said = |r: Result<Options>| r.unwrap_err().to_string();
        let e = said(read("local", &[]));
        assert!(e.contains("\"local\"") && e.contains("json-file"), "{e}");
        let e = said(read("json-file", &[("labels-regex", "a")]));
        assert!(
            e.contains("labels-regex=a") && e.contains("max-size"),
            "{e}"
        );
        for (key, value) in [
            ("max-size", "0"),
            ("max-size", "x"),
            ("max-size", "-2"),
            ("max-file", "0"),
            ("max-file", "-1"),
            ("max-file", "1001"),
            ("mode", "non-blocking"),
            ("max-buffer-size", "4m"),
            ("compress", "true"),
            ("compress", "perhaps"),
        ] {
            let e = said(read("json-file", &[(key, value)]));
            assert!(e.contains(&format!("--log-opt {key}={value}")), "{e}");
        }
        assert!(read("none", &[("max-size", "1m")]).is_err());
        assert!(read("json-file", &[("max-size", "-1"), ("max-file", "2")]).is_err());
    }
}
