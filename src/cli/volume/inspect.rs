//! `volume inspect`, in the shape of Docker's.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::inspect::present;
use crate::cli::listing::rfc3339;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::store::Store;
use crate::volume::{Volume, Volumes};

/// Show everything about volumes
#[derive(Debug, clap::Args)]
pub struct Inspect {
    /// Show only this: json, or a template as {{.Mountpoint}}
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names
    #[arg(required = true, value_name = "VOLUME")]
    volumes: Vec<String>,
}

/// `volume inspect`. Those that are there are shown, also when one is not.
pub fn inspect(store: &Store, args: &Inspect) -> Result<ExitCode> {
    let format = Format::parse(args.format.as_deref().unwrap_or_default())?;
    let mut found = Vec::new();
    let mut failures: Vec<Error> = Vec::new();
    for name in &args.volumes {
        match one(store, name) {
            Ok(value) => found.push(value),
            Err(e) => failures.push(e),
        }
    }
    present(&format, args.format.is_some(), found, failures)
}

/// One of them.
pub fn one(store: &Store, name: &str) -> Result<Value> {
    let volumes = Volumes(store);
    Ok(shape(volumes, &volumes.find(name)?))
}

fn shape(volumes: Volumes<'_>, volume: &Volume) -> Value {
    let map = |map: &BTreeMap<String, String>| {
        if map.is_empty() {
            Value::Null
        } else {
            json!(map)
        }
    };
    json!({
        "CreatedAt": rfc3339(Some(volume.created)),
        "Driver": "local",
        "Labels": map(&volume.labels),
        "Mountpoint": volumes.data(&volume.name),
        "Name": volume.name,
        "Options": map(&volume.options),
        "Scope": "local",
        "Anonymous": volume.anonymous,
    })
}
