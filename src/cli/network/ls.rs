//! `network ls`.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::listing;
use crate::error::Result;
use crate::format::filter::Filters;
use crate::format::{Column, Format, render_list};
use crate::network::record::{DEFAULT_NAME, Network};
use crate::network::store::Networks;
use crate::store::Store;

/// List networks
#[derive(Debug, clap::Args)]
pub struct Ls {
    /// Show only those that fit: name=web, id=…, driver=bridge, label=a=1, type=custom
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// How to show them: table, json, a template, or table with a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Cut nothing off
    #[arg(long)]
    no_trunc: bool,
    /// Show only ids
    #[arg(short, long)]
    quiet: bool,
}

const KNOWN: &[&str] = &["driver", "id", "label", "label!", "name", "scope", "type"];
const SHOWN: [Column; 4] = [
    ("NETWORK ID", "ID"),
    ("NAME", "Name"),
    ("DRIVER", "Driver"),
    ("SCOPE", "Scope"),
];

/// `network ls`.
pub fn ls(store: &Store, args: &Ls) -> Result<ExitCode> {
    let filters = Filters::parse(&args.filter, KNOWN)?;
    let text = args.format.as_deref().unwrap_or_default();
    let format = Format::parse(if args.quiet { "{{.ID}}" } else { text })?;
    let networks = Networks(store);
    // The default one is there for whoever looks, if there is a store to keep
    // it in; without it the others are shown all the same.
    if store.is_there() {
        let _ = networks.needed(DEFAULT_NAME);
    }
    for spoilt in networks.spoilt()? {
        crate::say::warning(spoilt.as_error());
    }
    let mut rows: Vec<Value> = networks
        .all()?
        .iter()
        .filter(|n| filters.labels(&n.labels))
        .map(|n| row(n, args.no_trunc))
        .collect();
    if filters.get("label").is_empty() {
        rows.extend(["host", "none"].map(built_in));
    }
    rows.retain(|row| fits(row, &filters));
    rows.sort_by_key(|row| row["Name"].as_str().map(str::to_owned));
    listing::print(&render_list(&format, &SHOWN, &[], &rows)?)?;
    Ok(ExitCode::SUCCESS)
}

fn row(network: &Network, whole: bool) -> Value {
    let labels = network.labels.iter().map(|(k, v)| format!("{k}={v}"));
    json!({
        "ID": if whole { network.id.as_str() } else { network.id.short() },
        "Name": network.name,
        "Driver": network.driver.word(),
        "Scope": "local",
        "CreatedAt": listing::local(network.created),
        "IPv6": network.has_ipv6().to_string(),
        "Internal": network.internal.to_string(),
        "Labels": labels.collect::<Vec<_>>().join(","),
    })
}

/// What needs no network: it has a name, and nothing else.
fn built_in(name: &str) -> Value {
    json!({
        "ID": "-",
        "Name": name,
        "Driver": if name == "none" { "null" } else { name },
        "Scope": "local",
        "CreatedAt": "",
        "IPv6": "false",
        "Internal": "false",
        "Labels": "",
    })
}

fn fits(row: &Value, filters: &Filters) -> bool {
    let text = |field: &str| row[field].as_str().unwrap_or_default();
    let kind = match text("Name") {
        DEFAULT_NAME | "host" | "none" => "builtin",
        _ => "custom",
    };
    filters.any("name", |n| text("Name").contains(n))
        && filters.any("id", |i| text("ID").starts_with(&i[..i.len().min(12)]))
        && filters.any("driver", |d| text("Driver") == d)
        && filters.any("scope", |s| text("Scope") == s)
        && filters.any("type", |t| kind == t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_look_at_what_is_shown() {
        let row =
            json!({"ID": "0123456789ab", "Name": "web", "Driver": "bridge", "Scope": "local"});
        let fit = |f: &str| fits(&row, &Filters::parse(&[f], KNOWN).unwrap());
        for yes in [
            "name=we",
            "id=0123",
            "driver=bridge",
            "type=custom",
            "scope=local",
        ] {
            assert!(fit(yes), "{yes}");
        }
        let long = format!("id=0123456789ab{}", "c".repeat(52));
        assert!(fit(&long));
        for no in [
            "name=x",
            "id=9",
            "driver=macvlan",
            "type=builtin",
            "scope=swarm",
        ] {
            assert!(!fit(no), "{no}");
        }
    }
}
