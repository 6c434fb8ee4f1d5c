//! `--detach-keys`: `ctrl-p,ctrl-q`, `ctrl-@`, `a`.

use crate::error::{Error, Result};

/// What is typed to leave a container running: ctrl-p, then ctrl-q.
pub const USUAL: [u8; 2] = [16, 17];

/// The bytes a terminal sends for these keys. Nothing is the usual ones.
pub fn parse(text: &str) -> Result<Vec<u8>> {
    if text.is_empty() {
        return Ok(USUAL.to_vec());
    }
    // A comma may be one of the keys: only `,` between two is a separator.
    let keys = if text == "," {
        vec![","]
    } else {
        text.split(',').collect()
    };
    keys.into_iter()
        .map(|key| {
            byte(key).ok_or_else(|| {
                Error::user(format!(
                    "invalid detach keys {text:?}: unknown character: '{key}'"
                ))
                .hint("letters, or ctrl- and one of a-z @ [ \\ ] ^ _, divided by commas")
            })
        })
        .collect()
}

fn byte(key: &str) -> Option<u8> {
    let lower = key.to_ascii_lowercase();
    if lower == "del" {
        return Some(127);
    }
    if let Some(name) = lower.strip_prefix("ctrl-") {
        let code = single(name)?;
        // Control takes a letter's upper bits away.
        return match code {
            b'a'..=b'z' => Some(code - b'a' + 1),
            b'@' | b'['..=b'_' => Some(code - b'@'),
            _ => None,
        };
    }
    single(key)
}

fn single(text: &str) -> Option<u8> {
    let [byte] = text.as_bytes() else {
        return None;
    };
    (byte.is_ascii_graphic() || *byte == b' ').then_some(*byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bytes() {
        for (text, want) in [
            ("", &[16, 17][..]),
            ("ctrl-p,ctrl-q", &[16, 17]),
            ("ctrl-a", &[1]),
            ("Ctrl-Z", &[26]),
            ("ctrl-@", &[0]),
            ("ctrl-[", &[27]),
            ("ctrl-\\", &[28]),
            ("ctrl-]", &[29]),
            ("ctrl-^", &[30]),
            ("ctrl-_", &[31]),
            ("a", b"a"),
            ("A,b", b"Ab"),
            (",", b","),
            ("DEL", &[127]),
        ] {
            assert_eq!(parse(text).unwrap(), want, "{text}");
        }
        assert_eq!(USUAL.to_vec(), parse("ctrl-p,ctrl-q").unwrap());
    }

    #[test]
    fn what_is_no_key() {
        for text in [
            "ctrl-", "ctrl-1", "ctrl-ab", "alt-x", "ab", "a,", ",a", "ä", "\u{1b}", "^P",
        ] {
            let e = parse(text).unwrap_err().to_string();
            assert!(e.contains("unknown character"), "{text:?}: {e}");
        }
    }
}
