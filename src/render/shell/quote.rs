//! Values from outside as words of a shell.
//!
//! A word comes out as exactly the bytes that went in, whatever they are; it
//! never has a line break in it, so that it can stand in a comment's
//! neighbourhood or in a here-document, and no byte that a terminal obeys, so
//! that the script can be shown.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// One word of a POSIX shell.
///
/// Line breaks are taken from the variable `nl`, since a command substitution
/// would lose the last ones.
pub(super) fn quote(text: &str) -> String {
    quote_bytes(text.as_bytes())
}

/// The same for a path, which need not be text.
pub(super) fn quote_path(path: &Path) -> String {
    quote_bytes(path.as_os_str().as_bytes())
}

/// A path below the container's root, as the host sees it.
pub(super) fn inside(path: &Path) -> String {
    let quoted = quote_path(path);
    match quoted.strip_prefix('\'') {
        None if !quoted.starts_with('"') => format!("\"$root{quoted}\""),
        _ => format!("\"$root\"{quoted}"),
    }
}

fn quote_bytes(bytes: &[u8]) -> String {
    if !bytes.is_empty() && bytes.iter().all(|b| is_plain(*b)) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push(&mut out, c);
        }
        octal(&mut out, chunk.invalid());
    }
    if out.is_empty() { "''".to_owned() } else { out }
}

/// What means nothing to a shell, anywhere in a word.
fn is_plain(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"/._+:@%-,".contains(&b)
}

fn push(out: &mut String, c: char) {
    if c == '\n' {
        out.push_str("\"$nl\"");
    } else if c == '\'' {
        out.push_str("\\'");
    } else if is_shown(c) {
        literal(out, c);
    } else {
        octal(out, c.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// Whether it shows as itself: neither a control nor something that turns the
/// direction of writing or hides.
fn is_shown(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic() || (!c.is_ascii() && c.escape_debug().len() == 1)
}

/// Appends to the quoted part that is open, or opens one.
fn literal(out: &mut String, c: char) {
    let closes = out.len() > 1 && out.ends_with('\'') && !out.ends_with("\\'");
    if closes {
        out.pop();
    } else {
        out.push('\'');
    }
    out.push(c);
    out.push('\'');
}

fn octal(out: &mut String, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    out.push_str("\"$(printf '");
    for b in bytes {
        let digit = |shift: u8| char::from(b'0' + (b >> shift & 7));
        out.extend(['\\', digit(6), digit(3), digit(0)]);
    }
    out.push_str("')\"");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::ffi::OsStr;
    use std::process::Command;

    /// What the shells make of words.
    fn through(shell: &str, words: &[Vec<u8>]) -> Vec<u8> {
        let mut script = "nl='\n'\nprintf '%s\\0'".to_owned();
        for word in words {
            script.push(' ');
            script.push_str(&quote_bytes(word));
        }
        let out = Command::new(shell)
            .arg("-c")
            .arg(OsStr::new(&script))
            .output();
        out.expect("a shell").stdout
    }

    fn ends_in_nul(words: &[Vec<u8>]) -> Vec<u8> {
        words
            .iter()
            .flat_map(|w| [w.as_slice(), b"\0"].concat())
            .collect()
    }

    #[test]
    fn plain_words_stay_plain() {
        assert_eq!(quote("/usr/lib/x-1.2"), "/usr/lib/x-1.2");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("it's"), "'it'\\''s'");
        assert_eq!(inside(Path::new("/dev")), "\"$root/dev\"");
        assert_eq!(inside(Path::new("/a b")), "\"$root\"'/a b'");
    }

    #[test]
    fn what_a_terminal_obeys_is_not_in_the_script() {
        for text in ["\x1b[2J", "a\nb", "\u{202e}x", "\r"] {
            let quoted = quote(text);
            assert!(quoted.chars().all(is_shown), "{quoted:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]
        #[test]
        fn the_shell_reads_back_what_was_quoted(
            words in prop::collection::vec(prop::collection::vec(1u8..=255, 0..24), 1..6),
            texts in prop::collection::vec("[ -~\n\t'\"$`\\\\é]{0,16}", 0..4),
        ) {
            let mut words = words;
            words.extend(texts.into_iter().map(String::into_bytes));
            prop_assert_eq!(through("sh", &words), ends_in_nul(&words));
        }
    }
}
