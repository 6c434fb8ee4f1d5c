//! From a template's characters to its pieces: text, and actions as tokens.
//!
//! Trim markers and comments are dealt with here, so that the parser never
//! sees them. Whether a space stood before a token is kept, for `.A.B` is one
//! value and `.A .B` are two.

use super::Span;
use super::literal;
use crate::error::Result;

/// What a template consists of, in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Text(String),
    /// The tokens between `{{` and `}}`, and where that is.
    Action(Vec<Token>, Span),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
    /// A space stands before it.
    pub(super) spaced: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// `.` alone.
    Dot,
    /// `.Name`, without the dot.
    Field(String),
    /// `$name`, with the dollar.
    Variable(String),
    /// A keyword, a function, `true`, `nil`.
    Word(String),
    Text(String),
    Int(i64),
    Float(f64),
    Open,
    Close,
    Pipe,
    Comma,
    Declare,
    Assign,
}

/// What Go's templates trim, and what separates tokens.
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// Cuts a template into pieces.
pub(super) fn pieces(source: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut trim = false;
    while at < source.len() {
        let open = source[at..].find("{{").map(|found| at + found);
        let mut text = &source[at..open.unwrap_or(source.len())];
        if trim {
            text = text.trim_start_matches(SPACES);
        }
        let Some(open) = open else {
            push_text(&mut pieces, text);
            break;
        };
        let mut lexer = Lexer::new(source, open + 2);
        if lexer.trims_left() {
            text = text.trim_end_matches(SPACES);
        }
        push_text(&mut pieces, text);
        if lexer.comment(open)? {
            (at, trim) = (lexer.at, lexer.trim_right);
            continue;
        }
        let tokens = lexer.tokens(open)?;
        (at, trim) = (lexer.at, lexer.trim_right);
        pieces.push(Piece::Action(
            tokens,
            Span {
                start: open,
                end: at,
            },
        ));
    }
    Ok(pieces)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    trim_right: bool,
}

impl<'a> Lexer<'a> {
    fn new(source: &'a str, at: usize) -> Self {
        Self {
            source,
            at,
            trim_right: false,
        }
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn span(&self, start: usize) -> Span {
        Span {
            start,
            end: self.at,
        }
    }

    fn fail<T>(&self, start: usize, what: &str) -> Result<T> {
        Err(self.span(start).error(self.source, what))
    }

    /// `{{-` trims only if a space follows: `{{-3}}` is a number.
    fn trims_left(&mut self) -> bool {
        let trims = self
            .rest()
            .strip_prefix('-')
            .is_some_and(|rest| rest.starts_with(SPACES));
        self.at += usize::from(trims);
        trims
    }

    /// Passes a comment, which has an action for itself.
    fn comment(&mut self, open: usize) -> Result<bool> {
        let rest = self.rest();
        // Only after a trim marker may a space stand before it.
        let inner = if self.at > open + 2 {
            rest.trim_start_matches(SPACES)
        } else {
            rest
        };
        if !inner.starts_with("/*") {
            return Ok(false);
        }
        let Some(end) = inner[2..].find("*/") else {
            return self.fail(open, "this comment has no end; expected \"*/}}\"");
        };
        self.at += rest.len() - inner.len() + 2 + end + 2;
        if !self.close() {
            return self.fail(self.at, "a comment ends with \"*/}}\", and here is more");
        }
        Ok(true)
    }

    /// Passes `}}`, or ` -}}`, which trims what follows.
    fn close(&mut self) -> bool {
        let rest = self.rest();
        let inner = rest.trim_start_matches(SPACES);
        let spaces = rest.len() - inner.len();
        if spaces > 0 && inner.starts_with("-}}") {
            self.at += spaces + 3;
            self.trim_right = true;
            return true;
        }
        let closes = rest.starts_with("}}");
        if closes {
            self.at += 2;
        }
        closes
    }

    fn tokens(&mut self, open: usize) -> Result<Vec<Token>> {
        let mut tokens = Vec::new();
        loop {
            if self.close() {
                return Ok(tokens);
            }
            let before = self.at;
            self.at = self.source.len() - self.rest().trim_start_matches(SPACES).len();
            let spaced = self.at > before;
            if self.close() {
                return Ok(tokens);
            }
            let start = self.at;
            let Some(first) = self.rest().chars().next() else {
                return self.fail(open, "this action has no end; expected \"}}\"");
            };
            let kind = self.token(first)?;
            let span = self.span(start);
            tokens.push(Token { kind, span, spaced });
        }
    }

    fn token(&mut self, first: char) -> Result<Kind> {
        let rest = self.rest();
        let second = rest[first.len_utf8()..].chars().next();
        let single = |kind| Some((kind, 1));
        let simple = match (first, second) {
            ('(', _) => single(Kind::Open),
            (')', _) => single(Kind::Close),
            ('|', _) => single(Kind::Pipe),
            (',', _) => single(Kind::Comma),
            ('=', _) => single(Kind::Assign),
            (':', Some('=')) => Some((Kind::Declare, 2)),
            _ => None,
        };
        if let Some((kind, len)) = simple {
            self.at += len;
            return Ok(kind);
        }
        match (first, second) {
            ('"' | '`' | '\'', _) => self.quoted(first),
            ('.', Some('0'..='9')) | ('+' | '-', Some('0'..='9' | '.')) | ('0'..='9', _) => {
                self.number()
            }
            ('.', _) => Ok(self.dot()),
            ('$', _) => {
                self.at += 1;
                Ok(Kind::Variable(format!("${}", self.name())))
            }
            _ if is_letter(first) => Ok(Kind::Word(self.name().to_owned())),
            _ => self.unexpected(first),
        }
    }

    fn unexpected<T>(&self, found: char) -> Result<T> {
        let what = format!("expected a field, a function, a literal or \"}}}}\", found {found:?}");
        self.fail(self.at, &what)
    }

    fn name(&mut self) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|c| !is_letter(c)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn dot(&mut self) -> Kind {
        self.at += 1;
        match self.name() {
            "" => Kind::Dot,
            name => Kind::Field(name.to_owned()),
        }
    }

    fn number(&mut self) -> Result<Kind> {
        let start = self.at;
        let len = literal::number_len(self.rest());
        self.at += len;
        match literal::number(&self.source[start..self.at]) {
            Some(literal::Number::Int(int)) => Ok(Kind::Int(int)),
            Some(literal::Number::Float(float)) => Ok(Kind::Float(float)),
            None => {
                let text = &self.source[start..self.at];
                self.fail(start, &format!("{text:?} is not a number"))
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Kind> {
        let start = self.at;
        let Some(len) = literal::quoted_len(self.rest(), quote) else {
            let what = format!("this has no end; expected {quote:?}");
            return self.fail(start, &what);
        };
        self.at += len;
        let inner = &self.source[start + 1..self.at - 1];
        if quote == '`' {
            // As in Go: a carriage return is no part of a raw string.
            return Ok(Kind::Text(inner.replace('\r', "")));
        }
        let Some(text) = literal::unescape(inner, quote) else {
            return self.fail(start, "there is an escape that Go does not know in this");
        };
        if quote == '"' {
            return Ok(Kind::Text(text));
        }
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(Kind::Int(i64::from(u32::from(c)))),
            _ => self.fail(start, "expected one character between the quotes"),
        }
    }
}

/// What a name may hold: letters of any script, digits and underscores.
fn is_letter(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}
