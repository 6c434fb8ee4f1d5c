//! No template panics, overflows the stack, or takes all time or memory.

use proptest::prelude::*;

use super::*;

fn nested(open: &str, inner: &str, close: &str, times: usize) -> String {
    format!("{}{inner}{}", open.repeat(times), close.repeat(times))
}

#[test]
fn what_nests_too_deep_is_refused() {
    for (open, inner, close) in [
        ("{{if 1}}", "x", "{{end}}"),
        ("{{range 1}}", "x", "{{end}}"),
        ("{{with 1}}", "x", "{{end}}"),
        ("{{if 0}}{{else}}", "x", "{{end}}"),
    ] {
        let error = Template::parse(&nested(open, inner, close, 10_000)).unwrap_err();
        assert!(error.what().contains("more than 100"), "{error}");
        assert_eq!(ok(&nested(open, inner, close, 100)), "x");
    }
    let parens = |times| format!("{{{{{}}}}}", nested("(", "1", ")", times));
    let error = Template::parse(&parens(10_000)).unwrap_err();
    assert!(error.what().contains("more than 100"), "{error}");
    assert_eq!(ok(&parens(100)), "1");
    // Both together count, too.
    let both = format!("{}{}", "{{if 1}}".repeat(60), parens(60));
    assert!(
        Template::parse(&both)
            .unwrap_err()
            .what()
            .contains("more than 100")
    );
}

#[test]
fn what_is_only_long_is_fine() {
    let chain = format!("{{{{if 0}}}}{}{{{{end}}}}", "{{else if 0}}".repeat(10_000));
    assert_eq!(ok(&chain), "");
    assert_eq!(ok(&"{{1}}".repeat(10_000)), "1".repeat(10_000));
    let pipe = format!("{{{{1{}}}}}", " | print".repeat(10_000));
    assert_eq!(ok(&pipe), "1");
    let fields = format!("{{{{{}}}}}", ".Null".repeat(10_000));
    assert_eq!(
        render(&fields, &data(), Options::LENIENT).unwrap(),
        "<no value>"
    );
}

#[test]
fn work_is_bounded() {
    for template in [
        "{{range 1000000000}}{{end}}",
        "{{range 9223372036854775807}}x{{end}}",
        "{{range 10000}}{{range 10000}}{{range 10000}}{{end}}{{end}}{{end}}",
    ] {
        assert!(complaint(template).contains("takes too long"), "{template}");
    }
}

#[test]
fn text_is_bounded() {
    for template in [
        // Doubled sixty times.
        r#"{{$x := "ab"}}{{range 60}}{{$x = print $x $x}}{{end}}{{$x}}"#,
        r#"{{range 1000}}{{printf "%1000000d" 1}}{{end}}"#,
        r#"{{pad "x" 100000000000 0}}"#,
        r#"{{printf "%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d" 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1}}"#,
    ] {
        let complaint = complaint(template);
        assert!(
            complaint.contains("16 MiB") || complaint.contains("too long"),
            "{template}: {complaint}"
        );
    }
    let parts =
        r#"{{$x := "abcdefgh"}}{{range 18}}{{$x = print $x $x}}{{end}}{{len (split $x "")}}"#;
    assert!(complaint(parts).contains("a million parts"));
    assert_eq!(ok(r#"{{len (printf "%.1000000f" 1.5)}}"#), "1102");
}

/// Pieces that go wrong in interesting ways when put together.
fn fragments() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "{{",
        "}}",
        "{{-",
        "-}}",
        " ",
        "\n",
        ".",
        ".Name",
        ".Tags",
        ".Mounts",
        ".Nope",
        "$",
        "$x",
        ":=",
        "=",
        "|",
        "(",
        ")",
        ",",
        "if ",
        "else ",
        "end",
        "{{end}}",
        "range ",
        "with ",
        "break",
        "nil",
        "true",
        "\"",
        "`",
        "'",
        "\\",
        "\"a\\x\"",
        "/*",
        "*/",
        "1",
        "-1",
        "1e999",
        "0x",
        ".5",
        "é",
        "日",
        "\u{202e}",
        "print ",
        "printf ",
        "\"%*.*d\" ",
        "\"%-+# 05.3q\" ",
        "index ",
        "slice ",
        "split ",
        "join ",
        "truncate ",
        "pad ",
        "eq ",
        "and ",
        "json ",
        "len ",
        "title ",
        ".Label ",
        "{{range .Tags}}",
        "{{with $x := .State}}",
        "{{$x := 1}}",
    ]);
    prop::collection::vec(known, 0..25).prop_map(|parts| parts.concat())
}

/// A call of any function with any values: most parse, and so are carried out.
fn calls() -> impl Strategy<Value = String> {
    let functions = prop::sample::select(vec![
        "and", "eq", "ge", "index", "join", "json", "len", "lower", "lt", "ne", "not", "or", "pad",
        "print", "printf", "println", "slice", "split", "title", "truncate", "upper", ".Label",
    ]);
    let values = prop::sample::select(vec![
        "1",
        "-1",
        "0",
        "2",
        "1.5",
        "1e300",
        "9223372036854775807",
        "\"\"",
        "\"é日\"",
        "\"a,b\"",
        "\"%d%5.2q%x%*v%c%U\"",
        "nil",
        "true",
        ".Name",
        ".Tags",
        ".Mounts",
        ".Labels",
        ".Null",
        ".Share",
        ".Big",
        ".Evil",
        "(split .Evil \"\")",
        "$",
    ]);
    (functions, prop::collection::vec(values, 0..5))
        .prop_map(|(function, values)| format!("{{{{{function} {}}}}}", values.join(" ")))
}

proptest! {
    #[test]
    fn no_template_panics(template in prop_oneof![fragments(), calls(), "\\PC{0,40}"]) {
        for options in [Options::STRICT, Options::LENIENT, Options::TERMINAL, Options::HEADER] {
            let _ = render(&template, &data(), options);
        }
    }

    #[test]
    fn text_without_braces_is_itself(text in "[^{]{0,60}") {
        prop_assert_eq!(ok(&text), text);
    }

    #[test]
    fn escaped_data_has_no_control_characters(call in calls()) {
        if let Ok(text) = render(&call, &data(), Options::TERMINAL) {
            let shown = text.strip_suffix('\n').unwrap_or(&text);
            prop_assert!(!shown.contains(char::is_control), "{call}: {shown:?}");
        }
    }
}
