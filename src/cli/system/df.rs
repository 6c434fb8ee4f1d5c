//! `system df`: how much room everything takes.
//!
//! Each kind of thing is a [`Kind`]: what there is, what of it is in use, how
//! large that is, and what could be had back. A new kind is one more in
//! [`kinds`].

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::builder;
use crate::cli::image::images;
use crate::cli::listing::{self, Listed};
use crate::cli::ps::row;
use crate::cli::sizes;
use crate::cli::volume;
use crate::container::Timestamp;
use crate::error::{Error, Result};
use crate::format::units::size;
use crate::format::{Column, Format, render_list};
use crate::store::Store;
use crate::volume::{Volumes, users};

#[derive(Debug, clap::Args)]
pub struct Df {
    /// How to show it: table, json, a template, or table with a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show each thing
    #[arg(short, long)]
    verbose: bool,
}

const SHOWN: [Column; 5] = [
    ("TYPE", "Type"),
    ("TOTAL", "TotalCount"),
    ("ACTIVE", "Active"),
    ("SIZE", "Size"),
    ("RECLAIMABLE", "Reclaimable"),
];

/// One thing that takes room.
struct Thing {
    size: u64,
    active: bool,
    row: Value,
}

/// All things of a kind.
struct Kind {
    name: &'static str,
    /// Above the list of each.
    title: &'static str,
    columns: &'static [Column],
    things: Vec<Thing>,
}

const IMAGES: [Column; 8] = [
    ("REPOSITORY", "Repository"),
    ("TAG", "Tag"),
    ("IMAGE ID", "ID"),
    ("CREATED", "CreatedSince"),
    ("SIZE", "Size"),
    ("SHARED SIZE", "SharedSize"),
    ("UNIQUE SIZE", "UniqueSize"),
    ("CONTAINERS", "Containers"),
];
const CONTAINERS: [Column; 8] = [
    ("CONTAINER ID", "ID"),
    ("IMAGE", "Image"),
    ("COMMAND", "Command"),
    ("LOCAL VOLUMES", "LocalVolumes"),
    ("SIZE", "Size"),
    ("CREATED", "RunningFor"),
    ("STATUS", "Status"),
    ("NAMES", "Names"),
];
const VOLUMES: [Column; 3] = [
    ("VOLUME NAME", "Name"),
    ("LINKS", "Links"),
    ("SIZE", "Size"),
];
const LOGS: [Column; 3] = [("CONTAINER ID", "ID"), ("SIZE", "Size"), ("NAMES", "Names")];

/// `system df`.
pub fn df(store: &Store, args: &Df) -> Result<ExitCode> {
    let format = Format::parse(args.format.as_deref().unwrap_or_default())?;
    let kinds = kinds(store)?;
    let text = if args.verbose {
        if format != Format::Default {
            return Err(Error::user("--format and --verbose do not go together"));
        }
        each(&kinds)?
    } else {
        let rows: Vec<Value> = kinds.iter().map(Kind::summary).collect();
        render_list(&format, &SHOWN, &[], &rows)?
    };
    listing::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn kinds(store: &Store) -> Result<Vec<Kind>> {
    let all = listing::all(store, |_| true)?;
    let image = |(row, active, size)| Thing { size, active, row };
    let images = images::usage(store)?.into_iter().map(image);
    let now = Timestamp::now();
    let thing = |c: &Listed, size: u64| Thing {
        size,
        active: c.state.status.is_up(),
        row: row::row(c, now, false, Some((size, None))),
    };
    let changed = all.iter().map(|c| thing(c, sizes::changed(c)));
    let logged = all.iter().map(|c| thing(c, sizes::logged(c)));
    let remembered = builder::all(store)?.into_iter().map(|one| Thing {
        size: one.size,
        active: one.active,
        row: one.row,
    });
    Ok(vec![
        Kind {
            name: "Images",
            title: "Images space usage:",
            columns: &IMAGES,
            things: images.collect(),
        },
        Kind {
            name: "Containers",
            title: "Containers space usage:",
            columns: &CONTAINERS,
            things: changed.collect(),
        },
        Kind {
            name: "Local Volumes",
            title: "Local Volumes space usage:",
            columns: &VOLUMES,
            things: volumes(store)?,
        },
        Kind {
            name: "Container Logs",
            title: "Container logs space usage:",
            columns: &LOGS,
            things: logged.filter(|log| log.size > 0).collect(),
        },
        Kind {
            name: "Build Cache",
            title: "Build cache usage:",
            columns: &builder::SHOWN,
            things: remembered.collect(),
        },
    ])
}

/// A volume is in use if a container has it, whether that is up or not.
fn volumes(store: &Store) -> Result<Vec<Thing>> {
    let users = users::all(store)?;
    let mut all = Vec::new();
    for v in volume::readable(store)? {
        let links = users.get(&v.name).map_or(0, Vec::len);
        let size = volume::size(&v, &Volumes(store).data(&v.name));
        let mut row = volume::row(store, &v, links);
        row["Size"] = size::decimal(size).into();
        all.push(Thing {
            size,
            active: links > 0,
            row,
        });
    }
    Ok(all)
}

impl Kind {
    fn summary(&self) -> Value {
        let sum = |of: &mut dyn Iterator<Item = &Thing>| of.map(|t| t.size).sum::<u64>();
        let all = sum(&mut self.things.iter());
        let idle = sum(&mut self.things.iter().filter(|t| !t.active));
        let active = self.things.iter().filter(|t| t.active).count();
        json!({
            "Type": self.name,
            "TotalCount": self.things.len().to_string(),
            "Active": active.to_string(),
            "Size": size::decimal(all),
            "Reclaimable": reclaimable(idle, all),
        })
    }
}

/// `12MB (40%)`.
fn reclaimable(idle: u64, all: u64) -> String {
    match (u128::from(idle) * 100).checked_div(all.into()) {
        None => size::decimal(idle),
        Some(percent) => format!("{} ({percent}%)", size::decimal(idle)),
    }
}

fn each(kinds: &[Kind]) -> Result<String> {
    let list = |kind: &Kind| {
        let rows: Vec<Value> = kind.things.iter().map(|t| t.row.clone()).collect();
        let table = render_list(&Format::Default, kind.columns, &[], &rows)?;
        Ok(format!("{}\n\n{table}", kind.title))
    };
    let lists: Result<Vec<String>> = kinds.iter().map(list).collect();
    Ok(lists?.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_use_can_be_had_back() {
        let thing = |size, active| Thing {
            size,
            active,
            row: Value::Null,
        };
        let kind = Kind {
            name: "Containers",
            title: "",
            columns: &CONTAINERS,
            things: vec![thing(1_000, true), thing(3_000, false)],
        };
        assert_eq!(
            kind.summary(),
            json!({"Type": "Containers", "TotalCount": "2", "Active": "1",
                   "Size": "4kB", "Reclaimable": "3kB (75%)"})
        );
        assert_eq!(reclaimable(0, 0), "0B");
    }
}
