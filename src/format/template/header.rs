//! The titles of a table: the template is rendered once with titles in place
//! of values, and what it would do to a value must not hurt a title.

use serde_json::Value;

use super::Options;
use super::value::Val;

/// The title of a field: the given one, or the field's own name.
pub(super) fn field<'d>(value: &Val<'d>, name: &str) -> Val<'d> {
    match value.json().get(name) {
        Some(_) => value.member(|map| map.get(name)),
        None => Val::made(title(name)),
    }
}

/// `CreatedAt` is `CREATED AT`, and `ImageID` is `IMAGE ID`.
fn title(name: &str) -> String {
    let mut out = String::new();
    let mut after_small = false;
    for c in name.chars() {
        if c.is_uppercase() && after_small {
            out.push(' ');
        }
        after_small = c.is_lowercase() || c.is_numeric();
        out.extend(c.to_uppercase());
    }
    out
}

/// Functions that leave a title as it is.
pub(super) fn keeps_title(function: &str) -> bool {
    matches!(
        function,
        "json" | "split" | "join" | "title" | "lower" | "upper" | "truncate" | "slice" | "index"
    )
}

/// `.Label "name"`: a row's `Labels`, be they an object or `k=v,k=v`. The
/// title is the last part of the label's name, as words.
pub(super) fn label<'d>(
    row: &Val<'d>,
    args: &[Val<'d>],
    options: Options,
) -> Result<Val<'d>, String> {
    let [Value::String(name)] = args.iter().map(Val::json).collect::<Vec<_>>()[..] else {
        return Err("Label wants one argument, the label's name".to_owned());
    };
    if options.header {
        let last = name.rsplit('.').next().unwrap_or(name);
        return Ok(Val::made(last.replace(['-', '_'], " ")));
    }
    match row.json().get("Labels") {
        Some(Value::Object(map)) if map.contains_key(name) => {
            Ok(row.member(|row| row.get("Labels")?.get(name)))
        }
        Some(Value::Object(_) | Value::Null) => Ok(Val::made("")),
        Some(Value::String(labels)) => Ok(listed(labels, name, options)),
        _ => Err("there are no labels here".to_owned()),
    }
}

fn listed<'d>(labels: &str, name: &str, options: Options) -> Val<'d> {
    let mut entries = labels.split(',').filter_map(|entry| entry.split_once('='));
    let value = entries.find(|(key, _)| *key == name).map_or("", |(_, v)| v);
    if options.escape {
        Val::made(crate::format::escaped(value).into_owned())
    } else {
        Val::made(value)
    }
}
