//! A vendor's file in YAML, as the JSON that it could as well be. Pure.
//!
//! What such files have no use for is refused: anchors, with which a short
//! text can be one without end, and tags.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Map, Number, Value};

use crate::error::{Error, Result};

/// Nothing that is meant is nested deeper.
const DEEPEST: usize = 64;

/// Reads a text with one document.
pub(super) fn parse(text: &str) -> Result<Value> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        line: 1,
    };
    let value = reader.document();
    value.map_err(|e| e.context(format!("line {}", reader.line)))
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// Of what was read last.
    line: usize,
}

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<Value> {
        loop {
            match self.next()? {
                Event::StreamStart | Event::DocumentStart(_) => {}
                Event::StreamEnd => return Err(Error::user("there is nothing in it")),
                first => {
                    let value = self.value(first, 0)?;
                    return self.end().map(|()| value);
                }
            }
        }
    }

    fn end(&mut self) -> Result<()> {
        loop {
            match self.next()? {
                Event::StreamEnd => return Ok(()),
                Event::DocumentEnd => {}
                _ => return Err(Error::user("there is a second document in it")),
            }
        }
    }

    fn next(&mut self) -> Result<Event<'t>> {
        let next: Option<std::result::Result<(Event<'t>, Span), ScanError>> =
            self.parser.next_event();
        match next {
            Some(Ok((event, span))) => {
                self.line = span.start.line();
                Ok(event)
            }
            Some(Err(e)) => {
                self.line = e.marker().line();
                Err(Error::user(e.info().to_owned()))
            }
            None => Ok(Event::StreamEnd),
        }
    }

    /// The value that begins with `event`.
    fn value(&mut self, event: Event<'t>, depth: usize) -> Result<Value> {
        if depth > DEEPEST {
            return Err(Error::user("it is nested too deep"));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                plain_thing(anchor, tag.as_ref())?;
                Ok(scalar(text, style))
            }
            Event::SequenceStart(anchor, tag) => {
                plain_thing(anchor, tag.as_ref())?;
                self.list(depth)
            }
            Event::MappingStart(anchor, tag) => {
                plain_thing(anchor, tag.as_ref())?;
                self.map(depth)
            }
            Event::Alias(_) => Err(unread("an alias")),
            other => Err(Error::internal(format!("{other:?} is no value"))),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Value::Array(list)),
                event => list.push(self.value(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value> {
        let mut map = Map::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(Value::Object(map)),
                Event::Scalar(text, _, 0, None) => text.into_owned(),
                _ => return Err(unread("a key that is more than a word")),
            };
            let event = self.next()?;
            let value = self.value(event, depth + 1)?;
            if map.insert(key.clone(), value).is_some() {
                return Err(Error::user(format!("{key:?} stands there twice")));
            }
            // A name with nothing behind it says nothing.
            if map[&key].is_null() {
                map.remove(&key);
            }
        }
    }
}

fn plain_thing(anchor: usize, tag: Option<&Cow<'_, Tag>>) -> Result<()> {
    match (anchor, tag) {
        (0, None) => Ok(()),
        (0, Some(tag)) => Err(unread(&format!("the tag {}{}", tag.handle, tag.suffix))),
        _ => Err(unread("an anchor")),
    }
}

fn unread(what: &str) -> Error {
    Error::user(format!("{what} is not read here")).hint("write out what is meant")
}

/// What stands in quotes is text; a bare word may be something else.
fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.into_owned());
    }
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        word => number(word).map_or_else(|| Value::String(word.to_owned()), Value::Number),
    }
}

/// Whole numbers, which are all that such files have. Those with a leading zero
/// are octal to the tools that write these files.
fn number(word: &str) -> Option<Number> {
    let (digits, base) = if let Some(digits) = word.strip_prefix("0x") {
        (digits, 16)
    } else if let Some(digits) = word.strip_prefix("0o") {
        (digits, 8)
    } else if word.len() > 1 && word.starts_with('0') {
        (&word[1..], 8)
    } else {
        return word.parse::<i64>().ok().map(Number::from);
    };
    let is_digit = |c: char| c.is_digit(base);
    if digits.is_empty() || !digits.chars().all(is_digit) {
        return None;
    }
    i64::from_str_radix(digits, base).ok().map(Number::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_vendors_write() {
        let text = "---
# made by a tool
cdiVersion: 0.5.0
kind: example.com/thing
devices:
- name: \"0\"
  containerEdits:
    deviceNodes:
    - path: /dev/thing
      major: 7
      fileMode: 0o666
      permissions: rw
- {name: all, containerEdits: {env: [A=1, 'B: 2']}}
containerEdits:
  mounts: []
  hooks: ~
";
        let want = json!({
            "cdiVersion": "0.5.0",
            "kind": "example.com/thing",
            "devices": [
                { "name": "0", "containerEdits": { "deviceNodes": [{
                    "path": "/dev/thing", "major": 7, "fileMode": 0o666, "permissions": "rw",
                }] } },
                { "name": "all", "containerEdits": { "env": ["A=1", "B: 2"] } },
            ],
            "containerEdits": { "mounts": [] },
        });
        assert_eq!(parse(text).unwrap(), want);
        // JSON is YAML as well.
        assert_eq!(parse(&want.to_string()).unwrap(), want);
    }

    #[test]
    fn words_that_are_more_than_text() {
        for (word, want) in [
            ("438", json!(438)),
            ("-1", json!(-1)),
            ("0666", json!(0o666)),
            ("0x1b", json!(27)),
            ("0", json!(0)),
            ("09", json!("09")),
            ("0x", json!("0x")),
            ("1.0", json!("1.0")),
            ("true", json!(true)),
            ("yes", json!("yes")),
            ("'12'", json!("12")),
            ("99999999999999999999", json!("99999999999999999999")),
        ] {
            assert_eq!(parse(&format!("k: {word}")).unwrap()["k"], want, "{word}");
        }
    }

    #[test]
    fn what_is_not_meant_is_refused_with_its_line() {
        let deep = format!("k: {}", "[".repeat(100));
        for (text, line, why) in [
            ("", 1, "nothing in it"),
            ("a: 1\nb: &x 2\n", 2, "an anchor"),
            ("a: 1\nb: !!set {}\n", 2, "the tag"),
            ("a: 1\na: 2\n", 2, "twice"),
            ("a: 1\n---\nb: 2\n", 2, "second document"),
            ("a: 1\nb: 'x\n", 2, ""),
            ("? [a]\n: 1\n", 1, "more than a word"),
            (&deep, 1, "too deep"),
        ] {
            let e = parse(text).unwrap_err().to_string();
            assert!(e.contains(why), "{text:?}: {e}");
            let e = e.strip_prefix("line ").unwrap_or_else(|| panic!("{e}"));
            let at: usize = e.split(':').next().unwrap().parse().unwrap();
            assert!(at >= line, "{text:?}: line {e}");
        }
    }
}
