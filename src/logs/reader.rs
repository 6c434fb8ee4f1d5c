//! The reading side: what was said, and what is being said.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::files::{self, Held, Place};
use super::record::{self, Record};
use super::tail::{self, Tail};
use super::walk::{Step, Walk};
use super::watch::Watch;
use super::{Driver, Options, Stream, attributes};
use crate::container::Timestamp;
use crate::error::{Context, Error, Result};

/// What is to be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Only so many lines at the end.
    pub tail: Option<u64>,
    /// Nothing that was said before.
    pub since: Option<Timestamp>,
    /// Nothing that was said after.
    pub until: Option<Timestamp>,
    /// Also what is still to come.
    pub follow: bool,
}

/// What was said at one time: a line, or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Where.
    pub stream: Stream,
    /// When.
    pub time: Timestamp,
    /// What. Ends in a newline unless more of the line follows on this stream.
    pub text: &'a str,
    /// Whether a line begins here.
    pub begins: bool,
    /// What the record says of the container.
    pub attributes: &'a Value,
}

impl Entry<'_> {
    /// Prints it. The time and the attributes stand in front of a line, not of
    /// its parts.
    pub fn print(&self, out: &mut impl Write, timestamps: bool, details: bool) -> io::Result<()> {
        if timestamps && self.begins {
            write!(out, "{} ", self.time)?;
        }
        if details && self.begins {
            write!(out, "{} ", attributes::shown(self.attributes))?;
        }
        out.write_all(self.text.as_bytes())
    }
}

/// What the reader comes upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// Something was said.
    Entry(Entry<'a>),
    /// A line of the file makes no sense and is left out; told of the first.
    Spoilt,
    /// There is no more for now: what was gathered should be shown.
    Pause,
}

/// Takes what the reader comes upon; an error ends the reading.
type Each<'a> = dyn FnMut(Event<'_>) -> Result<()> + 'a;

/// Reads the log of one container.
#[derive(Debug)]
pub struct Reader {
    watch: Watch,
    walk: Walk,
    sieve: Sieve,
}

/// How long to wait before asking whether the container has ended, if nothing
/// will tell us, and if something should.
const ASK: Duration = Duration::from_millis(100);
const ASK_ANYWAY: Duration = Duration::from_secs(1);

impl Reader {
    /// Opens the log in `dir`, written as `options` say.
    pub fn open(dir: &Path, options: &Options, wanted: Wanted) -> Result<Self> {
        if options.driver != Driver::JsonFile {
            // Docker's words, which people search for.
            let what = "configured logging driver does not support reading";
            return Err(Error::user(what).hint("the output of this container is not kept"));
        }
        Self::open_files(dir, wanted)
            .context(|| format!("cannot read the log in {}", dir.display()))
    }

    fn open_files(dir: &Path, wanted: Wanted) -> Result<Self> {
        // First of all, so that nothing happens between looking and waiting.
        let watch = if wanted.follow {
            Watch::new(dir)
        } else {
            Watch::none()
        };
        let end = files::end(dir)?;
        let mut sieve = Sieve::new(wanted);
        // Without a file there is no end to stop at, and nothing to read.
        sieve.is_over = end.is_none() && !wanted.follow;
        let start = match (wanted.tail, &end) {
            (Some(lines), Some(end)) => Some(sieve.begin_at(tail::find(dir, lines, end)?)),
            _ => None,
        };
        // A program that says more than we can read would never let us end.
        let end = end.filter(|_| !wanted.follow);
        let walk = Walk::new(dir, start, end)?;
        Ok(Self { watch, walk, sieve })
    }

    /// Reads all there is, and if following was wanted all that comes until
    /// `ended` says that the writer is gone. `wake` gets readable when that
    /// happens; without it `ended` is asked ten times a second.
    pub fn run(
        &mut self,
        mut wake: Option<BorrowedFd<'_>>,
        mut ended: impl FnMut() -> bool,
        each: &mut Each<'_>,
    ) -> Result<()> {
        loop {
            // Before looking: what changes after that is told of again.
            self.watch.forget();
            // First whether more may come, then what has come: so the last
            // words of a container that ends in between are not missed.
            let is_last = self.sieve.is_past(Timestamp::now()) || ended();
            self.read(each)?;
            if is_last || self.sieve.is_over {
                self.read_rest(each)?;
                return each(Event::Pause);
            }
            each(Event::Pause)?;
            let most = if wake.is_some() { ASK_ANYWAY } else { ASK };
            if self.watch.wait(wake, most) {
                // Once is enough: it stays readable, and we would spin.
                wake = None;
            }
        }
    }

    /// Gives all there is now to `each`.
    pub(super) fn read(&mut self, each: &mut Each<'_>) -> Result<()> {
        self.walk.look_again()?;
        while !self.sieve.is_over {
            match self.walk.step()? {
                Step::Dry => return Ok(()),
                Step::TooLong => self.sieve.spoil(each)?,
                Step::Line(place, line) => {
                    self.sieve.notice_rewinding(self.walk.rewound());
                    let line = self.walk.bytes(line);
                    self.sieve.line(place, line, each)?;
                }
            }
        }
        Ok(())
    }

    /// When nobody writes any more the last line may have no newline. Half a
    /// line is what a writer that was killed leaves, and nothing to complain
    /// about.
    fn read_rest(&mut self, each: &mut Each<'_>) -> Result<()> {
        if let Step::Line(place, line) = self.walk.rest()
            && let line = self.walk.bytes(line)
            && record::decode(line).is_some()
            && !self.sieve.is_over
        {
            self.sieve.line(place, line, each)?;
        }
        Ok(())
    }
}

/// What of the records is wanted, and what is a line.
#[derive(Debug)]
struct Sieve {
    wanted: Wanted,
    /// Where each stream's wanted part begins, until reading has come there.
    marks: [Option<Place>; 2],
    /// The file that was read last, and how often it was emptied.
    ino: u64,
    rewound: u64,
    /// The last record of a stream did not end its line.
    open: [bool; 2],
    /// That line is wanted.
    shown: [bool; 2],
    is_spoilt: bool,
    /// Nothing more is wanted.
    is_over: bool,
}

impl Sieve {
    fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            marks: [None; 2],
            ino: 0,
            rewound: 0,
            open: [false; 2],
            shown: [false; 2],
            is_spoilt: false,
            is_over: false,
        }
    }

    /// Only `tail` is wanted: where reading has to begin.
    fn begin_at(&mut self, tail: Tail) -> Held {
        self.marks = tail.marks.map(Some);
        self.ino = tail.start.place.ino;
        tail.start
    }

    /// No program can say anything more that is wanted.
    fn is_past(&self, now: Timestamp) -> bool {
        !self.wanted.follow || self.wanted.until.is_some_and(|until| until < now)
    }

    fn spoil(&mut self, each: &mut Each<'_>) -> Result<()> {
        if std::mem::replace(&mut self.is_spoilt, true) {
            return Ok(());
        }
        each(Event::Spoilt)
    }

    fn line(&mut self, place: Place, line: &[u8], each: &mut Each<'_>) -> Result<()> {
        self.pass_marks(place);
        if line.is_empty() {
            return Ok(());
        }
        let Some(record) = record::decode(line) else {
            return self.spoil(each);
        };
        let begins = self.judge(&record);
        let is_shown = self.shown[record.stream.index()] && !self.is_over;
        if !is_shown || record.text.is_empty() {
            return Ok(());
        }
        each(Event::Entry(Entry {
            stream: record.stream,
            time: record.time,
            text: &record.text,
            begins,
            attributes: &record.attributes,
        }))
    }

    /// Decides about a line where it begins; true if that is here.
    fn judge(&mut self, record: &Record<'_>) -> bool {
        let stream = record.stream.index();
        let begins = !self.open[stream];
        self.open[stream] = !record.ends_line();
        if begins {
            let since = self.wanted.since.is_none_or(|since| since <= record.time);
            self.shown[stream] = since && self.marks[stream].is_none();
            self.is_over = self.wanted.until.is_some_and(|until| until < record.time);
        }
        begins
    }

    /// Notes which streams' wanted parts have begun: also where the file of a
    /// mark has been left behind without coming upon it.
    fn pass_marks(&mut self, place: Place) {
        let left = (self.ino != place.ino).then_some(self.ino);
        self.ino = place.ino;
        for stream in Stream::BOTH {
            let mark = &mut self.marks[stream.index()];
            let is_passed =
                |m: &mut Place| Some(m.ino) == left || (m.ino == place.ino && m.at <= place.at);
            if mark.take_if(is_passed).is_some() {
                // What was read of it is not the beginning of a wanted line.
                self.open[stream.index()] = false;
            }
        }
    }

    /// In a file that was emptied, everything is new.
    fn notice_rewinding(&mut self, rewound: u64) {
        if rewound != self.rewound {
            self.rewound = rewound;
            self.marks = [None; 2];
        }
    }
}
