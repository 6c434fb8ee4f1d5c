//! `key=value,key=value`, where a field in quotes may hold a comma.
//!
//! As in RFC 4180: a quote opens at the beginning of a field, and a doubled
//! one inside is one quote.

use crate::error::{Error, Result};
use crate::format::switch;

/// The fields, without their quotes.
pub fn fields(text: &str) -> Result<Vec<String>> {
    let bad = |why: &str| {
        Error::user(format!("{text:?}: {why}"))
            .hint("fields are divided by commas; quote a whole field that has a comma in it")
    };
    let (mut all, mut rest) = (Vec::new(), text);
    loop {
        let (field, after) = if let Some(inner) = rest.strip_prefix('"') {
            quoted(inner).ok_or_else(|| bad("a quote is not closed"))?
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            (rest[..end].to_owned(), &rest[end..])
        };
        if !rest.starts_with('"') && field.contains('"') {
            return Err(bad("a quote inside a field"));
        }
        all.push(field);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None if after.is_empty() => return Ok(all),
            None => return Err(bad("text behind a closing quote")),
        }
    }
}

/// Up to the closing quote, and what is behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, rest)),
        }
    }
}

/// A field's key, in small letters as nobody cares, and its value if it has one.
pub fn key_value(field: &str) -> (String, Option<&str>) {
    let (key, value) = match field.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (field, None),
    };
    (key.to_ascii_lowercase(), value)
}

/// What a field that is there or not says: `ro`, `ro=true`, `ro=0`.
pub fn truth(key: &str, value: Option<&str>) -> Result<bool> {
    let Some(value) = value else { return Ok(true) };
    switch::parse(value).ok_or_else(|| {
        Error::user(format!("invalid value for {key}: {value:?}")).hint("true or false")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_quotes() {
        for (text, want) in [
            ("", &[""][..]),
            ("a", &["a"]),
            ("a,b=c", &["a", "b=c"]),
            ("a,,b,", &["a", "", "b", ""]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("\"a\"\"b\"", &["a\"b"]),
            ("\"\",x", &["", "x"]),
        ] {
            assert_eq!(fields(text).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn quotes_that_do_not_match() {
        for (text, why) in [
            ("\"a", "not closed"),
            ("\"a\"\"", "not closed"),
            ("a\"b", "inside a field"),
            ("\"a\"b", "behind a closing quote"),
        ] {
            let e = fields(text).unwrap_err().to_string();
            assert!(e.contains(why), "{text:?}: {e}");
        }
    }

    #[test]
    fn truths() {
        assert!(truth("ro", None).unwrap());
        assert!(truth("ro", Some("true")).unwrap());
        assert!(!truth("ro", Some("0")).unwrap());
        let e = truth("ro", Some("yes")).unwrap_err().to_string();
        assert_eq!(e, "invalid value for ro: \"yes\" (true or false)");
    }
}
