//! How an instruction's text is cut: into words, flags, and lists in JSON.
//! Quotes, escapes and variables stay in the words; only flags lose their
//! quotes here, as with Docker.

use serde_json::Value;

use super::diagnostic::Diagnostic;
use super::span::{Span, Word};
use super::text::Part;

/// Blanks between words where quotes do not count.
const BLANKS: [char; 5] = [' ', '\t', '\r', '\x0b', '\x0c'];

/// The first word and what is behind it.
pub(super) fn first(part: Part<'_>) -> (Part<'_>, Part<'_>) {
    let text = part.text();
    let end = text.find(BLANKS).unwrap_or(text.len());
    (part.within(0..end), part.from(end).trim())
}

/// Words between blanks, whatever quotes there are.
pub(super) fn plain(part: Part<'_>) -> Vec<Part<'_>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in part.text().char_indices() {
        if BLANKS.contains(&c) {
            words.extend(start.take().map(|start| part.within(start..at)));
        } else {
            start.get_or_insert(at);
        }
    }
    words.extend(start.map(|start| part.from(start)));
    words
}

/// Words between blanks that are neither quoted nor escaped.
pub(super) fn quoted(part: Part<'_>, escape: char) -> Vec<Part<'_>> {
    let mut words = Vec::new();
    let (mut start, mut quote) = (None, None);
    let mut chars = part.text().char_indices();
    while let Some((at, c)) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            words.extend(start.take().map(|start| part.within(start..at)));
            continue;
        }
        start.get_or_insert(at);
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '\'' || c == '"' => quote = Some(c),
            _ if c == escape && quote != Some('\'') => drop(chars.next()),
            _ => {}
        }
    }
    words.extend(start.map(|start| part.from(start)));
    words
}

/// `--name` or `--name=value` in front of an instruction's arguments.
#[derive(Debug, Clone)]
pub(super) struct Flag {
    pub(super) name: String,
    /// Without the quotes and escapes of the line, of which it may have some
    /// of its own.
    pub(super) value: Option<Word>,
    pub(super) span: Span,
}

/// The flags, and what is behind them.
pub(super) fn flags(part: Part<'_>, escape: char) -> (Vec<Flag>, Part<'_>) {
    let mut flags = Vec::new();
    let mut rest = part.trim();
    while rest.text().starts_with("--") {
        let (raw, text, after) = unquoted(rest, escape);
        rest = after;
        if text == "--" {
            break;
        }
        flags.push(flag(raw, &text));
    }
    (flags, rest)
}

fn flag(raw: Part<'_>, text: &str) -> Flag {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let at = raw.split_once('=').map_or(raw, |(_, value)| value);
    Flag {
        name: name.trim_start_matches("--").to_owned(),
        value: value.map(|text| Word {
            text: text.to_owned(),
            span: at.span(),
        }),
        span: raw.span(),
    }
}

/// A word as it stands, the same without its quotes, and what is behind it.
fn unquoted(part: Part<'_>, escape: char) -> (Part<'_>, String, Part<'_>) {
    let mut out = String::new();
    let mut quote = None;
    let mut chars = part.text().char_indices();
    while let Some((at, c)) = chars.next() {
        match quote {
            None if c.is_whitespace() => {
                return (part.within(0..at), out, part.from(at).trim());
            }
            Some(open) if c == open => quote = None,
            None if c == '\'' || c == '"' => quote = Some(c),
            _ if c == escape => out.extend(chars.next().map(|(_, c)| c)),
            _ => out.push(c),
        }
    }
    (part, out, part.from(part.text().len()))
}

/// A list of strings in JSON. `None`: it is something else, and will be taken
/// for plain text.
pub(super) fn json(part: Part<'_>) -> Result<Option<Vec<Word>>, Diagnostic> {
    let part = part.trim();
    if !part.text().starts_with('[') {
        return Ok(None);
    }
    let Ok(list) = serde_json::from_str::<Vec<Value>>(part.text()) else {
        return Ok(None);
    };
    let strings: Option<Vec<String>> = list.into_iter().map(string).collect();
    let strings = strings.ok_or_else(|| {
        Diagnostic::new(part.span(), "a list in JSON may only hold strings")
            .hint("put every word into double quotes")
    })?;
    let words = strings.into_iter().zip(string_places(part));
    Ok(Some(
        words
            .map(|(text, at)| Word {
                text,
                span: at.span(),
            })
            .collect(),
    ))
}

fn string(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// Where the strings of a list stand that is known to hold nothing else.
fn string_places(part: Part<'_>) -> Vec<Part<'_>> {
    let mut places = Vec::new();
    let mut open = None;
    let mut chars = part.text().char_indices();
    while let Some((at, c)) = chars.next() {
        match (c, open) {
            ('\\', Some(_)) => drop(chars.next()),
            ('"', Some(start)) => {
                places.push(part.within(start..at + 1));
                open = None;
            }
            ('"', None) => open = Some(at),
            _ => {}
        }
    }
    places
}

/// The same where a shell would take what is none: a test, which also is in
/// brackets, has a blank behind the first, and no commas.
pub(super) fn looks_like_json_of_words(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('[') else {
        return false;
    };
    let all = inside.trim_start();
    let first = all.split(BLANKS).next().unwrap_or_default();
    let whole = text.trim_end().ends_with(']');
    let glued = all.len() == inside.len() && !inside.starts_with('[');
    first.ends_with(',') && (glued || whole) || glued && whole && inside.len() > 1
}

/// Whether this was most likely to be a list in JSON, but is none.
pub(super) fn looks_like_json(text: &str) -> bool {
    // `[ -f x ] && y` is a command.
    let inside = text.strip_prefix('[').map(str::trim_start);
    let ends = text.trim_end().ends_with(']');
    ends && inside.is_some_and(|inside| inside.starts_with(['\'', '"', '\u{201c}']))
}
