//! What a `range` goes over.

use serde_json::Value;

use crate::format::escaped;
use crate::format::template::Options;
use crate::format::template::value::{Val, integer, sorted, text};

/// The turns of a `range`, made one at a time: a number may ask for many.
pub(super) struct Turns {
    at: usize,
    len: usize,
    /// A map's keys, in order.
    keys: Vec<String>,
    /// The keys are the data's and go to a terminal.
    escape: bool,
}

impl Turns {
    /// The turns over `value`, if it is something to be taken apart; `variables`
    /// are waiting for its parts.
    pub(super) fn new(value: &Val<'_>, variables: usize, options: Options) -> Result<Self, String> {
        let mut keys = Vec::new();
        let number = integer(value.json()).filter(|_| variables < 2);
        let len = match (value.json(), number) {
            (Value::Null, _) => 0,
            (Value::Array(list), _) => list.len(),
            (Value::Object(map), _) => {
                keys = sorted(map).iter().map(|(k, _)| (*k).clone()).collect();
                keys.len()
            }
            // A title stands for the list that a row would have.
            (Value::String(_), _) if options.header => 1,
            (_, Some(number)) => usize::try_from(number).unwrap_or(0),
            (other, None) => return Err(format!("range can't iterate over {}", text(other))),
        };
        let escape = options.escape && value.is_data();
        Ok(Self {
            at: 0,
            len,
            keys,
            escape,
        })
    }

    fn shown(&self, key: &str) -> String {
        if self.escape {
            escaped(key).into_owned()
        } else {
            key.to_owned()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The next key and item of `value`.
    pub(super) fn next<'d>(&mut self, value: &Val<'d>) -> Option<(Val<'d>, Val<'d>)> {
        let at = self.at;
        if at >= self.len {
            return None;
        }
        self.at += 1;
        let index = Val::made(at as u64);
        Some(match value.json() {
            Value::Array(_) => (index, value.member(|list| list.get(at))),
            Value::Object(_) => {
                let key = self.keys[at].as_str();
                (Val::made(self.shown(key)), value.member(|map| map.get(key)))
            }
            Value::String(_) => (value.clone(), value.clone()),
            _ => (index.clone(), index),
        })
    }
}
