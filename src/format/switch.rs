//! On or off, in the words that Go's programs take for it. Pure.

/// What a word says; nothing, where it is none of them.
pub fn parse(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Some(true),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_words_of_go_and_no_others() {
        for (word, want) in [
            ("1", Some(true)),
            ("True", Some(true)),
            ("f", Some(false)),
            ("FALSE", Some(false)),
            ("tRUE", None),
            ("yes", None),
            ("", None),
        ] {
            assert_eq!(parse(word), want, "{word}");
        }
    }
}
