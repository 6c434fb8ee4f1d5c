use super::*;

/// The lines, a path, and whether it is kept out.
const CASES: &[(&str, &str, bool)] = &[
    ("a", "a", true),
    ("a", "b", false),
    ("a", "a/b/c", true),
    ("a", "b/a", false),
    ("a", "ab", false),
    ("/a", "a", true),
    ("a/", "a/b", true),
    ("./a//b/", "a/b", true),
    ("a/../b", "b", true),
    ("  a  ", "a", true),
    ("a b", "a b", true),
    ("# a\n#b", "# a", false),
    (" #a", "#a", true),
    ("\\#a", "#a", true),
    ("\u{feff}a", "a", true),
    ("a\r\nb\r\n", "a", true),
    ("", "a", false),
    (".", "a", false),
    ("/", "a", false),
    ("..", "a", false),
    ("../a", "a", false),
    // One name.
    ("*", "a", true),
    ("*", "a/b", true),
    ("*.md", "a.md", true),
    ("*.md", "d/a.md", false),
    ("*/*.md", "d/a.md", true),
    ("*/*.md", "a.md", false),
    ("a*c", "abbc", true),
    ("a*c", "ab/c", false),
    ("a?c", "abc", true),
    ("a?c", "aéc", true),
    ("a?c", "a/c", false),
    ("a??c", "aéc", false),
    ("*a", ".a", true),
    ("d/*", "d", false),
    ("d/*", "d/e/f", true),
    // Any number of names.
    ("**", "a/b", true),
    ("**/a", "a", true),
    ("**/a", "x/y/a", true),
    ("**/a", "x/ya", false),
    ("**/a", "x/a/b", true),
    ("**a", "xa", true),
    ("**a", "x/ya", true),
    ("**/*.o", "a.o", true),
    ("**/*.o", "x/y/a.o", true),
    ("**/*.o", "x/y/a.oo", false),
    ("a/**", "a", false),
    ("a/**", "a/b/c", true),
    ("a**", "ab/c", true),
    ("a/**/b", "a/b", true),
    ("a/**/b", "a/x/y/b", true),
    ("a/**/b", "a/xb", false),
    ("a/**/b", "ab", false),
    ("**/a/**", "x/a/y", true),
    ("**/a/**", "x/a", false),
    ("*/**", "a", false),
    ("*/**", "a/b", true),
    ("**/**", "a", true),
    ("**/x/*/z", "p/q/x/y/z", true),
    ("**/x/*/z", "p/q/x/y/y/z", false),
    // Characters.
    ("[ab]", "b", true),
    ("[ab]", "c", false),
    ("[a-c]x", "bx", true),
    ("[^a-c]x", "bx", false),
    ("[^a-c]x", "dx", true),
    ("[!a]", "!", true),
    ("[\\]]", "]", true),
    ("[\\-x]", "-", true),
    ("a\\*", "a*", true),
    ("a\\*", "ab", false),
    ("a\\?*", "a?b", true),
    ("a.c", "abc", false),
    ("a+(b)|{c}$^", "a+(b)|{c}$^", true),
    ("*+(b)|{c}$", "x+(b)|{c}$", true),
    ("a]", "a]", true),
    ("A", "a", false),
    // The last one counts.
    ("*.md\n!README.md", "README.md", false),
    ("*.md\n!README.md", "a.md", true),
    ("!README.md\n*.md", "README.md", true),
    (
        "*.md\n!README*.md\nREADME-secret.md",
        "README-secret.md",
        true,
    ),
    (
        "*.md\nREADME-secret.md\n!README*.md",
        "README-secret.md",
        false,
    ),
    ("d\n!d/keep", "d/keep", false),
    ("d\n!d/keep", "d/keep/x", false),
    ("d\n!d/keep", "d/other", true),
    ("*\n!src", "src/a/b", false),
    ("*\n!src\nsrc/a", "src/a/b", true),
    ("**\n!**/*.rs", "x/y.rs", false),
    ("**\n!**/*.rs", "x/y.c", true),
    ("*\n!/src/", "src/a", false),
    ("*\n! src", "src", false),
    ("!a", "a", false),
    ("a/b/c\n!a/b", "a/b/c", false),
];

#[test]
fn which_paths_are_kept_out() {
    for (lines, path, want) in CASES {
        let ignore = Ignore::parse(lines).unwrap_or_else(|e| panic!("{lines:?}: {e}"));
        let got = ignore.verdict(path.as_bytes(), false) != Verdict::Keep;
        assert_eq!(got, *want, "{lines:?} {path:?}");
    }
}

#[test]
fn the_order_of_questions_does_not_matter() {
    let lines: Vec<&str> = CASES.iter().map(|(lines, ..)| *lines).collect();
    let paths: Vec<&str> = CASES.iter().map(|(_, path, _)| *path).collect();
    for lines in lines {
        let kept = Ignore::parse(lines).unwrap();
        for (n, path) in paths.iter().enumerate() {
            let is_dir = n % 2 == 0;
            let fresh = Ignore::parse(lines).unwrap();
            let (path, shown) = (path.as_bytes(), (lines, path));
            assert_eq!(
                kept.verdict(path, is_dir),
                fresh.verdict(path, is_dir),
                "{shown:?}"
            );
        }
    }
}

#[test]
fn a_directory_is_skipped_if_nothing_in_it_comes_back() {
    for (lines, dir, want) in [
        ("d", "d", Verdict::Drop),
        ("d\n!d/keep", "d", Verdict::Enter),
        ("d\n!d/e/keep", "d/e", Verdict::Enter),
        ("d\n!d/e/keep", "d/f", Verdict::Drop),
        ("d\n!dx/keep", "d", Verdict::Drop),
        ("d\n!e/keep", "d", Verdict::Drop),
        ("d\n!**/keep", "d", Verdict::Enter),
        ("d\n!*/keep", "d", Verdict::Enter),
        ("d\n!*/keep", "d/e", Verdict::Drop),
        ("d\n!d/k*", "d", Verdict::Enter),
        ("d\n!d/**", "d", Verdict::Enter),
        ("d\n!d/e/**", "d", Verdict::Enter),
        ("d\n!d/e/**", "d/f", Verdict::Drop),
        ("*\n!a/*/c", "a/b", Verdict::Enter),
        ("*\n!a/*/c", "a/b/x", Verdict::Drop),
        ("*\n!a", "a", Verdict::Keep),
        ("", "d", Verdict::Keep),
    ] {
        let ignore = Ignore::parse(lines).unwrap();
        assert_eq!(
            ignore.verdict(dir.as_bytes(), true),
            want,
            "{lines:?} {dir}"
        );
    }
}

#[test]
fn nothing_that_was_skipped_would_have_come_back() {
    // Each directory that is dropped, against each path in it.
    for (lines, ..) in CASES {
        let ignore = Ignore::parse(lines).unwrap();
        for (_, path, _) in CASES {
            for (at, _) in path.match_indices('/') {
                let dir = &path.as_bytes()[..at];
                if ignore.verdict(dir, true) == Verdict::Drop {
                    let got = ignore.verdict(path.as_bytes(), false);
                    assert_eq!(got, Verdict::Drop, "{lines:?} {path}");
                }
            }
        }
    }
}

#[test]
fn the_top_is_never_kept_out() {
    let ignore = Ignore::parse("**\n*\n.").unwrap();
    assert_eq!(ignore.verdict(b"", true), Verdict::Keep);
    assert_eq!(ignore.verdict(b".", true), Verdict::Keep);
    assert_eq!(ignore.verdict(b"a", true), Verdict::Drop);
}

#[test]
fn names_that_are_no_text() {
    for (line, path, want) in [
        ("a?c", &b"a\xffc"[..], true),
        ("a??c", b"a\xff\xfec", true),
        ("a*c", b"a\xffc", true),
        ("a\u{ff}c", b"a\xffc", false),
        ("[^x]", b"\xff", true),
        ("**/b", b"\xff/b", true),
    ] {
        let ignore = Ignore::parse(line).unwrap();
        assert_eq!(ignore.verdict(path, false) == Verdict::Drop, want, "{line}");
    }
}

#[test]
fn what_makes_no_sense_is_told_with_its_line() {
    for (text, why) in [
        ("a\n!\n", "line 2: \"!\""),
        ("! ", "line 1: \"!\""),
        ("a\n\n[a", "line 3: the pattern \"[a\""),
        ("[]", "makes no sense"),
        ("[]a]", "makes no sense"),
        ("[-a]", "makes no sense"),
        ("[a-]", "makes no sense"),
        ("a\\", "makes no sense"),
    ] {
        let e = Ignore::parse(text).unwrap_err().to_string();
        assert!(e.contains(why), "{text:?}: {e}");
    }
    let many = "a\n".repeat(20_000);
    assert!(Ignore::parse(&many).is_err());
    assert!(Ignore::parse(&"a".repeat(5000)).is_err());
}

#[test]
fn excludes_are_read_as_they_are() {
    let exclude = Ignore::new(&["*.txt", "!keep.txt", "/abs", "#x"]).unwrap();
    let out = |path: &str| exclude.verdict(path.as_bytes(), false) == Verdict::Drop;
    assert!(out("a.txt") && out("#x"));
    assert!(!out("keep.txt") && !out("abs") && !out("d/a.txt"));
    assert!(!exclude.is_empty());
    assert!(Ignore::new(&["!x"]).unwrap().is_empty());
    assert!(Ignore::parse("# nothing\n").unwrap().is_empty());
}

#[test]
fn no_pattern_takes_long() {
    let pattern = "*a".repeat(1000) + "b";
    let deep = "**/".repeat(500) + "b";
    let path = "a".repeat(4000);
    let names = "a/".repeat(2000);
    let start = std::time::Instant::now();
    for (pattern, path) in [(&pattern, &path), (&deep, &names), (&deep, &path)] {
        let ignore = Ignore::new(&[pattern]).unwrap();
        let fits = ignore.rules[0]
            .pattern
            .fits(path.as_bytes(), &pattern::decoded(path.as_bytes()));
        assert!(!fits);
    }
    assert!(start.elapsed().as_secs() < 20);
}
