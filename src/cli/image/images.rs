//! `images`: which there are.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::of;
use crate::cli::image::pattern;
use crate::cli::listing;
use crate::container::Timestamp;
use crate::error::{Error, Result};
use crate::format::filter::Filters;
use crate::format::units::{duration, size};
use crate::format::{Column, Format, render_list};
use crate::image::reference::Reference;
use crate::image::{Image, Images, Name};
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct List {
    /// Show all; here none are hidden
    #[arg(short, long)]
    all: bool,
    /// Show the sums by which registries know them
    #[arg(long)]
    digests: bool,
    /// Show only those that fit, as dangling=true, label=a=1, before=IMAGE, since=IMAGE or reference=PATTERN
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
    /// Only those of this name, or NAME:TAG; * stands for anything
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

const KNOWN: &[&str] = &["before", "dangling", "label", "reference", "since"];
const NONE: &str = "<none>";

const SHOWN: [Column; 5] = [
    ("REPOSITORY", "Repository"),
    ("TAG", "Tag"),
    ("IMAGE ID", "ID"),
    ("CREATED", "CreatedSince"),
    ("SIZE", "Size"),
];
const DIGEST: Column = ("DIGEST", "Digest");
const MORE: &[Column] = &[
    DIGEST,
    ("CREATED AT", "CreatedAt"),
    ("SHARED SIZE", "SharedSize"),
    ("UNIQUE SIZE", "UniqueSize"),
    ("VIRTUAL SIZE", "VirtualSize"),
    ("CONTAINERS", "Containers"),
];

/// `images`.
pub fn images(store: &Store, args: &List) -> Result<ExitCode> {
    let format = match (&args.format, args.quiet) {
        (None, true) => Format::parse("{{.ID}}")?,
        (format, _) => Format::parse(format.as_deref().unwrap_or_default())?,
    };
    let images = of(store);
    let select = Select::new(&images, args)?;
    let all = merged(images.list()?);
    let sharing = Sharing::of(&images, &all);
    let users = users(store)?;
    let now = Timestamp::now();
    let mut rows = Vec::new();
    for image in all.iter().filter(|i| select.has(i)) {
        let common = common(image, now, args.no_trunc, &sharing, &users);
        rows.extend(
            select
                .lines(image, args.digests)
                .into_iter()
                .map(|line| with(&common, line)),
        );
    }
    if args.quiet && args.format.is_none() {
        rows.dedup_by(|a, b| a["ID"] == b["ID"]);
    }
    let mut shown = SHOWN.to_vec();
    if args.digests {
        shown.insert(2, DIGEST);
    }
    listing::print(&render_list(&format, &shown, MORE, &rows)?)?;
    Ok(ExitCode::SUCCESS)
}

/// The same image may be here in several documents; it is shown once.
fn merged(all: Vec<Image>) -> Vec<Image> {
    let mut out: Vec<Image> = Vec::new();
    for image in all {
        match out.iter_mut().find(|known| known.is_same(&image)) {
            // The document that has a name is the one to show.
            Some(known) if known.names.is_empty() => *known = image,
            Some(known) => known.names.extend(image.names),
            None => out.push(image),
        }
    }
    out
}

/// What stands in front of the common fields.
struct Line {
    repository: String,
    tag: String,
    digest: String,
}

fn with(common: &Value, line: Line) -> Value {
    let mut row = common.clone();
    row["Repository"] = line.repository.into();
    row["Tag"] = line.tag.into();
    row["Digest"] = line.digest.into();
    row
}

/// Which are shown.
#[derive(Default)]
struct Select {
    filters: Filters,
    dangling: Option<bool>,
    before: Option<Timestamp>,
    since: Option<Timestamp>,
    patterns: Vec<String>,
}

impl Select {
    fn new(images: &Images, args: &List) -> Result<Self> {
        let filters = Filters::parse(&args.filter, KNOWN)?;
        let limit = |key: &str| match filters.get(key) {
            [] => Ok(None),
            [name] => Ok(images.find(name)?.config.created_at()),
            _ => Err(Error::user(format!("more than one {key} filter is given"))),
        };
        let mut patterns = filters.get("reference").to_vec();
        patterns.extend(args.name.clone());
        Ok(Self {
            dangling: filters.flag("dangling")?,
            before: limit("before")?,
            since: limit("since")?,
            patterns,
            filters,
        })
    }

    fn has(&self, image: &Image) -> bool {
        let created = image.config.created_at();
        self.dangling.is_none_or(|d| d == image.names.is_empty())
            && self.before.is_none_or(|limit| created < Some(limit))
            && self.since.is_none_or(|limit| created > Some(limit))
            && self.filters.labels(&image.config.config.labels)
    }

    /// A line for each name; names that differ in their sum alone are lines
    /// only where sums are shown, or where there is nothing else.
    fn lines(&self, image: &Image, digests: bool) -> Vec<Line> {
        let digest = image.target.digest.to_string();
        let fits = |name: &&Name| {
            self.patterns.is_empty() || self.patterns.iter().any(|p| pattern::names(p, name))
        };
        let tagged = !image.tags().is_empty();
        let mut lines: Vec<Line> = Vec::new();
        for name in image.names.iter().filter(fits) {
            let by_digest = name.reference().is_some_and(|r| r.digest().is_some());
            if by_digest && tagged && !digests {
                continue;
            }
            let tag = name.reference().map_or(Some("latest"), Reference::tag);
            lines.push(Line {
                repository: name
                    .reference()
                    .map_or_else(|| name.to_string(), Reference::familiar_name),
                tag: tag.unwrap_or(NONE).to_owned(),
                digest: digest.clone(),
            });
        }
        if image.names.is_empty() && self.patterns.is_empty() {
            lines.push(Line {
                repository: NONE.to_owned(),
                tag: NONE.to_owned(),
                digest,
            });
        }
        lines.sort_by(|a, b| (&a.repository, &a.tag).cmp(&(&b.repository, &b.tag)));
        lines
    }
}

fn common(
    image: &Image,
    now: Timestamp,
    whole: bool,
    sharing: &Sharing,
    users: &BTreeMap<String, usize>,
) -> Value {
    let id = image.id();
    let created = image.config.created_at();
    let own = sharing.own(image);
    json!({
        "ID": if whole { id.to_string() } else { id.short().to_owned() },
        "CreatedSince": created.map_or_else(|| "N/A".to_owned(), |t| duration::ago(now.since(t))),
        "CreatedAt": created.map_or_else(|| "N/A".to_owned(), listing::local),
        "Size": size::decimal_short(image.size()),
        "VirtualSize": size::decimal_short(image.size()),
        "SharedSize": size::decimal_short(image.size().saturating_sub(own)),
        "UniqueSize": size::decimal_short(own),
        "Containers": users.get(&id.to_string()).copied().unwrap_or(0).to_string(),
    })
}

/// How many there are.
pub fn count(store: &Store) -> Result<usize> {
    Ok(merged(of(store).list()?).len())
}

/// Every image for `system df`: its row, whether a container was made from
/// it, and its bytes, of which those of a shared layer count with the first
/// that has it. Those that are in use come first.
pub fn usage(store: &Store) -> Result<Vec<(Value, bool, u64)>> {
    let images = of(store);
    let users = users(store)?;
    let mut all = merged(images.list()?);
    let in_use = |i: &Image| users.contains_key(&i.id().to_string());
    all.sort_by_key(|i| !in_use(i));
    let sharing = Sharing::of(&images, &all);
    let select = Select::default();
    let now = Timestamp::now();
    let mut seen = std::collections::BTreeSet::new();
    let mut found = Vec::new();
    for image in &all {
        let new = image.layers().iter().filter(|l| seen.insert((*l).clone()));
        let bytes = new.filter_map(|l| sharing.sizes.get(l)).sum();
        let common = common(image, now, false, &sharing, &users);
        let line = select.lines(image, false).into_iter().next();
        found.extend(line.map(|line| (with(&common, line), in_use(image), bytes)));
    }
    Ok(found)
}

/// How many images have each layer.
pub struct Sharing {
    count: BTreeMap<String, usize>,
    sizes: BTreeMap<String, u64>,
}

impl Sharing {
    /// Looks at all of them.
    pub fn of(images: &Images, all: &[Image]) -> Self {
        let mut count = BTreeMap::new();
        let mut sizes = BTreeMap::new();
        for name in all.iter().flat_map(Image::layers) {
            *count.entry(name.clone()).or_insert(0) += 1;
            sizes
                .entry(name.clone())
                .or_insert_with(|| images.layer_size(name));
        }
        Self { count, sizes }
    }

    /// The bytes that go with an image: of layers that no other has.
    pub fn own(&self, image: &Image) -> u64 {
        let alone = image
            .layers()
            .iter()
            .filter(|l| self.count.get(*l) == Some(&1));
        alone.filter_map(|l| self.sizes.get(l)).sum()
    }
}

/// How many containers were made from each image.
pub fn users(store: &Store) -> Result<BTreeMap<String, usize>> {
    let mut count = BTreeMap::new();
    for entry in store.all()? {
        if let Some(image) = entry.config().ok().and_then(|c| c.image) {
            *count.entry(image.id).or_insert(0) += 1;
        }
    }
    Ok(count)
}
