//! `logs`.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use super::{common, listing};
use crate::container::Timestamp;
use crate::error::{Error, Result};
use crate::keeper;
use crate::logs::{Entry, Event, Options, Reader, Stream, Wanted};
use crate::say;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct Logs {
    /// Go on as it says more, until it ends
    #[arg(short, long)]
    follow: bool,
    /// Only so many lines at the end, or all
    #[arg(
        short = 'n',
        long,
        value_name = "LINES",
        default_value = "all",
        allow_hyphen_values = true,
        value_parser = tail
    )]
    tail: Tail,
    /// Only what was said since then: a time, or as 10m for so long ago
    #[arg(long, value_name = "TIME", value_parser = listing::moment)]
    since: Option<Timestamp>,
    /// Only what was said until then: a time, or as 10m for so long ago
    #[arg(long, value_name = "TIME", value_parser = listing::moment)]
    until: Option<Timestamp>,
    /// Show when each line was said
    #[arg(short, long)]
    timestamps: bool,
    /// Show what --log-opt labels=, env= and tag= say of each line
    #[arg(long)]
    details: bool,
    /// Name or id
    container: String,
}

/// `logs`.
pub fn logs(store: &Store, args: &Logs) -> Result<ExitCode> {
    let entry = common::find(store, &args.container)?.entry;
    let options = Options::new(&entry.config()?.log)?;
    let wanted = Wanted {
        tail: args.tail.0,
        since: args.since,
        until: args.until,
        follow: args.follow,
    };
    let mut reader = Reader::open(entry.dir(), &options, wanted)?;
    // The keeper has nothing to tell us; but that it hangs up is the end.
    let keeper = args.follow.then(|| keeper::connect(&entry).ok()).flatten();
    let wake = keeper.as_ref().map(AsFd::as_fd);
    let mut shown = Shown::new(args.timestamps, args.details);
    let done = reader.run(wake, || !entry.is_held(), &mut |event| shown.take(event));
    match done {
        // Nobody reads on, which is no failure of ours.
        Err(_) if shown.is_unwanted => Ok(ExitCode::SUCCESS),
        done => done.map(|()| ExitCode::SUCCESS),
    }
}

/// So many lines at the end; none: all.
#[derive(Debug, Clone, Copy)]
struct Tail(Option<u64>);

fn tail(text: &str) -> Result<Tail> {
    match text.parse::<i64>() {
        // As in Docker, less than nothing is everything.
        Ok(n) => Ok(Tail(u64::try_from(n).ok())),
        Err(_) if text == "all" || text.is_empty() => Ok(Tail(None)),
        Err(_) => Err(Error::user(format!("{text:?} is not a number of lines"))
            .hint("a number as 100, or all")),
    }
}

/// Shows each stream at a descriptor of its own, in the order it was said.
struct Shown {
    timestamps: bool,
    details: bool,
    /// Gathered for one of them.
    out: Vec<u8>,
    stream: Stream,
    /// Nobody reads what we write.
    is_unwanted: bool,
}

impl Shown {
    fn new(timestamps: bool, details: bool) -> Self {
        Self {
            timestamps,
            details,
            out: Vec::new(),
            stream: Stream::Stdout,
            is_unwanted: false,
        }
    }

    fn take(&mut self, event: Event<'_>) -> Result<()> {
        let done = match event {
            Event::Entry(entry) => self.show(&entry),
            Event::Pause => self.flush(),
            Event::Spoilt => {
                say::warning("the log has lines that make no sense; they are left out");
                Ok(())
            }
        };
        done.map_err(|e| {
            self.is_unwanted = e.kind() == io::ErrorKind::BrokenPipe;
            Error::from(e).context("cannot write")
        })
    }

    fn show(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        if entry.stream != self.stream || self.out.len() > 1 << 16 {
            self.flush()?;
        }
        self.stream = entry.stream;
        entry.print(&mut self.out, self.timestamps, self.details)
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.stream {
            Stream::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(&self.out)?;
                stdout.flush()?;
            }
            Stream::Stderr => io::stderr().write_all(&self.out)?,
        }
        self.out.clear();
        Ok(())
    }
}
