//! From the lines of a file to instructions: directives, comments, and lines
//! that go on in the next one.
//!
//! A line goes on if its last character but blanks is the escape character,
//! and the one before that is not. Comments and empty lines in between do not
//! end it. Only the first line of an instruction loses the blanks in front.

use std::ops::Range;

use super::ast::Directives;
use super::diagnostic::Diagnostic;
use super::span::{Span, Word};
use super::text::{Line, Source};

/// A file may not be larger.
const MOST_BYTES: usize = 4 << 20;
/// A line may not be longer.
const MOST_LINE: usize = 1 << 20;

type Result<T> = std::result::Result<T, Diagnostic>;

/// Refuses what no person has written.
pub(super) fn check_bounds(source: &Source<'_>) -> Result<()> {
    let text = source.text;
    if text.len() > MOST_BYTES {
        return Err(Diagnostic::new(
            source.span(0..0),
            format!("the file has more than {MOST_BYTES} bytes"),
        ));
    }
    if let Some(at) = text.find('\0') {
        return Err(
            Diagnostic::new(source.span(at..at + 1), "there is a NUL byte in the file")
                .hint("a Dockerfile is plain text; is this another file?"),
        );
    }
    let long = |line: &Range<usize>| line.len() > MOST_LINE;
    match (0..source.lines()).map(|n| source.line(n)).find(long) {
        Some(line) => Err(Diagnostic::new(
            source.span(line.start..line.start),
            format!("the line has more than {MOST_LINE} bytes"),
        )),
        None => Ok(()),
    }
}

/// Reads instructions, one after the other.
pub(super) struct Lines<'a> {
    source: &'a Source<'a>,
    next: usize,
    /// Whether comments may still be directives.
    at_top: bool,
    pub(super) directives: Directives,
    pub(super) warnings: Vec<Diagnostic>,
}

/// A line of the file without its end.
fn content(source: &Source<'_>, index: usize) -> Range<usize> {
    let line = source.line(index);
    let text = source.text[line.clone()].trim_end_matches(['\r', '\n']);
    line.start..line.start + text.len()
}

fn trim_start(source: &Source<'_>, bytes: Range<usize>) -> Range<usize> {
    let text = source.text[bytes.clone()].trim_start();
    bytes.end - text.len()..bytes.end
}

impl<'a> Lines<'a> {
    pub(super) fn new(source: &'a Source<'a>) -> Self {
        Self {
            source,
            next: 0,
            at_top: true,
            directives: Directives {
                syntax: None,
                escape: '\\',
                check: None,
            },
            warnings: Vec::new(),
        }
    }

    /// The text behind the last line, for what is missing.
    pub(super) fn end(&self) -> Span {
        let end = self.source.text.len();
        self.source.span(end..end)
    }

    /// The next instruction.
    pub(super) fn instruction(&mut self) -> Result<Option<Line<'a>>> {
        while self.next < self.source.lines() {
            let bytes = trim_start(self.source, content(self.source, self.next));
            self.next += 1;
            let text = &self.source.text[bytes.clone()];
            if self.at_top && self.directive(bytes.clone())? {
                continue;
            }
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let line = self.joined(bytes);
            if !line.all().trim().is_empty() {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// The instruction whose first line these bytes are.
    fn joined(&mut self, first: Range<usize>) -> Line<'a> {
        let mut line = Line::new(self.source);
        let mut bytes = first;
        while self.push(&mut line, bytes) {
            match self.further() {
                Some(further) => bytes = further,
                None => break,
            }
        }
        line
    }

    /// Adds a line, and says whether it goes on.
    fn push(&self, line: &mut Line<'a>, bytes: Range<usize>) -> bool {
        let text = &self.source.text[bytes.clone()];
        let goes_on = continued(text, self.directives.escape);
        line.push(bytes.start..bytes.start + goes_on.unwrap_or(text.len()));
        goes_on.is_some()
    }

    /// The next line of an instruction that goes on.
    fn further(&mut self) -> Option<Range<usize>> {
        while self.next < self.source.lines() {
            let bytes = content(self.source, self.next);
            self.next += 1;
            let text = self.source.text[bytes.clone()].trim_start();
            if text.is_empty() {
                self.warn_of_empty(bytes);
            } else if !text.starts_with('#') {
                return Some(bytes);
            }
        }
        None
    }

    fn warn_of_empty(&mut self, bytes: Range<usize>) {
        let warning = Diagnostic::new(
            self.source.span(bytes.start..bytes.start),
            "an empty line within an instruction",
        );
        self.warnings.push(
            warning.hint("leave the line out, or end the line above without the escape character"),
        );
    }

    /// The lines up to the one that is `name`, each with its end, as a
    /// here-document has them.
    pub(super) fn document(&mut self, name: &str, tabs: bool) -> Option<Range<usize>> {
        let start = self.next;
        while self.next < self.source.lines() {
            let text = &self.source.text[content(self.source, self.next)];
            let text = if tabs {
                text.trim_start_matches('\t')
            } else {
                text
            };
            self.next += 1;
            if text == name {
                let first = self.source.line(start).start;
                return Some(first..self.source.line(self.next - 1).start);
            }
        }
        None
    }

    /// Where the line that was read last ends, without its newline.
    pub(super) fn position(&self) -> usize {
        match self.next.checked_sub(1) {
            Some(last) => content(self.source, last).end,
            None => 0,
        }
    }

    pub(super) fn source(&self) -> &'a Source<'a> {
        self.source
    }

    /// Takes a line at the top of the file for a directive if it is one.
    fn directive(&mut self, bytes: Range<usize>) -> Result<bool> {
        let source = self.source;
        let Some((name, value)) = directive(source, bytes.clone()) else {
            self.at_top = false;
            return Ok(false);
        };
        let word = Word {
            text: source.text[value.clone()].to_owned(),
            span: source.span(value),
        };
        let twice = |known: bool| {
            if known {
                let message = format!("the directive {name} is there twice");
                return Err(Diagnostic::new(source.span(bytes.clone()), message)
                    .hint("leave one of them out"));
            }
            Ok(())
        };
        match name.as_str() {
            "syntax" => twice(self.directives.syntax.replace(word).is_some())?,
            "check" => twice(self.directives.check.replace(word).is_some())?,
            _ => {
                twice(self.seen_escape(&bytes))?;
                self.directives.escape = escape(&word)?;
            }
        }
        Ok(true)
    }

    /// Whether one of the lines above is an escape directive. All of them are
    /// directives of some kind.
    fn seen_escape(&self, bytes: &Range<usize>) -> bool {
        (0..self.source.line_of(bytes.start)).any(|line| {
            let bytes = trim_start(self.source, content(self.source, line));
            directive(self.source, bytes).is_some_and(|(name, _)| name == "escape")
        })
    }
}

/// `# name=value`, if the name is that of a directive.
fn directive(source: &Source<'_>, bytes: Range<usize>) -> Option<(String, Range<usize>)> {
    let text = source.text[bytes.clone()].strip_prefix('#')?;
    let (name, value) = text.split_once('=')?;
    let name = name.trim_start();
    let letters = name.trim_end().to_ascii_lowercase();
    let value = value.trim();
    if !["syntax", "escape", "check"].contains(&letters.as_str()) || value.is_empty() {
        return None;
    }
    let text = source.text[bytes.clone()].trim_end();
    let end = bytes.start + text.len();
    Some((letters, end - value.len()..end))
}

fn escape(word: &Word) -> Result<char> {
    match word.text.as_str() {
        "\\" => Ok('\\'),
        "`" => Ok('`'),
        other => Err(Diagnostic::new(
            word.span,
            format!("{other:?} cannot be the escape character"),
        )
        .hint("it is \\ or `")),
    }
}

/// How much of a line comes before the escape character by which it goes on.
fn continued(text: &str, escape: char) -> Option<usize> {
    let rest = text.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    (!rest.ends_with(escape)).then_some(rest.len())
}
