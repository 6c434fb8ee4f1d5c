//! Where the last lines of a log begin, found from its end.

use std::io;
use std::path::Path;

use super::files::{self, Held, Place};
use super::lines::Backwards;
use super::record::{self, Record};

/// When all lines are found, the beginnings of those that are in several
/// records may lie before them, among lines of the other stream. So many bytes
/// are looked through for them; then a line is shown without its beginning.
const FURTHER: u64 = 1024 * 1024;

/// What is to be shown.
#[derive(Debug)]
pub(super) struct Tail {
    /// Where reading begins.
    pub(super) start: Held,
    /// Where each stream's part begins.
    pub(super) marks: [Place; 2],
}

/// The last `wanted` lines before `end`: those that ended last.
pub(super) fn find(dir: &Path, wanted: u64, end: &Held) -> io::Result<Tail> {
    let mut search = Search::new(wanted, end.place);
    let mut file = end.file.try_clone()?;
    let mut before = None;
    loop {
        let held = before.as_ref().unwrap_or(end);
        search.look_through(held)?;
        if search.start.ino == held.place.ino {
            file = held.file.try_clone()?;
        }
        if search.is_over() {
            break;
        }
        before = files::end_before(dir, held.place.ino)?;
        if before.is_none() {
            break;
        }
    }
    let (place, marks) = (search.start, search.marks);
    let start = Held { place, file };
    Ok(Tail { start, marks })
}

#[derive(Debug)]
struct Search {
    /// How many lines are still to be found.
    left: u64,
    start: Place,
    marks: [Place; 2],
    streams: [State; 2],
    /// How much was looked through since all lines were found.
    further: u64,
}

/// How far the search has come with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No record of it has been met.
    Unmet,
    /// The line that was met last may begin before that.
    Open,
    /// A line was met that is not wanted.
    Over,
}

impl Search {
    fn new(left: u64, end: Place) -> Self {
        Self {
            left,
            start: end,
            marks: [end; 2],
            streams: [State::Unmet; 2],
            further: 0,
        }
    }

    fn is_over(&self) -> bool {
        let is_known = self.streams.iter().all(|s| *s != State::Open);
        self.left == 0 && (is_known || self.further > FURTHER)
    }

    fn look_through(&mut self, end: &Held) -> io::Result<()> {
        let mut lines = Backwards::new(&end.file, end.place.at);
        while !self.is_over() {
            let Some((at, line)) = lines.next()? else {
                break;
            };
            if self.left == 0 {
                self.further += line.as_ref().map_or(FURTHER, |l| l.len() as u64);
            }
            if let Some(record) = line.as_deref().and_then(record::decode) {
                self.meet(&record, Place { at, ..end.place });
            }
        }
        Ok(())
    }

    fn meet(&mut self, record: &Record<'_>, place: Place) {
        let stream = record.stream.index();
        let state = &mut self.streams[stream];
        // What has no end yet is a line as well.
        if record.ends_line() || *state == State::Unmet {
            if self.left == 0 {
                *state = State::Over;
            } else if *state != State::Over {
                self.left -= 1;
                *state = State::Open;
            }
        }
        if *state == State::Open {
            self.marks[stream] = place;
            self.start = place;
        }
    }
}
