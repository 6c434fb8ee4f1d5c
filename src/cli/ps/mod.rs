//! `ps`: which containers there are.
//!
//! A container as a row is in [`row`], how it fares in [`status`], its ports
//! in [`ports`], and which are shown at all in [`select`].

pub mod ports;
pub mod row;
mod select;
pub mod status;

use std::process::ExitCode;

use serde_json::Value;

use self::select::Select;
use super::listing::{self, Listed};
use super::sizes;
use crate::container::Timestamp;
use crate::error::Result;
use crate::format::{Column, Format, render_list};
use crate::say;
use crate::store::Store;

#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Ps {
    /// Show all, not only those that are up
    #[arg(short, long)]
    pub(super) all: bool,
    /// Show only those that fit, as status=exited or label=a=1
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// How to show them: table, json, a template, or table with a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show the so many newest ones, whatever their state; -1 is all
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = -1)]
    last: i64,
    /// Show the newest one, whatever its state
    #[arg(short, long)]
    latest: bool,
    /// Cut nothing off
    #[arg(long)]
    no_trunc: bool,
    /// Show only ids
    #[arg(short, long)]
    quiet: bool,
    /// Show how large they are
    #[arg(short, long)]
    size: bool,
}

const SHOWN: [Column; 7] = [
    ("CONTAINER ID", "ID"),
    ("IMAGE", "Image"),
    ("COMMAND", "Command"),
    ("CREATED", "RunningFor"),
    ("STATUS", "Status"),
    ("PORTS", "Ports"),
    ("NAMES", "Names"),
];
const SIZE: Column = ("SIZE", "Size");

/// `ps`.
pub fn ps(store: &Store, args: &Ps) -> Result<ExitCode> {
    let format = match (&args.format, args.quiet) {
        (None, true) => Format::parse("{{.ID}}")?,
        (Some(_), true) => {
            say::warning(format_args!(
                "--format is ignored, because --quiet is given, too"
            ));
            Format::parse("{{.ID}}")?
        }
        (format, false) => Format::parse(format.as_deref().unwrap_or_default())?,
    };
    let now = Timestamp::now();
    let wants_size = args.size || asks_for_size(&format, args.format.as_deref());
    let rows: Vec<Value> = chosen(store, args)?
        .iter()
        .map(|c| {
            let size = wants_size.then(|| sizes::of(store, c));
            row::row(c, now, args.no_trunc, size)
        })
        .collect();
    let mut shown = SHOWN.to_vec();
    if args.size {
        shown.push(SIZE);
    }
    listing::print(&render_list(&format, &shown, &[SIZE], &rows)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Working out a size takes long: only who asks gets it.
fn asks_for_size(format: &Format, text: Option<&str>) -> bool {
    let template = matches!(format, Format::Template(_) | Format::Table(_));
    template && text.is_some_and(|text| text.contains(".Size"))
}

fn chosen(store: &Store, args: &Ps) -> Result<Vec<Listed>> {
    let select = Select::new(store, &args.filter)?;
    let last = if args.latest { 1 } else { args.last };
    let last = usize::try_from(last).ok().filter(|n| *n > 0);
    let all = args.all || last.is_some() || select.asks_for_ended();
    let mut found = listing::all_with_spoilt(store, |state| {
        (all || state.status.is_up()) && select.may_match(state)
    })?;
    found.retain(|c| select.matches(c));
    found.truncate(last.unwrap_or(usize::MAX));
    Ok(found)
}
