//! One pass over a text, with a look at the next character.

use std::iter::Peekable;
use std::str::Chars;

use super::{Lookup, pattern};

/// Words within words within words.
const MOST_DEEP: usize = 50;
/// What comes out may not be longer: a value may hold another twice, and so on.
const MOST_LONG: usize = 1 << 20;

type Result<T> = std::result::Result<T, String>;

/// How a text is read.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Mode {
    /// Quotes are kept in what they hold together.
    pub(in super::super) keep_quotes: bool,
    /// So are escapes.
    pub(in super::super) keep_escapes: bool,
    /// Quotes are characters as any.
    pub(in super::super) plain_quotes: bool,
    /// A variable without a value stays as it is written.
    pub(in super::super) keep_unset: bool,
}

impl Mode {
    /// As values are read.
    pub(in super::super) const VALUE: Self = Self {
        keep_quotes: false,
        keep_escapes: false,
        plain_quotes: false,
        keep_unset: false,
    };
}

/// What a text becomes.
pub(super) trait Output {
    /// A character that is quoted or escaped.
    fn quoted(&mut self, c: char);
    /// A character that has been in the open.
    fn open(&mut self, c: char);
    fn length(&self) -> usize;
}

impl Output for String {
    fn quoted(&mut self, c: char) {
        self.push(c);
    }

    fn open(&mut self, c: char) {
        self.push(c);
    }

    fn length(&self) -> usize {
        self.len()
    }
}

/// Words. One that is empty, quotes or not, is none.
#[derive(Default)]
pub(super) struct Split {
    words: Vec<String>,
    word: String,
    length: usize,
}

impl Split {
    pub(super) fn finish(mut self) -> Vec<String> {
        self.cut();
        self.words
    }

    fn cut(&mut self) {
        if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
    }
}

impl Output for Split {
    fn quoted(&mut self, c: char) {
        self.word.push(c);
        self.length += c.len_utf8();
    }

    fn open(&mut self, c: char) {
        if c.is_whitespace() {
            self.cut();
        } else {
            self.quoted(c);
        }
    }

    fn length(&self) -> usize {
        self.length
    }
}

pub(super) struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    escape: char,
    lookup: &'a Lookup<'a>,
    mode: Mode,
    depth: usize,
}

/// How `${name` goes on.
enum Modifier {
    /// `-`, `+` or `?`, and whether an empty value counts as none.
    Default(char, bool),
    /// `#` or `%`.
    Trim(char),
    Replace,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, escape: char, lookup: &'a Lookup<'a>, mode: Mode) -> Self {
        Self {
            chars: text.chars().peekable(),
            escape,
            lookup,
            mode,
            depth: 0,
        }
    }

    pub(super) fn run(mut self, out: &mut impl Output) -> Result<()> {
        self.until(None, self.mode.keep_escapes, out).map(drop)
    }

    /// Reads on to `stop`, or to the end if there is none; says whether the
    /// end was as it should be.
    fn until(
        &mut self,
        stop: Option<char>,
        keep_escapes: bool,
        out: &mut impl Output,
    ) -> Result<bool> {
        while let Some(c) = self.chars.next() {
            if Some(c) == stop {
                return Ok(true);
            }
            match c {
                '$' => self.dollar()?.chars().for_each(|c| out.open(c)),
                '<' => self.less_than(out),
                '\'' if !self.mode.plain_quotes => self.single(out)?,
                '"' if !self.mode.plain_quotes => self.double(keep_escapes, out)?,
                c if c == self.escape => self.escaped(keep_escapes, out),
                c => out.open(c),
            }
            if out.length() > MOST_LONG {
                return Err(too_long());
            }
        }
        Ok(stop.is_none())
    }

    fn escaped(&mut self, keep: bool, out: &mut impl Output) {
        if keep {
            out.quoted(self.escape);
        }
        if let Some(c) = self.chars.next() {
            out.quoted(c);
        }
    }

    /// A here-document's `<<` holds together with the name behind it.
    fn less_than(&mut self, out: &mut impl Output) {
        out.quoted('<');
        if self.chars.next_if_eq(&'<').is_some() {
            out.quoted('<');
            while let Some(c) = self.chars.next_if(|c| matches!(c, ' ' | '\t' | '\r')) {
                out.quoted(c);
            }
        }
    }

    fn mark(&self, c: char, out: &mut impl Output) {
        if self.mode.keep_quotes {
            out.quoted(c);
        }
    }

    fn single(&mut self, out: &mut impl Output) -> Result<()> {
        self.mark('\'', out);
        loop {
            match self.chars.next() {
                Some('\'') => break,
                Some(c) => out.quoted(c),
                None => return Err("a single quote (') is not closed".to_owned()),
            }
        }
        self.mark('\'', out);
        Ok(())
    }

    fn double(&mut self, keep_escapes: bool, out: &mut impl Output) -> Result<()> {
        self.mark('"', out);
        loop {
            match self.chars.next() {
                Some('"') => break,
                Some('$') => self.dollar()?.chars().for_each(|c| out.quoted(c)),
                Some(c) if c == self.escape => self.escaped_in_quotes(keep_escapes, out),
                Some(c) => out.quoted(c),
                None => return Err("a double quote (\") is not closed".to_owned()),
            }
        }
        self.mark('"', out);
        Ok(())
    }

    /// Within quotes only these need an escape; before others it is a
    /// character as any.
    fn escaped_in_quotes(&mut self, keep: bool, out: &mut impl Output) {
        let escape = self.escape;
        let special = |c: &char| matches!(c, '"' | '$') || *c == escape;
        match self.chars.next_if(special) {
            Some(c) => {
                if keep {
                    out.quoted(escape);
                }
                out.quoted(c);
            }
            None if self.chars.peek().is_some() => out.quoted(escape),
            None => {}
        }
    }

    /// What comes behind a `$`.
    fn dollar(&mut self) -> Result<String> {
        if self.chars.next_if_eq(&'{').is_some() {
            self.depth += 1;
            if self.depth > MOST_DEEP {
                return Err(format!("more than {MOST_DEEP} variables within each other"));
            }
            let value = self.braces();
            self.depth -= 1;
            return value;
        }
        let name = self.name();
        if name.is_empty() {
            return Ok("$".to_owned());
        }
        match (self.lookup)(&name) {
            Some(value) => Ok(value),
            None if self.mode.keep_unset => Ok(format!("${name}")),
            None => Ok(String::new()),
        }
    }

    /// A variable's name: letters, digits and `_`; digits alone; or one of the
    /// marks that a shell has variables for.
    fn name(&mut self) -> String {
        const MARKS: [char; 7] = ['@', '*', '#', '?', '-', '$', '!'];
        if let Some(mark) = self.chars.next_if(|c| MARKS.contains(c)) {
            return mark.to_string();
        }
        let digits = self.chars.peek().is_some_and(|c| c.is_numeric());
        let mut name = String::new();
        let goes_on = |c: &char| c.is_numeric() || (!digits && (c.is_alphabetic() || *c == '_'));
        while let Some(c) = self.chars.next_if(goes_on) {
            name.push(c);
        }
        name
    }

    /// What comes behind `${`.
    fn braces(&mut self) -> Result<String> {
        if let Some('{' | '}' | ':') = self.chars.peek() {
            return Err("${ must be followed by a variable's name".to_owned());
        }
        let name = self.name();
        let modifier = match self.chars.next() {
            Some('}') => {
                return match (self.lookup)(&name) {
                    None if self.mode.keep_unset => Ok(format!("${{{name}}}")),
                    value => Ok(value.unwrap_or_default()),
                };
            }
            Some(c) => self.modifier(&name, c)?,
            None => return Err(not_closed()),
        };
        match modifier {
            Modifier::Default(mark, or_empty) => self.default(&name, mark, or_empty),
            Modifier::Trim(mark) => self.trimmed(&name, mark),
            Modifier::Replace => self.replaced(&name),
        }
    }

    fn modifier(&mut self, name: &str, c: char) -> Result<Modifier> {
        let unknown = |mark: String| Err(format!("${{{name}{mark}...}} is not known here"));
        match c {
            '-' | '+' | '?' => Ok(Modifier::Default(c, false)),
            '#' | '%' => Ok(Modifier::Trim(c)),
            '/' => Ok(Modifier::Replace),
            ':' => match self.chars.next() {
                Some(c @ ('-' | '+' | '?')) => Ok(Modifier::Default(c, true)),
                Some(c) => unknown(format!(":{c}")),
                None => Err(not_closed()),
            },
            c => unknown(c.to_string()),
        }
    }

    /// The word up to `stop`.
    fn inner(&mut self, stop: char, keep_escapes: bool) -> Result<String> {
        let mut word = String::new();
        if self.until(Some(stop), keep_escapes, &mut word)? {
            Ok(word)
        } else if stop == '/' {
            Err("${name/pattern/text} has no second /".to_owned())
        } else {
            Err(not_closed())
        }
    }

    fn default(&mut self, name: &str, mark: char, or_empty: bool) -> Result<String> {
        let word = self.inner('}', false)?;
        let value = (self.lookup)(name);
        if value.is_none() && self.mode.keep_unset {
            let colon = if or_empty { ":" } else { "" };
            return Ok(format!("${{{name}{colon}{mark}{word}}}"));
        }
        let counts = value.filter(|value| !(or_empty && value.is_empty()));
        match (mark, counts) {
            ('+', Some(_)) | ('-', None) => Ok(word),
            ('+', None) => Ok(String::new()),
            (_, Some(value)) => Ok(value),
            (_, None) if !word.is_empty() => Err(format!("{name}: {word}")),
            (_, None) if or_empty => Err(format!("{name} must be set and not be empty")),
            (_, None) => Err(format!("{name} must be set")),
        }
    }

    fn trimmed(&mut self, name: &str, mark: char) -> Result<String> {
        let word = self.inner('}', true)?;
        let (longest, text) = match word.strip_prefix(mark) {
            Some(text) => (true, text),
            None => (false, word.as_str()),
        };
        let matcher = pattern::Trim::new(text, mark == '%', longest)?;
        match (self.lookup)(name) {
            None if self.mode.keep_unset => Ok(format!("${{{name}{mark}{word}}}")),
            None => Ok(String::new()),
            Some(value) => matcher.apply(&value),
        }
    }

    fn replaced(&mut self, name: &str) -> Result<String> {
        let all = self.chars.next_if_eq(&'/').is_some();
        let from = self.inner('/', true)?;
        let to = self.inner('}', true)?;
        let search = pattern::Search::new(&from)?;
        let value = match (self.lookup)(name) {
            None if self.mode.keep_unset => return Ok(format!("${{{name}/{from}/{to}}}")),
            value => value.unwrap_or_default(),
        };
        let matcher = search.regex()?;
        // What is put in is no pattern; `$1` in it means nothing.
        let literal = regex_lite::NoExpand(&to);
        let most = if all { usize::MAX } else { 1 };
        let found = matcher.find_iter(&value).take(most).count();
        if found.saturating_mul(to.len()) > MOST_LONG {
            return Err(too_long());
        }
        Ok(matcher
            .replacen(&value, usize::from(!all), literal)
            .into_owned())
    }
}

fn too_long() -> String {
    format!("this becomes more than {MOST_LONG} bytes long")
}

fn not_closed() -> String {
    "${ is not closed: there is no }; one with a blank in it needs quotes".to_owned()
}
