//! Text, actions, blocks and variables, and what is said where one is wrong.

use super::*;

/// Run through Docker's own `--format`, as in `functions`.
const AS_GO: &[(&str, &str)] = &[
    ("plain } text }}", "plain } text }}"),
    ("{{/* a */}}x{{- /* b */ -}} y", "xy"),
    ("a  {{- 1 -}}  b {{- 2}} c{{3 -}}\n d", "a1b2 c3d"),
    ("{{ -3}}{{-3}}{{- 3}}{{ 3 }}", "-3-333"),
    ("{{`raw \\n {{ }}`}}{{\"}}\"}}", "raw \\n {{ }}}}"),
    (
        r#"{{'a'}} {{'\n'}} {{'\''}} {{'é'}} {{"\x41\u00e9\101\t\\\""}}"#,
        "97 10 39 233 AéA\t\\\"",
    ),
    (
        "{{017}} {{1_000}} {{0x1F}} {{0b11}} {{0o17}} {{+5}} {{.5}} {{1.}} {{-1.5e1}}",
        "15 1000 31 3 15 5 0.5 1 -15",
    ),
    ("{{true}} {{false}}", "true false"),
    (
        "{{if true}}a{{else}}b{{end}}{{if 0}}a{{else}}b{{end}}",
        "ab",
    ),
    (r#"{{if ""}}a{{else if 1}}b{{else}}c{{end}}"#, "b"),
    ("{{if false}}{{else if $x:=0}}{{else}}{{$x}}{{end}}", "0"),
    ("{{with $x := 5}}{{$x}}{{.}}{{else with 7}}{{end}}", "55"),
    (
        "{{with 0}}{{else with 7}}{{.}}{{end}}{{with 0}}x{{else}}y{{end}}",
        "7y",
    ),
    (
        "{{range 3}}{{.}}{{end}}{{range 0}}{{else}}none{{end}}{{range $i := 2}}{{$i}}{{end}}",
        "012none01",
    ),
    ("{{range 4}}{{if eq . 2}}{{break}}{{end}}{{.}}{{end}}", "01"),
    (
        "{{range 4}}{{if eq . 2}}{{continue}}{{end}}{{.}}{{end}}",
        "013",
    ),
    (
        "{{range 2}}{{range 3}}{{if eq . 1}}{{break}}{{end}}{{.}}{{end}};{{end}}",
        "0;0;",
    ),
    (
        r#"{{range $i, $e := split "a,b" ","}}{{$i}}={{$e}}={{.}} {{end}}"#,
        "0=a=a 1=b=b ",
    ),
    (r#"{{range split "" ","}}[{{.}}]{{end}}"#, "[]"),
    (
        "{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}{{if true}}{{$x := 3}}{{$x}}{{end}}{{$x}}",
        "232",
    ),
    ("{{$x := 0}}{{range 4}}{{$x = .}}{{end}}{{$x}}", "3"),
    ("{{$x := 1}}{{range $x := 3}}{{$x}}{{end}}{{$x}}", "0121"),
    (
        "{{print (print (1))}}{{(1)}}{{1 | print}}{{print (1 | printf \"%d%d\" 2)}}",
        "11121",
    ),
    (r#"{{$é_1 := "u"}}{{$é_1}}"#, "u"),
];

#[test]
fn the_language_is_go_s() {
    check(AS_GO);
}

#[test]
fn fields_lists_and_maps() {
    check(&[
        (
            "{{.Name}} {{$.Name}} {{.State.Health.Status}}",
            "web web healthy",
        ),
        (
            "{{.Size}} {{.Share}} {{.Big}} {{.Up}}",
            "1000000 1.5 18446744073709551615 true",
        ),
        ("{{.Null}} {{.Tags}} {{.Empty}}", "<no value> [a b c] map[]"),
        ("{{.Mounts}}", "[map[RW:true To:/x] map[RW:false To:/y]]"),
        (
            "{{range .Mounts}}{{.To}}{{if .RW}}*{{end}} {{$.Name}};{{end}}",
            "/x* web;/y web;",
        ),
        (
            "{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}",
            "b=2;com.example.app=shop;",
        ),
        (
            "{{range $i, $m := .Mounts}}{{$i}}{{$m.To}}{{end}}",
            "0/x1/y",
        ),
        (
            "{{range .Null}}x{{else}}none{{end}}{{range .Empty}}x{{else}}none{{end}}",
            "nonenone",
        ),
        (
            "{{with .State}}{{.Pid}}{{with .Health}}{{.Status}}{{end}}{{end}}",
            "42healthy",
        ),
        ("{{$s := .State}}{{$s.Health.Status}}", "healthy"),
        ("{{(.State).Pid}} {{(print .Name) | upper}}", "42 WEB"),
        ("{{if and .Up (eq .Name \"web\")}}yes{{end}}", "yes"),
    ]);
    assert_eq!(render("{{.}}", &json!("x"), Options::STRICT).unwrap(), "x");
}

#[test]
fn truth_is_go_s() {
    for (value, truth) in [
        (json!(null), false),
        (json!(false), false),
        (json!(true), true),
        (json!(0), false),
        (json!(0.0), false),
        (json!(-1), true),
        (json!(""), false),
        (json!("0"), true),
        (json!([]), false),
        (json!([0]), true),
        (json!({}), false),
        (json!({"a": 0}), true),
    ] {
        let text = render("{{if .}}true{{else}}false{{end}}", &value, Options::STRICT);
        assert_eq!(text.unwrap(), truth.to_string(), "{value}");
    }
}

#[test]
fn a_missing_field_is_an_error_unless_it_may_be() {
    assert_eq!(
        render("{{.Nope}}", &json!({"ID": 1, "Names": 2}), Options::STRICT)
            .unwrap_err()
            .to_string(),
        "template: :1:2: executing \"\" at <.Nope>: no such field: \"Nope\" (the fields here are ID, Names)"
    );
    for (template, what) in [
        ("{{.name}}", "no such field: \"name\""),
        (
            "a\nb{{.State.Nope}}",
            "template: :2:3: executing \"\" at <.State.Nope>: no such field",
        ),
        ("{{.Null.X}}", "nil has no field \"X\""),
        ("{{.Name.X}}", "can't evaluate field X in type string"),
        ("{{(print 1).X}}", "can't evaluate field X in type string"),
        (
            "{{(index .Labels \"q\").X}}",
            "evaluate field X in type string",
        ),
        (
            "{{range .Name}}{{end}}",
            "template: :1:8: executing \"\" at <.Name>: range can't iterate over web",
        ),
        ("{{range $i, $j := 3}}{{end}}", "range can't iterate over 3"),
        (
            "{{.Name \"x\"}}",
            "at <.Name>: Name has arguments but cannot be invoked as function",
        ),
        ("{{1 2}}", "at <1>: can't give argument to non-function 1"),
        ("{{1 | $}}", "at <$>: can't give argument to non-function $"),
    ] {
        let complaint = complaint(template);
        assert!(complaint.contains(what), "{template}: {complaint}");
    }
    let lenient = |template| render(template, &data(), Options::LENIENT).unwrap();
    assert_eq!(
        lenient("{{.Nope}} {{.Nope.Deeper}} {{.Null.X}}"),
        "<no value> <no value> <no value>"
    );
    assert_eq!(
        lenient("{{if .Nope}}a{{else}}b{{end}}{{range .Nope}}x{{end}}{{json .Nope}}"),
        "bnull"
    );
    // What has a type has no fields, however lenient one is.
    assert!(render("{{.Name.X}}", &data(), Options::LENIENT).is_err());
}

/// What makes no sense, and what is said about it.
const RUBBISH: &[(&str, &str)] = &[
    (
        "{{print(1)}}",
        ":1:7: expected a space, \"|\" or \"}}\", found \"(\"",
    ),
    ("{{", ":1:0: this action has no end; expected \"}}\""),
    ("a\n {{.A", ":2:1: this action has no end; expected \"}}\""),
    ("{{}}", ":1:0: missing value for command"),
    ("{{if}}{{end}}", ":1:0: missing value for if"),
    ("{{range }}{{end}}", ":1:0: missing value for range"),
    ("{{\"abc}}", ":1:2: this has no end; expected '\"'"),
    ("{{`abc", ":1:2: this has no end; expected '`'"),
    ("{{\"a\nb\"}}", ":1:2: this has no end; expected '\"'"),
    (
        r#"{{"\q"}}"#,
        ":1:2: there is an escape that Go does not know in this",
    ),
    (
        "{{'ab'}}",
        ":1:2: expected one character between the quotes",
    ),
    ("{{''}}", ":1:2: expected one character between the quotes"),
    ("{{3x}}", ":1:2: \"3x\" is not a number"),
    ("{{09}}", ":1:2: \"09\" is not a number"),
    (
        "{{99999999999999999999}}",
        ":1:2: \"99999999999999999999\" is not a number",
    ),
    ("{{1__0}}", ":1:2: \"1__0\" is not a number"),
    (
        "{{/* a }}",
        ":1:0: this comment has no end; expected \"*/}}\"",
    ),
    (
        "{{/* a */ x}}",
        "a comment ends with \"*/}}\", and here is more",
    ),
    (
        "{{ /* a */}}",
        ":1:3: expected a field, a function, a literal or \"}}\", found '/'",
    ),
    ("{{foo}}", ":1:2: function \"foo\" not defined"),
    ("{{call .x}}", ":1:2: function \"call\" not defined"),
    ("{{$x}}", ":1:2: undefined variable \"$x\""),
    ("{{$x = 1}}", ":1:2: undefined variable \"$x\""),
    ("{{$x := $x}}", ":1:8: undefined variable \"$x\""),
    (
        "{{if $x := 1}}{{end}}{{$x}}",
        ":1:23: undefined variable \"$x\"",
    ),
    ("{{$x, $y := 1}}", ":1:6: too many declarations: $y"),
    (
        "{{range $a,$b,$c := .}}{{end}}",
        ":1:14: too many declarations: $c",
    ),
    ("{{end}}", ":1:0: unexpected {{end}}"),
    ("{{else}}", ":1:0: unexpected {{else}}"),
    ("x{{if 1}}", ":1:1: this if has no {{end}}"),
    ("{{with 1}}{{else}}", ":1:0: this with has no {{end}}"),
    ("{{range 1}}", ":1:0: this range has no {{end}}"),
    (
        "{{if 1}}{{else}}{{else}}{{end}}",
        ":1:16: expected {{end}}, found {{else}}",
    ),
    (
        "{{if 1}}{{else 2}}{{end}}",
        ":1:15: expected \"}}\" after else, found \"2\"",
    ),
    (
        "{{if 1}}{{else with 2}}{{end}}",
        ":1:15: expected \"}}\" after else, found \"with\"",
    ),
    (
        "{{if 1}}{{end 2}}",
        ":1:14: expected \"}}\" after end, found \"2\"",
    ),
    ("{{break}}", ":1:0: {{break}} outside {{range}}"),
    (
        "{{range 1}}{{else}}{{continue}}{{end}}",
        "{{continue}} outside {{range}}",
    ),
    ("{{define \"x\"}}{{end}}", "{{define}} is not supported"),
    (
        "{{\"a\" | 3}}",
        ":1:8: non executable command in pipeline stage 2",
    ),
    (
        "{{1 | . }}",
        ":1:6: non executable command in pipeline stage 2",
    ),
    ("{{nil}}", ":1:2: nil is not a command"),
    ("{{print (nil)}}", ":1:9: nil is not a command"),
    ("{{true.A}}", ":1:2: a field of a literal: .A"),
    (
        "{{(1}}",
        ":1:2: this parenthesis is never closed; expected \")\"",
    ),
    ("{{1)}}", ":1:3: expected \"}}\", found \")\""),
    ("{{()}}", ":1:3: expected a value, found \")\""),
    ("{{1 |}}", ":1:5: expected a value, found \"}}\""),
    (
        "{{.A\"x\"}}",
        ":1:4: expected a space, \"|\" or \"}}\", found \"\\\"x\\\"\"",
    ),
    (
        "{{print 1,2}}",
        ":1:9: expected a space, \"|\" or \"}}\", found \",\"",
    ),
    ("{{print := 1}}", ":1:8: expected a value, found \":=\""),
    (
        "{{a:b}}",
        ":1:3: expected a field, a function, a literal or \"}}\", found ':'",
    ),
];

#[test]
fn a_template_that_makes_no_sense_is_explained() {
    for (template, what) in RUBBISH {
        let error = Template::parse(template).unwrap_err();
        assert_eq!(error.fault(), crate::error::Fault::User);
        assert!(error.what().contains(what), "{template}: {error}");
    }
}
