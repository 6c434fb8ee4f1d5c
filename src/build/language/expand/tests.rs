use super::*;
use crate::build::language::span::Span;

const VALUES: &[(&str, &str)] = &[
    ("x", "value"),
    ("empty", ""),
    ("two", "a b"),
    ("path", "/usr/local/lib/libx.so.1"),
    ("_u1", "under"),
    ("dots", "a.b.c.b"),
    ("star", "a*b*c"),
    ("é", "accent"),
];

fn value(name: &str) -> Option<String> {
    let found = VALUES.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| (*value).to_owned())
}

fn expander(escape: char) -> Expander<'static> {
    Expander {
        escape,
        lookup: &value,
    }
}

fn word(text: &str) -> Word {
    Word {
        text: text.to_owned(),
        span: Span::default(),
    }
}

fn all_are(cases: &[(&str, &str)]) {
    for (text, want) in cases {
        let got = expander('\\').text(text);
        assert_eq!(got.as_deref(), Ok(*want), "{text}");
    }
}

#[test]
fn names_and_braces() {
    all_are(&[
        ("$x", "value"),
        ("a${x}b", "avalueb"),
        ("$x-$x", "value-value"),
        ("$xy", ""),
        ("$_u1.", "under."),
        ("$é", "accent"),
        ("${none}", ""),
        ("a$", "a$"),
        ("a$/b", "a$/b"),
        ("$1x", "x"),
        ("$$x", "x"),
        ("$?", ""),
    ]);
}

#[test]
fn defaults_and_alternatives() {
    all_are(&[
        ("${none:-w}", "w"),
        ("${none-w}", "w"),
        ("${empty:-w}", "w"),
        ("${empty-w}", ""),
        ("${x:-w}", "value"),
        ("${none:+w}", ""),
        ("${none+w}", ""),
        ("${empty:+w}", ""),
        ("${empty+w}", "w"),
        ("${x:+w}", "w"),
        ("${x:?m}", "value"),
        ("${empty?m}", ""),
        ("${none:-${x}}", "value"),
        ("${none:-${no:-${x:+deep}}}", "deep"),
        ("${none:-a b}", "a b"),
        ("${none:-\"a}b\"}", "a}b"),
        ("${none:-a\\}b}", "a}b"),
        ("${none:-}", ""),
    ]);
}

#[test]
fn what_must_be_set() {
    for (text, want) in [
        ("${none:?say it}", "none: say it"),
        ("${none?say it}", "none: say it"),
        ("${empty:?say it}", "empty: say it"),
        ("${none:?}", "none must be set and not be empty"),
        ("${none?}", "none must be set"),
    ] {
        assert_eq!(expander('\\').text(text), Err(want.to_owned()), "{text}");
    }
}

#[test]
fn beginnings_and_ends() {
    all_are(&[
        ("${path#*/}", "usr/local/lib/libx.so.1"),
        ("${path##*/}", "libx.so.1"),
        ("${path%/*}", "/usr/local/lib"),
        ("${path%%/*}", ""),
        ("${path%.*}", "/usr/local/lib/libx.so"),
        ("${path%%.*}", "/usr/local/lib/libx"),
        ("${path#nothing}", "/usr/local/lib/libx.so.1"),
        ("${path#/us?}", "/local/lib/libx.so.1"),
        ("${dots%.b}", "a.b.c"),
        ("${dots#a.}", "b.c.b"),
        ("${star#a\\*}", "b*c"),
        ("${star%\\*c}", "a*b"),
        ("${none#x}", ""),
        ("${x#${none:-va}}", "lue"),
        ("${x#}", "value"),
    ]);
}

#[test]
fn replacing() {
    all_are(&[
        ("${dots/b/X}", "a.X.c.b"),
        ("${dots//b/X}", "a.X.c.X"),
        ("${dots//./-}", "a-b-c-b"),
        ("${dots//b/}", "a..c."),
        ("${path//\\//_}", "_usr_local_lib_libx.so.1"),
        ("${path/l*b/X}", "/usr/Xx.so.1"),
        ("${dots/?./X}", "Xb.c.b"),
        ("${dots/none/X}", "a.b.c.b"),
        ("${none/a/b}", ""),
        ("${x/v/$_u1}", "underalue"),
        ("${dots/a/\\$1}", "\\$1.b.c.b"),
    ]);
}

#[test]
fn quotes_and_escapes() {
    all_are(&[
        ("'$x'", "$x"),
        ("\"$x\"", "value"),
        ("\"a'$x'b\"", "a'value'b"),
        ("'a\"b'", "a\"b"),
        ("\\$x", "$x"),
        ("a\\b", "ab"),
        ("\"a\\b\"", "a\\b"),
        ("\"a\\\"b\\$x\\\\\"", "a\"b$x\\"),
        ("'a\\b'", "a\\b"),
        ("\"\"", ""),
        ("a\"b\"'c'd", "abcd"),
        ("a\\", "a"),
        ("a b  c", "a b  c"),
        ("<<EOF", "<<EOF"),
        ("a < b", "a < b"),
    ]);
    let backtick = expander('`');
    assert_eq!(backtick.text("`$x c:\\d").as_deref(), Ok("$x c:\\d"));
    assert_eq!(backtick.text("\"`\"\"").as_deref(), Ok("\""));
}

#[test]
fn words_are_cut_at_open_blanks() {
    for (text, want) in [
        ("a b", &["a", "b"][..]),
        ("  a\tb ", &["a", "b"]),
        ("$two", &["a", "b"]),
        ("\"$two\"", &["a b"]),
        ("x$two", &["xa", "b"]),
        ("a\\ b", &["a b"]),
        ("'a b' c", &["a b", "c"]),
        ("\"\" a", &["a"]),
        ("$none", &[]),
        ("80 ${none:-81 82}", &["80", "81", "82"]),
    ] {
        let got = expander('\\').words(&word(text)).unwrap();
        assert_eq!(got, want, "{text}");
    }
}

#[test]
fn documents_keep_their_quotes() {
    let text = "a='$x' \"$x\" \\$x it's\n";
    let got = expander('`').document(text);
    assert_eq!(got.as_deref(), Ok("a='value' \"value\" $x it's\n"));
}

#[test]
fn what_is_wrong_is_said() {
    for (text, why) in [
        ("${x", "not closed"),
        ("${x:-a", "not closed"),
        ("${x:", "not closed"),
        ("${x/a/b", "not closed"),
        ("${x/a}", "second /"),
        ("${}", "variable's name"),
        ("${:x}", "variable's name"),
        ("${{x}", "variable's name"),
        ("${x:1}", ":1...} is not known"),
        ("${x:#a}", ":#...} is not known"),
        ("${x^^}", "^...} is not known"),
        ("${x#\\a}", "means nothing"),
        ("'a", "single quote"),
        ("a\"b", "double quote"),
        ("${x:-'a}", "single quote"),
    ] {
        let got = expander('\\').text(text).unwrap_err();
        assert!(got.contains(why), "{text}: {got}");
        // And without knowing any value.
        let checked = check(&word(text), '\\').unwrap_err();
        assert!(checked.message.contains(why), "{text}: {checked:?}");
    }
    assert!(check(&word("${x:?must} ${x#a} \"$x\""), '\\').is_ok());
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = "${a:-".repeat(100_000);
    let e = expander('\\').text(&deep).unwrap_err();
    assert!(e.contains("within each other"), "{e}");
    let long = |_: &str| Some("x".repeat(1 << 19));
    let long = Expander {
        escape: '\\',
        lookup: &long,
    };
    assert!(long.text("$a").is_ok());
    let e = long.text("$a$a$a").unwrap_err();
    assert!(e.contains("bytes long"), "{e}");
    let e = long.text("${a//x/$a}").unwrap_err();
    assert!(e.contains("bytes long"), "{e}");
    let pattern = format!("${{x#{}}}", "a*".repeat(10_000));
    let e = expander('\\').text(&pattern).unwrap_err();
    assert!(e.contains("pattern"), "{e}");
}

#[test]
fn the_caller_sees_which_variables_there_are() {
    let asked = std::cell::RefCell::new(Vec::new());
    let lookup = |name: &str| {
        asked.borrow_mut().push(name.to_owned());
        value(name)
    };
    let noting = Expander {
        escape: '\\',
        lookup: &lookup,
    };
    noting.text("$x ${none:-$two} '$empty'").unwrap();
    assert_eq!(*asked.borrow(), ["x", "two", "none"]);
}
