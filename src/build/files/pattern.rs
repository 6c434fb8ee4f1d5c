//! Patterns of file names in `COPY` and `ADD`: `*`, `?`, `[a-z]`, `[^a-z]` and
//! `\` in each part of a path, and `**` for any number of parts. Pure.

/// Whether a part of a path has a wildcard in it.
pub fn is_pattern(part: &[u8]) -> bool {
    part.iter().any(|b| matches!(b, b'*' | b'?' | b'['))
}

/// Whether a name fits a pattern; one that makes no sense fits nothing.
pub fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return name.is_empty();
    };
    match first {
        b'*' => (0..=name.len()).any(|n| fits(rest, &name[n..])),
        b'?' => match one(name) {
            Some(n) => fits(rest, &name[n..]),
            None => false,
        },
        b'[' => match (class(rest, name), one(name)) {
            (Some((true, rest)), Some(n)) => fits(rest, &name[n..]),
            _ => false,
        },
        b'\\' if !rest.is_empty() => name.first() == Some(&rest[0]) && fits(&rest[1..], &name[1..]),
        literal => name.first() == Some(literal) && fits(rest, &name[1..]),
    }
}

/// A name without the backslashes of its pattern.
pub fn plain(part: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(part.len());
    let mut bytes = part.iter();
    while let Some(b) = bytes.next() {
        match b {
            b'\\' => out.extend(bytes.next()),
            b => out.push(*b),
        }
    }
    out
}

/// The bytes of the first character.
fn one(name: &[u8]) -> Option<usize> {
    let first = *name.first()?;
    let n = match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    };
    Some(n.min(name.len()))
}

/// Whether the first character is in the class, and what follows that.
fn class<'a>(pattern: &'a [u8], name: &[u8]) -> Option<(bool, &'a [u8])> {
    let is = name.get(..one(name)?)?;
    let (not, mut rest) = match pattern.strip_prefix(b"^") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let mut found = false;
    let mut any = false;
    loop {
        if any && rest.first() == Some(&b']') {
            return Some((found != not, &rest[1..]));
        }
        let (low, after) = member(rest)?;
        rest = after;
        let mut high = low;
        if let Some(after) = rest.strip_prefix(b"-") {
            (high, rest) = member(after)?;
        }
        found |= low <= is && is <= high;
        any = true;
    }
}

/// The next character of a class.
fn member(pattern: &[u8]) -> Option<(&[u8], &[u8])> {
    let pattern = match pattern.first()? {
        b'-' | b']' => return None,
        b'\\' => &pattern[1..],
        _ => pattern,
    };
    pattern.split_at_checked(one(pattern)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns() {
        for (pattern, name, want) in [
            ("*", "", true),
            ("*.txt", "a.txt", true),
            ("*.txt", "a.txtx", false),
            ("a?c", "abc", true),
            ("a?c", "aéc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[^a-c]x", "dx", true),
            ("[]a]", "]", false),
            ("[\\]]", "]", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("yarn.loc[k]", "yarn.lock", true),
            ("[", "[", false),
            ("a*b*c", "axxbyyc", true),
        ] {
            let fit = fits(pattern.as_bytes(), name.as_bytes());
            assert_eq!(fit, want, "{pattern} {name}");
        }
        assert!(is_pattern(b"a*") && !is_pattern(b"a\\b"));
        assert_eq!(plain(b"a\\*b"), b"a*b");
    }
}
