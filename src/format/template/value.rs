//! Values on their way through a template, and their text as Go prints it.

use std::fmt::{self, Write};
use std::rc::Rc;

use serde_json::Value;

use crate::format::{number, safe};

/// As much text as one value or one rendering may have.
const MAX_TEXT: usize = 16 << 20;

pub(super) const TOO_LONG: &str = "this makes more than 16 MiB of text";

/// A value, and where it comes from.
#[derive(Debug, Clone)]
pub(super) enum Val<'d> {
    /// There is no such thing: a key that a map does not have.
    Missing,
    /// A part of the data, whose text may need to be escaped.
    Data(&'d Value),
    /// Made by the template itself.
    Made(Rc<Value>),
}

impl Val<'_> {
    pub(super) fn made(value: impl Into<Value>) -> Self {
        Self::Made(Rc::new(value.into()))
    }

    pub(super) fn json(&self) -> &Value {
        match self {
            Self::Missing => &Value::Null,
            Self::Data(value) => value,
            Self::Made(value) => value,
        }
    }

    /// Go's truth: whatever is empty is false.
    pub(super) fn truth(&self) -> bool {
        match self.json() {
            Value::Null => false,
            Value::Bool(value) => *value,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            Value::Object(map) => !map.is_empty(),
        }
    }

    /// A member of this value: of the same origin.
    pub(super) fn member(&self, get: impl Fn(&Value) -> Option<&Value>) -> Self {
        match self {
            Self::Missing => Self::Missing,
            Self::Data(value) => get(value).map_or(Self::Missing, Self::Data),
            Self::Made(value) => {
                get(value).map_or(Self::Missing, |found| Self::made(found.clone()))
            }
        }
    }

    /// Whether text from here is to be escaped, if escaping is on.
    pub(super) fn is_data(&self) -> bool {
        matches!(self, Self::Data(_))
    }

    /// What it costs to handle this value once.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Data(Value::String(text)) => 1 + text.len() / 16,
            Self::Missing | Self::Data(_) => 1,
            Self::Made(value) => weight(value),
        }
    }
}

fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len() / 16,
        Value::Array(list) => 1 + list.iter().map(weight).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(weight).sum::<usize>(),
        _ => 1,
    }
}

/// Text that stops growing before it hurts.
#[derive(Debug, Default)]
pub(super) struct Bounded(pub(super) String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > MAX_TEXT {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// A value as Go's `%v` shows it: `[a b]`, `map[k:v]`, `<nil>`; text as it is.
pub fn text(value: &Value) -> String {
    let mut out = String::new();
    // A String takes everything.
    let _ = write(&mut out, value, false);
    out
}

/// Writes a value as `%v` does; `escape` makes its text safe for a terminal.
pub(super) fn write(out: &mut impl Write, value: &Value, escape: bool) -> fmt::Result {
    match value {
        Value::Null => out.write_str("<nil>"),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Number(number) => out.write_str(&number_text(number)),
        Value::String(text) => write_str(out, text, escape),
        Value::Array(list) => {
            out.write_char('[')?;
            for (i, item) in list.iter().enumerate() {
                out.write_str(if i == 0 { "" } else { " " })?;
                write(out, item, escape)?;
            }
            out.write_char(']')
        }
        Value::Object(map) => {
            out.write_str("map[")?;
            for (i, (key, item)) in sorted(map).into_iter().enumerate() {
                out.write_str(if i == 0 { "" } else { " " })?;
                write_str(out, key, escape)?;
                out.write_char(':')?;
                write(out, item, escape)?;
            }
            out.write_char(']')
        }
    }
}

fn write_str(out: &mut impl Write, text: &str, escape: bool) -> fmt::Result {
    if escape {
        out.write_str(&safe::escaped(text))
    } else {
        out.write_str(text)
    }
}

/// A map in the order of its keys, as Go walks it.
pub(super) fn sorted(map: &serde_json::Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    entries
}

pub(super) fn number_text(number: &serde_json::Number) -> String {
    match (number.is_f64(), number.as_f64()) {
        (true, Some(float)) => number::shortest(float),
        _ => number.to_string(),
    }
}

/// A whole number, of either sign.
pub(super) fn integer(value: &Value) -> Option<i128> {
    let number = value.as_number()?;
    let signed = number.as_i64().map(i128::from);
    signed.or_else(|| number.as_u64().map(i128::from))
}

/// The name Go has for the type of a value.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    }
}
