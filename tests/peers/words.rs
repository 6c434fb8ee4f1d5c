//! Command lines written the way a person types them.

/// Splits a line at blanks, except inside single quotes.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

#[test]
fn quotes_keep_blanks() {
    assert_eq!(words("a  b 'c  d' ''"), ["a", "b", "c  d", ""]);
}
