//! The text of a Dockerfile, and parts of it that know where they stand.
//!
//! An instruction may go over many lines, with comments in between. It is
//! read as one [`Line`], and whatever is cut out of that line as a [`Part`]
//! can still say which bytes of the file it is made of.

use std::cell::Cell;
use std::ops::Range;

use super::span::{Span, Word};

/// What some editors put in front of a text.
pub(super) const BOM: &str = "\u{feff}";

/// A whole file, with its lines counted.
pub(super) struct Source<'a> {
    pub(super) text: &'a str,
    /// Where each line starts.
    starts: Vec<usize>,
    /// A byte, and how many characters of its line come before it. Places are
    /// mostly asked for in order, and a line may be long.
    counted: Cell<(usize, usize)>,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let first = if text.starts_with(BOM) { BOM.len() } else { 0 };
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(first).chain(after).collect();
        Self {
            text,
            starts,
            counted: Cell::default(),
        }
    }

    /// How many lines there are, an empty one at the end not counted.
    pub(super) fn lines(&self) -> usize {
        let last = self.starts.last().copied().unwrap_or_default();
        self.starts.len() - usize::from(last >= self.text.len())
    }

    /// Line `index`, counted from 0, with its newline.
    pub(super) fn line(&self, index: usize) -> Range<usize> {
        let end = self.starts.get(index + 1).copied();
        self.starts[index]..end.unwrap_or(self.text.len())
    }

    /// The line that byte `at` is on, counted from 0.
    pub(super) fn line_of(&self, at: usize) -> usize {
        let after = self.starts.partition_point(|start| *start <= at);
        after.saturating_sub(1)
    }

    /// These bytes as a span.
    pub(super) fn span(&self, bytes: Range<usize>) -> Span {
        let line = self.line_of(bytes.start);
        Span {
            start: bytes.start,
            end: bytes.end,
            line: line as u32 + 1,
            column: self.characters(line, bytes.start) as u32 + 1,
        }
    }

    /// How many characters of the line come before byte `at`.
    fn characters(&self, line: usize, at: usize) -> usize {
        let start = self.starts[line].min(at);
        let (known, count) = self.counted.get();
        let (from, before) = if (start..=at).contains(&known) {
            (known, count)
        } else {
            (start, 0)
        };
        let count = before + self.text[from..at].chars().count();
        self.counted.set((at, count));
        count
    }
}

/// An instruction as one line.
pub(super) struct Line<'a> {
    source: &'a Source<'a>,
    text: String,
    /// Where in the text a piece of the file begins, and where in the file.
    pieces: Vec<(usize, usize)>,
}

impl<'a> Line<'a> {
    pub(super) fn new(source: &'a Source<'a>) -> Self {
        Self {
            source,
            text: String::new(),
            pieces: Vec::new(),
        }
    }

    /// Adds these bytes of the file.
    pub(super) fn push(&mut self, bytes: Range<usize>) {
        self.pieces.push((self.text.len(), bytes.start));
        self.text.push_str(&self.source.text[bytes]);
    }

    pub(super) fn all(&self) -> Part<'_> {
        Part {
            line: self,
            start: 0,
            end: self.text.len(),
        }
    }

    /// Where in the file byte `at` of the text stands.
    fn in_file(&self, at: usize) -> usize {
        let after = self.pieces.partition_point(|(start, _)| *start <= at);
        match after.checked_sub(1).map(|piece| self.pieces[piece]) {
            Some((start, file)) => file + (at - start),
            None => 0,
        }
    }
}

/// A part of an instruction's text.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    line: &'a Line<'a>,
    start: usize,
    end: usize,
}

impl<'a> Part<'a> {
    pub(super) fn text(self) -> &'a str {
        &self.line.text[self.start..self.end]
    }

    /// Where it stands in the file. One that goes over several lines covers
    /// what is between its first and its last byte.
    pub(super) fn span(self) -> Span {
        let source = self.line.source;
        let start = self.line.in_file(self.start);
        let Some(last) = self.text().chars().next_back() else {
            return source.span(start..start);
        };
        let end = self.line.in_file(self.end - last.len_utf8()) + last.len_utf8();
        source.span(start..end)
    }

    /// The part of it that these of its bytes are.
    pub(super) fn within(self, bytes: Range<usize>) -> Self {
        debug_assert!(bytes.end <= self.end - self.start);
        Self {
            line: self.line,
            start: self.start + bytes.start,
            end: self.start + bytes.end,
        }
    }

    pub(super) fn from(self, start: usize) -> Self {
        self.within(start..self.text().len())
    }

    /// Without blanks at either end.
    pub(super) fn trim(self) -> Self {
        let text = self.text();
        let start = text.len() - text.trim_start().len();
        self.within(start..start + text.trim().len())
    }

    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }

    pub(super) fn word(self) -> Word {
        Word {
            text: self.text().to_owned(),
            span: self.span(),
        }
    }

    /// Before and behind the first `c`.
    pub(super) fn split_once(self, c: char) -> Option<(Self, Self)> {
        let at = self.text().find(c)?;
        Some((self.within(0..at), self.from(at + c.len_utf8())))
    }
}
