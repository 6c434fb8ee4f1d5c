//! Patterns of file names in `COPY` and `ADD`: `*`, `?`, `[a-z]`, `[^a-z]` and
//! `\` in each part of a path, and `**` for any number of parts. Pure.

/// Whether a part of a path has a wildcard in it.
pub fn is_pattern(part: &[u8]) -> bool {
    part.iter().any(|b| matches!(b, b'*' | b'?' | b'['))
}

/// Whether a name fits a pattern; one that makes no sense fits nothing.
///
/// Where it goes no further, only the last `*` is asked to take one character
/// more: what an earlier one took before it need not change. So no pattern
/// takes long.
pub fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    let mut last_star = None;
    loop {
        if let Some(rest) = pattern.strip_prefix(b"*") {
            pattern = rest;
            last_star = Some((rest, name));
        } else if let Some(after) = step(pattern, name) {
            (pattern, name) = after;
        } else if pattern.is_empty() && name.is_empty() {
            return true;
        } else {
            let Some((rest, taken)) = last_star else {
                return false;
            };
            let Some(n) = one(taken) else {
                return false;
            };
            (pattern, name) = (rest, &taken[n..]);
            last_star = Some((rest, name));
        }
    }
}

/// What is left after one character, if it fits.
fn step<'a>(pattern: &'a [u8], name: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let n = one(name)?;
    let (first, rest) = pattern.split_first()?;
    match first {
        b'?' => Some((rest, &name[n..])),
        b'[' => {
            let (is_in, rest) = class(rest, name)?;
            is_in.then_some((rest, &name[n..]))
        }
        b'\\' if !rest.is_empty() => (name[0] == rest[0]).then(|| (&rest[1..], &name[1..])),
        literal => (name[0] == *literal).then(|| (rest, &name[1..])),
    }
}

/// A name without the backslashes of its pattern. One at the very end stands
/// for itself, as in [`fits`].
pub fn plain(part: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(part.len());
    let mut bytes = part.iter();
    while let Some(b) = bytes.next() {
        match b {
            b'\\' => out.push(*bytes.next().unwrap_or(b)),
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
            ("a*b*c", "axcbycbc", true),
            ("a*b*c", "axxbyycd", false),
            ("*é?", "aéé", true),
            ("**", "a", true),
            ("a\\", "a\\", true),
        ] {
            let fit = fits(pattern.as_bytes(), name.as_bytes());
            assert_eq!(fit, want, "{pattern} {name}");
        }
        // Tried in every way there is, this would not end in our days.
        assert!(!fits(&b"*a".repeat(200), &b"a".repeat(199)));
        assert!(is_pattern(b"a*") && !is_pattern(b"a\\b"));
        assert_eq!(plain(b"a\\*b"), b"a*b");
        assert_eq!(plain(b"a\\"), b"a\\");
    }
}
