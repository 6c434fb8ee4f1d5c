//! What a template can call. Comparisons are in `operators`.
//!
//! A function takes values and gives one, or says in a few words what it
//! cannot do; the walk adds where. `and` and `or` are the walk's own, since
//! they do not look at all their arguments.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use super::value::{self, Bounded, TOO_LONG, Val};
use super::{Options, header, operators, printf};
use crate::format::{json, safe};

/// Parts that `split` may make of a text.
const MAX_PARTS: usize = 1_000_000;

/// What a function gives, or why it cannot.
pub(super) type Outcome<'d> = Result<Val<'d>, String>;

/// The functions, and how many arguments each takes.
const TABLE: &[(&str, usize, usize)] = &[
    ("and", 1, usize::MAX),
    ("eq", 1, usize::MAX),
    ("ge", 2, 2),
    ("gt", 2, 2),
    ("index", 1, usize::MAX),
    ("join", 2, 2),
    ("json", 1, 1),
    ("le", 2, 2),
    ("len", 1, 1),
    ("lower", 1, 1),
    ("lt", 2, 2),
    ("ne", 2, 2),
    ("not", 1, 1),
    ("or", 1, usize::MAX),
    ("pad", 3, 3),
    ("print", 0, usize::MAX),
    ("printf", 1, usize::MAX),
    ("println", 0, usize::MAX),
    ("slice", 1, 4),
    ("split", 2, 2),
    ("title", 1, 1),
    ("truncate", 2, 2),
    ("upper", 1, 1),
];

pub(super) fn exists(name: &str) -> bool {
    TABLE.iter().any(|(known, ..)| *known == name)
}

/// Whether a function takes so many arguments.
pub(super) fn check_count(name: &str, given: usize) -> Result<(), String> {
    let Some((_, least, most)) = TABLE.iter().find(|(known, ..)| *known == name) else {
        return Err(format!("function {name:?} not defined"));
    };
    if (*least..=*most).contains(&given) {
        return Ok(());
    }
    let at_least = if least == most { "" } else { "at least " };
    let want = if given > *most { most } else { least };
    let at_least = if given > *most && least != most {
        "at most "
    } else {
        at_least
    };
    Err(format!(
        "wrong number of args for {name}: want {at_least}{want} got {given}"
    ))
}

/// Calls a function with as many arguments as [`check_count`] allowed.
pub(super) fn call<'d>(name: &str, args: &[Val<'d>], options: Options) -> Outcome<'d> {
    let call = Call { args, options };
    if options.header && header::keeps_title(name) && args[0].json().is_string() {
        return Ok(args[0].clone());
    }
    match name {
        "json" => Ok(Val::made(json::compact(args[0].json()))),
        "upper" => Ok(Val::made(call.text(0)?.to_uppercase())),
        "lower" => Ok(Val::made(call.text(0)?.to_lowercase())),
        "title" => Ok(Val::made(title(&call.text(0)?))),
        "split" => call.split(),
        "join" => call.join(),
        "pad" => call.pad(),
        "truncate" => call.truncate(),
        "print" => call.print(),
        "println" => call.println(),
        "printf" => call.printf(),
        "len" => len(args[0].json()),
        "index" => args[1..]
            .iter()
            .try_fold(args[0].clone(), |v, key| index(&v, key.json())),
        "slice" => call.slice(),
        "not" => Ok(Val::made(!args[0].truth())),
        _ => operators::compare(name, args, options),
    }
}

struct Call<'a, 'd> {
    args: &'a [Val<'d>],
    options: Options,
}

impl<'d> Call<'_, 'd> {
    fn escapes(&self, value: &Val<'_>) -> bool {
        self.options.escape && value.is_data()
    }

    /// An argument that is text, or a number or truth value to be shown.
    fn text(&self, at: usize) -> Result<String, String> {
        let value = &self.args[at];
        match value.json() {
            Value::Null => Err("expected string; found nil".to_owned()),
            Value::Array(_) | Value::Object(_) => Err(format!(
                "expected string; found a {}",
                value::type_name(value.json())
            )),
            scalar => {
                let text = value::text(scalar);
                Ok(if self.escapes(value) {
                    safe::escaped(&text).into_owned()
                } else {
                    text
                })
            }
        }
    }

    /// An argument that counts something.
    fn count(&self, at: usize) -> Result<usize, String> {
        let value = self.args[at].json();
        let number = value::integer(value)
            .ok_or_else(|| format!("expected integer; found {}", value::text(value)))?;
        usize::try_from(number).map_err(|_| format!("{number} is below zero"))
    }

    fn split(&self) -> Outcome<'d> {
        let (text, by) = (self.text(0)?, self.text(1)?);
        let parts: Vec<Value> = if by.is_empty() {
            text.chars()
                .take(MAX_PARTS + 1)
                .map(|c| Value::from(c.to_string()))
                .collect()
        } else {
            text.split(&by)
                .take(MAX_PARTS + 1)
                .map(Value::from)
                .collect()
        };
        if parts.len() > MAX_PARTS {
            return Err("these are more than a million parts".to_owned());
        }
        Ok(Val::made(parts))
    }

    fn join(&self) -> Outcome<'d> {
        let by = self.text(1)?;
        let list = match self.args[0].json() {
            Value::Array(list) => list.as_slice(),
            Value::Null => &[],
            other => return Err(format!("expected a list; found {}", value::text(other))),
        };
        let escape = self.escapes(&self.args[0]);
        bounded(|out| {
            for (i, item) in list.iter().enumerate() {
                out.write_str(if i == 0 { "" } else { &by })?;
                value::write(out, item, escape)?;
            }
            Ok(())
        })
    }

    fn pad(&self) -> Outcome<'d> {
        let text = self.text(0)?;
        let (left, right) = (self.count(1)?, self.count(2)?);
        if text.is_empty() {
            return Ok(Val::made(""));
        }
        bounded(|out| write!(out, "{}{text}{}", spaces(left)?, spaces(right)?))
    }

    /// The first characters; whole ones, unlike in Docker, which counts bytes.
    fn truncate(&self) -> Outcome<'d> {
        let count = self.count(1)?;
        Ok(Val::made(
            self.text(0)?.chars().take(count).collect::<String>(),
        ))
    }

    /// A space only between two that are both no text.
    fn print(&self) -> Outcome<'d> {
        let is_text = |at: usize| self.args[at].json().is_string();
        bounded(|out| {
            for (i, arg) in self.args.iter().enumerate() {
                if i > 0 && !is_text(i) && !is_text(i - 1) {
                    out.write_char(' ')?;
                }
                value::write(out, arg.json(), self.escapes(arg))?;
            }
            Ok(())
        })
    }

    fn println(&self) -> Outcome<'d> {
        bounded(|out| {
            for (i, arg) in self.args.iter().enumerate() {
                out.write_str(if i == 0 { "" } else { " " })?;
                value::write(out, arg.json(), self.escapes(arg))?;
            }
            out.write_char('\n')
        })
    }

    fn printf(&self) -> Outcome<'d> {
        let Value::String(format) = self.args[0].json() else {
            let found = value::text(self.args[0].json());
            return Err(format!("expected string; found {found}"));
        };
        // A format from the data is data, too.
        let format = if self.escapes(&self.args[0]) {
            safe::escaped(format)
        } else {
            Cow::Borrowed(format.as_str())
        };
        bounded(|out| printf::printf(out, &format, &self.args[1..], self.options))
    }

    fn slice(&self) -> Outcome<'d> {
        let subject = self.args[0].json();
        let len = match subject {
            Value::String(text) => text.len(),
            Value::Array(list) => list.len(),
            Value::Null => return Err("slice of untyped nil".to_owned()),
            other => {
                return Err(format!(
                    "can't slice item of type {}",
                    value::type_name(other)
                ));
            }
        };
        if self.args.len() == 4 && subject.is_string() {
            return Err("cannot 3-index slice a string".to_owned());
        }
        let mut bounds = [0, len, len];
        for at in 1..self.args.len() {
            bounds[at - 1] = self.count(at)?;
            if bounds[at - 1] > len {
                return Err(format!("index out of range: {}", bounds[at - 1]));
            }
        }
        let [from, to, most] = bounds;
        if from > to || to > most {
            return Err(format!("invalid slice index: {from} > {to}"));
        }
        let escape = self.escapes(&self.args[0]);
        Ok(match subject {
            Value::String(text) => {
                let part = String::from_utf8_lossy(&text.as_bytes()[from..to]);
                Val::made(if escape {
                    safe::escaped(&part).into_owned()
                } else {
                    part.into_owned()
                })
            }
            Value::Array(list) => {
                let part = list[from..to].iter();
                Val::made(
                    part.map(|item| if escape { escaped(item) } else { item.clone() })
                        .collect::<Vec<_>>(),
                )
            }
            _ => Val::Missing,
        })
    }
}

/// A copy of data, safe for a terminal: nobody knows later where it is from.
fn escaped(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(safe::escaped(text).into_owned()),
        Value::Array(list) => list.iter().map(escaped).collect(),
        Value::Object(map) => {
            let entry =
                |(key, item): (&String, &Value)| (safe::escaped(key).into_owned(), escaped(item));
            Value::Object(map.iter().map(entry).collect())
        }
        other => other.clone(),
    }
}

/// Text that is given up when it gets too long.
fn bounded<'d>(write: impl FnOnce(&mut Bounded) -> std::fmt::Result) -> Outcome<'d> {
    let mut out = Bounded::default();
    write(&mut out).map_err(|_| TOO_LONG.to_owned())?;
    Ok(Val::made(out.0))
}

/// So many spaces, if they are not far too many.
pub(super) fn spaces(count: usize) -> Result<String, std::fmt::Error> {
    if count > 1 << 20 {
        return Err(std::fmt::Error);
    }
    Ok(" ".repeat(count))
}

/// The first letter of each word is made a capital.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut begins = true;
    for c in text.chars() {
        if begins {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
        begins = match c {
            _ if c.is_ascii() => !(c.is_ascii_alphanumeric() || c == '_'),
            _ => c.is_whitespace(),
        };
    }
    out
}

fn len<'d>(value: &Value) -> Outcome<'d> {
    let len = match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.len(),
        Value::Object(map) => map.len(),
        Value::Null => return Err("len of nil pointer".to_owned()),
        other => return Err(format!("len of type {}", value::type_name(other))),
    };
    Ok(Val::made(len as u64))
}

/// The value under a key. What a map does not have is an empty text: maps that
/// are looked into by key are labels and the like, whose values are texts.
fn index<'d>(value: &Val<'d>, key: &Value) -> Outcome<'d> {
    let len = match (value.json(), key) {
        (Value::Object(map), Value::String(key)) if !map.contains_key(key) => {
            return Ok(Val::made(""));
        }
        (Value::Object(_), Value::String(key)) => return Ok(value.member(|map| map.get(key))),
        (Value::Object(_), _) => {
            return Err(format!(
                "value has type {}; should be string",
                value::type_name(key)
            ));
        }
        (Value::Null, _) => return Err("index of nil pointer".to_owned()),
        (Value::Array(list), _) => list.len(),
        (Value::String(text), _) => text.len(),
        (other, _) => {
            return Err(format!(
                "can't index item of type {}",
                value::type_name(other)
            ));
        }
    };
    let Some(at) = value::integer(key) else {
        let kind = value::type_name(key);
        return Err(format!("cannot index slice/array with type {kind}"));
    };
    let Some(at) = usize::try_from(at).ok().filter(|at| *at < len) else {
        return Err(format!("index out of range: {at}"));
    };
    Ok(match value.json() {
        Value::String(text) => Val::made(text.as_bytes()[at]),
        _ => value.member(|list| list.get(at)),
    })
}
