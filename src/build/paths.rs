//! Paths as text, before anything is opened.

/// A path in its shortest form, by its text alone, as Go's `path.Clean` gives
/// it: nothing doubled, no `.`, and `..` only in front. Nothing at all is `.`.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, joined) => format!("/{joined}"),
        (false, joined) if joined.is_empty() => ".".to_owned(),
        (false, joined) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_in_their_shortest_form() {
        for (path, want) in [
            ("", "."),
            ("/", "/"),
            ("//", "/"),
            ("a/", "a"),
            ("/a//b/", "/a/b"),
            ("./a/./b", "a/b"),
            ("a/../b", "b"),
            ("a/..", "."),
            ("../a", "../a"),
            ("a/../../b", "../b"),
            ("/../b", "/b"),
            ("...", "..."),
        ] {
            assert_eq!(clean(path), want, "{path}");
        }
    }
}
