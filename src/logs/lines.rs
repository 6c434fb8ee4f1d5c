//! The lines of one file, forwards and backwards, with bounded memory: a line
//! that is too long to be a record is passed over without being held.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::record::LONGEST;

/// How much is read at once.
const BLOCK: usize = 64 * 1024;

/// What comes next in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// A line: where in the file it begins, and where it lies in the buffer
    /// until the next one is looked for.
    Line(u64, Range<usize>),
    /// One that is too long.
    TooLong,
    /// There is no more now.
    Dry,
}

/// Reads a file that may grow.
#[derive(Debug)]
pub(super) struct Lines {
    file: File,
    pub(super) ino: u64,
    /// Where in the file the buffer ends.
    at: u64,
    /// Nothing behind this is read.
    limit: Option<u64>,
    buf: Vec<u8>,
    /// Where in the buffer the next line begins.
    from: usize,
    /// No newline lies between there and here.
    searched: usize,
    /// The beginning of the line that is being read was thrown away.
    too_long: bool,
    /// How often the file was found to be shorter than it had been.
    pub(super) rewound: u64,
}

impl Lines {
    pub(super) fn new(file: File, ino: u64, at: u64, limit: Option<u64>) -> Self {
        Self {
            file,
            ino,
            at,
            limit,
            buf: Vec::new(),
            from: 0,
            searched: 0,
            too_long: false,
            rewound: 0,
        }
    }

    /// The next line.
    pub(super) fn next(&mut self) -> io::Result<Next> {
        loop {
            let found = self.buf[self.searched..].iter().position(|b| *b == b'\n');
            if let Some(n) = found {
                return Ok(self.take(self.searched + n));
            }
            self.searched = self.buf.len();
            if self.buf.len() - self.from > LONGEST {
                self.from = self.buf.len();
                self.too_long = true;
            }
            if !self.fill()? {
                return Ok(Next::Dry);
            }
        }
    }

    /// A line that `next` has just given.
    pub(super) fn bytes(&self, line: Range<usize>) -> &[u8] {
        &self.buf[line]
    }

    /// What lies behind the last newline, for who knows that no more will come.
    pub(super) fn rest(&mut self) -> Next {
        if self.from == self.buf.len() && !self.too_long {
            return Next::Dry;
        }
        let end = self.buf.len();
        let next = self.take(end);
        self.from = end;
        self.searched = end;
        next
    }

    fn take(&mut self, end: usize) -> Next {
        let line = self.from..end;
        self.from = end + 1;
        self.searched = self.from;
        if std::mem::take(&mut self.too_long) {
            return Next::TooLong;
        }
        let begins = self.at - (self.buf.len() - line.start) as u64;
        Next::Line(begins, line)
    }

    fn fill(&mut self) -> io::Result<bool> {
        self.buf.drain(..self.from);
        self.searched -= self.from;
        self.from = 0;
        let mut n = self.read()?;
        if n == 0 && self.file.metadata()?.len() < self.at {
            // Somebody has emptied it, as people do with logs.
            self.rewind();
            n = self.read()?;
        }
        Ok(n > 0)
    }

    fn rewind(&mut self) {
        self.buf.clear();
        self.searched = 0;
        self.at = 0;
        self.too_long = false;
        self.rewound += 1;
    }

    fn read(&mut self) -> io::Result<usize> {
        let left = self.limit.map_or(u64::MAX, |l| l.saturating_sub(self.at));
        let old = self.buf.len();
        self.buf.resize(old + left.min(BLOCK as u64) as usize, 0);
        let n = read_at(&self.file, &mut self.buf[old..], self.at);
        self.buf.truncate(old + n.as_ref().map_or(0, |n| *n));
        self.at += n.as_ref().map_or(0, |n| *n as u64);
        n
    }
}

fn read_at(file: &File, buf: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buf, at) {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Reads a file from its end.
#[derive(Debug)]
pub(super) struct Backwards<'a> {
    file: &'a File,
    /// Where in the file the buffer begins.
    at: u64,
    /// Up to the beginning of the line that was given last.
    buf: Vec<u8>,
    /// The end of the line that is being read was thrown away.
    too_long: bool,
}

impl<'a> Backwards<'a> {
    pub(super) fn new(file: &'a File, end: u64) -> Self {
        Self {
            file,
            at: end,
            buf: Vec::new(),
            too_long: false,
        }
    }

    /// The line before; where it begins, and `None` instead of it if it is too
    /// long.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Option<Vec<u8>>)>> {
        if self.buf.is_empty() && !self.fill()? {
            return Ok(None);
        }
        // The newline that ends this line, unless its end is gone already.
        if !self.too_long && self.buf.last() == Some(&b'\n') {
            self.buf.pop();
        }
        loop {
            let newline = self.buf.iter().rposition(|b| *b == b'\n');
            if newline.is_none() && self.at > 0 {
                self.throw_away();
                self.fill()?;
                continue;
            }
            let start = newline.map_or(0, |n| n + 1);
            let line = self.buf.split_off(start);
            let too_long = std::mem::take(&mut self.too_long);
            let line = (!too_long).then_some(line);
            return Ok(Some((self.at + start as u64, line)));
        }
    }

    fn throw_away(&mut self) {
        if self.buf.len() > LONGEST {
            self.buf.clear();
            self.too_long = true;
        }
    }

    /// Puts the block before in front of the buffer.
    fn fill(&mut self) -> io::Result<bool> {
        let length = self.at.min(BLOCK as u64) as usize;
        let mut block = vec![0; length];
        self.at -= length as u64;
        self.file.read_exact_at(&mut block, self.at)?;
        block.append(&mut self.buf);
        self.buf = block;
        Ok(length > 0)
    }
}

#[cfg(test)]
mod tests;
