//! Text that cannot speak to a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with everything escaped that would move the cursor, colour the
/// screen, break a line or turn the direction of writing: names, labels and
/// commands come from images, and whoever made the image chose them.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(unsafe_to_show) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if unsafe_to_show(c) {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Control characters of either block, line separators, and the marks that
/// make a line read differently from how it is written.
pub(super) fn unsafe_to_show(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{61c}'
        )
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_letters() {
        for (raw, shown) in [
            ("plain é 日本 \u{1f600}", "plain é 日本 \u{1f600}"),
            ("a\tb\nc\r", "a\\tb\\nc\\r"),
            ("\x1b[31m", "\\u{1b}[31m"),
            ("\u{9b}2J\x7f", "\\u{9b}2J\\u{7f}"),
            ("a\u{202e}b\u{2066}", "a\\u{202e}b\\u{2066}"),
            ("\u{2028}", "\\u{2028}"),
        ] {
            assert_eq!(escaped(raw), shown);
        }
    }
}
