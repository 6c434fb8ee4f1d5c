//! Patterns for names, as Docker's `reference` filter takes them: `*` and `?`
//! stand for anything but a slash, `[a-z]` for one of these. They are compared
//! with names as people write them: `*/*` is none of Docker Hub's `busybox`.

use crate::image::Name;
use crate::image::reference::Reference;

/// Whether a pattern means this name: with its tag, or without.
pub fn names(pattern: &str, name: &Name) -> bool {
    let Some(reference) = name.reference() else {
        return fits(pattern, &name.to_string());
    };
    // What is a name and no pattern may be spelled out: docker.io/library/x.
    let same = |wanted: Reference| {
        let all = wanted.tag().is_none() && wanted.digest().is_none();
        wanted == *reference || (all && wanted == reference.repository())
    };
    fits(pattern, &reference.familiar())
        || fits(pattern, &reference.familiar_name())
        || Reference::parse(pattern).is_ok_and(same)
}

fn fits(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    matches(&pattern, &text)
}

/// Keeps the last `*` to come back to; so its time is bounded by the product
/// of the lengths, whatever the pattern.
fn matches(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if let Some(length) = one(&pattern[p.min(pattern.len())..], text[t]) {
            p += length;
            t += 1;
        } else if let Some((at, from)) = star.filter(|(_, from)| text[*from] != '/') {
            star = Some((at, from + 1));
            (p, t) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// How much of the pattern stands for this character, if it does.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '?' => (c != '/').then_some(1),
        '\\' => (pattern.get(1) == Some(&c)).then_some(2),
        '[' => class(pattern, c),
        first => (*first == c).then_some(1),
    }
}

fn class(pattern: &[char], c: char) -> Option<usize> {
    let end = pattern.iter().skip(2).position(|c| *c == ']')? + 2;
    let (not, inner) = match &pattern[1..end] {
        ['^', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let mut has = false;
    let mut rest = inner;
    while let [first, more @ ..] = rest {
        if let ['-', last, after @ ..] = more {
            has |= (*first..=*last).contains(&c);
            rest = after;
        } else {
            has |= *first == c;
            rest = more;
        }
    }
    (has != not && c != '/').then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_as_docker_has_them() {
        let name = |text: &str| Name::Full(Reference::parse(text).unwrap().or_latest());
        for (pattern, text, fit) in [
            ("busybox", "busybox:1", true),
            ("busybox:1", "busybox:1", true),
            ("busybox:2", "busybox:1", false),
            ("busy*", "busybox:1", true),
            ("*", "team/app:1", false),
            ("*/*", "team/app:1", true),
            ("*/app:[0-9]", "team/app:1", true),
            ("*/app:[^0-9]", "team/app:1", false),
            ("b?sybox", "busybox", true),
            ("docker.io/library/busybox:1", "busybox:1", true),
            ("host:5000/*", "host:5000/app:1", true),
            ("*/*/*", "busybox:1", false),
            ("*/*", "busybox:1", false),
            ("docker.io/library/busybox", "busybox:1", true),
            ("docker.io/library/*", "busybox:1", false),
            ("docker.io/library/busybox:2", "busybox:1", false),
            ("a\\*", "ab", false),
            ("[", "a", false),
        ] {
            assert_eq!(names(pattern, &name(text)), fit, "{pattern} {text}");
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        let pattern = "*a".repeat(200);
        assert!(!fits(&pattern, &"a".repeat(150)));
    }
}
