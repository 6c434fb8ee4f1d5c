//! What the commands that show containers have in common: reading all of
//! them, and printing what they show.

use std::io::{self, Write};

use crate::container::{Config, Id, State, Status, Timestamp};
use crate::error::{Context, Result};
use crate::format::units::time;
use crate::keeper;
use crate::parallel;
use crate::say;
use crate::store::{Entry, Store};
use crate::sys::clock;

/// Fewer are read by one thread: to make another takes time, too.
const MANY: usize = 50;

/// A container as a listing needs it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What people call it.
    pub name: String,
    /// What was asked for.
    pub config: Config,
    /// What became of it.
    pub state: State,
    /// Where it is kept.
    pub entry: Entry,
}

impl Listed {
    /// Its id.
    pub fn id(&self) -> &Id {
        &self.config.id
    }

    /// One container, as it is now.
    pub fn find(store: &Store, wanted: &str) -> Result<Self> {
        let entry = store.find(wanted)?;
        let config = entry.config()?;
        let state = keeper::truth_of(store, &entry, &config)?;
        Ok(Self::complete(entry, config, state))
    }

    fn complete(entry: Entry, config: Config, state: State) -> Self {
        Self {
            // A name can be lost; the container is still worth showing.
            name: entry.name().unwrap_or_default(),
            config,
            state,
            entry,
        }
    }
}

/// All containers of which `wanted` says, by their state, that they are of
/// interest; the newest first. One that cannot be read is told on standard
/// error and does not hide the others.
pub fn all(store: &Store, wanted: impl Fn(&State) -> bool) -> Result<Vec<Listed>> {
    gather(store, wanted, false)
}

/// The same for people, who want to see those, too, of which nobody knows what
/// became of them.
pub fn all_with_spoilt(store: &Store, wanted: impl Fn(&State) -> bool) -> Result<Vec<Listed>> {
    gather(store, wanted, true)
}

/// One whose record of what became of it makes no sense: it can only be
/// removed.
fn spoilt(entry: Entry) -> Option<Listed> {
    let state = State {
        status: Status::Dead,
        error: "the record is spoilt".to_owned(),
        ..State::new()
    };
    let config = entry.config().ok()?;
    Some(Listed::complete(entry, config, state))
}

fn gather(
    store: &Store,
    wanted: impl Fn(&State) -> bool,
    shows_spoilt: bool,
) -> Result<Vec<Listed>> {
    let mut found = Vec::new();
    for (entry, read) in read_all(store, store.all()?) {
        match read {
            Ok((config, state)) if config.build.is_none() && wanted(&state) => {
                found.push(Listed::complete(entry, config, state));
            }
            // A step of a build is nobody's container.
            Ok(_) => {}
            // It was removed while we looked.
            Err(_) if !entry.exists() => {}
            Err(e) => {
                say::warning(format_args!("container {}: {e}", entry.id().short()));
                found.extend(spoilt(entry).filter(|c| shows_spoilt && wanted(&c.state)));
            }
        }
    }
    found.sort_by(|a, b| {
        let newest = b.config.created.cmp(&a.config.created);
        newest.then_with(|| a.id().cmp(b.id()))
    });
    Ok(found)
}

type Records = Result<(Config, State)>;

/// Reads the records of all. Of many, several at a time: most of it is the
/// kernel's work on one small file after the other.
fn read_all(store: &Store, entries: Vec<Entry>) -> impl Iterator<Item = (Entry, Records)> {
    let threads = if entries.len() < MANY {
        1
    } else {
        parallel::processors()
    };
    let records = parallel::map(&entries, threads, |entry| read(store, entry));
    entries.into_iter().zip(records)
}

fn read(store: &Store, entry: &Entry) -> Records {
    let config = entry.config()?;
    let state = keeper::truth_of(store, entry, &config)?;
    Ok((config, state))
}

/// Prints what a command has to show. That nobody reads on is no failure.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context(|| "cannot write to standard output"),
    }
}

/// Asks a question that is answered with yes or no; no answer is a no.
pub fn confirm(question: &str) -> Result<bool> {
    print(&format!("{question} [y/N] "))?;
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .context(|| "cannot read the answer")?;
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

/// As Go writes it in JSON; what never was is the year 1.
pub fn rfc3339(t: Option<Timestamp>) -> String {
    t.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), time::rfc3339)
}

/// As in Docker's `CreatedAt`: in this machine's time zone, with its name.
pub fn local(t: Timestamp) -> String {
    let (offset, zone) = clock::zone_at(t.seconds);
    time::spaced(t, offset, &zone)
}

/// What `--since` and the like are given: a time, or as `10m` for so long ago.
pub fn moment(text: &str) -> Result<Timestamp> {
    time::parse_moment(text, Timestamp::now(), own_zone())
}

/// The zone of `--since` and the like when none is typed.
pub fn own_zone() -> i32 {
    clock::zone_at(Timestamp::now().seconds).0
}
