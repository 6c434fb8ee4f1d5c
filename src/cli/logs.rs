//! `logs`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use super::{absent, common};
use crate::container::Timestamp;
use crate::error::{Context, Error, Result};
use crate::format::units::time::parse_moment;
use crate::logs::{Driver, Options, Reader, Stream, Wanted};
use crate::say;
use crate::store::{Entry, Store};

/// Between two looks at a log that is followed.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug, clap::Args)]
pub struct Logs {
    /// Go on as it says more, until it ends
    #[arg(short, long)]
    follow: bool,
    /// Only so many lines at the end, or all
    #[arg(short = 'n', long, value_name = "LINES", default_value = "all")]
    tail: String,
    /// Only what was said since then: a time, or as 10m for so long ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what was said until then: a time, or as 10m for so long ago
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Show when each line was said
    #[arg(short, long)]
    timestamps: bool,
    /// Not supported: what --log-opt labels= and env= add is not kept
    #[arg(long, hide = true)]
    details: bool,
    /// Name or id
    container: String,
}

/// `logs`.
pub fn logs(store: &Store, args: &Logs) -> Result<ExitCode> {
    if args.details {
        return Err(absent::log_details());
    }
    let found = common::find(store, &args.container)?;
    let options = Options::new(&found.entry.config()?.log)?;
    if options.driver != Driver::JsonFile {
        return Err(Error::user(
            "configured logging driver does not support reading",
        ));
    }
    let wanted = Wanted {
        tail: tail(&args.tail)?,
        since: moment("--since", args.since.as_deref())?,
        until: moment("--until", args.until.as_deref())?,
    };
    let what = || "cannot read the log";
    let mut reader = Reader::open(found.entry.dir(), wanted).context(what)?;
    let mut shown = Shown::new(args.timestamps);
    loop {
        // First whether more may come, then what has come: so the last words
        // of a container that ends in between are not missed.
        let goes_on = args.follow && is_up(store, &found.entry) && !is_over(wanted.until);
        while let Some(entry) = reader.next_entry().context(what)? {
            if shown.show(&entry).is_err() {
                // Nobody reads on.
                return Ok(ExitCode::SUCCESS);
            }
        }
        if shown.flush().is_err() || !goes_on {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    if reader.spoilt() > 0 {
        say::err(format_args!(
            "rcon: warning: {} lines of the log are spoilt and were left out",
            reader.spoilt()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn is_up(store: &Store, entry: &Entry) -> bool {
    let _ = store;
    // A keeper that has died leaves nothing more to read.
    entry.is_held()
}

fn is_over(until: Option<Timestamp>) -> bool {
    until.is_some_and(|t| t < Timestamp::now())
}

fn tail(text: &str) -> Result<Option<usize>> {
    match text.parse::<i64>() {
        Ok(n) => Ok(usize::try_from(n).ok()),
        Err(_) if text == "all" || text.is_empty() => Ok(None),
        Err(_) => Err(Error::user(format!("--tail {text}: not a number of lines"))),
    }
}

fn moment(flag: &str, text: Option<&str>) -> Result<Option<Timestamp>> {
    let Some(text) = text else { return Ok(None) };
    let moment = parse_moment(text, Timestamp::now(), 0).map_err(|e| e.context(flag))?;
    Ok(Some(moment))
}

/// Shows each stream at a descriptor of its own, in the order it was said.
struct Shown {
    timestamps: bool,
    /// Gathered for standard output.
    out: Vec<u8>,
    /// The last part of a line had no end yet, of each stream.
    open: [bool; 2],
}

impl Shown {
    fn new(timestamps: bool) -> Self {
        Self {
            timestamps,
            out: Vec::new(),
            open: [false, false],
        }
    }

    fn show(&mut self, entry: &crate::logs::Entry) -> io::Result<()> {
        let open = &mut self.open[usize::from(entry.stream == Stream::Stderr)];
        let mut text = Vec::new();
        if self.timestamps && !*open {
            text.extend_from_slice(entry.time.to_string().as_bytes());
            text.push(b' ');
        }
        *open = !entry.text.ends_with('\n');
        text.extend_from_slice(entry.text.as_bytes());
        if entry.stream == Stream::Stderr {
            self.flush()?;
            return io::stderr().write_all(&text);
        }
        self.out.extend_from_slice(&text);
        if self.out.len() > 1 << 16 {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(&self.out)?;
        self.out.clear();
        stdout.flush()
    }
}
