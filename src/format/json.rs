//! A value as one line of JSON.

use std::fmt::Write as _;

use serde_json::Value;

use super::safe::unsafe_to_show;

/// Compact JSON, as `{{json .}}` prints it: `<`, `>` and `&` stay as they are.
/// What JSON allows raw but a terminal might obey is written `\u….`; it means
/// the same to every reader.
pub fn compact(value: &Value) -> String {
    harmless(value.to_string())
}

/// JSON with what a terminal might obey written `\u….`, but for the line breaks
/// between values: inside a string none is ever raw.
pub fn harmless(text: String) -> String {
    let is_unsafe = |c: char| c != '\n' && unsafe_to_show(c);
    if !text.contains(is_unsafe) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        // Such a character can only be inside a string, and none is above the
        // basic plane: one escape is enough.
        if is_unsafe(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_one_line_that_reads_back_the_same() {
        let value = json!({"b": "<&>", "a": ["\x1b[0m\n", "\u{9b}\u{202e}\u{7f}", 1, 1.5, null]});
        let line = compact(&value);
        assert_eq!(
            line,
            r#"{"a":["\u001b[0m\n","\u009b\u202e\u007f",1,1.5,null],"b":"<&>"}"#
        );
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
    }
}
