//! One pattern, and whether a path fits it.
//!
//! The pattern is walked through in all ways at once, so that no pattern takes
//! long, whatever it is and whatever the path.

use std::ops::RangeInclusive;

/// What a byte is as a character that is part of none: above all there are.
const NO_CHARACTER: u32 = 0x11_0000;

/// A pattern. Three kinds, which are most, need no more than a comparison.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// No wildcard: this path.
    Exact(Vec<u8>),
    /// `**` at the end: what begins so.
    Prefix(Vec<u8>),
    /// `**` in front: what ends so. `**/a` is also `a`.
    Suffix(Vec<u8>),
    Any(Vec<Token>),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    Char(u32),
    /// `?`
    One,
    /// `*`
    Name,
    /// `[a-z]`, `[^a-z]`
    Class(bool, Vec<RangeInclusive<u32>>),
    /// `**/`: nothing, or what follows it and then a slash.
    Names,
    /// The inside of the one above.
    WithinNames,
    /// `**` at the end.
    Rest,
}

/// A path as characters.
pub(super) fn decoded(path: &[u8]) -> Vec<u32> {
    let mut out = Vec::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        out.extend(chunk.valid().chars().map(u32::from));
        out.extend(chunk.invalid().iter().map(|b| NO_CHARACTER + u32::from(*b)));
    }
    out
}

impl Pattern {
    /// Reads one in its shortest form; `None` if it makes no sense.
    pub(super) fn new(text: &str) -> Option<Self> {
        let bytes = |text: &str| text.as_bytes().to_vec();
        let has_wildcard = |text: &str| text.contains(['*', '?', '[', ']', '\\']);
        if !has_wildcard(text) {
            return Some(Self::Exact(bytes(text)));
        }
        if let Some(suffix) = text.strip_prefix("**")
            && !has_wildcard(suffix)
        {
            return Some(Self::Suffix(bytes(suffix)));
        }
        if let Some(prefix) = text.strip_suffix("**")
            && !has_wildcard(prefix)
        {
            return Some(Self::Prefix(bytes(prefix)));
        }
        tokens(text).map(Self::Any)
    }

    /// Whether a path fits, given as bytes and as characters.
    pub(super) fn fits(&self, path: &[u8], decoded: &[u32]) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Prefix(prefix) => path.starts_with(prefix),
            Self::Suffix(suffix) => {
                path.ends_with(suffix) || suffix.strip_prefix(b"/").is_some_and(|s| s == path)
            }
            Self::Any(tokens) => States::after(tokens, decoded).done(),
        }
    }

    /// Whether anything in this directory may fit.
    pub(super) fn may_fit_in(&self, dir: &[u8]) -> bool {
        let inside = [dir, b"/"].concat();
        match self {
            Self::Exact(exact) => exact.starts_with(&inside),
            Self::Prefix(prefix) => prefix.starts_with(&inside) || inside.starts_with(prefix),
            Self::Suffix(_) => true,
            Self::Any(tokens) => States::after(tokens, &decoded(&inside)).any(),
        }
    }
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.next_if_eq(&'*').is_some() => {
                chars.next_if_eq(&'/');
                if chars.peek().is_some() {
                    tokens.extend([Token::Names, Token::WithinNames]);
                } else {
                    tokens.push(Token::Rest);
                }
            }
            '*' => tokens.push(Token::Name),
            '?' => tokens.push(Token::One),
            '[' => tokens.push(class(&mut chars)?),
            '\\' => tokens.push(Token::Char(u32::from(chars.next()?))),
            c => tokens.push(Token::Char(u32::from(c))),
        }
    }
    Some(tokens)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// What is between `[` and `]`: at least one character or range.
fn class(chars: &mut Chars<'_>) -> Option<Token> {
    let not = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while ranges.is_empty() || chars.next_if_eq(&']').is_none() {
        let low = member(chars)?;
        let high = match chars.next_if_eq(&'-') {
            Some(_) => member(chars)?,
            None => low,
        };
        ranges.push(u32::from(low)..=u32::from(high));
    }
    Some(Token::Class(not, ranges))
}

fn member(chars: &mut Chars<'_>) -> Option<char> {
    match chars.next()? {
        '-' | ']' => None,
        '\\' => chars.next(),
        c => Some(c),
    }
}

/// All the places in a pattern that a path may have led to.
struct States<'a> {
    tokens: &'a [Token],
    at: Vec<usize>,
    /// For each place, after how many characters it was come to last.
    seen: Vec<usize>,
    characters: usize,
}

impl<'a> States<'a> {
    fn after(tokens: &'a [Token], path: &[u32]) -> Self {
        let mut states = Self {
            tokens,
            at: Vec::new(),
            seen: vec![usize::MAX; tokens.len() + 1],
            characters: 0,
        };
        states.enter(0);
        for c in path {
            states.characters += 1;
            let before = std::mem::take(&mut states.at);
            for at in before {
                states.step(at, *c);
            }
            if states.at.is_empty() {
                break;
            }
        }
        states
    }

    /// Comes to a token, and to those behind it if it may be nothing.
    fn enter(&mut self, at: usize) {
        if std::mem::replace(&mut self.seen[at], self.characters) == self.characters {
            return;
        }
        self.at.push(at);
        match self.tokens.get(at) {
            Some(Token::Name | Token::Rest) => self.enter(at + 1),
            Some(Token::Names) => {
                self.enter(at + 1);
                self.enter(at + 2);
            }
            _ => {}
        }
    }

    /// One character from a token on.
    fn step(&mut self, at: usize, c: u32) {
        let slash = c == u32::from('/');
        match self.tokens.get(at) {
            Some(Token::Char(wanted)) if *wanted == c => self.enter(at + 1),
            Some(Token::One) if !slash => self.enter(at + 1),
            Some(Token::Name) if !slash => self.enter(at),
            Some(Token::Rest) => self.enter(at),
            Some(Token::Class(not, ranges)) if ranges.iter().any(|r| r.contains(&c)) != *not => {
                self.enter(at + 1);
            }
            Some(Token::WithinNames) => {
                self.enter(at);
                if slash {
                    self.enter(at + 1);
                }
            }
            _ => {}
        }
    }

    fn any(&self) -> bool {
        !self.at.is_empty()
    }

    fn done(&self) -> bool {
        self.at.contains(&self.tokens.len())
    }
}
