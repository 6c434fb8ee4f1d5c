//! `volume ls`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::listing;
use crate::error::Result;
use crate::format::filter::Filters;
use crate::format::{Column, Format, render_list};
use crate::say;
use crate::store::Store;
use crate::volume::{Volume, Volumes, users};

/// List volumes
#[derive(Debug, clap::Args)]
pub struct Ls {
    /// Show only those that fit: name=data, label=a=1, driver=local, dangling=true
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// How to show them: table, json, a template, or table with a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show only names
    #[arg(short, long)]
    quiet: bool,
}

const KNOWN: &[&str] = &["dangling", "driver", "label", "label!", "name"];
const SHOWN: [Column; 2] = [("DRIVER", "Driver"), ("VOLUME NAME", "Name")];

/// Those that can be read; what is wrong with the others is told.
pub fn readable(store: &Store) -> Result<Vec<Volume>> {
    let mut found = Vec::new();
    for volume in Volumes(store).all()? {
        match volume {
            Ok(volume) => found.push(volume),
            Err(e) => say::warning(e),
        }
    }
    Ok(found)
}

/// How many there are.
pub fn count(store: &Store) -> Result<usize> {
    Ok(Volumes(store).all()?.len())
}

/// `volume ls`.
pub fn ls(store: &Store, args: &Ls) -> Result<ExitCode> {
    let filters = Filters::parse(&args.filter, KNOWN)?;
    let text = args.format.as_deref().unwrap_or_default();
    let format = Format::parse(if args.quiet { "{{.Name}}" } else { text })?;
    let names = filters.patterns("name")?;
    let dangling = filters.flag("dangling")?;
    let asks = dangling.is_some() || text.contains("Links");
    let users = if asks {
        users::all(store)?
    } else {
        BTreeMap::default()
    };
    let links = |volume: &Volume| users.get(&volume.name).map_or(0, Vec::len);
    let fits = |volume: &Volume| {
        filters.labels(&volume.labels)
            && (names.is_empty() || names.iter().any(|n| n.is_match(&volume.name)))
            && filters.any("driver", |d| d == "local")
            && dangling.is_none_or(|dangling| dangling == (links(volume) == 0))
    };
    let mut all = readable(store)?;
    all.retain(fits);
    let rows: Vec<Value> = all.iter().map(|v| row(store, v, links(v))).collect();
    listing::print(&render_list(&format, &SHOWN, &[], &rows)?)?;
    Ok(ExitCode::SUCCESS)
}

/// A volume as the listings show it.
pub fn row(store: &Store, volume: &Volume, links: usize) -> Value {
    let labels = volume.labels.iter().map(|(k, v)| format!("{k}={v}"));
    json!({
        "Name": volume.name,
        "Driver": "local",
        "Scope": "local",
        "Mountpoint": Volumes(store).data(&volume.name),
        "Labels": labels.collect::<Vec<_>>().join(","),
        "Links": links.to_string(),
        "Size": "N/A",
        "Status": "N/A",
        "Availability": "N/A",
        "Group": "N/A",
        "CreatedAt": listing::local(volume.created),
    })
}
