//! From line to line and from file to file, as far as the log goes.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::files::{self, Held, Place};
use super::lines::{Lines, Next};

/// Reads all files in the order they were written.
#[derive(Debug)]
pub(super) struct Walk {
    dir: PathBuf,
    current: Option<Lines>,
    /// The one after, found when the current one seemed to be at its end. The
    /// writer has left the current one before making this: what is in it when
    /// it is read to its end once more is all there will be.
    next: Option<Lines>,
    /// Nothing behind this is read.
    end: Option<Held>,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Step {
    /// A line, to be fetched with `bytes`.
    Line(Place, Range<usize>),
    /// One that is too long.
    TooLong,
    /// There is no more now.
    Dry,
}

impl Walk {
    /// From `start` on, or from the oldest file; to `end`, or on for ever.
    pub(super) fn new(dir: &Path, start: Option<Held>, end: Option<Held>) -> io::Result<Self> {
        let mut walk = Self {
            dir: dir.to_owned(),
            current: None,
            next: None,
            end,
        };
        walk.current = match start {
            Some(held) => Some(walk.lines(held.file, held.place)),
            None => walk.find_next()?,
        };
        Ok(walk)
    }

    pub(super) fn step(&mut self) -> io::Result<Step> {
        loop {
            let Some(current) = &mut self.current else {
                return Ok(Step::Dry);
            };
            let mut next = current.next()?;
            if next == Next::Dry && self.next.is_some() {
                // Nobody will finish what was begun here.
                next = current.rest();
            }
            match next {
                Next::Line(at, line) => {
                    let ino = current.ino;
                    return Ok(Step::Line(Place { ino, at }, line));
                }
                Next::TooLong => return Ok(Step::TooLong),
                Next::Dry if !self.go_on()? => return Ok(Step::Dry),
                Next::Dry => {}
            }
        }
    }

    /// What the last file has behind its last newline.
    pub(super) fn rest(&mut self) -> Step {
        let Some(current) = &mut self.current else {
            return Step::Dry;
        };
        match current.rest() {
            Next::Line(at, line) => {
                let ino = current.ino;
                Step::Line(Place { ino, at }, line)
            }
            Next::TooLong => Step::TooLong,
            Next::Dry => Step::Dry,
        }
    }

    /// The line that a step has just told of.
    pub(super) fn bytes(&self, line: Range<usize>) -> &[u8] {
        self.current.as_ref().map_or(&[], |c| c.bytes(line))
    }

    /// How often the current file was emptied by somebody.
    pub(super) fn rewound(&self) -> u64 {
        self.current.as_ref().map_or(0, |c| c.rewound)
    }

    /// Looks for a file that has come while there was none.
    pub(super) fn look_again(&mut self) -> io::Result<()> {
        if self.current.is_none() && self.end.is_none() {
            self.current = self.find_next()?;
        }
        Ok(())
    }

    /// Whether it is worth another try.
    fn go_on(&mut self) -> io::Result<bool> {
        if let Some(next) = self.next.take() {
            self.current = Some(next);
            return Ok(true);
        }
        let ino = self.current.as_ref().map(|c| c.ino);
        if self.end.is_none() && files::current(&self.dir)? == ino {
            return Ok(false);
        }
        self.next = self.find_next()?;
        Ok(self.next.is_some())
    }

    /// The file after the current one; the oldest if that one has no name.
    fn find_next(&self) -> io::Result<Option<Lines>> {
        loop {
            let files = files::list(&self.dir)?;
            let current = self.current.as_ref().map(|c| c.ino);
            if let Some(Held { place, file }) = &self.end {
                if current == Some(place.ino) {
                    return Ok(None);
                }
                if !files.iter().any(|f| f.ino == place.ino) {
                    // It was removed while older ones were read, and all that
                    // have a name are newer.
                    let whole = Place { at: 0, ..*place };
                    return Ok(Some(self.lines(file.try_clone()?, whole)));
                }
            }
            let here = files.iter().position(|f| Some(f.ino) == current);
            let Some(next) = files.get(here.map_or(0, |n| n + 1)) else {
                return Ok(None);
            };
            let (ino, at) = (next.ino, 0);
            if let Some(file) = files::open(&self.dir, ino)? {
                return Ok(Some(self.lines(file, Place { ino, at })));
            }
        }
    }

    fn lines(&self, file: File, Place { ino, at }: Place) -> Lines {
        let end = self.end.as_ref().map(|end| end.place);
        let limit = end.filter(|end| end.ino == ino).map(|end| end.at);
        Lines::new(file, ino, at, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Scratch, record};
    use super::*;
    use std::fs;

    fn text(walk: &mut Walk) -> Option<String> {
        match walk.step().unwrap() {
            Step::Line(_, line) => Some(String::from_utf8(walk.bytes(line).to_vec()).unwrap()),
            _ => None,
        }
    }

    #[test]
    fn what_comes_between_a_files_end_and_the_next_file_is_read() {
        let dir = Scratch::new();
        let (now, before) = (files::path(&dir, 0), files::path(&dir, 1));
        fs::write(&now, "a\n").unwrap();
        let mut walk = Walk::new(&dir, None, None).unwrap();
        assert_eq!(text(&mut walk).unwrap(), "a");
        assert_eq!(text(&mut walk), None);
        // We have seen the end, and before we look for another file:
        fs::write(&now, "a\nb\n").unwrap();
        fs::rename(&now, &before).unwrap();
        fs::write(&now, record("c")).unwrap();
        assert!(walk.go_on().unwrap());
        assert_eq!(text(&mut walk).unwrap(), "b");
        assert_eq!(text(&mut walk).unwrap(), record("c").trim_end());
        assert_eq!(text(&mut walk), None);
    }
}
