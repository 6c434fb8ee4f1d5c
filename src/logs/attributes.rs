//! What is said of a container in each record of its log, for collectors that
//! see nothing but the file: `"attrs":{"tag":"web","stage":"test"}`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::container::LogConfig;
use crate::error::{Error, Result};
use crate::format::template::Template;

/// A reader takes no longer record, and each of them has this in it.
const LONGEST: usize = 64 * 1024;

/// What can be said of a container.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Its labels, for `labels`.
    pub labels: &'a BTreeMap<String, String>,
    /// Its variables, as `NAME=value`, for `env`.
    pub env: &'a [String],
    /// What a `tag` can have in it.
    pub fields: Value,
}

/// Attributes by name.
pub type Attributes = BTreeMap<String, String>;

/// Collects what the options ask for.
pub fn attributes(log: &LogConfig, of: &Subject<'_>) -> Result<Attributes> {
    let mut all = Attributes::new();
    for (option, text) in &log.options {
        match option.as_str() {
            "labels" => all.extend(names(text).filter_map(|name| {
                let value = of.labels.get(name)?;
                Some((name.to_owned(), value.clone()))
            })),
            "env" => all.extend(names(text).filter_map(|name| {
                let mut pairs = of.env.iter().filter_map(|e| e.split_once('='));
                let (_, value) = pairs.rfind(|(n, _)| *n == name)?;
                Some((name.to_owned(), value.to_owned()))
            })),
            "tag" if !text.is_empty() => {
                all.insert("tag".to_owned(), Template::parse(text)?.render(&of.fields)?);
            }
            _ => {}
        }
    }
    if encoded(&all).len() > LONGEST {
        return Err(Error::user(
            "what --log-opt asks for is too long to be in each record of the log",
        )
        .hint("name fewer or shorter labels and variables"));
    }
    Ok(all)
}

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|n| !n.is_empty())
}

/// As a part of a record; nothing, where there are none.
pub(super) fn encoded(all: &Attributes) -> String {
    if all.is_empty() {
        return String::new();
    }
    // A map of text is always JSON.
    let json = serde_json::to_string(all).unwrap_or_default();
    format!("\"attrs\":{json},")
}

/// As `rcon logs --details` shows them: `a=b,c=d`, so that it is one word.
pub(super) fn shown(attributes: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => word(text),
        other => word(&other.to_string()),
    };
    let pairs = attributes.as_object().into_iter().flatten();
    let pairs = pairs.map(|(name, value)| format!("{}={}", word(name), text(value)));
    pairs.collect::<Vec<_>>().join(",")
}

/// Without what would end a word or a pair, in the way of addresses of the web.
fn word(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else if byte == b' ' {
            out.push('+');
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(options: &[(&str, &str)]) -> Result<Attributes> {
        let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        let log = LogConfig {
            options: options.iter().map(owned).collect(),
            ..LogConfig::default()
        };
        let labels = [("stage", "test run"), ("long", &"x".repeat(LONGEST))];
        let env = ["A=1", "B=2", "A=3"].map(str::to_owned);
        attributes(
            &log,
            &Subject {
                labels: &labels.iter().map(owned).collect(),
                env: &env,
                fields: json!({"Name": "web"}),
            },
        )
    }

    #[test]
    fn what_is_asked_for_is_said() {
        let all = of(&[
            ("labels", "stage, none"),
            ("env", "A"),
            ("tag", "x/{{.Name}}"),
            ("max-size", "1m"),
        ]);
        let all = all.unwrap();
        assert_eq!(
            encoded(&all),
            r#""attrs":{"A":"3","stage":"test run","tag":"x/web"},"#
        );
        let value = serde_json::to_value(&all).unwrap();
        assert_eq!(shown(&value), "A=3,stage=test+run,tag=x%2Fweb");
        assert_eq!(encoded(&of(&[("labels", "none")]).unwrap()), "");
    }

    #[test]
    fn a_record_is_not_filled_with_them() {
        assert!(of(&[("labels", "long")]).is_err());
        assert!(of(&[("tag", "{{.Nothing}}")]).is_err());
    }
}
