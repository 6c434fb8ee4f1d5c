//! Variables, quotes and escapes, worked out as Docker's own little shell
//! does: `$x`, `${x}`, and `${x` followed by one of
//!
//! - `:-word`, `-word`: the word if there is no `x` (with the colon: or it is
//!   empty); `:+word`, `+word`: the word if there is one; `:?text`, `?text`:
//!   an error with that text if there is none
//! - `#pattern`, `##pattern`, `%pattern`, `%%pattern`: without the shortest or
//!   longest beginning or end of that pattern
//! - `/pattern/text`, `//pattern/text`: with the first or every such part
//!   replaced
//!
//! Words may hold variables themselves. Values are never looked into again.

mod lexer;
mod pattern;
#[cfg(test)]
mod tests;

use super::diagnostic::Diagnostic;
use super::span::Word;

pub(super) use lexer::Mode;
use lexer::{Lexer, Split};

/// Tells a variable's value.
pub type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Works out words as the builder does.
#[derive(Clone, Copy)]
pub struct Expander<'a> {
    /// What keeps the next character from having a meaning; a Dockerfile's
    /// `Directives::escape`.
    pub escape: char,
    /// Where values come from. It is asked for every variable that is met, in
    /// order, so that a caller can note which ones there were.
    pub lookup: &'a Lookup<'a>,
}

impl Expander<'_> {
    /// A word as one word, without its quotes.
    pub fn word(&self, word: &Word) -> Result<String, Diagnostic> {
        let text = self.text(&word.text);
        text.map_err(|message| wrong(word, message))
    }

    /// A word cut at the blanks that are not quoted, its values' included.
    pub fn words(&self, word: &Word) -> Result<Vec<String>, Diagnostic> {
        let split = split(&word.text, self.escape, self.lookup, Mode::VALUE);
        split.map_err(|message| wrong(word, message))
    }

    /// A text as one word.
    pub fn text(&self, text: &str) -> Result<String, String> {
        one(text, self.escape, self.lookup, Mode::VALUE)
    }

    /// The body of a here-document of `COPY` or `ADD`: variables and escapes
    /// are worked out, quotes are kept, and the escape is always `\`.
    pub fn document(&self, text: &str) -> Result<String, String> {
        let mode = Mode {
            plain_quotes: true,
            ..Mode::VALUE
        };
        one(text, '\\', self.lookup, mode)
    }
}

fn wrong(word: &Word, message: String) -> Diagnostic {
    Diagnostic::new(word.span, message)
}

pub(super) fn one(
    text: &str,
    escape: char,
    lookup: &Lookup<'_>,
    mode: Mode,
) -> Result<String, String> {
    let mut out = String::new();
    Lexer::new(text, escape, lookup, mode).run(&mut out)?;
    Ok(out)
}

pub(super) fn split(
    text: &str,
    escape: char,
    lookup: &Lookup<'_>,
    mode: Mode,
) -> Result<Vec<String>, String> {
    let mut out = Split::default();
    Lexer::new(text, escape, lookup, mode).run(&mut out)?;
    Ok(out.finish())
}

/// Whether a word can be worked out at all, whatever the values are.
pub(super) fn check(word: &Word, escape: char) -> Result<(), Diagnostic> {
    let mode = Mode {
        keep_unset: true,
        ..Mode::VALUE
    };
    let done = one(&word.text, escape, &|_| None, mode);
    done.map(drop).map_err(|message| wrong(word, message))
}

/// Whether a word is what it says: no variable, no quote and no escape.
pub(super) fn is_literal(text: &str, escape: char) -> bool {
    !text.contains(['$', '\'', '"', escape])
}
