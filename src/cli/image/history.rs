//! `history`: the steps by which an image was made.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::of;
use crate::cli::listing;
use crate::container::Timestamp;
use crate::error::Result;
use crate::format::units::{duration, size};
use crate::format::{Column, Format, render_list};
use crate::image::config::{History, moment};
use crate::image::{Image, Images};
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct HistoryOf {
    /// How to show them: table, json, a template, or table with a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Sizes and times for people; with =false, in bytes and in full
    #[arg(short = 'H', long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    human: bool,
    /// Cut nothing off
    #[arg(long)]
    no_trunc: bool,
    /// Show only ids
    #[arg(short, long)]
    quiet: bool,
    /// Name or id
    #[arg(value_name = "IMAGE")]
    image: String,
}

const SHOWN: [Column; 5] = [
    ("IMAGE", "ID"),
    ("CREATED", "CreatedSince"),
    ("CREATED BY", "CreatedBy"),
    ("SIZE", "Size"),
    ("COMMENT", "Comment"),
];
/// How long a step may be before it is cut.
const STEP: usize = 45;
const MISSING: &str = "<missing>";

/// `history`.
pub fn history(store: &Store, args: &HistoryOf) -> Result<ExitCode> {
    let format = match (&args.format, args.quiet) {
        (None, true) => Format::parse("{{.ID}}")?,
        (format, _) => Format::parse(format.as_deref().unwrap_or_default())?,
    };
    let images = of(store);
    let image = images.find(&args.image)?;
    let rows = rows(&images, &image, args);
    let titles = [("CREATED AT", "CreatedAt")];
    listing::print(&render_list(&format, &SHOWN, &titles, &rows)?)?;
    Ok(ExitCode::SUCCESS)
}

fn rows(images: &Images, image: &Image, args: &HistoryOf) -> Vec<Value> {
    let mut sizes = images.layer_sizes(image).into_iter();
    let mut steps = image.config.history.clone();
    // An image whose maker tells nothing has its layers at least.
    let told = steps.iter().filter(|s| !s.empty_layer).count();
    for _ in told..image.manifest.layers.len() {
        steps.push(History::default());
    }
    let now = Timestamp::now();
    let mut rows: Vec<Value> = steps
        .iter()
        .map(|step| {
            let size = if step.empty_layer {
                0
            } else {
                sizes.next().unwrap_or(0)
            };
            row(step, size, now, args)
        })
        .collect();
    rows.reverse();
    if let Some(first) = rows.first_mut() {
        let id = image.id();
        first["ID"] = if args.no_trunc {
            id.to_string()
        } else {
            id.short().to_owned()
        }
        .into();
    }
    rows
}

fn row(step: &History, bytes: u64, now: Timestamp, args: &HistoryOf) -> Value {
    let created = step.created.as_deref().and_then(moment);
    let at = listing::rfc3339(created);
    let by = step.created_by.replace('\t', " ");
    let since = match created {
        None => "N/A".to_owned(),
        Some(_) if !args.human => at.clone(),
        Some(t) => duration::ago(now.since(t)),
    };
    json!({
        "ID": MISSING,
        "CreatedSince": since,
        "CreatedAt": at,
        "CreatedBy": cut(&by, args.no_trunc),
        "Size": if args.human { size::decimal_short(bytes) } else { bytes.to_string() },
        "Comment": step.comment,
    })
}

fn cut(text: &str, whole: bool) -> String {
    if whole || text.chars().count() <= STEP {
        return text.to_owned();
    }
    text.chars().take(STEP - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_step_is_cut() {
        assert_eq!(cut(&"x".repeat(46), false).chars().count(), 45);
        assert_eq!(cut(&"x".repeat(45), false), "x".repeat(45));
        assert_eq!(cut(&"x".repeat(46), true), "x".repeat(46));
    }
}
