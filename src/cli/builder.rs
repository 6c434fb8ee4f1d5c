//! `builder`: what builds remember.

use std::collections::HashMap;
use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::image::of;
use super::{listing, sizes};
use crate::build::{cache, caches};
use crate::container::Timestamp;
use crate::error::{Error, Result};
use crate::format::escaped;
use crate::format::filter::Filters;
use crate::format::units::{duration, size, time};
use crate::format::{Column, Format, render_list};
use crate::image::{Image, Images, Kept};
use crate::say;
use crate::store::Store;

// What stands behind `builder`.
#[derive(Debug, clap::Subcommand)]
#[command(defer = true)]
pub enum Builder {
    /// Make an image as a Dockerfile says
    Build(Box<super::build::Build>),
    /// Show how much room the steps of builds take that are remembered
    Du(Du),
    /// Forget steps of builds
    Prune(Prune),
}

#[derive(Debug, clap::Args)]
pub struct Du {
    /// How to show it: table, json, a template, or table with a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Prune {
    /// Also those whose outcome is part of an image
    #[arg(short, long)]
    all: bool,
    /// Only what was not of use for so long: until=24h
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// Keep so much of what was of use last
    #[arg(long, visible_alias = "reserved-space", value_name = "SIZE", value_parser = size::parse_binary)]
    keep_storage: Option<u64>,
}

/// `builder …`.
pub fn builder(store: &Store, command: &Builder) -> Result<ExitCode> {
    match command {
        Builder::Build(args) => super::build::build(store, args),
        Builder::Du(args) => du(store, args),
        Builder::Prune(args) => prune(store, args),
    }
}

/// The columns of the list.
pub const SHOWN: [Column; 5] = [
    ("CACHE ID", "ID"),
    ("CACHE TYPE", "CacheType"),
    ("SIZE", "Size"),
    ("LAST USED", "LastUsedSince"),
    ("STEP", "Description"),
];

/// Something that builds remember.
pub struct Remembered {
    what: What,
    /// When it was last of use.
    used: Option<SystemTime>,
    /// The bytes that would be free without it, as far as no image has them.
    pub size: u64,
    /// An image has what came of it, or a build is using it.
    pub active: bool,
    /// As a listing shows it.
    pub row: Value,
}

enum What {
    Step(Kept),
    Cache(caches::Cache),
}

/// All of it, what was of use last first.
pub fn all(store: &Store) -> Result<Vec<Remembered>> {
    let images = of(store);
    let list = images.list()?;
    let steps = images.kept().into_iter();
    let mut all: Vec<Remembered> = steps
        .filter_map(|kept| step(&images, kept, &list))
        .chain(caches::list(store).into_iter().map(mount))
        .collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.used));
    Ok(all)
}

fn step(images: &Images, kept: Kept, list: &[Image]) -> Option<Remembered> {
    let entry = cache::read(&kept)?;
    let used = images.kept_used(&kept.name);
    let active = list.iter().any(|image| entry.is_in(&image.config));
    let size = entry.layer.as_ref().map_or(0, |l| l.size + l.length);
    let row = row(&kept.name, "regular", size, used, &entry.step);
    Some(Remembered {
        row,
        used,
        size,
        active,
        what: What::Step(kept),
    })
}

fn mount(cache: caches::Cache) -> Remembered {
    let used = cache.dir.metadata().and_then(|m| m.modified()).ok();
    let used = used.max(lock_time(&cache));
    let size = sizes::usage(&cache.dir);
    let name = cache.dir.file_name().unwrap_or_default().to_string_lossy();
    let row = row(
        &name,
        "exec.cachemount",
        size,
        used,
        &format!("cache {}", cache.id),
    );
    Remembered {
        row,
        used,
        size,
        active: cache.used,
        what: What::Cache(cache),
    }
}

fn lock_time(cache: &caches::Cache) -> Option<SystemTime> {
    cache.dir.join("data").metadata().ok()?.modified().ok()
}

fn row(id: &str, kind: &str, bytes: u64, used: Option<SystemTime>, step: &str) -> Value {
    let since = used.map(|used| SystemTime::now().duration_since(used).unwrap_or_default());
    json!({
        "ID": id.chars().take(12).collect::<String>(),
        "CacheType": kind,
        "Size": size::decimal_short(bytes),
        "LastUsedSince": since.map_or_else(|| "N/A".to_owned(), duration::ago),
        "LastUsedAt": used.map_or_else(String::new, |t| time::rfc3339(Timestamp::from(t))),
        "Description": step.chars().take(80).collect::<String>(),
    })
}

fn du(store: &Store, args: &Du) -> Result<ExitCode> {
    let format = Format::parse(args.format.as_deref().unwrap_or_default())?;
    let all = all(store)?;
    let rows: Vec<Value> = all.iter().map(|one| one.row.clone()).collect();
    let mut text = render_list(&format, &SHOWN, &[], &rows)?;
    if format == Format::Default {
        let sum = |all: &mut dyn Iterator<Item = &Remembered>| {
            size::decimal(all.map(|one| one.size).sum())
        };
        let total = sum(&mut all.iter());
        let free = sum(&mut all.iter().filter(|one| !one.active));
        let _ = write!(text, "\nReclaimable: {free}\nTotal:       {total}\n");
    }
    listing::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn prune(store: &Store, args: &Prune) -> Result<ExitCode> {
    let filters = Filters::parse(&args.filter, &["until", "unused-for"])?;
    let age = match [filters.get("until"), filters.get("unused-for")]
        .concat()
        .as_slice()
    {
        [] => Duration::ZERO,
        [age] => duration::parse(age).map_err(|e| e.context("until"))?,
        _ => return Err(Error::user("more than one until filter is given")),
    };
    let which = if args.all { "all" } else { "all dangling" };
    let question = format!(
        "WARNING! This will remove {which} build cache.\nAre you sure you want to continue?"
    );
    if !args.force && !listing::confirm(&question)? {
        return Err(Error::user("builder prune has been cancelled"));
    }
    let (gone, bytes) = forget(store, args.all, age, args.keep_storage.unwrap_or(0))?;
    let mut text = String::new();
    if !gone.is_empty() {
        text += "Deleted build cache objects:\n";
        for row in &gone {
            let word = |name: &str| row[name].as_str().unwrap_or_default();
            let step = escaped(word("Description"));
            let _ = writeln!(text, "{}  {step}", word("ID"));
        }
        text.push('\n');
    }
    let _ = writeln!(text, "Total reclaimed space: {}", size::decimal(bytes));
    listing::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Forgets what was not of use for so long, but for so many bytes of what was
/// of use last; the rows of that, and the bytes that are free again.
pub fn forget(store: &Store, every: bool, age: Duration, keep: u64) -> Result<(Vec<Value>, u64)> {
    let mut kept_bytes = 0;
    let mut steps = HashMap::new();
    let mut bytes = 0;
    let mut rows = Vec::new();
    for one in all(store)? {
        let since = one.used.and_then(|used| used.elapsed().ok());
        let old = since.is_none_or(|since| since >= age);
        if !old || (one.active && !every) {
            continue;
        }
        kept_bytes += one.size;
        if keep > 0 && kept_bytes <= keep {
            continue;
        }
        match one.what {
            What::Step(kept) => drop(steps.insert(kept.name, one.row)),
            What::Cache(cache) => match caches::remove(&cache) {
                Ok(true) => {
                    bytes += one.size;
                    rows.push(one.row);
                }
                Ok(false) => {}
                Err(e) => say::error(e),
            },
        }
    }
    let (gone, freed) = of(store).forget_kept(&|kept| steps.contains_key(&kept.name))?;
    rows.extend(gone.iter().filter_map(|kept| steps.remove(&kept.name)));
    if every && age.is_zero() && keep == 0 {
        // Sums of files cost a little room, and are found again.
        let _ = std::fs::remove_dir_all(store.build().join("sums"));
    }
    Ok((rows, bytes + freed))
}
