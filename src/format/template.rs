//! Go's templates, as far as `--format` uses them, over JSON.
//!
//! `lex` cuts the text into tokens, `parse` makes a tree of them, `eval` walks
//! it. Functions are in `functions` (Docker's own and Go's) and `printf`. The
//! walk knows only the data it is given: no template can call, read or change
//! anything else.
//!
//! A template comes from a command line, yet must not be able to hurt: how
//! deep it nests, how long it works and how much it writes is bounded.
//!
//! Where this differs from Go, it is because JSON is not Go: whole and broken
//! numbers can be compared, a list of anything can be joined, and a `null`
//! printed alone is `<no value>`. `truncate` counts characters, not bytes, so
//! that it never cuts one in two. `define`, `block`, `template`, `call`,
//! `html`, `js` and `urlquery` are refused.

mod eval;
mod functions;
mod header;
mod lex;
mod literal;
mod operators;
mod parse;
mod printf;
mod tree;
mod value;

use serde_json::Value;

use self::tree::Node;
use crate::error::{Error, Result};

pub use self::value::text;

/// Blocks and parentheses within each other. Walking the tree costs stack for
/// each; no template made by hand comes near.
const MAX_DEPTH: usize = 100;

/// A template that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    source: String,
    nodes: Vec<Node>,
}

/// How a template is to be rendered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// A field that is not there is `<no value>`, not an error.
    pub lenient: bool,
    /// Text from the data is escaped for a terminal; text of the template and
    /// `json` are not.
    pub escape: bool,
    /// Where in the data there are maps, as `/Config/Labels`: Go tells their
    /// keys, any of which may be missing, from the fields of a structure.
    pub maps: &'static [&'static str],
    /// How a null is printed, by the name of its field: Go tells a list that
    /// is not there, `[]`, from a number that is not, `<nil>`.
    pub nulls: &'static [(&'static str, &'static str)],
    /// The data are the titles of columns: functions that shape a value leave
    /// a title as it is.
    pub header: bool,
}

impl Options {
    /// Data as they are, and every field must exist: for scripts.
    pub const STRICT: Self = Self {
        lenient: false,
        escape: false,
        maps: &[],
        nulls: &[],
        header: false,
    };
    /// As [`Self::STRICT`], but missing fields are allowed.
    pub const LENIENT: Self = Self {
        lenient: true,
        ..Self::STRICT
    };
    /// For the rows of a table.
    pub const TERMINAL: Self = Self {
        escape: true,
        ..Self::STRICT
    };
    /// For the titles of a table.
    pub const HEADER: Self = Self {
        header: true,
        ..Self::STRICT
    };
}

impl Template {
    /// Understands a template, or says where it stops making sense.
    pub fn parse(source: &str) -> Result<Self> {
        Ok(Self {
            source: source.to_owned(),
            nodes: parse::parse(source)?,
        })
    }

    /// `\t` and `\n` in the text between actions become a tab and a newline.
    #[must_use]
    pub(super) fn with_escapes_in_text(mut self) -> Self {
        tree::each_text(&mut self.nodes, &|text| {
            *text = text.replace("\\t", "\t").replace("\\n", "\n");
        });
        self
    }

    /// The template filled in with `data`.
    pub fn render(&self, data: &Value) -> Result<String> {
        self.render_with(data, Options::STRICT)
    }

    /// The template filled in with `data`, as the options say.
    pub fn render_with(&self, data: &Value, options: Options) -> Result<String> {
        eval::render(self, data, options)
    }
}

/// A part of the source, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// Line and column of the start, counted as Go counts: from 1 and from 0.
    fn position(self, source: &str) -> (usize, usize) {
        let before = &source[..self.start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, self.start - line_start)
    }

    fn text(self, source: &str) -> &str {
        &source[self.start..self.end]
    }

    /// The template cannot be understood here.
    fn error(self, source: &str, what: &str) -> Error {
        let (line, column) = self.position(source);
        Error::user(format!("template: :{line}:{column}: {what}"))
    }

    /// The template cannot be carried out here.
    fn failure(self, source: &str, what: &str) -> Error {
        let part = self.text(source);
        self.error(source, &format!("executing \"\" at <{part}>: {what}"))
    }
}

#[cfg(test)]
mod tests;
