//! What happens around a container's life: restart, health, log.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Whether a program that has ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// When it failed, at most so often; 0 is without end.
    OnFailure(u32),
    /// Whatever it said, until somebody stops it.
    Always,
    /// The same; and somebody's stop outlives a restart of the machine.
    UnlessStopped,
}

/// A command whose exit code tells whether a container is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healthcheck {
    /// What is run in the container.
    pub command: Vec<String>,
    /// Between the end of one and the next.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// Failures this long after the start do not count.
    pub start_period: Duration,
    /// Between two of them in that time.
    pub start_interval: Duration,
    /// So many failures in a row, and it is unhealthy.
    pub retries: u32,
}

/// What becomes of what the program says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogConfig {
    /// `json-file`, `none` or `passthrough`.
    pub driver: String,
    /// `max-size`, `max-file`, …
    pub options: BTreeMap<String, String>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            driver: "json-file".to_owned(),
            options: BTreeMap::new(),
        }
    }
}
