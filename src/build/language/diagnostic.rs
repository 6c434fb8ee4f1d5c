//! What is wrong with a Dockerfile, where, and what to do about it.

use std::fmt::Write as _;
use std::ops::Range;

use super::span::{Span, Word};
use super::text::Source;
use crate::error::Error;
use crate::format::escaped;
use crate::format::width::width;

/// Lines of a step that are shown.
const MOST_LINES: usize = 6;
/// Columns of a line that are shown.
const MOST_COLUMNS: usize = 150;
/// Of these, how many before the first caret.
const BEFORE_CARET: usize = 50;

/// Something wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong.
    pub message: String,
    /// What can be done about it.
    pub hint: Option<String>,
    /// Where.
    pub span: Span,
}

impl Diagnostic {
    /// Something wrong there.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            span,
        }
    }

    /// Adds what can be done about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An error of another part of rcon, about this word.
    pub fn about(word: &Word, error: &Error) -> Self {
        Self {
            message: error.what().to_owned(),
            hint: error.remedy().map(str::to_owned),
            span: word.span,
        }
    }

    /// The same without a place.
    pub fn plain(self) -> Error {
        let error = Error::user(self.message);
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// Several lines: where and what, the lines of the Dockerfile with carets
    /// under the place, and the hint. `name` is the file's, `source` its text.
    pub fn render(&self, name: &str, source: &str) -> String {
        let Span { line, column, .. } = self.span;
        let (name, message) = (escaped(name), escaped(&self.message));
        let mut out = format!("{name}:{line}:{column}: {message}\n");
        out += &excerpt(source, self.span);
        if let Some(hint) = &self.hint {
            let _ = writeln!(out, "hint: {}", escaped(hint));
        }
        out
    }

    /// The same in one line, as an error of a command.
    pub fn into_error(self, name: &str) -> Error {
        let Span { line, column, .. } = self.span;
        let error = Error::user(format!("{name}:{line}:{column}: {}", self.message));
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// The lines of `source` that a span covers, with their numbers, and carets
/// under what it covers of the first.
pub fn excerpt(source: &str, span: Span) -> String {
    let source = Source::new(source);
    if span.end > source.text.len() || source.lines() == 0 {
        return String::new();
    }
    let first = source.line_of(span.start).min(source.lines() - 1);
    let last = source.line_of(span.end.saturating_sub(1).max(span.start));
    let shown = last.min(source.lines() - 1).min(first + MOST_LINES - 1);
    let numbers = (shown + 1).to_string().len();
    let mut out = String::new();
    for index in first..=shown {
        let line = source.line(index);
        let text = source.text[line.clone()].trim_end_matches(['\r', '\n']);
        let at = if index == first {
            span.start - line.start.min(span.start)..span.end.saturating_sub(line.start)
        } else {
            0..0
        };
        let (text, carets) = with_carets(text, at);
        out += format!(" {:numbers$} | {text}", index + 1).trim_end();
        out.push('\n');
        if index == first {
            let _ = writeln!(out, " {:numbers$} | {carets}", "");
        }
    }
    if last > shown {
        let _ = writeln!(out, " {:numbers$} | ...", "");
    }
    out
}

/// A line as it can be shown, and carets for the bytes `at` of it.
fn with_carets(text: &str, at: Range<usize>) -> (String, String) {
    let (mut line, mut carets) = (String::new(), String::new());
    let start = at.start.min(text.len());
    // Even nothing at all has a place.
    let end = at.end.clamp(start, text.len()).max(start + 1);
    let skipped = skipped(text, start);
    if skipped > 0 {
        line.push_str("...");
        carets.push_str("   ");
    }
    for (offset, c) in text.char_indices().skip_while(|(at, _)| *at < skipped) {
        let before = width(&line);
        if before >= MOST_COLUMNS {
            line.push_str("...");
            break;
        }
        match c {
            '\t' => line.push_str("    "),
            c => line.push_str(&escaped(c.encode_utf8(&mut [0; 4]))),
        }
        let mark = if (start..end).contains(&offset) {
            "^"
        } else {
            " "
        };
        carets += &mark.repeat(width(&line) - before);
    }
    if start >= text.len() {
        carets.push('^');
    }
    (line, carets.trim_end().to_owned())
}

/// How many bytes of a long line are left out so that its place `start` is
/// seen.
fn skipped(text: &str, start: usize) -> usize {
    let before = text[..start].chars().count();
    if before < MOST_COLUMNS - BEFORE_CARET {
        return 0;
    }
    let from = text.char_indices().nth(before - BEFORE_CARET);
    from.map_or(0, |(at, _)| at)
}

/// The candidate that `word` most likely was to be, if any is near.
pub(in crate::build) fn near<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    // Whoever writes so much has not mistyped one of these.
    if word.len() > 32 {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let distance = |other: &str| distance(&word, &other.to_ascii_lowercase());
    let nearest = candidates.iter().min_by_key(|other| distance(other))?;
    let most = if word.len() < 4 { 1 } else { 2 };
    (distance(nearest) <= most).then_some(nearest)
}

/// How many letters must be added, left out, changed, or swapped with the next.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let change = rows[i][j] + usize::from(a[i] != b[j]);
            let mut best = change.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(source: &str, part: &str) -> Span {
        let start = source.find(part).unwrap();
        Source::new(source).span(start..start + part.len())
    }

    #[test]
    fn the_place_is_shown_under_its_line() {
        let source = "FROM a\nRNU make\nCMD x\n";
        let found = Diagnostic::new(at(source, "RNU"), "unknown instruction RNU").hint("RUN?");
        assert_eq!(
            found.render("Dockerfile", source),
            "Dockerfile:2:1: unknown instruction RNU\n 2 | RNU make\n   | ^^^\nhint: RUN?\n"
        );
        let line = found.into_error("f").to_string();
        assert_eq!(line, "f:2:1: unknown instruction RNU (RUN?)");
    }

    #[test]
    fn all_lines_of_a_step_are_shown_up_to_a_bound() {
        let source = "RUN a \\\n  b \\\n\n  c\nCMD x";
        let shown = excerpt(source, at(source, "RUN a \\\n  b \\\n\n  c"));
        assert_eq!(
            shown,
            " 1 | RUN a \\\n   | ^^^^^^^\n 2 |   b \\\n 3 |\n 4 |   c\n"
        );
        let long = "x\n".repeat(20);
        let shown = excerpt(&long, at(&long, &long));
        assert_eq!(shown.lines().count(), 8);
        assert!(shown.ends_with("   | ...\n"), "{shown}");
    }

    #[test]
    fn carets_stand_right_whatever_the_line_is_made_of() {
        for (source, part, line, carets) in [
            ("\tRUN x", "x", "    RUN x", "        ^"),
            ("ENV é=日本 x", "x", "ENV é=日本 x", "           ^"),
            ("a \x1b[31m b", "b", "a \\u{1b}[31m b", "             ^"),
            ("日本", "本", "日本", "  ^^"),
        ] {
            let shown = excerpt(source, at(source, part));
            assert_eq!(shown, format!(" 1 | {line}\n   | {carets}\n"), "{source}");
        }
        let end = Source::new("RUN").span(3..3);
        assert_eq!(excerpt("RUN", end), " 1 | RUN\n   |    ^\n");
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let source = "a".repeat(5000) + "HERE" + &"b".repeat(5000);
        let shown = excerpt(&source, at(&source, "HERE"));
        let (line, carets) = shown.split_once('\n').unwrap();
        assert!(line.len() < 170, "{line}");
        assert_eq!(line.find("HERE"), carets.find("^^^^"));
    }

    #[test]
    fn a_span_of_another_text_shows_nothing() {
        let span = Source::new("long enough").span(5..9);
        assert_eq!(excerpt("", span), "");
        assert_eq!(excerpt("ab", span), "");
    }

    #[test]
    fn words_that_are_near() {
        let known = ["FROM", "RUN", "COPY", "CMD"];
        for (word, want) in [
            ("FORM", Some("FROM")),
            ("RNU", Some("RUN")),
            ("copi", Some("COPY")),
            ("CDM", Some("CMD")),
            ("SELECT", None),
            ("X", None),
            (&"x".repeat(100_000), None),
        ] {
            assert_eq!(near(word, &known), want, "{word}");
        }
    }
}
