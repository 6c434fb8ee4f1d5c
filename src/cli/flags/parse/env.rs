//! Variables: `-e NAME=value`, `-e NAME`, and files of them.
//!
//! A file is lines, and not a shell script: quotes, `$` and blanks at the end
//! are part of a value, as in Docker.

use crate::error::{Error, Result};

/// A variable of rcon's own environment.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads one `--env`. A name alone has the value it has for rcon itself; if
/// it has none, the container shall have none either.
pub fn parse(text: &str, lookup: Lookup<'_>) -> Result<String> {
    check(text)?;
    if text.contains('=') {
        return Ok(text.to_owned());
    }
    let value = lookup(text);
    Ok(value.map_or_else(|| text.to_owned(), |value| format!("{text}={value}")))
}

/// Whether this can be a variable at all.
pub fn check(text: &str) -> Result<()> {
    if text.is_empty() || text.starts_with('=') || text.contains('\0') {
        return Err(
            Error::user(format!("invalid environment variable: {text:?}"))
                .hint("NAME=value, or NAME alone to hand rcon's own on"),
        );
    }
    Ok(())
}

/// Reads a file for `--env-file`. A name alone that rcon does not have is
/// left out.
pub fn parse_file(text: &str, lookup: Lookup<'_>) -> Result<Vec<String>> {
    let entry = |(name, value): (&str, Option<&str>)| match value {
        Some(value) => Some(format!("{name}={value}")),
        None => lookup(name).map(|value| format!("{name}={value}")),
    };
    let pairs = lines(text, "variable")?;
    Ok(pairs.into_iter().filter_map(entry).collect())
}

/// Reads a file for `--label-file`. A name alone is a label without a value.
pub fn parse_labels(text: &str) -> Result<Vec<(String, String)>> {
    let own =
        |(name, value): (&str, Option<&str>)| (name.to_owned(), value.unwrap_or("").to_owned());
    Ok(lines(text, "label")?.into_iter().map(own).collect())
}

/// Names and values; empty lines and those that begin with `#` are not.
fn lines<'t>(text: &'t str, what: &str) -> Result<Vec<(&'t str, Option<&'t str>)>> {
    // Some editors begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut all = Vec::new();
    for (n, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let pair = pair(line).map_err(|why| {
            Error::user(format!("line {}: {what} {why}: {line:?}", n + 1))
                .hint("lines are NAME=value, NAME, or comments that begin with #")
        });
        all.push(pair?);
    }
    Ok(all)
}

fn pair(line: &str) -> std::result::Result<(&str, Option<&str>), &'static str> {
    let (name, value) = match line.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (line, None),
    };
    if name.is_empty() {
        return Err("without a name");
    }
    if name.contains(char::is_whitespace) {
        return Err("has a blank in its name");
    }
    if line.contains('\0') {
        return Err("has a zero byte");
    }
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        (name == "HOME").then(|| "/home/me".to_owned())
    }

    #[test]
    fn one_variable() {
        for (text, want) in [
            ("A=b", "A=b"),
            ("A=", "A="),
            ("A=b=c d", "A=b=c d"),
            ("HOME", "HOME=/home/me"),
            ("NOWHERE", "NOWHERE"),
        ] {
            assert_eq!(parse(text, &lookup).unwrap(), want);
        }
        for text in ["", "=", "=x", "A\0=b"] {
            let e = parse(text, &lookup).unwrap_err().to_string();
            assert!(e.starts_with("invalid environment variable"), "{e}");
        }
    }

    #[test]
    fn a_file_is_no_script() {
        let text =
            "\u{feff}A=1\n\n# comment\n  B= \"two\" $HOME # no comment \nHOME\nNOWHERE\nC=\r\nD=x";
        let want = [
            "A=1",
            "B= \"two\" $HOME # no comment ",
            "HOME=/home/me",
            "C=",
            "D=x",
        ];
        assert_eq!(parse_file(text, &lookup).unwrap(), want);
        assert_eq!(parse_file("", &lookup).unwrap(), [""; 0]);
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, why) in [
            ("A=1\n=x", "line 2: variable without a name: \"=x\""),
            ("\nA B=1", "line 2: variable has a blank in its name"),
            ("export A=1", "line 1: variable has a blank"),
            ("A =1", "has a blank"),
            ("HOME ", "has a blank"),
            ("A=\0", "zero byte"),
        ] {
            let e = parse_file(text, &lookup).unwrap_err().to_string();
            assert!(e.contains(why), "{text:?}: {e}");
        }
    }

    #[test]
    fn labels_from_a_file() {
        let own = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
        let want = [("a", "b c"), ("HOME", ""), ("x.y", "=")].map(own);
        assert_eq!(parse_labels("a=b c\n#z=1\nHOME\nx.y==\n").unwrap(), want);
        assert!(parse_labels("a b=c").is_err());
    }
}
