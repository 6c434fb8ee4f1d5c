//! What is told of containers that exist: state, list, ps.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use serde_json::json;

use super::args::{List, Ps};
use super::log::timestamp;
use super::record::{Record, Status};
use super::root::Root;
use crate::cgroup::ops::Cgroup;
use crate::error::{Error, Result};
use crate::ps::{Listing, Spacing};

/// `state`.
pub fn state(root: &Root, id: &str) -> Result<String> {
    let record = root.read(id)?;
    let state = record.state(record.status(root));
    let mut value = serde_json::to_value(&state).map_err(|e| Error::internal(e.to_string()))?;
    value["rootfs"] = json!(record.rootfs);
    value["created"] = json!(timestamp(record.created as i64));
    value["owner"] = json!(root.owner(id));
    if value.get("pid").is_none() {
        value["pid"] = json!(0);
    }
    Ok(format!("{value:#}"))
}

/// `list`.
pub fn list(root: &Root, args: &List) -> Result<String> {
    let mut records = Vec::new();
    for id in root.ids()? {
        // One that is deleted meanwhile, or spoilt, must not hide the others.
        if root.has(&id)?
            && let Ok(record) = root.read(&id)
        {
            let status = record.status(root);
            let owner = root.owner(&id);
            records.push((record, status, owner));
        }
    }
    if args.quiet {
        return Ok(records
            .iter()
            .map(|(r, ..)| r.id.as_str())
            .collect::<Vec<_>>()
            .join("\n"));
    }
    match args.format.as_str() {
        "table" => Ok(table(&records)),
        "json" => {
            let all: Vec<_> = records
                .iter()
                .map(|(r, s, o)| Listed::new(r, *s, o))
                .collect();
            serde_json::to_string(&all).map_err(|e| Error::internal(e.to_string()))
        }
        other => Err(Error::user(format!("invalid format option {other:?}")).hint("table or json")),
    }
}

/// An entry of the list. The order of its fields is runc's, since there are
/// scripts that take it apart with grep.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    oci_version: &'a str,
    id: &'a str,
    pid: i32,
    status: &'static str,
    bundle: &'a Path,
    rootfs: &'a Path,
    created: String,
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    annotations: &'a HashMap<String, String>,
    owner: &'a str,
}

impl<'a> Listed<'a> {
    fn new(record: &'a Record, status: Status, owner: &'a str) -> Self {
        Self {
            oci_version: &record.oci_version,
            id: &record.id,
            pid: if status == Status::Stopped {
                0
            } else {
                record.pid
            },
            status: status.word(),
            bundle: &record.bundle,
            rootfs: &record.rootfs,
            created: timestamp(record.created as i64),
            annotations: &record.annotations,
            owner,
        }
    }
}

fn table(records: &[(Record, Status, String)]) -> String {
    let rows = records.iter().map(|(r, s, owner)| {
        let pid = if *s == Status::Stopped { 0 } else { r.pid };
        [
            r.id.clone(),
            pid.to_string(),
            s.word().to_owned(),
            r.bundle.display().to_string(),
            timestamp(r.created as i64),
            owner.clone(),
        ]
    });
    let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|r| r[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:<width$}   ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

/// Close together, as `ps` has it.
const SPACING: Spacing = Spacing { width: 0, gap: 2 };

/// `ps`, without running that program of the host's.
pub fn ps(root: &Root, args: &Ps) -> Result<String> {
    let record = root.read(&args.id)?;
    let pids = Cgroup::open(&record.cgroups)?.pids()?;
    match args.format.as_str() {
        "json" => Ok(json!(pids).to_string()),
        "table" => {
            let listing = Listing::new(&args.options)?;
            Ok(listing.of(&pids, SPACING).trim_end().to_owned())
        }
        other => Err(Error::user(format!("invalid format option {other:?}")).hint("table or json")),
    }
}
