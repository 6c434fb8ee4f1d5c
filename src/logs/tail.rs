//! Where the last lines of a log begin, found from its end.

use std::io;
use std::path::Path;

use super::files::{self, Place};
use super::lines::Backwards;
use super::record::{self, Record};

/// When all lines are found, the beginnings of those that are in several
/// records may lie before them, among lines of the other stream. So many bytes
/// are looked through for them; then a line is shown without its beginning.
const FURTHER: u64 = 1024 * 1024;

/// What is to be shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    /// Where reading begins.
    pub(super) start: Place,
    /// Where each stream's part begins.
    pub(super) marks: [Place; 2],
}

/// The last `wanted` lines before `end`: those that ended last.
pub(super) fn find(dir: &Path, wanted: u64, end: Place) -> io::Result<Tail> {
    let mut search = Search::new(wanted, end);
    let mut at = Some(end);
    while let Some(place) = at {
        if search.is_over() || !search.look_through(dir, place)? {
            break;
        }
        at = before(dir, place.ino)?;
    }
    Ok(search.tail)
}

/// The end of the file before the one with this inode.
fn before(dir: &Path, ino: u64) -> io::Result<Option<Place>> {
    loop {
        let files = files::list(dir)?;
        let Some(n) = files.iter().position(|f| f.ino == ino).filter(|n| *n > 0) else {
            return Ok(None);
        };
        let ino = files[n - 1].ino;
        if let Some(file) = files::open(dir, ino)? {
            let at = file.metadata()?.len();
            return Ok(Some(Place { ino, at }));
        }
    }
}

#[derive(Debug)]
struct Search {
    /// How many lines are still to be found.
    left: u64,
    tail: Tail,
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
            tail: Tail {
                start: end,
                marks: [end; 2],
            },
            streams: [State::Unmet; 2],
            further: 0,
        }
    }

    fn is_over(&self) -> bool {
        let is_known = self.streams.iter().all(|s| *s != State::Open);
        self.left == 0 && (is_known || self.further > FURTHER)
    }

    /// False if the file is gone.
    fn look_through(&mut self, dir: &Path, end: Place) -> io::Result<bool> {
        let Some(file) = files::open(dir, end.ino)? else {
            return Ok(false);
        };
        let mut lines = Backwards::new(file, end.at);
        while !self.is_over() {
            let Some((at, line)) = lines.next()? else {
                break;
            };
            if self.left == 0 {
                self.further += line.as_ref().map_or(FURTHER, |l| l.len() as u64);
            }
            if let Some(record) = line.as_deref().and_then(record::decode) {
                self.meet(&record, Place { at, ..end });
            }
        }
        Ok(true)
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
            self.tail.marks[stream] = place;
            self.tail.start = place;
        }
    }
}
