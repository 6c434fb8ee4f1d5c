//! One line of a log: `{"log":"…","stream":"stdout","time":"…"}`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use super::Stream;
use crate::container::Timestamp;

/// No line of ours is longer: 16 KiB of text, each byte of it `\u0000`, and
/// what is around it. Other writers may be more generous.
pub(super) const LONGEST: usize = 512 * 1024;

/// What was said at one time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) stream: Stream,
    pub(super) time: Timestamp,
    pub(super) text: Cow<'a, str>,
    /// What is said of the container.
    pub(super) attributes: Value,
}

impl Record<'_> {
    pub(super) fn ends_line(&self) -> bool {
        self.text.ends_with('\n')
    }
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    stream: Stream,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(default)]
    attrs: Value,
}

/// Reads a line; `None` if it is not a record.
pub(super) fn decode(line: &[u8]) -> Option<Record<'_>> {
    let raw: Raw<'_> = serde_json::from_slice(line).ok()?;
    Some(Record {
        stream: raw.stream,
        time: raw.time.parse().ok()?,
        text: raw.log,
        attributes: raw.attrs,
    })
}

/// Writes a record behind `out`: `text`, and a newline if it `ends` a line.
/// `attributes` are in the form of [`super::attributes::encoded`].
pub(super) fn encode(
    out: &mut Vec<u8>,
    (stream, attributes): (Stream, &str),
    text: &[u8],
    ends: bool,
    time: &str,
) {
    out.extend_from_slice(b"{\"log\":\"");
    for chunk in text.utf8_chunks() {
        escape(out, chunk.valid().as_bytes());
        // As Docker does: one sign for each byte that is not text.
        for _ in chunk.invalid() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    if ends {
        out.extend_from_slice(b"\\n");
    }
    out.extend_from_slice(match stream {
        Stream::Stdout => b"\",\"stream\":\"stdout\",",
        Stream::Stderr => b"\",\"stream\":\"stderr\",",
    });
    out.extend_from_slice(attributes.as_bytes());
    out.extend_from_slice(b"\"time\":\"");
    out.extend_from_slice(time.as_bytes());
    out.extend_from_slice(b"\"}\n");
}

/// Which bytes cannot stand in a JSON string as they are. A table, because
/// this looks at every byte that every container says.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 0x20 {
        table[b] = true;
        b += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

/// Most of what programs say needs no change: it is copied in runs.
fn escape(out: &mut Vec<u8>, mut rest: &[u8]) {
    while let Some(at) = rest.iter().position(|b| SPECIAL[usize::from(*b)]) {
        out.extend_from_slice(&rest[..at]);
        escape_one(out, rest[at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

fn escape_one(out: &mut Vec<u8>, b: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match b {
        b'"' | b'\\' => b,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(b >> 4)]);
            out.push(HEX[usize::from(b & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIME: &str = "2024-01-02T03:04:05.123456789Z";

    fn encoded(text: &[u8], ends: bool) -> String {
        let mut out = Vec::new();
        encode(&mut out, (Stream::Stderr, ""), text, ends, TIME);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_record_looks_like_dockers() {
        assert_eq!(
            encoded(b"a\t\"b\" \x1b[0m\\", true),
            concat!(
                r#"{"log":"a\t\"b\" \u001b[0m\\\n","stream":"stderr","#,
                r#""time":"2024-01-02T03:04:05.123456789Z"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn each_byte_that_is_no_text_becomes_a_sign_for_that() {
        // The beginning of a euro sign, twice, and one whole.
        let line = encoded(b"a\xe2\x82\xe2\x82\xe2\x82\xacb\xff", false);
        let text = decode(line.as_bytes()).unwrap().text.into_owned();
        assert_eq!(text, "a\u{fffd}\u{fffd}\u{fffd}\u{fffd}€b\u{fffd}");
    }

    #[test]
    fn fields_that_others_add_are_no_hindrance() {
        let line =
            br#"{"attrs":{"tag":"x"},"log":"a","stream":"stdout","time":"1970-01-01T00:00:00Z"}"#;
        assert_eq!(decode(line).unwrap().text, "a");
    }

    #[test]
    fn what_is_no_record_is_none() {
        for line in [
            "",
            "{}",
            "null",
            r#"{"log":"a","stream":"stdin","time":"1970-01-01T00:00:00Z"}"#,
            r#"{"log":"a","stream":"stdout","time":"yesterday"}"#,
            r#"{"log":"a","stream":"stdout","time":"1970-01-01T00:00:00Z"}x"#,
            r#"{"log":"\ud800","stream":"stdout","time":"1970-01-01T00:00:00Z"}"#,
        ] {
            assert!(decode(line.as_bytes()).is_none(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_one_line_of_json(bytes: Vec<u8>, ends: bool) {
            let line = encoded(&bytes, ends);
            prop_assert_eq!(line.matches('\n').count(), 1);
            prop_assert!(decode(line.as_bytes()).is_some());
        }

        #[test]
        fn any_text_comes_back(text in "\\PC*|[\\x00-\\x7f]*") {
            let line = encoded(text.as_bytes(), false);
            let record = decode(line.as_bytes()).unwrap();
            prop_assert_eq!(record.text, text);
        }
    }
}
