//! Patterns in `${x#pattern}` and its kin: `*` is anything, `?` any character,
//! and a backslash takes these two and itself as they are.

use regex_lite::Regex;

/// A pattern may not be longer: it is compiled.
const MOST_LONG: usize = 4096;

type Result<T> = std::result::Result<T, String>;

/// A token of a pattern.
enum Token {
    Anything,
    Any,
    Char(char),
}

fn tokens(pattern: &str) -> Result<Vec<Token>> {
    if pattern.len() > MOST_LONG {
        return Err(format!("a pattern has more than {MOST_LONG} bytes"));
    }
    let mut tokens = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Anything,
            '?' => Token::Any,
            '\\' => match chars.next() {
                // Those of the braces around must be escaped, too.
                Some(c @ ('*' | '?' | '\\' | '}' | '/')) => Token::Char(c),
                Some(c) => return Err(format!("\\{c} in a pattern means nothing")),
                None => return Err("a pattern ends with \\".to_owned()),
            },
            c => Token::Char(c),
        });
    }
    Ok(tokens)
}

fn compile(tokens: &[Token], longest: bool, from_start: bool) -> Result<Regex> {
    let mut text = String::new();
    if from_start {
        text.push('^');
    }
    for token in tokens {
        match token {
            Token::Anything if longest => text.push_str(".*"),
            Token::Anything => text.push_str(".*?"),
            Token::Any => text.push('.'),
            Token::Char(c) => text.push_str(&regex_lite::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    Regex::new(&text).map_err(|_| "a pattern is too large".to_owned())
}

/// Cuts off what matches at one end.
pub(super) struct Trim {
    tokens: Vec<Token>,
    at_end: bool,
    longest: bool,
}

impl Trim {
    pub(super) fn new(pattern: &str, at_end: bool, longest: bool) -> Result<Self> {
        let mut tokens = tokens(pattern)?;
        // Searching goes from left to right: for the end, all is turned round.
        if at_end {
            tokens.reverse();
        }
        Ok(Self {
            tokens,
            at_end,
            longest,
        })
    }

    pub(super) fn apply(&self, value: &str) -> Result<String> {
        let regex = compile(&self.tokens, self.longest, true)?;
        let cut = |value: &str| match regex.find(value) {
            Some(found) => value[found.end()..].to_owned(),
            None => value.to_owned(),
        };
        if !self.at_end {
            return Ok(cut(value));
        }
        let turned: String = value.chars().rev().collect();
        Ok(cut(&turned).chars().rev().collect())
    }
}

/// What is looked for anywhere in a value.
pub(super) struct Search(Vec<Token>);

impl Search {
    pub(super) fn new(pattern: &str) -> Result<Self> {
        tokens(pattern).map(Self)
    }

    pub(super) fn regex(&self) -> Result<Regex> {
        compile(&self.0, true, false)
    }
}
