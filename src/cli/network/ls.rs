//! `network ls`.

use std::process::ExitCode;

use regex_lite::Regex;
use serde_json::{Value, json};

use super::built_in::{self, BuiltIn};
use super::rm;
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
    /// Show only those that fit: name=web, id=…, driver=bridge, label=a=1, type=custom, dangling=true
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

const KNOWN: &[&str] = &[
    "dangling", "driver", "id", "label", "label!", "name", "scope", "type",
];
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
    let names = filters.patterns("name")?;
    let dangling = filters.flag("dangling")?;
    let networks = Networks(store);
    // The default one is there for whoever looks, if there is a store to keep
    // it in; without it the others are shown all the same.
    if store.is_there() {
        let _ = networks.needed(DEFAULT_NAME);
    }
    for spoilt in networks.spoilt()? {
        crate::say::warning(spoilt.as_error());
    }
    let mut all = networks.all()?;
    all.retain(|n| filters.labels(&n.labels));
    if let Some(dangling) = dangling {
        let named = rm::named(store)?;
        let is_used = |n: &Network| n.name == DEFAULT_NAME || rm::is_named(&named, n);
        all.retain(|n| is_used(n) != dangling);
    }
    let mut rows: Vec<Value> = all.iter().map(|n| row(n, args.no_trunc)).collect();
    // What is always there is not there for want of somebody who uses it.
    if filters.get("label").is_empty() && dangling != Some(true) {
        rows.extend(built_in::ALL.map(|b| built_in_row(b, args.no_trunc)));
    }
    rows.retain(|row| fits(row, &filters, &names));
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

/// What needs no network: it has a name and an id, and nothing else.
fn built_in_row(network: BuiltIn, whole: bool) -> Value {
    let mut id = network.digits();
    if !whole {
        id.truncate(12);
    }
    json!({
        "ID": id,
        "Name": network.name,
        "Driver": network.driver,
        "Scope": "local",
        "CreatedAt": "",
        "IPv6": "false",
        "Internal": "false",
        "Labels": "",
    })
}

fn fits(row: &Value, filters: &Filters, names: &[Regex]) -> bool {
    let text = |field: &str| row[field].as_str().unwrap_or_default();
    let kind = match text("Name") {
        DEFAULT_NAME | "host" | "none" => "builtin",
        _ => "custom",
    };
    (names.is_empty() || names.iter().any(|n| n.is_match(text("Name"))))
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
        let fit = |f: &str| {
            let filters = Filters::parse(&[f], KNOWN).unwrap();
            fits(&row, &filters, &filters.patterns("name").unwrap())
        };
        for yes in [
            "name=we",
            "name=^web$",
            "name=^(web|db)$",
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
            "name=^we$",
            "id=9",
            "driver=macvlan",
            "type=builtin",
            "scope=swarm",
        ] {
            assert!(!fit(no), "{no}");
        }
    }
}
