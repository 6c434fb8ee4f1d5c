//! Labels, log and health.

use std::collections::BTreeMap;

use super::super::parse::env;
use super::super::reading;
use super::super::request::Surroundings;
use super::super::typed::{Health, Records};
use crate::container::{HealthOverride, ImageHealthcheck, LogConfig};
use crate::error::{Error, Result};
use crate::logs;

/// Those of files first, so that what is typed wins.
pub fn labels(typed: &Records, here: &Surroundings<'_>) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for file in &typed.label_file {
        let path = here.directory.join(file);
        let text = reading::text("--label-file", &path)?;
        let named = |e: Error| e.context(format!("--label-file {}", path.display()));
        all.extend(env::parse_labels(&text).map_err(named)?);
    }
    all.extend(typed.label.iter().cloned());
    Ok(all)
}

/// What becomes of the output. An option that nobody reads would be a limit
/// that does not hold.
pub fn log(typed: &Records) -> Result<LogConfig> {
    let config = LogConfig {
        driver: typed.log_driver.clone(),
        options: typed.log_opt.iter().cloned().collect(),
    };
    logs::Options::new(&config)?;
    Ok(config)
}

/// What was said about health; that it fits together is checked elsewhere.
pub fn health(typed: &Health) -> HealthOverride {
    if typed.no_healthcheck {
        return HealthOverride::Off;
    }
    let command = typed.health_cmd.as_deref().filter(|c| !c.is_empty());
    let shell = |command: &str| vec!["CMD-SHELL".to_owned(), command.to_owned()];
    let parts = ImageHealthcheck {
        test: command.map(shell).unwrap_or_default(),
        interval: typed.health_interval.and_then(|s| s.0),
        timeout: typed.health_timeout.and_then(|s| s.0),
        start_period: typed.health_start_period.and_then(|s| s.0),
        start_interval: typed.health_start_interval.and_then(|s| s.0),
        retries: typed.health_retries.filter(|n| *n > 0),
    };
    if parts == ImageHealthcheck::default() {
        return HealthOverride::Unsaid;
    }
    HealthOverride::Parts(parts)
}
