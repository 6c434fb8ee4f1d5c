//! `--log-driver` and `--log-opt`.

use crate::container::LogConfig;
use crate::error::{Error, Result};

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

/// How files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Which driver.
    pub driver: Driver,
    /// The size at which a new file is begun, in bytes.
    pub max_size: u64,
    /// How many files are kept.
    pub max_file: u32,
}

const KNOWN: &str = "max-size, max-file";

impl Options {
    /// Reads what was asked for.
    pub fn new(config: &LogConfig) -> Result<Self> {
        let driver = match config.driver.as_str() {
            "json-file" | "" => Driver::JsonFile,
            "none" => Driver::None,
            "passthrough" => Driver::Passthrough,
            other => {
                return Err(Error::user(format!("unknown log driver {other:?}"))
                    .hint("json-file, none and passthrough are known"));
            }
        };
        let mut options = Self {
            driver,
            max_size: 10 << 20,
            max_file: 3,
        };
        for (key, value) in &config.options {
            options.set(key, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let named = |e: Error| e.context(format!("--log-opt {key}={value}"));
        if self.driver != Driver::JsonFile {
            return Err(named(Error::user("this log driver has no options")));
        }
        match key {
            "max-size" if value == "-1" => self.max_size = u64::MAX,
            "max-size" => {
                let size = crate::format::units::size::parse_binary(value).map_err(named)?;
                if size < 4096 {
                    // Smaller files would be begun faster than they are read.
                    return Err(named(Error::user("a file holds at least 4k")));
                }
                self.max_size = size;
            }
            "max-file" => {
                let count = value.parse().ok().filter(|n| (1..=1000).contains(n));
                self.max_file =
                    count.ok_or_else(|| named(Error::user("a number from 1 to 1000")))?;
            }
            // Docker's, and the default in both.
            "mode" if value == "blocking" => {}
            _ => {
                return Err(named(
                    Error::user("unknown option").hint(format!("known are {KNOWN}")),
                ));
            }
        }
        Ok(())
    }
}
